//! Where a request's token is: `Authorization: Bearer`, then `?access_token=`, then the configured cookie (RFC 6750,
//! section 2).
//!
//! The first place that holds one is the one that counts, and the others are not looked at: whoever sets a header means it. It
//! is not tried further, either: a token that is bad is not saved by a better one elsewhere. What could be read in two
//! ways is refused: two `Authorization` fields, two parameters, two cookies of one name that differ (a page of a
//! neighbouring host can add one).
//!
//! An `Authorization` of another scheme is no token: it is the app's, or some proxy's that has checked it already.

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};

use super::site::Site;
use crate::edge::query::QueryToken;

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `Authorization: Bearer`.
    Header,
    /// `?access_token=`.
    Query,
    /// The configured cookie.
    Cookie,
}

/// A token that was found. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Presented<'a> {
    /// Where.
    pub place: Place,
    /// The token; empty where what is there is no text, which no token is either.
    pub token: &'a str,
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Why no token is taken from a request, though something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// More than one `Authorization`, or more than one `access_token`.
    Twice,
    /// The cookie comes with a stranger's page.
    Foreign,
    /// There are two of the cookie, and they differ.
    Cookies,
}

/// The token that a request presents; none when it presents none. `site` is asked only where a cookie is there.
///
/// # Errors
/// [`Unclear`].
pub(super) fn presented<'a>(
    headers: &'a HeaderMap,
    query: &'a QueryToken,
    cookie: Option<&str>,
    site: impl FnOnce() -> Site,
) -> Result<Option<Presented<'a>>, Unclear> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next();
    if fields.next().is_some() || *query == QueryToken::Twice {
        return Err(Unclear::Twice);
    }
    if let Some(token) = field.and_then(bearer) {
        return Ok(Some(Presented { place: Place::Header, token }));
    }
    if let QueryToken::One(token) = query {
        return Ok(Some(Presented { place: Place::Query, token }));
    }
    let Some(token) = cookie.map_or(Ok(None), |name| self::cookie(headers, name))? else { return Ok(None) };
    match site() {
        Site::Ours => Ok(Some(Presented { place: Place::Cookie, token })),
        Site::Foreign => Err(Unclear::Foreign),
    }
}

/// What stands behind `Bearer`; none when that is not the scheme, which is compared without case (RFC 9110, section 11.1).
fn bearer(field: &HeaderValue) -> Option<&str> {
    let bytes = field.as_bytes();
    let (scheme, rest) = bytes.split_at(bytes.iter().position(|b| b" \t".contains(b)).unwrap_or(bytes.len()));
    let is = scheme.eq_ignore_ascii_case(b"bearer");
    is.then(|| std::str::from_utf8(rest.trim_ascii()).unwrap_or_default())
}

