//! Sizes in bytes, with binary units.

use std::fmt;

use super::{Misread, Written};

/// The largest size: beyond any machine this runs on, and small enough that adding a few never overflows.
const LARGEST: u64 = 1 << 50;

/// Units by name, largest first, in bytes.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A number of bytes: a whole number and a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub usize);

impl Written for Size {
    const FORMAT: &'static str = "sidestream-size";
    const EXPECTED: &'static str = "a size such as 64KiB, 8MiB or 1GiB";
    const PATTERN: Option<&'static str> = Some("^[0-9]+(KiB|MiB|GiB)$");

    fn read(text: &str) -> Result<Self, Misread> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let bytes = UNITS.iter().find(|(name, _)| *name == unit).ok_or(Misread::Form)?.1;
        if number.is_empty() {
            return Err(Misread::Form);
        }
        let too_large = || Misread::Because("expected a size of at most 1048576GiB".into());
        let number: u64 = number.parse().map_err(|_| too_large())?;
        let size = number.checked_mul(bytes).filter(|size| *size <= LARGEST).ok_or_else(too_large)?;
        if size == 0 {
            return Err(Misread::Because("expected a size of at least 1KiB".into()));
        }
        usize::try_from(size).map(Self).map_err(|_| too_large())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        match UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", bytes / unit),
            None => write!(f, "{bytes} bytes"),
        }
    }
}

/// The size as it would be written.
pub(crate) fn show(bytes: usize) -> String {
    Size(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_table() {
        assert_eq!(Size::read("64KiB"), Ok(Size(65_536)));
        assert_eq!(Size::read("8MiB"), Ok(Size(8 << 20)));
        assert_eq!(Size::read("1GiB"), Ok(Size(1 << 30)));
        for text in ["", "64", "KiB", "64KB", "64kib", "64 KiB", "-1KiB", "1.5MiB", "64B", "1TiB"] {
            assert_eq!(Size::read(text), Err(Misread::Form), "{text:?}");
        }
        for text in ["0KiB", "1048577GiB", "99999999999999999999KiB", "18014398509481984KiB"] {
            assert!(matches!(Size::read(text), Err(Misread::Because(_))), "{text:?}");
        }
        for text in ["64KiB", "1MiB", "3GiB", "1025KiB"] {
            assert_eq!(Size::read(text).unwrap().to_string(), text);
        }
    }
}
