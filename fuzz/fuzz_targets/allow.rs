//! Any text is a template or refused, and a value stays in its token. What stands before a NUL is the template, the rest a
//! value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use sidestream::auth::Template;

fuzz_target!(|text: &str| {
    let (template, value) = text.split_once('\0').unwrap_or((text, "a.*~"));
    let parsed = match Template::parse(template) {
        Ok(parsed) => parsed,
        Err(why) => return assert!(!why.to_string().is_empty()),
    };
    assert_eq!(parsed.to_string(), template);
    // Every claim that it names has the value, or a harmless one: the patterns differ in no token's place.
    let names = template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    let claims = |value: &str| -> Map<String, Value> {
        names.clone().map(|name| (name.to_owned(), Value::from(value))).collect()
    };
    let harmless = parsed.fill(&claims("x")).expect("a letter fits wherever the template does");
    let Some(filled) = parsed.fill(&claims(value)) else { return };
    let tokens = |text: &str| text.split('.').map(|token| token.contains('*')).collect::<Vec<_>>();
    assert_eq!(tokens(filled.as_str()), tokens(harmless.as_str()));
    assert_eq!(filled == harmless, value == "x" || parsed.is_fixed());
});
