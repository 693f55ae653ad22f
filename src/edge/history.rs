//! `GET /topics/…` for whoever prefers JSON: pages of history, and waiting for the next one.
//!
//! Bounded in four ways. Who asks counts towards the limits on addresses and on what is let in within a second, as who
//! opens a stream does. Pages that are in memory at the same time are counted, and what patterns match is looked for by few at
//! one time and on another thread; who finds no room in time is turned away by name. Who waits is one of the connections that `edge.limits` allows, and one of the edge's requests, of which
//! those who wait have no more than half, so that the app and new streams are served however many wait; what it waits for is
//! taken into the maps after that, and is weighed. Who waits is
//! woken by what comes of its topics alone, and however much that is of other types, it looks into the log only so often.
//!
//! Who has waited is judged once more before it is answered: a revocation or a reload may have come meanwhile.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::access::{self, Gate};
use super::answer::{self, Asker, Common};
use super::page::Page;
use super::query::Asked;
use crate::auth::Grant;
use crate::event::{Begin, Since, Subscription};
use crate::fanout::{Arrival, Fanout, Refused};
use crate::lifecycle::{Lifecycle, Phase};
use crate::log::Log;
use crate::net::http::Answer;

/// Pages that are read and written at the same time. With their JSON they take about three times
/// [`super::page::PAGE_BYTES`] each, so 48 MiB at most where events are small.
const PAGES: usize = 64;

/// How long a request waits for room among them. Reading one takes well under a millisecond.
const ROOM_WAIT: Duration = Duration::from_secs(2);

/// How long a caller may take to receive a page. Only one that does not read runs into it.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// After a look in vain, the next one comes no sooner. What comes on a quiet topic is told at once; on a busy one, where
/// nearly all is of other types, a look costs microseconds and is not to be taken for each of them.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Answers with pages.
pub(super) struct History {
    fanout: Arc<Fanout>,
    log: Arc<dyn Log>,
    lifecycle: Lifecycle,
    room: Arc<Semaphore>,
    /// Places to wait in.
    waiters: Semaphore,
    gate: Arc<Gate>,
}

/// Who asks for a page.
pub(super) struct Listener {
    /// Where it is, behind whatever proxies are trusted; none over a unix socket.
    pub remote: Option<SocketAddr>,
    /// Why it may; none where it said nothing of who it is.
    pub grant: Option<Arc<Grant>>,
}

impl Listener {
    /// Its address, of which there may be only so many listeners.
    pub fn address(&self) -> Option<IpAddr> {
        self.remote.map(|remote| remote.ip())
    }

    /// Whom its token is about, likewise.
    pub fn subject(&self) -> Option<&Arc<str>> {
        self.grant.as_ref()?.subject.as_ref()
    }
}

/// A page, its room, and how many topics had been purged before it was read.
type Held = (Page, OwnedSemaphorePermit, u64);

/// What came of waiting.
enum Waited {
    /// A page that holds something, or the last one looked at.
    Page(Held),
    /// There is no room to wait in, or the log can't be read now.
    Unable,
    /// It may not listen any more.
    Refused(access::Refusal),
    /// The caller is gone.
    Gone(pingora::BError),
}

impl History {
    /// `requests` is how many the edge's listener takes at one time.
    pub fn new(fanout: Arc<Fanout>, lifecycle: Lifecycle, requests: usize, gate: Arc<Gate>) -> Self {
        let log = fanout.log();
        let waiters = (requests / 2).clamp(1, Semaphore::MAX_PERMITS);
        let (room, waiters) = (Arc::new(Semaphore::new(PAGES)), Semaphore::new(waiters));
        Self { fanout, log, lifecycle, room, waiters, gate }
    }

    /// Answers with the page that was asked for, when there is one.
    ///
    /// # Errors
    /// When the answer could not be written, or the caller did not wait for it.
    pub async fn serve(
        &self,
        session: &mut ServerSession,
        asked: Asked,
        listener: Listener,
        common: &Common,
    ) -> pingora::Result<()> {
        let Asked { subscription, begin, page: bounds, token: _ } = asked;
        let Ok(_caller) = self.fanout.call(listener.address(), listener.subject()) else {
            return answer::write_overload(session, Asker::Page, common).await;
        };
        let subscription = Arc::new(subscription);
        // A page without a place is the newest one; of a stream it is what comes.
        let begin = if begin == Begin::Now { Begin::Since(Since::Last(bounds.limit)) } else { begin };
        let may_wait = !bounds.wait.is_zero() && session.req_header().method == Method::GET;
        let Some((page, room, purges)) = self.page(&subscription, &begin, bounds.limit).await else {
            return answer::write_overload(session, Asker::Page, common).await;
        };
        if !may_wait || !page.is_empty() {
            return self.write(session, (page, room, purges), common).await;
        }
        drop(room);
        let waiting = Waiting { subscription: &subscription, limit: bounds.limit, listener };
        match self.wait(session, waiting, page, Instant::now() + bounds.wait).await {
            Waited::Page(held) => self.write(session, held, common).await,
            Waited::Unable => answer::write_overload(session, Asker::Page, common).await,
            Waited::Refused(refusal) => access::refuse(session, &refusal, Asker::Page, common).await,
            Waited::Gone(error) => Err(error),
        }
    }

