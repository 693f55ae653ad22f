//! A listener's address.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener listens: `host:port`, `[v6]:port` or `unix:/path`. Port 0 lets the kernel choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host (name or IP address, v6 without brackets) and a port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port; 0 for a free one.
        port: u16,
    },
    /// A unix socket's path.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected host:port, [v6]:port or unix:/path")]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(AddressError) };
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let plain = port.bytes().all(|b| b.is_ascii_digit());
        let port = if plain { port.parse().map_err(|_| AddressError)? } else { return Err(AddressError) };
        let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError)?.to_string(),
            None if host.is_empty() || host.contains([':', '[', ']', '/', ' ']) => return Err(AddressError),
            None => host.to_owned(),
        };
        Ok(Self::Tcp { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_and_nothing_else() {
        for text in ["127.0.0.1:8080", "localhost:0", "[::1]:9090", "unix:/run/sidestream/edge.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "8080",
            ":8080",
            "::1:80",
            "host",
            "host:",
            "host:+1",
            "host:65536",
            "unix:rel",
            "http://h:1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text:?}");
        }
    }
}
