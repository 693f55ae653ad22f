//! A sender of webhooks.

use std::fmt::Write as _;

use super::http::{Answer, Connection};

/// Deliveries that are on their way before an answer is read, in [`Sender::publish_many`].
const PIPELINE: usize = 64;

/// One keep-alive connection to the ingress.
pub struct Sender(Connection);

/// The answer to an accepted delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub cursor: String,
    pub subscribers: u64,
    pub duplicate: bool,
}

impl Sender {
    pub async fn open(gateway: &super::Gateway) -> Self {
        Self(Connection::open(&gateway.ingress).await)
    }

    /// Posts one delivery; the answer must be 202.
    pub async fn publish(&mut self, topic: &str, data: impl AsRef<[u8]>) -> Accepted {
        let answer = self.post(topic, &[], data).await;
        accepted(topic, &answer)
    }

    /// As [`Sender::publish`], with an event type.
    pub async fn publish_typed(&mut self, topic: &str, kind: &str, data: impl AsRef<[u8]>) -> Accepted {
        let answer = self.post(topic, &[("Sidestream-Event", kind)], data).await;
        accepted(topic, &answer)
    }

    /// Posts one delivery with header lines of its own.
    pub async fn post(&mut self, topic: &str, headers: &[(&str, &str)], data: impl AsRef<[u8]>) -> Answer {
        self.0.send(request(topic, headers, data.as_ref())).await;
        self.0.answer().await
    }

    /// Posts deliveries without waiting for each answer; all must be 202, and their order is the order of `data`.
    pub async fn publish_many(
        &mut self,
        topic: &str,
        data: impl IntoIterator<Item = String>,
    ) -> Vec<Accepted> {
        let mut all = Vec::new();
        let mut data = data.into_iter().peekable();
        while data.peek().is_some() {
            let batch: Vec<_> = data.by_ref().take(PIPELINE).collect();
            let bytes: Vec<u8> = batch.iter().flat_map(|data| request(topic, &[], data.as_bytes())).collect();
            self.0.send(bytes).await;
            for _ in batch {
                all.push(accepted(topic, &self.0.answer().await));
            }
        }
        all
    }
}

fn request(topic: &str, headers: &[(&str, &str)], data: &[u8]) -> Vec<u8> {
    let mut request = format!("POST /webhooks/{topic} HTTP/1.1\r\nHost: test\r\n");
    for (name, value) in headers {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    let _ = write!(request, "Content-Length: {}\r\n\r\n", data.len());
    [request.as_bytes(), data].concat()
}

fn accepted(topic: &str, answer: &Answer) -> Accepted {
    assert_eq!(answer.status, 202, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["topic"], topic);
    Accepted {
        cursor: body["cursor"].as_str().unwrap().to_owned(),
        subscribers: body["subscribers"].as_u64().unwrap(),
        duplicate: body["duplicate"].as_bool().unwrap(),
    }
}
