//! Signatures that others have published, or that were computed by other means.

use super::super::limits::TOLERANCE;
use super::super::testing::{NOW, PING, Sent, secrets};
use super::super::{Algorithm, Scheme, preset};

const STANDARD_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const STANDARD_TIME: u64 = 1_614_265_330;
const STANDARD_BODY: &str = r#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Believed as it is, and signed again with the same result, on whichever fields were there.
#[track_caller]
fn is_exactly(sent: &Sent, scheme: &Scheme, signature: &str) {
    sent.is_believed(scheme);
    let signed = scheme.sign(&sent.request()).unwrap();
    for (name, value) in &signed {
        assert_eq!(sent.headers.get(name), Some(value), "{name}");
    }
    assert_eq!(sent.headers[signature], signed.last().unwrap().1);
}

#[test]
fn standard_v1() {
    let cases = [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            SECRET,
            STANDARD_ID,
            STANDARD_TIME,
            STANDARD_BODY,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    for (secret, id, time, body, signature) in cases {
        let secrets = secrets(&[secret]);
        let sent = |id_name, time_name, name| {
            Sent::new(body).at(time).with(id_name, id).with(time_name, time.to_string()).with(name, signature)
        };
        let webhook = sent("webhook-id", "webhook-timestamp", "webhook-signature");
        is_exactly(&webhook, &preset::standard(&secrets, TOLERANCE).unwrap(), "webhook-signature");
        is_exactly(&webhook, &preset::gitlab_signed(&secrets, TOLERANCE).unwrap(), "webhook-signature");
        let svix = preset::svix(&secrets, TOLERANCE).unwrap();
        is_exactly(&sent("svix-id", "svix-timestamp", "svix-signature"), &svix, "svix-signature");
        webhook.is_believed(&svix);
    }
}

#[test]
fn standard_v1a() {
    let keys = secrets(&["whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="]);
    let signature =
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
    let sent = Sent::new(STANDARD_BODY)
        .at(STANDARD_TIME)
        .with("webhook-id", STANDARD_ID)
        .with("webhook-timestamp", STANDARD_TIME.to_string())
        .with("webhook-signature", signature);
    for scheme in [preset::standard(&keys, TOLERANCE).unwrap(), preset::svix(&keys, TOLERANCE).unwrap()] {
        sent.is_believed(&scheme);
        assert_eq!(scheme.sign(&sent.request()), None, "a public key signs nothing");
        Sent { body: b"{}".to_vec(), ..sent.clone() }.is_mismatch(&scheme);
    }
}

#[test]
fn github_and_meta() {
    for (secret, body, signature) in [
        (
            "It's a Secret to Everybody",
            "Hello, World!",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        (
            "mysecret",
            r#"{"foo":"bar"}"#,
            "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3",
        ),
    ] {
        let sent = Sent::new(body).with("x-hub-signature-256", signature);
        is_exactly(&sent, &preset::github(&secrets(&[secret])).unwrap(), "x-hub-signature-256");
        is_exactly(&sent, &preset::meta(&secrets(&[secret])).unwrap(), "x-hub-signature-256");
    }
}

#[test]
fn gitea_and_forgejo() {
    let hex = "db1594aa0bbb02cc5e5dbea712c605fc50e599f698dc169c473970013ec6cf14";
    let secrets = secrets(&["hush"]);
    let sent = Sent::new(PING).with("x-gitea-signature", hex);
    is_exactly(&sent, &preset::gitea(&secrets).unwrap(), "x-gitea-signature");
    let sent = Sent::new(PING).with("x-forgejo-signature", hex);
    is_exactly(&sent, &preset::forgejo(&secrets).unwrap(), "x-forgejo-signature");
}

#[test]
fn stripe() {
    let scheme = preset::stripe(&secrets(&["whsec_old"]), TOLERANCE).unwrap();
    let hex = "c85ace7651c98070cdf1a41664c68ebc94f6ea4a5413a569964c8b9caf496ba2";
    let sent = Sent::new(PING).with("stripe-signature", format!("t={NOW},v1={hex}"));
    is_exactly(&sent, &scheme, "stripe-signature");
    // As sent for a test event, and in any order.
    for line in [format!("t={NOW},v1={hex},v0={hex}"), format!("v0={hex},v1={hex},t={NOW}")] {
        Sent::new(PING).with("stripe-signature", line).is_believed(&scheme);
    }
}

#[test]
fn slack() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let sent = Sent::new(body)
        .at(1_531_420_618)
        .with("x-slack-request-timestamp", "1531420618")
        .with("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    let scheme = preset::slack(&secrets(&["8f742231b10e8888abcd99yyyzzz85a5"]), TOLERANCE).unwrap();
    is_exactly(&sent, &scheme, "x-slack-signature");
}

#[test]
fn shopify() {
    let sent = Sent::new(PING).with("x-shopify-hmac-sha256", "2xWUqgu7AsxeXb6nEsYF/FDlmfaY3BacRzlwAT7GzxQ=");
    is_exactly(&sent, &preset::shopify(&secrets(&["hush"])).unwrap(), "x-shopify-hmac-sha256");
}

#[test]
fn grafana() {
    let secrets = secrets(&["s3cr3t"]);
    let plain = preset::grafana(&secrets, preset::GrafanaHeaders::default(), TOLERANCE).unwrap();
    let name = "x-grafana-alerting-signature";
    let sent = Sent::new(PING).with(name, "44b3ea5dead8d603fa15b6782d912bb061e3eab933c092bc5412863903d35b35");
    is_exactly(&sent, &plain, name);
    let headers = preset::GrafanaHeaders {
        timestamp: Some(http::HeaderName::from_static("x-grafana-time")),
        ..preset::GrafanaHeaders::default()
    };
    let timed = preset::grafana(&secrets, headers, TOLERANCE).unwrap();
    let sent = Sent::new(PING)
        .with("x-grafana-time", NOW.to_string())
        .with(name, "ce82f8a4f57b74230731413281c07b710462926d0d4acc73208ce6abbeb330a1");
    is_exactly(&sent, &timed, name);
    sent.is_mismatch(&plain);
    assert!(sent.without("x-grafana-time").judged(&timed).is_err());
}

#[test]
fn websub() {
    use Algorithm::{Sha1, Sha256, Sha384, Sha512};
    let name = "x-hub-signature";
    let lines = [
        "sha1=81aefa3dd7797f0744c2444649346558bef6a94e",
        "sha256=a80fcdfdd60b82845450696f09f753f96cb16b5be1606d37a15f17995e60b108",
    ];
    let scheme = |algorithms: &[Algorithm]| preset::websub(&secrets(&["hubsecret"]), algorithms).unwrap();
    for (line, algorithm) in lines.into_iter().zip([Sha1, Sha256]) {
        let sent = Sent::new(PING).with(name, line);
        is_exactly(&sent, &scheme(&[algorithm]), name);
        sent.is_believed(&scheme(&[Sha512, Sha384, Sha256, Sha1]));
        sent.is_malformed(&scheme(&[Sha384, Sha512]), name, super::super::testing::NO_SIGNATURE);
        Sent::new(PING)
            .with(name, line.to_uppercase().replace("SHA", "sha"))
            .is_believed(&scheme(&[algorithm]));
    }
}

#[test]
fn discord() {
    let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let hex = "9dcec9163be57c051c850822eeb16e3a7af94a9621a3772ccad2b904792ea277df0c59bbf28e6cc58aa480a1b11fa2b2d581fded2b49607497acb467db811103";
    let scheme = preset::discord(&secrets(&[key]), TOLERANCE).unwrap();
    let sent = |hex: &str| {
        Sent::new(PING).with("x-signature-timestamp", NOW.to_string()).with("x-signature-ed25519", hex)
    };
    sent(hex).is_believed(&scheme);
    sent(&hex.to_uppercase()).is_believed(&scheme);
    assert_eq!(scheme.sign(&sent(hex).request()), None, "a public key signs nothing");
}
