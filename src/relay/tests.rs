//! A relay and a real app on a real socket.

mod drain;
mod exact;
mod queue;
mod reuse;
mod support;
mod sync;
mod tls;
