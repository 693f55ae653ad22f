//! How the app is asked whether a request may listen.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::net::{Upstream, UpstreamScheme};

/// Bytes of the URL at most: what servers take everywhere.
const URL_BYTES: usize = 2048;

/// Bytes of a unix socket's path: `sun_path` holds 108 with its NUL.
const SOCKET_PATH_BYTES: usize = 107;

/// `auth.forward`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardSettings {
    /// Where it is asked.
    pub url: ForwardUrl,
    /// How long it may take, connecting included.
    pub timeout: Duration,
    /// How long an answer counts for the same credentials. None: every request is asked about.
    pub cache: Option<Duration>,
}

/// `http://host:port/path`, `https://host:port/path` or `unix:/socket:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardUrl {
    /// The server to ask.
    pub server: Upstream,
    /// Path and query. Begins with `/`.
    pub target: Box<str>,
}

/// Why a text is no [`ForwardUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardUrlError {
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
    /// What has to be written as %XX in a path or query is not.
    #[error("expected spaces, controls, <, >, \", ` and what is not ASCII as %XX")]
    Unescaped,
    /// Longer than anything honest.
    #[error("expected at most {URL_BYTES} bytes")]
    Long,
}

impl FromStr for ForwardUrl {
    type Err = ForwardUrlError;

    fn from_str(text: &str) -> Result<Self, ForwardUrlError> {
        if text.len() > URL_BYTES {
            return Err(ForwardUrlError::Long);
        }
        if text.contains('#') {
            return Err(ForwardUrlError::Fragment);
        }
        let (server, target) = match text.strip_prefix("unix:") {
            Some(rest) => over_unix(rest)?,
            None => over_tcp(text)?,
        };
        let escaped = |b: u8| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b'`');
        if !target.bytes().all(escaped) {
            return Err(ForwardUrlError::Unescaped);
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { server, target: format!("{slash}{target}").into() })
    }
}

/// `/run/app.sock:/may-listen`.
fn over_unix(text: &str) -> Result<(Upstream, &str), ForwardUrlError> {
    let (socket, target) = text.split_once(':').unwrap_or((text, "/"));
    let good = Path::new(socket).is_absolute() && socket.len() <= SOCKET_PATH_BYTES && !socket.contains('\0');
    if good && target.starts_with('/') {
        Ok((Upstream::Unix(socket.into()), target))
    } else {
        Err(ForwardUrlError::Form)
    }
}

fn over_tcp(text: &str) -> Result<(Upstream, &str), ForwardUrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(ForwardUrlError::Form)?;
    let (scheme, default_port) = match scheme {
        "http" => (UpstreamScheme::Http, 80),
        "https" => (UpstreamScheme::Https, 443),
        _ => return Err(ForwardUrlError::Form),
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(ForwardUrlError::User);
    }
    let (host, port) = host_and_port(authority).ok_or(ForwardUrlError::Form)?;
    let port = match port {
        None => default_port,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or(ForwardUrlError::Port)?
        }
        Some(_) => return Err(ForwardUrlError::Form),
    };
    Ok((Upstream::Tcp { scheme, host, port }, target))
}

/// Host, without a v6 address's brackets, and the text of the port.
fn host_and_port(authority: &str) -> Option<(String, Option<&str>)> {
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

/// In one form, so that a usual port that is written is no change.
impl fmt::Display for ForwardUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        match &self.server {
            Upstream::Unix(path) => write!(f, "unix:{}:{target}", path.display()),
            Upstream::Tcp { scheme, host, port } => {
                let scheme = match scheme {
                    UpstreamScheme::Http => "http",
                    UpstreamScheme::Https => "https",
                };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}{target}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        for (text, shown, target) in [
            ("http://127.0.0.1:3000/may-listen", "http://127.0.0.1:3000/may-listen", "/may-listen"),
            ("http://app", "http://app:80/", "/"),
            ("https://app.example/a?b=c", "https://app.example:443/a?b=c", "/a?b=c"),
            ("http://[::1]:3000?b", "http://[::1]:3000/?b", "/?b"),
            ("unix:/run/app.sock:/may-listen", "unix:/run/app.sock:/may-listen", "/may-listen"),
            ("unix:/run/app.sock", "unix:/run/app.sock:/", "/"),
        ] {
            let url: ForwardUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), &*url.target), (shown, target), "{text}");
            assert_eq!(shown.parse(), Ok(url));
        }
        for (text, why) in [
            ("", ForwardUrlError::Form),
            ("app/may-listen", ForwardUrlError::Form),
            ("/may-listen", ForwardUrlError::Form),
            ("ftp://a/", ForwardUrlError::Form),
            ("HTTP://a/", ForwardUrlError::Form),
            ("http:///a", ForwardUrlError::Form),
            ("http://:80/", ForwardUrlError::Form),
            ("http://a b/", ForwardUrlError::Form),
            ("http://a:/", ForwardUrlError::Form),
            ("http://[::1/", ForwardUrlError::Form),
            ("unix:app.sock:/a", ForwardUrlError::Form),
            ("unix:/run/app.sock:a", ForwardUrlError::Form),
            (&format!("unix:/{}:/a", "s".repeat(107)), ForwardUrlError::Form),
            ("http://u:p@a/", ForwardUrlError::User),
            ("http://a/#b", ForwardUrlError::Fragment),
            ("http://a:0/", ForwardUrlError::Port),
            ("http://a:65536/", ForwardUrlError::Port),
            ("http://a/b c", ForwardUrlError::Unescaped),
            ("http://a/b\r\nX: y", ForwardUrlError::Unescaped),
            ("unix:/s:/é", ForwardUrlError::Unescaped),
            (&format!("http://a/{}", "b".repeat(2048)), ForwardUrlError::Long),
        ] {
            assert_eq!(text.parse::<ForwardUrl>(), Err(why), "{text:?}");
        }
    }
}
