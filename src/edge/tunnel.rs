//! Upgraded connections: `WebSockets` between a caller and the app.
//!
//! Pingora could proxy them, but a tunnel to a fast app is torn down when the 101 overtakes the end of the request's empty
//! body (cloudflare/pingora#946), and over loopback that is common. So the handshake is made here with pingora's sessions
//! on both sides, and then two plain streams are copied into each other: less memory, and no message framing in between.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession as AppSession;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::time::timeout;

use super::client_address::TrustedProxies;
use super::forward;
use super::problem::{self, Problem};
use super::proxy::{Context, Edge, peer};
use crate::lifecycle::Phase;
use crate::net::upstream::App;
use crate::net::{Conn, Roots, Wait, take_conn};

const NOT_ALONE: Problem = Problem::new(400, "Connection names more than the upgrade");

/// How long the other direction may go on when one has ended. Both ends of a WebSocket close at once, but what one sent
/// before it heard of that is still to be delivered.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Connects upgraded connections to the app. They are never shared or kept, so this has no pool.
pub(super) struct Tunnels {
    connector: OnceLock<TransportConnector>,
    ca_file: Option<String>,
}

impl Tunnels {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { connector: OnceLock::new(), ca_file: roots.file() }
    }

    async fn connect(&self, app: &mut App) -> Result<Stream> {
        // Made when first needed: it reads the system's certificates.
        let connector = self.connector.get_or_init(|| {
            let options = ConnectorOptions { ca_file: self.ca_file.clone(), ..ConnectorOptions::new(0) };
            TransportConnector::new(Some(options))
        });
        loop {
            let peer = app.peer()?;
            match connector.new_stream(&*peer).await {
                Ok(stream) => return Ok(stream),
                Err(_) if app.try_next() => {}
                Err(error) => return Err(error.into_up()),
            }
        }
    }
}

impl Edge {
    /// Asks the app for the upgrade. What it answers is passed on; with a 101 the connections become one, until either side
    /// ends, nothing has passed for the idle time-out, or the drain's window is over.
    ///
    /// # Errors
    /// Only before anything was answered.
    pub(super) async fn tunnel(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        let Some(app) = ctx.app.as_mut() else { return Err(Error::new(ErrorType::InternalError)) };
        let request = request(session, &self.settings.load().trusted_proxies, app)?;
        let Some(request) = request else {
            return problem::answer(session, NOT_ALONE).await;
        };
        let mut upgrade = AppSession::new(self.tunnels.connect(app).await?);
        let timeouts = app.timeouts();
        ctx.asked = Some(Instant::now());
        let asked = timeout(timeouts.first_byte, ask(&mut upgrade, request)).await;
        let mut answer = asked
            .or_err(ErrorType::ReadTimedout, "the upgrade's answer")
            .and_then(|r| r)
            .map_err(Error::into_up)?;
        self.note_answer(&answer, ctx);
        self.refuse_hold(session, &mut answer, ctx)?;
        if answer.status != StatusCode::SWITCHING_PROTOCOLS {
            upgrade.read_timeout = Some(timeouts.idle);
            return refused(session, upgrade, answer).await;
        }
        let Some(conn) = take_conn(&mut session.downstream_session) else {
            return Err(Error::explain(ErrorType::InternalError, "not on a connection of ours"));
        };
        let control = conn.control();
        control.arm(Wait::Progress, timeouts.idle);
        tokio::select! {
            ended = join(*conn, upgrade, &answer) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a WebSocket ended");
                }
            }
            () = self.lifecycle.reached(Phase::Ending) => {}
        }
        Ok(())
    }
}

/// The request as the app gets it.
fn request(session: &Session, trusted: &TrustedProxies, app: &App) -> Result<Option<RequestHeader>> {
    let mut request = session.req_header().clone();
    if !forward::normalize_websocket(&mut request)? {
        return Ok(None);
    }
    forward::identify(&mut request, peer(session), trusted, &app.authority())?;
    forward::add_via(&mut request, session.req_header().version)?;
    Ok(Some(request))
}

/// The first answer that is none in between.
async fn ask(app: &mut AppSession, request: RequestHeader) -> Result<Box<ResponseHeader>> {
    app.write_request_header(Box::new(request)).await?;
    loop {
        let answer = app.read_resp_header_parts().await?;
        if !answer.status.is_informational() || answer.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
    }
}

/// Passes on an answer that is no upgrade, and closes: the app may have taken what comes next for either protocol.
async fn refused(session: &mut Session, mut app: AppSession, mut answer: Box<ResponseHeader>) -> Result<()> {
    session.set_keepalive(None);
    for hop in ["keep-alive", "proxy-connection"] {
        answer.remove_header(hop);
    }
    session.write_response_header(answer, false).await?;
    while let Some(bytes) = app.read_body_bytes().await.map_err(Error::into_up)? {
        session.write_response_body(Some(bytes), false).await?;
    }
    session.write_response_body(None, true).await
}

/// Copies both ways until one side has ended, or fails.
async fn join(mut caller: Conn, mut app: AppSession, answer: &ResponseHeader) -> std::io::Result<()> {
    caller.write_all(&head(answer)).await?;
    if let Some(early) = early(&mut app).await {
        caller.write_all(&early).await?;
    }
    caller.flush().await?;
    caller.open();
    let (from_caller, to_caller) = split(caller);
    let (from_app, to_app) = split(app.into_inner());
    let (mut up, mut down) = (pin!(pass_on(from_caller, to_app)), pin!(pass_on(from_app, to_caller)));
    tokio::select! {
        ended = &mut up => { ended?; timeout(LAST_WORDS, down).await }
        ended = &mut down => { ended?; timeout(LAST_WORDS, up).await }
    }
    .unwrap_or(Ok(()))
}

async fn pass_on(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    copy(&mut from, &mut to).await?;
    to.shutdown().await
}

/// What the app sent right behind its head and the session has read along with it; it is lost with the session otherwise.
/// Polled once: bytes that are there are ready, and nothing is waited for.
async fn early(app: &mut AppSession) -> Option<Bytes> {
    let mut read = pin!(app.read_body_bytes());
    std::future::poll_fn(|cx| match read.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(read.ok().flatten()),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn head(answer: &ResponseHeader) -> BytesMut {
    let mut head = BytesMut::with_capacity(512);
    head.put_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    answer.header_to_h1_wire(&mut head);
    head.put_slice(b"\r\n");
    head
}
