//! Bodies that were packed by zlib and brotli of Node 20, by flate2, and by nobody in their senses.

use std::cell::Cell;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// What Node packed below: an order of twenty lines.
fn order() -> String {
    let line = |i| format!("{{\"sku\":\"A-{i}\",\"text\":\"caf\u{e9} \u{20ac}\"}}");
    let lines: Vec<_> = (0..20).map(line).collect();
    format!("{{\"id\":\"evt_1\",\"type\":\"order.created\",\"lines\":[{}]}}", lines.join(","))
}

const GZIP: &str = "1f8b080000000000000385d03b0ac2401405d0adc8ad47f1faf775ae434442e6094151994c440969dc8de02edc892b112b1be1f6a73a2d\
    aa08835ff29608c8b7b3c3704ad1d3a04c5e648f08385447af61eb16f5be8161d51f7eb15f330c65b17b3d7aeffb135df8012a305260acc04481a9023305e6\
    0a2c1458ca285d292f29332937293b293f29432947294bf9ff74d37d005b184d74cd020000";
const ZLIB: &str = "789c85d03b0ac2401405d0adc8ad47f1faf775ae434442e6094151994c440969dc8de02edc892b112b1be1f6a73a2daa08835ff29608c8b7\
    b3c3704ad1d3a04c5e648f08385447af61eb16f5be8161d51f7eb15f330c65b17b3d7aeffb135df8012a305260acc04481a9023305e60a2c1458ca285d292f\
    29332937293b293f29432947294bf9ff74d37d0010b1f40e";
const RAW: &str = "85d03b0ac2401405d0adc8ad47f1faf775ae434442e6094151994c440969dc8de02edc892b112b1be1f6a73a2daa08835ff29608c8b7b3c\
    3704ad1d3a04c5e648f08385447af61eb16f5be8161d51f7eb15f330c65b17b3d7aeffb135df8012a305260acc04481a9023305e60a2c1458ca285d292f2933\
    2937293b293f29432947294bf9ff74d37d00";
const BROTLI: &str = "1bcc02889c077683b3d14dd3278ee6d423543a84db2855b9ac866ec922221f88f12b633dd982a9ace2dc606c7dc692b08a4587687200\
    d08e31491f3996982a12ab410b13eb25cc46fa3b99402184da6bc0e26614f6ba24b802d887d432be66422d1049640a350d2d1dfd922f77cc64b658dbd8dad53\
    f4901";
/// Quality 1 and a window of 16 MiB.
const BROTLI_FAST: &str = "0f66010080aaaaaaeaff7435e0b39a81b199b92d72f3cbd9c0c0c0c0540cc0c00cdc0cd4d41ddc41c12e7ebb39805f6e7eba394\
    57946c2d439a6cae22bb4ee110caa3a1330f507b917305b08f4e17bc2c0bf76856073565d323a1dbc5a18acf34d0f481b702c7708ae71fa609de8d343300ed3\
    ef13fddf5f9c268cf6fbe3e7914c900b0ac145500a2a412d688461ba2aff7a62d082450b262dd8b460d482550b662dd8f571ba73";
/// The same order within a "large window", which is no part of RFC 7932.
const BROTLI_LARGE: &str = "115c300b20721ed80dce46374d9f389a538f50e9106ea354e5b21aba258b887c20c6af8cf5640ba6b28a7383b1f5194bc22a161d\
    a2c901403bc6247de45862aa48b068100b4cb07809b391fe4e265008a1f61ab0b81985bd2e09ae00f621b58caf99500b441299424d434b47bfe4cb1d33992dd63\
    6b676f54f52";
/// 8 MiB of zeros.
const BROTLI_BOMB: &str = "9bffff7ff82700e2b14020f7fe0f";

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// RFC 7932 §9.2: nothing is compressed, all meta-blocks are stored. At most 64 KiB each.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    // A window of 64 KiB is one bit, 0.
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 1);
    for block in bytes.chunks(1 << 16) {
        // Not the last one; 4 nibbles of length; stored.
        bits |= ((block.len() as u32 - 1) << 3 | 1 << 19) << count;
        out.extend_from_slice(&bits.to_le_bytes()[..(count + 20_usize).div_ceil(8)]);
        out.extend_from_slice(block);
        (bits, count) = (0, 0);
    }
    // The last one, and empty.
    out.push((bits | 0b11 << count) as u8);
    out
}

