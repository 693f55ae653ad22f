//! What nobody should send.

use http::HeaderName;

use super::super::limits::{SIGNATURE_HEADER_BYTES, SIGNATURES, TOLERANCE};
use super::super::testing::{NO_SIGNATURE, NOW, PING, Sent, secrets};
use super::super::{Scheme, Unverified, preset};

/// A scheme, and the field that its signature is in.
fn schemes() -> Vec<(Scheme, &'static str)> {
    let (text, key) = (secrets(&["hush"]), secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]));
    let sha256 = super::super::Algorithm::Sha256;
    let of = |scheme: Result<Scheme, _>, name| (scheme.unwrap(), name);
    vec![
        of(preset::standard(&key, TOLERANCE), "webhook-signature"),
        of(preset::svix(&key, TOLERANCE), "svix-signature"),
        of(preset::gitlab_signed(&key, TOLERANCE), "webhook-signature"),
        of(preset::github(&text), "x-hub-signature-256"),
        of(preset::gitea(&text), "x-gitea-signature"),
        of(preset::forgejo(&text), "x-forgejo-signature"),
        of(preset::gitlab_token(text.clone()), "x-gitlab-token"),
        of(preset::stripe(&text, TOLERANCE), "stripe-signature"),
        of(preset::slack(&text, TOLERANCE), "x-slack-signature"),
        of(preset::shopify(&text), "x-shopify-hmac-sha256"),
        of(preset::meta(&text), "x-hub-signature-256"),
        of(preset::websub(&text, &[sha256]), "x-hub-signature"),
        of(
            preset::grafana(&text, preset::GrafanaHeaders::default(), TOLERANCE),
            "x-grafana-alerting-signature",
        ),
        of(preset::twilio(&text, "https://a.example/x"), "x-twilio-signature"),
        of(preset::bearer(text.clone()), "authorization"),
        of(preset::basic("u", &text), "authorization"),
        of(preset::header(HeaderName::from_static("x-key"), text.clone()), "x-key"),
    ]
}

fn signed(scheme: &Scheme) -> Sent {
    let body = if scheme.name() == "twilio" { "a=1" } else { PING };
    Sent::new(body).with("content-type", "application/x-www-form-urlencoded").signed(scheme)
}

#[test]
fn missing_empty_doubled_and_of_64_kib() {
    for (scheme, name) in schemes() {
        let header = HeaderName::from_static(name);
        let sent = signed(&scheme);
        sent.is_believed(&scheme);
        let value = sent.headers[name].clone();
        let bare = sent.without(name);
        assert_eq!(bare.judged(&scheme), Err(Unverified::Missing(header.clone())), "{scheme:?}");
        bare.clone().with(name, "").is_malformed(&scheme, name, "it is empty");
        bare.clone().with(name, vec![b'a'; 64 * 1024]).is_malformed(&scheme, name, "it is too long");
        let doubled = bare.clone().with(name, &value).with(name, &value);
        assert_eq!(doubled.judged(&scheme), Err(Unverified::Twice(header.clone())));
        // Nor by a right value among too many others.
        let padded = [value.as_bytes(), &vec![b' '; 64 * 1024][..]].concat();
        bare.clone().with(name, padded).is_malformed(&scheme, name, "it is too long");
        for noise in ["=", ",", "v1,", "v1=", "sha256=", "Bearer", "Basic !", "\u{e9}", "    "] {
            assert!(bare.clone().with(name, noise).judged(&scheme).is_err(), "{scheme:?} {noise}");
        }
    }
}

#[test]
fn upper_case_is_refused_where_the_provider_compares_text() {
    for (scheme, name) in schemes() {
        if !["github", "meta", "gitea", "forgejo", "slack", "grafana"].contains(&scheme.name()) {
            continue;
        }
        let sent = signed(&scheme);
        let line = sent.headers[name].to_str().unwrap().to_owned();
        let hex = line.split('=').next_back().unwrap();
        let line = line.replace(hex, &hex.to_uppercase());
        sent.without(name).with(name, line).is_malformed(&scheme, name, NO_SIGNATURE);
    }
    let scheme = preset::stripe(&secrets(&["hush"]), TOLERANCE).unwrap();
    let sent = signed(&scheme);
    let line = sent.headers["stripe-signature"].to_str().unwrap().to_uppercase();
    let line = line.replace("T=", "t=").replace("V1=", "v1=");
    sent.without("stripe-signature").with("stripe-signature", line).is_malformed(
        &scheme,
        "stripe-signature",
        NO_SIGNATURE,
    );
}

