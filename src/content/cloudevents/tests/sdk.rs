//! Requests made by npm's `cloudevents`, and the events it made them of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const REQUESTS: &str = include_str!("../../../../tests/data/cloudevents/npm-cloudevents-10.0.0.json");

#[test]
fn what_npm_cloudevents_sends_is_read() {
    let file: Json = serde_json::from_str(REQUESTS).unwrap();
    let requests = file["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 18);
    for request in requests {
        let name = request["name"].as_str().unwrap();
        let fields = request["headers"].as_object().unwrap();
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let body = request["body"].as_str().unwrap();
        let body = if request["base64"] == true { STANDARD.decode(body).unwrap() } else { body.into() };
        let read = read(&headers(&fields), &body.into()).unwrap().unwrap();
        assert_eq!(
            read.mode,
            if name.ends_with("binary") { Mode::Binary } else { Mode::Structured },
            "{name}"
        );
        let event = &read.events[0];
        let written: Json = serde_json::from_slice(&write::write(event)).unwrap();
        assert_eq!(written, expected(name, &request["event"]), "{name}");
        let envelope: Json = serde_json::from_slice(&event.envelope()).unwrap();
        assert_eq!(envelope, written, "{name}");
    }
}

/// The library's own JSON of the event, but for what it doesn't say over HTTP.
fn expected(name: &str, event: &Json) -> Json {
    let mut event = event.clone();
    let members = event.as_object_mut().unwrap();
    match name {
        // It sends a string of JSON without its quotes, which is then no JSON.
        "json-string, binary" => {
            let data = members.remove("data").unwrap();
            members.insert("data_base64".to_owned(), STANDARD.encode(data.as_str().unwrap()).into());
        }
        // It says `application/json` also where there is no data.
        "no-data, binary" => {
            members.insert("datacontenttype".to_owned(), "application/json; charset=utf-8".into());
        }
        // Header fields are all text.
        "extensions, binary" => {
            for member in ["comexampleothervalue", "flag"] {
                members[member] = members[member].to_string().into();
            }
        }
        _ => {}
    }
    event
}
