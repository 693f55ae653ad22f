//! A cursor has one text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestream::event::Cursor;

fuzz_target!(|text: &str| {
    if let Some(cursor) = Cursor::parse(text) {
        assert_eq!(cursor.to_string(), text);
    }
});
