//! What a verified webhook holds: packed bodies, forms, lines of JSON, CloudEvents, and the handshakes of senders.
//!
//! Pure: header fields and bytes in, values out. Nothing here reads a clock, a socket or a file, and nothing is to be
//! called on bytes that no verifier has believed, the handshakes by GET and OPTIONS excepted, whose requests nobody
//! signs. What a sender can make large has its limit in [`limits`].

pub mod cloudevents;
pub mod form;
pub mod handshake;
pub mod limits;
pub mod lines;
mod media;
mod shape;
mod unpack;

pub use media::{Media, is_json};
pub use shape::Shape;
pub use unpack::{ACCEPT_ENCODING, Coding, Room, UnpackError, unpack};
