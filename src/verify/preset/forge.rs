//! Gitea and Forgejo, which went on from it. <https://docs.gitea.com/usage/webhooks>,
//! <https://forgejo.org/docs/latest/user/webhooks/>
//!
//! As GitHub, the body alone, but without a prefix. Both send GitHub's header fields too; those are not looked at.

use crate::secret::Secret;
use crate::verify::engine::{Fields, Form, Parameters};
use crate::verify::{Facts, IdRule, Refused, Scheme};

use super::github::hub_signature_256;
use super::{in_header, name, scheme};

/// Gitea.
///
/// # Errors
/// As [`super::hmac`].
pub fn gitea(secrets: &[Secret]) -> Result<Scheme, Refused> {
    let facts = facts("x-gitea-delivery", "x-gitea-event");
    scheme("gitea", unprefixed("x-gitea-signature"), facts, secrets)
}

/// Forgejo.
///
/// # Errors
/// As [`super::hmac`].
pub fn forgejo(secrets: &[Secret]) -> Result<Scheme, Refused> {
    let facts = facts("x-forgejo-delivery", "x-forgejo-event");
    scheme("forgejo", unprefixed("x-forgejo-signature"), facts, secrets)
}

fn unprefixed(signature: &'static str) -> Parameters {
    let github = hub_signature_256();
    let forms = github.forms.iter().map(|form| Form::new("", form.method)).collect();
    Parameters { fields: vec![Fields::signature(name(signature))], forms, ..github }
}

fn facts(id: &'static str, kind: &'static str) -> Facts {
    Facts { id: IdRule::First(vec![in_header(id)]), kind: Some(in_header(kind)), ..Facts::default() }
}