#[test]
fn base64_is_written_in_one_way() {
    for (scheme, name) in schemes() {
        if !["standard", "svix", "gitlab", "shopify", "twilio"].contains(&scheme.name()) {
            continue;
        }
        // A signature that holds the characters in which the alphabets differ.
        let make = |n: u32| {
            let body = format!("n={n}");
            Sent::new(body).with("content-type", "application/x-www-form-urlencoded").signed(&scheme)
        };
        let line = |sent: &Sent| sent.headers[name].to_str().unwrap().to_owned();
        let differs = |sent: &Sent| line(sent).ends_with('=') && line(sent).contains(['+', '/']);
        let Some(sent) = (0..200).map(make).find(differs) else { continue };
        sent.is_believed(&scheme);
        let line = line(&sent);
        for wrong in [
            line.trim_end_matches('=').to_owned(),
            line.replace('+', "-").replace('/', "_"),
            format!("{line}="),
        ] {
            sent.clone().without(name).with(name, wrong).is_malformed(&scheme, name, NO_SIGNATURE);
        }
    }
}

#[test]
fn timestamps_that_are_none() {
    let key = secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    let why = "its timestamp is no number as the scheme writes it";
    let wrong = [
        format!("-{NOW}"),
        format!("+{NOW}"),
        format!("{NOW}.0"),
        format!("0{NOW}"),
        "99999999999999999999".into(),
        "0".into(),
        "now".into(),
    ];
    let standard = preset::standard(&key, TOLERANCE).unwrap();
    let slack = preset::slack(&key, TOLERANCE).unwrap();
    for (scheme, name) in [(standard, "webhook-timestamp"), (slack, "x-slack-request-timestamp")] {
        let sent = Sent::new(PING).signed(&scheme).without(name);
        assert_eq!(sent.judged(&scheme), Err(Unverified::Missing(HeaderName::from_static(name))));
        for wrong in &wrong {
            sent.clone().with(name, wrong).is_malformed(&scheme, name, why);
        }
        sent.clone().with(name, "").is_malformed(&scheme, name, "it is empty");
        let twice = sent.clone().with(name, NOW.to_string()).with(name, NOW.to_string());
        assert_eq!(twice.judged(&scheme), Err(Unverified::Twice(HeaderName::from_static(name))));
        let millis = sent.with(name, (NOW * 1000).to_string());
        assert_eq!(millis.judged(&scheme), Err(Unverified::Future(NOW * 999, 300)));
    }
    let stripe = preset::stripe(&key, TOLERANCE).unwrap();
    let name = "stripe-signature";
    let sent = Sent::new(PING).signed(&stripe);
    let line = sent.headers[name].to_str().unwrap().to_owned();
    let sent = sent.without(name);
    let (time, signature) = line.split_once(',').unwrap();
    for wrong in &wrong {
        sent.clone().with(name, format!("t={wrong},{signature}")).is_malformed(&stripe, name, why);
    }
    sent.clone().with(name, signature).is_malformed(&stripe, name, "it has no timestamp");
    sent.clone().with(name, format!("{line},{time}")).is_malformed(&stripe, name, "it has two timestamps");
    sent.clone().with(name, time).is_malformed(&stripe, name, NO_SIGNATURE);
    sent.clone().with(name, format!("t={NOW},v0={}", &signature[3..])).is_malformed(
        &stripe,
        name,
        NO_SIGNATURE,
    );
}

#[test]
fn no_more_signatures_than_are_looked_at() {
    let scheme = preset::standard(&secrets(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]), TOLERANCE).unwrap();
    let name = "webhook-signature";
    let sent = Sent::new(PING).signed(&scheme);
    let right = sent.headers[name].to_str().unwrap().to_owned();
    let sent = sent.without(name);
    let wrong = format!("v1,{} ", "A".repeat(43) + "=");
    let with = |wrongs: usize| sent.clone().with(name, wrong.repeat(wrongs) + &right);
    with(SIGNATURES - 1).is_believed(&scheme);
    with(SIGNATURES).is_malformed(&scheme, name, "it holds more signatures than are looked at");
    // Others than those of this scheme do not count, within the field's length.
    let others = "v2,x ".repeat((SIGNATURE_HEADER_BYTES - right.len()) / 5);
    sent.clone().with(name, others + &right).is_believed(&scheme);
}
