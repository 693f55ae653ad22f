//! Handing on a request, and no byte more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::{Chunked, Conn, ENDLESS};

/// Bytes of the next request that are taken in early, at most. More stay in the kernel.
const STASH: usize = 1024;
impl AsyncRead for Conn {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_deadline(cx)?;
        this.poll_linger(cx)?;
        if this.owed == 0 {
            return this.poll_early(cx);
        }
        if this.unread.is_empty() {
            return this.poll_fresh(cx, buf);
        }
        let owed = usize::try_from(this.owed).unwrap_or(usize::MAX);
        let count = this.unread.len().min(owed).min(this.head_left()).min(buf.remaining());
        let bytes = this.unread.split_to(count);
        this.look_at(&bytes)?;
        buf.put_slice(&bytes);
        if this.unread.is_empty() {
            this.unread = BytesMut::new();
        }
        this.handed(count);
        Poll::Ready(Ok(()))
    }
}

impl Conn {
    /// Takes in what comes behind the request, so that the caller's going is noticed, up to [`STASH`] bytes.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.unread.is_empty() {
                return Poll::Pending;
            }
            ready!(self.io.poll_read_ready(cx))?;
            self.unread.reserve(STASH);
            match self.io.try_read(&mut self.unread) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => self.control.touch(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_fresh(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let io = Pin::new(&mut self.io);
        let before = buf.filled().len();
        if self.owed >= buf.remaining() as u64 {
            ready!(io.poll_read(cx, buf))?;
        } else {
            let mut rest = ReadBuf::new(buf.initialize_unfilled_to(self.owed as usize));
            ready!(io.poll_read(cx, &mut rest))?;
            let read = rest.filled().len();
            buf.advance(read);
        }
        self.look_at(&buf.filled()[before..])?;
        self.handed(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }

    /// What may be handed on at once: a chunked body's head comes alone, so that what is wrong behind it is the body's.
    fn head_left(&self) -> usize {
        self.chunked.as_ref().map(|chunked| chunked.head).filter(|head| *head > 0).unwrap_or(usize::MAX)
    }

    /// Fails before anything is handed on of chunks that are broken.
    fn look_at(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.chunked {
            None => Ok(()),
            Some(Chunked { head: 0, body }) => {
                body.take(bytes).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))
            }
            Some(Chunked { head, .. }) => {
                *head -= bytes.len();
                Ok(())
            }
        }
    }

    fn handed(&mut self, bytes: usize) {
        if self.owed < ENDLESS {
            self.owed -= bytes as u64;
        }
        if bytes > 0 {
            self.control.touch();
        }
    }
}
