//! Who asks, by table; networks; and any headers at all.

use http::HeaderName;
use proptest::prelude::*;

use super::*;

fn peer(ip: &str) -> Peer {
    Peer::Ip((ip.parse::<IpAddr>().unwrap(), 51000).into())
}

fn trusting(items: &[&str]) -> TrustedProxies {
    items.iter().map(|item| item.parse().unwrap()).collect()
}

/// A private network of proxies, one in IPv6, and the unix socket.
fn proxies() -> TrustedProxies {
    trusting(&["10.0.0.0/8", "fd00::/8", "unix"])
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    headers
}

fn of(from: Peer, lines: &[(&'static str, &str)]) -> Option<String> {
    client(from, &headers(lines), &proxies()).map(|address| address.to_string())
}

const XFF: &str = "x-forwarded-for";
const FWD: &str = "forwarded";

#[test]
fn a_strangers_headers_change_nothing() {
    for lines in [
        &[(XFF, "1.2.3.4")][..],
        &[(XFF, "10.0.0.1")],
        &[(XFF, "10.0.0.1, 10.0.0.2"), (XFF, "unknown")],
        &[(FWD, "for=1.2.3.4;proto=https;host=evil.example")],
        &[(XFF, "1.2.3.4"), (FWD, "for=1.2.3.4"), ("x-real-ip", "1.2.3.4"), ("x-forwarded-proto", "https")],
    ] {
        assert_eq!(of(peer("192.0.2.7"), lines).as_deref(), Some("192.0.2.7"), "{lines:?}");
        let path = way(peer("192.0.2.7"), &headers(lines), &proxies());
        assert_eq!(path, Way { addresses: vec!["192.0.2.7".parse().unwrap()], ..Way::default() });
        assert_eq!(client(Peer::Unix, &headers(lines), &trusting(&["0.0.0.0/0", "::/0"])), None);
        assert_eq!(
            client(peer("10.0.0.1"), &headers(lines), &TrustedProxies::default()),
            peer("10.0.0.1").ip()
        );
    }
}

#[test]
fn x_forwarded_for_by_table() {
    for (lines, want) in [
        (&[""][..], "10.0.0.1"),
        (&["192.0.2.7"], "192.0.2.7"),
        (&["2001:db8::7"], "2001:db8::7"),
        (&["[2001:db8::7]"], "2001:db8::7"),
        (&["[2001:db8::7]:51000"], "2001:db8::7"),
        (&["192.0.2.7:51000"], "192.0.2.7"),
        (&["::ffff:192.0.2.7"], "192.0.2.7"),
        // From the right, over those that are trusted.
        (&["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (&["192.0.2.7 ,\t10.9.9.9,fd00::2"], "192.0.2.7"),
        (&["192.0.2.7, ::ffff:10.0.0.2"], "192.0.2.7"),
        // Several lines are one list.
        (&["192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        (&["192.0.2.7, 10.0.0.3", "10.0.0.2"], "192.0.2.7"),
        // What the client itself said stands to its left.
        (&["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6", "192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (&["10.0.0.9, 192.0.2.7"], "192.0.2.7"),
        // All of them are trusted: the first is where it came from.
        (&["10.0.0.4, 10.0.0.3"], "10.0.0.4"),
        // What is no address ends it: it is the one's who wrote it.
        (&["unknown"], "10.0.0.1"),
        (&["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.7, _hidden"], "10.0.0.1"),
        (&["192.0.2.7, \"10.0.0.2\""], "10.0.0.1"),
        (&["192.0.2.7, 10.0.0.2 10.0.0.3"], "10.0.0.1"),
        (&["192.0.2.7, 010.0.0.2"], "10.0.0.1"),
        (&["192.0.2.7, 10.0.0"], "10.0.0.1"),
        (&["192.0.2.7, 10.0.0.2:"], "10.0.0.1"),
        (&["192.0.2.7, 10.0.0.2:123456"], "10.0.0.1"),
        (&["192.0.2.7, [10.0.0.2]"], "10.0.0.1"),
        (&["192.0.2.7, [fd00::2"], "10.0.0.1"),
        (&["192.0.2.7, [fd00::2]x"], "10.0.0.1"),
        (&["192.0.2.7, fd00::2%eth0"], "10.0.0.1"),
        // Empty elements do not count.
        (&["192.0.2.7, , ,10.0.0.2,", ""], "192.0.2.7"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| (XFF, *line)).collect();
        assert_eq!(of(peer("10.0.0.1"), &lines).as_deref(), Some(want), "{lines:?}");
    }
}

#[test]
fn forwarded_by_table() {
    for (lines, want) in [
        (&["for=192.0.2.7"][..], "192.0.2.7"),
        (&["FOR=\"192.0.2.7:51000\";Proto=https;by=10.0.0.1"], "192.0.2.7"),
        (&["for=\"[2001:db8::7]\""], "2001:db8::7"),
        (&["for=\"[2001:db8::7]:_hidden\""], "2001:db8::7"),
        (&["for=\"[::ffff:192.0.2.7]:1\""], "192.0.2.7"),
        (&["for=192.0.2.7, for=10.0.0.3", "for=\"[fd00::2]:1\""], "192.0.2.7"),
        (&["for=6.6.6.6, for=192.0.2.7;proto=http, for=10.0.0.2"], "192.0.2.7"),
        (&["for=192.0.2.7, for=unknown"], "10.0.0.1"),
        (&["for=192.0.2.7, for=_secret, for=10.0.0.2"], "10.0.0.2"),
        (&["for=192.0.2.7, proto=https"], "10.0.0.1"),
        (&["for=192.0.2.7, for=10.0.0.2;for=10.0.0.3"], "10.0.0.1"),
        (&["for=192.0.2.7, 10.0.0.2"], "10.0.0.1"),
        (&["for=\"192.0.2.7"], "10.0.0.1"),
        // The client opened a quote.
        (&["for=\"6.6.6.6, for=192.0.2.7"], "192.0.2.7"),
        (&["for=\"6.6.6.6, for=\"[2001:db8::7]\""], "2001:db8::7"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| (FWD, *line)).collect();
        assert_eq!(of(peer("10.0.0.1"), &lines).as_deref(), Some(want), "{lines:?}");
    }
}

#[test]
fn x_forwarded_for_wins_wherever_it_is() {
    let both = [(FWD, "for=6.6.6.6"), (XFF, "192.0.2.7")];
    assert_eq!(of(peer("10.0.0.1"), &both).as_deref(), Some("192.0.2.7"));
    // Even where it says nothing.
    let both = [(FWD, "for=6.6.6.6"), (XFF, "")];
    assert_eq!(of(peer("10.0.0.1"), &both).as_deref(), Some("10.0.0.1"));
}

#[test]
fn a_unix_socket_is_trusted_where_it_is_listed() {
    assert_eq!(of(Peer::Unix, &[(XFF, "192.0.2.7")]).as_deref(), Some("192.0.2.7"));
    assert_eq!(of(Peer::Unix, &[]), None);
    assert_eq!(of(Peer::Unix, &[(XFF, "unknown")]), None);
}

#[test]
fn proxies_in_a_row_are_believed_for_a_while() {
    let row = |trusted: usize| format!("192.0.2.7{}", ", 10.0.0.2".repeat(trusted));
    let of = |list: &str| of(peer("10.0.0.1"), &[(XFF, list)]).unwrap();
    assert_eq!(of(&row(MAX_HOPS - 1)), "192.0.2.7");
    assert_eq!(of(&row(MAX_HOPS)), "10.0.0.2");
    let path = way(peer("10.0.0.1"), &headers(&[(XFF, &row(1000))]), &proxies());
    assert_eq!(path.addresses.len(), MAX_HOPS + 1);
}

#[test]
fn scheme_and_host_are_those_that_the_client_used() {
    let path = |lines: &[(&'static str, &str)]| way(peer("10.0.0.1"), &headers(lines), &proxies());
    let told =
        path(&[(XFF, "192.0.2.7"), ("x-forwarded-proto", "WSS"), ("x-forwarded-host", "[2001:db8::1]:80")]);
    assert_eq!(told.scheme, Some(Scheme::Https));
    assert_eq!(told.host.unwrap(), "[2001:db8::1]:80");
    for host in ["", "a b", "a, b", "a/b", "a@b", "é", &"a".repeat(260)] {
        assert_eq!(path(&[("x-forwarded-host", host)]).host, None, "{host}");
    }
    for proto in ["", "https,http", "ftp", "httpss"] {
        assert_eq!(path(&[("x-forwarded-proto", proto)]).scheme, None, "{proto}");
    }
    // What a hidden client used is known all the same.
    let told = path(&[(FWD, "for=6.6.6.6;proto=http, for=_hidden;proto=https;host=\"a.example:8443\"")]);
    assert_eq!((told.scheme, told.host.unwrap().as_bytes()), (Some(Scheme::Https), &b"a.example:8443"[..]));
    // Where `Forwarded` is read, the other fields are not.
    assert_eq!(path(&[(FWD, "for=192.0.2.7"), ("x-forwarded-proto", "https")]).scheme, None);
}

#[test]
fn networks_by_table() {
    for (text, shown, inside, outside) in [
        ("10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.1/32", "10.0.0.1", "::ffff:10.0.0.1", "10.0.0.0"),
        ("0.0.0.0/0", "0.0.0.0/0", "255.0.0.1", "::1"),
        ("192.0.2.128/25", "192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
        ("fd00::/8", "fd00::/8", "fdff::1", "fe00::1"),
        ("::/0", "::/0", "2001:db8::1", "1.2.3.4"),
        ("::1", "::1", "::1", "::2"),
        ("2001:db8::/33", "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.1.2.3", "11.0.0.0"),
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1", "::1"),
    ] {
        let trusted: Trusted = text.parse().unwrap();
        assert_eq!(trusted.to_string(), shown);
        assert_eq!(shown.parse(), Ok(trusted));
        assert!(trusted.has(inside.parse().unwrap()), "{text} {inside}");
        assert!(!trusted.has(outside.parse().unwrap()), "{text} {outside}");
    }
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "10.0.0.0/255.0.0.0",
        "localhost",
        "Unix",
        "[::1]",
        "10.0.0.1:80",
        " 10.0.0.1",
        "10.0.0.0/999",
    ] {
        assert_eq!(text.parse::<Trusted>(), Err(TrustedError::Form), "{text:?}");
    }
    for (text, meant) in [("10.0.0.1/8", "10.0.0.0/8"), ("fd00::1/8", "fd00::/8"), ("1.0.0.0/0", "0.0.0.0/0")]
    {
        assert_eq!(text.parse::<Trusted>(), Err(TrustedError::Beyond(meant.parse().unwrap())), "{text}");
    }
}

/// Values that come near the two fields.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("10.0.0.2".to_owned()),
        Just("192.0.2.7:1".to_owned()),
        Just("[fd00::2]:1".to_owned()),
        Just("for=".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(", ".to_owned()),
        Just(";proto=https".to_owned()),
        "[ -~]{0,4}",
    ];
    let near = proptest::collection::vec(piece, 0..12).prop_map(|p| p.concat().into_bytes());
    prop_oneof![near, proptest::collection::vec(any::<u8>(), 0..100)]
}

proptest! {
    /// No headers make it panic, a stranger's change nothing, what is found is bounded, and the client is its beginning.
    #[test]
    fn any_headers(
        lines in proptest::collection::vec((any::<bool>(), value()), 0..4),
        from in prop_oneof![Just(peer("10.0.0.1")), Just(peer("192.0.2.9")), Just(Peer::Unix)],
    ) {
        let mut headers = HeaderMap::new();
        for (xff, value) in lines {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            headers.append(if xff { X_FORWARDED_FOR } else { header::FORWARDED }, value);
        }
        let path = way(from, &headers, &proxies());
        prop_assert_eq!(path.addresses.first().copied(), client(from, &headers, &proxies()));
        prop_assert!(path.addresses.len() <= MAX_HOPS + 1);
        // All but the first are those of trusted proxies.
        prop_assert!(path.addresses.iter().skip(1).all(|a| proxies().has(*a)));
        prop_assert_eq!(client(peer("192.0.2.9"), &headers, &proxies()), peer("192.0.2.9").ip());
    }

    /// Whatever a client claims, its own address is what counts.
    #[test]
    fn no_claim_reaches_beyond_the_client(claim in value()) {
        for (name, appended) in [(X_FORWARDED_FOR, &b", 192.0.2.7"[..]), (header::FORWARDED, b", for=192.0.2.7")] {
            let Ok(value) = HeaderValue::from_bytes(&[&claim[..], appended].concat()) else { continue };
            let headers = HeaderMap::from_iter([(name, value)]);
            prop_assert_eq!(client(peer("10.0.0.1"), &headers, &proxies()), "192.0.2.7".parse().ok());
        }
    }
}
