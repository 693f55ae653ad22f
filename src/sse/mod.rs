//! Server-Sent Events on the wire: fields, blocks and the HTTP/1.1 framing around them.
//!
//! Source: HTML Living Standard, section 9.2 "Server-sent events" (<https://html.spec.whatwg.org/#server-sent-events>)
//! and RFC 9112 section 7.1 "Chunked Transfer Coding". Pure: bytes in, bytes out.

mod block;
pub mod envelope;
mod framing;
pub mod time;

pub use block::{Gap, GapReason, event, gap, heartbeat, opening, retry_only};
pub use framing::{Framed, Framing};
