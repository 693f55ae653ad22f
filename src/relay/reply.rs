//! The app's answer, and what is to be made of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::v1::client::HttpSession;
use tokio::time::{Instant, timeout_at};

use super::backoff::told;
use super::limits::REPLY_BYTES;
use super::webhook::is_hop_by_hop;
use crate::event::Millis;
use crate::net::http::{Answer, is_hold};

/// The app's answer to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its end-to-end fields, in order, and what it says of its body.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Its body's bytes.
    pub body: Bytes,
    /// Whether that is all of it.
    pub extent: Extent,
}

/// How much of an answer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its status, and its `Retry-After`: the rest was more than [`super::limits::REPLY_BYTES`], or did not come in time. The
    /// app has taken the webhook or refused it all the same, and a sender that were told something else would be told a lie.
    Cut,
}

/// What an answer means for a queued webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The app has it.
    Taken,
    /// Not now; perhaps later, and then not before the app asked for.
    Later(Option<Duration>),
    /// Not now, and not later.
    Refused,
}

impl Reply {
    /// Whether the app has taken the webhook: a 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The answer for the sender.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        Answer::passed_on(self.status, self.fields, self.body)
    }

    pub(super) fn verdict(&self, now: Millis) -> Verdict {
        match self.status.as_u16() {
            200..300 => Verdict::Taken,
            408 | 425 | 429 | 500..600 => {
                let headers = self.fields.iter().cloned().collect();
                Verdict::Later(told(&headers, now))
            }
            _ => Verdict::Refused,
        }
    }

    /// Reads what follows the head that `session` has read. Never fails: the status is there.
    pub(super) async fn read(session: &mut HttpSession, head: &ResponseHeader, deadline: Instant) -> Self {
        let fields: Vec<_> = head
            .headers
            .iter()
            .filter(|(name, _)| !is_hop_by_hop(name, &head.headers) && !is_hold(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let size: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let whole = match REPLY_BYTES.checked_sub(size) {
            Some(room) => timeout_at(deadline, collect(session, head, room)).await.ok().flatten(),
            None => None,
        };
        match whole {
            Some(body) => Self { status: head.status, fields, body, extent: Extent::Whole },
            None => Self::cut(head.status, fields),
        }
    }

    fn cut(status: StatusCode, mut fields: Vec<(HeaderName, HeaderValue)>) -> Self {
        fields.retain(|(name, _)| *name == header::RETRY_AFTER);
        fields.truncate(1);
        Self { status, fields, body: Bytes::new(), extent: Extent::Cut }
    }
}

/// The body; none when it has more than `room` bytes, or breaks off.
async fn collect(session: &mut HttpSession, head: &ResponseHeader, room: usize) -> Option<Bytes> {
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.trim().parse::<u64>().ok())
        .is_some_and(|length| length > room as u64)
    {
        return None;
    }
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_body_ref().await.ok()? {
        if body.len() + piece.len() > room {
            return None;
        }
        body.extend_from_slice(piece);
    }
    Some(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_means() {
        let verdict = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            let fields = vec![(header::RETRY_AFTER, HeaderValue::from_static("7"))];
            Reply { status, fields, body: Bytes::new(), extent: Extent::Whole }.verdict(Millis(0))
        };
        for status in [200, 202, 204, 299] {
            assert_eq!(verdict(status), Verdict::Taken, "{status}");
        }
        for status in [408, 425, 429, 500, 501, 503, 599] {
            assert_eq!(verdict(status), Verdict::Later(Some(Duration::from_secs(7))), "{status}");
        }
        for status in [300, 301, 307, 400, 401, 404, 410, 413, 422, 600, 999] {
            assert_eq!(verdict(status), Verdict::Refused, "{status}");
        }
    }
}
