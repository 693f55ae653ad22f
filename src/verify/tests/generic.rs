//! The engine with parameters of one's own.

use std::time::Duration;

use http::HeaderName;

use super::super::engine::{Fields, Form, Method, Parameters, Part, Timestamp, TimestampAt};
use super::super::testing::{NOW, PING, Sent, secrets};
use super::super::{Algorithm, Encoding, Freshness, KeyForm, Refused, Tolerance, Unit, Unverified, preset};

fn plain() -> Parameters {
    Parameters {
        fields: vec![Fields::signature(HeaderName::from_static("x-signature"))],
        separator: None,
        forms: vec![Form::new("", Method::Hmac(Algorithm::Sha256))],
        encoding: Encoding::Hex,
        signed: vec![Part::Body],
        timestamp: None,
        key: KeyForm::Text,
    }
}

fn timed(at: TimestampAt, unit: Unit) -> Parameters {
    let tolerance = Tolerance(Duration::from_mins(1));
    let mut parameters = plain();
    parameters.fields[0].timestamp = Some(HeaderName::from_static("x-time"));
    Parameters {
        signed: vec![Part::Timestamp, Part::literal("."), Part::Body],
        timestamp: Some(Timestamp { at, unit, tolerance }),
        ..parameters
    }
}

#[test]
fn every_algorithm_and_encoding() {
    use Algorithm::{Sha1, Sha256, Sha384, Sha512};
    for (algorithm, encoding) in
        [Sha1, Sha256, Sha384, Sha512].into_iter().flat_map(|a| [(a, Encoding::Hex), (a, Encoding::Base64)])
    {
        let forms = vec![Form::new("mac=", Method::Hmac(algorithm))];
        let scheme = preset::hmac(Parameters { forms, encoding, ..plain() }, &secrets(&["hush"])).unwrap();
        let sent = Sent::new(PING).signed(&scheme);
        sent.is_believed(&scheme);
        Sent { body: b"{}".to_vec(), ..sent }.is_mismatch(&scheme);
    }
    let forms = vec![Form::new("", Method::Hmac(Sha512))];
    let scheme = preset::hmac(Parameters { forms, ..plain() }, &secrets(&["hush"])).unwrap();
    // openssl dgst -sha512 -hmac hush
    let hex = "e51fbe4e751a47bb5a54e5c7501c44cd595c61c629baf7e8c07d976843386864eff441f8ebbd88aec7550f81deab69ac01929ba0fa465da2d22f588a47f6993a";
    Sent::new(PING).with("x-signature", hex).is_believed(&scheme);
}

#[test]
fn every_form_of_key() {
    let make = |key, text| preset::hmac(Parameters { key, ..plain() }, &secrets(&[text])).unwrap();
    let text = make(KeyForm::Text, "hi");
    for same in
        [make(KeyForm::Hex, "6869"), make(KeyForm::Base64, "aGk="), make(KeyForm::Whsec, "whsec_aGk=")]
    {
        Sent::new(PING).signed(&text).is_believed(&same);
    }
    Sent::new(PING).signed(&text).is_mismatch(&make(KeyForm::Text, "6869"));
}

#[test]
fn a_timestamp_in_either_place_and_unit() {
    for at in [TimestampAt::Field, TimestampAt::Item("ts=".into())] {
        for (unit, factor) in [(Unit::Seconds, 1), (Unit::Milliseconds, 1000)] {
            let parameters = Parameters { separator: Some(b';'), ..timed(at.clone(), unit) };
            let scheme = preset::hmac(parameters, &secrets(&["hush"])).unwrap();
            assert_eq!(scheme.facts().freshness, Freshness::Signed(Duration::from_mins(1)));
            let sent = Sent::new(PING).signed(&scheme);
            sent.clone().at(NOW + 60).is_believed(&scheme);
            assert_eq!(sent.clone().at(NOW + 61).judged(&scheme), Err(Unverified::Old(61, 60)));
            let time = (NOW * factor).to_string();
            match at {
                TimestampAt::Field => assert_eq!(sent.headers["x-time"], time),
                TimestampAt::Item(_) => {
                    assert!(
                        sent.headers["x-signature"].to_str().unwrap().starts_with(&format!("ts={time};"))
                    );
                }
            }
        }
    }
}

