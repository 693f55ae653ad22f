//! The PROXY protocol, versions 1 and 2: what a proxy in front says of its caller, before the caller's first byte
//! (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>).
//!
//! The parser is pure, takes any bytes, and is strict: whoever may connect to a listener that requires the header may
//! also say who asks, so what is not exactly a header is refused, never guessed at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::time::timeout;

use super::conn::{Conn, Peer};

/// Whether a listener's connections begin with a PROXY header.
///
/// There is no policy in between: a listener that took both would believe the header of whoever sends one (section 5 of
/// the specification: a receiver MUST not try to guess whether it is there).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Never: the caller is who is connected.
    #[default]
    Off,
    /// Always: a connection that does not begin with a header is closed.
    Required,
}

/// Bytes of a version 1 header at most, its CR LF included (section 2.1).
const V1_BYTES: usize = 107;

/// What every version 1 header begins with.
const V1_BEGIN: &[u8] = b"PROXY ";

/// What every version 2 header begins with (section 2.2).
const V2_BEGIN: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a version 2 header before its addresses.
const V2_FIXED: usize = 16;

/// Bytes behind them at most: the addresses and the TLVs, which are skipped. The length could say 65,535; the largest that
/// are in use name a TLS session and its certificate, in a few hundred bytes.
const V2_REST: usize = 4096;

/// Bytes of a TLV before its value: its type, and the value's length.
const TLV_FIXED: usize = 3;

/// A header, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who the caller is.
    pub caller: Caller,
    /// Bytes of the header; the caller's first byte follows.
    pub bytes: usize,
}

/// Who a header says the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The sender itself, or someone it knows no address of (`LOCAL`, `UNSPEC`, `UNKNOWN`): the socket's peer counts.
    Socket,
    /// Over TCP.
    Ip(SocketAddr),
    /// Over a unix socket: no address.
    Unix,
}

/// Why bytes are no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They begin like neither version's.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// They begin like one: what is wrong with it.
    #[error("the PROXY header is not valid: {0}")]
    Malformed(&'static str),
    /// It is longer than a header may be.
    #[error("the PROXY header is too long")]
    TooLong,
    /// The connection ended in it, or it did not come in time.
    #[error("the PROXY header did not arrive in time")]
    Incomplete,
}

/// The header that `bytes` begin with; none while they may become one.
///
/// Never reads beyond the header, and asks for no more than 4,112 bytes.
///
/// # Errors
/// As soon as no header can come of them.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    if begins_like(bytes, V2_BEGIN) {
        return parse_v2(bytes);
    }
    if begins_like(bytes, V1_BEGIN) {
        return parse_v1(bytes);
    }
    Err(HeaderError::Missing)
}

/// Whether the one is the beginning of the other, whichever is longer.
fn begins_like(bytes: &[u8], begin: &[u8]) -> bool {
    bytes.iter().zip(begin).all(|(a, b)| a == b)
}

/// Section 2.1: `PROXY`, the family, two addresses and two ports, each behind one space, then CR LF.
fn parse_v1(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let window = &bytes[..bytes.len().min(V1_BYTES)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < V1_BYTES { Ok(None) } else { Err(HeaderError::TooLong) };
    };
    let line = window.get(V1_BEGIN.len()..end).ok_or(HeaderError::Missing)?;
    let line = std::str::from_utf8(line).map_err(|_| HeaderError::Malformed("it is not ASCII"))?;
    let caller = match line.split_once(' ') {
        // What follows UNKNOWN MUST be ignored.
        None if line == "UNKNOWN" => Caller::Socket,
        Some(("UNKNOWN", _)) => Caller::Socket,
        Some(("TCP4", rest)) => v1_source::<Ipv4Addr>(rest)?,
        Some(("TCP6", rest)) => v1_source::<Ipv6Addr>(rest)?,
        _ => return Err(HeaderError::Malformed("its family is none of TCP4, TCP6 and UNKNOWN")),
    };
    Ok(Some(Header { caller, bytes: end + 2 }))
}

/// The first of two addresses and two ports. All four must be what they say: half a header is none.
fn v1_source<A: std::str::FromStr + Into<IpAddr>>(rest: &str) -> Result<Caller, HeaderError> {
    let mut words = rest.split(' ');
    let mut next = || words.next().ok_or(HeaderError::Malformed("it has too few words"));
    let address = |word: &str| -> Result<IpAddr, HeaderError> {
        word.parse::<A>().map(Into::into).map_err(|_| HeaderError::Malformed("an address is none"))
    };
    let (source, _) = (address(next()?)?, address(next()?)?);
    let (port, _) = (v1_port(next()?)?, v1_port(next()?)?);
    if words.next().is_some() {
        return Err(HeaderError::Malformed("it has too many words"));
    }
    Ok(caller(source, port))
}

/// Decimal, without a sign or a leading zero.
fn v1_port(word: &str) -> Result<u16, HeaderError> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    let port = if plain { word.parse().ok() } else { None };
    port.ok_or(HeaderError::Malformed("a port is none"))
}

/// An IPv4 address is one even where the proxy took its connection on an IPv6 socket.
fn caller(address: IpAddr, port: u16) -> Caller {
    Caller::Ip(SocketAddr::new(address.to_canonical(), port))
}

