//! Every handshake: granted, refused, and what is none.

use http::HeaderMap;
use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    headers
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_str().unwrap())
}

/// A reply that sends `text` back so that no browser runs it.
fn assert_echo(reply: &Reply, text: &str) {
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, text.as_bytes()));
    assert_eq!(header(reply, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(header(reply, "x-content-type-options"), Some("nosniff"));
}

fn assert_json(reply: &Reply, json: &str) {
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, json.as_bytes()));
    assert_eq!(header(reply, "content-type"), Some("application/json"));
}

mod by_options {
    use super::*;
    use crate::content::limits::ORIGIN_BYTES;

    const ASKS: (&str, &str) = ("WebHook-Request-Origin", "eventgrid.azure.net");

    fn granting(origins: &[&str], rate: Option<u32>) -> Settings {
        let origins = origins.iter().map(|origin| (*origin).into()).collect();
        Settings { origins, rate: rate.map(|rate| rate.try_into().unwrap()), ..Settings::default() }
    }

    #[test]
    fn an_expected_origin_is_granted_what_it_asks_for() {
        for own in ["eventgrid.azure.net", "EventGrid.Azure.net", "*"] {
            let settings = granting(&["other.example", own], None);
            let reply = options(&headers(&[ASKS]), &settings).unwrap();
            assert_eq!(reply.status, 200);
            assert_eq!(header(&reply, "webhook-allowed-origin"), Some("eventgrid.azure.net"));
            assert_eq!(header(&reply, "webhook-allowed-rate"), Some("*"));
            assert_eq!(header(&reply, "allow"), Some("POST"));
            assert!(reply.body.is_empty());
        }
        // A callback is not called, and CORS is not meant.
        let more = [
            ASKS,
            ("WebHook-Request-Callback", "https://rp.example/?id=1"),
            ("Access-Control-Request-Method", "POST"),
        ];
        assert!(options(&headers(&more), &granting(&["*"], None)).is_ok());
    }

    #[test]
    fn rates_by_table() {
        for (asked, most, want) in [
            (None, None, "*"),
            (None, Some(60), "60"),
            (Some("120"), None, "120"),
            (Some("120"), Some(60), "60"),
            (Some("30"), Some(60), "30"),
            (Some("99999999999999999999"), Some(60), "60"),
        ] {
            let mut fields = vec![ASKS];
            fields.extend(asked.map(|rate| ("WebHook-Request-Rate", rate)));
            let reply = options(&headers(&fields), &granting(&["*"], most)).unwrap();
            assert_eq!(header(&reply, "webhook-allowed-rate"), Some(want), "{asked:?} {most:?}");
        }
        for rate in ["0", "-1", "+1", "1.5", "", "x", "*"] {
            let refused = options(&headers(&[ASKS, ("WebHook-Request-Rate", rate)]), &granting(&["*"], None));
            assert!(matches!(refused, Err(Refused::Malformed(_))), "{rate:?}");
        }
    }

    #[test]
    fn who_is_not_expected_is_granted_nothing() {
        let settings = granting(&["eventgrid.azure.net"], None);
        for origin in ["azure.net", "x.eventgrid.azure.net", "eventgrid.azure.net.evil.example"] {
            let refused = options(&headers(&[("WebHook-Request-Origin", origin)]), &settings).unwrap_err();
            assert_eq!((refused, refused.status()), (Refused::Origin, StatusCode::FORBIDDEN));
        }
        let refused = options(&headers(&[ASKS]), &Settings::default()).unwrap_err();
        assert_eq!((refused, refused.status()), (Refused::Method, StatusCode::METHOD_NOT_ALLOWED));
    }

    #[test]
    fn what_is_malformed_is_refused_even_where_all_are_granted() {
        let settings = granting(&["*"], None);
        let long = "a".repeat(ORIGIN_BYTES + 1);
        for origin in ["", "*", "a b", "https://a.example", "a.example, b.example", &long] {
            let refused = options(&headers(&[("WebHook-Request-Origin", origin)]), &settings).unwrap_err();
            assert!(matches!(refused, Refused::Malformed(_)), "{origin:?}");
            assert_eq!(refused.status(), 400);
        }
        assert!(options(&headers(&[("WebHook-Request-Origin", &long[1..])]), &settings).is_ok());
        let rate = ("WebHook-Request-Rate", "1");
        for fields in [&[ASKS, ASKS][..], &[ASKS, rate, rate]] {
            assert!(matches!(options(&headers(fields), &settings), Err(Refused::Malformed(_))));
        }
    }

