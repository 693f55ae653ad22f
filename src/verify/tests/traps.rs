//! What receivers get wrong.

use std::time::Duration;

use super::super::limits::TOLERANCE;
use super::super::testing::{NO_SIGNATURE, NOW, PING, Sent, ed25519, hex, private_key, secrets};
use super::super::{
    Facts, Freshness, Handshake, IdRule, KeyProblem, Locator, Refused, Scheme, Unverified, preset,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn standard() -> Scheme {
    preset::standard(&secrets(&[SECRET]), TOLERANCE).unwrap()
}

#[test]
fn a_secret_with_a_prefix_is_decoded_by_some_and_text_for_others() {
    // Stripe's is no base64, and no one minds.
    preset::stripe(&secrets(&["whsec_!"]), TOLERANCE).unwrap();
    for scheme in [preset::standard, preset::svix, preset::gitlab_signed] {
        let refused = scheme(&secrets(&[SECRET, "whsec_!"]), TOLERANCE).unwrap_err();
        assert_eq!(refused, Refused::Key(1, KeyProblem::Whsec));
    }
    // The text after the prefix is another key for Stripe.
    let whole = preset::stripe(&secrets(&[SECRET]), TOLERANCE).unwrap();
    let rest = preset::stripe(&secrets(&[&SECRET[6..]]), TOLERANCE).unwrap();
    Sent::new(PING).signed(&whole).is_mismatch(&rest);
    // And the same for Standard Webhooks.
    let rest = preset::standard(&secrets(&[&SECRET[6..]]), TOLERANCE).unwrap();
    Sent::new(PING).signed(&standard()).is_believed(&rest);
}

#[test]
fn github_with_sha1_only() {
    let scheme = preset::github(&secrets(&["hubsecret"])).unwrap();
    let sent = Sent::new(PING).with("x-hub-signature", "sha1=81aefa3dd7797f0744c2444649346558bef6a94e");
    let name = http::HeaderName::from_static("x-hub-signature-256");
    assert_eq!(sent.judged(&scheme), Err(Unverified::Missing(name)));
    let sent = Sent::new(PING).with("x-hub-signature-256", "sha1=81aefa3dd7797f0744c2444649346558bef6a94e");
    sent.is_malformed(&scheme, "x-hub-signature-256", NO_SIGNATURE);
}

/// Nothing that GitHub sends beside the signature is signed; the facts say so.
#[test]
fn a_captured_request_is_believed_under_another_id_where_only_the_body_is_signed() {
    let scheme = preset::github(&secrets(&["s"])).unwrap();
    let sent = Sent::new(PING).signed(&scheme).with("x-github-delivery", "another").at(NOW * 2);
    sent.is_believed(&scheme);
    assert_eq!(scheme.facts().freshness, Freshness::Unsigned);
    assert_eq!(standard().facts().freshness, Freshness::Signed(TOLERANCE));
}

#[test]
fn gitlab_is_believed_by_what_is_required_and_nothing_else() {
    let token = preset::gitlab_token(secrets(&[SECRET])).unwrap();
    let signed = preset::gitlab_signed(&secrets(&[SECRET]), TOLERANCE).unwrap();
    let with_token = Sent::new(PING).with("x-gitlab-token", SECRET);
    with_token.is_believed(&token);
    assert!(matches!(with_token.judged(&signed), Err(Unverified::Missing(_))));
    let with_signature = Sent::new(PING).signed(&signed);
    with_signature.is_believed(&signed);
    assert!(matches!(with_signature.judged(&token), Err(Unverified::Missing(_))));
    // A good token does not make up for a bad signature.
    Sent { body: b"{}".to_vec(), ..with_signature }.with("x-gitlab-token", SECRET).is_mismatch(&signed);
    let public = secrets(&["whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="]);
    let refused = preset::gitlab_signed(&public, TOLERANCE).unwrap_err();
    assert_eq!(refused, Refused::Key(0, KeyProblem::NotShared));
}

/// `a.1700000000` and `{…}` are signed as `a`, `1700000000` and `1700000000.{…}` would be.
#[test]
fn an_id_with_a_full_stop_is_refused() {
    for (scheme, name) in
        [(standard(), "webhook-id"), (preset::svix(&secrets(&[SECRET]), TOLERANCE).unwrap(), "svix-id")]
    {
        let id = http::HeaderName::from_static(name);
        let sent = Sent::new(format!("{NOW}.{PING}")).with(name, "a").signed(&scheme);
        sent.is_believed(&scheme);
        let shifted = Sent { body: PING.into(), ..sent }.set([(id, format!("a.{NOW}").parse().unwrap())]);
        shifted.is_malformed(&scheme, name, "it holds what stands behind it in the signed text");
        // Nor would we play a sender that does it.
        assert_eq!(scheme.sign(&Sent::new(PING).with(name, "a.b").request()), None);
    }
}

/// By the id of the other set of names a captured request would look like another one.
#[test]
fn names_of_the_two_sets_are_not_mixed() {
    let scheme = preset::svix(&secrets(&[SECRET]), TOLERANCE).unwrap();
    let other = Sent::new(PING).signed(&standard());
    other.is_believed(&scheme);
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        let mixed = other.clone().with(name, "1700000000");
        assert!(mixed.judged(&scheme).is_err(), "{name}");
    }
    let own = Sent::new(PING).signed(&scheme);
    own.with("webhook-id", "another").is_believed(&scheme);
}

