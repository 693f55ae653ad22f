//! How a request came here, and what an app that it is handed on to is told of that.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Version, header};
use pingora::Result;
use pingora::http::RequestHeader;

use crate::net::Peer;

/// The list of addresses that a request came by, the client's first.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How often a request may have come through here before it is a loop: a server to hand requests on to that leads back to
/// one of our listeners would otherwise take every descriptor with one request.
const MAX_HOPS: usize = 4;
/// The name in `Via`.
const PSEUDONYM: &str = "sidestream";

/// What is believed of a request's way here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The client's address, then each proxy's; the socket's peer is the last. Empty where nothing is known.
    pub addresses: Vec<IpAddr>,
    /// The scheme that the client spoke, if a trusted proxy says so.
    pub scheme: Option<Scheme>,
    /// The host that the client asked for, if a trusted proxy says so.
    pub host: Option<HeaderValue>,
}

/// What a client speaks to the proxy it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in `X-Forwarded-Proto`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Way {
    /// Straight from the socket's peer, which is believed nothing.
    #[must_use]
    pub fn direct(peer: Option<Peer>) -> Self {
        Self { addresses: peer.and_then(Peer::ip).into_iter().collect(), ..Self::default() }
    }

    /// The client's address; none where the last that is known came over a unix socket.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// Sets the fields that say who asked, on a request to an app whose authority is `app`.
    ///
    /// Whatever stands in them is dropped, not added to: an app that reads the first address of `X-Forwarded-For` would
    /// believe a forged one. What is to be believed of it is in the way already. `Forwarded` is not written: an app that
    /// got both could read the one, and its framework the other.
    ///
    /// # Errors
    /// When `app` is no field value.
    pub(crate) fn tell(self, request: &mut RequestHeader, app: &str) -> Result<()> {
        let said: Vec<HeaderName> =
            request.headers.keys().filter(|name| is_about_caller(name)).cloned().collect();
        for name in said {
            request.remove_header(&name);
        }
        if !self.addresses.is_empty() {
            let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
            request.insert_header(X_FORWARDED_FOR, addresses.join(", "))?;
        }
        request.insert_header(X_FORWARDED_PROTO, self.scheme.unwrap_or(Scheme::Http).as_str())?;
        let host = request.headers.get(header::HOST).cloned();
        if host.is_none() {
            // Only HTTP/1.0 may come without, and the app is spoken to in HTTP/1.1 (RFC 9112 §3.2).
            request.insert_header(header::HOST, app)?;
        }
        if let Some(host) = self.host.or(host) {
            request.insert_header(X_FORWARDED_HOST, host)?;
        }
        Ok(())
    }
}

/// Whether the field is one that says who asked.
pub(crate) fn is_about_caller(name: &HeaderName) -> bool {
    *name == header::FORWARDED || name.as_str() == "x-real-ip" || name.as_str().starts_with("x-forwarded-")
}

/// Adds this hop to `Via` (RFC 9110 §7.6.3), with the version the caller spoke.
pub(crate) fn add_via(request: &mut RequestHeader, spoken: Version) -> Result<()> {
    let version = if spoken == Version::HTTP_10 { "1.0" } else { "1.1" };
    request.append_header(header::VIA, format!("{version} {PSEUDONYM}"))?;
    Ok(())
}

/// Whether the request has been here too often.
pub(crate) fn is_loop(request: &RequestHeader) -> bool {
    let hops = request.headers.get_all(header::VIA).iter().filter_map(|via| via.to_str().ok());
    hops.flat_map(|via| via.split(',')).filter(|hop| hop.trim().ends_with(PSEUDONYM)).count() > MAX_HOPS
}
