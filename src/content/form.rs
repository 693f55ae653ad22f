//! Forms as senders post them: `application/x-www-form-urlencoded` (URL Standard, section 5.1). What is in a field `payload`
//! is the business of expressions (`expr::scope`).
//!
//! Stricter than browsers in one thing: what is not UTF-8 is refused, not replaced. `multipart/form-data` (inbound mail,
//! media servers) is refused as a whole: what it adds to a form are files, and no event carries one.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::limits::FORM_FIELDS;
use super::media::Media;
use crate::octets::{Plus, lenient, pairs};

/// One field of a form, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, maybe empty.
    pub name: Cow<'a, str>,
    /// Its value, empty when there was no `=`.
    pub value: Cow<'a, str>,
}

/// Why a form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// `multipart/form-data`.
    #[error(
        "multipart/form-data is not read here; the sender has to post JSON or application/x-www-form-urlencoded"
    )]
    Multipart,
    /// Over [`FORM_FIELDS`].
    #[error("the form has more than {FORM_FIELDS} fields")]
    TooMany,
    /// The field of this number, from 1.
    #[error("field {0} of the form is not UTF-8")]
    NotUtf8(usize),
}

impl FormError {
    /// What the sender is answered with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Multipart => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotUtf8(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The fields of a body that says it is a form; none where it doesn't.
///
/// # Errors
/// [`FormError`].
pub fn read<'a>(headers: &HeaderMap, body: &'a Bytes) -> Result<Option<Vec<Field<'a>>>, FormError> {
    match Media::of(headers) {
        Media::Form => fields(body).map(Some),
        Media::Multipart => Err(FormError::Multipart),
        _ => Ok(None),
    }
}

/// The fields of a form or a query, in their order, [`FORM_FIELDS`] at most. A name may come more than once.
///
/// # Errors
/// [`FormError::TooMany`], [`FormError::NotUtf8`].
pub fn fields(form: &[u8]) -> Result<Vec<Field<'_>>, FormError> {
    let mut fields = Vec::new();
    for (name, value) in pairs(form) {
        if fields.len() == FORM_FIELDS {
            return Err(FormError::TooMany);
        }
        let number = fields.len() + 1;
        let text = |bytes| text(bytes).ok_or(FormError::NotUtf8(number));
        fields.push(Field { name: text(name)?, value: text(value)? });
    }
    Ok(fields)
}

/// A name or a value.
fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match lenient(bytes, Plus::Space) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;
    use proptest::prelude::*;

    use super::*;

    fn pairs(form: &str) -> Vec<(String, String)> {
        let fields = fields(form.as_bytes()).unwrap();
        fields.into_iter().map(|f| (f.name.into_owned(), f.value.into_owned())).collect()
    }

    #[test]
    fn forms_by_table() {
        let cases: [(&str, &[(&str, &str)]); 11] = [
            ("", &[]),
            ("&&", &[]),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
            ("a", &[("a", "")]),
            ("=a", &[("", "a")]),
            ("a=b=c&", &[("a", "b=c")]),
            ("%61%3D=x+y%2Bz%20", &[("a=", "x y+z ")]),
            ("a=%2541", &[("a", "%41")]),
            ("a=50%+off%", &[("a", "50% off%")]),
            ("a=caf%C3%A9&\u{e9}=\u{20ac}", &[("a", "caf\u{e9}"), ("\u{e9}", "\u{20ac}")]),
            ("a;b=%00", &[("a;b", "\0")]),
        ];
        for (form, want) in cases {
            let want: Vec<_> = want.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(pairs(form), want, "{form:?}");
        }
    }

    #[test]
    fn what_is_not_utf_8_or_too_much_is_refused() {
        assert_eq!(fields(b"a=1&b=%C0%A0"), Err(FormError::NotUtf8(2)));
        assert_eq!(fields(b"a=1&%ff=2"), Err(FormError::NotUtf8(2)));
        assert_eq!(fields(b"a=\xff"), Err(FormError::NotUtf8(1)));
        let most = "a=1&".repeat(FORM_FIELDS);
        assert_eq!(fields(most.as_bytes()).unwrap().len(), FORM_FIELDS);
        let more = most + "a";
        assert_eq!(fields(more.as_bytes()), Err(FormError::TooMany));
        assert_eq!(FormError::NotUtf8(2).status(), 400);
        assert_eq!(FormError::TooMany.status(), 413);
    }

    #[test]
    fn only_what_says_it_is_a_form_is_read_as_one() {
        let body = Bytes::from_static(b"a=1");
        let of = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            read(&headers, &body)
        };
        assert_eq!(of("application/x-www-form-urlencoded").unwrap().unwrap().len(), 1);
        assert_eq!(of("application/json"), Ok(None));
        let refused = of("multipart/form-data; boundary=x").unwrap_err();
        assert_eq!(refused, FormError::Multipart);
        assert_eq!(refused.status(), 415);
        assert!(refused.to_string().contains("application/x-www-form-urlencoded"));
        assert_eq!(read(&HeaderMap::new(), &body), Ok(None));
    }

    proptest! {
        /// As many pairs as were written come out, each as it was.
        #[test]
        fn what_was_written_is_read(pairs in prop::collection::vec((".{0,8}", ".{0,8}"), 0..8)) {
            let escaped = |t: &str| t.bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat();
            let form: Vec<_> = pairs.iter().map(|(n, v)| format!("{}={}", escaped(n), escaped(v))).collect();
            let form = form.join("&");
            let fields = fields(form.as_bytes()).unwrap();
            let read: Vec<_> = fields.iter().map(|f| (f.name.to_string(), f.value.to_string())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn any_bytes_are_read_or_refused(form: Vec<u8>) {
            if let Ok(fields) = fields(&form) {
                prop_assert!(fields.len() <= FORM_FIELDS);
            }
        }
    }
}
