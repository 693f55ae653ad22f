//! When a request was signed, and how far that may be from now.

use std::time::Duration;

use crate::event::Millis;

use super::request::Unverified;

/// Digits of a timestamp at most: enough for nanoseconds, should a sender write those, and far from overflowing.
const DIGITS: usize = 19;

/// What a sender counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds since the Unix epoch.
    Seconds,
    /// Milliseconds since the Unix epoch.
    Milliseconds,
}

impl Unit {
    /// The moment as a sender would write it.
    pub(super) fn write(self, now: Millis) -> String {
        match self {
            Self::Seconds => (now.0 / 1000).to_string(),
            Self::Milliseconds => now.0.to_string(),
        }
    }
}

/// How far a timestamp may be off, in both directions: a request from the future could be kept and sent much later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance(pub Duration);

impl Tolerance {
    /// Whether what was signed at `timestamp` is to be believed at `now`. Whole seconds are compared with whole seconds,
    /// as the libraries of all senders do.
    ///
    /// # Errors
    /// Says by how many seconds it is off.
    pub(super) fn admits(self, timestamp: u64, now: Millis) -> Result<(), Unverified> {
        let (now, most) = (now.0 / 1000, self.0.as_secs());
        if now > timestamp && now - timestamp > most {
            return Err(Unverified::Old(now - timestamp, most));
        }
        if timestamp > now && timestamp - now > most {
            return Err(Unverified::Future(timestamp - now, most));
        }
        Ok(())
    }
}

/// Seconds since the Unix epoch. Decimal digits alone and no leading zero, so that each moment is written in one way:
/// where nothing stands between it and the body, `0` could be moved from one to the other.
pub(super) fn parse(text: &[u8], unit: Unit) -> Option<u64> {
    let plain = (1..=DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) && text[0] != b'0';
    if !plain {
        return None;
    }
    let number = text.iter().fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        Unit::Seconds => number,
        Unit::Milliseconds => number / 1000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_700_000_000_999);

    #[test]
    fn both_sides_to_the_second() {
        let tolerance = Tolerance(Duration::from_mins(5));
        let at = |offset: i64| tolerance.admits(1_700_000_000_u64.saturating_add_signed(offset), NOW);
        for offset in [-300, -1, 0, 1, 300] {
            assert_eq!(at(offset), Ok(()));
        }
        assert_eq!(at(-301), Err(Unverified::Old(301, 300)));
        assert_eq!(at(301), Err(Unverified::Future(301, 300)));
        // Milliseconds where seconds are meant.
        assert_eq!(tolerance.admits(1_700_000_000_000, NOW), Err(Unverified::Future(1_698_300_000_000, 300)));
    }

    #[test]
    fn digits_alone() {
        assert_eq!(parse(b"1700000000", Unit::Seconds), Some(1_700_000_000));
        assert_eq!(parse(b"1700000000999", Unit::Milliseconds), Some(1_700_000_000));
        assert_eq!(parse(b"9999999999999999999", Unit::Seconds), Some(9_999_999_999_999_999_999));
        for text in [
            "",
            "-1700000000",
            "+1700000000",
            " 1700000000",
            "1700000000 ",
            "1.7e9",
            "1700000000.5",
            "0",
            "01700000000",
            "0x65",
            "10000000000000000000",
            "99999999999999999999",
        ] {
            assert_eq!(parse(text.as_bytes(), Unit::Seconds), None, "{text:?}");
        }
        assert_eq!(Unit::Seconds.write(NOW), "1700000000");
        assert_eq!(Unit::Milliseconds.write(NOW), "1700000000999");
    }
}
