//! Points and lengths of time, as CEL has them: `timestamp` and `duration`.

use std::fmt;

use crate::event::Millis;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 24 * 60 * 60;

/// A point in time between the years 1 and 9999, to the nanosecond, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Since 1970; negative before.
    seconds: i64,
    nanos: u32,
}

/// A length of time in nanoseconds, of either direction: some 292 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub i64);

/// A moment's parts. Months and days count from 0 where CEL's do.
pub(super) struct Parts {
    pub year: i64,
    pub month: i64,
    pub date: i64,
    pub day_of_year: i64,
    pub day_of_week: i64,
    pub hours: i64,
    pub minutes: i64,
    pub seconds: i64,
    pub millis: i64,
}

impl Moment {
    /// The first and the last second that have an RFC 3339 form.
    const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

    pub(super) fn from_seconds(seconds: i64) -> Option<Self> {
        Self::RANGE.contains(&seconds).then_some(Self { seconds, nanos: 0 })
    }

    /// Years beyond 9999 read as its last second.
    pub(super) fn from_millis(millis: Millis) -> Self {
        let seconds = i64::try_from(millis.0 / 1000).unwrap_or(i64::MAX).min(*Self::RANGE.end());
        Self { seconds, nanos: (millis.0 % 1000) as u32 * 1_000_000 }
    }

    pub(super) fn seconds(self) -> i64 {
        self.seconds
    }

    pub(super) fn plus(self, span: Span) -> Option<Self> {
        let nanos =
            i128::from(self.seconds) * i128::from(SECOND) + i128::from(self.nanos) + i128::from(span.0);
        let seconds = i64::try_from(nanos.div_euclid(i128::from(SECOND))).ok()?;
        let nanos = u32::try_from(nanos.rem_euclid(i128::from(SECOND))).ok()?;
        Some(Self { nanos, ..Self::from_seconds(seconds)? })
    }

    pub(super) fn since(self, other: Self) -> Option<Span> {
        let seconds = self.seconds.checked_sub(other.seconds)?.checked_mul(SECOND)?;
        seconds.checked_add(i64::from(self.nanos) - i64::from(other.nanos)).map(Span)
    }

    pub(super) fn parts(self) -> Parts {
        let (days, in_day) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        let (year, month, date) = civil(days);
        Parts {
            year,
            month: month - 1,
            date: date - 1,
            day_of_year: days - days_before(year, 1, 1),
            // 1970-01-01 was a Thursday; Sunday is 0.
            day_of_week: (days + 4).rem_euclid(7),
            hours: in_day / 3600,
            minutes: in_day / 60 % 60,
            seconds: in_day % 60,
            millis: i64::from(self.nanos / 1_000_000),
        }
    }

    /// Reads RFC 3339 §5.6: `2026-11-24T08:50:41.007Z`, or with an offset such as `+01:00`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let rest = rest.strip_prefix(['T', 't'])?;
        let (time, rest) = rest.split_at_checked(8)?;
        let [year, month, day] = fields(date, '-', [4, 2, 2])?;
        let [hours, minutes, seconds] = fields(time, ':', [2, 2, 2])?;
        let days = days_before(year, month, day);
        // A date that isn't there, such as the 30th of February, comes out as another.
        if civil(days) != (year, month, day) || hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        let (nanos, zone) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => fraction(rest)?,
        };
        let offset = offset(zone)?;
        let seconds = days * DAY + hours * 3600 + minutes * 60 + seconds - offset;
        Some(Self { nanos, ..Self::from_seconds(seconds)? })
    }
}

/// Three numbers of fixed width with a mark between them.
fn fields(text: &str, mark: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(mark);
    let mut read = |width| parts.next().filter(|part| part.len() == width).and_then(digits);
    let numbers = [read(widths[0])?, read(widths[1])?, read(widths[2])?];
    parts.next().is_none().then_some(numbers)
}

/// A number of decimal digits alone: `parse` would take a sign too.
fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// One to nine digits behind a point, as nanoseconds, and what follows them.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (part, rest) = text.split_at(end);
    if part.len() > 9 {
        return None;
    }
    let scale = 10_i64.pow(9 - part.len() as u32);
    u32::try_from(digits(part)? * scale).ok().map(|nanos| (nanos, rest))
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// The date of a day counted from 1970-01-01, its month and day from 1. Years are taken to begin in March, so that the
/// leap day is their last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, date)
}

/// Days from 1970-01-01 to a date: the reverse of [`civil`].
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719_468
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p = self.parts();
        let (month, date) = (p.month + 1, p.date + 1);
        write!(f, "{:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}", p.year, p.hours, p.minutes, p.seconds)?;
        after_point(f, self.nanos)?;
        f.write_str("Z")
    }
}

impl fmt::Display for Span {
    /// Seconds, as in the JSON of a protobuf duration: `5400s`, `-0.25s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanos) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}", nanos / SECOND.unsigned_abs())?;
        after_point(f, (nanos % SECOND.unsigned_abs()) as u32)?;
        f.write_str("s")
    }
}