/// Section 2.2: twelve fixed bytes, version and command, family and protocol, the length of the rest, the rest.
fn parse_v2(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    const LOCAL: u8 = 0;
    const PROXY: u8 = 1;
    let Some(&command) = bytes.get(12) else { return Ok(None) };
    if command >> 4 != 2 {
        return Err(HeaderError::Malformed("its version is not 2"));
    }
    if !matches!(command & 0xf, LOCAL | PROXY) {
        return Err(HeaderError::Malformed("its command is neither LOCAL nor PROXY"));
    }
    let (Some(&family), Some(length)) = (bytes.get(13), bytes.get(14..V2_FIXED)) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > V2_REST {
        return Err(HeaderError::TooLong);
    }
    // What can never be right is said before it has come whole.
    let family = if command & 0xf == LOCAL { Family::Unspecified } else { Family::of(family)? };
    if length < family.bytes() {
        return Err(HeaderError::Malformed("its addresses are longer than its length"));
    }
    let Some(rest) = bytes.get(V2_FIXED..V2_FIXED + length) else { return Ok(None) };
    Ok(Some(Header { caller: family.caller(rest)?, bytes: V2_FIXED + length }))
}

/// A version 2 header's family. Datagrams come over no socket of ours, so a header that speaks of them is wrong.
#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    V4,
    V6,
    Unix,
}

impl Family {
    fn of(byte: u8) -> Result<Self, HeaderError> {
        match byte {
            0x00 => Ok(Self::Unspecified),
            0x11 => Ok(Self::V4),
            0x21 => Ok(Self::V6),
            0x31 => Ok(Self::Unix),
            _ => Err(HeaderError::Malformed("its family is none that a stream can have")),
        }
    }

    /// Bytes of two addresses, with their ports.
    fn bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::V4 => 12,
            Self::V6 => 36,
            Self::Unix => 216,
        }
    }

    /// The first address in what follows the fixed bytes, which is at least as long as both.
    fn caller(self, rest: &[u8]) -> Result<Caller, HeaderError> {
        let (addresses, tlvs) = rest.split_at(self.bytes());
        let port = |at: usize| u16::from_be_bytes([addresses[at], addresses[at + 1]]);
        let caller = match self {
            // Whatever follows is to be skipped unseen.
            Self::Unspecified => return Ok(Caller::Socket),
            Self::V4 => caller(first::<4>(addresses).into(), port(8)),
            Self::V6 => caller(first::<16>(addresses).into(), port(32)),
            Self::Unix => Caller::Unix,
        };
        // A length that reaches into the request would most likely show here: better than to lose the request's begin.
        if !are_tlvs(tlvs) {
            return Err(HeaderError::Malformed("what follows its addresses are no TLVs"));
        }
        Ok(caller)
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// Whether the bytes are whole TLVs and nothing else.
fn are_tlvs(mut bytes: &[u8]) -> bool {
    while let [_, high, low, ..] = *bytes {
        let next = TLV_FIXED + usize::from(u16::from_be_bytes([high, low]));
        match bytes.get(next..) {
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
    bytes.is_empty()
}

/// What a listener does with the headers of its connections. Clones count into the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxied(Option<Arc<Strict>>);

#[derive(Debug)]
struct Strict {
    errors: IntCounter,
    said: AtomicBool,
}

impl Proxied {
    pub(super) fn new(policy: ProxyProtocol, errors: IntCounter) -> Self {
        match policy {
            ProxyProtocol::Off => Self(None),
            ProxyProtocol::Required => Self(Some(Arc::new(Strict { errors, said: AtomicBool::new(false) }))),
        }
    }

    /// Whether the connection may be served: it has said who its caller is, if it must. As [`read`] otherwise.
    pub(super) async fn introduced(
        &self,
        conn: &mut Conn,
        time: Duration,
        stop: impl Future<Output = ()>,
    ) -> bool {
        let Some(strict) = &self.0 else { return true };
        match read(conn, time, stop).await {
            Ok(introduced) => introduced,
            Err(error) => {
                strict.errors.inc();
                let peer = conn.peer();
                // The first is most likely a proxy that was not told to send one, and all that comes of it fails.
                if strict.said.swap(true, Ordering::Relaxed) {
                    tracing::debug!(?peer, %error, "closed");
                } else {
                    tracing::warn!(?peer, %error, "closed; more of the kind are counted, and logged at debug");
                }
                false
            }
        }
    }
}

/// Reads the header from a connection that has just been accepted, and makes the caller it names the connection's peer.
/// The proxy sends it at once, so all of it is due within `time`. False: the connection ended without a byte (a load
/// balancer that looks whether somebody listens), or `stop` came before its first.
///
/// # Errors
/// When there is no valid header in time; the connection is of no use.
pub(super) async fn read(
    conn: &mut Conn,
    time: Duration,
    stop: impl Future<Output = ()>,
) -> Result<bool, HeaderError> {
    let whole = async {
        tokio::select! {
            biased;
            read = conn.read_more() => if read.is_err() || conn.unread().is_empty() { return Ok(false) },
            () = stop => return Ok(false),
        }
        loop {
            if let Some(header) = parse(conn.unread())? {
                take(conn, header);
                return Ok(true);
            }
            match conn.read_more().await {
                Ok(0) | Err(_) => return Err(HeaderError::Incomplete),
                Ok(_) => {}
            }
        }
    };
    timeout(time, whole).await.unwrap_or(Err(HeaderError::Incomplete))
}

fn take(conn: &mut Conn, header: Header) {
    conn.drop_unread(header.bytes);
    match header.caller {
        Caller::Socket => {}
        Caller::Ip(address) => conn.set_peer(Peer::Ip(address)),
        Caller::Unix => conn.set_peer(Peer::Unix),
    }
}

#[cfg(test)]
mod tests;
