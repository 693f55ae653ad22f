//! What an app's answer asks for in its `Sidestream-Hold` fields.
//!
//! Pure: the answer's head goes in; the fields are taken out of it, and a [`Wish`], or what is wrong with them, comes out.
//! Nothing is guessed: an app whose word can't be followed to the letter is to hear of it, not to have its subscribers
//! listen to something else.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode};
use pingora::http::ResponseHeader;

use crate::edge::ask::AskError;
use crate::edge::query::{self, SINCE};
use crate::event::{Beats, Filter, Format, Pattern, Selector, Subscription};
use crate::net::http::{form, hold_fields};

const TOPICS: &str = "sidestream-hold";
const TIMEOUT: &str = "sidestream-hold-timeout";
const FORMAT: &str = "sidestream-hold-format";

/// Characters of a value that an error quotes: enough to find it by.
const QUOTED: usize = 64;

/// What an app asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Of which topics, and how written.
    pub subscription: Subscription,
    /// How long the stream may last from the end of the app's body on.
    pub timeout: Option<Duration>,
}

/// Why an answer can't be held. Told in the log alone: the caller has no part in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WishError {
    /// It is no stream that could go on.
    #[error("only a 200 can be held; this is a {0}")]
    Status(StatusCode),
    /// Nor is this.
    #[error("only text/event-stream can be held; Content-Type is another, or is given twice")]
    Type,
    /// Events can't be put behind what is compressed.
    #[error("only identity encoding can be held; the app is to leave its stream uncompressed")]
    Encoding,
    /// It is about another protocol.
    #[error("the answer to a WebSocket's request can't be held")]
    Upgrade,
    /// It is none of the fields.
    #[error("{0} is no field of a hold; expected {TOPICS}, {TIMEOUT} or {FORMAT}")]
    Unknown(HeaderName),
    /// Without it the others mean nothing.
    #[error("{TOPICS} names no topic")]
    NoTopic,
    /// Not a name, and not a pattern.
    #[error("{TOPICS}: {0}")]
    Topic(AskError),
    /// Over the configured limit.
    #[error("{TOPICS}: {named} topics; at most {limit} are allowed on one connection")]
    TooManyTopics {
        /// Different ones that were named.
        named: usize,
        /// `edge.limits.topics_per_connection`.
        limit: usize,
    },
    /// Which of them counts would be a guess.
    #[error("{0} is given twice; expected one")]
    Twice(&'static str),
    /// A value that is none of the allowed ones.
    #[error("{field}: expected {expected}; got {got:?}")]
    Misread {
        /// Whose.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// The value, cut.
        got: String,
    },
}

/// Takes the fields out of an answer that is not to be held.
pub(super) fn strip(answer: &mut ResponseHeader) -> bool {
    let names = hold_fields(&answer.headers);
    for name in &names {
        answer.remove_header(name);
    }
    !names.is_empty()
}

/// Takes the fields out of an answer and reads them; none when there are none. `topics` is how many one connection may name.
///
/// # Errors
/// [`WishError`]: the answer is to be replaced. Its fields are gone all the same.
pub(super) fn take(answer: &mut ResponseHeader, topics: usize) -> Result<Option<Wish>, WishError> {
    let names = hold_fields(&answer.headers);
    if names.is_empty() {
        return Ok(None);
    }
    let wish = read(answer, &names, topics);
    strip(answer);
    wish.map(Some)
}

fn read(answer: &ResponseHeader, names: &[HeaderName], limit: usize) -> Result<Wish, WishError> {
    if answer.status != StatusCode::OK {
        return Err(WishError::Status(answer.status));
    }
    if !is_event_stream(answer) {
        return Err(WishError::Type);
    }
    if !is_identity(answer) {
        return Err(WishError::Encoding);
    }
    if let Some(unknown) = names.iter().find(|name| ![TOPICS, TIMEOUT, FORMAT].contains(&name.as_str())) {
        return Err(WishError::Unknown(unknown.clone()));
    }
    let timeout = one(answer, TIMEOUT)?.map(timeout).transpose()?;
    let format = one(answer, FORMAT)?.map(format).transpose()?.unwrap_or_default();
    let selector = selector(answer, limit)?;
    let subscription = Subscription { selector, filter: Filter::All, format, beats: Beats::Comments };
    Ok(Wish { subscription, timeout })
}