/// The digits behind the point that say something.
fn after_point(f: &mut fmt::Formatter<'_>, nanos: u32) -> fmt::Result {
    if nanos == 0 { Ok(()) } else { f.write_str(format!(".{nanos:09}").trim_end_matches('0')) }
}

impl Span {
    /// Reads `1h30m`, `1.5s`, `-2ms`: numbers with one of the units `h m s ms us µs ns`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        const UNITS: [(&str, i64); 7] = [
            ("ns", 1),
            ("us", 1_000),
            ("µs", 1_000),
            ("ms", 1_000_000),
            ("s", SECOND),
            ("m", 60 * SECOND),
            ("h", 3600 * SECOND),
        ];
        let (sign, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut total: i64 = 0;
        loop {
            let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (value, after) = rest.split_at(number);
            let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, after) = after.split_at(unit);
            let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
            total = total.checked_add(scaled(value, scale)?)?;
            rest = after;
            if rest.is_empty() {
                return Some(Self(sign * total));
            }
        }
    }
}

/// `1.5` of a unit, in nanoseconds. What is finer than one is left out.
fn scaled(value: &str, scale: i64) -> Option<i64> {
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    let whole = if whole.is_empty() && value.len() > 1 { 0 } else { digits(whole)? };
    // Behind the point, more digits than a nanosecond's say nothing.
    let part = if part.is_empty() { "0" } else { &part[..part.len().min(15)] };
    let fraction = i128::from(digits(part)?) * i128::from(scale) / 10_i128.pow(part.len() as u32);
    whole.checked_mul(scale)?.checked_add(i64::try_from(fraction).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_by_table() {
        for (text, seconds, again) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2000-02-29T23:59:59.120Z", 951_868_799, "2000-02-29T23:59:59.12Z"),
            ("2026-11-24T08:50:41.007+01:00", 1_795_506_641, "2026-11-24T07:50:41.007Z"),
            ("2026-11-24t08:50:41-00:30", 1_795_512_041, "2026-11-24T09:20:41Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800, "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, "9999-12-31T23:59:59.999999999Z"),
        ] {
            let moment = Moment::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((moment.seconds(), moment.to_string().as_str()), (seconds, again), "{text}");
        }
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T08:50:41",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T08:60:00Z",
            "2026-11-24 08:50:41Z",
            "2026-11-24T08:50:41.Z",
            "2026-11-24T08:50:41.0123456789Z",
            "2026-11-24T08:50:41+1:00",
            "2026-11-24T08:50:41+24:00",
            "+026-11-24T08:50:41Z",
            "0000-12-31T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2026-11-24T08:50:41é",
            "é026-11-24T08:50:41Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_by_table() {
        for (text, nanos, again) in [
            ("0", 0, "0s"),
            ("1h30m", 5_400_000_000_000, "5400s"),
            ("1.5s", 1_500_000_000, "1.5s"),
            (".5s", 500_000_000, "0.5s"),
            ("1.s", 1_000_000_000, "1s"),
            ("-2ms", -2_000_000, "-0.002s"),
            ("1us1µs1ns", 2_001, "0.000002001s"),
        ] {
            assert_eq!(Span::parse(text).map(|s| s.0), Some(nanos), "{text}");
            assert_eq!(Span(nanos).to_string(), again);
        }
        for text in ["", "-", "1", "s", ".s", "1d", "1s1", "1.2.3s", "9999999999h", "--1s", "1 s", "é"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_has_its_parts() {
        let parts = Moment::parse("2026-11-24T08:50:41.007Z").unwrap().parts();
        assert_eq!((parts.year, parts.month, parts.date, parts.day_of_year), (2026, 10, 23, 327));
        assert_eq!(
            (parts.day_of_week, parts.hours, parts.minutes, parts.seconds, parts.millis),
            (2, 8, 50, 41, 7)
        );
        assert_eq!(Moment::from_millis(Millis(1_795_510_241_007)).to_string(), "2026-11-24T08:50:41.007Z");
        assert_eq!(Moment::from_millis(Millis(u64::MAX)).parts().year, 9999);
    }

    proptest! {
        #[test]
        fn text_of_a_moment_reads_as_it(seconds in Moment::RANGE, nanos in 0..1_000_000_000_u32, span in any::<i64>()) {
            let moment = Moment { seconds, nanos };
            prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
            if let Some(later) = moment.plus(Span(span)) {
                prop_assert_eq!(later.since(moment), Some(Span(span)));
            }
        }

        #[test]
        fn text_of_a_span_reads_as_it(nanos in -i64::MAX..=i64::MAX) {
            prop_assert_eq!(Span::parse(&Span(nanos).to_string()), Some(Span(nanos)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", digits in "[-+0-9.:TZhms]{0,40}") {
            for text in [text, digits] {
                let _ = (Moment::parse(&text), Span::parse(&text));
            }
        }
    }
}
