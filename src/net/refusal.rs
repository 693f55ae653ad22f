//! Answers to what is no acceptable request: written straight to the connection, before any HTTP code sees it.

use std::fmt::Write;

use pingora::protocols::http::date::get_cached_date;

/// Why a connection is refused its request. Always answered with `Connection: close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The head's syntax or framing: what is wrong with it.
    #[error("{0}")]
    Malformed(&'static str),
    /// The head did not come in time.
    #[error("the request's head did not arrive in time")]
    Slow,
    /// The head has too many bytes or lines.
    #[error("the request's head is too large")]
    TooLarge,
    /// The request target has too many bytes.
    #[error("the request target is too long")]
    TargetTooLong,
    /// A method or transfer coding that no listener takes.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("only HTTP/1.1 and HTTP/1.0 are spoken here")]
    Version,
}

impl Refusal {
    /// The status code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Slow => 408,
            Self::TargetTooLong => 414,
            Self::TooLarge => 431,
            Self::NotImplemented(_) => 501,
            Self::Version => 505,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Malformed(_) => "Bad Request",
            Self::Slow => "Request Timeout",
            Self::TargetTooLong => "URI Too Long",
            Self::TooLarge => "Request Header Fields Too Large",
            Self::NotImplemented(_) => "Not Implemented",
            Self::Version => "HTTP Version Not Supported",
        }
    }

    /// The whole answer, with a problem document (RFC 9457) as its body.
    pub(super) fn answer(self) -> Vec<u8> {
        let (status, title) = (self.status(), self.title());
        let body =
            format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{self}"}}"#);
        let date = get_cached_date();
        let mut answer = format!("HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n");
        // Writing to a string can't fail.
        let _ = write!(answer, "Content-Length: {}\r\nDate: {}\r\n", body.len(), date.to_str().unwrap_or(""));
        answer.push_str("Cache-Control: no-store\r\nConnection: close\r\n\r\n");
        answer.push_str(&body);
        answer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_whole() {
        let answer = String::from_utf8(Refusal::Slow.answer()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("\r\nCache-Control: no-store\r\n"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["status"], 408);
        assert_eq!(body["detail"], Refusal::Slow.to_string());
    }
}
