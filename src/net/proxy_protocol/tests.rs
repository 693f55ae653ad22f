//! Headers by table, byte by byte, and any bytes at all.

use proptest::prelude::*;

use super::*;

/// A version 2 header with this command, family and rest; the length is the rest's.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    v2_saying(command, family, rest.len() as u16, rest)
}

fn v2_saying(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
    [V2_BEGIN.as_slice(), &[command, family], &length.to_be_bytes(), rest].concat()
}

/// From 192.0.2.7 port 51000 to 198.51.100.1 port 443.
const ADDRESSES_V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc7, 0x38, 0x01, 0xbb];

/// The same from `2001:db8::7` to `2001:db8::1`.
fn addresses_v6() -> Vec<u8> {
    let [from, to] = ["2001:db8::7", "2001:db8::1"].map(|a| a.parse::<Ipv6Addr>().unwrap().octets());
    [&from[..], &to, &[0xc7, 0x38, 0x01, 0xbb]].concat()
}

fn ip(address: &str) -> Caller {
    Caller::Ip(address.parse().unwrap())
}

/// What is whole, and whom it names.
fn good() -> Vec<(Vec<u8>, Caller)> {
    // ALPN h2, and the unique id of five bytes.
    let tlvs = b"\x01\x00\x02h2\x05\x00\x05abcde";
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 7], &[0; 16], &[0xc7, 0x38, 0x01, 0xbb]].concat();
    let text = |line: &str| [line.as_bytes(), b"\r\n"].concat();
    vec![
        (text("PROXY TCP4 192.0.2.7 198.51.100.1 51000 443"), ip("192.0.2.7:51000")),
        (text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535"), ip("255.255.255.255:65535")),
        (text("PROXY TCP4 192.0.2.7 198.51.100.1 0 0"), ip("192.0.2.7:0")),
        (text("PROXY TCP6 2001:db8::7 2001:db8::1 51000 443"), ip("[2001:db8::7]:51000")),
        (text("PROXY TCP6 ::ffff:192.0.2.7 ::1 51000 443"), ip("192.0.2.7:51000")),
        (text("PROXY UNKNOWN"), Caller::Socket),
        (
            text(
                "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            ),
            Caller::Socket,
        ),
        (v2(0x21, 0x11, &ADDRESSES_V4), ip("192.0.2.7:51000")),
        (v2(0x21, 0x11, &[&ADDRESSES_V4[..], tlvs].concat()), ip("192.0.2.7:51000")),
        (v2(0x21, 0x21, &addresses_v6()), ip("[2001:db8::7]:51000")),
        (v2(0x21, 0x21, &mapped), ip("192.0.2.7:51000")),
        (v2(0x21, 0x31, &[b'/'; 216]), Caller::Unix),
        (v2(0x21, 0x00, b""), Caller::Socket),
        (v2(0x21, 0x00, b"anything"), Caller::Socket),
        (v2(0x20, 0x00, b""), Caller::Socket),
        // The family of LOCAL is ignored, and so is what follows.
        (v2(0x20, 0x11, &ADDRESSES_V4), Caller::Socket),
        (v2(0x20, 0xff, b"\x00"), Caller::Socket),
        (v2(0x20, 0x00, &[0; V2_REST]), Caller::Socket),
    ]
}

#[test]
fn headers_by_table() {
    for (bytes, caller) in good() {
        let whole = Header { caller, bytes: bytes.len() };
        assert_eq!(parse(&bytes), Ok(Some(whole)), "{}", bytes.escape_ascii());
        // What follows it is not looked at.
        for after in [&b"GET / HTTP/1.1\r\n"[..], b"\r\n\r\n", b"PROXY ", &[0xff; 5000]] {
            assert_eq!(parse(&[&bytes[..], after].concat()), Ok(Some(whole)), "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn every_beginning_waits_for_more() {
    for (bytes, _) in good() {
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{}", bytes[..end].escape_ascii());
        }
    }
}

#[test]
fn what_is_no_header() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\r\n\r\nGET /",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 1\r\n",
        b" PROXY UNKNOWN\r\n",
        b"PROXY\tUNKNOWN\r\n",
        b"PROXY\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\x16\x03\x01",
        b"\0",
    ] {
        assert_eq!(parse(bytes), Err(HeaderError::Missing), "{}", bytes.escape_ascii());
    }
}

#[test]
fn version_1_is_taken_to_the_letter() {
    for line in [
        "",
        "TCP4",
        "TCP4 ",
        "TCP",
        "UDP4 192.0.2.7 198.51.100.1 1 1",
        "unknown",
        "UNKNOWNS",
        "TCP4 192.0.2.7 198.51.100.1 1",
        "TCP4 192.0.2.7 198.51.100.1 1 1 1",
        "TCP4 192.0.2.7 198.51.100.1 1 1 ",
        "TCP4  192.0.2.7 198.51.100.1 1 1",
        "TCP4 192.0.2.7  198.51.100.1 1 1",
        "TCP4 192.0.2.256 198.51.100.1 1 1",
        "TCP4 192.0.2 198.51.100.1 1 1",
        "TCP4 192.0.2.07 198.51.100.1 1 1",
        "TCP4 192.0.2.7 here 1 1",
        "TCP4 2001:db8::7 2001:db8::1 1 1",
        "TCP6 192.0.2.7 198.51.100.1 1 1",
        "TCP6 [2001:db8::7] 2001:db8::1 1 1",
        "TCP6 fe80::1%eth0 2001:db8::1 1 1",
        "TCP4 192.0.2.7 198.51.100.1 65536 1",
        "TCP4 192.0.2.7 198.51.100.1 01 1",
        "TCP4 192.0.2.7 198.51.100.1 +1 1",
        "TCP4 192.0.2.7 198.51.100.1 1 x",
        "TCP4 192.0.2.7 198.51.100.1 1 \n",
    ] {
        let got = parse(format!("PROXY {line}\r\nGET / HTTP/1.1\r\n").as_bytes());
        assert!(matches!(got, Err(HeaderError::Malformed(_))), "{line:?}: {got:?}");
    }
    assert!(matches!(parse(b"PROXY TCP4 \xff\r\n"), Err(HeaderError::Malformed(_))));
}

/// "a 108-byte buffer is always enough to store all the line and a trailing zero"
#[test]
fn version_1_has_a_longest_line() {
    let line = |bytes: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(bytes - 16));
    let longest = line(V1_BYTES);
    assert_eq!(longest.len(), V1_BYTES);
    assert!(matches!(parse(longest.as_bytes()), Ok(Some(Header { bytes: V1_BYTES, .. }))));
    assert_eq!(parse(line(V1_BYTES + 1).as_bytes()), Err(HeaderError::TooLong));
    assert_eq!(parse(&line(500).as_bytes()[..V1_BYTES]), Err(HeaderError::TooLong));
    assert_eq!(parse(&line(500).as_bytes()[..V1_BYTES - 1]), Ok(None));
}

