//! Keys that come while tokens are checked.

use std::sync::Arc;

use tokio::time::timeout;

use super::super::{Algorithm, Checker, Feed, Remote, TokenError};
use super::*;

fn remote() -> Arc<Remote> {
    Arc::new(Remote::new("https://id.example/jwks.json".parse().unwrap()))
}

fn checker(remote: &Arc<Remote>) -> Checker {
    let mut all = policy(&Algorithm::ALL);
    all.issuers = vec!["https://id.example/".into()];
    Checker::new(all, secret(), Some(Arc::clone(remote)))
}

/// Whether the keys were doubted since this was asked last.
async fn doubted(feed: &Feed) -> bool {
    timeout(Duration::ZERO, feed.doubted()).await.is_ok()
}

#[tokio::test]
async fn without_fetched_keys_tokens_of_configured_ones_alone_are_good() {
    let remote = remote();
    let checker = checker(&remote);
    let feed = Arc::new(Feed::default());
    for bound in [false, true] {
        if bound {
            remote.bind(Arc::clone(&feed));
        }
        assert!(!checker.ready());
        assert_eq!(checker.check(token("rsa", "RS256"), NOW), Err(TokenError::NoKeys));
        assert_eq!(checker.check(token("rsa-nameless", "RS256"), NOW), Err(TokenError::NoKeys));
        assert!(checker.check(token("secret", "HS256"), NOW).is_ok());
        assert_eq!(checker.check("a.b.c", NOW), Err(TokenError::Malformed), "whatever the keys");
        assert!(!doubted(&feed).await, "they are being fetched as it is");
    }
    feed.store(published());
    assert!(checker.ready());
    assert!(checker.check(token("rsa", "RS256"), NOW).is_ok());
    assert!(checker.check(token("secret", "HS256"), NOW).is_ok());
    assert!(!doubted(&feed).await);
}

#[tokio::test]
async fn a_token_that_newer_keys_could_make_good_asks_for_them_once() {
    let (remote, feed) = (remote(), Arc::new(Feed::default()));
    let checker = checker(&remote);
    remote.bind(Arc::clone(&feed));
    feed.store(Keys::default());
    for _ in 0..100 {
        assert_eq!(checker.check(token("rsa", "RS256"), NOW), Err(TokenError::UnknownKey));
    }
    assert!(doubted(&feed).await);
    assert!(!doubted(&feed).await, "a hundred are one");

    feed.store(published());
    let signature = token("rsa", "RS256").rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    assert_eq!(checker.check(&signature, NOW), Err(TokenError::Signature));
    assert!(doubted(&feed).await, "a provider may have put another key under the same name");

    let late = Millis((END + 60) * 1000);
    assert_eq!(checker.check(token("rsa", "RS256"), late), Err(TokenError::Expired));
    let none = format!("{}.{}.", part(r#"{"alg":"none"}"#), part("{}"));
    assert_eq!(checker.check(&none, NOW), Err(TokenError::Algorithm));
    assert_eq!(checker.check("a.b.c", NOW), Err(TokenError::Malformed));
    assert!(!doubted(&feed).await, "no key makes these good");
}

#[test]
fn what_a_reload_compares_is_the_url() {
    let (a, b) = (remote(), remote());
    a.bind(Arc::default());
    assert_eq!(checker(&a), checker(&b));
    let other = Arc::new(Remote::new("https://id.example/other".parse().unwrap()));
    assert_ne!(checker(&a), checker(&other));
}
