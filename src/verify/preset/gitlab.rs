//! GitLab, which has two ways. <https://docs.gitlab.com/user/project/integrations/webhooks/>
//!
//! `Idempotency-Key` (since 17.4) is one of a delivery and its retries. `X-Gitlab-Event-UUID` is no id: a hook that another
//! hook has set off carries the first one's, and so do all hooks of one event, so that comparing it would drop genuine
//! events. `X-Gitlab-Webhook-UUID` is that of the hook's settings.
//!
//! The configuration says which of them is required. Were either believed, whoever has seen a token could leave the
//! signature away.

use std::time::Duration;

use crate::secret::Secret;
use crate::verify::credential::Credential;
use crate::verify::{Facts, IdRule, Locator, Proof, Refused, Scheme};

use super::standard::symmetric;
use super::{in_header, name, scheme};

/// The secret itself in `X-Gitlab-Token`: neither body nor time are covered.
///
/// # Errors
/// As [`super::header`].
pub fn gitlab_token(secrets: Vec<Secret>) -> Result<Scheme, Refused> {
    let facts = Facts {
        proofs: vec![Proof::Header(name("x-gitlab-token"))],
        ..facts(vec![in_header("idempotency-key")])
    };
    Credential::header(name("x-gitlab-token"), secrets).map(|verifier| Scheme::new("gitlab", verifier, facts))
}

/// Exactly Standard Webhooks `v1`.
///
/// # Errors
/// As [`super::hmac`].
pub fn gitlab_signed(secrets: &[Secret], tolerance: Duration) -> Result<Scheme, Refused> {
    scheme("gitlab", symmetric(tolerance), facts(vec![in_header("webhook-id")]), secrets)
}

fn facts(ids: Vec<Locator>) -> Facts {
    Facts { id: IdRule::First(ids), kind: Some(in_header("x-gitlab-event")), ..Facts::default() }
}
