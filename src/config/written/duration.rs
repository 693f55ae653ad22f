//! Durations, ranges of them, and durations that may be off.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{Misread, Written};

/// The longest duration: far longer than any key needs, and short enough that adding a few never overflows.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Units by name, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration: a whole number and a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub Duration);

impl Written for Span {
    const FORMAT: &'static str = "sidestream-duration";
    const EXPECTED: &'static str = "a duration such as 250ms, 15s, 5m, 1h or 7d";
    const PATTERN: Option<&'static str> = Some("^[0-9]+(ms|s|m|h|d)$");

    fn read(text: &str) -> Result<Self, Misread> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let millis = UNITS.iter().find(|(name, _)| *name == unit).ok_or(Misread::Form)?.1;
        if number.is_empty() {
            return Err(Misread::Form);
        }
        let too_long = || Misread::Because(Cow::Borrowed("expected a duration of at most 365d"));
        let number: u64 = number.parse().map_err(|_| too_long())?;
        let span = Duration::from_millis(number.checked_mul(millis).ok_or_else(too_long)?);
        if span > LONGEST { Err(too_long()) } else { Ok(Self(span)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        let fits = UNITS.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
        let (name, unit) = fits.unwrap_or(&("ms", 1));
        write!(f, "{}{name}", millis / unit)
    }
}

/// The duration as it would be written.
pub(crate) fn show(span: Duration) -> String {
    Span(span).to_string()
}

/// Two durations, the lower first: `2s..4s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanRange(pub Duration, pub Duration);

impl Written for SpanRange {
    const FORMAT: &'static str = "sidestream-duration-range";
    const EXPECTED: &'static str = "a range of durations such as 2s..4s";
    const PATTERN: Option<&'static str> = Some(r"^[0-9]+(ms|s|m|h|d)\.\.[0-9]+(ms|s|m|h|d)$");

    fn read(text: &str) -> Result<Self, Misread> {
        let (low, high) = text.split_once("..").ok_or(Misread::Form)?;
        let (low, high) = (Span::read(low)?.0, Span::read(high)?.0);
        if low > high {
            return Err(Misread::Because("expected the shorter duration first, as in 2s..4s".into()));
        }
        Ok(Self(low, high))
    }
}

impl fmt::Display for SpanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", Span(self.0), Span(self.1))
    }
}

/// A duration, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub Option<Duration>);

impl Written for Age {
    const FORMAT: &'static str = "sidestream-duration-or-off";
    const EXPECTED: &'static str = "a duration such as 15m, 1h or 7d, or off";
    const PATTERN: Option<&'static str> = Some("^([0-9]+(ms|s|m|h|d)|off)$");

    fn read(text: &str) -> Result<Self, Misread> {
        if text == "off" { Ok(Self(None)) } else { Span::read(text).map(|span| Self(Some(span.0))) }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => Span(span).fmt(f),
            None => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_by_table() {
        let millis = |n| Ok(Span(Duration::from_millis(n)));
        let too_long = || Err(Misread::Because("expected a duration of at most 365d".into()));
        for (text, want) in [
            ("250ms", millis(250)),
            ("15s", millis(15_000)),
            ("5m", millis(300_000)),
            ("1h", millis(3_600_000)),
            ("7d", millis(604_800_000)),
            ("0s", millis(0)),
            ("365d", millis(31_536_000_000)),
            ("366d", too_long()),
            ("99999999999999999999s", too_long()),
            ("9999999999999999999d", too_long()),
            ("", Err(Misread::Form)),
            ("15", Err(Misread::Form)),
            ("s", Err(Misread::Form)),
            ("-1s", Err(Misread::Form)),
            ("+1s", Err(Misread::Form)),
            ("1.5s", Err(Misread::Form)),
            ("1 s", Err(Misread::Form)),
            ("1S", Err(Misread::Form)),
            ("1w", Err(Misread::Form)),
            ("1h30m", Err(Misread::Form)),
        ] {
            assert_eq!(Span::read(text), want, "{text:?}");
        }
    }

    #[test]
    fn ranges_and_off() {
        assert_eq!(SpanRange::read("2s..4s"), Ok(SpanRange(Duration::from_secs(2), Duration::from_secs(4))));
        assert!(SpanRange::read("2s..2s").is_ok());
        assert!(matches!(SpanRange::read("4s..2s"), Err(Misread::Because(_))));
        for text in ["2s", "2s...4s", "..4s", "2s-4s", "2..4s"] {
            assert_eq!(SpanRange::read(text), Err(Misread::Form), "{text:?}");
        }
        assert_eq!(Age::read("off"), Ok(Age(None)));
        assert_eq!(Age::read("1h"), Ok(Age(Some(Duration::from_hours(1)))));
        assert_eq!(Age::read("never"), Err(Misread::Form));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0..31_536_000_000_u64) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(Span::read(&span.to_string()), Ok(span));
        }
    }
}
