//! Contract, section 5: who may listen, over the wire. Each refusal has its status, one fixed body, its lines for pages of
//! other origins, and its reason in a metric; and behind none of them is a stream.

use serde_json::{Value, json};

use crate::support::token::{SECRET, auth, bearer, but, claims, now, signed, signed_text};
use crate::support::{Answer, Connection, Gateway, Request, Sender, exchange, field};

const RULES: &str = r#"topics: [ { name: news, match: "news.**", access: public }, { name: shut, match: "shut.**", access: deny } ]"#;

const CORS: &str = "cors: { origins: [https://app.example], credentials: true }";

const OPENED: &str = "sidestream_connections_opened_total";

fn with_rules(edge: &str, more: &str) -> String {
    format!("edge: {{ {edge} }}\n{RULES}\n{}", auth(more))
}

async fn ask(gateway: &Gateway, method: &str, target: &str, headers: &str) -> Answer {
    exchange(&gateway.edge, format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).await
}

/// The head of the answer to `HEAD`, which has a length and no body.
async fn exchange_head(gateway: &Gateway, target: &str, headers: &str) -> String {
    let mut connection = Connection::open(&gateway.edge).await;
    connection.send(format!("HEAD {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).await;
    connection.head().await.unwrap()
}

async fn head_status(gateway: &Gateway, target: &str, headers: &str) -> u16 {
    let head = exchange_head(gateway, target, headers).await;
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn header(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn cookie(token: &str) -> String {
    format!("Cookie: a=1; session={token}; b=2\r\n")
}

fn failures(reason: &str) -> String {
    format!("sidestream_auth_failures_total{{reason=\"{reason}\"}}")
}

async fn counted(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metrics().await.get(&failures(reason))
}

/// A stream opens, and events reach it.
async fn listens(gateway: &Gateway, request: Request, topic: &str) {
    let mut stream = request.open(gateway).await;
    stream.opening().await;
    let accepted = Sender::open(gateway).await.publish(topic, "1").await;
    assert_eq!(stream.event().await.id(), accepted.cursor);
}

#[tokio::test]
async fn the_rules_say_who_listens_to_what() {
    let gateway = Gateway::start(&with_rules("", "")).await;
    let token = bearer(&["orders.*", "users.42.**"]);
    let asked = |topic: &str| Request::topic(topic).header("Authorization", format!("Bearer {token}"));
    listens(&gateway, Request::topic("news.today"), "news.today").await;
    listens(&gateway, asked("news.today"), "news.today").await;
    listens(&gateway, asked("orders.7"), "orders.7").await;
    listens(&gateway, asked("users.42.**"), "users.42.mail").await;
    listens(
        &gateway,
        Request::to(format!("/topics/orders.*?topic=news.**&access_token={token}")),
        "orders.8",
    )
    .await;
    let known = header(&token);
    for (target, headers, status, reason) in [
        ("/orders.7", "", 401, "no_token"),
        ("/**", "", 403, "denied"),
        ("?topic=news.a&topic=orders.7", "", 401, "no_token"),
        ("/shut.a", "", 403, "denied"),
        ("/shut.a", &*known, 403, "denied"),
        ("/users.43.a", &known, 403, "topic"),
        ("/users.**", &known, 403, "topic"),
        ("?topic=orders.1&topic=users.43", &known, 403, "topic"),
        ("/orders.**", &known, 403, "topic"),
    ] {
        let (before, opened) = (counted(&gateway, reason).await, gateway.metrics().await.get(OPENED));
        let answer = ask(&gateway, "GET", &format!("/topics{target}"), headers).await;
        answer.assert_problem(status);
        assert_eq!(counted(&gateway, reason).await, before + 1.0, "{target} {reason}");
        assert_eq!(gateway.metrics().await.get(OPENED), opened, "{target}");
    }
}

#[tokio::test]
async fn one_body_a_status_whatever_is_wrong_and_a_challenge_as_rfc_6750_has_it() {
    let gateway = Gateway::start(&with_rules(CORS, "")).await;
    let (bad, other) = (header("x"), header(&bearer(&["other"])));
    let twice = format!("{bad}{bad}");
    let mut bodies: Vec<(u16, String)> = Vec::new();
    for (target, headers, status, challenge) in [
        ("/topics/orders", "", 401, Some("Bearer realm=\"sidestream\"")),
        ("/topics/orders", &*bad, 401, Some("Bearer realm=\"sidestream\", error=\"invalid_token\"")),
        ("/topics/shut.a", "", 403, None),
        ("/topics/orders", &other, 403, Some("Bearer realm=\"sidestream\", error=\"insufficient_scope\"")),
        ("/topics/orders", &twice, 400, Some("Bearer realm=\"sidestream\", error=\"invalid_request\"")),
        (
            "/topics/orders?access_token=a&access_token=b",
            "",
            400,
            Some("Bearer realm=\"sidestream\", error=\"invalid_request\""),
        ),
    ] {
        for accept in ["text/event-stream", "application/json"] {
            let origin = "Origin: https://app.example\r\n";
            let headers = format!("{headers}{origin}Accept: {accept}\r\n");
            let answer = ask(&gateway, "GET", target, &headers).await;
            answer.assert_problem(status);
            assert_eq!(answer.field("www-authenticate"), challenge, "{target}");
            assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example"), "{target}");
            assert_eq!(answer.field("access-control-allow-credentials"), Some("true"), "{target}");
            assert_eq!(answer.field("vary"), Some("Accept, Origin"), "{target}");
            let known = bodies.iter().find(|(of, _)| *of == status).map(|(_, body)| body.clone());
            assert_eq!(known.unwrap_or_else(|| answer.text()), answer.text(), "{target}");
            bodies.push((status, answer.text()));
            let head = exchange_head(&gateway, target, &headers).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert_eq!(field(&head, "www-authenticate"), challenge, "HEAD {target}");
        }
    }
}

/// The places in their order: the first that holds a token is the one that counts.
#[tokio::test]
async fn a_token_comes_in_three_places_and_the_first_counts() {
    let gateway = Gateway::start(&with_rules("", ", cookie: session")).await;
    let (good, other) = (bearer(&["orders"]), bearer(&["other"]));
    let places = |h: &str, q: &str, c: &str| {
        let query = if q.is_empty() { String::new() } else { format!("?access_token={q}") };
        let mut headers = String::new();
        if !h.is_empty() {
            headers += &header(h);
        }
        if !c.is_empty() {
            headers += &cookie(c);
        }
        (format!("/topics/orders{query}"), headers)
    };
    for (h, q, c, status) in [
        (&*good, "", "", 200),
        ("", &*good, "", 200),
        ("", "", &*good, 200),
        (&good, &other, &other, 200),
        (&other, &good, &good, 403),
        ("", &good, &other, 200),
        ("", &other, &good, 403),
        ("x", &good, &good, 401),
        ("", "x", &good, 401),
        ("", "", "x", 401),
        (&good, "x", "x", 200),
    ] {
        let (target, headers) = places(h, q, c);
        let head = exchange_head(&gateway, &target, &headers).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {headers}: {head}");
        assert_eq!(field(&head, "vary"), Some("Accept, Origin, Cookie"));
        let page = ask(&gateway, "GET", &target, &format!("{headers}Accept: application/json\r\n")).await;
        assert_eq!(page.status, status, "page of {target} {headers}");
    }
    // Another scheme is not ours: it says nothing.
    let basic = "Authorization: Basic dXNlcjpwYXNz\r\n";
    assert_eq!(head_status(&gateway, "/topics/orders", basic).await, 401);
    assert_eq!(head_status(&gateway, "/topics/news.a", basic).await, 200);
    let both = format!("{basic}{}", cookie(&good));
    assert_eq!(head_status(&gateway, "/topics/orders", &both).await, 200);
}

/// Where everybody may listen, too, whoever shows a bad token is told so; a cookie comes by itself, and is let be.
#[tokio::test]
async fn nobody_is_taken_for_a_stranger_in_silence() {
    let gateway = Gateway::start(&with_rules("", ", cookie: session")).await;
    let expired = signed(
        &json!({ "alg": "HS256" }),
        &but(claims(&[]), "exp", Some(json!(now() - 3600))),
        SECRET.as_bytes(),
    );
    for bad in ["", "x", "a.b.c", &expired] {
        for (target, headers) in [
            ("/topics/news.a".to_owned(), header(bad)),
            (format!("/topics/news.a?access_token={bad}"), String::new()),
        ] {
            for accept in ["text/event-stream", "application/json"] {
                let headers = format!("{headers}Accept: {accept}\r\n");
                ask(&gateway, "GET", &target, &headers).await.assert_problem(401);
                assert_eq!(head_status(&gateway, &target, &headers).await, 401, "{target}");
            }
            assert_eq!(ask(&gateway, "OPTIONS", &target, &headers).await.status, 204);
        }
        if bad.is_empty() {
            continue;
        }
        assert_eq!(head_status(&gateway, "/topics/news.a", &cookie(bad)).await, 200);
        ask(&gateway, "GET", "/topics?topic=news.a&topic=orders", &cookie(bad)).await.assert_problem(401);
    }
    assert_eq!(gateway.metrics().await.get(OPENED), 0.0);
}

#[tokio::test]
async fn a_cookie_counts_with_pages_of_ours_alone() {
    let gateway = Gateway::start(&with_rules(CORS, ", cookie: session")).await;
    let (good, token) = (cookie(&bearer(&["orders"])), header(&bearer(&["orders"])));
    for (lines, status) in [
        ("", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: same-site\r\n", 200),
        ("Sec-Fetch-Site: none\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 401),
        ("Origin: http://test\r\n", 200),
        ("Origin: https://test\r\n", 200),
        ("Origin: https://app.example\r\nSec-Fetch-Site: same-site\r\n", 200),
        ("Origin: https://evil.example\r\n", 401),
        ("Origin: https://evil.example\r\nSec-Fetch-Site: same-site\r\n", 401),
        ("Origin: null\r\n", 401),
        ("Origin: https://app.example\r\nOrigin: https://app.example\r\n", 401),
    ] {
        let before = counted(&gateway, "cross_site").await;
        assert_eq!(
            head_status(&gateway, "/topics/orders", &format!("{good}{lines}")).await,
            status,
            "{lines}"
        );
        assert_eq!(
            counted(&gateway, "cross_site").await,
            before + f64::from(u8::from(status == 401)),
            "{lines}"
        );
        // A token that a page shows itself is no matter of where it comes from.
        assert_eq!(head_status(&gateway, "/topics/orders", &format!("{token}{lines}")).await, 200, "{lines}");
        assert_eq!(head_status(&gateway, "/topics/news.a", &format!("{good}{lines}")).await, 200, "{lines}");
    }
    let two = "Cookie: session=a; session=b\r\n";
    ask(&gateway, "GET", "/topics/orders", two).await.assert_problem(401);
    assert_eq!(counted(&gateway, "cookies").await, 1.0);
}

/// What is known to have fooled others (RFC 8725, section 2): each is refused for what it is.
#[tokio::test]
async fn attacks_are_refused_each_with_its_reason() {
    let gateway = Gateway::start(&with_rules("", "")).await;
    let secret = SECRET.as_bytes();
    let good = claims(&["**"]);
    let with = |name: &str, value: Value| signed(&json!({ "alg": "HS256", name: value }), &good, secret);
    let saying = |name: &str, value: Value| {
        signed(&json!({ "alg": "HS256" }), &but(good.clone(), name, Some(value)), secret)
    };
    let unsigned = |alg: &str| {
        let token = signed(&json!({ "alg": alg }), &good, secret);
        token[..=token.rfind('.').unwrap()].to_owned()
    };
    let text = good.to_string();
    let whole = signed(&json!({ "alg": "HS256" }), &good, secret);
    let jwk = json!({ "kty": "oct", "k": "c2VjcmV0" });
    for (name, token, reason) in [
        ("none", unsigned("none"), "algorithm"),
        ("None", unsigned("None"), "algorithm"),
        ("none, signed", signed(&json!({ "alg": "none" }), &good, secret), "algorithm"),
        ("no signature", unsigned("HS256"), "signature"),
        ("another algorithm", signed(&json!({ "alg": "HS512" }), &good, secret), "algorithm"),
        ("another family", signed(&json!({ "alg": "RS256" }), &good, secret), "algorithm"),
        ("no alg", signed(&json!({}), &good, secret), "malformed"),
        (
            "another secret",
            signed(&json!({ "alg": "HS256" }), &good, b"another secret of 32 bytes or more..."),
            "signature",
        ),
        ("an empty secret", signed(&json!({ "alg": "HS256" }), &good, b""), "signature"),
        (
            "kid, a file",
            signed(&json!({ "alg": "HS256", "kid": "../../../../dev/null" }), &good, b""),
            "unknown_key",
        ),
        (
            "kid, SQL",
            signed(&json!({ "alg": "HS256", "kid": "' UNION SELECT '" }), &good, b"x"),
            "unknown_key",
        ),
        ("kid, no text", with("kid", json!(["a"])), "malformed"),
        (
            "jku",
            signed(&json!({ "alg": "HS256", "jku": "https://evil.example/keys" }), &good, b"x"),
            "signature",
        ),
        (
            "x5u",
            signed(&json!({ "alg": "HS256", "x5u": "https://evil.example/cert" }), &good, b"x"),
            "signature",
        ),
        ("jwk", signed(&json!({ "alg": "HS256", "jwk": jwk }), &good, b"secret"), "signature"),
        ("crit", with("crit", json!(["exp"])), "critical"),
        ("crit, empty", with("crit", json!([])), "critical"),
        ("alg twice", signed_text("{\"alg\":\"none\",\"alg\":\"HS256\"}", &text, secret), "malformed"),
        (
            "a claim twice",
            signed_text("{\"alg\":\"HS256\"}", &text.replacen('{', "{\"sub\":\"1\",", 1), secret),
            "malformed",
        ),
        ("claims, no object", signed_text("{\"alg\":\"HS256\"}", "[]", secret), "malformed"),
        ("two parts", whole.rsplit_once('.').unwrap().0.to_owned(), "malformed"),
        ("four parts", format!("{whole}.x"), "malformed"),
        ("padding", format!("{whole}="), "signature"),
        ("huge", saying("x", json!("x".repeat(20 << 10))), "too_large"),
        ("aud", saying("aud", json!("another")), "audience"),
        ("aud, many", saying("aud", json!(["another", "Sidestream"])), "audience"),
        ("no aud", signed(&json!({ "alg": "HS256" }), &but(good.clone(), "aud", None), secret), "audience"),
        ("exp", saying("exp", json!(now() - 60)), "expired"),
        ("no exp", signed(&json!({ "alg": "HS256" }), &but(good.clone(), "exp", None), secret), "no_expiry"),
        ("exp, a text", saying("exp", json!("2999999999")), "malformed"),
        ("nbf", saying("nbf", json!(now() + 600)), "not_yet"),
        ("iat", saying("iat", json!(now() + 600)), "not_yet"),
        ("topics, no list", saying("topics", json!({ "a": 1 })), "malformed"),
        ("topics, no patterns", saying("topics", json!(["a*"])), "malformed"),
    ] {
        let before = counted(&gateway, reason).await;
        let answer = ask(&gateway, "GET", "/topics/orders", &header(&token)).await;
        answer.assert_problem(401);
        assert_eq!(counted(&gateway, reason).await, before + 1.0, "{name}: {reason}");
        assert!(!answer.text().contains(&token[..10.min(token.len())]), "{name}");
    }
    // Headers that are ignored do no harm to a token that is good.
    for (name, value) in [
        ("jku", json!("https://evil.example/keys")),
        ("jwk", jwk),
        ("kid", json!("any")),
        ("typ", json!("JWT")),
    ] {
        assert_eq!(head_status(&gateway, "/topics/orders", &header(&with(name, value))).await, 200, "{name}");
    }
    assert_eq!(gateway.metrics().await.get(OPENED), 0.0);
}

/// With public keys in the configuration: a token signed with the key's text as if it were a secret.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jwt/rsa.pem");
    let public = std::fs::read(pem).unwrap();
    let text = std::str::from_utf8(&public).unwrap().trim_end().as_bytes().to_vec();
    for algorithms in ["[RS256]", "[RS256, HS256]"] {
        let secret =
            if algorithms.contains("HS") { format!(", {{ secret: \"{SECRET}\" }}") } else { String::new() };
        let yaml = format!(
            "auth: {{ jwt: {{ algorithms: {algorithms}, audience: sidestream, keys: [ {{ pem: {{ file: {pem} }} }}{secret} ] }} }}"
        );
        let gateway = Gateway::start(&yaml).await;
        for key in [&public, &text] {
            for alg in ["HS256", "RS256"] {
                let token = signed(&json!({ "alg": alg }), &claims(&["**"]), key);
                ask(&gateway, "GET", "/topics/a", &header(&token)).await.assert_problem(401);
            }
        }
        let reasons = gateway.metrics().await;
        assert_eq!(
            reasons.get(&failures("algorithm")) + reasons.get(&failures("signature")),
            4.0,
            "{algorithms}"
        );
        assert_eq!(reasons.get(OPENED), 0.0);
    }
}

/// How large a token may be: in a header as large as a head, in the query as large as a query.
#[tokio::test]
async fn a_token_that_is_too_large_is_refused_where_it_stands() {
    let gateway = Gateway::start(&with_rules("", "")).await;
    let huge = "x".repeat(64 << 10);
    ask(&gateway, "GET", "/topics/news.a", &header(&huge)).await.assert_problem(401);
    assert_eq!(counted(&gateway, "too_large").await, 1.0);
    ask(&gateway, "GET", "/topics/news.a", &header(&huge.repeat(2))).await.assert_problem(431);
    let long = format!("/topics/news.a?access_token={}", &huge[..20 << 10]);
    let answer = ask(&gateway, "GET", &long, "").await;
    answer.assert_problem(400);
    assert!(!answer.text().contains("xxxx"), "{}", answer.text());
    let beyond = format!("/topics/news.a?access_token={huge}{huge}");
    let answer = ask(&gateway, "GET", &beyond, "").await;
    assert!([414, 431].contains(&answer.status), "{answer:?}");
    listens(&gateway, Request::topic("news.a"), "news.a").await;
}

/// Without the section everything is as it was: whatever is shown is not looked at.
#[tokio::test]
async fn without_the_section_nothing_is_judged() {
    let gateway = Gateway::start("").await;
    for (target, headers) in [
        ("/topics/orders?access_token=x", ""),
        ("/topics/orders?access_token=x&access_token=y", ""),
        ("/topics/orders", "Authorization: Bearer x\r\n"),
        ("/topics/orders", "Authorization: Bearer x\r\nAuthorization: Bearer y\r\n"),
        ("/topics/orders", "Cookie: session=x\r\nOrigin: https://evil.example\r\n"),
    ] {
        let head = exchange_head(&gateway, target, headers).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{target} {headers}: {head}");
        assert_eq!(field(&head, "vary"), Some("Accept"), "{target} {headers}");
    }
}

#[tokio::test]
async fn what_the_command_line_signs_is_believed() {
    let gateway = Gateway::start(&with_rules("", "")).await;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sidestream"));
    command.args(["token", "--sub", "42", "--topics", "orders.*", "--ttl", "5m", "-c"]).arg(gateway.file());
    let made = command.env_remove("SIDESTREAM_CONFIG").output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let token = String::from_utf8(made.stdout).unwrap().trim_end().to_owned();
    listens(
        &gateway,
        Request::topic("orders.7").header("Authorization", format!("Bearer {token}")),
        "orders.7",
    )
    .await;
    assert_eq!(head_status(&gateway, "/topics/users.7", &header(&token)).await, 403);
}
