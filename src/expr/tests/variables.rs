//! What expressions see of a request.

use super::*;

#[test]
fn every_part_of_a_request_is_there() {
    let mut given = Given::json(r#"{"n":1}"#)
        .header("x-github-event", "push")
        .header("accept", "a")
        .header("accept", "b");
    given.query = "a=1&a=2&b=x+y%2Fz&c&=d&%zz=%C3%A9&bad=%ff";
    for (expression, want) in [
        ("raw", r#""{\"n\":1}""#),
        ("headers['x-github-event'] + headers.accept", r#""pusha, b""#),
        ("headers['X-GitHub-Event']", r#""push""#),
        ("'accept' in headers && !('x' in headers) && has(headers.accept) && !has(headers.x)", "true"),
        ("headers.exists(name, name == 'accept') && size(headers) == 2", "true"),
        ("headers == {'accept': 'a, b', 'x-github-event': 'push'}", "true"),
        ("headers", r#"{"x-github-event":"push","accept":"a, b"}"#),
        ("query", r#"{"a":"2","b":"x y/z","c":"","":"d","%zz":"é","bad":"�"}"#),
        ("query.a + query['b']", r#""2x y/z""#),
        ("[path, source, method]", r#"["/webhooks/github","github","POST"]"#),
        ("received", r#""2026-11-24T08:50:41.007Z""#),
        ("received > timestamp('2026-11-24T08:50:41Z') && received.getMilliseconds() == 7", "true"),
        ("body", r#"{"n":1}"#),
    ] {
        assert_eq!(given.eval(expression).as_deref(), Ok(want), "{expression}");
    }
    assert_eq!(given.eval("headers.x"), Err(Why::Key(Some("x".into()))));
    given.headers.insert("x-latin", http::HeaderValue::from_bytes(b"\xe9").unwrap());
    assert_eq!(given.eval("headers['x-latin']"), Err(Why::NotUtf8("the header field")));
}

#[test]
fn json_keeps_kinds_order_and_the_last_of_equal_keys() {
    let body = r#"{"z":1,"a":-1,"u":9223372036854775808,"max":18446744073709551615,"big":18446744073709551616,
        "f":1.0,"e":1e2,"t":"a\u00e9\n","d":1,"s":{"x":1,"x":{"y":[1]}},"d":2,"n":null,"l":[]}"#;
    let given = Given::json(body);
    for (expression, want) in [
        (
            "[body.z, body.a, body.u, body.max, body.big, body.f].map(x, type(x))",
            r#"["int","int","uint","uint","double","double"]"#,
        ),
        ("type(body.e) == double && body.e == 100 && body.u > body.z", "true"),
        ("body.d == 2 && body.s.x.y[0] == 1 && size(body.s) == 1", "true"),
        ("size(body)", "12"),
        ("body.map(k, k).filter(k, k < 'f')", r#"["a","big","e","d"]"#),
        ("has(body.n) && body.n == null && !has(body.m) && !has(body.s.y)", "true"),
        ("body.t", r#""aé\n""#),
        ("{'x': body.s}", r#"{"x":{"x":{"y":[1]}}}"#),
        (
            "body",
            concat!(
                r#"{"z":1,"a":-1,"u":9223372036854775808,"max":18446744073709551615,"big":1.8446744073709552e+19,"#,
                r#""f":1.0,"e":100.0,"t":"aé\n","d":2,"s":{"x":{"y":[1]}},"n":null,"l":[]}"#,
            ),
        ),
    ] {
        assert_eq!(given.eval(expression).as_deref(), Ok(want), "{expression}");
    }
    assert_eq!(given.eval("has(body.m.k)"), Err(Why::Key(Some("m".into()))));
    assert_eq!(given.eval("has(body.n.k)"), Err(Why::Kind { operation: "has", kinds: [Kind::Null].into() }));
}

#[test]
fn a_body_that_is_no_json_fails_only_who_asks_for_it() {
    for (body, line, column) in
        [("{\"a\":1", 1, 6), ("{}\nx", 2, 1), ("{\"a\":1e999}", 1, 10), ("\"\u{1}\"", 1, 2)]
    {
        let given = Given::json(body);
        assert_eq!(given.eval("body"), Err(Why::NotJson { line, column }), "{body}");
        assert_eq!(given.eval("method").as_deref(), Ok("\"POST\""));
        assert_eq!(given.eval("true || body.x"), Ok("true".into()));
    }
    let mut given = Given::json("");
    assert_eq!(given.eval("body"), Err(Why::NoBody));
    given.raw = Bytes::from_static(b"\xff");
    assert_eq!(given.eval("raw"), Err(Why::NotUtf8("raw")));
    assert!(matches!(given.eval("body"), Err(Why::NotJson { .. })));
}

#[test]
fn the_body_is_parsed_by_the_first_who_asks() {
    let given = Given::json(r#"{"a":1}"#);
    let scope = given.scope();
    let holds =
        |text| Predicate::compile("filter", text, Known::Request).unwrap().holds(&scope, None).unwrap();
    assert!(holds("method == 'POST' || body.a == 1") && holds("true ? true : has(body.a)"));
    assert!(!scope.is_parsed());
    assert!(holds("body.a == 1"));
    assert!(scope.is_parsed());
}

#[test]
fn a_form_is_a_map_or_the_json_in_its_payload() {
    let form = |fields: &[(&str, &str)], expression| {
        let mut given = Given::json("x=y");
        given.fields = Some(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        given.eval(expression)
    };
    assert_eq!(form(&[("a", "1"), ("b", "2"), ("a", "3")], "body").as_deref(), Ok(r#"{"a":"3","b":"2"}"#));
    assert_eq!(form(&[], "body").as_deref(), Ok("{}"));
    assert_eq!(form(&[("payload", r#"{"a":[1]}"#)], "body.a[0]").as_deref(), Ok("1"));
    assert_eq!(form(&[("payload", " [1] ")], "body[0]").as_deref(), Ok("1"));
    // Not the one field, or not a map or list: what was sent.
    assert_eq!(form(&[("payload", "{}"), ("a", "1")], "body.payload").as_deref(), Ok(r#""{}""#));
    assert_eq!(form(&[("payload", "1")], "body.payload").as_deref(), Ok(r#""1""#));
    assert_eq!(form(&[("payload", "{1}")], "body.payload").as_deref(), Ok(r#""{1}""#));
    assert_eq!(form(&[("Payload", "{}")], "body.Payload").as_deref(), Ok(r#""{}""#));
}

#[test]
fn elements_are_seen_as_each_and_index() {
    let given = Given::json(r#"{"events":[{"id":"a"},"b",3],"by":{"x":1}}"#);
    let scope = given.scope();
    let each = Each::compile("each", "${body.events}").unwrap();
    let template = Template::compile("data", "${index}:${each}:${body.by.x}", Known::Element).unwrap();
    let data: Vec<Bytes> = each
        .split(&scope)
        .unwrap()
        .iter()
        .map(|element| template.data(&scope, Some(element)).unwrap())
        .collect();
    assert_eq!(data, [r#"0:{"id":"a"}:1"#, "1:b:1", "2:3:1"]);

    let of =
        |text: &str| Each::compile("each", text).unwrap().split(&scope).map(|e| e.len()).map_err(|f| f.why);
    assert_eq!(of("body.events.filter(e, type(e) == string) + [1, 2]"), Ok(3));
    assert_eq!(of("[]"), Ok(0));
    assert_eq!(of("body"), Err(Why::NotList(Kind::Map)));
    assert_eq!(of("body.none"), Err(Why::Key(Some("none".into()))));
}
