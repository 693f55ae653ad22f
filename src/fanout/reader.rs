//! A reader: a subscription's place in the log, and what it must be told about losses. It knows no socket.
//!
//! A stream begins with one opening block. Its `id:` is the place before the first event to be sent, so that whoever
//! drops at any moment after it resumes without a hole. If the asked-for cursor cannot be honoured in full, the opening
//! has no id, and a gap comes before any event.

use std::time::Duration;

use crate::event::{Beats, Begin, Cursor, Epoch, Position, Subscription, limits};
use crate::log::{Coverage, Log, ReadError};
use crate::sse::{self, Framed, Framing, Gap, GapReason};

/// Where a new subscription is to begin. It names an epoch throughout: the shard that it reaches may be in another by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the head: nothing was asked for, or the head itself was.
    Now(Cursor),
    /// After a cursor of the log's epoch that the log has moved past.
    After(Cursor),
    /// After a cursor of another epoch: at the start of the log's.
    Restarted(Box<[u8]>, Epoch),
    /// After something that is no cursor of this log: at the head.
    Unknown(Box<[u8]>, Cursor),
    /// Somewhere in what is kept. What is gone before `head`, the log's when it was asked for, was not asked for.
    Since {
        /// The place just before the first event to be sent.
        position: Position,
        /// The log's head.
        head: Cursor,
    },
}

impl Start {
    /// Finds where `subscription` is to begin, in a log whose head is `head`. What comes behind that head is the caller's
    /// to see to already.
    ///
    /// # Errors
    /// [`ReadError`] when the log can't tell now.
    pub async fn find(
        begin: &Begin,
        subscription: &Subscription,
        log: &dyn Log,
        head: Cursor,
    ) -> Result<Self, ReadError> {
        Ok(match begin {
            Begin::Now => Self::resolve(None, head),
            Begin::Cursor(cursor) => Self::resolve(Some(cursor), head),
            Begin::Since(since) => {
                let position = log.locate(&subscription.selector, &subscription.filter, *since).await?;
                Self::Since { position: position.min(head.position), head }
            }
        })
    }

    /// Reads what was asked for, the raw value of `Last-Event-ID`, against the log's head. Never an error: what cannot
    /// be honoured becomes a gap.
    #[must_use]
    pub fn resolve(requested: Option<&[u8]>, head: Cursor) -> Self {
        // An empty last event id means that there is none (HTML, 9.2.6).
        let Some(requested) = requested.filter(|r| !r.is_empty()) else { return Self::Now(head) };
        let kept = || requested[..requested.len().min(limits::CURSOR_BYTES)].into();
        match std::str::from_utf8(requested).ok().and_then(Cursor::parse) {
            Some(cursor) if cursor.epoch != head.epoch => Self::Restarted(kept(), head.epoch),
            Some(cursor) if cursor.position == head.position => Self::Now(cursor),
            Some(cursor) if cursor.position < head.position => Self::After(cursor),
            _ => Self::Unknown(kept(), head),
        }
    }
}

/// A subscription's place while it is not at the shard's own.
pub struct Reader {
    /// The epoch that its position is in. Another than the shard's only while the shard has not come to it.
    epoch: Epoch,
    /// Everything up to here was sent, or is on its way to the socket.
    pub position: Position,
    /// Losses that have been told lie up to here.
    through: Position,
    /// The turn of the newest loss that has been told, or was not asked about; 0 before any.
    turn: u64,
    /// What is gone up to here when it is first looked for was not asked for.
    unasked: Option<Position>,
    /// The opening block is still to be sent.
    unopened: bool,
    /// What was asked for, where that is not `position`.
    requested: Option<Box<[u8]>>,
    /// Why a gap will be told, or would be if something turned out to be missing.
    reason: GapReason,
    /// A gap must be told even if nothing is missing after `position`.
    must_tell: bool,
    /// Began at the head, where nothing can be missing yet.
    at_head: bool,
    waited: Waited,
}

/// Whether a heartbeat has found a reader waiting for its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    NotYet,
    OneBeat,
}

/// How a stream is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The reconnection time.
    pub retry: Duration,
    /// How the server's own frames are written.
    pub beats: Beats,
    /// How the body is framed.
    pub framing: Framing,
}

/// What a reader sends before any event of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Framed bytes; empty when there is nothing to say.
    pub bytes: Vec<u8>,
    /// The gap in them, for the metrics.
    pub gap: Option<GapReason>,
}

