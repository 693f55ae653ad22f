//! What templates become: ids, types and data.

use proptest::prelude::*;

use super::*;

fn data(given: &Given, text: &str) -> Result<Bytes, Failure> {
    Template::compile("data", text, Known::Request).unwrap().data(&given.scope(), None)
}

#[test]
fn data_is_text_or_json() {
    let given = Given::json(r#"{"b": 1.0, "a": ["x\u0041", null], "s": "q\"", "b": 2.50}"#);
    for (text, want) in [
        ("", ""),
        ("fixed $ {}", "fixed $ {}"),
        ("$${raw}", "${raw}"),
        ("${body}", r#"{"b":2.5,"a":["xA",null],"s":"q\""}"#),
        ("${body.a}", r#"["xA",null]"#),
        ("${body.a[1]}", "null"),
        ("${body.s}", "q\""),
        ("${json(body.s)}", r#""q\"""#),
        ("${body.b}", "2.5"),
        ("${1.0}", "1.0"),
        ("${string(1.0)}", "1"),
        ("${true}", "true"),
        ("${received}", "2026-11-24T08:50:41.007Z"),
        ("${{'r': received, 'k': type(1)}}", r#"{"r":"2026-11-24T08:50:41.007Z","k":"int"}"#),
        (r#"{"id":${json(body.s)},"list":${body.a}}"#, r#"{"id":"q\"","list":["xA",null]}"#),
        ("${body.s}${body.s}", "q\"q\""),
    ] {
        assert_eq!(data(&given, text).unwrap(), want, "{text}");
    }
    assert_eq!(data(&given, "${1.0 / 0.0}").unwrap_err().why, Why::NotFinite);
}

#[test]
fn raw_alone_is_the_body_itself() {
    let mut given = Given::json("x");
    given.raw = Bytes::from_static(b"\xff\x00 any bytes");
    let got = data(&given, "${raw}").unwrap();
    assert_eq!((got.as_ptr(), got.len()), (given.raw.as_ptr(), given.raw.len()), "not a copy");
    assert_eq!(data(&given, "${ raw }").unwrap().as_ptr(), given.raw.as_ptr());
    assert_eq!(data(&given, "${raw} ").unwrap_err().why, Why::NotUtf8("raw"));
}

#[test]
fn names_are_made_of_text_numbers_and_bools() {
    let given = Given::json(r#"{"s":"x y","n":7,"f":1.5,"l":[],"e":"","z":null}"#);
    let id = |text: &str| {
        let template = Template::compile("id", text, Known::Request).unwrap();
        template.text(&given.scope(), None).map_err(|failure| (failure.at, failure.why))
    };
    assert_eq!(id("a-${body.s}-${body.n}-${body.f}-${true}").as_deref(), Ok("a-x y-7-1.5-true"));
    assert_eq!(id("${body.e}"), Err((0, Why::Empty)));
    assert_eq!(id(""), Err((0, Why::Empty)));
    assert_eq!(id("a${body.l}"), Err((7, Why::NotText(Kind::List))));
    assert_eq!(id("${body.z}"), Err((6, Why::NotText(Kind::Null))));
    assert_eq!(id("é ${body.nope}"), Err((9, Why::Key(Some("nope".into())))));
}

#[test]
fn a_type_is_a_type() {
    let given = Given::json(r#"{"t":"order.created","bad":"a,b","own":"sidestream.gap","e":""}"#);
    let of = |text: &str| {
        let template = TypeTemplate::compile("type", text, Known::Request).map_err(|e| e.to_string())?;
        let found = template.event_type(&given.scope(), None);
        found.map(|t| t.as_str().to_owned()).map_err(|f| f.to_string())
    };
    assert_eq!(of("${body.t}").as_deref(), Ok("order.created"));
    assert_eq!(of("x-${body.t}").as_deref(), Ok("x-order.created"));
    assert_eq!(of("push").as_deref(), Ok("push"));
    for (text, words) in [
        ("a,b", "at byte 0: this can't be a type: it holds a control character or a comma"),
        ("", "at byte 0: this can't be a type: it is empty"),
        ("error", "at byte 0: this can't be a type: it is the server's own"),
        ("${body.bad}", "type, at byte 0: the result can't be used: it holds a control character or a comma"),
        ("${body.own}", "type, at byte 0: the result can't be used: it is the server's own"),
        ("${body.e}", "type, at byte 0: it gave empty text"),
    ] {
        assert_eq!(of(text).unwrap_err(), words, "{text}");
    }
}

#[test]
fn a_failure_tells_nothing_of_the_request() {
    let secret = "hunter2";
    let body = format!(r#"{{"{secret}":"{secret}","k":"{secret}","l":["{secret}"]}}"#);
    let mut given = Given::json(body).header("authorization", secret);
    given.query = "token=hunter2";
    for expression in [
        "int(body.k)",
        "timestamp(body.k)",
        "duration(headers.authorization)",
        "bool(query.token)",
        "double(raw)",
        "body[body.k].x",
        "{'a': 1}[body.k]",
        "body.l[raw]",
        "body.k + 1",
        "body.l < body.k",
        "body.k ? 1 : 2",
        "!headers.authorization",
        "-raw",
        "body.l.map(x, x + 1)",
        "body.l.all(x, x)",
        "{body.k: 1, query.token: 2}",
        "body.k in headers.authorization",
        "string(body)",
        "has(body.k.x)",
    ] {
        let failure = data(&given, &format!("${{{expression}}}")).expect_err(expression);
        let shown = format!("{failure} {failure:?}");
        assert!(!shown.contains(secret), "{expression}: {shown}");
        assert!(shown.starts_with("data, at byte "), "{shown}");
    }
    given.raw = Bytes::from(format!("{{\"{secret}\":{secret}}}"));
    let failure = data(&given, "${body}").unwrap_err();
    assert!(!format!("{failure} {failure:?}").contains(secret), "{failure}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A template's text is its parts', whatever is in them.
    #[test]
    fn templates_give_back_what_is_put_in(fixed in "[a-z.${}' é]{0,12}", value in "\\PC{0,20}", other in any::<i64>()) {
        let given = Given::json(serde_json::json!({"v": value, "n": other}).to_string());
        // Where the fixed part ends with `$`, that and the next `${` are written as an expression.
        let written = fixed.replace("${", "$${").replace('$', "${'$'}").replace("${'$'}${'$'}{", "$${");
        let text = format!("{written}${{body.v}}{written}${{body.n}}");
        let got = data(&given, &text).unwrap();
        prop_assert_eq!(String::from_utf8(got.to_vec()).unwrap(), format!("{fixed}{value}{fixed}{other}"));
    }

    /// What is made JSON reads as what it was.
    #[test]
    fn json_reads_as_itself(value in json()) {
        let given = Given::json(value.to_string());
        let got = data(&given, "${json(body)}").unwrap();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&got).unwrap(), value.clone());
        let got = data(&given, "${[body]}").unwrap();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&got).unwrap(), serde_json::json!([value]));
    }
}

/// Any JSON, of some levels.
pub(super) fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e9..1e9).prop_map(serde_json::Value::from),
        "\\PC{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::btree_map("[a-e]{1,2}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
