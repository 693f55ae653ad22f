//! What the app is told of its caller.

use http::{HeaderName, HeaderValue, Method, Version, header};
use pingora::Result;
use pingora::http::RequestHeader;

use super::client_address::{self, TrustedProxies};
use crate::net::Peer;
use crate::net::http::hold_fields;
pub(super) use crate::net::http::{add_via, is_loop};

/// Sets the fields that say who asked, on a request to the app: what trusted proxies say is kept and added to, so that the
/// list begins with the client.
pub(super) fn identify(
    request: &mut RequestHeader,
    peer: Peer,
    trusted: &TrustedProxies,
    app: &str,
) -> Result<()> {
    for name in hold_fields(&request.headers) {
        // The app's to say: one that gives back what it was sent must not be made to say it.
        request.remove_header(&name);
    }
    client_address::way(peer, &request.headers, trusted).tell(request, app)
}

/// Whether this asks for a WebSocket (RFC 6455 §4.1). Everything else that asks for an upgrade is a plain request: a
/// server MAY ignore it (RFC 9110 §7.8).
pub(super) fn is_websocket(request: &RequestHeader) -> bool {
    let no_body = !request.headers.contains_key(header::TRANSFER_ENCODING)
        && request.headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    request.version == Version::HTTP_11
        && request.method == Method::GET
        && no_body
        && tokens(request, &header::UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
        && tokens(request, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

/// Makes a WebSocket's request one of this hop: only what belongs to the upgrade stays hop-by-hop. False when the caller
/// names other fields for this hop alone, which no WebSocket needs and which could hide fields from the app.
pub(super) fn normalize_websocket(request: &mut RequestHeader) -> Result<bool> {
    let known = ["upgrade", "keep-alive"];
    if !tokens(request, &header::CONNECTION).all(|token| known.iter().any(|k| token.eq_ignore_ascii_case(k)))
    {
        return Ok(false);
    }
    for name in ["keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization", "http2-settings"] {
        request.remove_header(name);
    }
    request.insert_header(header::CONNECTION, "Upgrade")?;
    request.insert_header(header::UPGRADE, HeaderValue::from_static("websocket"))?;
    Ok(true)
}

fn tokens<'a>(request: &'a RequestHeader, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = request.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn get<'a>(request: &'a RequestHeader, name: &str) -> Vec<&'a str> {
        request.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn peer(ip: &str) -> Peer {
        Peer::Ip((ip.parse::<std::net::IpAddr>().unwrap(), 51000).into())
    }

    fn trusting(one: &str) -> TrustedProxies {
        [one.parse().unwrap()].into_iter().collect()
    }

    #[test]
    fn a_strangers_word_is_not_believed() {
        let mut r = request(&[
            ("Host", "app.example"),
            ("X-Forwarded-For", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Prefix", "/evil"),
            ("Forwarded", "for=1.1.1.1"),
            ("X-Real-IP", "1.1.1.1"),
            ("Via", "1.1 other"),
        ]);
        identify(&mut r, peer("192.0.2.7"), &trusting("10.0.0.0/8"), "app:3000").unwrap();
        add_via(&mut r, Version::HTTP_10).unwrap();
        assert_eq!(get(&r, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(get(&r, "x-forwarded-host"), ["app.example"]);
        assert_eq!(get(&r, "x-forwarded-proto"), ["http"]);
        assert_eq!(get(&r, "via"), ["1.1 other", "1.0 sidestream"]);
        assert_eq!(get(&r, "host"), ["app.example"]);
        for gone in ["forwarded", "x-real-ip", "x-forwarded-prefix"] {
            assert!(get(&r, gone).is_empty(), "{gone}");
        }
    }

    #[test]
    fn who_has_no_address_has_none_and_a_missing_host_is_filled_in() {
        let mut r = request(&[("X-Forwarded-For", "1.1.1.1")]);
        identify(&mut r, Peer::Unix, &trusting("10.0.0.0/8"), "app:3000").unwrap();
        assert!(get(&r, "x-forwarded-for").is_empty());
        assert!(get(&r, "x-forwarded-host").is_empty());
        assert_eq!(get(&r, "host"), ["app:3000"]);
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_added_to() {
        let mut r = request(&[
            ("Host", "app.internal"),
            ("X-Forwarded-For", "6.6.6.6, 192.0.2.7"),
            ("X-Forwarded-For", "10.0.0.9:4000"),
            ("X-Forwarded-Host", "app.example:8443"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Prefix", "/kept-by-nobody"),
            ("X-Real-IP", "192.0.2.7"),
            ("Forwarded", "for=6.6.6.6"),
        ]);
        identify(&mut r, peer("10.0.0.1"), &trusting("10.0.0.0/8"), "app:3000").unwrap();
        // 6.6.6.6 is what 192.0.2.7 said of itself.
        assert_eq!(get(&r, "x-forwarded-for"), ["192.0.2.7, 10.0.0.9, 10.0.0.1"]);
        assert_eq!(get(&r, "x-forwarded-proto"), ["https"]);
        assert_eq!(get(&r, "x-forwarded-host"), ["app.example:8443"]);
        assert_eq!(get(&r, "host"), ["app.internal"]);
        for gone in ["forwarded", "x-real-ip", "x-forwarded-prefix"] {
            assert!(get(&r, gone).is_empty(), "{gone}");
        }
    }

    #[test]
    fn what_a_trusted_proxy_leaves_open_is_filled_in() {
        let mut r = request(&[
            ("Host", "app.example"),
            ("X-Forwarded-Proto", "https, http"),
            ("X-Forwarded-Host", "a.example"),
            ("X-Forwarded-Host", "b.example"),
        ]);
        identify(&mut r, Peer::Unix, &trusting("unix"), "app:3000").unwrap();
        assert!(get(&r, "x-forwarded-for").is_empty());
        assert_eq!(get(&r, "x-forwarded-proto"), ["http"]);
        assert_eq!(get(&r, "x-forwarded-host"), ["app.example"]);
    }

    #[test]
    fn forwarded_alone_is_told_in_the_fields_that_apps_read() {
        let mut r = request(&[
            ("Host", "app.internal"),
            (
                "Forwarded",
                "for=6.6.6.6;host=evil.example, for=\"[2001:db8::7]:1\";proto=HTTPS;host=app.example",
            ),
            ("Forwarded", "for=10.0.0.9;proto=http;host=app.internal"),
        ]);
        identify(&mut r, peer("10.0.0.1"), &trusting("10.0.0.0/8"), "app:3000").unwrap();
        assert_eq!(get(&r, "x-forwarded-for"), ["2001:db8::7, 10.0.0.9, 10.0.0.1"]);
        assert_eq!(
            (get(&r, "x-forwarded-proto"), get(&r, "x-forwarded-host")),
            (vec!["https"], vec!["app.example"])
        );
        assert!(get(&r, "forwarded").is_empty());
    }

    #[test]
    fn loops_are_seen() {
        assert!(!is_loop(&request(&[("Via", "1.1 sidestream, 1.1 b"), ("Via", "1.1 sidestream")])));
        assert!(is_loop(&request(&[("Via", "1.1 sidestream,1.1 sidestream"); 3])));
    }

    #[test]
    fn websockets_are_told_from_other_upgrades() {
        let upgrade = ("Upgrade", "WebSocket");
        assert!(is_websocket(&request(&[("Connection", "keep-alive, Upgrade"), upgrade])));
        assert!(!is_websocket(&request(&[("Connection", "keep-alive"), upgrade])));
        assert!(!is_websocket(&request(&[("Connection", "Upgrade"), ("Upgrade", "h2c")])));
        assert!(!is_websocket(&request(&[("Connection", "Upgrade"), upgrade, ("Content-Length", "1")])));
        let mut old = request(&[("Connection", "Upgrade"), upgrade]);
        old.set_version(Version::HTTP_10);
        assert!(!is_websocket(&old));
    }

    #[test]
    fn a_websocket_names_no_other_fields_for_this_hop() {
        let mut r =
            request(&[("Connection", "keep-alive, Upgrade"), ("Upgrade", "h2c, websocket"), ("TE", "x")]);
        assert!(normalize_websocket(&mut r).unwrap());
        assert_eq!((get(&r, "connection"), get(&r, "upgrade")), (vec!["Upgrade"], vec!["websocket"]));
        assert!(get(&r, "te").is_empty());
        assert!(!normalize_websocket(&mut request(&[("Connection", "Upgrade, Authorization")])).unwrap());
    }
}