/// As much as is asked for.
const AMPLE: &Room<'static> = &|_| true;

fn encoded(values: &[&str]) -> HeaderMap {
    let values = values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_str(value).unwrap()));
    let mut headers = HeaderMap::new();
    headers.extend(values);
    headers
}

fn of(encoding: &str, body: &[u8], cap: usize) -> Result<Bytes, UnpackError> {
    unpack(&encoded(&[encoding]), body.to_vec().into(), cap, AMPLE)
}

#[test]
fn what_node_packed_is_unpacked() {
    for (encoding, body) in [
        ("gzip", GZIP),
        ("x-gzip", GZIP),
        ("GZip", GZIP),
        ("deflate", ZLIB),
        ("deflate", RAW),
        ("br", BROTLI),
        ("br", BROTLI_FAST),
    ] {
        let want = order();
        assert_eq!(of(encoding, &hex(body), want.len()).unwrap(), want, "{encoding} {body}");
        let less = want.len() - 1;
        assert_eq!(of(encoding, &hex(body), less), Err(UnpackError::TooLarge(less)), "{encoding} {body}");
    }
    assert_eq!(of("br", &hex("3b"), 0).unwrap(), "");
    assert_eq!(of("gzip", &gzip(b""), 0).unwrap(), "");
    assert_eq!(of("deflate", &zlib(b""), 0).unwrap(), "");
    assert_eq!(of("deflate", &raw(b""), 0).unwrap(), "");
}

#[test]
fn what_is_not_packed_stays_where_it_is() {
    let body = Bytes::from_static(b"{\"a\":1}");
    for values in [&[][..], &["identity"], &[""], &["identity, , Identity"]] {
        let same = unpack(&encoded(values), body.clone(), 0, AMPLE).unwrap();
        assert_eq!((same.as_ptr(), same.len()), (body.as_ptr(), body.len()), "{values:?}");
    }
}

#[test]
fn several_codings_are_undone_last_to_first() {
    let text = order();
    let twice = brotli(&gzip(text.as_bytes()));
    for values in [&["gzip, br"][..], &["gzip", "br"], &["identity,gzip , ,\tBR"]] {
        assert_eq!(unpack(&encoded(values), twice.clone().into(), 4096, AMPLE).unwrap(), text, "{values:?}");
    }
    let wrong_way = unpack(&encoded(&["br, gzip"]), twice.clone().into(), 4096, AMPLE);
    assert_eq!(wrong_way, Err(UnpackError::Damaged(Coding::Gzip)));

    let four = gzip(&zlib(&raw(&brotli(text.as_bytes()))));
    assert_eq!(
        unpack(&encoded(&["br, deflate, deflate, gzip"]), four.clone().into(), 4096, AMPLE).unwrap(),
        text
    );
    let five = unpack(&encoded(&["br, deflate", "deflate, gzip, gzip"]), gzip(&four).into(), 4096, AMPLE);
    assert_eq!(five, Err(UnpackError::TooManyCodings));

    // What lies between counts against the cap as well, while it is held.
    let inner = gzip(text.as_bytes()).len();
    let both = text.len() + inner;
    assert_eq!(unpack(&encoded(&["gzip, br"]), twice.clone().into(), both, AMPLE).unwrap(), text);
    let less = unpack(&encoded(&["gzip, br"]), twice.into(), both - 1, AMPLE);
    assert_eq!(less, Err(UnpackError::TooLarge(both - 1)));
}

