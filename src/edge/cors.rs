//! Which pages of other origins may read what is under the prefix (Fetch Standard, section 3.3 "CORS protocol").
//!
//! Pure: the configured rules and a request's `Origin` give header lines. An origin that is not allowed gets none, and the
//! answer is otherwise the same: CORS tells a browser what a page may read, it does not guard anything. So the lines are on
//! errors too, or a page could not tell why it gets no stream.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue,
};

/// What a page may ask with. `Accept` and `Cache-Control` are sent by libraries that stand in for `EventSource`, the
/// others by whoever resumes or identifies itself.
const HEADERS: HeaderValue = HeaderValue::from_static("Last-Event-ID, Authorization, Cache-Control, Accept");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// What a page may see of an answer's head, beside what it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After");

/// Pages of which other origins may read what is under the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The first that matches decides; one is enough.
    pub origins: Vec<OriginRule>,
    /// Whether they may send what identifies a user. Not together with [`OriginRule::Any`]: no browser accepts that.
    pub credentials: Credentials,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Duration,
}

/// Whether a page of another origin may send cookies and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It may.
    Allowed,
    /// A browser leaves them out, or keeps the answer from the page.
    Withheld,
}

/// An origin, or a kind of them: `https://app.example`, `https://*.example.com`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginRule {
    /// Every origin.
    Any,
    /// This one, written as browsers write it: lower case, without the scheme's own port.
    Exact(String),
    /// One label or more below a host, of the same scheme and port.
    Below {
        /// Lower case.
        scheme: String,
        /// The host, without a dot before it.
        host: String,
        /// `:` and the port; empty for the scheme's own.
        port: String,
    },
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not `scheme://host` and perhaps a port.
    #[error("expected scheme://host or scheme://host:port")]
    Form,
    /// Something behind host and port.
    #[error("expected nothing behind the host and port, not even a / at the end")]
    Path,
    /// A `*` elsewhere than as the host's first label.
    #[error("expected * only as the host's first label, as in https://*.example.com, or alone")]
    Wildcard,
    /// A host that is not ASCII.
    #[error("expected the host as browsers send it: with xn-- for letters beyond ASCII")]
    Ascii,
    /// `null` is what every sandboxed page and local file sends.
    #[error("null is the origin of every sandboxed page; expected an origin that is somebody's")]
    Null,
}

impl Cors {
    /// The lines for a request of `origin`; none when it is not allowed.
    pub(super) fn lines(
        &self,
        origin: Option<&HeaderValue>,
        preflight: Preflight,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let Some(allowed) = self.allowed(origin) else { return Vec::new() };
        let mut lines = vec![(ACCESS_CONTROL_ALLOW_ORIGIN, allowed)];
        if self.credentials == Credentials::Allowed {
            lines.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        match preflight {
            Preflight::Yes => lines.extend([
                (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
                (ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.as_secs())),
            ]),
            Preflight::No => lines.push((ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)),
        }
        lines
    }

    /// Whether pages of `origin` may send what identifies a user, and so are as good as the edge's own.
    pub(super) fn trusts(&self, origin: &str) -> bool {
        let named = |rule: &OriginRule| *rule != OriginRule::Any && rule.admits(origin);
        self.credentials == Credentials::Allowed && self.origins.iter().any(named)
    }

    /// The value of `Access-Control-Allow-Origin`. A list would be refused by browsers, so it is the asker alone.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let text = origin.to_str().ok()?;
        let rule = self.origins.iter().find(|rule| rule.admits(text))?;
        Some(if *rule == OriginRule::Any { HeaderValue::from_static("*") } else { origin.clone() })
    }
}

/// Whether a browser asks before it sends the real request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preflight {
    /// It does.
    Yes,
    /// This is the real request.
    No,
}

impl OriginRule {
    /// Whether `origin`, as a browser serialises it, is meant. Compared byte by byte (RFC 6454, section 5).
    #[must_use]
    pub fn admits(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Below { scheme, host, port } => origin
                .strip_prefix(scheme.as_str())
                .and_then(|rest| rest.strip_prefix("://"))
                .and_then(|rest| rest.strip_suffix(port.as_str()))
                .and_then(|rest| rest.strip_suffix(host.as_str()))
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(is_name),
        }
    }
}

/// Labels with dots between them. What else could stand before a host (`evil.example/`, `user@`) is thereby refused.
fn is_name(labels: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    labels.split('.').all(|label| !label.is_empty() && label.bytes().all(allowed))
}

impl FromStr for OriginRule {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Err(OriginError::Null),
            _ => {}
        }
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Form)?;
        let scheme = scheme.to_ascii_lowercase();
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(good) {
            return Err(OriginError::Form);
        }
        if rest.contains(['/', '?', '#']) {
            return Err(OriginError::Path);
        }
        if !rest.is_ascii() {
            return Err(OriginError::Ascii);
        }
        let (host, port) = split_port(rest, &scheme)?;
        if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().map_err(|_| OriginError::Form)?;
            return Ok(Self::Exact(format!("{scheme}://[{address}]{port}")));
        }
        let host = host.to_ascii_lowercase();
        let (wildcard, host) = host.strip_prefix("*.").map_or((false, host.as_str()), |host| (true, host));
        match host {
            host if host.contains('*') => Err(OriginError::Wildcard),
            host if !is_name(host) => Err(OriginError::Form),
            host if wildcard => Ok(Self::Below { scheme, host: host.to_owned(), port }),
            host => Ok(Self::Exact(format!("{scheme}://{host}{port}"))),
        }
    }
}

