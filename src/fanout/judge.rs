//! Judging open streams again: after a reload, and when somebody is revoked.
//!
//! Whoever changes what is granted does so first and asks here second. Asking begins a new *round* and then tells the
//! shards, which look at all the streams they have. A stream on its way to its shard meanwhile says in which round it was
//! judged, and its shard judges it once more if that was an earlier one, before a byte of an event is written. So none slips
//! through that was judged by what is no longer true: it is either there when its shard begins to look, or late and known
//! to be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::Fanout;
use super::command::Command;
use crate::auth::Grant;
use crate::event::Selector;

/// Whether a stream may go on listening to these topics, by what holds when it is asked. Without a grant the stream is one
/// that everybody was allowed. Called on the shards' threads, for one stream after the other.
pub type Judge = Arc<dyn Fn(Option<&Grant>, &Selector) -> bool + Send + Sync>;

/// Who is named, by their grants.
pub type Named = Arc<dyn Fn(&Grant) -> bool + Send + Sync>;

/// How often streams had been judged again at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(u64);

/// A look at all streams of a shard.
pub struct Sweep {
    /// Which of them end.
    pub loses: Loses,
    /// How many it ended.
    pub answer: oneshot::Sender<usize>,
}

/// Which streams end.
pub enum Loses {
    /// Those that this does not grant what they listen to.
    Ungranted(Judge),
    /// Those with a grant that this names.
    Named(Named),
}

impl fmt::Debug for Loses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ungranted(_) => "Ungranted",
            Self::Named(_) => "Named",
        })
    }
}

impl Clone for Loses {
    fn clone(&self) -> Self {
        match self {
            Self::Ungranted(judge) => Self::Ungranted(Arc::clone(judge)),
            Self::Named(named) => Self::Named(Arc::clone(named)),
        }
    }
}

impl Fanout {
    /// Says once how grants are judged. Until then every stream keeps what it was admitted with.
    pub fn judge_with(&self, judge: Judge) {
        // Who says so a second time would mean the same: there is one application.
        let _ = self.shared.judge.set(judge);
    }

    /// The round now. To be asked *before* a request is judged: what is changed after that, the stream is judged by again.
    #[must_use]
    pub fn round(&self) -> Round {
        self.shared.round()
    }

    /// Whether `grant` still holds for `wanted`: for those who have waited for a page.
    #[must_use]
    pub fn still_grants(&self, grant: Option<&Grant>, wanted: &Selector) -> bool {
        self.shared.grants(grant, wanted)
    }

    /// Judges all streams again and ends those that are not granted any more, cleanly; those too that are on their way to
    /// their shard. What is to hold from now on must be in force before. It has begun when this returns; how many it ended
    /// is what the future says once all were looked at.
    pub fn judge_again(&self) -> impl Future<Output = usize> + Send + use<> {
        let loses = self.shared.judge.get().map(|judge| Loses::Ungranted(Arc::clone(judge)));
        self.sweep(loses)
    }

    /// Ends the streams whose grant is named. As [`Fanout::judge_again`], without looking at anyone else's token.
    pub fn end_named(&self, named: Named) -> impl Future<Output = usize> + Send + use<> {
        self.sweep(Some(Loses::Named(named)))
    }

    fn sweep(&self, loses: Option<Loses>) -> impl Future<Output = usize> + Send + use<> {
        self.shared.begin_round();
        let mut answers = Vec::with_capacity(self.shards.len());
        if let Some(loses) = loses {
            for shard in self.shards.iter() {
                let (answer, ended) = oneshot::channel();
                shard.send(Command::Judge(Sweep { loses: loses.clone(), answer }));
                answers.push(ended);
            }
        }
        async move {
            let mut ended = 0;
            for answer in answers {
                // A shard that does not answer has ended, and the process with it.
                ended += answer.await.unwrap_or(0);
            }
            ended
        }
    }
}

impl super::shared::Shared {
    /// See [`Fanout::round`]. Whoever sees a round sees what was in force before it began.
    pub fn round(&self) -> Round {
        Round(self.rounds.load(Ordering::Acquire))
    }

    pub(super) fn begin_round(&self) {
        self.rounds.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a stream may listen, as everything is now.
    pub fn grants(&self, grant: Option<&Grant>, wanted: &Selector) -> bool {
        self.judge.get().is_none_or(|judge| judge(grant, wanted))
    }
}