/// The cookie's value (RFC 6265, section 4.2). One that is empty is none: that is how some are deleted.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unclear> {
    let mut found: Option<&[u8]> = None;
    for pair in headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|&b| b == b';')) {
        let pair = pair.trim_ascii();
        let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) else {
            continue;
        };
        let value = unquoted(value);
        if found.is_some_and(|found| found != value) {
            return Err(Unclear::Cookies);
        }
        found = Some(value);
    }
    Ok(found.filter(|value| !value.is_empty()).map(|value| std::str::from_utf8(value).unwrap_or_default()))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    type Found = Result<Option<(Place, String)>, Unclear>;

    fn find(lines: &[(&'static str, &'static str)], query: &QueryToken, site: Site) -> Found {
        let headers = headers(lines);
        let presented = presented(&headers, query, Some("session"), || site)?;
        Ok(presented.map(|found| (found.place, found.token.to_owned())))
    }

    #[expect(clippy::unnecessary_wraps, reason = "to be compared with what may be an error")]
    fn at(place: Place, token: &str) -> Found {
        Ok(Some((place, token.to_owned())))
    }

    #[test]
    fn the_first_place_counts() {
        let (header, cookie) = (("authorization", "Bearer h"), ("cookie", "session=c"));
        let (none, one) = (QueryToken::None, QueryToken::One("q".into()));
        for (lines, query, want) in [
            (&[header, cookie][..], &one, at(Place::Header, "h")),
            (&[header, cookie], &none, at(Place::Header, "h")),
            (&[cookie], &one, at(Place::Query, "q")),
            (&[cookie], &none, at(Place::Cookie, "c")),
            (&[], &none, Ok(None)),
            (&[header, header], &none, Err(Unclear::Twice)),
            (&[header, ("authorization", "Basic eA==")], &none, Err(Unclear::Twice)),
            (&[header], &QueryToken::Twice, Err(Unclear::Twice)),
            (&[("authorization", "Basic eA=="), cookie], &none, at(Place::Cookie, "c")),
            (&[("authorization", "Basic eA==")], &one, at(Place::Query, "q")),
            (&[("authorization", "")], &none, Ok(None)),
        ] {
            assert_eq!(find(lines, query, Site::Ours), want, "{lines:?}");
        }
    }

    #[test]
    fn a_strangers_page_gets_no_further_than_its_cookie() {
        let cookie = ("cookie", "session=c");
        let none = QueryToken::None;
        assert_eq!(find(&[cookie], &none, Site::Foreign), Err(Unclear::Foreign));
        // What it says itself counts, whoever it is.
        assert_eq!(
            find(&[cookie, ("authorization", "Bearer h")], &none, Site::Foreign),
            at(Place::Header, "h")
        );
        assert_eq!(find(&[cookie], &QueryToken::One("q".into()), Site::Foreign), at(Place::Query, "q"));
        assert_eq!(find(&[("cookie", "other=c")], &none, Site::Foreign), Ok(None));
        assert_eq!(find(&[("cookie", "session=")], &none, Site::Foreign), Ok(None));
    }

    #[test]
    fn schemes_and_cookies_as_they_are_written() {
        for (field, want) in [
            ("Bearer x", at(Place::Header, "x")),
            ("bearer x", at(Place::Header, "x")),
            ("BEARER   x", at(Place::Header, "x")),
            ("Bearer\tx", at(Place::Header, "x")),
            ("Bearer", at(Place::Header, "")),
            ("Bearer x y", at(Place::Header, "x y")),
            ("Bearers x", Ok(None)),
            ("Bearer=x", Ok(None)),
            ("x", Ok(None)),
        ] {
            assert_eq!(find(&[("authorization", field)], &QueryToken::None, Site::Ours), want, "{field}");
        }
        for (field, want) in [
            ("a=1; session=x; b=2", at(Place::Cookie, "x")),
            ("session=x;session=x", at(Place::Cookie, "x")),
            ("session=\"x\"", at(Place::Cookie, "x")),
            ("session=x=y", at(Place::Cookie, "x=y")),
            ("session=x; session=y", Err(Unclear::Cookies)),
            ("session=; session=y", Err(Unclear::Cookies)),
            ("Session=x", Ok(None)),
            ("xsession=x", Ok(None)),
            ("session", Ok(None)),
            ("session =x", Ok(None)),
        ] {
            assert_eq!(find(&[("cookie", field)], &QueryToken::None, Site::Ours), want, "{field}");
        }
        let lines = [("cookie", "session=x"), ("cookie", "session=y")];
        assert_eq!(find(&lines, &QueryToken::None, Site::Ours), Err(Unclear::Cookies));
    }

    #[test]
    fn what_is_no_text_is_a_bad_token_and_not_none() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        let found = presented(&headers, &QueryToken::None, None, || Site::Ours);
        assert_eq!(found, Ok(Some(Presented { place: Place::Header, token: "" })));
        assert!(!format!("{:?}", Presented { place: Place::Query, token: "hush" }).contains("hush"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(field in prop::collection::vec(0x20u8..0x7f, 0..60)) {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_bytes(&field).unwrap());
            headers.insert(AUTHORIZATION, HeaderValue::from_bytes(&field).unwrap());
            let _ = presented(&headers, &QueryToken::None, Some("a"), || Site::Ours);
        }
    }
}
