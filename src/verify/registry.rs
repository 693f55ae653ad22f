//! Verifiers that a program brings along, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::preset;
use super::scheme::Scheme;

/// Makes a verifier from its settings, or says in one sentence what is wrong with them. The sentence is shown; it must
/// hold no secret.
type Build = dyn Fn(&Value) -> Result<Scheme, String> + Send + Sync;

/// Verifiers that a program brings along, by the name that is written in the configuration.
///
/// `verify: { acme: { … } }` gives the mapping behind `acme` to what was added under that name. In it, `{env: NAME}` and
/// `{file: PATH}` have been replaced by the secrets they stand for.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Arc<Build>>);

/// The name belongs to a verifier already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is the name of another verifier")]
pub struct NameTaken(String);

impl Registry {
    /// Adds a verifier.
    ///
    /// # Errors
    /// [`NameTaken`], also by the names that sidestream knows itself: what is written as `github` must be just that.
    pub fn add(
        &mut self,
        name: &str,
        build: impl Fn(&Value) -> Result<Scheme, String> + Send + Sync + 'static,
    ) -> Result<(), NameTaken> {
        if preset::NAMES.contains(&name) || self.0.contains_key(name) {
            return Err(NameTaken(name.to_owned()));
        }
        self.0.insert(name.to_owned(), Arc::new(build));
        Ok(())
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Builds what was added under `name`, if anything was. The name is the scheme's, whatever it calls itself: `none`
    /// means what it says.
    #[must_use]
    pub fn build(&self, name: &str, settings: &Value) -> Option<Result<Scheme, String>> {
        self.0.get(name).map(|build| build(settings).map(|scheme| scheme.named(name)))
    }
}

/// Their names.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Facts;
    use crate::verify::credential::Credential;

    #[test]
    fn a_name_is_given_once() {
        let mut registry = Registry::default();
        let build = |settings: &Value| {
            let token = settings["token"].as_str().ok_or("expected a token")?;
            let secrets = vec![crate::secret::Secret::new(token.as_bytes())];
            let verifier = Credential::bearer(secrets).map_err(|why| why.to_string())?;
            Ok(Scheme::new("none", verifier, Facts::default()))
        };
        registry.add("acme", build).unwrap();
        assert_eq!(registry.add("acme", build), Err(NameTaken("acme".into())));
        for name in preset::NAMES {
            assert_eq!(registry.add(name, build), Err(NameTaken(name.into())));
        }
        assert_eq!(registry.names().collect::<Vec<_>>(), ["acme"]);
        let scheme = registry.build("acme", &serde_json::json!({ "token": "t" })).unwrap().unwrap();
        assert_eq!((scheme.name(), scheme.is_none()), ("acme", false));
        assert_eq!(registry.build("acme", &Value::Null).unwrap().unwrap_err(), "expected a token");
        assert!(registry.build("acne", &Value::Null).is_none());
        assert_eq!(format!("{registry:?}"), "{\"acme\"}");
    }
}
