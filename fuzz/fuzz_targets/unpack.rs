//! A packed body becomes at most so many bytes, or is refused with words. The first two bytes say how it is packed and how
//! large it may become.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sidestream::content::unpack;

const CODINGS: [&str; 5] = ["gzip", "deflate", "br", "gzip, br", "br, deflate"];

fuzz_target!(|bytes: &[u8]| {
    let [how, cap, body @ ..] = bytes else { return };
    let coding = CODINGS[usize::from(*how) % CODINGS.len()];
    let cap = usize::from(*cap) * 64;
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", HeaderValue::from_static(coding));
    match unpack(&headers, body.to_vec().into(), cap, &|_| true) {
        Ok(unpacked) => assert!(unpacked.len() <= cap),
        Err(why) => assert!((1..4096).contains(&why.to_string().len())),
    }
});
