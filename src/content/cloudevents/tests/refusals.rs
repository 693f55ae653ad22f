//! What is refused, each for its own reason.

use super::*;

fn value(name: &str) -> impl Fn(CloudEventError) -> bool {
    move |error| matches!(error, CloudEventError::Value { name: known, .. } if known == name)
}

#[test]
fn every_required_attribute_is_required() {
    for missing in ["specversion", "id", "source", "type"] {
        let mut members: serde_json::Map<String, Json> = serde_json::from_str(&envelope("")).unwrap();
        members.remove(missing);
        let without = Json::Object(members.clone()).to_string();
        assert_eq!(structured(&without), Err(CloudEventError::Missing(missing)));
        members.insert(missing.to_owned(), Json::Null);
        let null = Json::Object(members.clone()).to_string();
        assert_eq!(structured(&null), Err(CloudEventError::Missing(missing)));
        members.insert(missing.to_owned(), "".into());
        let empty = structured(&Json::Object(members.clone()).to_string()).unwrap_err();
        assert!(value(missing)(empty));
        members.insert(missing.to_owned(), 1.into());
        let number = structured(&Json::Object(members).to_string()).unwrap_err();
        assert!(value(missing)(number));
    }
    for empty in ["ce-id", "ce-source", "ce-type", "ce-specversion"] {
        let mut fields =
            vec![("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
        fields.iter_mut().filter(|(name, _)| *name == empty).for_each(|(_, value)| *value = "");
        let refused = read(&headers(&fields), &Bytes::new()).unwrap_err();
        assert!(value(&empty[3..])(refused));
    }
}

#[test]
fn another_version_is_refused_before_all_else() {
    for version in ["0.3", "1.1", "1.0.2", "2.0", " 1.0", "1"] {
        let refused = structured(&format!(r#"{{"specversion":"{version}"}}"#)).unwrap_err();
        assert_eq!(refused, CloudEventError::SpecVersion(version.to_owned()));
        assert_eq!(refused.status(), 400);
    }
    let fields = [("ce-specversion", "0.3"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let refused = read(&headers(&fields), &Bytes::new());
    assert_eq!(refused, Err(CloudEventError::SpecVersion("0.3".to_owned())));
    let long = structured(&format!(r#"{{"specversion":"{}"}}"#, "1".repeat(60_000))).unwrap_err();
    assert!(long.to_string().len() < 200);
}

#[test]
fn attributes_that_are_not_what_they_must_be_are_refused() {
    for (name, members) in [
        ("subject", r#""subject":"""#),
        ("subject", r#""subject":7"#),
        ("subject", r#""subject":{}"#),
        ("subject", r#""subject":"a\u0000""#),
        ("subject", r#""subject":"a\u0085""#),
        ("subject", r#""subject":"\ufffe""#),
        ("subject", r#""subject":"\ufdd0""#),
        ("subject", r#""subject":"\ud83f\udfff""#),
        ("subject", r#""subject":"\ud800""#),
        ("time", r#""time":"yesterday""#),
        ("time", r#""time":1522949460"#),
        ("datacontenttype", r#""datacontenttype":"json""#),
        ("dataschema", r#""dataschema":"/schema""#),
        ("ext", r#""ext":[]"#),
        ("ext", r#""ext":{"a":1}"#),
        ("ext", r#""ext":1.5"#),
        ("ext", r#""ext":1e3"#),
        ("ext", r#""ext":2147483648"#),
        ("ext", r#""ext":"\n""#),
        ("data", r#""datacontenttype":"text/plain","data":"\ud800""#),
    ] {
        let refused = structured(&envelope(members)).unwrap_err();
        assert!(value(name)(refused.clone()), "{members}: {refused}");
        assert_eq!(refused.status(), 400);
    }
    for (name, field) in [
        ("subject", ("ce-subject", "%C0%A0")),
        ("subject", ("ce-subject", "%0A")),
        ("subject", ("ce-subject", "\"a")),
        ("time", ("ce-time", "2018")),
        ("datacontenttype", ("content-type", "json")),
        ("datacontenttype", ("ce-datacontenttype", "application/json")),
    ] {
        let refused = binary(&[field], b"{}").unwrap_err();
        assert!(value(name)(refused.clone()), "{field:?}: {refused}");
    }
}

#[test]
fn names_have_rules() {
    for name in ["Ext", "my_ext", "my-ext", "ext ", "\u{e9}", "", "data_base65"] {
        let refused = structured(&envelope(&format!(r#""{name}":1"#)));
        assert_eq!(refused, Err(CloudEventError::Name(name.to_owned())));
    }
    for name in ["ce-my-ext", "ce-my_ext", "ce-", "ce-data", "ce-data_base64"] {
        let refused = binary(&[(name, "1")], b"");
        assert_eq!(refused, Err(CloudEventError::Name(name[3..].to_owned())));
    }
    let long = structured(&envelope(&format!(r#""{}":1"#, "X".repeat(60_000)))).unwrap_err();
    assert!(long.to_string().len() < 200);
}

#[test]
fn extensions_are_counted() {
    let members = |count| (0..count).map(|i| format!(r#""x{i}":1"#)).collect::<Vec<_>>().join(",");
    assert_eq!(structured(&envelope(&members(EXTENSIONS))).unwrap().extensions().len(), EXTENSIONS);
    for count in [EXTENSIONS + 1, 10_000] {
        assert_eq!(structured(&envelope(&members(count))), Err(CloudEventError::TooManyExtensions));
    }
    let again = vec![r#""x":1"#; 10_000].join(",");
    assert_eq!(structured(&envelope(&again)), Err(CloudEventError::TooManyExtensions));
    let names: Vec<_> = (0..=EXTENSIONS).map(|i| format!("ce-x{i}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(binary(&fields[1..], b"").unwrap().extensions().len(), EXTENSIONS);
    assert_eq!(binary(&fields, b""), Err(CloudEventError::TooManyExtensions));
}

#[test]
fn data_comes_once() {
    for members in [r#""data":1,"data_base64":"AA==""#, r#""data":null,"data_base64":"""#] {
        assert_eq!(structured(&envelope(members)), Err(CloudEventError::TwoData), "{members}");
    }
    for base64 in ["1", "{}", r#""A""#, r#""AA""#, r#""AA=""#, r#""AB==""#, r#""_w==""#, r#""AA==\n""#] {
        let refused = structured(&envelope(&format!(r#""data_base64":{base64}"#)));
        assert_eq!(refused, Err(CloudEventError::Base64), "{base64}");
    }
}

#[test]
fn header_fields_come_once() {
    for name in ["ce-id", "ce-subject", "ce-x"] {
        let refused = binary(&[(name, "1"), (name, "1")], b"").unwrap_err();
        assert_eq!(refused, CloudEventError::Twice(HeaderName::try_from(name).unwrap()));
        assert_eq!(refused.status(), 400);
    }
    let twice = [("content-type", "text/plain"), ("content-type", "application/json")];
    assert_eq!(binary(&twice, b""), Err(CloudEventError::Twice(CONTENT_TYPE)));
    let twice = headers(&[("content-type", "text/plain"), ("content-type", STRUCTURED_JSON)]);
    assert_eq!(read(&twice, &Bytes::new()), Err(CloudEventError::Twice(CONTENT_TYPE)));
    let not_ours = headers(&[("content-type", "text/plain"), ("content-type", "text/css")]);
    assert_eq!(read(&not_ours, &Bytes::new()), Ok(None));
}

#[test]
fn other_formats_are_refused() {
    for media_type in [
        "application/cloudevents+avro",
        "application/cloudevents+protobuf",
        "application/cloudevents+xml; charset=utf-8",
        "application/cloudevents-batch+protobuf",
        "application/cloudeventsx",
        "application/cloudevents+json+xml",
    ] {
        let refused = read(&headers(&[("content-type", media_type)]), &envelope("").into()).unwrap_err();
        assert!(matches!(refused, CloudEventError::Format(_)), "{media_type}");
        assert_eq!(refused.status(), 415);
    }
}

#[test]
fn bodies_that_are_no_envelope_are_refused() {
    for body in ["", "1", "null", "[]", "{", "{}{}", "{\"a\"}", "\u{feff}{}", "{\"id\":}"] {
        let refused = structured(body).unwrap_err();
        assert!(matches!(refused, CloudEventError::NotJson { .. }), "{body}: {refused}");
    }
    for body in ["", "{}", "1", "[", "[{}", "[{}]]", "[{},]"] {
        let refused = batch(body).unwrap_err();
        assert!(matches!(refused, CloudEventError::NotJson { .. }), "{body}: {refused}");
    }
    for media_type in [STRUCTURED_JSON, BATCH_JSON] {
        let refused = read(&headers(&[("content-type", media_type)]), &Bytes::from_static(b"[\"\xff\"]"));
        assert_eq!(refused, Err(CloudEventError::NotUtf8));
    }
    assert_eq!(structured("{}"), Err(CloudEventError::Missing("specversion")));
}

/// One bad event, anywhere: none of them.
#[test]
fn a_batch_is_all_or_nothing() {
    let good = envelope("");
    for at in 0..3 {
        for (bad, why) in [
            (envelope(r#""X":1"#), CloudEventError::Name("X".to_owned())),
            ("{}".to_owned(), CloudEventError::Missing("specversion")),
        ] {
            let mut events = vec![good.clone(); 3];
            events[at] = bad;
            let refused = batch(&format!("[{}]", events.join(","))).unwrap_err();
            assert_eq!(refused, CloudEventError::At(at + 1, Box::new(why)));
            assert_eq!(refused.status(), 400);
        }
    }
    let refused = batch(&format!("[{good},1]")).unwrap_err();
    assert!(refused.to_string().starts_with("event 2 of the batch: "), "{refused}");
}

/// Nesting costs the parser no stack.
#[test]
fn data_of_any_depth_is_kept() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let event = structured(&envelope(&format!(r#""data":{deep}"#))).unwrap();
    assert_eq!(event.data(), Some(&json(&deep)));
    assert!(structured(&deep).is_err());
}
