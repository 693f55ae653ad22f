//! What ends a grant before its time: a revocation.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::now;
use crate::admin::Revoke;
use crate::auth::{Revoked, RevokedFull, Whom};
use crate::fanout::Fanout;

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
        self.revoked.revoke(whom.clone(), lasts, now())?;
        // All of its streams, by whatever time their token gives for itself: they are there, so it was made before.
        Ok(self.fanout.end_named(Arc::new(move |grant| whom.is_of(grant))).await)
    }
}
