//! A JSON text as a tree that borrows from it.
//!
//! Built once for a delivery, by the first expression that looks into the body. Keys keep the order of their first
//! appearance; of equal keys the last value counts, as in `JSON.parse`, so that a filter sees what the browser sees.
//! `serde_json::Value` was the other choice: it copies every text, sorts keys and knows no difference between the kinds
//! that CEL does.

mod object;
mod read;
mod write;

pub(super) use object::Object;
pub(super) use read::{read, read_composite};
pub(super) use write::{Sink, write};

/// A value of JSON: 24 bytes and what it holds, so that a body takes up to 12 times its bytes as a list of digits, and some 24
/// times as a list of empty maps.
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Double(f64),
    /// Text without escapes, where it stands.
    Seen(&'a str),
    /// Text with escapes, read.
    Made(Box<str>),
    List(Box<[Json<'a>]>),
    Map(Box<Object<'a>>),
}

const _: () = assert!(size_of::<Json<'_>>() == 24);
