//! What a claim may come to in a pattern, and what it never does.

use proptest::prelude::*;

use super::*;

fn filled(template: &str, claims: &Value) -> Option<String> {
    let pattern = Template::parse(template).unwrap().fill(claims.as_object().unwrap());
    pattern.map(|pattern| pattern.to_string())
}

#[test]
fn values_by_table() {
    for (value, want) in [
        (json!("42"), Some("users.42.**")),
        (json!(42), Some("users.42.**")),
        (json!(-1), Some("users.-1.**")),
        (json!(u64::MAX), Some("users.18446744073709551615.**")),
        (json!(true), Some("users.true.**")),
        (json!(false), Some("users.false.**")),
        (json!("a.b"), Some("users.a~2Eb.**")),
        (json!("*"), Some("users.~2A.**")),
        (json!("**"), Some("users.~2A~2A.**")),
        (json!("~2A"), Some("users.~7E2A.**")),
        (json!("{sub}"), Some("users.~7Bsub~7D.**")),
        (json!("é"), Some("users.~C3~A9.**")),
        (json!("a\0\n"), Some("users.a~00~0A.**")),
        (json!("joe@a-b_c:d"), Some("users.joe@a-b_c:d.**")),
        (json!("google-oauth2|7"), Some("users.google-oauth2~7C7.**")),
        (json!(""), None),
        (json!(1.5), None),
        (json!(1e300), None),
        (json!(18_446_744_073_709_551_616.0), None),
        (json!(null), None),
        (json!([]), None),
        (json!(["42"]), None),
        (json!({ "a": 1 }), None),
        (json!("a".repeat(247)), Some(&*format!("users.{}.**", "a".repeat(247)))),
        (json!("a".repeat(248)), None),
        (json!("é".repeat(60)), None),
        (json!("a".repeat(100_000)), None),
    ] {
        assert_eq!(filled("users.{sub}.**", &json!({ "sub": value })).as_deref(), want, "{value}");
    }
    assert_eq!(filled("users.{sub}.**", &json!({})), None);
}

#[test]
fn forms_of_templates() {
    let claims = json!({ "sub": "u", "tenant": "t", "https://id.example/role": "r", "n": 7 });
    for (template, want) in [
        ("{sub}", "u"),
        ("news", "news"),
        ("news.**", "news.**"),
        ("{tenant}.users.{sub}.*", "t.users.u.*"),
        ("user-{sub}", "user-u"),
        ("a~2E{sub}x", "a~2Eux"),
        ("roles.{https://id.example/role}", "roles.r"),
        ("{sub}.{sub}", "u.u"),
    ] {
        assert_eq!(filled(template, &claims).as_deref(), Some(want), "{template}");
        let parsed = Template::parse(template).unwrap();
        assert_eq!(parsed.to_string(), template);
        assert_eq!(parsed.is_fixed(), !template.contains('{'));
    }
    // One claim that is missing is one too many.
    assert_eq!(filled("{sub}.{other}", &claims), None);
}

#[test]
fn what_is_no_template() {
    use crate::event::NameError;
    for (text, want) in [
        ("users.{sub", TemplateError::Braces),
        ("users.sub}", TemplateError::Braces),
        ("users.{{sub}}", TemplateError::Braces),
        ("users.}{", TemplateError::Braces),
        ("users.${sub}", TemplateError::Expression),
        ("users.{}", TemplateError::Claim),
        ("users.{a b}", TemplateError::Claim),
        ("users.{ sub }", TemplateError::Claim),
        ("users.{a}{b}", TemplateError::Two),
        ("users.{a}-{b}", TemplateError::Two),
        ("", TemplateError::Name(NameError::Empty)),
        ("users..{sub}", TemplateError::Name(NameError::EmptyToken)),
        ("{sub}.", TemplateError::Name(NameError::EmptyToken)),
        ("{sub}*", TemplateError::Name(NameError::MisplacedWildcard)),
        ("**.{sub}", TemplateError::Name(NameError::MisplacedWildcard)),
        ("a~{sub}", TemplateError::Name(NameError::Escape)),
        ("a~4{sub}", TemplateError::Name(NameError::Escape)),
        ("users/{sub}", TemplateError::Name(NameError::Character('/'))),
    ] {
        assert_eq!(Template::parse(text), Err(want), "{text:?}");
    }
    assert_eq!(Template::parse(&format!("{{{}}}", "c".repeat(257))), Err(TemplateError::Claim));
    assert!(Template::parse(&vec!["{a}"; 16].join(".")).is_ok());
    let deep = Template::parse(&vec!["{a}"; 17].join("."));
    assert_eq!(deep, Err(TemplateError::Name(NameError::TooManyTokens(17))));
}

proptest! {
    /// Whatever the value, it stays in its token: the pattern has the template's shape, and no wildcard but the template's.
    #[test]
    fn a_value_reaches_no_further_than_its_token(value in "\\PC{0,20}|[.*~{}a]{0,8}") {
        let claims = json!({ "c": value });
        match filled("x.p{c}.*", &claims) {
            None => prop_assert!(value.is_empty()),
            Some(text) => {
                let tokens: Vec<&str> = text.split('.').collect();
                prop_assert_eq!(tokens.len(), 3);
                prop_assert!(tokens[1].starts_with('p') && !tokens[1].contains('*'));
                prop_assert_eq!((tokens[0], tokens[2]), ("x", "*"));
            }
        }
    }

    /// Two texts never come to the same pattern.
    #[test]
    fn different_values_stay_apart(one in "[.*~2AEé-]{1,6}", other in "[.*~2AEé-]{1,6}") {
        let of = |value: &str| filled("x.{c}", &json!({ "c": value })).unwrap();
        prop_assert_eq!(of(&one) == of(&other), one == other);
    }

    #[test]
    fn any_text_is_a_template_or_refused(text in "\\PC{0,20}|[.*~{}$a]{0,12}") {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(template.to_string(), text);
            let claims = json!({ "a": "x" });
            let _ = template.fill(claims.as_object().unwrap());
        }
    }
}
