//! Secrets and signatures are in no error and no `Debug` output.

use http::HeaderName;

use super::super::limits::TOLERANCE;
use super::super::testing::{PING, Sent, secrets};
use super::super::{KeyForm, preset};

const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

#[test]
fn no_error_and_no_debug_output_shows_one() {
    let texts = secrets(&[SECRET]);
    let schemes = [
        preset::standard(&texts, TOLERANCE),
        preset::github(&texts),
        preset::stripe(&texts, TOLERANCE),
        preset::twilio(&texts, "https://a.example/x"),
        preset::bearer(texts.clone()),
        preset::basic("user", &texts),
        preset::header(HeaderName::from_static("x-key"), texts.clone()),
    ];
    for scheme in schemes.map(Result::unwrap) {
        let sent = Sent::new("a=1").with("content-type", "application/x-www-form-urlencoded");
        let signed = scheme.sign(&sent.request()).unwrap();
        let (name, value) = signed.last().unwrap().clone();
        let signature = value.to_str().unwrap().to_owned();
        let shown = format!("{scheme:?} {signed:?}");
        assert!(!shown.contains(SECRET) && !shown.contains(&signature), "{shown}");
        // A wrong one, in whichever way.
        for wrong in [signature.to_uppercase(), format!("{signature}x"), signature[1..].to_owned()] {
            let sent = sent.clone().set(signed.clone()).set([(name.clone(), wrong.parse().unwrap())]);
            let Err(error) = sent.judged(&scheme) else { continue };
            let shown = format!("{error} {error:?}");
            let hidden = [SECRET, &wrong, &signature].iter().all(|secret| !shown.contains(*secret));
            assert!(hidden, "{shown}");
        }
        let other = sent.clone().set(signed.clone());
        let error = Sent { body: PING.into(), ..other }.judged(&scheme).err().map(|e| format!("{e} {e:?}"));
        assert!(!error.unwrap_or_default().contains(&signature));
    }
    for form in [KeyForm::Hex, KeyForm::PublicHex, KeyForm::Standard, KeyForm::Base64] {
        let secret = &secrets(&["whsec_hush!"])[0];
        let problem = form.read(secret).err().unwrap();
        assert!(!format!("{problem} {problem:?} {secret:?}").contains("hush"));
    }
}
