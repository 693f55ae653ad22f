//! The sockets and the edge, on the wire: raw bytes in, raw bytes out.

mod app;
mod edge;
mod exposed;
mod harness;
mod net;
mod proxied;
mod tls;
mod websocket;
