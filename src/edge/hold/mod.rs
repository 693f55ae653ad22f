//! Holds: an app's answer that becomes a stream.
//!
//! A hold's life: where the log stands is noted before the request goes to the app (`asked`), so that whatever is published
//! while the app answers is in the stream; the answer's head is read and made a stream's, and room is taken (`accept`); the
//! app's body passes as any other; and when it is whole, its end is kept back and the connection goes to a shard, which
//! goes on where the app stopped (`go_on`). The connection to the app is in its pool again by then.
//!
//! Until the body is whole nothing of it is a subscription: if it breaks off, or the caller goes, the room is given back,
//! and the caller sees no end.

mod head;
mod tail;
mod wish;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Version};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::io::AsyncWriteExt;

use self::tail::Tail;
use self::wish::{Wish, WishError};
use super::access;
use super::answer::{self, Asker, Common};
use super::problem::{self, Problem};
use super::proxy::{Context, Edge, peer};
use super::query;
use super::subscribe::{SEND_BUFFER, Subscribe, remote};
use crate::event::{Begin, Cursor, Subscription};
use crate::fanout::{Admission, Reservation, Round};
use crate::net::{Conn, take_conn};
use crate::sse::{Framed, Framing};

const INVALID: Problem = Problem::new(502, "the app's answer was not valid");

/// What is known of one request's hold.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// The log's head before the request first went to the app.
    asked: Option<Cursor>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody asks for one.
    #[default]
    None,
    /// The app's body is on its way.
    Open(Box<Open>),
    /// It can't be.
    Refused(Refusal),
}

/// A hold that has its room.
struct Open {
    reservation: Reservation,
    subscription: Arc<Subscription>,
    begin: Begin,
    remote: Option<SocketAddr>,
    framing: Framing,
    timeout: Option<Duration>,
    /// What [`crate::fanout::Fanout::round`] was before it was judged.
    round: Round,
    tail: Tail,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

/// Why there is none, though the app asks for it.
#[derive(Debug)]
enum Refusal {
    /// What it asks for can't be followed.
    Invalid,
    /// A rule denies it to everybody, or there is no room now. What the app's answer says of who may read it holds for ours.
    Turned(access::Refusal, Common),
}

/// Takes the fields of a hold out of an answer that can't be one. True when there were any.
pub(super) fn strip(answer: &mut ResponseHeader) -> bool {
    wish::strip(answer)
}

impl Hold {
    /// The next piece of the app's body.
    pub(super) fn see(&mut self, body: Option<&[u8]>) {
        if let (State::Open(open), Some(body)) = (&mut self.state, body) {
            open.tail.see(body);
        }
    }
}

impl Edge {
    /// The request goes to the app now. When it goes again, what has come since the first time is not lost.
    pub(super) fn note_place(&self, ctx: &mut Context) {
        if let Some(subscribe) = &self.subscribe {
            ctx.hold.asked.get_or_insert_with(|| subscribe.fanout().head());
        }
    }

    /// Reads what an answer says of a hold, and makes it a stream's head.
    ///
    /// # Errors
    /// When the app asks for one and there can be none: the answer is to be [`Edge::answer_unheld`].
    pub(super) fn accept_hold(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let topics = self.settings.load().topics_per_connection;
        let wish = match wish::take(answer, topics) {
            Ok(None) => return Ok(()),
            Ok(Some(wish)) => wish,
            Err(error) => return self.invalid(session, ctx, &error),
        };
        // Without topics there is no room for any.
        let subscribe = self.subscribe.as_ref().ok_or(access::Refusal::Unable);
        let judged = subscribe.and_then(|subscribe| {
            // First: what changes after this is asked of the stream once more.
            let round = subscribe.fanout().round();
            subscribe.gate().hold(&self.settings.load().access, &wish.subscription.selector)?;
            Ok((subscribe, round))
        });
        let opened = match judged {
            Ok(_) if session.req_header().method == Method::HEAD => return head::of_stream(answer),
            Ok((subscribe, round)) => self.open_hold(subscribe, session, ctx, wish, round),
            Err(refusal) => Err(refusal),
        };
        match opened {
            Ok(open) => {
                head::of_stream(answer)?;
                session.set_keepalive(None);
                if let (Framing::Chunked, Some(control)) = (open.framing, &ctx.control) {
                    control.keep_last_chunk();
                }
                ctx.hold.state = State::Open(Box::new(open));
                Ok(())
            }
            Err(refusal) => {
                ctx.hold.state = State::Refused(Refusal::Turned(refusal, head::readers(answer)));
                Err(Error::explain(ErrorType::ConnectionClosed, "the answer is not held").into_down())
            }
        }
    }

