//! A relay and a real app on a real socket.

mod drain;
mod exact;
mod queue;
mod reuse;
pub(crate) mod support;
mod sync;
mod tls;
