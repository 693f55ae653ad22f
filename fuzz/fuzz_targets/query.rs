//! What a request under the prefix asks for is read, or refused with words. Lines: the path's rest, the query, and the
//! value of Last-Event-ID.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(3, |&b| b == b'\n');
    let (rest, query, id) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
    match sidestream::edge::read_asked(rest, query, id) {
        Ok(topics) => assert!((1..=64).contains(&topics)),
        Err(why) => assert!(!why.is_empty() && why.len() < 4096),
    }
});
