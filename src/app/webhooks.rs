//! The ingress as the edge and the admin API see it: they know of each other's needs, not of each other.

use std::sync::Arc;

use async_trait::async_trait;

use crate::admin::{self, SourceRow};
use crate::edge;
use crate::ingress::{Exposure, Ingress, Overview};
use crate::net::http::{Answer, Incoming};

/// The sources of webhooks.
pub(super) struct Webhooks(pub Arc<Ingress>);

#[async_trait]
impl edge::Exposed for Webhooks {
    fn serves(&self, path: &[u8]) -> bool {
        self.0.exposes(path)
    }

    async fn serve(&self, request: &mut Incoming<'_>) -> Option<Answer> {
        self.0.serve_exposed(request).await
    }
}

impl admin::Sources for Webhooks {
    fn list(&self, after: Option<&str>, limit: usize) -> Option<Vec<SourceRow>> {
        Some(self.0.overview(after, limit)?.into_iter().map(row).collect())
    }
}

fn row(overview: Overview) -> SourceRow {
    SourceRow {
        name: overview.name.into(),
        path: overview.path,
        verify: overview.verifier,
        exposed: match overview.exposure {
            Exposure::Edge => admin::Exposed::OnEdge,
            Exposure::Ingress => admin::Exposed::No,
        },
        outcomes: overview.outcomes.into_iter().map(|(outcome, count)| (outcome.as_str(), count)).collect(),
        events: overview.events,
        last_error: overview.last_error.map(|error| (error.time, error.text)),
    }
}
