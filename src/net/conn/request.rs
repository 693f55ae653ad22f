//! What comes before a request is handed on: its whole head, checked, or its refusal.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::ready;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Chunked, Conn, ENDLESS};
use crate::net::chunks::Chunks;
use crate::net::head::{self, Framing};
use crate::net::refusal::Refusal;
use crate::net::service::Limits;

/// Bytes that are read at a time while a head is incomplete.
pub(super) const HEAD_READ: usize = 4096;

impl Conn {
    /// What was read and not yet handed on.
    pub(in crate::net) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Drops the first bytes of it.
    pub(in crate::net) fn drop_unread(&mut self, bytes: usize) {
        self.unread.advance(bytes);
    }

    /// Reads more of it; 0 when the caller has ended.
    pub(in crate::net) async fn read_more(&mut self) -> io::Result<usize> {
        self.unread.reserve(HEAD_READ);
        self.io.read(&mut self.unread).await
    }

    /// Takes back bytes that were handed on beyond the request's end, to be read before all others.
    pub(in crate::net) fn put_back(&mut self, mut bytes: BytesMut) {
        bytes.unsplit(std::mem::take(&mut self.unread));
        self.unread = bytes;
    }

    /// Waits for the next request's head and checks it. True: it is there, and reads begin with it. False: the caller is
    /// gone, was idle for too long, or `stop` came before its first byte.
    pub(in crate::net) async fn next_request(
        &mut self,
        limits: &Limits,
        stop: impl Future<Output = ()>,
    ) -> Result<bool, Refusal> {
        self.control.reset();
        if self.unread.is_empty() {
            // While it waits, which may be long, it holds no buffer.
            (self.unread, self.unsent, self.timer) = (BytesMut::new(), BytesMut::new(), None);
            tokio::select! {
                biased;
                read = timeout(limits.idle, self.first_bytes()) => match read {
                    Ok(Ok(1..)) => {}
                    Ok(Ok(0) | Err(_)) | Err(_) => return Ok(false),
                },
                () = stop => return Ok(false),
            }
        }
        let due = Instant::now() + limits.head;
        match timeout_at(due, self.read_head(limits.head_bytes)).await {
            Ok(whole) => whole,
            Err(_) if self.unread.is_empty() => Ok(false),
            Err(_) => Err(Refusal::Slow),
        }
    }

    /// Waits until something has come. Readiness alone says little: the runtime takes every accepted connection for
    /// readable until a read has shown otherwise. The read is one that tells the runtime when it has taken all there is,
    /// which spares the next request a read in vain.
    async fn first_bytes(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            ready!(self.io.poll_read_ready(cx))?;
            self.unread.reserve(HEAD_READ);
            let read = pin!(self.io.read(&mut self.unread)).poll(cx);
            if read.is_pending() {
                self.unread = BytesMut::new();
            }
            read
        })
        .await
    }

    async fn read_head(&mut self, limit: usize) -> Result<bool, Refusal> {
        let mut looked = 0;
        loop {
            // RFC 9112 §2.2: an empty line before the request line is ignored.
            let blank = self.unread.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if looked == 0 {
                self.unread.advance(blank);
            }
            let end = head::end(&self.unread, looked);
            if end.unwrap_or(self.unread.len()) > limit {
                return Err(Refusal::TooLarge);
            }
            if let Some(end) = end {
                let framing = head::check(&self.unread[..end])?;
                self.chunked =
                    (framing == Framing::Chunked).then(|| Chunked { head: end, body: Chunks::new() });
                self.owed = match framing {
                    Framing::Length(length) => end as u64 + length,
                    Framing::Chunked => ENDLESS,
                };
                return Ok(true);
            }
            looked = self.unread.len().saturating_sub(3);
            self.unread.reserve(HEAD_READ);
            match self.io.read(&mut self.unread).await {
                Ok(0) | Err(_) => return Ok(false),
                Ok(_) => {}
            }
        }
    }

    /// Answers what was no acceptable request, and ends the connection.
    pub(in crate::net) async fn refuse(&mut self, refusal: Refusal, limits: &Limits) {
        // One that does not read its refusal must not hold its place for longer than one that sends nothing.
        let _ = timeout(limits.head, async {
            self.write_all(&refusal.answer()).await?;
            self.owed = ENDLESS;
            AsyncWriteExt::shutdown(self).await
        })
        .await;
    }
}