#[test]
fn version_2_is_taken_to_the_letter() {
    let short_tlv = [&ADDRESSES_V4[..], b"\x01\x00"].concat();
    let long_tlv = [&ADDRESSES_V4[..], b"\x01\x00\x03h2"].concat();
    for (bytes, what) in [
        (v2(0x11, 0x11, &ADDRESSES_V4), "version 1"),
        (v2(0x31, 0x11, &ADDRESSES_V4), "version 3"),
        (v2(0x22, 0x11, &ADDRESSES_V4), "command 2"),
        (v2(0x2f, 0x11, &ADDRESSES_V4), "command 15"),
        (v2(0x21, 0x12, &ADDRESSES_V4), "datagrams"),
        (v2(0x21, 0x22, &addresses_v6()), "datagrams"),
        (v2(0x21, 0x32, &[b'/'; 216]), "datagrams"),
        (v2(0x21, 0x10, &ADDRESSES_V4), "no protocol"),
        (v2(0x21, 0x01, &ADDRESSES_V4), "no family"),
        (v2(0x21, 0x41, &ADDRESSES_V4), "an unknown family"),
        (v2(0x21, 0x11, &ADDRESSES_V4[..11]), "addresses cut short"),
        (v2(0x21, 0x21, &ADDRESSES_V4), "addresses of the other family"),
        (v2(0x21, 0x31, &[b'/'; 215]), "paths cut short"),
        (v2(0x21, 0x11, &short_tlv), "a TLV without a value"),
        (v2(0x21, 0x11, &long_tlv), "a TLV that is longer than the header"),
    ] {
        assert!(matches!(parse(&bytes), Err(HeaderError::Malformed(_))), "{what}: {:?}", parse(&bytes));
    }
}

