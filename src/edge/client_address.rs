//! Who asks, when proxies stand in between: from the socket's peer, and from what proxies that are trusted say of theirs.
//!
//! Each proxy adds the address it was connected from at the right end of `X-Forwarded-For` (or `Forwarded`, RFC 7239). So
//! the list is read from the right, and only for as long as whoever wrote the next entry is trusted: the peer wrote the
//! last one, the address in that one wrote the one before it. The first address that is not trusted is the client, and what
//! stands left of it is that client's own claim. An untrusted peer's headers are not even looked at.
//!
//! Where both fields are there, `X-Forwarded-For` is read and `Forwarded` is not: most proxies write only the former and
//! pass the latter through as it came, so a caller could forge it. A proxy that writes `Forwarded` has to remove
//! `X-Forwarded-For`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::{HeaderMap, HeaderValue, header};

use super::forwarded::{self, Element};
use crate::net::Peer;
use crate::net::http::{Scheme, Way, X_FORWARDED_FOR};

/// Proxies in a row that are believed at most; the address of the last one is then the client's. Bounds the work on a list
/// that is as long as a head may be. No path has as many, except one that goes round in circles.
const MAX_HOPS: usize = 32;

/// Whose word about their callers is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Trusted>);

/// One item of [`TrustedProxies`]: `10.0.0.0/8`, `fd00::/8`, a single address, or `unix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Addresses that share their first `length` bits with `first`, whose other bits are 0.
    Network {
        /// The first address; IPv4 where it is one in IPv6's clothes.
        first: IpAddr,
        /// Bits; at most 32 or 128.
        length: u8,
    },
    /// Whoever connects over a unix socket: who may is a matter of the file's permissions.
    Unix,
}

/// Why a text is no [`Trusted`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedError {
    /// It is none of the three forms.
    #[error("expected a network such as 10.0.0.0/8 or fd00::/8, a single address, or unix")]
    Form,
    /// The network with bits behind its length; this one is probably meant.
    #[error("expected {0}: the address has bits beyond the network's length")]
    Beyond(Trusted),
}

impl TrustedProxies {
    /// Whether an address is a trusted proxy's.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|trusted| trusted.has(address))
    }

    /// Whether a connection comes from a trusted proxy.
    #[must_use]
    pub fn has_peer(&self, peer: Peer) -> bool {
        match peer {
            Peer::Ip(address) => self.has(address.ip()),
            Peer::Unix => self.0.contains(&Trusted::Unix),
        }
    }
}

impl FromIterator<Trusted> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = Trusted>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl Trusted {
    fn has(self, address: IpAddr) -> bool {
        let Self::Network { first, length } = self else { return false };
        match (first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(length)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Trusted {
    type Err = TrustedError;

    fn from_str(text: &str) -> Result<Self, TrustedError> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| TrustedError::Form)?;
        let bits = if written.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= bits).ok_or(TrustedError::Form)?
            }
            Some(_) => return Err(TrustedError::Form),
        };
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
        let (address, length) = match written.to_canonical() {
            v4 @ IpAddr::V4(_) if written.is_ipv6() && length >= 96 => (v4, length - 96),
            _ => (written, length),
        };
        let network = Self::Network { first: cut(address, length), length };
        if cut(address, length) == address { Ok(network) } else { Err(TrustedError::Beyond(network)) }
    }
}

/// The address with 0 behind its first bits.
fn cut(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - length).unwrap_or(0)).into()),
        IpAddr::V6(v6) => {
            IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - length).unwrap_or(0)).into())
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str("unix"),
            Self::Network { first: IpAddr::V4(first), length: 32 } => first.fmt(f),
            Self::Network { first: IpAddr::V6(first), length: 128 } => first.fmt(f),
            Self::Network { first, length } => write!(f, "{first}/{length}"),
        }
    }
}