impl Reader {
    /// A reader for a new stream.
    #[must_use]
    pub fn open(start: Start) -> Self {
        let at_head = matches!(start, Start::Now(_) | Start::Unknown(..));
        let unasked = match start {
            Start::Since { head, .. } => Some(head.position),
            _ => None,
        };
        let (Cursor { epoch, position }, requested, reason, must_tell) = match start {
            Start::Now(cursor) | Start::After(cursor) => (cursor, None, GapReason::Evicted, false),
            Start::Since { position, head } => {
                (Cursor::new(head.epoch, position), None, GapReason::Evicted, false)
            }
            Start::Restarted(requested, epoch) => {
                (Cursor::new(epoch, Position::START), Some(requested), GapReason::Restarted, true)
            }
            Start::Unknown(requested, head) => (head, Some(requested), GapReason::Unknown, true),
        };
        Self {
            epoch,
            position,
            through: position,
            turn: 0,
            unasked,
            unopened: true,
            requested,
            reason,
            must_tell,
            at_head,
            waited: Waited::NotYet,
        }
    }

    /// A reader for a stream that was at the live end and fell behind it at `cursor`.
    #[must_use]
    pub fn lagging(cursor: Cursor) -> Self {
        let reason = GapReason::Lagged;
        let Cursor { epoch, position } = cursor;
        Self {
            epoch,
            position,
            through: position,
            turn: 0,
            unasked: None,
            unopened: false,
            requested: None,
            reason,
            must_tell: false,
            at_head: false,
            waited: Waited::NotYet,
        }
    }

    /// The log lost its place or began anew: this reader goes on after `cursor`, and is told so. In its own epoch it never
    /// goes back: what it has, it has.
    pub fn reset(&mut self, cursor: Cursor) {
        self.begin_again(cursor, GapReason::Log);
    }

    /// Its shard has left the epoch that it was to begin in: it begins at the start of `epoch`, all of which is unseen, as
    /// if it had come a moment later.
    pub fn restart(&mut self, epoch: Epoch) {
        self.begin_again(Cursor::new(epoch, Position::START), GapReason::Restarted);
    }

    fn begin_again(&mut self, cursor: Cursor, reason: GapReason) {
        let was = self.cursor();
        self.requested.get_or_insert_with(|| was.to_string().into_bytes().into());
        self.reason = reason;
        self.must_tell = true;
        self.at_head = false;
        let position =
            if was.epoch == cursor.epoch { was.position.max(cursor.position) } else { cursor.position };
        (self.epoch, self.position, self.through) = (cursor.epoch, position, position);
        (self.turn, self.unasked) = (0, None);
    }

    /// A heartbeat finds it waiting for its shard to come to its epoch. True when an earlier one did, too.
    pub fn waits_again(&mut self) -> bool {
        std::mem::replace(&mut self.waited, Waited::OneBeat) == Waited::OneBeat
    }

