//! What the contract says of rules, one sentence at a time.

use super::*;
use Access::{Deny, Forward, Jwt, Public};

fn judge(rules: &Rules, texts: &[&str], allowed: Option<&[&str]>) -> Result<(), Denied> {
    rules.judge(&wanted(texts), allowed.map(bearer).as_ref(), None)
}

#[test]
fn without_anything_all_is_public() {
    let auth = Auth::default();
    assert!(auth.is_open() && auth.rules.all_public());
    for texts in [&["a"][..], &["**"], &["a", "b.*"]] {
        assert_eq!(auth.rules.judge(&wanted(texts), None, None), Ok(()));
        assert!(auth.rules.needs(&wanted(texts)).nothing());
    }
    let denied = Auth { rules: rules(&[("a", Deny)], Public), ..Auth::default() };
    assert!(!denied.is_open());
    assert!(!Auth { tokens: Some(tokens(&[])), ..Auth::default() }.is_open(), "tokens are looked at");
}

#[test]
fn the_first_rule_that_matches_a_name_applies() {
    let rules = rules(&[("news.secret", Deny), ("news.**", Public), ("news.late", Deny)], Jwt);
    for (text, want) in [
        ("news.a", Ok(())),
        ("news.late", Ok(())),
        ("news.secret", Err(Denied::Rule)),
        ("news", Err(Denied::NoToken)),
        ("other", Err(Denied::NoToken)),
    ] {
        assert_eq!(judge(&rules, &[text], None), want, "{text}");
    }
}

/// "A requested pattern is admitted only if every rule that it intersects admits it."
#[test]
fn a_pattern_needs_every_rule_up_to_the_first_that_covers_it() {
    let rules = rules(&[("news.secret", Deny), ("news.*", Public), ("*.b", Deny)], Jwt);
    for (text, want) in [
        ("news.*", Err(Denied::Rule)),
        ("news.**", Err(Denied::Rule)),
        ("**", Err(Denied::Rule)),
        ("*.b", Err(Denied::Rule)),
        ("*.c", Err(Denied::NoToken)),
        ("news.a.*", Err(Denied::NoToken)),
    ] {
        assert_eq!(judge(&rules, &[text], None), want, "{text}");
    }
    let covered = super::rules(&[("news.**", Public), ("**", Deny)], Deny);
    assert_eq!(judge(&covered, &["news.*"], None), Ok(()), "what comes behind does not matter");
    assert_eq!(judge(&covered, &["*.a"], None), Err(Denied::Rule));
    let open = super::rules(&[("a.**", Public)], Jwt);
    assert_eq!(judge(&open, &["**"], Some(&["a.**"])), Err(Denied::Topic), "the default counts too");
    assert_eq!(judge(&open, &["**"], Some(&["**"])), Ok(()));
}

/// "… and one granted pattern covers it whole."
#[test]
fn two_granted_patterns_are_not_one() {
    let rules = rules(&[], Jwt);
    assert_eq!(judge(&rules, &["a.*"], Some(&["a.x", "a.y", "*.z"])), Err(Denied::Topic));
    assert_eq!(judge(&rules, &["**"], Some(&["*", "*.**"])), Err(Denied::Topic));
    assert_eq!(judge(&rules, &["a.x"], Some(&["b", "a.*"])), Ok(()));
    assert_eq!(judge(&rules, &["a.x"], Some(&[])), Err(Denied::Topic));
}

/// "Of several topics every one must be."
#[test]
fn several_topics_each_for_itself() {
    let rules = rules(&[("p.**", Public), ("d", Deny)], Jwt);
    assert_eq!(judge(&rules, &["p.a", "a", "b"], Some(&["a", "b"])), Ok(()));
    assert_eq!(judge(&rules, &["p.a", "a", "b"], Some(&["a"])), Err(Denied::Topic));
    assert_eq!(judge(&rules, &["p.a", "a"], None), Err(Denied::NoToken));
    assert_eq!(
        judge(&rules, &["p.a", "d", "a"], None),
        Err(Denied::Rule),
        "what nobody may have comes first"
    );
}

#[test]
fn the_apps_word_may_be_narrow() {
    let rules = rules(&[("a.**", Forward), ("b", Jwt)], Deny);
    let judge = |texts: &[&str], app: Option<AppWord>| {
        rules.judge(&wanted(texts), Some(&bearer(&["b"])), app.as_ref())
    };
    assert_eq!(judge(&["a.x"], None), Err(Denied::App));
    assert_eq!(judge(&["a.x", "b"], Some(word(None))), Ok(()));
    assert_eq!(judge(&["a.**"], Some(word(Some(&["a.x", "a.**"])))), Ok(()));
    assert_eq!(judge(&["a.*"], Some(word(Some(&["a.x"])))), Err(Denied::App));
    assert_eq!(judge(&["a.x"], Some(word(Some(&[])))), Err(Denied::App));
    assert_eq!(judge(&["c"], Some(word(None))), Err(Denied::Rule), "it never overrides deny");
    let needs = rules.needs(&wanted(&["a.x", "b"]));
    assert_eq!(needs, Needs { jwt: true, forward: true, denied: false });
    assert_eq!(rules.needs(&wanted(&["**"])), Needs { jwt: true, forward: true, denied: true });
    assert!(rules.asks(Forward) && rules.asks(Deny) && !rules.asks(Public));
}

/// A name of the server's own matches nothing that is published; as a pattern it is judged like any other.
#[test]
fn the_servers_own_names_are_no_way_around() {
    let rules = rules(&[("a", Public)], Deny);
    assert_eq!(judge(&rules, &["sidestream.x"], None), Err(Denied::Rule));
}
