//! What a request under the prefix asks for: of which topics and types, in which form, and from where on.
//!
//! Pure: the path behind the prefix, the query and the value of `Last-Event-ID` go in; an [`Asked`], or what is wrong with
//! them, comes out. A parameter that is not known is left alone: analytics and proxies add their own. One that is known
//! must make sense, even where another wins over it, so that a mistake is found on the first try and not after a drop.
//! The exceptions are a cursor, which is never an error, whatever it holds, and a token, which is judged elsewhere.

use std::fmt;
use std::time::Duration;

use super::ask::{AskError, Parameter};
use crate::event::{
    Beats, Begin, EventType, Filter, Format, NameError, Pattern, RESERVED_PREFIX, Selector, Since,
    Subscription, Topic,
};
use crate::net::http::{decode, form};

/// Bytes of a query. It holds 64 topics of 110 bytes; what is longer is not a subscription.
pub(super) const QUERY_BYTES: usize = 8 << 10;

/// Types of one subscription: each is compared with each of its events.
pub(super) const TYPES: usize = 64;

/// Events of one page, at most and when nothing is said. A page is in memory whole.
pub(super) const PAGE_EVENTS: usize = 1000;
const PAGE_EVENTS_DEFAULT: usize = 100;

/// How long an empty page may be waited for: less than what proxies take for an answer that does not come.
pub(super) const WAIT: Duration = Duration::from_mins(1);

/// Events of `last=`: the most that a topic's history can be configured to keep.
pub(super) const LAST: usize = 10_000_000;

/// The longest `since=`: the most that a history's age can be configured to be.
pub(super) const SINCE: Duration = Duration::from_hours(365 * 24);

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Of which topics and types, and how written.
    pub subscription: Subscription,
    /// From where on.
    pub begin: Begin,
    /// Of a page.
    pub page: PageAsked,
    /// As whom.
    pub token: QueryToken,
}

/// What `access_token` holds. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum QueryToken {
    /// It is not there.
    #[default]
    None,
    /// A token; empty where the value is no text, which no token is either.
    One(Box<str>),
    /// It is there more than once, so which of them counts would be a guess.
    Twice,
}

impl QueryToken {
    fn add(&mut self, value: &[u8]) {
        *self = match self {
            Self::None => Self::One(form::text(value).unwrap_or_default().into()),
            _ => Self::Twice,
        };
    }
}

impl fmt::Debug for QueryToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::One(_) => "One(…)",
            Self::Twice => "Twice",
        })
    }
}

/// What is asked of a page of history, beside its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageAsked {
    /// Events at most, 1 to [`PAGE_EVENTS`].
    pub limit: usize,
    /// How long to wait when there is nothing to tell, at most [`WAIT`].
    pub wait: Duration,
}

/// Reads what is asked for. `rest` is the path behind the prefix: empty, or `/` and more. `topics` is how many topics one
/// connection may name.
///
/// # Errors
/// [`AskError`]: what is wrong, and what is allowed.
pub(super) fn read(
    rest: &[u8],
    query: Option<&[u8]>,
    last_event_id: Option<&[u8]>,
    topics: usize,
) -> Result<Asked, AskError> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES {
        return Err(AskError::QueryTooLong(query.len()));
    }
    let mut reading = Reading::default();
    let name = rest.strip_prefix(b"/").unwrap_or_default();
    if !name.is_empty() {
        let text = decode(name).map_err(|why| AskError::Path { why })?;
        reading.patterns.push(pattern(&text)?);
    }
    for (name, value) in form::pairs(query) {
        if let Some(parameter) = Parameter::named(&name) {
            reading.take(parameter, value)?;
        }
    }
    reading.finish(last_event_id, topics)
}

/// The cursor of a request that is not read for anything else: what is under the prefix means the same elsewhere.
pub(super) fn cursor(query: Option<&[u8]>, last_event_id: Option<&[u8]>) -> Option<Box<[u8]>> {
    let mut reading = Reading::default();
    let query = query.filter(|query| query.len() <= QUERY_BYTES).unwrap_or_default();
    for (name, value) in form::pairs(query) {
        if Parameter::named(&name) == Some(Parameter::LastEventId) {
            reading.take_cursor(value);
        }
    }
    last_event_id.filter(|id| !id.is_empty()).map(Box::from).or(reading.cursor)
}

/// For the fuzzer: how many topics and patterns a request names, or what is wrong with it.
///
/// # Errors
/// The words of an [`AskError`].
#[doc(hidden)]
pub fn read_asked(rest: &[u8], query: Option<&[u8]>, last_event_id: Option<&[u8]>) -> Result<usize, String> {
    let asked = read(rest, query, last_event_id, 64).map_err(|error| error.to_string())?;
    Ok(match asked.subscription.selector {
        Selector::Topic(_) => 1,
        Selector::Patterns(patterns) => patterns.len(),
    })
}

/// What of a query has been read so far.
#[derive(Default)]
struct Reading {
    patterns: Vec<Pattern>,
    types: Vec<EventType>,
    format: Option<Format>,
    beats: Option<Beats>,
    cursor: Option<Box<[u8]>>,
    since: Option<Since>,
    last: Option<Since>,
    limit: Option<usize>,
    wait: Option<Duration>,
    token: QueryToken,
}

