//! Header fields that must not be readable in two ways.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::Unverified;

/// The field's only value, of 1 to `most` bytes.
///
/// # Errors
/// When it is missing, is there more than once, or is empty or longer.
pub(super) fn one<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    most: usize,
) -> Result<&'a [u8], Unverified> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Err(Unverified::Missing(name.clone())) };
    if values.next().is_some() {
        return Err(Unverified::Twice(name.clone()));
    }
    match value.len() {
        0 => Err(malformed(name, "it is empty")),
        length if length > most => Err(malformed(name, "it is too long")),
        _ => Ok(value.as_bytes()),
    }
}

pub(super) fn malformed(name: &HeaderName, why: &'static str) -> Unverified {
    Unverified::Malformed(name.clone(), why)
}

/// A value that is kept out of every `Debug` output. None where it can't be one.
pub(super) fn sensitive(bytes: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_value_of_bounded_length() {
        let name = HeaderName::from_static("x");
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x", HeaderValue::from_static(value));
            }
            one(&headers, &HeaderName::from_static("x"), 3).map(<[u8]>::to_vec)
        };
        assert_eq!(read(&["abc"]), Ok(b"abc".to_vec()));
        assert_eq!(read(&[]), Err(Unverified::Missing(name.clone())));
        assert_eq!(read(&["a", "a"]), Err(Unverified::Twice(name.clone())));
        assert_eq!(read(&[""]), Err(malformed(&name, "it is empty")));
        assert_eq!(read(&["abcd"]), Err(malformed(&name, "it is too long")));
    }
}
