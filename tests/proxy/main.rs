//! The sockets and the edge, on the wire: raw bytes in, raw bytes out.

mod harness;
mod net;
