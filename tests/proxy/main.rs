//! The sockets and the edge, on the wire: raw bytes in, raw bytes out.

mod app;
mod edge;
mod exposed;
mod harness;
mod hold;
mod net;
mod proxied;
mod tls;
mod websocket;