    #[test]
    fn other_options_are_no_handshake() {
        let settings = granting(&["*"], None);
        let cors = headers(&[("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")]);
        assert_eq!(options(&cors, &settings), Err(Refused::Cors));
        assert_eq!(options(&HeaderMap::new(), &settings), Err(Refused::Method));
    }
}

mod by_get {
    use super::*;

    fn settings() -> Settings {
        Settings {
            verify_tokens: vec![Secret::new(*b"old token"), Secret::new(*b"new&token")],
            topics: vec!["https://a.example/feed?x=1".into()],
            ..Settings::default()
        }
    }

    const META: &str = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=";
    const WEBSUB: &str =
        "hub.topic=https%3A%2F%2Fa.example%2Ffeed%3Fx%3D1&hub.challenge=x%2By%20z&hub.lease_seconds=864000";

    #[test]
    fn meta_gets_its_challenge_for_the_token_alone() {
        for token in ["old%20token", "old+token", "new%26token"] {
            assert_echo(&get(&format!("{META}{token}"), &settings()).unwrap().unwrap(), "1158201444");
        }
        for token in ["", "old", "new&token", "OLD+token", "old+token+", "%00"] {
            let refused = get(&format!("{META}{token}"), &settings()).unwrap_err();
            assert_eq!((refused, refused.status()), (Refused::Token, StatusCode::FORBIDDEN), "{token}");
        }
        assert_eq!(get("hub.mode=subscribe&hub.challenge=1", &settings()), Err(Refused::Token));
        assert_eq!(
            get("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=x", &settings()),
            Err(Refused::Token)
        );
        // Without a token of ours, an empty one is none.
        let topics_only = Settings { verify_tokens: Vec::new(), ..settings() };
        assert_eq!(get(META, &topics_only), Err(Refused::Token));
    }

    #[test]
    fn a_hub_is_confirmed_what_is_wanted() {
        let subscribe = get(&format!("hub.mode=subscribe&{WEBSUB}"), &settings()).unwrap().unwrap();
        assert_echo(&subscribe, "x+y z");
        let denied = get("hub.mode=denied&hub.topic=https://a.example/feed?x=1&hub.reason=no", &settings());
        let denied = denied.unwrap().unwrap();
        assert_eq!((denied.status, denied.body.len()), (StatusCode::OK, 0));
        let gone = get("hub.mode=unsubscribe&hub.topic=https://a.example/other&hub.challenge=c", &settings());
        assert_echo(&gone.unwrap().unwrap(), "c");
    }

    #[test]
    fn a_hub_is_confirmed_nothing_else() {
        let wanted = "https://a.example/feed?x=1";
        for (mode, topic) in [
            ("subscribe", "https://a.example/feed"),
            ("subscribe", ""),
            ("subscribe", "https://A.example/feed?x=1"),
            ("unsubscribe", wanted),
            ("denied", "https://a.example/other"),
        ] {
            let query = format!("hub.mode={mode}&hub.challenge=c&hub.topic={}", topic.replace('?', "%3F"));
            let refused = get(&query, &settings()).unwrap_err();
            assert_eq!((refused, refused.status()), (Refused::Topic, StatusCode::NOT_FOUND), "{query}");
            // A good token is none of a hub's business.
            let tokens_only = Settings { topics: Vec::new(), ..settings() };
            assert_eq!(
                get(&format!("{query}&hub.verify_token=old+token"), &tokens_only),
                Err(Refused::Topic)
            );
        }
        let other = get(&format!("hub.mode=publish&{WEBSUB}"), &settings());
        assert!(matches!(other, Err(Refused::Malformed(_))));
    }

