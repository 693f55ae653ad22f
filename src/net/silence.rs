//! Tells a peer that vanished from one that stands still.
//!
//! A peer whose link is gone acknowledges nothing. One that merely reads nothing acknowledges what it has room for, and
//! then answers each probe of its shut window. `TCP_USER_TIMEOUT` counts both alike (tcp(7); it is also looked at between
//! acknowledged probes), so it would cut off whoever stands still; without it a lost peer is kept for `tcp_retries2`,
//! about a quarter of an hour. The kernel tells them apart in `TCP_INFO`.

use std::os::fd::AsFd;
use std::time::Duration;

/// For how long a peer has acknowledged nothing, though something on its way to it asks for that: data in flight, or a probe
/// of its shut window. None when it owes nothing, or where the system can't tell (a unix socket, another system than
/// Linux).
///
/// A moment's silence is nothing: whatever is on its way at this moment looks the same. It is for the caller to say which
/// silence is too long, and to look twice.
#[must_use]
pub fn silence(socket: &impl AsFd) -> Option<Duration> {
    info(socket)?.silence()
}

/// What the kernel knows of a connection, as far as it is asked here.
#[derive(Clone, Copy, Debug)]
struct Info {
    /// Probes of a shut window since anything was acknowledged.
    probes: u8,
    /// Segments in flight.
    in_flight: u32,
    /// Milliseconds since data was last sent, first or again.
    sent: u32,
    /// Milliseconds since anything was acknowledged.
    acknowledged: u32,
}

impl Info {
    fn silence(self) -> Option<Duration> {
        // Who shrank its window has data in flight that it answers, and does not take: sent before the last answer.
        let unanswered = self.probes > 0 || (self.in_flight > 0 && self.sent < self.acknowledged);
        unanswered.then(|| Duration::from_millis(self.acknowledged.into()))
    }
}

#[cfg(target_os = "linux")]
fn info(socket: &impl AsFd) -> Option<Info> {
    use nix::sys::socket::getsockopt;

    let bytes = getsockopt(socket, linux::TcpInfo).ok()?;
    let word = |at: usize| bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes);
    Some(Info { probes: bytes[3], in_flight: word(24)?, sent: word(44)?, acknowledged: word(56)? })
}

#[cfg(not(target_os = "linux"))]
fn info(_: &impl AsFd) -> Option<Info> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use nix::sys::socket::sockopt::GetStruct;

    /// The beginning of the kernel's `struct tcp_info` (linux/tcp.h), which only ever grew at its end: up to and with
    /// `tcpi_last_ack_recv`. As bytes, since any are valid; the kernel gives as many as are asked for.
    type Beginning = [u8; 60];

    #[derive(Clone, Copy, Debug)]
    pub struct TcpInfo;

    nix::getsockopt_impl!(TcpInfo, libc::IPPROTO_TCP, libc::TCP_INFO, Beginning, GetStruct<Beginning>);
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, theirs)
    }

    #[test]
    fn who_owes_nothing_is_not_silent() {
        let (mut ours, mut theirs) = pair();
        assert_eq!(silence(&ours), None);
        for _ in 0..100 {
            ours.write_all(b"x").unwrap();
            theirs.read_exact(&mut [0]).unwrap();
        }
        ours.write_all(b"x").unwrap();
        theirs.read_exact(&mut [0]).unwrap();
        // The kernel of the peer answers at once on loopback, or after its delayed acknowledgement.
        while info(&ours).unwrap().in_flight > 0 {
            std::thread::yield_now();
        }
        assert_eq!(silence(&ours), None);
    }

    #[test]
    fn who_stands_still_with_a_shut_window_has_answered_all() {
        let (mut ours, theirs) = pair();
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 4096]).is_ok() {}
        while info(&ours).unwrap().in_flight > 0 {
            std::thread::yield_now();
        }
        assert_eq!(info(&ours).unwrap().silence(), None);
        drop(theirs);
    }

    #[test]
    fn a_unix_socket_has_no_link_to_lose() {
        assert_eq!(silence(&UnixStream::pair().unwrap().0), None);
    }

    /// As the kernel tells it: what is unanswered, when it was sent, and when anything was acknowledged last.
    #[test]
    fn silence_begins_with_what_is_not_answered() {
        let info = |probes, in_flight, sent, acknowledged| Info { probes, in_flight, sent, acknowledged };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (told, expected) in [
            // A quiet stream, long after its last event.
            (info(0, 0, 60_000, 60_000), None),
            // Something has just been sent on it.
            (info(0, 1, 0, 60_000), seconds(60)),
            // Sent and sent again.
            (info(0, 3, 7_000, 20_000), seconds(20)),
            // A window shut for long, between two probes that were answered.
            (info(0, 0, 300_000, 100_000), None),
            // A probe on its way, or lost.
            (info(1, 0, 300_000, 100_000), seconds(100)),
            // A window that shrank below what is in flight, which is sent again and answered each time.
            (info(0, 2, 90_000, 90_000), None),
            (info(0, 2, 90_020, 90_000), None),
        ] {
            assert_eq!(told.silence(), expected, "{told:?}");
        }
    }
}
