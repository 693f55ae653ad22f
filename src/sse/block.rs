//! Blocks of the stream, as contract and standard want them.

use std::io::Write as _;
use std::time::Duration;

use super::envelope::{Data, envelope};
use crate::event::{Beats, Cursor, Format, LoggedEvent, limits};

/// `retry:` and, when the position is known, `id:`, in one block at the head of every stream; for who wants to see it, as
/// the event `sidestream.open` with data `{"cursor":"…"|null}`.
#[must_use]
pub fn opening(retry: Duration, id: Option<Cursor>, beats: Beats) -> Vec<u8> {
    let mut block = Vec::with_capacity(128);
    let _ = writeln!(block, "retry: {}", retry.as_millis());
    push_id(&mut block, id);
    if beats == Beats::Events {
        push_own(&mut block, "open", id);
    }
    block.push(b'\n');
    block
}

/// A fresh `retry:` alone, just before a clean end.
#[must_use]
pub fn retry_only(retry: Duration) -> Vec<u8> {
    opening(retry, None, Beats::Comments)
}

/// A sign of life. With an id it moves the subscriber's cursor without an event; without one it is a comment that no
/// parser takes for an event: one LF, since a blank line behind it would be an empty event to several. For who wants to
/// see it, it is the event `sidestream.heartbeat` with data `{"cursor":"…"|null}`.
#[must_use]
pub fn heartbeat(id: Option<Cursor>, beats: Beats) -> Vec<u8> {
    let mut block = Vec::new();
    match (beats, id) {
        (Beats::Comments, None) => return b":\n".to_vec(),
        (Beats::Comments, id) => push_id(&mut block, id),
        (Beats::Events, id) => {
            push_id(&mut block, id);
            push_own(&mut block, "heartbeat", id);
        }
    }
    block.push(b'\n');
    block
}

/// An event's block: `id:`, `event:` when it has a type, and its data: as it came, one `data:` for each of its lines, or
/// in an envelope on one line.
#[must_use]
pub fn event(logged: &LoggedEvent, format: Format) -> Vec<u8> {
    let LoggedEvent { cursor, event } = logged;
    let mut block = Vec::with_capacity(event.data.len() + 96);
    let _ = writeln!(block, "id: {cursor}");
    if let Some(kind) = &event.kind {
        let _ = writeln!(block, "event: {kind}");
    }
    match format {
        Format::Plain => push_data(&mut block, &event.data),
        Format::Envelope => push_data(&mut block, &envelope(event, Data::Text)),
        Format::EnvelopeJson => push_data(&mut block, &envelope(event, Data::Json)),
    }
    block.push(b'\n');
    block
}

fn push_id(block: &mut Vec<u8>, id: Option<Cursor>) {
    if let Some(id) = id {
        let _ = writeln!(block, "id: {id}");
    }
}

/// An event of the server's own that says where the subscriber stands, if that is known.
fn push_own(block: &mut Vec<u8>, name: &str, id: Option<Cursor>) {
    let _ = writeln!(block, "event: sidestream.{name}");
    let _ = match id {
        Some(id) => writeln!(block, "data: {{\"cursor\":\"{id}\"}}"),
        None => writeln!(block, "data: {{\"cursor\":null}}"),
    };
}

/// "Lines must be separated by either a CRLF pair, a single LF, or a single CR" (HTML, 9.2.5): each of them ends a line
/// of the data, and the parser joins them with LF.
fn push_data(block: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    loop {
        block.extend_from_slice(b"data: ");
        let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
            block.extend_from_slice(rest);
            block.push(b'\n');
            return;
        };
        block.extend_from_slice(&rest[..end]);
        block.push(b'\n');
        let crlf = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + if crlf { 2 } else { 1 }..];
    }
}

/// Why a subscriber's cursor could not be honoured in full, and so where it stands afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// History has moved past the cursor: at the oldest that is kept.
    Evicted,
    /// The subscriber read too slowly and history moved past it: at the oldest that is kept.
    Lagged,
    /// The log began anew: at the start of the new epoch, since all of it is unseen.
    Restarted,
    /// Not a cursor of this log: at the head.
    Unknown,
    /// The engine lost events: at the oldest that is kept.
    Log,
}

impl GapReason {
    /// All reasons, for metrics that exist from the start.
    pub const ALL: [Self; 5] = [Self::Evicted, Self::Lagged, Self::Restarted, Self::Unknown, Self::Log];

    /// As in the `reason` field and the metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Lagged => "lagged",
            Self::Restarted => "restarted",
            Self::Unknown => "unknown",
            Self::Log => "log",
        }
    }
}

/// A told gap.
#[derive(Clone, Debug)]
pub struct Gap<'a> {
    /// What was asked for, as it came. Cut to [`limits::CURSOR_BYTES`] and escaped when told.
    pub requested: &'a [u8],
    /// Where the stream goes on.
    pub resumed: Cursor,
    /// Why.
    pub reason: GapReason,
    /// How many events are missing, where it is known exactly.
    pub missed: Option<u64>,
}

