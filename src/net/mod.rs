//! The wire under the three listeners: addresses, sockets, the accept loop, and HTTP answers that all of them give.

mod address;
pub mod http;

pub use address::{Address, AddressError};
