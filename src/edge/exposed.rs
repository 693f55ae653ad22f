//! Webhooks on the public listener: the paths of those sources that say so, answered by who answers them on their own.
//!
//! The edge lends the request, with the caller as it knows it behind its trusted proxies, and writes the answer. Which paths
//! there are, and everything between route and answer, is the business of who implements [`Exposed`]: limits, verification
//! and answers are the same as on the listener for webhooks, and so is what is counted.

use std::time::Duration;

use async_trait::async_trait;
use pingora::Result;
use pingora::proxy::Session;

use super::client_address;
use super::proxy::{Context, Edge, peer};
use crate::lifecycle::Phase;
use crate::net::Wait;
use crate::net::http::{Answer, Caller, Incoming, Intake};

/// How long a caller may take nothing of its answer.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// What is served here besides topics. Implemented by the application for whoever answers webhooks.
#[async_trait]
pub trait Exposed: Send + Sync + 'static {
    /// Whether a path may be one that is exposed: called for every request that is for no topic, so it is quick. `path` is
    /// what stands in the request line before the query, byte for byte: nothing is decoded or tidied up, and only the exact
    /// path of an exposed source is one. So what another reader would take for that path goes to the app, which decides for
    /// itself.
    fn serves(&self, path: &[u8]) -> bool;

    /// The request's answer; none, and nothing of the request was read, when a reload has taken its path away since it was
    /// asked. The path is to be looked up among the exposed ones again, not among all.
    async fn serve(&self, request: &mut Incoming<'_>) -> Option<Answer>;
}

/// The path of a target in origin form.
pub(super) fn path(target: &[u8]) -> &[u8] {
    target.split(|&b| b == b'?').next().unwrap_or(target)
}

impl Edge {
    /// Answers a request for an exposed path. False, and nothing was done, when it is not for one.
    pub(super) async fn serve_exposed(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let Some(exposed) = &self.exposed else { return Ok(false) };
        if !exposed.serves(path(session.req_header().raw_path())) {
            return Ok(false);
        }
        let way = {
            let trusted = &self.settings.load().trusted_proxies;
            client_address::way(peer(session), &session.req_header().headers, trusted)
        };
        let keepalive = session.get_keepalive();
        // Holds what the body takes of a budget, until the answer is written.
        let mut intake = Intake::default();
        let mut request = Incoming::new(&mut session.downstream_session, Caller::Way(way), &mut intake);
        let Some(answer) = exposed.serve(&mut request).await else { return Ok(false) };
        let unread = intake.has_failed() || !session.downstream_session.is_body_done();
        let close = unread || self.lifecycle.phase() >= Phase::Draining;
        // Pingora forbids reuse when it says 100 while the body is still to come; by now the body is there.
        session.set_keepalive(if close { None } else { keepalive });
        if let Some(control) = &ctx.control {
            control.arm(Wait::Progress, WRITE_TIME);
        }
        answer.write(&mut session.downstream_session).await?;
        Ok(true)
    }
}
