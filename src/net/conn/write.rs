//! Sending: small writes are put together, and the end is told so that it arrives.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::request::HEAD_READ;
use super::{Conn, LAST_CHUNK, OPEN};

/// Bytes of small writes that are put together: one full TCP segment on Ethernet.
const WRITE_BUFFER: usize = 1460;
/// How long and how much is read away at the end, so that a reset for unread bytes does not overtake the answer.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 1 << 20;

/// Reading away what still comes after the end was sent.
#[derive(Debug)]
pub(super) struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl AsyncWrite for Conn {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_deadline(cx)?;
        this.lingering = false;
        if this.unsent.len() + bytes.len() > WRITE_BUFFER {
            // More follows, so nothing of it was the last chunk.
            ready!(this.poll_send_but(0, cx))?;
        }
        if bytes.len() < WRITE_BUFFER {
            this.unsent.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let sent = ready!(Pin::new(&mut this.io).poll_write(cx, bytes))?;
        this.control.touch();
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_deadline(cx)?;
        this.poll_send(cx)
    }

    /// Sends what is left and the end of the stream. When the request was not read whole, what still comes is read away
    /// for a while: closing over unread bytes makes the kernel send a reset, which can overtake the answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(this.poll_send(cx))?;
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            let read_whole = this.owed == 0 && this.unread.is_empty();
            if read_whole || this.owed == OPEN {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_waste(cx)
    }
}

impl Conn {
    /// Sends what is buffered; the bytes of a last chunk stay when they are to be kept. A body's own bytes that look like one
    /// stay, too, until more is written or for good: they are no whole event (no blank line is in them).
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let kept = self.unsent.ends_with(LAST_CHUNK) && self.control.keeps_last_chunk();
        self.poll_send_but(if kept { LAST_CHUNK.len() } else { 0 }, cx)
    }

    /// Sends what is buffered but for the last `kept` bytes.
    fn poll_send_but(&mut self, kept: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent.len() > kept {
            let due = self.unsent.len() - kept;
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.unsent[..due]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.unsent.advance(sent),
            }
            self.control.touch();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is buffered when the application has turned to waiting: it is not followed by more soon. The first time
    /// the task is only woken once more, since a body usually follows its head in the same breath.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        if self.lingering {
            if let Poll::Ready(sent) = self.poll_send(cx) {
                sent?;
            }
        } else {
            self.lingering = true;
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Reads away what comes, until the caller ends, or [`LINGER`] or [`LINGER_BYTES`] are over.
    fn poll_waste(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(sleep_until(Instant::now() + LINGER)),
            bytes: LINGER_BYTES,
        });
        let mut waste = [0; HEAD_READ];
        while linger.bytes > 0 && linger.until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            match buf.filled().len() {
                0 => break,
                read => linger.bytes = linger.bytes.saturating_sub(read),
            }
        }
        Poll::Ready(Ok(()))
    }
}