/// The client's address: the first, from the connection on backwards, that is no trusted proxy's. Where a proxy says that
/// it does not know, or something that is no address, it is that proxy's own. None where the last that is known came over a
/// unix socket.
#[must_use]
pub fn client(peer: Peer, headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let mut last = peer.ip();
    walk(peer, headers, trusted, |address, _| last = address.or(last));
    last
}

/// The way a request came, as far as it is believed.
pub(super) fn way(peer: Peer, headers: &HeaderMap, trusted: &TrustedProxies) -> Way {
    let mut way = Way::direct(Some(peer));
    if !trusted.has_peer(peer) {
        return way;
    }
    let mut nearest = None;
    walk(peer, headers, trusted, |address, element| {
        way.addresses.extend(address);
        nearest = element.or(nearest.take());
    });
    way.addresses.reverse();
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    // Of several proxies the one that the client spoke to knows what it spoke.
    if let Some(Element { proto, host, .. }) = nearest {
        way.scheme = proto.and_then(|proto| scheme(proto.as_bytes()));
        way.host = host.and_then(|host| host_value(host.as_bytes()));
    } else {
        way.scheme = only("x-forwarded-proto").and_then(|proto| scheme(proto.as_bytes()));
        way.host = only("x-forwarded-host").and_then(|host| host_value(host.as_bytes()));
    }
    way
}

/// Visits what trusted proxies say of their callers, from the nearest to the client: the address, if it is one, and the
/// element of `Forwarded` that says so where that is the field.
fn walk(
    peer: Peer,
    headers: &HeaderMap,
    trusted: &TrustedProxies,
    mut visit: impl FnMut(Option<IpAddr>, Option<Element>),
) {
    if !trusted.has_peer(peer) {
        return;
    }
    let mut hops = 0;
    // Whether the next one is to be believed too.
    let mut believe = |address: Option<IpAddr>, element| {
        visit(address, element);
        hops += 1;
        hops < MAX_HOPS && address.is_some_and(|address| trusted.has(address))
    };
    if headers.contains_key(X_FORWARDED_FOR) {
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|&b| b == b',')).map(<[u8]>::trim_ascii);
        // RFC 9110 §5.6.1: empty elements of a list do not count.
        let _ = entries.filter(|entry| !entry.is_empty()).all(|entry| believe(address(entry), None));
    } else {
        let lines = headers.get_all(header::FORWARDED).iter().rev();
        let mut elements = lines.flat_map(|line| forwarded::elements_from_the_right(line.as_bytes()));
        while let Some(Ok(element)) = elements.next() {
            let node = element.node.as_deref().and_then(|node| address(node.as_bytes()));
            if !believe(node, Some(element)) {
                break;
            }
        }
    }
}

/// An address as proxies write it: v4, v6, v6 in brackets, each but the plain v6 with or without a port (which may be an
/// obfuscated one, RFC 7239 §6.3). None for `unknown`, `_hidden`, and all else.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            let host: std::net::Ipv6Addr = host.parse().ok()?;
            (IpAddr::from(host), if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => {
                (host.parse::<std::net::Ipv4Addr>().ok()?.into(), Some(port))
            }
            _ => (text.parse().ok()?, None),
        },
    };
    let is_port = |port: &str| {
        let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
        let hidden = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        digits || port.strip_prefix('_').is_some_and(hidden)
    };
    port.is_none_or(is_port).then(|| host.to_canonical())
}

/// A WebSocket's schemes are those of its handshake.
fn scheme(text: &[u8]) -> Option<Scheme> {
    let is = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    if is(["https", "wss"]) {
        return Some(Scheme::Https);
    }
    is(["http", "ws"]).then_some(Scheme::Http)
}

/// A host with or without a port: what `Host` could be (RFC 9110 §7.2), and never a list.
fn host_value(host: &[u8]) -> Option<HeaderValue> {
    /// A name has 253 bytes at most, and a port six with its colon.
    const HOST_BYTES: usize = 259;
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let good = (1..=HOST_BYTES).contains(&host.len()) && host.iter().all(allowed);
    if good { HeaderValue::from_bytes(host).ok() } else { None }
}

#[cfg(test)]
mod tests;
