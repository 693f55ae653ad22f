//! Who may write.
//!
//! A write is anything that changes the process. Three things are checked, in this order:
//! 1. **Origin.** A browser that another site's page drives says so (`Origin`, `Sec-Fetch-Site`); such a write is refused
//!    whatever else it carries, since the page may know the address of this listener but must not use it.
//! 2. **Token**, where one is configured: `Authorization: Bearer`, compared in constant time.
//! 3. **Locality**, where none is: the peer is a loopback address or a unix socket's, the request has not come through a
//!    proxy (a proxy on this host would lend its locality to the world), and `Host` names this host. The last one keeps
//!    DNS rebinding out: a page whose own name was made to resolve to 127.0.0.1 is same-origin with us, yet its browser
//!    still sends that name. Behind such a name, set a token.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::net::Peer;
use crate::net::http::Answer;
use crate::secret::Secret;

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("writes from a page of another origin are refused")]
    CrossOrigin,
    #[error("writes need admin.token as a bearer token")]
    Token,
    #[error(
        "without admin.token, writes are taken from this host only, sent to it directly and by a local name"
    )]
    NotLocal,
}

impl Denied {
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::CrossOrigin | Self::NotLocal => Answer::problem(StatusCode::FORBIDDEN, &self.to_string()),
            // RFC 6750 §3: no reason is given beyond that.
            Self::Token => Answer::problem(StatusCode::UNAUTHORIZED, &self.to_string())
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        }
    }
}

/// Judges a write.
pub(super) fn write(headers: &HeaderMap, peer: Option<Peer>, token: Option<&Secret>) -> Result<(), Denied> {
    if cross_origin(headers) {
        return Err(Denied::CrossOrigin);
    }
    match token {
        Some(token) if bearer(headers).is_some_and(|presented| token.matches(presented)) => Ok(()),
        Some(_) => Err(Denied::Token),
        None if local(headers, peer) => Ok(()),
        None => Err(Denied::NotLocal),
    }
}

/// Whether a browser says that another origin's page is behind the request. Both headers are the browser's own: a page
/// can't set them (Fetch §2.2.2, forbidden request-headers).
fn cross_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    // `null` and every other origin without an authority are someone else's.
    let authority = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(HOST).and_then(|h| h.to_str().ok());
    !authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// The only bearer token of the request (RFC 6750 §2.1; the scheme's name is without case).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
}

fn local(headers: &HeaderMap, peer: Option<Peer>) -> bool {
    if headers.contains_key(FORWARDED) || headers.contains_key("x-forwarded-for") {
        return false;
    }
    match peer {
        // No browser reaches a unix socket: its file's permissions decide.
        Some(Peer::Unix) => true,
        Some(Peer::Ip(address)) => {
            let host = headers.get(HOST).and_then(|h| h.to_str().ok());
            address.ip().to_canonical().is_loopback() && host.is_some_and(names_this_host)
        }
        None => false,
    }
}

/// Whether a `Host` value is a name or address that can only mean the host itself (RFC 6761 §6.3 for `localhost`).
fn names_this_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((v6, port)) if port.is_empty() || port.starts_with(':') => v6,
            _ => return false,
        },
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let named = || {
        let name = name.to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost")
    };
    name.parse::<IpAddr>().map_or_else(|_| named(), |address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header lines of a request.
    type Lines = &'static [(&'static str, &'static str)];

    fn headers(pairs: Lines) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn inet(text: &str) -> Peer {
        Peer::Ip(text.parse().unwrap())
    }

    #[test]
    fn without_a_token_only_local_peers_write() {
        let loopback = inet("127.0.0.1:5000");
        let cases: [(Lines, Option<Peer>, bool); 16] = [
            (&[("host", "localhost:9090")], Some(loopback), true),
            (&[("host", "LOCALHOST")], Some(loopback), true),
            (&[("host", "127.0.0.1:9090")], Some(loopback), true),
            (&[("host", "admin.localhost")], Some(loopback), true),
            (&[("host", "[::1]:9090")], Some(inet("[::1]:5000")), true),
            (&[("host", "127.0.0.1")], Some(inet("[::ffff:127.0.0.1]:5000")), true),
            (&[("host", "anything")], Some(Peer::Unix), true),
            (&[("host", "rebound.example:9090")], Some(loopback), false),
            (&[("host", "localhost.example")], Some(loopback), false),
            (&[("host", "127.0.0.1.example")], Some(loopback), false),
            (&[("host", "[::1].example")], Some(loopback), false),
            (&[], Some(loopback), false),
            (&[("host", "localhost"), ("x-forwarded-for", "10.0.0.9")], Some(loopback), false),
            (&[("host", "localhost"), ("forwarded", "for=10.0.0.9")], Some(Peer::Unix), false),
            (&[("host", "localhost")], Some(inet("10.0.0.9:5000")), false),
            (&[("host", "localhost")], None, false),
        ];
        for (pairs, peer, want) in cases {
            let judged = write(&headers(pairs), peer, None);
            assert_eq!(judged, if want { Ok(()) } else { Err(Denied::NotLocal) }, "{pairs:?} {peer:?}");
        }
    }

    #[test]
    fn with_a_token_it_is_needed_from_everyone_and_is_enough() {
        let token = Secret::new(*b"hush");
        let cases: [(Lines, bool); 10] = [
            (&[("authorization", "Bearer hush")], true),
            (&[("authorization", "bearer  hush")], true),
            (&[("authorization", "Bearer hush"), ("host", "admin.example")], true),
            (&[("authorization", "Bearer hus")], false),
            (&[("authorization", "Bearer hushh")], false),
            (&[("authorization", "Bearer ")], false),
            (&[("authorization", "Basic hush")], false),
            (&[("authorization", "hush")], false),
            (&[("authorization", "Bearer hush"), ("authorization", "Bearer hush")], false),
            (&[("host", "localhost")], false),
        ];
        for (pairs, want) in cases {
            for peer in [inet("127.0.0.1:5000"), inet("10.0.0.9:5000"), Peer::Unix] {
                let judged = write(&headers(pairs), Some(peer), Some(&token));
                assert_eq!(judged, if want { Ok(()) } else { Err(Denied::Token) }, "{pairs:?}");
            }
        }
    }

    #[test]
    fn a_page_of_another_origin_never_writes() {
        let token = Secret::new(*b"hush");
        let cases: [(Lines, bool); 11] = [
            (&[], true),
            (&[("origin", "http://localhost:9090")], true),
            (&[("origin", "http://LOCALHOST:9090"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("origin", "http://localhost:3000")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://localhost:9090"), ("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "SAME-ORIGIN")], false),
            (&[("origin", "localhost:9090")], false),
        ];
        for (pairs, want) in cases {
            let mut map = headers(pairs);
            map.insert(HOST, HeaderValue::from_static("localhost:9090"));
            map.insert(AUTHORIZATION, HeaderValue::from_static("Bearer hush"));
            for token in [None, Some(&token)] {
                let judged = write(&map, Some(inet("127.0.0.1:5000")), token);
                assert_eq!(judged, if want { Ok(()) } else { Err(Denied::CrossOrigin) }, "{pairs:?}");
            }
        }
    }
}
