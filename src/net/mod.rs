//! The wire under the three listeners: addresses, sockets, the accept loop, and HTTP answers that all of them give.
//!
//! A connection's life: [`Listener`] binds before anything starts, [`Service`] accepts and makes a [`Conn`], which reads
//! a request's whole head itself (bounded in bytes and time, refused when malformed) before any HTTP code sees it. The
//! application may then keep the connection as a socket of its own ([`take_conn`], [`Conn::into_socket`]) or answer, and
//! the next request is read.

mod address;
mod chunks;
pub(crate) mod client;
mod conn;
mod control;
mod fds;
mod head;
pub mod http;
mod listener;
mod proxy_protocol;
mod refusal;
mod service;
mod silence;
pub(crate) mod upstream;

pub use address::{Address, AddressError};
pub use client::{Url, UrlError};
pub(crate) use conn::has_bad_chunks;
pub use conn::{Conn, Peer, take_conn};
pub use control::{Control, Wait};
pub(crate) use fds::UPSTREAM_POOL;
pub use fds::{Budget, raise_open_files};
pub use head::{MAX_HEAD, MAX_HEAD_LINES};
pub use listener::{BindError, Listener, SocketFile};
pub use proxy_protocol::ProxyProtocol;
#[doc(hidden)]
pub use proxy_protocol::{Caller, Header, HeaderError, parse as parse_proxy_header};
pub use refusal::Refusal;
pub use service::{HEAD_TIMEOUT, IDLE_TIMEOUT, Limits, Open, Service, Settings};
pub use silence::silence;
pub use upstream::{Roots, Upstream, UpstreamScheme, UpstreamTimeouts};
