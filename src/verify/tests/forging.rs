//! Whatever is signed is believed as it is signed, and nothing of it can be changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::limits::TOLERANCE;
use super::super::testing::{Sent, ed25519, hex, private_key, secrets};
use super::super::{Algorithm, Scheme, preset};

/// The schemes of which every byte counts: body, signature, id and time. (Not of WebSub and Discord, whose hexadecimal
/// digits have no case, nor of Twilio.)
fn exact() -> Vec<Scheme> {
    let (text, key) = (secrets(&["hush"]), secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
    let timed = preset::GrafanaHeaders {
        timestamp: Some(HeaderName::from_static("x-time")),
        ..preset::GrafanaHeaders::default()
    };
    let schemes = [
        preset::standard(&key, TOLERANCE),
        preset::svix(&key, TOLERANCE),
        preset::gitlab_signed(&key, TOLERANCE),
        preset::github(&text),
        preset::meta(&text),
        preset::gitea(&text),
        preset::forgejo(&text),
        preset::stripe(&text, TOLERANCE),
        preset::slack(&text, TOLERANCE),
        preset::shopify(&text),
        preset::grafana(&text, preset::GrafanaHeaders::default(), TOLERANCE),
        preset::grafana(&text, timed, TOLERANCE),
    ];
    schemes.into_iter().map(Result::unwrap).collect()
}

/// One byte of a header field, changed to another that a field may hold.
fn changed(value: &HeaderValue, at: prop::sample::Index, byte: u8) -> HeaderValue {
    let mut bytes = value.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] = if bytes[at] == byte { byte ^ 1 } else { byte };
    HeaderValue::from_bytes(&bytes).unwrap()
}

proptest! {
    #[test]
    fn no_byte_can_be_changed(
        body in proptest::collection::vec(any::<u8>(), 1..100),
        seconds in 1_000_000_000_u64..3_000_000_000,
        at in any::<prop::sample::Index>(),
        byte in 0x22_u8..0x7e,
        bit in 0..8_u32,
    ) {
        for scheme in exact() {
            let sent = Sent::new(body.clone()).at(seconds).signed(&scheme);
            prop_assert_eq!(sent.judged(&scheme).unwrap().secret, Some(0));
            let mut forged = sent.clone();
            forged.body[at.index(body.len())] ^= 1 << bit;
            prop_assert!(forged.judged(&scheme).is_err());
            for longer in [[&body[..], &[byte]].concat(), [&[byte], &body[..]].concat(), body[1..].to_vec()] {
                let forged = Sent { body: longer, ..sent.clone() };
                prop_assert!(forged.judged(&scheme).is_err());
            }
            for (name, value) in &sent.headers {
                let forged = sent.clone().set([(name.clone(), changed(value, at, byte))]);
                prop_assert!(forged.judged(&scheme).is_err(), "{:?} {:?}", scheme, forged);
                prop_assert!(sent.clone().without(name.as_str()).judged(&scheme).is_err());
            }
        }
    }

    #[test]
    fn nor_of_a_hubs_or_of_a_value_in_a_form(
        body in "[a-z]{1,5}=[a-z]{1,9}",
        at in any::<prop::sample::Index>(),
        byte in 0x22_u8..0x7e,
    ) {
        let algorithms = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
        for scheme in [
            preset::websub(&secrets(&["hush"]), &algorithms).unwrap(),
            preset::twilio(&secrets(&["hush"]), "https://a.example/x").unwrap(),
        ] {
            let form = "application/x-www-form-urlencoded";
            let sent = Sent::new(body.clone()).with("content-type", form).signed(&scheme);
            prop_assert!(sent.judged(&scheme).is_ok());
            let equals = body.find('=').unwrap();
            let mut forged = sent.clone();
            forged.body[equals + 1 + at.index(body.len() - equals - 1)] ^= 1;
            prop_assert!(forged.judged(&scheme).is_err());
            let (name, value) = scheme.sign(&sent.request()).unwrap().remove(0);
            let changed = changed(&value, at, byte);
            if !changed.as_bytes().eq_ignore_ascii_case(value.as_bytes()) {
                let forged = sent.clone().set([(name, changed)]);
                prop_assert!(forged.judged(&scheme).is_err(), "{:?} {:?}", scheme, forged);
            }
        }
    }

    /// Nothing makes any of them panic.
    #[test]
    fn any_fields_are_judged(
        values in proptest::collection::vec("[\\x20-\\x7e\\xa0-\\xff]{0,40}|t=[0-9]{1,20},v1=[0-9a-f]{64}|v1,[A-Za-z0-9+/]{43}=|[0-9]{1,21}", 1..4),
        body in proptest::collection::vec(any::<u8>(), 0..50),
        target in "/x(\\?[a-zA-Z0-9%&=]{0,20})?",
    ) {
        let text = secrets(&["hush"]);
        let mut schemes = exact();
        schemes.extend([
            preset::twilio(&text, "https://a.example/x").unwrap(),
            preset::bearer(text.clone()).unwrap(),
            preset::basic("u", &text).unwrap(),
        ]);
        for scheme in schemes {
            let names = scheme.sign(&Sent::new("").request()).unwrap();
            let mut sent = Sent::new(body.clone()).to(&target).with("content-type", "application/x-www-form-urlencoded");
            for ((name, _), value) in names.into_iter().zip(values.iter().cycle()) {
                sent = sent.set([(name, HeaderValue::from_bytes(value.as_bytes()).unwrap())]);
            }
            prop_assert!(sent.judged(&scheme).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Fewer cases than usual: Ed25519 takes its time where nothing is optimised.
    #[test]
    fn nor_of_what_a_private_key_signed(
        body in proptest::collection::vec(any::<u8>(), 1..100),
        seconds in 1_000_000_000_u64..3_000_000_000,
        at in any::<prop::sample::Index>(),
        byte in 0x22_u8..0x7e,
    ) {
        let time = seconds.to_string();
        let public = private_key().verifying_key();
        let key = format!("whpk_{}", STANDARD.encode(public.as_bytes()));
        let standard = preset::standard(&secrets(&[&key]), TOLERANCE).unwrap();
        let discord = preset::discord(&secrets(&[&hex(public.as_bytes())]), TOLERANCE).unwrap();
        let v1a = STANDARD.encode(ed25519(&[b"id.", time.as_bytes(), b".", &body]));
        let by_standard = Sent::new(body.clone()).at(seconds).with("webhook-id", "id").with("webhook-timestamp", &time)
            .with("webhook-signature", format!("v1a,{v1a}"));
        let by_discord = Sent::new(body.clone()).at(seconds).with("x-signature-timestamp", &time)
            .with("x-signature-ed25519", hex(&ed25519(&[time.as_bytes(), &body])));
        for (scheme, sent) in [(standard, by_standard), (discord, by_discord)] {
            prop_assert!(sent.judged(&scheme).is_ok());
            let mut forged = sent.clone();
            forged.body[at.index(body.len())] ^= 1;
            prop_assert!(forged.judged(&scheme).is_err());
            for (name, value) in &sent.headers {
                let changed = changed(value, at, byte);
                if !changed.as_bytes().eq_ignore_ascii_case(value.as_bytes()) {
                    let forged = sent.clone().set([(name.clone(), changed)]);
                    prop_assert!(forged.judged(&scheme).is_err(), "{:?} {:?}", scheme, forged);
                }
            }
        }
    }
}
