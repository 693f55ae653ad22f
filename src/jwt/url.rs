//! Where a key set is published.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// Bytes of a URL: what servers take everywhere.
const MAX_URL: usize = 2048;

/// The URL of a key set: `https://` or `http://`, a host, perhaps a port, a path, a query.
///
/// Shown without its query, which may hold a key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JwksUrl(Uri);

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not of the form.
    #[error("expected https://host/path")]
    Form,
    /// It holds a user or a password, which would be written into every log.
    #[error("expected no user or password")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("expected no fragment (#…)")]
    Fragment,
}

impl JwksUrl {
    /// Whether what comes from it is protected on its way.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host's name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Whether it leads to this machine, by name or address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host() == "localhost" || self.host().parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// The port, given or usual.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Host and port as in a `Host` field.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", http::uri::Authority::as_str)
    }

    /// Path and query as in a request line.
    #[must_use]
    pub fn target(&self) -> &str {
        self.0.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The URL with its query.
    #[must_use]
    pub fn whole(&self) -> String {
        self.0.to_string()
    }
}

impl FromStr for JwksUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        if text.len() > MAX_URL {
            return Err(UrlError::Form);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Form)?;
        let authority = uri.authority().ok_or(UrlError::Form)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        let known = [Some("https"), Some("http")].contains(&uri.scheme_str());
        let port = uri.port();
        // The library takes a port of any length, and an empty one.
        let port_is_good =
            match authority.as_str().rsplit_once(']').unwrap_or(("", authority.as_str())).1.split_once(':') {
                None => true,
                Some(_) => port.is_some_and(|port| port.as_u16() != 0),
            };
        let url = Self(uri);
        if known && port_is_good && !url.host().is_empty() { Ok(url) } else { Err(UrlError::Form) }
    }
}

impl PartialOrd for JwksUrl {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for JwksUrl {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.whole().cmp(&other.whole())
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}{}", self.authority(), self.0.path())?;
        if self.0.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwksUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        for (text, host, port, authority, target) in [
            (
                "https://id.example/.well-known/jwks.json",
                "id.example",
                443,
                "id.example",
                "/.well-known/jwks.json",
            ),
            ("http://127.0.0.1:9000", "127.0.0.1", 9000, "127.0.0.1:9000", "/"),
            ("https://[::1]:8443/a?b=c", "::1", 8443, "[::1]:8443", "/a?b=c"),
            ("https://[::1]/a", "::1", 443, "[::1]", "/a"),
        ] {
            let url: JwksUrl = text.parse().unwrap();
            let got = (url.host(), url.port(), url.authority(), url.target());
            assert_eq!(got, (host, port, authority, target), "{text}");
        }
        for (text, why) in [
            ("", UrlError::Form),
            ("id.example/jwks", UrlError::Form),
            ("/jwks", UrlError::Form),
            ("ftp://id.example/", UrlError::Form),
            ("https://", UrlError::Form),
            ("https:///jwks", UrlError::Form),
            ("https://:443/", UrlError::Form),
            ("https://a:/", UrlError::Form),
            ("https://a:0/", UrlError::Form),
            ("https://a:65536/", UrlError::Form),
            ("https://a b/", UrlError::Form),
            ("https://a/\r\nX: y", UrlError::Form),
            ("https://u:p@a/", UrlError::Credentials),
            ("https://a/#b", UrlError::Fragment),
            (&format!("https://a/{}", "b".repeat(MAX_URL)), UrlError::Form),
        ] {
            assert_eq!(text.parse::<JwksUrl>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn loopback_by_name_and_address() {
        let is = |text: &str| text.parse::<JwksUrl>().unwrap().is_loopback();
        for text in ["http://localhost/", "http://127.8.9.1/", "http://[::1]:80/"] {
            assert!(is(text), "{text}");
        }
        for text in ["http://localhost.example/", "http://10.0.0.1/", "http://[::2]/"] {
            assert!(!is(text), "{text}");
        }
    }

    #[test]
    fn a_query_is_never_shown() {
        let url: JwksUrl = "https://a/jwks?key=hush".parse().unwrap();
        assert_eq!(url.to_string(), "https://a/jwks?…");
        assert!(!format!("{url:?}").contains("hush"));
        assert_eq!(url.whole(), "https://a/jwks?key=hush");
    }
}
