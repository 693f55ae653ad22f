//! A cursor: a place in the log, one number for all topics.
//!
//! On the wire it is `<epoch>-<sequence>[.<index>]`: twelve lower-case hex digits, then decimal numbers without signs
//! or leading zeros. `.<index>` is there only for an event of a delivery that made several. The text has one
//! canonical form; whatever else arrives is not a cursor of ours, which is a gap for the subscriber, never an error.

use std::fmt;

use super::limits::CURSOR_BYTES;

/// Names one life of a log. Within an epoch a sequence number is given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Hex digits of an epoch: 48 bits, so that two lives of a log do not share one by chance.
    const DIGITS: usize = 12;

    /// Keeps the low 48 bits of `bits`.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits & 0xffff_ffff_ffff)
    }

    fn parse(text: &str) -> Option<Self> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == Self::DIGITS && text.bytes().all(lower_hex))
            .then(|| u64::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// A place inside one epoch. `index` is 0 for the only event of a delivery, and 1..=n for the events of a delivery that
/// made n ≥ 2. The order of positions is the order of delivery to every subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The delivery's number in the log, from 1. 0 is the place before everything.
    pub sequence: u64,
    /// The event's number in its delivery.
    pub index: u32,
}

impl Position {
    /// Before the first event of an epoch.
    pub const START: Self = Self { sequence: 0, index: 0 };

    /// The position of the only event of delivery `sequence`.
    #[must_use]
    pub const fn of(sequence: u64) -> Self {
        Self { sequence, index: 0 }
    }

    /// The place just before this one: no event lies between them. How many events the delivery before made is not
    /// known, so that there it is behind the last that it could have made.
    #[must_use]
    pub const fn before(self) -> Self {
        match self {
            Self { sequence, index: 1.. } => Self { sequence, index: self.index - 1 },
            Self { sequence: 2.., .. } => Self { sequence: self.sequence - 1, index: u32::MAX },
            Self { .. } => Self::START,
        }
    }
}

/// A [`Position`] in a named [`Epoch`]: what subscribers hold and resume from.
///
/// Cursors of one epoch are ordered by their position; cursors of different epochs have no order, so there is none here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The life of the log that gave the position.
    pub epoch: Epoch,
    /// The place in that life.
    pub position: Position,
}

impl Cursor {
    /// The cursor at `position` of `epoch`.
    #[must_use]
    pub const fn new(epoch: Epoch, position: Position) -> Self {
        Self { epoch, position }
    }

    /// Reads the canonical text of a cursor. `None` for anything else, however near.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES {
            return None;
        }
        let (epoch, rest) = text.split_once('-')?;
        let epoch = Epoch::parse(epoch)?;
        let position = match rest.split_once('.') {
            None => Position::of(canonical(rest)?),
            Some((sequence, index)) => {
                let index = u32::try_from(canonical(index)?).ok().filter(|&i| i > 0)?;
                Position { sequence: canonical(sequence)?, index }
            }
        };
        Some(Self { epoch, position })
    }
}

/// Decimal without sign, leading zero or overflow.
fn canonical(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.position.sequence)?;
        if self.position.index > 0 {
            write!(f, ".{}", self.position.index)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_text_is_a_cursor() {
        let good =
            ["0123456789ab-0", "0123456789ab-7", "ffffffffffff-18446744073709551615", "0123456789ab-7.1"];
        for text in good {
            assert_eq!(Cursor::parse(text).map(|c| c.to_string()).as_deref(), Some(text));
        }
        let bad = [
            "",
            "-",
            "7",
            "0123456789ab",
            "0123456789ab-",
            "0123456789AB-7",
            "0123456789ab-+7",
            "0123456789ab--7",
            "0123456789ab-07",
            "0123456789ab-00",
            "0123456789ab-7.",
            "0123456789ab-7.0",
            "0123456789ab-7.01",
            "0123456789ab-7.1.1",
            "0123456789ab-7 ",
            " 0123456789ab-7",
            "0123456789ab-18446744073709551616",
            "0123456789ab-7.4294967296",
            "123456789ab-7",
            "00123456789ab-7",
            "0123456789ab-٧",
        ];
        for text in bad {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn nothing_lies_between_a_place_and_the_one_before() {
        let at = |sequence, index| Position { sequence, index };
        let cases = [
            (Position::START, Position::START),
            (at(1, 0), Position::START),
            (at(1, 1), at(1, 0)),
            (at(7, 3), at(7, 2)),
            (at(7, 0), at(6, u32::MAX)),
        ];
        for (place, before) in cases {
            assert_eq!(place.before(), before, "{place:?}");
        }
        let text = Cursor::new(Epoch::new(1), at(7, 0).before()).to_string();
        assert_eq!(
            Cursor::parse(&text).map(|c| c.position),
            Some(at(6, u32::MAX)),
            "a cursor like any other"
        );
    }

    proptest! {
        #[test]
        fn text_and_cursor_are_one_to_one(bits: u64, sequence: u64, index: u32) {
            let cursor = Cursor::new(Epoch::new(bits), Position { sequence, index });
            let text = cursor.to_string();
            prop_assert!(text.len() <= CURSOR_BYTES);
            prop_assert_eq!(Cursor::parse(&text), Some(cursor));
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