#[test]
fn a_version_2_length_that_lies_gains_nothing() {
    // Too short for its family: known from the fixed bytes alone.
    let lies = v2_saying(0x21, 0x11, 11, b"");
    assert!(matches!(parse(&lies), Err(HeaderError::Malformed(_))));
    // Longer than what is held: refused before it has come.
    for length in [V2_REST as u16 + 1, u16::MAX] {
        assert_eq!(parse(&v2_saying(0x20, 0, length, b"")), Err(HeaderError::TooLong));
    }
    // Reaching into the request: the request's begin is no TLV.
    let request = b"GET /topics/orders HTTP/1.1\r\nHost: a\r\n\r\n";
    let lies = v2_saying(0x21, 0x11, 12 + 20, &[&ADDRESSES_V4[..], request].concat());
    assert!(matches!(parse(&lies), Err(HeaderError::Malformed(_))));
    // Shorter than what was meant: the rest is taken for the request, and refused as one.
    let lies = v2_saying(0x21, 0x11, 12, &[&ADDRESSES_V4[..], b"\x01\x00\x02h2"].concat());
    assert_eq!(parse(&lies).unwrap().unwrap().bytes, V2_FIXED + 12);
}

/// Bytes that are likely to come near a header.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    let word = prop_oneof![
        Just("TCP4".to_owned()),
        Just("TCP6".to_owned()),
        Just("UNKNOWN".to_owned()),
        Just("1.2.3.4".to_owned()),
        Just("::1".to_owned()),
        Just("443".to_owned()),
        Just("\r\n".to_owned()),
        ".{0,5}",
    ];
    let words = proptest::collection::vec(word, 0..8).prop_map(|w| format!("PROXY {}\r\n", w.join(" ")));
    prop_oneof![
        bytes(),
        words.prop_map(String::into_bytes),
        (any::<u8>(), any::<u8>(), 0..5000u16, bytes()).prop_map(|(c, f, l, b)| v2_saying(c, f, l, &b)),
        (any::<u8>(), bytes()).prop_map(|(f, b)| v2(0x21, f & 0x31, &b)),
    ]
}

proptest! {
    /// No bytes make it panic; what it finds lies within them and does not change with what follows; it never waits for
    /// more than it may hold.
    #[test]
    fn any_bytes(bytes in nearly(), more in nearly()) {
        let joined = [&bytes[..], &more].concat();
        match parse(&bytes) {
            Ok(Some(header)) => {
                prop_assert!(header.bytes <= bytes.len() && header.bytes <= V2_FIXED + V2_REST);
                prop_assert_eq!(parse(&joined), Ok(Some(header)));
                prop_assert_eq!(parse(&bytes[..header.bytes - 1]), Ok(None));
            }
            Ok(None) => prop_assert!(bytes.len() < V2_FIXED + V2_REST),
            Err(error) => prop_assert_eq!(parse(&joined), Err(error)),
        }
    }
}