    /// Its place, with the epoch it is in.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.epoch, self.position)
    }

    /// Whether it began at the log's head: it can be opened at once, even by a shard that is not there yet.
    #[must_use]
    pub fn is_at_head(&self) -> bool {
        self.at_head
    }

    /// Whether the next page of history must be seen before anything can be sent: only then is it known whether the
    /// asked-for cursor can be honoured.
    #[must_use]
    pub fn needs_coverage(&self) -> bool {
        self.must_tell && self.reason != GapReason::Unknown
    }

    /// Whether all losses that it was told lie behind it. Until then it reads from history alone: the ring may still have
    /// what was counted as missed.
    #[must_use]
    pub fn is_past_losses(&self) -> bool {
        self.position >= self.through
    }

    /// Whether it has been opened, and so is behind rather than new.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.unopened
    }

    /// What to send before the events that follow, given what is known of losses after its position. Moves the reader
    /// to where those events begin.
    pub fn prefix(&mut self, coverage: Coverage, opening: Opening) -> Prefix {
        let Opening { retry, beats, framing } = opening;
        let told = self.settle(coverage);
        let mut bytes = Vec::new();
        if std::mem::take(&mut self.unopened) {
            let id = told.is_none().then_some(Cursor::new(self.epoch, self.position));
            push(&mut bytes, &sse::opening(retry, id, beats), framing);
        }
        if let Some(told) = &told {
            push(&mut bytes, &sse::gap(&told.gap()), framing);
        }
        Prefix { bytes, gap: told.map(|told| told.reason) }
    }

    /// What must be told before the events that follow, given what is known of losses after its position. Moves the
    /// reader to where those events begin.
    pub fn settle(&mut self, coverage: Coverage) -> Option<Told> {
        let (epoch, from) = (self.epoch, self.position);
        let unasked = self.unasked.take();
        let (lost, missed) = match coverage {
            // Of several topics, one may lose what lies before another's newest loss: only the turn tells what is new.
            Coverage::Lost { resumed, through, missed, turn } if turn > self.turn => {
                self.turn = turn;
                let lost = unasked.is_none_or(|unasked| through > unasked);
                if lost {
                    self.position = resumed.max(from);
                    self.through = through;
                }
                // Before `unasked` some of them were not asked for, and are not missed.
                (lost, missed.filter(|_| unasked.is_none()))
            }
            _ => (false, None),
        };
        if !std::mem::take(&mut self.must_tell) && !lost {
            return None;
        }
        let reason = std::mem::replace(&mut self.reason, GapReason::Lagged);
        let requested =
            self.requested.take().unwrap_or_else(|| Cursor::new(epoch, from).to_string().into_bytes().into());
        // What another epoch held cannot be counted, and what was never a cursor has nothing to count from.
        let missed = if matches!(reason, GapReason::Evicted | GapReason::Lagged) { missed } else { None };
        Some(Told { requested, resumed: Cursor::new(epoch, self.position), reason, missed })
    }

    /// Whether [`Reader::settle`] would tell a loss that has not been told.
    #[must_use]
    pub fn is_lost(&self, coverage: Coverage) -> bool {
        matches!(coverage, Coverage::Lost { through, turn, .. }
            if turn > self.turn && self.unasked.is_none_or(|unasked| through > unasked))
    }
}

/// A gap that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    requested: Box<[u8]>,
    resumed: Cursor,
    /// Why.
    pub reason: GapReason,
    missed: Option<u64>,
}

impl Told {
    /// As it is written.
    #[must_use]
    pub fn gap(&self) -> Gap<'_> {
        let Self { requested, resumed, reason, missed } = self;
        Gap { requested, resumed: *resumed, reason: *reason, missed: *missed }
    }
}