impl Gap<'_> {
    /// What is told of it, as one line of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let cut = &self.requested[..self.requested.len().min(limits::CURSOR_BYTES)];
        let requested = serde_json::Value::from(String::from_utf8_lossy(cut));
        let missed = self.missed.map_or_else(|| "null".to_owned(), |n| n.to_string());
        format!(
            "{{\"requested\":{requested},\"resumed\":\"{}\",\"reason\":\"{}\",\"missed\":{missed}}}",
            self.resumed,
            self.reason.as_str(),
        )
    }
}

/// The block that tells a gap. It comes before any other event.
#[must_use]
pub fn gap(gap: &Gap<'_>) -> Vec<u8> {
    format!("id: {}\nevent: sidestream.gap\ndata: {}\n\n", gap.resumed, gap.json()).into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Epoch, Event, EventType, Millis, Position, Topic};

    fn logged(kind: Option<&str>, data: &str) -> LoggedEvent {
        LoggedEvent {
            cursor: Cursor::new(Epoch::new(0xabc), Position::of(7)),
            event: Event {
                topic: Topic::parse("orders").unwrap(),
                kind: kind.map(|k| EventType::parse(k).unwrap()),
                time: Millis(0),
                data: data.to_owned().into(),
            },
        }
    }

    #[test]
    fn blocks_byte_for_byte() {
        let cursor = Cursor::new(Epoch::new(0xabc), Position::of(7));
        let text = |block: Vec<u8>| String::from_utf8(block).unwrap();
        assert_eq!(
            text(opening(Duration::from_millis(2500), Some(cursor), Beats::Comments)),
            "retry: 2500\nid: 000000000abc-7\n\n"
        );
        assert_eq!(
            text(opening(Duration::from_secs(2), None, Beats::Events)),
            "retry: 2000\nevent: sidestream.open\ndata: {\"cursor\":null}\n\n"
        );
        assert_eq!(text(retry_only(Duration::from_secs(3))), "retry: 3000\n\n");
        assert_eq!(text(heartbeat(Some(cursor), Beats::Comments)), "id: 000000000abc-7\n\n");
        assert_eq!(text(heartbeat(None, Beats::Comments)), ":\n");
        assert_eq!(
            text(heartbeat(Some(cursor), Beats::Events)),
            "id: 000000000abc-7\nevent: sidestream.heartbeat\ndata: {\"cursor\":\"000000000abc-7\"}\n\n"
        );
        assert_eq!(
            text(heartbeat(None, Beats::Events)),
            "event: sidestream.heartbeat\ndata: {\"cursor\":null}\n\n"
        );
        assert_eq!(
            text(event(&logged(Some("created"), "{\"a\":1}"), Format::Plain)),
            "id: 000000000abc-7\nevent: created\ndata: {\"a\":1}\n\n"
        );
        assert_eq!(
            text(event(&logged(Some("created"), "{\"a\":\n1}"), Format::EnvelopeJson)),
            "id: 000000000abc-7\nevent: created\ndata: {\"topic\":\"orders\",\"type\":\"created\",\
             \"time\":\"1970-01-01T00:00:00.000Z\",\"data\":{\"a\": 1}}\n\n"
        );
        assert_eq!(
            text(gap(&Gap {
                requested: b"a\"b\n\xff",
                resumed: cursor,
                reason: GapReason::Evicted,
                missed: None
            })),
            "id: 000000000abc-7\nevent: sidestream.gap\ndata: {\"requested\":\"a\\\"b\\n\u{fffd}\",\
             \"resumed\":\"000000000abc-7\",\"reason\":\"evicted\",\"missed\":null}\n\n"
        );
    }

    #[test]
    fn each_line_ending_makes_a_data_line() {
        let cases = [
            ("", "data: \n"),
            ("a", "data: a\n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n", "data: a\ndata: \n"),
            ("\n\r", "data: \ndata: \ndata: \n"),
            (" a", "data:  a\n"),
        ];
        for (data, lines) in cases {
            let block = String::from_utf8(event(&logged(None, data), Format::Plain)).unwrap();
            assert_eq!(block, format!("id: 000000000abc-7\n{lines}\n"), "{data:?}");
        }
    }

    /// The standard's own reading of a `data` field, reduced to what a block of ours can hold.
    fn read_back(block: &str) -> String {
        let lines = block.lines().filter_map(|l| l.strip_prefix("data: "));
        lines.collect::<Vec<_>>().join("\n")
    }

    proptest! {
        #[test]
        fn data_comes_back_with_every_line_ending_as_lf(data in "[a-z \\r\\n\\u{e9}:]{0,60}") {
            let block = String::from_utf8(event(&logged(Some("t"), &data), Format::Plain)).unwrap();
            prop_assert_eq!(read_back(&block), data.replace("\r\n", "\n").replace('\r', "\n"));
            prop_assert!(block.ends_with("\n\n") && !block[..block.len() - 1].contains("\n\n"));
        }
    }
}
