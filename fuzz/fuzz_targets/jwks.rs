//! Any bytes are a set of keys or refused with words, and no key of one is used for what it is not for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestream::jwt::{Algorithm, Jwks, Keys, MAX_JWKS, Origin};

fuzz_target!(|bytes: &[u8]| {
    let _ = Keys::pem(bytes, None).map_err(|why| assert!(!why.to_string().is_empty()));
    for origin in [Origin::Url, Origin::File] {
        match Jwks::parse(bytes, origin) {
            Ok(set) => {
                assert!(bytes.len() <= MAX_JWKS);
                // What is published is no secret.
                let symmetric = Algorithm::ALL.iter().filter(|algorithm| algorithm.secret_bytes().is_some());
                assert!(
                    origin == Origin::File
                        || !symmetric.into_iter().any(|algorithm| set.keys.suit(*algorithm))
                );
                assert!(set.skipped.iter().all(|(_, why)| !why.to_string().is_empty()));
            }
            Err(why) => assert!(!why.to_string().is_empty() && why.to_string().len() < 512),
        }
    }
});
