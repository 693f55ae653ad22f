//! Reads an event stream as the HTML standard says a client must.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use std::time::Duration;

/// Bytes of one event at most, and of one line: the largest body that an ingress can allow, and what frames it.
const EVENT_BYTES: usize = 512 * 1024 * 1024;

/// The longest time that a server may ask to wait before reconnecting; more would look like having given up.
const LONGEST_RETRY: Duration = Duration::from_mins(10);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The last id seen, empty when there was none.
    pub id: String,
    /// Its type, `message` when it has none.
    pub kind: String,
    /// Its data.
    pub data: String,
}

/// The state between two pieces of a stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was a CR: an LF right after it belongs to the same line end.
    after_cr: bool,
    started: bool,
    kind: String,
    data: String,
    id: String,
    last_id: String,
    retry: Option<Duration>,
}

/// An event that is larger than any server of ours sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {EVENT_BYTES} bytes")]
pub(super) struct TooLarge;

impl Parser {
    /// A stream that resumes after `id`.
    pub fn after(id: Option<&str>) -> Self {
        let id = id.unwrap_or_default().to_owned();
        Self { last_id: id.clone(), id, ..Self::default() }
    }

    /// The next stream after this one: what is left of a cut-off event is forgotten, since its id has not been seen and
    /// it comes again.
    pub fn resume(&self) -> Self {
        Self { retry: self.retry, ..Self::after(self.last_id()) }
    }

    /// The id to resume with.
    pub fn last_id(&self) -> Option<&str> {
        (!self.last_id.is_empty()).then_some(self.last_id.as_str())
    }

    /// How long the server asked to wait before reconnecting, if it did.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes and returns the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&line));
                    // The allocation is kept for the next line.
                    self.line = line;
                    self.line.clear();
                }
                other => self.line.push(other),
            }
            if self.line.len() + self.data.len() > EVENT_BYTES {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Event> {
        let line = if std::mem::replace(&mut self.started, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                let asked = value.parse().map_or(LONGEST_RETRY, Duration::from_millis);
                self.retry = Some(asked.min(LONGEST_RETRY));
            }
            _ => {}
        }
        None
    }

    /// A blank line: the event is whole. The id counts even where there is no data.
    fn dispatch(&mut self) -> Option<Event> {
        self.last_id.clone_from(&self.id);
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        Some(Event { id: self.last_id.clone(), kind, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(id: &str, kind: &str, data: &str) -> Event {
        Event { id: id.into(), kind: kind.into(), data: data.into() }
    }

    fn all(text: &str) -> (Vec<Event>, Parser) {
        let mut parser = Parser::default();
        let events = parser.push(text.as_bytes()).unwrap();
        (events, parser)
    }

    /// The examples of the standard, and what they do not show.
    #[test]
    fn streams_by_table() {
        let one = |id: &str, kind: &str, data: &str| vec![event(id, kind, data)];
        for (text, want) in [
            ("data: YHOO\ndata: +2\ndata: 10\n\n", one("", "message", "YHOO\n+2\n10")),
            (
                ": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
                vec![
                    event("1", "message", "first"),
                    event("", "message", "second"),
                    event("", "message", " third"),
                ],
            ),
            ("data\n\ndata\ndata\n\ndata:", vec![event("", "message", ""), event("", "message", "\n")]),
            ("data:test\n\ndata: test\n\n", vec![event("", "message", "test"), event("", "message", "test")]),
            ("\u{feff}data: a\r\n\r\n", one("", "message", "a")),
            ("event: x\rdata: a\r\r", one("", "x", "a")),
            ("event: x\n\ndata: a\n\n", one("", "message", "a")),
            ("id: 7\n\ndata: a\n\n", one("7", "message", "a")),
            ("id: a\0b\ndata: a\n\n", one("", "message", "a")),
            ("unknown: x\nDATA: x\ndata: a\n\n", one("", "message", "a")),
            ("data: cut", vec![]),
        ] {
            assert_eq!(all(text).0, want, "{text:?}");
        }
    }

    #[test]
    fn id_and_retry_outlive_the_event() {
        let (events, parser) = all("retry: 2500\nid: 41\n\n:\nid: 42");
        assert_eq!(
            (events, parser.last_id(), parser.retry()),
            (vec![], Some("41"), Some(Duration::from_millis(2500)))
        );
        for (text, want) in [
            ("retry: 1.5\n\n", None),
            ("retry: \n\n", None),
            ("retry: 99999999999999999999999\n\n", Some(LONGEST_RETRY)),
        ] {
            assert_eq!(all(text).1.retry(), want, "{text:?}");
        }
        assert_eq!(Parser::after(Some("9")).last_id(), Some("9"));
        let (_, cut) = all("retry: 1\nid: 1\n\nid: 2\ndata: cut");
        let mut next = cut.resume();
        assert_eq!((next.last_id(), next.retry()), (Some("1"), Some(Duration::from_millis(1))));
        assert_eq!(next.push(b"data: a\n\n").unwrap(), [event("1", "message", "a")]);
    }

    proptest! {
        /// However a stream is cut into pieces, it means the same.
        #[test]
        fn cuts_do_not_matter(text in "(data|id|event|retry|:|: |\r|\n|\r\n|é|x){0,40}", cut in 0..200_usize) {
            let bytes = text.as_bytes();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut parser = Parser::default();
            let mut events = parser.push(first).unwrap();
            events.extend(parser.push(second).unwrap());
            let (whole, state) = all(&text);
            prop_assert_eq!(events, whole);
            prop_assert_eq!(parser.last_id(), state.last_id());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Parser::default().push(&bytes).is_ok());
        }
    }
}
