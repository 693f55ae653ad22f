//! Several secrets, several signatures.

use super::super::limits::{PUBLIC_KEY_SIGNATURES, SECRETS, TOLERANCE};
use super::super::testing::{NO_SIGNATURE, NOW, PING, Sent, ed25519, private_key, secrets};
use super::super::{Refused, Scheme, Unverified, Verified, preset};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn standard(texts: &[&str]) -> Scheme {
    preset::standard(&secrets(texts), TOLERANCE).unwrap()
}

#[test]
fn old_then_both_then_new() {
    let makers: [fn(&[&str]) -> Scheme; 6] = [
        standard,
        |texts| preset::github(&secrets(texts)).unwrap(),
        |texts| preset::stripe(&secrets(texts), TOLERANCE).unwrap(),
        |texts| preset::twilio(&secrets(texts), "https://a.example/x").unwrap(),
        |texts| preset::bearer(secrets(texts)).unwrap(),
        |texts| preset::basic("u", &secrets(texts)).unwrap(),
    ];
    for make in makers {
        let sent = |texts| {
            Sent::new("a=1").with("content-type", "application/x-www-form-urlencoded").signed(&make(texts))
        };
        let (by_old, by_new) = (sent(&[OLD]), sent(&[NEW]));
        let both = make(&[OLD, NEW]);
        assert_eq!(by_old.judged(&both), Ok(Verified { secret: Some(0) }));
        assert_eq!(by_new.judged(&both), Ok(Verified { secret: Some(1) }));
        by_old.is_mismatch(&make(&[NEW]));
        by_new.is_mismatch(&make(&[OLD]));
        by_new.is_believed(&make(&[NEW]));
    }
}

/// The table of the Standard Webhooks libraries' tests.
#[test]
fn any_signature_may_match() {
    let scheme = standard(&[NEW]);
    let sent = Sent::new(PING).signed(&scheme);
    let valid = sent.headers["webhook-signature"].to_str().unwrap().to_owned();
    let sent = sent.without("webhook-signature");
    let wrong = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    let with = |line: String| sent.clone().with("webhook-signature", line);
    with(format!("{wrong} {wrong} {valid} {wrong}")).is_believed(&scheme);
    with(format!("{valid} {wrong}")).is_believed(&scheme);
    with(format!("v1,not-base64 v1, {valid} v2,x")).is_believed(&scheme);
    with(format!("{wrong} {wrong} {wrong}")).is_mismatch(&scheme);
    with(wrong.into()).is_mismatch(&scheme);
    for none in ["v1,", "v1", "v1, v1,", &format!("v2{}", &valid[2..]), &valid[3..], &valid.replace(',', "=")]
    {
        with(none.into()).is_malformed(&scheme, "webhook-signature", NO_SIGNATURE);
    }
    let stripe = preset::stripe(&secrets(&[NEW]), TOLERANCE).unwrap();
    let sent = Sent::new(PING).signed(&stripe);
    let line = sent.headers["stripe-signature"].to_str().unwrap().to_owned();
    let wrong = "0".repeat(64);
    let sent = sent
        .without("stripe-signature")
        .with("stripe-signature", line.replace(",v1", &format!(",v1={wrong},v1")));
    sent.is_believed(&stripe);
}

#[test]
fn a_shared_secret_and_a_public_key_side_by_side() {
    let public = format!("whpk_{}", STANDARD.encode(private_key().verifying_key().as_bytes()));
    let scheme = standard(&[OLD, &public, NEW]);
    let time = NOW.to_string();
    let v1a = |body: &str| STANDARD.encode(ed25519(&[b"id.", time.as_bytes(), b".", body.as_bytes()]));
    let with = |line: String| {
        Sent::new(PING)
            .with("webhook-id", "id")
            .with("webhook-timestamp", &time)
            .with("webhook-signature", line)
    };
    assert_eq!(with(format!("v1a,{}", v1a(PING))).judged(&scheme), Ok(Verified { secret: Some(1) }));
    with(format!("v1a,{}", v1a("{}"))).is_mismatch(&scheme);
    // By a key for another kind of signature nothing is believed.
    with(format!("v1a,{}", v1a(PING))).is_mismatch(&standard(&[OLD, NEW]));
    let by_new = Sent::new(PING).signed(&standard(&[NEW]));
    assert_eq!(by_new.judged(&scheme), Ok(Verified { secret: Some(2) }));
    // Signed by the first secret that can.
    assert_eq!(
        Sent::new(PING).signed(&standard(&[&public, NEW])).judged(&scheme),
        Ok(Verified { secret: Some(2) })
    );
    // Costly ones are looked at up to a number.
    let wrong = format!("v1a,{} ", v1a("{}"));
    let after = |wrongs: usize| with(wrong.repeat(wrongs) + "v1a," + &v1a(PING)).judged(&scheme);
    assert!(after(PUBLIC_KEY_SIGNATURES - 1).is_ok());
    assert_eq!(after(PUBLIC_KEY_SIGNATURES), Err(Unverified::Mismatch));
}

#[test]
fn none_and_too_many_secrets() {
    let many = vec![NEW; SECRETS + 1];
    for (texts, refused) in [(&[][..], Refused::NoKey), (&many[..], Refused::TooManyKeys)] {
        let secrets = secrets(texts);
        let all = [
            preset::standard(&secrets, TOLERANCE),
            preset::github(&secrets),
            preset::twilio(&secrets, "https://a.example/x"),
            preset::bearer(secrets.clone()),
            preset::basic("u", &secrets),
            preset::discord(&secrets, TOLERANCE),
        ];
        // Discord's are no such keys, which is found out first or last.
        for scheme in &all[..5] {
            assert_eq!(scheme.as_ref().unwrap_err(), &refused);
        }
        assert!(all[5].is_err());
    }
    let most = standard(&many[..SECRETS]);
    Sent::new(PING).signed(&standard(&[NEW])).is_believed(&most);
}
