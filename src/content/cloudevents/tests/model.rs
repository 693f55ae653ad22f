//! Events out and in again, whatever they hold.

use super::*;

/// Text that an attribute may hold.
fn attribute() -> impl Strategy<Value = String> {
    "[ -~\u{a0}-\u{d7ff}\u{1f600}-\u{1f64f}]{1,20}"
}

/// JSON with white space in it.
fn json_text() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        ".{0,8}".prop_map(|text| Json::from(text).to_string()),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            inner.prop_map(|item| format!("{{\"k\" : {item}}}")),
        ]
    });
    (value, "[ \r\n\t]{0,2}").prop_map(|(value, space)| format!("{space}{value}{space}").into_bytes())
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![json_text(), ".{0,20}".prop_map(String::into_bytes), any::<Vec<u8>>()]
}

fn media_type() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(vec![
        "application/json",
        "application/vnd.x+json; a=b",
        "text/plain",
        "image/svg+xml",
        "application/octet-stream",
    ]))
}

/// Equal but for white space around JSON, which no envelope keeps.
fn assert_same(one: &CloudEvent, other: &CloudEvent) {
    let trimmed = |event: &CloudEvent| {
        let mut event = event.clone();
        if let Some(Data::Json(json)) = &mut event.data {
            *json = json.slice_ref(json.trim_ascii());
        }
        event
    };
    assert_eq!(trimmed(one), trimmed(other));
}

fn reread(event: &CloudEvent) -> CloudEvent {
    structured(std::str::from_utf8(&write::write(event)).unwrap()).unwrap()
}

#[test]
fn envelopes_by_table() {
    const HEAD: &str = r#"{"specversion":"1.0","id":"1-2","source":"sidestream/orders","type":"order.created","subject":"a \"b\" €","time":"2026-11-24T08:50:41.007Z""#;
    let parts = Parts {
        id: "1-2",
        source: "sidestream/orders",
        kind: "order.created",
        subject: Some("a \"b\" \u{20ac}"),
        time: Some("2026-11-24T08:50:41.007Z"),
        datacontenttype: None,
        data: Bytes::new(),
    };
    for (datacontenttype, data, want) in [
        (None, &b""[..], ""),
        (None, b" {\"a\": 1}\n", r#","datacontenttype":"application/json","data":{"a": 1}"#),
        (None, b"two\nlines", r#","datacontenttype":"text/plain","data":"two\nlines""#),
        (None, b"\xff", r#","data_base64":"/w==""#),
        (Some("text/plain"), b"{}", r#","datacontenttype":"text/plain","data":"{}""#),
        (Some("application/json"), b"{", r#","datacontenttype":"application/json","data_base64":"ew==""#),
        (Some("image/png"), b"x", r#","datacontenttype":"image/png","data_base64":"eA==""#),
    ] {
        let parts = Parts { datacontenttype, data: Bytes::from_static(data), ..parts.clone() };
        let event = CloudEvent::new(parts).unwrap();
        assert_eq!(event.envelope(), format!("{HEAD}{want}}}"));
        assert_same(&reread(&event), &event);
    }
    for bad in [
        Parts { id: "", ..parts.clone() },
        Parts { source: "", ..parts.clone() },
        Parts { kind: "a\nb", ..parts.clone() },
        Parts { time: Some("now"), ..parts.clone() },
        Parts { datacontenttype: Some("json"), ..parts },
    ] {
        assert!(matches!(CloudEvent::new(bad), Err(CloudEventError::Value { .. })));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        (id, source, kind, subject) in (attribute(), attribute(), attribute(), prop::option::of(attribute())),
        datacontenttype in media_type(),
        data in data(),
        extensions in prop::collection::vec(("[a-z0-9]{5,9}", attribute()), 0..4),
    ) {
        let parts = Parts {
            id: &id, source: &source, kind: &kind, subject: subject.as_deref(), time: None, datacontenttype, data: data.clone().into(),
        };
        let event = CloudEvent::new(parts).unwrap();
        if let Some(kept) = event.data() {
            prop_assert_eq!(&kept.bytes()[..], &data[..]);
        }
        assert_same(&reread(&event), &event);

        // In binary mode, percent-encoded as the binding says, and out of it as an envelope.
        let encoded = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<Vec<_>>().concat();
        let mut fields = vec![
            ("ce-specversion".to_owned(), "1.0".to_owned()),
            ("ce-id".to_owned(), encoded(&id)),
            ("ce-source".to_owned(), encoded(&source)),
            ("ce-type".to_owned(), encoded(&kind)),
        ];
        fields.extend(subject.as_deref().map(|subject| ("ce-subject".to_owned(), encoded(subject))));
        fields.extend(datacontenttype.map(|kind| ("content-type".to_owned(), kind.to_owned())));
        let mut sent = std::collections::BTreeMap::new();
        for (name, value) in &extensions {
            if attribute::CORE.contains(&name.as_str()) || sent.insert(name.clone(), value.clone()).is_some() {
                continue;
            }
            fields.push((format!("ce-{name}"), encoded(value)));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let incoming = read(&headers(&fields), &data.into()).unwrap().unwrap();
        let event = &incoming.events[0];
        prop_assert_eq!((event.id(), event.source(), event.kind()), (&*id, &*source, &*kind));
        prop_assert_eq!(event.subject(), subject.as_deref());
        prop_assert_eq!(event.extensions().len(), fields.iter().filter(|(name, _)| name.starts_with("ce-") && !attribute::CORE.contains(&&name[3..])).count());
        assert_same(&reread(event), event);
    }

    #[test]
    fn any_request_is_read_or_refused(
        media_type in prop::sample::select(vec![STRUCTURED_JSON, BATCH_JSON, "application/json", "text/plain"]),
        value: Vec<u8>,
        body in prop_oneof![
            any::<Vec<u8>>(),
            "\\[?(\\{(\"(id|source|type|specversion|data|data_base64|x|time)\":(\"1.0\"|null|7|\"\\\\ud8\"|\\{\\}),?){0,7}\\},?){0,2}\\]?".prop_map(String::into_bytes),
        ],
    ) {
        let mut fields = headers(&[("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("content-type", media_type)]);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            fields.insert("ce-type", value);
        }
        if let Ok(Some(incoming)) = read(&fields, &body.into()) {
            for event in &incoming.events {
                assert_same(&reread(event), event);
            }
        }
    }
}
