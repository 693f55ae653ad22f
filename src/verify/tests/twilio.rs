//! Twilio: what is signed is not the body's bytes.

use super::super::limits::FORM_FIELDS;
use super::super::testing::{Sent, secrets};
use super::super::{Refused, Scheme, Unverified, preset};

const FORM: &str = "application/x-www-form-urlencoded";
const URL: &str = "https://mycompany.com/myapp.php";

fn scheme(url: &str) -> Scheme {
    preset::twilio(&secrets(&["12345"]), url).unwrap()
}

fn call() -> Sent {
    Sent::new(
        "To=%2B18005551212&CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309",
    )
    .to("/myapp.php?foo=1&bar=2")
    .with("content-type", FORM)
    .with("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
}

#[test]
fn a_form() {
    let scheme = scheme(URL);
    call().is_believed(&scheme);
    assert_eq!(scheme.sign(&call().request()).unwrap()[0].1, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    for changed in [
        call().to("/myapp.php?foo=1&bar=3"),
        call().to("/myapp.php"),
        Sent { body: call().body[1..].to_vec(), ..call() },
        Sent { body: [&call().body[..], b"&More=1"].concat(), ..call() },
        Sent { body: Vec::new(), ..call() },
    ] {
        changed.is_mismatch(&scheme);
    }
}

/// From the tests of Twilio's own libraries.
#[test]
fn a_body_with_its_digest_in_the_query() {
    let scheme = scheme(URL);
    let body = r#"{"property": "value", "boolean": true}"#;
    let digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let target = format!("/myapp.php?foo=1&bar=2&bodySHA256={digest}");
    let sent = |body: &str, target: &str| {
        Sent::new(body)
            .to(target)
            .with("content-type", "application/json")
            .with("x-twilio-signature", "a9nBmqA0ju/hNViExpshrM61xv4=")
    };
    sent(body, &target).is_believed(&scheme);
    let other = Err(Unverified::Other("the body is not what bodySHA256 says"));
    assert_eq!(sent(&body.replace("true", "false"), &target).judged(&scheme), other);
    assert_eq!(sent("", &target).judged(&scheme), other);
    assert_eq!(sent(body, &target.replace("SHA256=0", "SHA256=")).judged(&scheme), other);
    let twice = format!("{target}&bodySHA256={digest}");
    let why = "bodySHA256 is in the query more than once";
    assert_eq!(sent(body, &twice).judged(&scheme), Err(Unverified::Other(why)));
    // The digest of another body, with its own signature's URL changed.
    let theirs = target.replace("0a1f", "0a1e");
    assert_eq!(sent(body, &theirs).judged(&scheme), other);
}

/// With the signature of a request without a body, any body that nothing covers could be sent.
#[test]
fn a_body_that_nothing_covers() {
    let scheme = scheme(URL);
    let sent = Sent::new("").signed(&scheme);
    sent.is_believed(&scheme);
    let why = Err(Unverified::Other("the body is no form, and the query has no bodySHA256 for it"));
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded-not", ""] {
        let forged = Sent { body: b"{}".to_vec(), ..sent.clone() }.with("content-type", kind);
        assert_eq!(forged.judged(&scheme), why);
    }
    assert_eq!(Sent { body: b"{}".to_vec(), ..sent }.judged(&scheme), why);
    assert_eq!(scheme.sign(&Sent::new("{}").request()), None);
    // The type twice could be read in two ways.
    let sent =
        Sent::new("a=1").with("content-type", FORM).signed(&scheme).with("content-type", "application/json");
    assert_eq!(sent.judged(&scheme), why);
}

#[test]
fn the_url_is_the_configured_one_with_or_without_its_port() {
    for (one, other) in [
        ("https://a.example/x", "https://a.example:443/x"),
        ("http://a.example/x", "http://a.example:80/x"),
        ("https://[::1]/x", "https://[::1]:443/x"),
    ] {
        let sent = |url| Sent::new("a=1").with("content-type", FORM).signed(&scheme(url));
        sent(one).is_believed(&scheme(other));
        sent(other).is_believed(&scheme(one));
        sent(one).with("host", "evil.example").is_believed(&scheme(one));
        sent(one).with("host", "b.example").is_mismatch(&scheme("https://b.example/x"));
        sent(one).is_mismatch(&scheme("https://a.example/y"));
    }
    // A port that is not the usual one may have been left out, but not made up.
    for (without, with) in
        [("https://a.example/x", "https://a.example:8443/x"), ("https://[::1]/x", "https://[::1]:8443/x")]
    {
        let sent = |url| Sent::new("a=1").with("content-type", FORM).signed(&scheme(url));
        sent(without).is_believed(&scheme(with));
        sent(with).is_mismatch(&scheme(without));
    }
    for wrong in [
        "",
        "a.example/x",
        "ftp://a.example/x",
        "https://a.example",
        "https:///x",
        "https://:443/x",
        "https://a.example/x?y",
        "https://a.example/x#y",
        "https://u:p@a.example/x",
        "https://a.example:x/x",
        "https://a.example:65536/x",
        "https://a example/x",
        "https://a.example/\u{e9}",
        "HTTPS://a.example/x",
    ] {
        let refused = preset::twilio(&secrets(&["s"]), wrong).unwrap_err();
        assert!(matches!(refused, Refused::Parameters(_)), "{wrong}");
    }
}

/// As Twilio's library for Node signs it: `twilio` 5, `getExpectedTwilioSignature` with `{b: ["2", "1", "2"], a: "x y",
/// B: "1"}`.
#[test]
fn a_form_with_names_that_come_twice() {
    Sent::new("b=2&b=1&b=2&a=x+y&B=1")
        .to("/x?q=1")
        .with("content-type", FORM)
        .with("x-twilio-signature", "d99RVLLPSM9CMWOsDkave/zZtUY=")
        .is_believed(&scheme("https://a.example/x"));
}

#[test]
fn fields_are_decoded_sorted_and_taken_once() {
    let scheme = scheme("https://a.example/x");
    let signed = |body: &str| {
        Sent::new(body).with("content-type", FORM).signed(&scheme).headers["x-twilio-signature"].clone()
    };
    let reference = signed("a=1&b=2+3&b=4");
    for same in ["b=4&b=2%203&a=1", "b=4&a=1&b=2+3&b=4&a=1", "&&a=1&b=2+3&&b=4&", "%61=1&b=2+3&b=4"] {
        assert_eq!(signed(same), reference, "{same}");
    }
    for other in ["a=1&b=4&b=2+4", "a=1&b=2+3", "A=1&b=2+3&b=4", "a=1&b=2%2b3&b=4"] {
        assert_ne!(signed(other), reference, "{other}");
    }
    assert_eq!(signed("a=&b"), signed("a&b="), "a name without a value");
    // Upper case before lower case, as bytes are.
    assert_eq!(signed("B=1&a=2"), signed("a=2&B=1"));
    for broken in ["a=%", "a=%4", "a=%4g", "%zz=1"] {
        let sent = Sent::new(broken).with("content-type", FORM).with("x-twilio-signature", &reference);
        let why = Err(Unverified::Other("the form is not encoded as forms are"));
        assert_eq!(sent.judged(&scheme), why, "{broken}");
    }
    let many = |fields: usize| {
        Sent::new("a=1&".repeat(fields)).with("content-type", FORM).with("x-twilio-signature", &reference)
    };
    many(FORM_FIELDS).is_mismatch(&scheme);
    let why = Err(Unverified::Other("the form has more fields than are looked at"));
    assert_eq!(many(FORM_FIELDS + 1).judged(&scheme), why);
}
