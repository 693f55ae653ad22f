//! Events in and out: the specification's own examples, what npm's `cloudevents` sends, and every refusal.

use http::HeaderName;
use http::header::CONTENT_TYPE;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::content::limits::EXTENSIONS;
use crate::event::limits::DELIVERY_EVENTS;

mod model;
mod refusals;
mod sdk;

const STRUCTURED_JSON: &str = "application/cloudevents+json";
const BATCH_JSON: &str = "application/cloudevents-batch+json";

pub(super) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    headers
}

fn structured(body: &str) -> Result<CloudEvent, CloudEventError> {
    let read = read(&headers(&[("content-type", STRUCTURED_JSON)]), &body.to_owned().into())?.unwrap();
    assert_eq!((read.mode, read.events.len()), (Mode::Structured, 1));
    Ok(read.events.into_iter().next().unwrap())
}

fn batch(body: &str) -> Result<Vec<CloudEvent>, CloudEventError> {
    let read = read(&headers(&[("content-type", BATCH_JSON)]), &body.to_owned().into())?.unwrap();
    assert_eq!(read.mode, Mode::Batch);
    Ok(read.events)
}

/// The required attributes, and more.
fn binary(more: &[(&str, &str)], body: &[u8]) -> Result<CloudEvent, CloudEventError> {
    let mut fields = vec![("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    fields.extend_from_slice(more);
    let read = read(&headers(&fields), &body.to_vec().into())?.unwrap();
    assert_eq!((read.mode, read.events.len()), (Mode::Binary, 1));
    Ok(read.events.into_iter().next().unwrap())
}

/// An envelope with the required attributes, and these members.
fn envelope(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{comma}{more}}}"#)
}

fn json(text: &str) -> Data {
    Data::Json(text.to_owned().into())
}

fn text(text: &str) -> Data {
    Data::Text(text.to_owned().into())
}

fn bytes(bytes: &'static [u8]) -> Data {
    Data::Binary(Bytes::from_static(bytes))
}

