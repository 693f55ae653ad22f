//! A webhook on its way to the app as well, for sources that have it handed on.
//!
//! Whatever was verified and is no question is handed on, also what was filtered: a filter says which events subscribers
//! want, not what the app may see. What is refused here (422, a step's no) is not: its sender will send it again.

use std::sync::Arc;

use bytes::Bytes;

use super::app::Ingress;
use super::outcome::Refusal;
use super::receive::End;
use super::source::Source;
use crate::log::{AppendError, Appended};
use crate::net::http::{Answer, Incoming};
use crate::relay::{Mode, Plan, Relay, Webhook};

/// A webhook that is to be handed on, or not.
pub(super) struct Relayed<'a>(Option<To<'a>>);

struct To<'a> {
    relay: &'a Relay,
    plan: Arc<Plan>,
    source: &'a str,
    webhook: Webhook<'a>,
}

impl Ingress {
    /// What is to be handed on of a request: nothing where the source has no plan.
    pub(super) fn relayed<'a>(
        &'a self,
        source: &'a Source,
        request: &'a Incoming<'_>,
        body: Bytes,
    ) -> Relayed<'a> {
        let to = self.relay.as_ref().and_then(|relay| {
            let plan = relay.plan(&source.name)?;
            let webhook = Webhook { head: request.request(), way: request.way(), body };
            Some(To { relay, plan, source: &source.name, webhook })
        });
        Relayed(to)
    }
}

impl Relayed<'_> {
    /// Before the log: unless the app takes it, nothing is published, and its answer is the sender's.
    pub(super) async fn before(&self) -> Result<Option<Answer>, Refusal> {
        let Some(to) = self.0.as_ref().filter(|to| to.plan.mode == Mode::Before) else { return Ok(None) };
        let reply = to.relay.send(to.source, &to.plan, to.webhook.clone()).await.map_err(Refusal::Relay)?;
        if reply.is_success() { Ok(Some(reply.into_answer())) } else { Err(Refusal::App(reply)) }
    }

    /// After it: the app's answer is the sender's, or it is queued and has none. A duplicate is in the queue already, or
    /// through it.
    pub(super) async fn after(&self, end: &End) -> Option<Answer> {
        let to = self.0.as_ref()?;
        match &to.plan.mode {
            Mode::Before => None,
            Mode::After => {
                let sent = to.relay.send(to.source, &to.plan, to.webhook.clone()).await;
                Some(match sent {
                    Ok(reply) => reply.into_answer(),
                    Err(error) => error.answer(),
                })
            }
            Mode::Queued(_) => {
                if !end.is_duplicate() {
                    // What is lost is counted there, and changes no answer.
                    let _ = to.relay.queue(to.source, &to.plan, to.webhook.clone());
                }
                None
            }
        }
    }
}

impl Relayed<'_> {
    /// Nothing is known to be in the log. Where it may be, the sender's retry may be a duplicate, which is not queued: so this
    /// one is, and if it is not in the log the app gets it again with the retry.
    pub(super) fn doubtful(&self, refusal: &Refusal) {
        let may_be_kept = matches!(refusal, Refusal::LogSlow | Refusal::Log(AppendError::Unknown));
        if let Some(to) = self.0.as_ref().filter(|to| may_be_kept && matches!(to.plan.mode, Mode::Queued(_)))
        {
            let _ = to.relay.queue(to.source, &to.plan, to.webhook.clone());
        }
    }
}

impl End {
    fn is_duplicate(&self) -> bool {
        matches!(self, Self::Accepted(accepted) if matches!(accepted.appended, Appended::Duplicate(_)))
    }
}