#[test]
fn method_url_and_other_fields() {
    let signed = vec![
        Part::Method,
        Part::literal(" "),
        Part::Target,
        Part::literal("\n"),
        Part::Header(HeaderName::from_static("x-tenant")),
        Part::literal("\n"),
        Part::Body,
    ];
    let scheme = preset::hmac(Parameters { signed, ..plain() }, &secrets(&["hush"])).unwrap();
    let sent = Sent::new(PING).with("x-tenant", "acme");
    assert_eq!(scheme.sign(&Sent::new(PING).request()), None, "without a field that is signed");
    let sent = sent.signed(&scheme);
    sent.is_believed(&scheme);
    sent.clone().to("/webhooks/y").is_mismatch(&scheme);
    Sent { method: http::Method::PUT, ..sent.clone() }.is_mismatch(&scheme);
    let tenant = HeaderName::from_static("x-tenant");
    sent.clone().set([(tenant.clone(), "acne".parse().unwrap())]).is_mismatch(&scheme);
    assert_eq!(sent.without("x-tenant").judged(&scheme), Err(Unverified::Missing(tenant)));
}

/// From the back, behind the body: `{body}#{header}`.
#[test]
fn what_stands_behind_the_body_can_not_be_moved_into_it() {
    let name = HeaderName::from_static("x-nonce");
    let signed = vec![Part::Body, Part::literal("=#"), Part::Header(name.clone())];
    let scheme = preset::hmac(Parameters { signed, ..plain() }, &secrets(&["hush"])).unwrap();
    let sent = Sent::new("a=#b").with("x-nonce", "c").signed(&scheme);
    sent.is_believed(&scheme);
    let shifted = Sent { body: b"a".to_vec(), ..sent }.set([(name, "b=#c".parse().unwrap())]);
    shifted.is_malformed(&scheme, "x-nonce", "it holds what stands behind it in the signed text");
}

#[test]
fn parameters_that_leave_open_what_is_signed() {
    let header = || Part::Header(HeaderName::from_static("x"));
    let dot = || Part::literal(".");
    let lists = [
        vec![],
        vec![header()],
        vec![Part::Body, Part::Body],
        vec![header(), Part::Body],
        vec![Part::Body, header()],
        vec![Part::Target, header(), dot(), Part::Body],
        vec![Part::Method, Part::Target, dot(), Part::Body],
        vec![Part::literal(""), Part::Body],
        vec![Part::Id, dot(), Part::Body],
        vec![Part::Timestamp, dot(), Part::Body],
        [vec![dot(); super::super::limits::PARTS], vec![Part::Body]].concat(),
    ];
    let refused = |parameters| {
        let why = preset::hmac(parameters, &secrets(&["hush"])).unwrap_err();
        assert!(matches!(why, Refused::Parameters(_)), "{why:?}");
    };
    for signed in lists {
        refused(Parameters { signed, ..plain() });
    }
    let timed = || timed(TimestampAt::Field, Unit::Seconds);
    // A timestamp that is not signed guards nothing; one behind which a digit follows has no end.
    refused(Parameters { signed: vec![Part::Body], ..timed() });
    refused(Parameters { signed: vec![Part::Timestamp, Part::literal("0"), Part::Body], ..timed() });
    refused(Parameters { fields: plain().fields, ..timed() });
    refused(Parameters { fields: Vec::new(), ..plain() });
    refused(Parameters { forms: Vec::new(), ..plain() });
    let item = Some(Timestamp { at: TimestampAt::Item("t=".into()), ..timed().timestamp.unwrap() });
    refused(Parameters { timestamp: item, ..timed() });
}
