//! Closing a connection so that the last answer arrives.
//!
//! Closing a socket with unread bytes in it makes the kernel send a reset, and a reset may throw away the answer before
//! the peer has read it (RFC 9112 §9.6). So the write side is closed first, and what still comes is read and dropped.

use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::net::Conn;

/// How long a peer may take to end its side. Long enough for a sender to finish a body it began, short enough that
/// refused connections don't pile up.
const LINGER_TIME: Duration = Duration::from_secs(5);

/// Bytes read and dropped at most: 32 default bodies. Past it a reset is what the peer asked for.
const LINGER_BYTES: usize = 32 << 20;

/// Bytes read at once.
const LINGER_BUFFER: usize = 8 << 10;

/// A connection of ours hands on one request's bytes and no more, unless it is told to.
fn opened(stream: Stream) -> Option<Stream> {
    if !(*stream).as_any().is::<Conn>() {
        return Some(stream);
    }
    let mut conn = stream.into_any().downcast::<Conn>().ok()?;
    conn.open();
    Some(conn)
}

/// Ends the write side, drops what still comes, within bounds, and closes.
pub async fn linger(stream: Stream) {
    let Some(mut stream) = opened(stream) else { return };
    let ended = async {
        // Not pingora's `shutdown` of the same name, which some of its streams leave empty.
        if AsyncWriteExt::shutdown(&mut stream).await.is_err() {
            return;
        }
        let mut buffer = vec![0; LINGER_BUFFER];
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => dropped += n,
            }
        }
    };
    // Out of time or not: the connection is closed either way.
    let _ = timeout(LINGER_TIME, ended).await;
}
