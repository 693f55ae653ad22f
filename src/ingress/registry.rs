//! What a program brings along: verifiers and steps of its own, by the names they are configured by.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::source::{NamedStep, Step};
use crate::verify;

/// Makes a step from its settings, or says in one sentence what is wrong with them. The sentence is shown; it must hold no
/// secret.
type Build = dyn Fn(&Value) -> Result<Arc<dyn Step>, String> + Send + Sync;

/// Verifiers and steps that a program brings along. `sidestream::run_with` takes one.
#[derive(Clone, Default)]
pub struct Registry {
    verifiers: verify::Registry,
    steps: BTreeMap<Box<str>, Arc<Build>>,
}

/// Nothing can be added under this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a step's name is 1 to 64 of a-z 0-9 _ and -, and given once; {0:?} is not")]
pub struct StepNameError(String);

impl Registry {
    /// None but those that sidestream knows itself.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a verifier: `verify: { acme: { … } }` gives the mapping behind `acme` to `build`.
    ///
    /// # Errors
    /// As [`verify::Registry::add`].
    pub fn verifier(
        mut self,
        name: &str,
        build: impl Fn(&Value) -> Result<verify::Scheme, String> + Send + Sync + 'static,
    ) -> Result<Self, verify::NameTaken> {
        self.verifiers.add(name, build)?;
        Ok(self)
    }

    /// Adds a step: `steps: [ { redact: { … } } ]` gives the mapping behind `redact` to `build`, `steps: [ redact ]` null.
    ///
    /// # Errors
    /// [`StepNameError`].
    pub fn step<S: Step>(
        mut self,
        name: &str,
        build: impl Fn(&Value) -> Result<S, String> + Send + Sync + 'static,
    ) -> Result<Self, StepNameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let good = (1..=64).contains(&name.len()) && name.bytes().all(allowed);
        if !good || self.steps.contains_key(name) {
            return Err(StepNameError(name.to_owned()));
        }
        let build = move |settings: &Value| Ok(Arc::new(build(settings)?) as Arc<dyn Step>);
        self.steps.insert(name.into(), Arc::new(build));
        Ok(self)
    }

    /// The verifiers.
    #[must_use]
    pub fn verifiers(&self) -> &verify::Registry {
        &self.verifiers
    }

    /// The names of the steps, in their order.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        self.steps.keys().map(|name| &**name)
    }

    /// Builds the step that was added under `name`, if one was.
    #[must_use]
    pub fn build_step(&self, name: &str, settings: &Value) -> Option<Result<NamedStep, String>> {
        let build = self.steps.get(name)?;
        Some(build(settings).map(|step| NamedStep { name: name.into(), step }))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("verifiers", &self.verifiers)
            .field("steps", &self.steps.keys())
            .finish()
    }
}