/// The host, and `:` and the port where it is not the scheme's own, which browsers leave out.
fn split_port<'a>(authority: &'a str, scheme: &str) -> Result<(&'a str, String), OriginError> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority[end..].find(':') else { return Ok((authority, String::new())) };
    let (host, port) = (&authority[..end + colon], &authority[end + colon + 1..]);
    let plain = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = plain.then(|| port.parse::<u16>().ok()).flatten().filter(|&port| port > 0);
    let port = match (scheme, port.ok_or(OriginError::Form)?) {
        ("http", 80) | ("https", 443) => String::new(),
        (_, port) => format!(":{port}"),
    };
    Ok((host, port))
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(origin) => f.write_str(origin),
            Self::Below { scheme, host, port } => write!(f, "{scheme}://*.{host}{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> OriginRule {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn origins_are_written_in_one_way() {
        for (text, shown) in [
            ("*", "*"),
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://app.example:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("https://*.Example.com", "https://*.example.com"),
            ("https://*.example.com:8443", "https://*.example.com:8443"),
            ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
            ("http://[0:0::1]:80", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(rule(text).to_string(), shown);
            assert_eq!(rule(shown), rule(text), "{text}");
        }
        for (text, why) in [
            ("", OriginError::Form),
            ("app.example", OriginError::Form),
            ("//app.example", OriginError::Form),
            ("https://", OriginError::Form),
            ("https://a..b", OriginError::Form),
            ("https://user@app.example", OriginError::Form),
            ("https://app.example:", OriginError::Form),
            ("https://app.example:0", OriginError::Form),
            ("https://app.example:65536", OriginError::Form),
            ("https://app.example:+1", OriginError::Form),
            ("https://[::1", OriginError::Form),
            ("https://*.", OriginError::Form),
            ("1https://a", OriginError::Form),
            ("https://app.example/", OriginError::Path),
            ("https://app.example/a", OriginError::Path),
            ("https://app.example?a", OriginError::Path),
            ("https://*", OriginError::Wildcard),
            ("https://a.*.example", OriginError::Wildcard),
            ("https://a*.example", OriginError::Wildcard),
            ("https://*.*.example", OriginError::Wildcard),
            ("https://bücher.example", OriginError::Ascii),
            ("null", OriginError::Null),
        ] {
            assert_eq!(text.parse::<OriginRule>(), Err(why), "{text}");
        }
    }

    #[test]
    fn who_is_admitted_by_table() {
        for (allowed, origin, want) in [
            ("https://app.example", "https://app.example", true),
            ("https://app.example", "http://app.example", false),
            ("https://app.example", "https://app.example:8443", false),
            ("https://app.example", "https://app.example.evil", false),
            ("https://app.example", "https://a.app.example", false),
            ("https://app.example", "HTTPS://APP.EXAMPLE", false),
            ("https://app.example", "null", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://a..example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil", false),
            ("https://*.example.com", "https://evil.test/.example.com", false),
            ("https://*.example.com", "https://evil.test#.example.com", false),
            ("https://*.example.com", "https://evil.test@a.example.com", false),
            ("https://*.example.com", "https://evil.test:1.example.com", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("https://*.example.com:8443", "https://a.example.com", false),
            ("*", "null", true),
        ] {
            assert_eq!(rule(allowed).admits(origin), want, "{allowed} {origin}");
        }
    }

    fn lines(cors: &Cors, origin: Option<&'static str>, preflight: Preflight) -> Vec<String> {
        let origin = origin.map(HeaderValue::from_static);
        let shown = |(name, value): (HeaderName, HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        cors.lines(origin.as_ref(), preflight).into_iter().map(shown).collect()
    }

    #[test]
    fn lines_byte_for_byte() {
        let mut cors = Cors {
            origins: vec![rule("https://app.example"), rule("https://*.example.com")],
            credentials: Credentials::Allowed,
            max_age: Duration::from_hours(2),
        };
        let [origin, credentials] =
            ["access-control-allow-origin: https://a.example.com", "access-control-allow-credentials: true"];
        let asker = Some("https://a.example.com");
        let exposed = "access-control-expose-headers: Retry-After";
        assert_eq!(lines(&cors, asker, Preflight::No), [origin, credentials, exposed]);
        let allowed = [
            origin,
            credentials,
            "access-control-allow-methods: GET, HEAD",
            "access-control-allow-headers: Last-Event-ID, Authorization, Cache-Control, Accept",
            "access-control-max-age: 7200",
        ];
        assert_eq!(lines(&cors, asker, Preflight::Yes), allowed);
        for refused in [None, Some("https://evil.example"), Some("null"), Some("")] {
            for preflight in [Preflight::Yes, Preflight::No] {
                assert!(lines(&cors, refused, preflight).is_empty(), "{refused:?}");
            }
        }
        cors.credentials = Credentials::Withheld;
        assert_eq!(lines(&cors, asker, Preflight::No), [origin, exposed]);
        cors.origins.insert(0, OriginRule::Any);
        assert_eq!(lines(&cors, asker, Preflight::No), ["access-control-allow-origin: *", exposed]);
        assert!(lines(&cors, None, Preflight::No).is_empty());
    }

    proptest! {
        #[test]
        fn any_origin_is_judged_without_panic(text in ".{0,60}", origin in ".{0,60}") {
            if let Ok(rule) = text.parse::<OriginRule>() {
                let _ = rule.admits(&origin);
                prop_assert_eq!(rule.to_string().parse::<OriginRule>(), Ok(rule));
            }
        }

        /// Whatever a wildcard admits ends in its host: never another's.
        #[test]
        fn a_wildcard_admits_its_own_alone(before in "[a-z0-9./:@#?%_-]{0,20}", after in "[a-z./:@#?-]{0,6}") {
            let origin = format!("https://{before}.example.com{after}");
            if rule("https://*.example.com").admits(&origin) {
                prop_assert!(after.is_empty() && is_name(&before), "{}", origin);
            }
        }
    }
}
