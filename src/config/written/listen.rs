//! A listener's address.

use std::fmt;

use crate::net::Address;

use super::{Misread, SOCKET_PATH_BYTES, Written};

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen(pub Address);

impl Written for Listen {
    const FORMAT: &'static str = "sidestream-listen";
    const EXPECTED: &'static str = "host:port, \"[v6]:port\" (in quotes) or unix:/path";

    fn read(text: &str) -> Result<Self, Misread> {
        let address: Address = text.parse().map_err(|_| Misread::Form)?;
        if let Address::Unix(path) = &address {
            socket_path(path)?;
        }
        Ok(Self(address))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether the kernel takes `path` for a unix socket.
pub(super) fn socket_path(path: &std::path::Path) -> Result<(), Misread> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.len() > SOCKET_PATH_BYTES {
        let why =
            format!("expected a socket's path of at most {SOCKET_PATH_BYTES} bytes, not {}", bytes.len());
        return Err(Misread::Because(why.into()));
    }
    if bytes.contains(&0) || bytes.ends_with(b"/") {
        return Err(Misread::Because("expected the path of a socket, such as unix:/run/app.sock".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_the_kernel_would_refuse() {
        assert!(Listen::read("127.0.0.1:0").is_ok());
        assert!(Listen::read(&format!("unix:/{}", "a".repeat(106))).is_ok());
        for text in [format!("unix:/{}", "a".repeat(107)), "unix:/".into(), "unix:/run/\0".into()] {
            assert!(matches!(Listen::read(&text), Err(Misread::Because(_))), "{text:?}");
        }
        assert_eq!(Listen::read("8080"), Err(Misread::Form));
    }
}
