//! What proxies say of their callers: nothing an untrusted peer says is believed, and nothing makes it panic. The first line
//! is X-Forwarded-For, the second Forwarded.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sidestream::edge::{TrustedProxies, client};
use sidestream::net::Peer;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for (name, value) in ["x-forwarded-for", "forwarded"].into_iter().zip(bytes.splitn(2, |&b| b == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let address = std::net::IpAddr::from([192, 0, 2, 1]);
    let peer = Peer::Ip((address, 443).into());
    assert_eq!(client(peer, &headers, &TrustedProxies::default()), Some(address));
    let trusted: TrustedProxies = ["192.0.2.0/24"].iter().map(|t| t.parse().expect("a network")).collect();
    assert!(client(peer, &headers, &trusted).is_some());
});