/// Each is written, in the JSON format's section 3.2, in JSON and in binary mode: both are the same event.
#[test]
fn the_examples_of_the_specification_say_the_same_in_both_modes() {
    const ATTRIBUTES: &str = r#""specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext", "subject": null,
        "id" : "C234-1234-1234", "time" : "2018-04-05T17:31:00Z", "comexampleextension1" : "value", "unsetextension": null"#;
    let fields = [
        ("ce-specversion", "1.0"),
        ("ce-type", "com.example.someevent"),
        ("ce-source", "/mycontext"),
        ("ce-id", "C234-1234-1234"),
        ("ce-time", "2018-04-05T17:31:00Z"),
        ("ce-comexampleextension1", "value"),
    ];
    for (members, media_type, body, data) in [
        (
            r#", "datacontenttype" : "application/vnd.apache.thrift.binary", "data_base64" : "AP8B""#,
            "application/vnd.apache.thrift.binary",
            &b"\0\xff\x01"[..],
            Some(bytes(b"\0\xff\x01")),
        ),
        (
            r#", "datacontenttype" : "application/xml", "data" : "<much wow=\"xml\"/>""#,
            "application/xml",
            b"<much wow=\"xml\"/>",
            Some(text("<much wow=\"xml\"/>")),
        ),
        (
            r#", "datacontenttype" : "application/json", "data" : { "appinfoA" : "abc", "appinfoC" : true }"#,
            "application/json",
            br#"{ "appinfoA" : "abc", "appinfoC" : true }"#,
            Some(json(r#"{ "appinfoA" : "abc", "appinfoC" : true }"#)),
        ),
        (
            r#", "datacontenttype" : "application/json", "data" : 1.5"#,
            "application/json",
            b"1.5",
            Some(json("1.5")),
        ),
        ("", "", b"", None),
        (
            r#", "data_base64" : "eyAieHl6IjogMTIzIH0=""#,
            "",
            br#"{ "xyz": 123 }"#,
            Some(bytes(br#"{ "xyz": 123 }"#)),
        ),
    ] {
        let event = structured(&format!("{{ {ATTRIBUTES}{members} }}\n")).unwrap();
        assert_eq!(event.data(), data.as_ref(), "{members}");
        assert_eq!(event.subject(), None);
        assert_eq!(event.identity(), ("/mycontext", "C234-1234-1234"));
        assert_eq!(event.extensions().len(), 1, "{members}");
        let mut fields = fields.to_vec();
        if !media_type.is_empty() {
            fields.push(("content-type", media_type));
        }
        let binary = read(&headers(&fields), &body.to_vec().into()).unwrap().unwrap();
        assert_eq!(binary.events, [event], "{members}");
    }
    // Its media type is implied in JSON and has to be said elsewhere, so the two are not one in this.
    let implied = structured(&format!(r#"{{ {ATTRIBUTES}, "data" : "I'm just a string" }}"#)).unwrap();
    assert_eq!(
        (implied.data(), implied.datacontenttype()),
        (Some(json(r#""I'm just a string""#)).as_ref(), None)
    );
}

#[test]
fn all_attributes_are_read() {
    let members = r#""subject":"orders/7","time":"2018-04-05T17:31:00.5+02:00","datacontenttype":"text/css","dataschema":"https://a.example/s","a":"x","b":5,"c":-2147483648,"d":true,"e":false,"f":"","9":"\u20ac""#;
    let event = structured(&envelope(members)).unwrap();
    assert_eq!((event.id(), event.source(), event.kind()), ("1", "/s", "t"));
    assert_eq!(event.subject(), Some("orders/7"));
    assert_eq!(event.time(), Some("2018-04-05T17:31:00.5+02:00"));
    assert_eq!(event.datacontenttype(), Some("text/css"));
    assert_eq!(event.dataschema(), Some("https://a.example/s"));
    let extensions: Vec<_> =
        event.extensions().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(extensions, ["9=\u{20ac}", "a=x", "b=5", "c=-2147483648", "d=true", "e=false", "f="]);
    assert_eq!(event.data(), None);

    let fields =
        [("Ce-Subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"), ("ce-b", "5"), ("x-ce-z", "1"), ("cez", "1")];
    let event = binary(&fields, b"").unwrap();
    assert_eq!(event.subject(), Some("Euro \u{20ac} \u{1f600}"));
    assert_eq!(event.extensions().len(), 1);
    assert_eq!(event.extensions()["b"], Value::Text("5".into()));
}

#[test]
fn data_of_envelopes_by_table() {
    for (members, want) in [
        (r#""data":null"#, Some(json("null"))),
        (r#""data":"a\u0062""#, Some(json(r#""a\u0062""#))),
        (r#""data":{"a" : [1, 2.50,"x"]}"#, Some(json(r#"{"a" : [1, 2.50,"x"]}"#))),
        (r#""datacontenttype":"application/vnd.x+JSON; v=1","data":"{}""#, Some(json(r#""{}""#))),
        (r#""datacontenttype":"text/plain","data":"plain""#, Some(text("plain"))),
        (r#""datacontenttype":"text/plain","data":"a\u0062\n\"""#, Some(text("ab\n\""))),
        (r#""datacontenttype":"text/plain","data":"""#, Some(text(""))),
        (r#""datacontenttype":"text/plain","data":{"a":1}"#, Some(json(r#"{"a":1}"#))),
        (r#""datacontenttype":"text/plain","data_base64":"YWI=""#, Some(bytes(b"ab"))),
        (r#""data_base64":"""#, Some(bytes(b""))),
        (r#""data_base64":null"#, None),
        (r#""data":1,"data":2"#, Some(json("2"))),
        (r#""data":1,"data_base64":null"#, Some(json("1"))),
        (r#""data":{"a":1,"a":2}"#, Some(json(r#"{"a":1,"a":2}"#))),
        ("", None),
    ] {
        assert_eq!(structured(&envelope(members)).unwrap().data(), want.as_ref(), "{members}");
    }
    let twice = structured(&envelope(r#""subject":"a","subject":"b","x":1,"x":null,"id":"2""#)).unwrap();
    assert_eq!((twice.id(), twice.subject(), twice.extensions().len()), ("2", Some("b"), 0));
}

#[test]
fn data_of_bodies_by_table() {
    for (media_type, body, want) in [
        ("application/json", &b" {\"a\": 1}\n"[..], Some(json(" {\"a\": 1}\n"))),
        ("application/json", b"I'm just a string", Some(bytes(b"I'm just a string"))),
        ("application/json", b"\"\xff\"", Some(bytes(b"\"\xff\""))),
        ("application/json", b"", None),
        ("text/plain; charset=utf-8", b"{}", Some(text("{}"))),
        ("text/plain", b"\xff", Some(bytes(b"\xff"))),
        ("image/png", b"png", Some(bytes(b"png"))),
    ] {
        let event = binary(&[("content-type", media_type)], body).unwrap();
        assert_eq!(
            (event.data(), event.datacontenttype()),
            (want.as_ref(), Some(media_type)),
            "{media_type}"
        );
    }
    let untold = binary(&[], b"{}").unwrap();
    assert_eq!((untold.data(), untold.datacontenttype()), (Some(bytes(b"{}")).as_ref(), None));
}

/// Nothing of a body is copied but what has to be decoded.
#[test]
fn data_and_envelopes_are_slices_of_the_body() {
    let body = Bytes::from(format!(" [{},\n{} ]", envelope(r#""data":{"a":1}"#), envelope("")));
    let fields = headers(&[("content-type", BATCH_JSON)]);
    let events = read(&fields, &body).unwrap().unwrap().events;
    let within = |part: &Bytes| body.as_ptr_range().contains(&part.as_ptr());
    assert!(within(events[0].data().unwrap().bytes()));
    assert!(events.iter().all(|event| within(&event.envelope())));
    assert_eq!(events[1].envelope(), envelope(""));
}

#[test]
fn batches_by_table() {
    assert_eq!(batch("[]").unwrap(), []);
    assert_eq!(batch(" [ ] ").unwrap(), []);
    let two = batch(&format!("[{},{}]", envelope(""), envelope(r#""subject":"b""#))).unwrap();
    assert_eq!(two.iter().map(CloudEvent::subject).collect::<Vec<_>>(), [None, Some("b")]);
    let most = vec![envelope(""); DELIVERY_EVENTS].join(",");
    assert_eq!(batch(&format!("[{most}]")).unwrap().len(), DELIVERY_EVENTS);
    assert_eq!(batch(&format!("[{most},1]")), Err(CloudEventError::TooMany));
    assert_eq!(CloudEventError::TooMany.status(), 413);
}

#[test]
fn the_content_type_decides_and_then_the_header_fields() {
    let all = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let mode = |media_type: &str, fields: &[(&str, &str)]| {
        let mut fields = fields.to_vec();
        if !media_type.is_empty() {
            fields.push(("content-type", media_type));
        }
        super::mode(&headers(&fields)).unwrap()
    };
    for (media_type, want) in [
        ("application/cloudevents+json", Some(Mode::Structured)),
        ("Application/CloudEvents+JSON; charset=utf-8", Some(Mode::Structured)),
        ("application/cloudevents", Some(Mode::Structured)),
        ("application/cloudevents-batch+json", Some(Mode::Batch)),
        ("APPLICATION/CLOUDEVENTS-BATCH", Some(Mode::Batch)),
        ("application/json", None),
        ("text/plain; a=application/cloudevents+json", None),
        ("", None),
    ] {
        assert_eq!(mode(media_type, &[]), want, "{media_type}");
        assert_eq!(mode(media_type, &all), want.or(Some(Mode::Binary)), "{media_type}");
    }
    for missing in 0..all.len() {
        let mut fields = all.to_vec();
        fields.remove(missing);
        assert_eq!(mode("application/json", &fields), None);
    }
    // The header fields of an envelope are copies, and may be wrong.
    let both = [&all[..], &[("content-type", STRUCTURED_JSON), ("ce-id", "other")]].concat();
    let event = read(&headers(&both), &envelope("").into()).unwrap().unwrap();
    assert_eq!((event.mode, event.events[0].id()), (Mode::Structured, "1"));
}
