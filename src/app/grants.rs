//! What ends a grant before its time: a reload, or a revocation.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::now;
use crate::admin::Revoke;
use crate::auth::{Grant, Revoked, RevokedFull, Whom};
use crate::edge;
use crate::fanout::{self, Fanout};
use crate::live::Live;

/// Judges streams that are there, by the rules, the keys and the revocations of the moment it is asked.
pub(super) fn judge(edge: Live<edge::Settings>, revoked: Arc<Revoked>) -> fanout::Judge {
    let anonymous = Grant::default();
    Arc::new(move |grant, wanted| {
        let access = Arc::clone(&edge.load().access);
        access.still_grants(grant.unwrap_or(&anonymous), wanted, &revoked, now())
    })
}

/// Revokes, for requests to come and for streams that are there.
pub(super) struct Revoker {
    pub revoked: Arc<Revoked>,
    pub fanout: Arc<Fanout>,
}

#[async_trait]
impl Revoke for Revoker {
    async fn revoke(&self, whom: Whom, lasts: Duration) -> Result<usize, RevokedFull> {
        // In this order: whoever is judged after the first is refused, and whoever was before is found by the second, on its
        // way to its shard too.
        self.revoked.revoke(&whom, lasts, now())?;
        // All of its streams, by whatever time their token gives for itself: they are there, so it was made before.
        Ok(self.fanout.end_named(Arc::new(move |grant| whom.is_of(grant))).await)
    }
}
