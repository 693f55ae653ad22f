//! Dates as HTTP writes them.

/// Seconds since 1970 of an IMF-fixdate (RFC 9110 §5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`. The two obsolete forms
/// are no dates here: what sent them last is long gone.
pub(crate) fn date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let rest = rest.strip_suffix(" GMT")?;
    let [day, month, year, time] = rest.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>().try_into().ok()?;
    let number = |text: &str, digits: usize, most: u64| {
        let good = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n: &u64| good && *n <= most)
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let (year, day) =
        (number(year, 4, 9999).filter(|y| *y >= 1970)?, number(day, 2, 31).filter(|d| *d >= 1)?);
    let (hour, minute, second) = (number(hour, 2, 23)?, number(minute, 2, 59)?, number(second, 2, 60)?);
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970 to a day of a month that is counted from 0. Years begin in March here, so that leap days are at their
/// ends.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let before = (153 * month + 2) / 5;
    365 * year + leap_days + before + day - 719_469
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_by_table() {
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for text in ["", "Sun, 06 Nov 1994 08:49:37", "Sun, 6 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn days_count_on_without_a_hole() {
        let long = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let mut expected = 0;
        for year in 1970..2500 {
            for (month, length) in long(year).into_iter().enumerate() {
                for day in 1..=length {
                    assert_eq!(days(year, month as u64, day), expected, "{year} {month} {day}");
                    expected += 1;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(text in "[ -~]{0,40}") {
            let _ = date(&text);
        }
    }
}
