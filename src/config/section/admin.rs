//! `admin`: the operator's listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::check::Check;
use crate::config::written::{Environment, Listen, SecretSource, Text};
use crate::secret::Secret;

/// The section as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Raw {
    /// Where it listens: `host:port`, `"[v6]:port"` or `unix:/path`; port 0 picks a free one.
    pub listen: Text<Listen>,
    /// The bearer token that writes need: {env: NAME}, {file: PATH} or the token itself. Without one, writes are
    /// allowed from loopback only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
}

impl Default for Raw {
    fn default() -> Self {
        Self { listen: Text::of("127.0.0.1:9090"), token: None }
    }
}

impl Raw {
    /// The token, fetched from where it is.
    pub fn token(&self, check: &mut Check<'_>, environment: &Environment<'_>) -> Option<Secret> {
        self.token.as_ref()?.fetch("admin.token", check, environment)
    }
}
