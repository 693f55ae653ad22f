//! A page of history: what of it is read from the log, and its JSON.
//!
//! A page and a stream of one subscription are two ways to read the same order: they begin at the same places, tell the same
//! gaps, and a cursor of one continues in the other. A page's cursor is how far was *looked*, so that pages of a filtered
//! subscription move on over what they leave out.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use crate::event::{Begin, Cursor, DEFAULT_TYPE, EventType, Filter, LoggedEvent, Subscription};
use crate::fanout::{Reader, Start, Told};
use crate::log::{Log, ReadError, ReadLimit, Scan};
use crate::sse::time::rfc3339;

/// Bytes of data after which a page is cut. It and its JSON are in memory whole; one event is in it whatever its size.
pub(super) const PAGE_BYTES: usize = 256 << 10;

/// Events that are read at a time: of a filtered subscription few of them may belong to the page.
const READ_EVENTS: usize = 2048;

/// Events that are looked at for one page. A filter that lets nothing through must not make one request read all there is.
const LOOKED_EVENTS: usize = 10_000;

/// Looks at topics, and at their tokens, after which a page is cut that has got on: of what patterns match. At some 20 ns
/// each this is a hundredth of a second. Finding the topics once may take more of them, where there are very many.
const LOOKS: usize = 1 << 19;

/// A page of what is kept.
#[derive(Clone, Debug)]
pub(super) struct Page {
    events: Vec<Arc<LoggedEvent>>,
    /// How far was looked.
    cursor: Cursor,
    more: More,
    /// What must be told before its events.
    pub gap: Option<Told>,
}

/// Whether something may follow the page already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    /// It was cut, by number, by bytes, or to tell a gap first.
    Yes,
    /// It reaches to the log's head.
    No,
}

impl Page {
    /// Reads the page of `subscription` that begins at `begin`, of at most `limit` events. `head` is the newest place that
    /// streams are at: a cursor of theirs is good here, even where the log itself shows an older head for a moment.
    ///
    /// # Errors
    /// [`ReadError`] when the log can't be read now, or began anew meanwhile.
    pub async fn read(
        log: &dyn Log,
        head: Cursor,
        subscription: &Subscription,
        begin: &Begin,
        limit: usize,
    ) -> Result<Self, ReadError> {
        let epoch = head.epoch;
        let mut reader = Reader::open(Start::find(begin, subscription, log, head).await?);
        let mut page = Self {
            events: Vec::new(),
            cursor: Cursor::new(epoch, reader.position),
            more: More::No,
            gap: None,
        };
        let mut scan = Scan::of(&subscription.selector);
        let (mut bytes, mut looked) = (0, 0);
        loop {
            let events = match subscription.filter {
                Filter::All => limit - page.events.len(),
                Filter::Types(_) => READ_EVENTS,
            };
            let room = ReadLimit { events, bytes: PAGE_BYTES - bytes };
            let read = log.read_on(&mut scan, reader.position, room).await?;
            if log.head().epoch != epoch {
                return Err(ReadError::Unavailable("the log began anew"));
            }
            if looked > 0 && reader.is_lost(read.coverage) {
                // Lost between two reads: a page has one gap, at its begin, so the next page tells this one.
                page.more = More::Yes;
                break;
            }
            page.gap = page.gap.or(reader.settle(read.coverage.through(&subscription.filter)));
            // At least one, so that no log can keep this going.
            looked += read.events.len().max(1);
            let mut left = read.events.into_iter();
            for event in left.by_ref() {
                reader.position = event.cursor.position;
                if subscription.filter.admits(event.event.kind.as_ref()) {
                    bytes += event.event.data.len();
                    page.events.push(event);
                }
                if page.events.len() == limit {
                    break;
                }
            }
            let cut = left.len() > 0;
            if !cut {
                reader.position = reader.position.max(read.next);
            }
            page.more = if cut || read.more { More::Yes } else { More::No };
            let full = page.events.len() == limit || bytes >= PAGE_BYTES;
            if page.more == More::No || full || looked >= LOOKED_EVENTS || scan.looks() >= LOOKS {
                break;
            }
        }
        page.cursor.position = reader.position;
        Ok(page)
    }

    /// Whether there is nothing in it that its reader did not know.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.gap.is_none() && self.more == More::No
    }

    /// Where the next page begins.
    pub fn next(&self) -> Begin {
        Begin::Cursor(self.cursor.to_string().into_bytes().into())
    }

    /// Its JSON.
    pub fn json(&self) -> Vec<u8> {
        let body = Body {
            events: self.events.iter().map(|logged| Row::of(logged)).collect(),
            cursor: self.cursor.to_string(),
            more: self.more == More::Yes,
            gap: self.gap.as_ref().and_then(|told| serde_json::from_str(&told.gap().json()).ok()),
        };
        let bytes: usize = self.events.iter().map(|logged| logged.event.data.len() + ROW_BYTES).sum();
        let mut json = Vec::with_capacity(bytes + ROW_BYTES);
        serde_json::to_writer(&mut json, &body).expect("a Vec takes every write");
        json
    }
}

/// Bytes of a row beside its data, roughly: names, cursor, time.
const ROW_BYTES: usize = 160;

/// The body, in the contract's order of keys.
#[derive(Serialize)]
struct Body<'a> {
    events: Vec<Row<'a>>,
    cursor: String,
    more: bool,
    gap: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    topic: &'a str,
    r#type: &'a str,
    time: String,
    data: Cow<'a, str>,
}

impl<'a> Row<'a> {
    fn of(logged: &'a LoggedEvent) -> Self {
        let event = &logged.event;
        Self {
            id: logged.cursor.to_string(),
            topic: event.topic.as_str(),
            r#type: event.kind.as_ref().map_or(DEFAULT_TYPE, EventType::as_str),
            time: rfc3339(event.time),
            // Only UTF-8 is accepted into an event; nothing is replaced here.
            data: String::from_utf8_lossy(&event.data),
        }
    }
}

#[cfg(test)]
mod tests;