#[test]
fn from_the_future_is_as_bad_as_from_the_past() {
    let schemes = [
        standard(),
        preset::svix(&secrets(&[SECRET]), TOLERANCE).unwrap(),
        preset::gitlab_signed(&secrets(&[SECRET]), TOLERANCE).unwrap(),
        preset::stripe(&secrets(&["s"]), TOLERANCE).unwrap(),
        preset::slack(&secrets(&["s"]), TOLERANCE).unwrap(),
    ];
    for scheme in schemes {
        let sent = Sent::new(PING).signed(&scheme);
        for near in [NOW - 300, NOW, NOW + 300] {
            sent.clone().at(near).is_believed(&scheme);
        }
        assert_eq!(sent.clone().at(NOW + 301).judged(&scheme), Err(Unverified::Old(301, 300)));
        assert_eq!(sent.clone().at(NOW - 301).judged(&scheme), Err(Unverified::Future(301, 300)));
    }
    // And as far as is configured.
    let scheme = preset::slack(&secrets(&["s"]), Duration::from_secs(10)).unwrap();
    let sent = Sent::new(PING).signed(&scheme);
    sent.clone().at(NOW + 10).is_believed(&scheme);
    assert_eq!(sent.at(NOW + 11).judged(&scheme), Err(Unverified::Old(11, 10)));
}

#[test]
fn discord_wants_its_time_too() {
    let key = hex(private_key().verifying_key().as_bytes());
    let scheme = preset::discord(&secrets(&[&key]), TOLERANCE).unwrap();
    let time = NOW.to_string();
    let signature = hex(&ed25519(&[time.as_bytes(), PING.as_bytes()]));
    let sent = Sent::new(PING).with("x-signature-timestamp", &time).with("x-signature-ed25519", &signature);
    sent.clone().at(NOW + 300).is_believed(&scheme);
    assert_eq!(sent.clone().at(NOW + 301).judged(&scheme), Err(Unverified::Old(301, 300)));
    // A digit moved over to the body is signed the same.
    let moved = Sent::new(format!("0{PING}"))
        .with("x-signature-timestamp", &time[..9])
        .with("x-signature-ed25519", &signature);
    assert!(matches!(moved.judged(&scheme), Err(Unverified::Old(..))));
}

#[test]
fn none_believes_everybody_and_says_so() {
    let scheme = Scheme::none();
    assert!(scheme.is_none());
    assert_eq!(Sent::new(PING).judged(&scheme).unwrap().secret, None);
    assert_eq!(scheme.sign(&Sent::new(PING).request()), Some(Vec::new()));
    assert!(!standard().is_none());
}

