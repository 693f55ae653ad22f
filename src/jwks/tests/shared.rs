//! Many URLs, and what becomes of them when the configuration changes.

use super::*;

const A: &str = "https://a.example/jwks";
const B: &str = "https://b.example/jwks";

fn asked_of(script: &Script, url: &str) -> usize {
    script.asked.lock().unwrap().iter().filter(|(_, asked)| asked == url).count()
}

#[tokio::test(start_paused = true)]
async fn one_url_is_fetched_once_however_often_it_is_named() {
    let script = Script::new([Answer::Keys(&["rsa"])]);
    let running = Running::start(&script);
    let remotes = [remote(A), remote(A), remote(B)];
    running.registry.adopt(&remotes);
    script.asked(2).await;
    assert_eq!((asked_of(&script, A), asked_of(&script, B)), (1, 1));
    for remote in &remotes {
        assert!(checker(remote).check(token("rsa"), NOW).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_still_named_and_ends_what_is_not() {
    let script = Script::new([Answer::Keys(&["rsa"])]);
    let running = Running::start(&script);
    let (old_a, old_b) = (remote(A), remote(B));
    running.registry.adopt([&old_a, &old_b]);
    script.asked(2).await;

    script.then(Answer::Down);
    let new_a = remote(A);
    running.registry.adopt([&new_a]);
    assert!(
        checker(&new_a).check(token("rsa"), NOW).is_ok(),
        "from the first moment, and with the provider down"
    );
    assert_eq!(script.count(), 2, "and not fetched for it");
    assert!(checker(&old_b).check(token("rsa"), NOW).is_ok(), "who still holds the old one goes on");
    tokio::time::sleep(LIFETIME * 2).await;
    assert_eq!(asked_of(&script, B), 1, "nobody needs it");
    assert!(asked_of(&script, A) > 1);

    let again = remote(B);
    running.registry.adopt([&new_a, &again]);
    assert_eq!(running.registry.missing(), [url(B)], "what was forgotten begins anew");
    script.then(Answer::Keys(&["p256"]));
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(checker(&again).check(token("p256"), NOW).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_adopted_before_it_runs_is_fetched_when_it_does() {
    let script = Script::new([Answer::Keys(&["rsa"])]);
    let registry = Registry::with(Arc::clone(&script) as Arc<dyn Fetch>, metrics());
    let remote = remote(A);
    registry.adopt([&remote]);
    tokio::time::sleep(LIFETIME).await;
    assert_eq!(script.count(), 0);
    tokio::select! {
        () = registry.run() => unreachable!(),
        () = script.asked(1) => {}
    }
    assert!(checker(&remote).check(token("rsa"), NOW).is_ok());
    tokio::time::sleep(LIFETIME * 2).await;
    assert_eq!(script.count(), 1, "it ends with who polls it");
}

#[tokio::test(start_paused = true)]
async fn a_panic_takes_nothing_else_along() {
    let script = Script::new([Answer::Panic, Answer::Panic, Answer::Keys(&["rsa"])]);
    let running = Running::start(&script);
    let remotes = [remote(A), remote(B)];
    running.registry.adopt(&remotes);
    script.asked(4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(running.registry.missing().is_empty());
    let pauses = script.pauses();
    assert!(pauses.iter().any(|pause| *pause >= Duration::from_secs(5)), "no rush: {pauses:?}");
}
