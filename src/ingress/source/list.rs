//! All sources that are configured: one value, replaced as a whole by a reload.

use std::sync::{Arc, LazyLock};

use super::Source;
use crate::ingress::route::Routes;

/// The sources, and which request is for which of them. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Sources(Arc<List>);

#[derive(Debug)]
struct List {
    all: Vec<Arc<Source>>,
    routes: Routes,
}

impl Sources {
    /// These sources. Their names and paths differ: of two with one path only the first would be reached, and two with one
    /// name would share their limits and counts.
    #[must_use]
    pub fn new(all: Vec<Source>) -> Self {
        let routes = Routes::of(all.iter().map(|source| &source.path));
        Self(Arc::new(List { all: all.into_iter().map(Arc::new).collect(), routes }))
    }

    /// In the order of the configuration.
    #[must_use]
    pub fn all(&self) -> &[Arc<Source>] {
        &self.0.all
    }

    /// The source of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Source>> {
        self.0.all.iter().find(|source| &*source.name == name)
    }

    pub(in crate::ingress) fn routes(&self) -> &Routes {
        &self.0.routes
    }
}

/// The one of contract 3; there is one such value, so that two configurations without sources are equal.
impl Default for Sources {
    fn default() -> Self {
        static STANDARD: LazyLock<Sources> = LazyLock::new(|| Sources::new(vec![Source::standard()]));
        STANDARD.clone()
    }
}

/// Whether they are the same value. Two that were read from the same text are not: what was compiled is not compared.
impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Sources {}