    /// Reads a page. None when that is not possible now.
    async fn page(&self, subscription: &Arc<Subscription>, begin: &Begin, limit: usize) -> Option<Held> {
        let head = self.fanout.head_for(begin).await;
        let (room, log) = (Arc::clone(&self.room), Arc::clone(&self.log));
        let (wanted, begin, purges) = (Arc::clone(subscription), begin.clone(), self.fanout.purges());
        let read = async move {
            // Who looks for patterns has waited for its turn, and holds it up no longer. Nor has it held this room until then.
            let wait = if wanted.selector.is_looked_for() { Duration::ZERO } else { ROOM_WAIT };
            let Ok(Ok(room)) = timeout(wait, room.acquire_owned()).await else { return Ok(None) };
            let page = Page::read(&*log, head, &wanted, &begin, limit).await?;
            Ok(Some((page, room, purges)))
        };
        let held = self.fanout.search(&subscription.selector, read).await.ok()?;
        if held.is_none() {
            self.fanout.refused(Refused::Pages);
        }
        held
    }

    /// Waits behind `page`, which is empty, for one that is not; until `deadline`, or until the server drains.
    async fn wait(
        &self,
        session: &mut ServerSession,
        waiting: Waiting<'_>,
        mut page: Page,
        deadline: Instant,
    ) -> Waited {
        let Ok(_waiter) = self.waiters.try_acquire() else {
            self.fanout.refused(Refused::Waiting);
            return Waited::Unable;
        };
        // Held while it waits: it is a connection like a stream's.
        let Listener { grant, .. } = &waiting.listener;
        let Ok(_place) = self.fanout.reserve_to_wait() else { return Waited::Unable };
        let Ok(mut arrival) = self.fanout.arrivals(waiting.subscription, waiting.listener.address()) else {
            return Waited::Unable;
        };
        // At once for the first time: what came before it was listened for is told by nobody.
        let (mut next_look, mut listened) = (Instant::now(), Listened::NotYet);
        loop {
            let last = tokio::select! {
                biased;
                error = gone(session) => return Waited::Gone(error),
                () = self.lifecycle.reached(Phase::Draining) => true,
                () = sleep_until(deadline) => true,
                () = arrived(&mut arrival, listened, next_look) => false,
            };
            listened = Listened::Already;
            let read = self.page(waiting.subscription, &page.next(), waiting.limit).await;
            let Some((found, room, purges)) = read else { return Waited::Unable };
            if last || !found.is_empty() {
                return if self.fanout.still_grants(grant.as_deref(), &waiting.subscription.selector) {
                    Waited::Page((found, room, purges))
                } else {
                    Waited::Refused(self.gate.withdrawn(grant.as_deref()))
                };
            }
            (page, next_look) = (found, Instant::now() + LOOK_PAUSE);
        }
    }

    async fn write(
        &self,
        session: &mut ServerSession,
        (page, _room, purges): Held,
        common: &Common,
    ) -> pingora::Result<()> {
        if self.fanout.purges() != purges {
            // Somebody was told that a topic's history is gone, and this may hold some of it.
            return answer::write_overload(session, Asker::Page, common).await;
        }
        if let Some(told) = &page.gap {
            self.fanout.told(told);
        }
        if self.lifecycle.phase() >= Phase::Draining {
            session.set_keepalive(None);
        }
        let answer = Answer::json(StatusCode::OK, page.json())
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let answer = common.on(answer);
        match timeout(WRITE_TIME, answer.write(session)).await {
            Ok(written) => written,
            Err(_) => Err(Error::explain(ErrorType::WriteTimedout, "a page was not read").into_down()),
        }
    }
}

/// What is waited for, and for whom.
struct Waiting<'a> {
    subscription: &'a Arc<Subscription>,
    limit: usize,
    listener: Listener,
}

/// Whether the log was looked into since arrivals are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listened {
    NotYet,
    Already,
}

/// Waits for a reason to look into the log, and until that may be done again.
async fn arrived(arrival: &mut Arrival, listened: Listened, next_look: Instant) {
    if listened == Listened::Already {
        arrival.come().await;
    }
    sleep_until(next_look).await;
}

/// Waits until the caller is gone. A body, which means nothing here, is read away.
async fn gone(session: &mut ServerSession) -> pingora::BError {
    loop {
        if let Err(error) = session.read_body_or_idle(false).await {
            return error.into_down();
        }
    }
}
