//! A PROXY header ends where it ends, however much of what follows is there, and is never read from less.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestream::net::parse_proxy_header;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse_proxy_header(bytes);
    if let Ok(Some(header)) = &whole {
        assert!(header.bytes <= bytes.len() && header.bytes <= 4112);
        assert_eq!(parse_proxy_header(&bytes[..header.bytes]), whole);
        assert_eq!(parse_proxy_header(&bytes[..header.bytes - 1]), Ok(None));
    }
});