    #[test]
    fn echoes_have_a_size_and_parameters_come_once() {
        let asked = |challenge: &str| {
            get(
                &format!("hub.mode=subscribe&hub.verify_token=old+token&hub.challenge={challenge}"),
                &settings(),
            )
        };
        let longest = "c".repeat(ECHO_BYTES);
        assert_echo(&asked(&longest).unwrap().unwrap(), &longest);
        // As text, whatever it says.
        assert_echo(&asked("%3Cscript%3E").unwrap().unwrap(), "<script>");
        for challenge in [&*format!("{longest}c"), "", "1&hub.challenge=2", "%ff", "1&hub.mode=subscribe"] {
            let refused = asked(challenge).unwrap_err();
            assert!(matches!(refused, Refused::Malformed(_)), "{challenge}");
            assert_eq!(refused.status(), 400);
        }
        let twice = get(&format!("{META}old+token&hub.verify_token=x"), &settings());
        assert!(matches!(twice, Err(Refused::Malformed(_))));
    }

    #[test]
    fn other_gets_are_no_handshake() {
        assert_eq!(get(&format!("{META}old+token"), &Settings::default()), Ok(None));
        for query in ["", "a=b", "hub_mode=subscribe", "hub.challenge=1&hub.verify_token=old+token"] {
            assert_eq!(get(query, &settings()), Ok(None), "{query}");
        }
    }
}

mod by_post {
    use super::*;

    fn greet(greeting: Greeting, body: &str) -> Result<Option<Reply>, Refused> {
        post(Some(greeting), &HeaderMap::new(), "", body.as_bytes(), &Settings::default())
    }

