//! Bearer, basic, and a header field's whole value.

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::super::testing::{Sent, secrets};
use super::super::{KeyProblem, Refused, Unverified, Verified, preset};

fn with(value: &str) -> Sent {
    Sent::new("").with("authorization", value)
}

fn malformed(why: &'static str) -> Result<Verified, Unverified> {
    Err(Unverified::Malformed(AUTHORIZATION, why))
}

#[test]
fn bearer() {
    let scheme = preset::bearer(secrets(&["t0k/en=", "other"])).unwrap();
    for right in ["Bearer t0k/en=", "bearer t0k/en=", "BEARER  t0k/en="] {
        with(right).is_believed(&scheme);
    }
    assert_eq!(with("Bearer other").judged(&scheme), Ok(Verified { secret: Some(1) }));
    for wrong in ["Bearer t0k/en", "Bearer t0k/en==", "Bearer T0k/en=", "Bearer t0k/en= x", "Bearer "] {
        with(wrong).is_mismatch(&scheme);
    }
    for other in ["t0k/en=", "Basic t0k/en=", "Bearert0k/en=", "Bearer:t0k/en="] {
        assert_eq!(with(other).judged(&scheme), malformed("it is for another scheme"), "{other}");
    }
    // Never from the URL.
    let sent = Sent::new("").to("/webhooks/x?access_token=t0k/en=");
    assert_eq!(sent.judged(&scheme), Err(Unverified::Missing(AUTHORIZATION)));
}

#[test]
fn query() {
    let scheme = preset::query("key", secrets(&["a b+c", "other"])).unwrap();
    let at = |query: &str| Sent::new("").to(&format!("/webhooks/x?{query}"));
    for right in
        ["key=a+b%2Bc", "x=1&key=a%20b%2bc&y", "k%65y=a+b%2Bc", "key=a+b%2Bc&key2=x", "%zz=1&key=a+b%2Bc"]
    {
        at(right).is_believed(&scheme);
    }
    assert_eq!(at("key=other").judged(&scheme), Ok(Verified { secret: Some(1) }));
    for wrong in ["key=", "key", "key=a+b+c", "key=A+b%2Bc", "key=a+b%252Bc", "key=other%20"] {
        at(wrong).is_mismatch(&scheme);
    }
    for (query, why) in [
        ("", "the parameter of the query is missing"),
        ("Key=other", "the parameter of the query is missing"),
        ("x=key=other", "the parameter of the query is missing"),
        ("key=other&key=other", "the parameter of the query is there more than once"),
        ("key=other&k%65y=other", "the parameter of the query is there more than once"),
        ("key=%zz", "the parameter of the query is not encoded as queries are"),
    ] {
        assert_eq!(at(query).judged(&scheme), Err(Unverified::Other(why)), "{query}");
    }
    let long = format!("key={}", "x".repeat(9000));
    assert_eq!(at(&long).judged(&scheme), Err(Unverified::Other("the parameter of the query is too long")));
    assert!(Sent::new("").judged(&scheme).is_err());
    assert_eq!(preset::query("key", secrets(&["a", ""])).err(), Some(Refused::Key(1, KeyProblem::Empty)));
    assert_eq!(scheme.sign(&Sent::new("").request()), None, "it is no header field");
}

/// The example of RFC 7617 §2.
#[test]
fn basic() {
    let scheme = preset::basic("Aladdin", &secrets(&["old", "open sesame"])).unwrap();
    let right = with("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(right.judged(&scheme), Ok(Verified { secret: Some(1) }));
    assert_eq!(with("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").judged(&scheme), right.judged(&scheme));
    with("Basic QWxhZGRpbjpvcGVu").is_mismatch(&scheme);
    for wrong in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Basic Aladdin:open sesame"] {
        assert_eq!(with(wrong).judged(&scheme), malformed("it is not base64"));
    }
    let refused = preset::basic("Ala:ddin", &secrets(&["x"])).unwrap_err();
    assert!(matches!(refused, Refused::Parameters(_)));
    // A password may hold colons, and what it holds is not the user's.
    let colon = preset::basic("a", &secrets(&["b:c"])).unwrap();
    with("Basic YTpiOmM=").is_believed(&colon);
}

#[test]
fn header() {
    let name = HeaderName::from_static("x-api-key");
    let scheme = preset::header(name.clone(), secrets(&["k e y"])).unwrap();
    Sent::new("").with("x-api-key", "k e y").is_believed(&scheme);
    for wrong in ["k e", "k e y z", "K e y"] {
        Sent::new("").with("x-api-key", wrong).is_mismatch(&scheme);
    }
    for unsendable in ["", " k", "k ", "a\nb", "a\0b"] {
        let refused = Refused::Key(1, KeyProblem::Unsendable);
        assert_eq!(preset::header(name.clone(), secrets(&["k", unsendable])).unwrap_err(), refused);
        assert_eq!(preset::bearer(secrets(&["k", unsendable])).unwrap_err(), refused);
        assert_eq!(preset::gitlab_token(secrets(&["k", unsendable])).unwrap_err(), refused);
    }
}