#[test]
fn codings_that_are_none_of_ours_are_refused_with_those_that_are() {
    for name in ["compress", "zstd", "aws-chunked", "gzip;q=1", "*", "g zip"] {
        let refused = of(name, b"x", 10).unwrap_err();
        assert_eq!(refused, UnpackError::Unknown(name.to_owned()));
        assert_eq!(refused.status(), 415);
        assert!(refused.to_string().contains(ACCEPT_ENCODING));
    }
    let long = of(&"x".repeat(60_000), b"", 10).unwrap_err();
    assert!(long.to_string().len() < 200);
    let mut headers = encoded(&["gzip"]);
    headers.append(CONTENT_ENCODING, HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(matches!(unpack(&headers, Bytes::new(), 10, AMPLE), Err(UnpackError::Unknown(_))));
    assert_eq!(UnpackError::TooManyCodings.status(), 415);
    assert_eq!(UnpackError::TooLarge(1).status(), 413);
    assert_eq!(UnpackError::Damaged(Coding::Gzip).status(), 400);
}

#[test]
fn a_body_is_whole_or_refused() {
    for (encoding, coding, body) in [
        ("gzip", Coding::Gzip, hex(GZIP)),
        ("deflate", Coding::Deflate, hex(ZLIB)),
        ("deflate", Coding::Deflate, hex(RAW)),
        ("br", Coding::Brotli, hex(BROTLI)),
        ("br", Coding::Brotli, hex(BROTLI_FAST)),
        ("br", Coding::Brotli, brotli(order().as_bytes())),
    ] {
        for end in 0..body.len() {
            let cut = of(encoding, &body[..end], 4096);
            assert_eq!(cut, Err(UnpackError::Truncated(coding)), "{encoding}, {end} bytes of {}", body.len());
        }
        for more in [&b"\0"[..], b"\n", b"more", &[0; 600], b"\x1f\x8b"] {
            let refused = of(encoding, &[&body, more].concat(), 4096).unwrap_err();
            let expected = match coding {
                // What follows is taken for another member.
                Coding::Gzip => [UnpackError::Damaged(coding), UnpackError::Truncated(coding)],
                _ => [UnpackError::Trailing(coding), UnpackError::Trailing(coding)],
            };
            assert!(expected.contains(&refused), "{encoding} and {more:?}: {refused}");
        }
    }
}

/// Where there is a checksum, no flipped bit changes the body: it is refused, or it says nothing of the body (some of the
/// header, and what fills up the last byte of the deflated data).
#[test]
fn damage_is_seen() {
    for (encoding, body, header, checksum) in [("gzip", GZIP, 3..10, 8), ("deflate", ZLIB, 0..0, 4)] {
        let body = hex(body);
        for at in 0..body.len() {
            for bit in 0..8 {
                let mut flipped = body.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(text) = of(encoding, &flipped, 1 << 16) {
                    assert_eq!(text, order(), "{encoding} {at} {bit}");
                    assert!(header.contains(&at) || at == body.len() - checksum - 1, "{encoding} {at} {bit}");
                }
            }
        }
    }
}

#[test]
fn members_follow_one_another() {
    let (one, two) = (gzip(b"one "), gzip(b"two"));
    assert_eq!(of("gzip", &[&one[..], &gzip(b""), &two].concat(), 7).unwrap(), "one two");
    assert_eq!(of("gzip", &[&one[..], &two].concat(), 6), Err(UnpackError::TooLarge(6)));
    let half = [&one[..], &two[..two.len() - 1]].concat();
    assert_eq!(of("gzip", &half, 7), Err(UnpackError::Truncated(Coding::Gzip)));
}

/// What is asked for is at least what is taken, and asked for before it is: whoever has no more to give meets no more.
#[test]
fn room_is_asked_for_before_it_is_taken() {
    let zeros = vec![0; 8 << 20];
    for (encoding, body) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("deflate", raw(&zeros)),
        ("br", hex(BROTLI_BOMB)),
    ] {
        let asked = Cell::new(0);
        let unpacked = unpack(&encoded(&[encoding]), body.clone().into(), zeros.len(), &|more| {
            asked.set(asked.get() + more);
            true
        });
        assert_eq!(unpacked.unwrap().len(), zeros.len());
        assert!(asked.get() >= zeros.len(), "{encoding}: {}", asked.get());
        for most in [0, 10_000, 1 << 20, zeros.len() - 1] {
            let given = Cell::new(0);
            let refused = unpack(&encoded(&[encoding]), body.clone().into(), zeros.len(), &|more| {
                let fits = given.get() + more <= most;
                given.set(given.get() + if fits { more } else { 0 });
                fits
            });
            assert_eq!(refused, Err(UnpackError::NoRoom), "{encoding} {most}");
        }
    }
    assert_eq!(UnpackError::NoRoom.status(), 503);
    let plain = unpack(&encoded(&["identity"]), Bytes::from_static(b"x"), 1, &|_| panic!("nothing is taken"));
    assert_eq!(plain.unwrap(), "x");
}