/// The table of the documents.
#[test]
fn facts() {
    let header = |name: &'static str| Locator::Header(http::HeaderName::from_static(name));
    let first = |locators: &[Locator]| IdRule::First(locators.to_vec());
    let text = secrets(&["s"]);
    let key = secrets(&[SECRET]);
    let (id, kind) = (Locator::Body("/id"), Some(Locator::Body("/type")));
    let none = Facts::default();
    let unsigned = |id, kind| Facts { id, kind, ..Facts::default() };
    let signed = |id, kind| Facts { id, kind, freshness: Freshness::Signed(TOLERANCE), ..Facts::default() };
    let table = [
        (preset::standard(&key, TOLERANCE), signed(first(&[header("webhook-id")]), kind.clone())),
        (
            preset::svix(&key, TOLERANCE),
            signed(first(&[header("svix-id"), header("webhook-id")]), kind.clone()),
        ),
        (
            preset::github(&text),
            unsigned(first(&[header("x-github-delivery")]), Some(header("x-github-event"))),
        ),
        (preset::gitea(&text), unsigned(first(&[header("x-gitea-delivery")]), Some(header("x-gitea-event")))),
        (
            preset::forgejo(&text),
            unsigned(first(&[header("x-forgejo-delivery")]), Some(header("x-forgejo-event"))),
        ),
        (
            preset::gitlab_token(text.clone()),
            unsigned(first(&[header("idempotency-key")]), Some(header("x-gitlab-event"))),
        ),
        (
            preset::gitlab_signed(&key, TOLERANCE),
            signed(first(&[header("webhook-id")]), Some(header("x-gitlab-event"))),
        ),
        (preset::stripe(&text, TOLERANCE), signed(first(std::slice::from_ref(&id)), kind)),
        (
            preset::slack(&text, TOLERANCE),
            Facts {
                handshake: Some(Handshake::Slack),
                ..signed(first(&[Locator::Body("/event_id")]), Some(Locator::Body("/event/type")))
            },
        ),
        (
            preset::shopify(&text),
            unsigned(
                IdRule::Joined(vec![header("x-shopify-webhook-id"), header("x-shopify-topic")]),
                Some(header("x-shopify-topic")),
            ),
        ),
        (
            preset::meta(&text),
            Facts {
                handshake: Some(Handshake::Meta),
                ..unsigned(IdRule::Nothing, Some(Locator::Body("/object")))
            },
        ),
        (
            preset::grafana(&text, preset::GrafanaHeaders::default(), TOLERANCE),
            unsigned(IdRule::Nothing, Some(Locator::Body("/status"))),
        ),
        (
            preset::discord(&secrets(&[&hex(private_key().verifying_key().as_bytes())]), TOLERANCE),
            // Interactions have one; webhook events have none, and nothing else is taken for it.
            Facts {
                handshake: Some(Handshake::Discord),
                ..signed(first(&[id]), Some(Locator::Body("/event/type")))
            },
        ),
        (
            preset::twilio(&text, "https://hooks.example/webhooks/twilio"),
            unsigned(first(&[header("i-twilio-idempotency-token")]), None),
        ),
        (preset::bearer(text.clone()), none.clone()),
        (preset::basic("u", &text), none),
    ];
    for (scheme, facts) in table {
        let scheme = scheme.unwrap();
        // Where the proof stands the tests of each scheme say.
        let got = Facts { proofs: Vec::new(), patience: None, ..scheme.facts().clone() };
        assert_eq!(got, facts, "{}", scheme.name());
        let patience = match scheme.name() {
            "slack" | "discord" => Some(Duration::from_secs(3)),
            "shopify" => Some(Duration::from_secs(5)),
            _ => None,
        };
        assert_eq!(scheme.facts().patience, patience, "{}", scheme.name());
        assert!(preset::NAMES.contains(&scheme.name()));
    }
}
