//! A URL that this process asks by itself: webhooks are handed on to it, or it says who may listen. Its path and query are
//! never shown: many a hook's URL is its secret.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::HeaderValue;

use crate::net::{Upstream, UpstreamScheme};

/// Bytes of a URL.
const URL_BYTES: usize = 4096;
/// Bytes of a unix socket's path: what the kernel takes.
const SOCKET_PATH_BYTES: usize = 107;
/// What stands in `Host` where there is no name.
const NO_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// `http://` or `https://`, a host, perhaps a port, a path and a query; or `unix:`, a socket's path, `:`, a path and a query.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    server: Upstream,
    host: HeaderValue,
    target: Box<str>,
}

/// Why a text is no [`Url`]. Does not quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Something else.
    #[error("expected http://host:port/path, https://host:port/path or unix:/socket:/path")]
    Form,
    /// It names a person.
    #[error("expected no user or password")]
    User,
    /// `#`.
    #[error("expected no fragment: it is never sent")]
    Fragment,
    /// 0, or beyond 65535.
    #[error("expected a port from 1 to 65535")]
    Port,
    /// The path of a unix socket is none that the kernel takes.
    #[error(
        "expected a socket's path of at most {SOCKET_PATH_BYTES} bytes, such as unix:/run/app.sock:/path"
    )]
    Socket,
    /// What has to be written as %XX in a path or query is not.
    #[error("expected spaces, controls, <, >, \", ` and what is not ASCII as %XX")]
    Unescaped,
    /// Longer than anything honest.
    #[error("expected at most {URL_BYTES} bytes")]
    Long,
}

impl Url {
    /// The server to connect to.
    pub(crate) fn server(&self) -> &Upstream {
        &self.server
    }

    /// The field `Host`.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES {
            return Err(UrlError::Long);
        }
        if let Some(rest) = text.strip_prefix("unix:") {
            return Self::unix(rest);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Form)?;
        let (scheme, default_port) = match scheme {
            "http" => (UpstreamScheme::Http, 80),
            "https" => (UpstreamScheme::Https, 443),
            _ => return Err(UrlError::Form),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let target = origin(target)?;
        let (host, port) = split(authority).ok_or(UrlError::Form)?;
        let port = match port {
            None => default_port,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?
            }
            Some(_) => return Err(UrlError::Form),
        };
        Ok(Self {
            server: Upstream::Tcp { scheme, host, port },
            host: HeaderValue::from_str(authority).map_err(|_| UrlError::Form)?,
            target,
        })
    }
}

impl Url {
    /// What stands behind `unix:`. As in nginx a colon ends the socket's path, so that path has none.
    fn unix(rest: &str) -> Result<Self, UrlError> {
        let (path, target) = rest.split_once(':').unwrap_or((rest, ""));
        if !path.starts_with('/') || !(target.is_empty() || target.starts_with('/')) {
            return Err(UrlError::Form);
        }
        if path.len() > SOCKET_PATH_BYTES || path.ends_with('/') || path.contains('\0') {
            return Err(UrlError::Socket);
        }
        if target.contains('#') {
            return Err(UrlError::Fragment);
        }
        Ok(Self { server: Upstream::Unix(path.into()), host: NO_HOST, target: origin(target)? })
    }
}

/// A path and query as they are sent.
fn origin(target: &str) -> Result<Box<str>, UrlError> {
    let escaped = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'`');
    if !target.bytes().all(escaped) {
        return Err(UrlError::Unescaped);
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok(format!("{slash}{target}").into())
}