/// A list (RFC 9110, section 5.6.1): several fields are one, and empty elements are none.
fn selector(answer: &ResponseHeader, limit: usize) -> Result<Selector, WishError> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for value in answer.headers.get_all(TOPICS) {
        let names = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        for name in names.filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name);
            patterns.push(query::pattern(&name).map_err(WishError::Topic)?);
        }
    }
    if patterns.is_empty() {
        return Err(WishError::NoTopic);
    }
    patterns.sort_unstable();
    patterns.dedup();
    if patterns.len() > limit {
        return Err(WishError::TooManyTopics { named: patterns.len(), limit });
    }
    Ok(Selector::of(patterns))
}

/// The value of a field that may be given once.
fn one<'a>(answer: &'a ResponseHeader, field: &'static str) -> Result<Option<&'a [u8]>, WishError> {
    let mut values = answer.headers.get_all(field).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.as_bytes().trim_ascii())),
        _ => Err(WishError::Twice(field)),
    }
}

fn timeout(value: &[u8]) -> Result<Duration, WishError> {
    let text = String::from_utf8_lossy(value);
    // Bare seconds are how HTTP's own fields say it, and a unit how everything here does.
    let seconds = query::number(&text, 1, SINCE.as_secs() as usize).map(|n| Duration::from_secs(n as u64));
    let span = seconds.or_else(|| form::duration(&text));
    let read = span.filter(|&span| !span.is_zero() && span <= SINCE);
    let expected = "seconds, or a duration of at most 365d such as 30s, 15m or 1h";
    read.ok_or_else(|| WishError::Misread { field: TIMEOUT, expected, got: cut(&text) })
}

fn format(value: &[u8]) -> Result<Format, WishError> {
    let text = String::from_utf8_lossy(value);
    let expected = "plain, envelope or envelope-json";
    query::format(&text).ok_or_else(|| WishError::Misread { field: FORMAT, expected, got: cut(&text) })
}