    #[test]
    fn slack_gets_its_challenge() {
        let body =
            r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1a\u0042","type":"url_verification"}"#;
        assert_echo(&greet(Greeting::Slack, body).unwrap().unwrap(), "3eZbrw1aB");
        for body in [
            r#"{"type":"url_verification"}"#,
            r#"{"type":"url_verification","challenge":7}"#,
            r#"{"type":"url_verification","challenge":""}"#,
            &format!(r#"{{"type":"url_verification","challenge":"{}"}}"#, "c".repeat(ECHO_BYTES + 1)),
        ] {
            assert!(matches!(greet(Greeting::Slack, body), Err(Refused::Malformed(_))), "{body}");
        }
        for body in [
            r#"{"type":"event_callback","challenge":"c"}"#,
            r#"{"type":"url_verification","challenge":"c","type":"event_callback"}"#,
            r#"{"event":{"type":"url_verification"},"challenge":"c"}"#,
            r#"[{"type":"url_verification","challenge":"c"}]"#,
            "payload=%7B%22type%22%3A%22url_verification%22%7D",
            "",
        ] {
            assert_eq!(greet(Greeting::Slack, body), Ok(None), "{body}");
        }
    }

    #[test]
    fn discord_gets_both_of_its_answers() {
        let interaction = r#"{"application_id":"1","id":"2","token":"t","type":1,"version":1}"#;
        assert_json(&greet(Greeting::Discord, interaction).unwrap().unwrap(), r#"{"type":1}"#);
        let events = r#"{"version":1,"application_id":"1","type":0}"#;
        let reply = greet(Greeting::Discord, events).unwrap().unwrap();
        assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
        for event in [
            r#"{"version":1,"application_id":"1","type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#,
            r#"{"application_id":"1","type":2,"data":{}}"#,
            r#"{"type":"1"}"#,
            r#"{"type":1.5}"#,
            r#"{"data":{"type":1}}"#,
            r#"{"type":1,"type":2}"#,
            "1",
            "",
        ] {
            assert_eq!(greet(Greeting::Discord, event), Ok(None), "{event}");
        }
    }

    const VALIDATION: &str = r#"[{"id":"2d17","topic":"/subscriptions/x","subject":"","data":{"validationCode":"512d\"38b6","validationUrl":"https://rp.example/validate?id=1"},"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","eventTime":"2018-01-25T22:12:19.4556811Z","metadataVersion":"1","dataVersion":"1"}]"#;

    fn validate(query: &str, body: &str, event_grid: EventGrid) -> Result<Option<Reply>, Refused> {
        let settings = Settings { event_grid, ..Settings::default() };
        let fields = headers(&[("aeg-event-type", "SubscriptionValidation")]);
        post(None, &fields, query, body.as_bytes(), &settings)
    }

    fn by_query() -> EventGrid {
        EventGrid::Query { parameter: "token".into(), secrets: vec![Secret::new(*b"hush hush")] }
    }

    #[test]
    fn event_grid_gets_its_code() {
        let want = r#"{"validationResponse":"512d\"38b6"}"#;
        assert_json(&validate("", VALIDATION, EventGrid::Verified).unwrap().unwrap(), want);
        assert_json(&validate("a=1&token=hush+hush", VALIDATION, by_query()).unwrap().unwrap(), want);
    }

    #[test]
    fn event_grid_gets_nothing_without_the_secret_or_the_code() {
        for query in ["", "token=", "token=hush", "token=hush+hush%00", "Token=hush+hush"] {
            let refused = validate(query, VALIDATION, by_query()).unwrap_err();
            assert_eq!(refused, Refused::Token, "{query}");
            assert!(!refused.to_string().contains("hush"));
        }
        assert!(matches!(
            validate("token=x&token=hush+hush", VALIDATION, by_query()),
            Err(Refused::Malformed(_))
        ));
        for body in [
            "",
            "[]",
            "{}",
            r#"{"data":{"validationCode":"c"}}"#,
            r#"[{"data":{"validationCode":"c"}},{}]"#,
            r#"[{"data":{"validationCode":7}}]"#,
            r#"[{"data":{"validationCode":""}}]"#,
            r#"[{"validationCode":"c"}]"#,
            &format!(r#"[{{"data":{{"validationCode":"{}"}}}}]"#, "c".repeat(ECHO_BYTES + 1)),
        ] {
            let refused = validate("", body, EventGrid::Verified).unwrap_err();
            assert!(matches!(refused, Refused::Malformed(_)), "{body}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_an_event() {
        assert_eq!(validate("", VALIDATION, EventGrid::Off), Ok(None));
        let settings = Settings { event_grid: EventGrid::Verified, ..Settings::default() };
        for kind in ["Notification", "SubscriptionDeletion"] {
            let fields = headers(&[("aeg-event-type", kind)]);
            assert_eq!(post(None, &fields, "", VALIDATION.as_bytes(), &settings), Ok(None));
        }
        let slack = r#"{"type":"url_verification","challenge":"c"}"#;
        assert_eq!(post(None, &HeaderMap::new(), "", slack.as_bytes(), &settings), Ok(None));
        assert_eq!(greet(Greeting::Discord, slack), Ok(None));
    }
}

#[test]
fn settings_and_refusals_show_no_secret() {
    let settings = Settings {
        verify_tokens: vec![Secret::new(*b"hush")],
        event_grid: EventGrid::Query { parameter: "p".into(), secrets: vec![Secret::new(*b"hush")] },
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("hush"));
}

proptest! {
    #[test]
    fn any_request_is_answered_or_refused(
        query in "(hub\\.(mode|topic|challenge|verify_token)=[a-z%&0-9]{0,6}&?){0,5}|.{0,40}",
        body: Vec<u8>,
        json in "\\{\"(type|challenge|event)\":(0|1|\"url_verification\"|\"[a-z]{0,3}\")(,\"(type|challenge)\":(1|\"c\"))?\\}",
    ) {
        let settings = Settings {
            origins: vec!["*".into()],
            verify_tokens: vec![Secret::new(*b"a")],
            topics: vec!["a".into()],
            event_grid: EventGrid::Verified,
            ..Settings::default()
        };
        let fields = headers(&[("aeg-event-type", "SubscriptionValidation")]);
        for greeting in [None, Some(Greeting::Slack), Some(Greeting::Discord)] {
            for body in [&body[..], json.as_bytes()] {
                for fields in [&fields, &HeaderMap::new()] {
                    if let Ok(Some(reply)) = post(greeting, fields, &query, body, &settings) {
                        prop_assert!(reply.body.len() <= 2 * ECHO_BYTES);
                    }
                }
            }
        }
        if let Ok(Some(reply)) = get(&query, &settings) {
            prop_assert!(reply.body.len() <= ECHO_BYTES);
        }
    }
}
