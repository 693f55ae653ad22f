//! Where the app is.

use std::fmt;

use crate::edge::{Upstream, UpstreamScheme};

use super::listen::socket_path;
use super::{Misread, Written};

/// The app's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppUrl(pub Upstream);

impl Written for AppUrl {
    const FORMAT: &'static str = "sidestream-upstream";
    const EXPECTED: &'static str = "http://host:port, https://host:port or unix:/path";

    fn read(text: &str) -> Result<Self, Misread> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(Misread::Form);
            }
            socket_path(path.as_ref())?;
            return Ok(Self(Upstream::Unix(path.into())));
        }
        let (scheme, rest) = text.split_once("://").ok_or(Misread::Form)?;
        let (scheme, default_port) = match scheme {
            "http" => (UpstreamScheme::Http, 80),
            "https" => (UpstreamScheme::Https, 443),
            _ => return Err(Misread::Form),
        };
        // One slash at the end is how browsers show a bare origin: it names no path.
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            let why = "expected no path, query or fragment: a request keeps its own";
            return Err(Misread::Because(why.into()));
        }
        if authority.contains('@') {
            return Err(Misread::Because("expected no user or password".into()));
        }
        let (host, port) = split(authority).ok_or(Misread::Form)?;
        let port = match port {
            None => default_port,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(Misread::Because("expected a port from 1 to 65535".into())),
            },
            Some(_) => return Err(Misread::Form),
        };
        Ok(Self(Upstream::Tcp { scheme, host, port }))
    }
}

/// Host, without a v6 address's brackets, and the text of the port.
fn split(authority: &str) -> Option<(String, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (v6, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        return Some((v6.parse::<std::net::Ipv6Addr>().ok()?.to_string(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (!host.is_empty() && host.bytes().all(name)).then(|| (host.to_owned(), port))
}

impl fmt::Display for AppUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Upstream::Unix(path) => write!(f, "unix:{}", path.display()),
            Upstream::Tcp { scheme, host, port } => {
                let scheme = match scheme {
                    UpstreamScheme::Http => "http",
                    UpstreamScheme::Https => "https",
                };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_by_table() {
        for (text, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://app", "http://app:80"),
            ("https://app.example/", "https://app.example:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]:80"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(AppUrl::read(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "127.0.0.1:3000",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:b",
            "http://[::1",
            "http://[::1]80",
        ] {
            assert_eq!(AppUrl::read(text), Err(Misread::Form), "{text:?}");
        }
        for text in ["unix:app.sock", "http://a b", "http://a:1:2", "HTTP://a"] {
            assert_eq!(AppUrl::read(text), Err(Misread::Form), "{text:?}");
        }
        for text in ["http://a/b", "http://a?b", "http://a#b", "http://u:p@a", "http://a:0", "http://a:65536"]
        {
            assert!(matches!(AppUrl::read(text), Err(Misread::Because(_))), "{text:?}");
        }
    }
}