fn is_event_stream(answer: &ResponseHeader) -> bool {
    let mut values = answer.headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let kind = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Neither the content nor the way it is transferred is coded, but for chunks.
fn is_identity(answer: &ResponseHeader) -> bool {
    let plain = |field: HeaderName, allowed: &[u8]| {
        let values = answer.headers.get_all(field);
        let mut codings = values.iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        codings.all(|coding| {
            let coding = coding.trim_ascii();
            coding.is_empty() || coding.eq_ignore_ascii_case(allowed)
        })
    };
    plain(CONTENT_ENCODING, b"identity") && plain(TRANSFER_ENCODING, b"chunked")
}

fn cut(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: (&str, &str) = ("Content-Type", "text/event-stream");

    fn answer(fields: &[(&'static str, &'static str)]) -> ResponseHeader {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        for (name, value) in fields {
            answer.append_header(*name, *value).unwrap();
        }
        answer
    }

    fn taken(fields: &[(&'static str, &'static str)]) -> Result<Option<Wish>, WishError> {
        let mut answer = answer(fields);
        let taken = take(&mut answer, 3);
        assert!(hold_fields(&answer.headers).is_empty(), "they are gone, whatever they said");
        taken
    }

    fn topics(fields: &[(&'static str, &'static str)]) -> String {
        let wish = taken(&[&[STREAM], fields].concat()).unwrap().unwrap();
        wish.subscription.selector.to_string()
    }

    #[test]
    fn topics_are_a_list_over_all_fields() {
        assert_eq!(topics(&[("Sidestream-Hold", "a")]), "a");
        assert_eq!(topics(&[("Sidestream-Hold", " b.* ,, a,b.*,")]), "a,b.*");
        assert_eq!(topics(&[("Sidestream-Hold", "c.**"), ("sidestream-hold", "a, b")]), "a,b,c.**");
    }

    #[test]
    fn the_other_fields() {
        let hold = ("Sidestream-Hold", "a");
        let wish = taken(&[
            STREAM,
            hold,
            ("Sidestream-Hold-Timeout", "15m"),
            ("Sidestream-Hold-Format", "envelope"),
        ]);
        let wish = wish.unwrap().unwrap();
        assert_eq!(wish.timeout, Some(Duration::from_mins(15)));
        assert_eq!(wish.subscription.format, Format::Envelope);
        let seconds = taken(&[STREAM, hold, ("Sidestream-Hold-Timeout", "60")]).unwrap().unwrap();
        assert_eq!(seconds.timeout, Some(Duration::from_mins(1)));
        let bare = taken(&[STREAM, hold]).unwrap().unwrap();
        assert_eq!((bare.timeout, bare.subscription.format), (None, Format::Plain));
        assert_eq!(taken(&[STREAM]), Ok(None));
    }

    #[test]
    fn what_can_not_be_held() {
        let hold = ("Sidestream-Hold", "a");
        for (fields, words) in [
            (&[("Content-Type", "text/html"), hold][..], "only text/event-stream"),
            (&[hold], "only text/event-stream"),
            (&[STREAM, STREAM, hold], "given twice"),
            (&[STREAM, hold, ("Content-Encoding", "gzip")], "identity"),
            (&[STREAM, hold, ("Content-Encoding", "identity, br")], "identity"),
            (&[STREAM, hold, ("Transfer-Encoding", "gzip, chunked")], "identity"),
            (&[STREAM, ("Sidestream-Hold", "")], "names no topic"),
            (&[STREAM, ("Sidestream-Hold", " , ")], "names no topic"),
            (&[STREAM, ("Sidestream-Hold-Timeout", "1m")], "names no topic"),
            (&[STREAM, ("Sidestream-Hold", "a b")], "' ' is not allowed"),
            (&[STREAM, ("Sidestream-Hold", "a, b..c")], "\"b..c\" is no topic"),
            (&[STREAM, ("Sidestream-Hold", "a.**.b")], "* must be a whole token"),
            (&[STREAM, ("Sidestream-Hold", "sidestream.x")], "the server's own"),
            (&[STREAM, ("Sidestream-Hold", "a,b,c,d")], "4 topics; at most 3"),
            (&[STREAM, hold, ("Sidestream-Hold-Timout", "1m")], "sidestream-hold-timout is no field"),
            (&[STREAM, hold, ("Sidestream-Hold-Timeout", "1m"), ("Sidestream-Hold-Timeout", "2m")], "twice"),
            (&[STREAM, hold, ("Sidestream-Hold-Timeout", "0s")], "expected seconds"),
            (&[STREAM, hold, ("Sidestream-Hold-Timeout", "0")], "expected seconds"),
            (&[STREAM, hold, ("Sidestream-Hold-Timeout", "366d")], "expected seconds"),
            (&[STREAM, hold, ("Sidestream-Hold-Format", "json")], "expected plain, envelope"),
        ] {
            let error = taken(fields).unwrap_err().to_string();
            assert!(error.contains(words), "{fields:?}: {error}");
        }
        let mut created = answer(&[STREAM, hold]);
        created.set_status(201).unwrap();
        assert_eq!(take(&mut created, 3), Err(WishError::Status(StatusCode::CREATED)));
    }

    #[test]
    fn the_common_ways_to_say_what_can() {
        let hold = ("Sidestream-Hold", "a");
        for fields in [
            [("Content-Type", "text/event-stream; charset=utf-8"), hold, ("Content-Encoding", "identity")],
            [("content-type", "Text/Event-Stream;charset=UTF-8"), hold, ("Transfer-Encoding", "Chunked")],
        ] {
            assert!(taken(&fields).unwrap().is_some(), "{fields:?}");
        }
    }
}