#[test]
fn bombs_are_refused_at_the_cap() {
    let zeros = vec![0; 8 << 20];
    for (encoding, body) in [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("deflate", raw(&zeros)),
        ("br", hex(BROTLI_BOMB)),
    ] {
        assert!(body.len() < zeros.len() / 100);
        for cap in [0, 1, 1000, 1 << 20, zeros.len() - 1] {
            assert_eq!(of(encoding, &body, cap), Err(UnpackError::TooLarge(cap)), "{encoding} {cap}");
        }
        assert_eq!(of(encoding, &body, zeros.len()).unwrap().len(), zeros.len());
    }
    // One within another: the inner one is never reached.
    let nested = gzip(&gzip(&gzip(&zeros)));
    assert_eq!(
        unpack(&encoded(&["gzip, gzip, gzip"]), nested.into(), 4096, AMPLE),
        Err(UnpackError::TooLarge(4096))
    );
}

/// The room never has more bytes than the cap, and what is kept has no more than there are.
#[test]
fn no_more_memory_is_held_than_the_cap() {
    let zeros = gzip(&vec![0; 1 << 20]);
    for cap in [0, 1, 4095, 4097, 10_000, 100_001] {
        let mut out = Output::new(cap, cap, zeros.len(), AMPLE).unwrap();
        assert_eq!(deflate::gzip(&zeros, &mut out), Err(UnpackError::TooLarge(cap)));
        assert!(out.bytes.capacity() <= cap, "{} of {cap}", out.bytes.capacity());
    }
    let mut out = Output::new(10_000, 10_000, zeros.len(), AMPLE).unwrap();
    deflate::gzip(&gzip(b"few"), &mut out).unwrap();
    let kept = Vec::from(out.finish());
    assert_eq!((&kept[..], kept.capacity()), (&b"few"[..], 3));
}

#[test]
fn large_windows_are_refused() {
    assert_eq!(of("br", &hex(BROTLI_LARGE), 1 << 20), Err(UnpackError::Damaged(Coding::Brotli)));
}

/// A coding's name, and what packs so.
type Packer = (&'static str, fn(&[u8]) -> Vec<u8>);

fn packed() -> impl Strategy<Value = Packer> {
    let all: [Packer; 5] =
        [("gzip", gzip), ("x-gzip", gzip), ("deflate", zlib), ("deflate", raw), ("br", brotli)];
    prop::sample::select(all.to_vec())
}

proptest! {
    #[test]
    fn what_was_packed_comes_out_again(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..2000), (any::<u8>(), 0_usize..200_000).prop_map(|(byte, len)| vec![byte; len])],
        how in prop::collection::vec(packed(), 0..=2),
    ) {
        let body = how.iter().fold(bytes.clone(), |body, (_, pack)| pack(&body));
        let names: Vec<_> = how.iter().map(|(name, _)| *name).collect();
        let unpacked = unpack(&encoded(&[&names.join(", ")]), body.into(), 1 << 20, AMPLE).unwrap();
        prop_assert_eq!(unpacked, bytes);
    }

    #[test]
    fn nothing_panics_and_nothing_is_larger_than_the_cap(
        body: Vec<u8>,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        how in packed(),
        packed_first: bool,
        cap in 0_usize..100,
    ) {
        let mut body = if packed_first { how.1(&body) } else { body };
        for (at, byte) in flips {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        if let Ok(unpacked) = of(how.0, &body, cap) {
            prop_assert!(unpacked.len() <= cap);
        }
    }
}