fn push(bytes: &mut Vec<u8>, block: &[u8], framing: Framing) {
    bytes.extend_from_slice(&Framed::new(block).bytes(framing));
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch::new(0xe);
    const OPENING: Opening =
        Opening { retry: Duration::from_secs(2), beats: Beats::Comments, framing: Framing::Close };

    fn head(sequence: u64) -> Cursor {
        Cursor::new(EPOCH, Position::of(sequence))
    }

    fn text(reader: &mut Reader, coverage: Coverage) -> (String, Option<GapReason>) {
        let prefix = reader.prefix(coverage, OPENING);
        (String::from_utf8(prefix.bytes).unwrap(), prefix.gap)
    }

    #[test]
    fn what_is_asked_for_is_never_an_error() {
        let cases: [(Option<&[u8]>, Start); 7] = [
            (None, Start::Now(head(9))),
            (Some(b"00000000000e-7"), Start::After(head(7))),
            (Some(b"00000000000e-9"), Start::Now(head(9))),
            (Some(b"00000000000e-10"), Start::Unknown((*b"00000000000e-10").into(), head(9))),
            (Some(b"00000000000f-7"), Start::Restarted((*b"00000000000f-7").into(), EPOCH)),
            (Some(b""), Start::Now(head(9))),
            (Some(b"\xff"), Start::Unknown((*b"\xff").into(), head(9))),
        ];
        for (requested, want) in cases {
            assert_eq!(Start::resolve(requested, head(9)), want);
        }
        let Start::Unknown(kept, _) = Start::resolve(Some(&vec![b'a'; 65_536]), head(9)) else {
            panic!("unknown")
        };
        assert_eq!(kept.len(), limits::CURSOR_BYTES);
    }

    #[test]
    fn an_honoured_cursor_opens_with_itself_and_a_lost_one_with_a_gap() {
        let mut reader = Reader::open(Start::After(head(7)));
        assert_eq!(text(&mut reader, Coverage::Complete).0, "retry: 2000\nid: 00000000000e-7\n\n");

        let mut reader = Reader::open(Start::After(head(2)));
        let lost =
            Coverage::Lost { resumed: Position::of(5), through: Position::of(5), missed: Some(3), turn: 3 };
        let (bytes, gap) = text(&mut reader, lost);
        assert_eq!(
            bytes,
            "retry: 2000\n\nid: 00000000000e-5\nevent: sidestream.gap\ndata: {\"requested\":\"00000000000e-2\",\
             \"resumed\":\"00000000000e-5\",\"reason\":\"evicted\",\"missed\":3}\n\n"
        );
        assert_eq!((gap, reader.position), (Some(GapReason::Evicted), Position::of(5)));
        assert_eq!(text(&mut reader, lost), (String::new(), None), "a loss is told once");
    }

    #[test]
    fn a_loss_is_told_that_lies_before_one_that_was_told() {
        let mut reader = Reader::open(Start::After(head(2)));
        let lost =
            |turn| Coverage::Lost { resumed: Position::of(5), through: Position::of(9), missed: None, turn };
        assert_eq!(text(&mut reader, lost(3)).1, Some(GapReason::Evicted));
        assert!(!reader.is_past_losses());
        assert_eq!(text(&mut reader, lost(3)).1, None);
        assert_eq!(text(&mut reader, lost(4)).1, Some(GapReason::Lagged), "another topic's");
        reader.position = Position::of(9);
        assert!(reader.is_past_losses());
    }

    #[test]
    fn what_was_gone_when_it_was_asked_for_what_is_kept_is_not_told_and_what_goes_later_is() {
        let lost = |through, turn| Coverage::Lost {
            resumed: Position::of(through),
            through: Position::of(through),
            missed: None,
            turn,
        };
        let since = || Reader::open(Start::Since { position: Position::of(2), head: head(9) });
        let mut reader = since();
        assert_eq!(text(&mut reader, lost(7, 3)), ("retry: 2000\nid: 00000000000e-2\n\n".to_owned(), None));
        assert_eq!(text(&mut reader, lost(7, 3)).1, None);
        assert_eq!(
            text(&mut reader, lost(8, 4)).1,
            Some(GapReason::Evicted),
            "it was there, and is gone unread"
        );
        assert_eq!(text(&mut since(), lost(10, 5)).1, Some(GapReason::Evicted), "it came later, and is gone");
    }

    #[test]
    fn a_restart_and_an_unknown_cursor_always_tell() {
        let mut reader = Reader::open(Start::resolve(Some(b"00000000000f-7"), head(9)));
        assert!(reader.needs_coverage());
        let (bytes, gap) = text(&mut reader, Coverage::Complete);
        assert!(bytes.starts_with("retry: 2000\n\nid: 00000000000e-0\nevent: sidestream.gap\n"), "{bytes}");
        assert_eq!(gap, Some(GapReason::Restarted));

        let mut reader = Reader::open(Start::resolve(Some(b"nonsense"), head(9)));
        assert!(!reader.needs_coverage());
        let (bytes, gap) = text(&mut reader, Coverage::Complete);
        assert!(
            bytes
                .contains("\"requested\":\"nonsense\",\"resumed\":\"00000000000e-9\",\"reason\":\"unknown\"")
        );
        assert_eq!(gap, Some(GapReason::Unknown));
    }

    #[test]
    fn a_lagging_reader_is_told_only_when_something_is_missing() {
        let mut reader = Reader::lagging(head(3));
        assert_eq!(text(&mut reader, Coverage::Complete), (String::new(), None));
        let lost =
            Coverage::Lost { resumed: Position::of(8), through: Position::of(8), missed: None, turn: 1 };
        let (bytes, gap) = text(&mut reader, lost);
        assert!(
            bytes.contains("\"requested\":\"00000000000e-3\"") && bytes.contains("\"missed\":null"),
            "{bytes}"
        );
        assert_eq!(gap, Some(GapReason::Lagged));
    }

    #[test]
    fn a_reset_is_told_with_the_cursor_of_before() {
        let mut reader = Reader::lagging(Cursor::new(Epoch::new(0xd), Position::of(3)));
        reader.reset(head(0));
        assert!(reader.needs_coverage());
        let (bytes, gap) = text(&mut reader, Coverage::Complete);
        assert!(
            bytes.contains(
                "\"requested\":\"00000000000d-3\",\"resumed\":\"00000000000e-0\",\"reason\":\"log\""
            )
        );
        assert_eq!(gap, Some(GapReason::Log));
    }
}
