//! One URL over time.

use crate::jwt::TokenError;

use super::*;

const URL: &str = "https://id.example/jwks.json";

fn within(pause: Duration, low: Duration, high: Duration) {
    assert!((low..=high + Duration::from_millis(1)).contains(&pause), "{pause:?} of {low:?} to {high:?}");
}

#[tokio::test(start_paused = true)]
async fn fetched_at_once_and_again_before_it_grows_old() {
    let script = Script::new([Answer::Keys(&["rsa"])]);
    let running = Running::start(&script);
    let remote = remote(URL);
    running.registry.adopt([&remote]);
    assert_eq!(running.registry.missing(), [url(URL)]);
    script.asked(4).await;
    assert!(running.registry.missing().is_empty());
    assert!(checker(&remote).check(token("rsa"), NOW).is_ok());
    for pause in script.pauses() {
        within(pause, LIFETIME.mul_f64(0.8), LIFETIME.mul_f64(0.9));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_asked_ever_less_and_its_keys_stay() {
    let script = Script::new([Answer::Keys(&["rsa"]), Answer::Down]);
    let running = Running::start(&script);
    let remote = remote(URL);
    let checker = checker(&remote);
    running.registry.adopt([&remote]);
    script.asked(20).await;
    for (failure, pause) in script.pauses().into_iter().skip(1).enumerate() {
        let longest = Duration::from_secs(1 << failure.min(6)).min(Duration::from_mins(1));
        within(pause, longest.mul_f64(0.75), longest);
    }
    assert!(checker.check(token("rsa"), NOW).is_ok(), "what is known stays in use");

    script.then(Answer::Keys(&["p256"]));
    script.asked(21).await;
    assert!(checker.check(token("p256"), NOW).is_ok());
    assert_eq!(checker.check(token("rsa"), NOW), Err(TokenError::UnknownKey), "and what is gone is gone");
    script.then(Answer::Down);
    script.asked(23).await;
    within(*script.pauses().last().unwrap(), Duration::from_millis(750), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_from_the_start() {
    let script = Script::new([Answer::Down]);
    let running = Running::start(&script);
    let remote = remote(URL);
    let checker = checker(&remote);
    running.registry.adopt([&remote]);
    script.asked(3).await;
    assert_eq!(checker.check(token("rsa"), NOW), Err(TokenError::NoKeys));
    assert_eq!(running.registry.missing(), [url(URL)]);
    script.then(Answer::Keys(&["rsa"]));
    script.asked(4).await;
    assert!(checker.check(token("rsa"), NOW).is_ok());
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_have_it_fetched_once_in_an_interval() {
    let script = Script::new([Answer::Keys(&["rsa"])]);
    let running = Running::start(&script);
    let remote = remote(URL);
    let checker = checker(&remote);
    running.registry.adopt([&remote]);
    script.asked(1).await;
    // Somebody makes them up without end.
    let start = Instant::now();
    while start.elapsed() < Duration::from_mins(10) {
        assert_eq!(checker.check(token("p256"), NOW), Err(TokenError::UnknownKey));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let fetches = script.count();
    assert!((20..=21).contains(&fetches), "{fetches} in ten minutes");
    for pause in script.pauses() {
        assert!(pause >= Duration::from_secs(30), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_seen_when_a_token_tells_of_it() {
    let script = Script::new([Answer::Keys(&["rsa"]), Answer::Keys(&["rsa", "p256"])]);
    let running = Running::start(&script);
    let remote = remote(URL);
    let checker = checker(&remote);
    running.registry.adopt([&remote]);
    script.asked(1).await;
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(checker.check(token("p256"), NOW), Err(TokenError::UnknownKey));
    script.asked(2).await;
    within(start.elapsed(), Duration::from_secs(29), Duration::from_secs(31));
    assert!(checker.check(token("p256"), NOW).is_ok());
    assert!(checker.check(token("rsa"), NOW).is_ok());
    script.asked(3).await;
    within(script.pauses()[1], LIFETIME.mul_f64(0.8), LIFETIME.mul_f64(0.9));
}

/// An honest provider's word: nobody is to be believed any more.
#[tokio::test(start_paused = true)]
async fn an_empty_set_takes_all_keys_away() {
    let script = Script::new([Answer::Keys(&["rsa"]), Answer::Keys(&[])]);
    let running = Running::start(&script);
    let remote = remote(URL);
    let checker = checker(&remote);
    running.registry.adopt([&remote]);
    script.asked(1).await;
    assert!(checker.check(token("rsa"), NOW).is_ok());
    script.asked(2).await;
    assert_eq!(checker.check(token("rsa"), NOW), Err(TokenError::UnknownKey));
}