impl Reading {
    fn take(&mut self, parameter: Parameter, value: &[u8]) -> Result<(), AskError> {
        if parameter == Parameter::LastEventId {
            self.take_cursor(value);
            return Ok(());
        }
        if parameter == Parameter::AccessToken {
            self.token.add(value);
            return Ok(());
        }
        let text = form::text(value).map_err(|why| AskError::Encoding { parameter, why })?;
        let once = |taken: bool| if taken { Err(AskError::Twice(parameter)) } else { Ok(()) };
        let misread = || AskError::misread(parameter, &text);
        match parameter {
            Parameter::Topic => self.patterns.push(pattern(&text)?),
            Parameter::Event => {
                for name in text.split(',') {
                    self.types.push(EventType::parse(name).map_err(|why| AskError::kind(name, why))?);
                }
            }
            Parameter::Format => {
                once(self.format.is_some())?;
                self.format = Some(format(&text).ok_or_else(misread)?);
            }
            Parameter::Heartbeat => {
                once(self.beats.is_some())?;
                self.beats = Some((text == "event").then_some(Beats::Events).ok_or_else(misread)?);
            }
            Parameter::Since => {
                once(self.since.is_some())?;
                self.since = Some(since(&text).ok_or_else(misread)?);
            }
            Parameter::Last => {
                once(self.last.is_some())?;
                self.last = Some(number(&text, 0, LAST).map(Since::Last).ok_or_else(misread)?);
            }
            Parameter::Limit => {
                once(self.limit.is_some())?;
                self.limit = Some(number(&text, 1, PAGE_EVENTS).ok_or_else(misread)?);
            }
            Parameter::Wait => {
                once(self.wait.is_some())?;
                self.wait = Some(form::duration(&text).filter(|&d| d <= WAIT).ok_or_else(misread)?);
            }
            Parameter::LastEventId | Parameter::AccessToken => {}
        }
        Ok(())
    }

    /// The first that is not empty counts. What cannot be decoded is not a cursor, and is told like any other that is not.
    fn take_cursor(&mut self, value: &[u8]) {
        if self.cursor.is_none() && !value.is_empty() {
            let raw = form::text(value).map_or_else(|_| value.to_vec(), String::into_bytes);
            self.cursor = Some(raw.into());
        }
    }

    fn finish(mut self, last_event_id: Option<&[u8]>, topics: usize) -> Result<Asked, AskError> {
        if self.patterns.is_empty() {
            return Err(AskError::NoTopic);
        }
        self.patterns.sort_unstable();
        self.patterns.dedup();
        if self.patterns.len() > topics {
            return Err(AskError::TooManyTopics { named: self.patterns.len(), limit: topics });
        }
        self.types.sort_unstable();
        self.types.dedup();
        if self.types.len() > TYPES {
            return Err(AskError::TooManyTypes(self.types.len()));
        }
        if self.since.is_some() && self.last.is_some() {
            return Err(AskError::TwoBeginnings);
        }
        // An empty last event id means that there is none (HTML, section 9.2.6).
        let header = last_event_id.filter(|id| !id.is_empty()).map(Box::from);
        let begin = match (header.or(self.cursor), self.since.or(self.last)) {
            (Some(cursor), _) => Begin::Cursor(cursor),
            (None, Some(since)) => Begin::Since(since),
            (None, None) => Begin::Now,
        };
        Ok(Asked {
            subscription: Subscription {
                selector: Selector::of(self.patterns),
                filter: Filter::of(self.types),
                format: self.format.unwrap_or_default(),
                beats: self.beats.unwrap_or_default(),
            },
            begin,
            page: PageAsked {
                limit: self.limit.unwrap_or(PAGE_EVENTS_DEFAULT),
                wait: self.wait.unwrap_or_default(),
            },
            token: self.token,
        })
    }
}

/// A topic's name or a pattern. The server's own names are refused in both: nothing is published there.
pub(super) fn pattern(text: &str) -> Result<Pattern, AskError> {
    let read = if text.starts_with(RESERVED_PREFIX) {
        Err(NameError::Reserved)
    } else if text.contains('*') {
        Pattern::parse(text)
    } else {
        Topic::parse(text).map(|topic| Pattern::from(&topic))
    };
    read.map_err(|why| AskError::topic(text, why))
}

pub(super) fn format(text: &str) -> Option<Format> {
    match text {
        "plain" => Some(Format::Plain),
        "envelope" => Some(Format::Envelope),
        "envelope-json" => Some(Format::EnvelopeJson),
        _ => None,
    }
}

fn since(text: &str) -> Option<Since> {
    if text == "start" {
        return Some(Since::Oldest);
    }
    form::duration(text).filter(|&span| span <= SINCE).map(Since::Ago)
}

/// Decimal digits alone: no sign, no space.
pub(super) fn number(text: &str, least: usize, most: usize) -> Option<usize> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().filter(|n| (least..=most).contains(n))
}

#[cfg(test)]
mod tests;
