//! Whose page asks, where a cookie says who: a browser sends cookies along with whatever any page asks for.
//!
//! A page is ours when it has the origin that it asks, as the client sees it (behind trusted proxies), or one that
//! `edge.cors` lets send credentials: the operator has named it, wherever it is served from. Any other `Origin` is a
//! stranger's, `null` and two of them too. Where there is no `Origin` the browser's own word counts: `Sec-Fetch-Site`, which no
//! page can set. Without either it is no page of a browser's that could read the answer: a same-origin request, a
//! navigation or a program.
//!
//! Rejected: to take `Sec-Fetch-Site: cross-site` for more than an `Origin` that is listed with credentials. It would guard
//! nothing, since that page may read all that such a user may, and the key would mean nothing for it.

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};

use crate::edge::cors::{Cors, OriginRule};
use crate::net::http::{Scheme, Way};

/// Whose page a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// Ours, or none that a browser would keep apart.
    Ours,
    /// A stranger's: what the browser adds by itself does not count.
    Foreign,
}

impl Site {
    /// Judges a request's headers. `way` is how it came, as far as proxies are believed.
    pub fn of(headers: &HeaderMap, way: &Way, cors: Option<&Cors>) -> Self {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Self::by_fetch_metadata(headers),
            (Some(origin), None)
                if origin.to_str().is_ok_and(|origin| is_ours(origin, headers, way, cors)) =>
            {
                Self::Ours
            }
            _ => Self::Foreign,
        }
    }

    /// Fetch Metadata Request Headers, section 2.3.
    fn by_fetch_metadata(headers: &HeaderMap) -> Self {
        let crosses = |site: &HeaderValue| site.as_bytes().eq_ignore_ascii_case(b"cross-site");
        if headers.get_all("sec-fetch-site").iter().any(crosses) { Self::Foreign } else { Self::Ours }
    }
}

fn is_ours(origin: &str, headers: &HeaderMap, way: &Way, cors: Option<&Cors>) -> bool {
    cors.is_some_and(|cors| cors.trusts(origin)) || is_own(origin, headers, way)
}

/// Whether the page has the very origin that it asks. Behind a proxy that ends TLS and is not trusted the scheme is not
/// known here: then either will do, as the host is what a stranger can't have.
fn is_own(origin: &str, headers: &HeaderMap, way: &Way) -> bool {
    let Some(host) = way.host.as_ref().or_else(|| headers.get(HOST)) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let is = |scheme: Scheme| {
        // Written as browsers write it: lower case, without the scheme's own port.
        let own = format!("{}://{host}", scheme.as_str()).parse();
        matches!(own, Ok(own @ OriginRule::Exact(_)) if own.admits(origin))
    };
    match way.scheme {
        Some(scheme) => is(scheme),
        None => is(Scheme::Https) || is(Scheme::Http),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::edge::cors::Credentials;

    fn cors(origins: &[&str], credentials: Credentials) -> Cors {
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        Cors { origins, credentials, max_age: Duration::from_mins(1) }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn foreign(lines: &[(&'static str, &'static str)], way: &Way, cors: Option<&Cors>) -> bool {
        Site::of(&headers(lines), way, cors) == Site::Foreign
    }

    #[test]
    fn a_page_is_ours_by_its_origin() {
        let allowed = cors(&["https://app.example", "https://*.app.example"], Credentials::Allowed);
        let withheld = cors(&["https://app.example"], Credentials::Withheld);
        let any = cors(&["*"], Credentials::Allowed);
        let way = Way::default();
        for (origin, cors, want) in [
            ("https://app.example", None, true),
            ("https://app.example", Some(&allowed), false),
            ("https://a.app.example", Some(&allowed), false),
            ("https://app.example", Some(&withheld), true),
            ("https://app.example", Some(&any), true),
            ("https://evil.example", Some(&allowed), true),
            ("null", Some(&allowed), true),
            ("null", Some(&any), true),
            ("", Some(&any), true),
            ("https://api.example", None, false),
            ("http://api.example", None, false),
            ("https://api.example:8443", None, true),
            ("https://api.example.evil", None, true),
            ("https://evil.api.example", None, true),
        ] {
            assert_eq!(
                foreign(&[("host", "api.example"), ("origin", origin)], &way, cors),
                want,
                "{origin} {cors:?}"
            );
        }
        // The browser calls it cross-site; the operator has named it.
        let listed = [("host", "a"), ("origin", "https://app.example"), ("sec-fetch-site", "cross-site")];
        assert!(!foreign(&listed, &way, Some(&allowed)));
        assert!(foreign(&listed, &way, None));
        let twice = [("host", "a"), ("origin", "https://app.example"), ("origin", "https://app.example")];
        assert!(foreign(&twice, &way, Some(&allowed)));
    }

    #[test]
    fn its_own_origin_is_what_the_client_sees() {
        let seen = |scheme, host: Option<&'static str>| Way {
            scheme,
            host: host.map(HeaderValue::from_static),
            ..Way::default()
        };
        for (way, origin, want) in [
            (seen(None, None), "http://inside:8080", false),
            (seen(Some(Scheme::Https), None), "http://inside:8080", true),
            (seen(Some(Scheme::Https), None), "https://inside:8080", false),
            (seen(Some(Scheme::Https), Some("app.example")), "https://app.example", false),
            (seen(Some(Scheme::Https), Some("App.Example:443")), "https://app.example", false),
            (seen(Some(Scheme::Https), Some("app.example")), "https://inside:8080", true),
            (seen(Some(Scheme::Https), Some("app.example")), "http://app.example", true),
            (seen(None, Some("*.example")), "https://evil.example", true),
        ] {
            assert_eq!(
                foreign(&[("host", "inside:8080"), ("origin", origin)], &way, None),
                want,
                "{origin} {way:?}"
            );
        }
        assert!(foreign(&[("origin", "http://a")], &Way::default(), None), "no host");
    }

    #[test]
    fn without_an_origin_the_browser_says_where_it_stands() {
        let way = Way::default();
        for (lines, want) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "Cross-Site")], true),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], true),
        ] {
            assert_eq!(foreign(lines, &way, None), want, "{lines:?}");
        }
    }
}