/// Host, without a v6 address's brackets, and the text of the port.
fn split(authority: &str) -> Option<(String, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (v6, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        return Some((v6.parse::<Ipv6Addr>().ok()?.to_string(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (!host.is_empty() && host.bytes().all(name)).then(|| (host.to_owned(), port))
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.to_str().unwrap_or("");
        write!(f, "Url({host}/…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_by_table() {
        for (text, host, port, authority, target) in [
            ("http://a", "a", 80, "a", "/"),
            ("https://a.example", "a.example", 443, "a.example", "/"),
            ("http://127.0.0.1:3000/hooks?x=/y", "127.0.0.1", 3000, "127.0.0.1:3000", "/hooks?x=/y"),
            ("http://a?b", "a", 80, "a", "/?b"),
            ("http://a//b/../c/", "a", 80, "a", "//b/../c/"),
            ("https://[::1]:8443/%7E", "::1", 8443, "[::1]:8443", "/%7E"),
        ] {
            let url: Url = text.parse().unwrap();
            let scheme = if text.starts_with("https") { UpstreamScheme::Https } else { UpstreamScheme::Http };
            assert_eq!(url.server, Upstream::Tcp { scheme, host: host.into(), port }, "{text}");
            assert_eq!((url.host.to_str().unwrap(), url.target()), (authority, target));
        }
        for (text, why) in [
            ("", UrlError::Form),
            ("a/b", UrlError::Form),
            ("ftp://a/b", UrlError::Form),
            ("HTTP://a/b", UrlError::Form),
            ("http:///b", UrlError::Form),
            ("http://:80/b", UrlError::Form),
            ("http://a:/b", UrlError::Form),
            ("http://a:b/", UrlError::Form),
            ("http://a b/", UrlError::Form),
            ("http://[::1/", UrlError::Form),
            ("http://[::1]80/", UrlError::Form),
            ("http://\u{e9}/", UrlError::Form),
            ("http://u:p@a/", UrlError::User),
            ("http://a/#b", UrlError::Fragment),
            ("http://a#b", UrlError::Fragment),
            ("http://a:0/", UrlError::Port),
            ("http://a:65536/", UrlError::Port),
            ("http://a/b c", UrlError::Unescaped),
            ("http://a/\r\nX: y", UrlError::Unescaped),
            ("http://a/\u{e9}", UrlError::Unescaped),
            ("http://a/?<>", UrlError::Unescaped),
        ] {
            assert_eq!(text.parse::<Url>(), Err(why), "{text}");
        }
        assert_eq!(format!("http://a/{}", "x".repeat(URL_BYTES)).parse::<Url>(), Err(UrlError::Long));
    }

    #[test]
    fn unix_sockets_by_table() {
        for (text, path, target) in [
            ("unix:/run/app.sock", "/run/app.sock", "/"),
            ("unix:/run/app.sock:/may-listen?a=b:c", "/run/app.sock", "/may-listen?a=b:c"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.server, Upstream::Unix(path.into()), "{text}");
            assert_eq!((url.host.to_str().unwrap(), url.target()), ("localhost", target));
        }
        for (text, why) in [
            ("unix:", UrlError::Form),
            ("unix:run/app.sock", UrlError::Form),
            ("unix:/run/app.sock:may-listen", UrlError::Form),
            ("unix:/run/", UrlError::Socket),
            ("unix:/run/\0", UrlError::Socket),
            ("unix:/run/app.sock:/a#b", UrlError::Fragment),
            ("unix:/run/app.sock:/a b", UrlError::Unescaped),
        ] {
            assert_eq!(text.parse::<Url>(), Err(why), "{text}");
        }
        assert_eq!(format!("unix:/{}", "a".repeat(SOCKET_PATH_BYTES)).parse::<Url>(), Err(UrlError::Socket));
        assert!(format!("unix:/{}", "a".repeat(SOCKET_PATH_BYTES - 1)).parse::<Url>().is_ok());
    }

    #[test]
    fn its_path_and_query_are_not_shown() {
        let url: Url = "https://hooks.example/T0KEN?key=s3cret".parse().unwrap();
        assert_eq!(format!("{url:?}"), "Url(hooks.example/…)");
    }

    proptest! {
        /// Whatever is read has a target that is one on the wire.
        #[test]
        fn any_text_is_judged_without_panic(text in "(https?://|unix:/)?[a-z0-9\\[\\]:@/?#% .\u{e9}\r\n-]{0,30}") {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert!(url.target().starts_with('/'));
                prop_assert!(url.target().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
