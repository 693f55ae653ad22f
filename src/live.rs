//! Settings that a reload replaces.
//!
//! The application keeps one configuration snapshot and swaps it as a whole; each part holds a [`Live`] view of its own
//! piece. A part that needs several values of one moment loads once and keeps the guard for that moment.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::access::{DynAccess, DynGuard};

/// A view of one part of the current snapshot.
pub struct Live<T>(Arc<dyn DynAccess<T> + Send + Sync>);

impl<T: 'static> Live<T> {
    /// A view through `access`, such as a projection of the application's snapshot.
    pub fn new(access: impl DynAccess<T> + Send + Sync + 'static) -> Self {
        Self(Arc::new(access))
    }

    /// A view that never changes, for parts that stand alone.
    pub fn fixed(value: T) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        Self::new(arc_swap::access::Constant(value))
    }

    /// The value now. Short-lived: a guard that is kept keeps the old snapshot alive.
    #[must_use]
    pub fn load(&self) -> impl Deref<Target = T> + use<T> {
        let guard: DynGuard<T> = self.0.load();
        guard
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