    /// Room for a hold, and where it begins.
    fn open_hold(
        &self,
        subscribe: &Subscribe,
        session: &Session,
        ctx: &Context,
        wish: Wish,
        round: Round,
    ) -> std::result::Result<Open, access::Refusal> {
        let request = session.req_header();
        let query = request.uri.query().map(str::as_bytes);
        let last_event_id = request.headers.get("last-event-id").map(HeaderValue::as_bytes);
        let asked = || ctx.hold.asked.map(|cursor| cursor.to_string().into_bytes().into());
        let begin = query::cursor(query, last_event_id).or_else(asked).map_or(Begin::Now, Begin::Cursor);
        let remote = remote(peer(session), &request.headers, &self.settings.load().trusted_proxies);
        let reservation = subscribe.fanout().reserve(remote.map(|remote| remote.ip()), None, &begin);
        let reservation = reservation.map_err(|_| access::Refusal::Unable)?;
        let framing = if request.version >= Version::HTTP_11 { Framing::Chunked } else { Framing::Close };
        let Wish { subscription, timeout } = wish;
        let (subscription, tail) = (Arc::new(subscription), Tail::default());
        Ok(Open { reservation, subscription, begin, remote, framing, timeout, round, tail })
    }

    /// An upgrade's answer is never held.
    ///
    /// # Errors
    /// When the app asks for it: the answer is to be [`Edge::answer_unheld`].
    pub(super) fn refuse_hold(
        &self,
        session: &Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if wish::strip(answer) { self.invalid(session, ctx, &WishError::Upgrade) } else { Ok(()) }
    }

    fn invalid(&self, session: &Session, ctx: &mut Context, error: &WishError) -> Result<()> {
        ctx.hold.state = State::Refused(Refusal::Invalid);
        if let Some(left_out) = self.failures.pass(Instant::now()) {
            let (method, path) = (&session.req_header().method, session.req_header().uri.path());
            tracing::error!(%method, path, left_out, %error, "the app's answer can't be held");
        }
        Err(Error::explain(ErrorType::InvalidHTTPHeader, "a hold that can't be").into_up())
    }

    /// Answers where a hold could not be; false when that is not why the request failed.
    pub(super) async fn answer_unheld(&self, session: &mut Session, ctx: &mut Context) -> bool {
        let State::Refused(refusal) = std::mem::take(&mut ctx.hold.state) else { return false };
        session.set_keepalive(None);
        // A caller that is gone needs no answer.
        let _ = match refusal {
            Refusal::Invalid => problem::answer(session, INVALID).await,
            Refusal::Turned(refusal, common) => {
                let asker = Asker::Stream(self.settings.load().overload);
                access::refuse(&mut session.downstream_session, &refusal, asker, &common).await
            }
        };
        session.downstream_session.shutdown().await;
        true
    }

    /// The app's answer is whole and written: if it is held, the connection goes to a shard, which goes on with it. After that
    /// the session is an empty one.
    pub(super) async fn go_on(&self, session: &mut Session, ctx: &mut Context) {
        let State::Open(open) = std::mem::take(&mut ctx.hold.state) else { return };
        let Some(subscribe) = &self.subscribe else { return };
        let Open { reservation, subscription, begin, remote, framing, timeout, round, tail } = *open;
        let Some(mut conn) = take_conn(&mut session.downstream_session) else {
            return tracing::error!("a hold is not on a connection of ours");
        };
        if framing == Framing::Chunked && !conn.take_back_last_chunk() {
            // Closed without it: the caller sees that it is not whole.
            return tracing::error!("a hold's last chunk is not where it should be");
        }
        let mut rest = Vec::new();
        if !tail.missing().is_empty() {
            rest.extend_from_slice(&Framed::new(tail.missing()).bytes(framing));
        }
        let rule = subscribe.rule(&subscription.selector);
        let beginning = match reservation.begin(subscription, &begin).await {
            Ok(beginning) => beginning,
            Err(error) => {
                tracing::debug!(%error, "a hold can't go on");
                return end(*conn, rest, framing).await;
            }
        };
        let socket = match conn.into_socket() {
            Ok(socket) => socket,
            Err(error) => return tracing::debug!(%error, "a held socket could not be taken over"),
        };
        // A kernel that refuses keeps its own default, which is only larger.
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        let grant = Some(subscribe.gate().held(timeout));
        let head = rest.into();
        beginning.admit(Admission { socket, remote, framing, head, rule, grant, judged: round });
    }
}

/// Ends a body that was to go on, cleanly: the caller is to come back later.
async fn end(mut conn: Conn, mut rest: Vec<u8>, framing: Framing) {
    rest.extend_from_slice(&Framed::new(&answer::come_back()).bytes(framing));
    rest.extend_from_slice(framing.end());
    // One that is gone has nothing to hear.
    let _ = conn.write_all(&rest).await;
    let _ = conn.shutdown().await;
}
