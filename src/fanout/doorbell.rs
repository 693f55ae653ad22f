//! The one lock-free hand-over: a shard goes to sleep, and whoever brings work wakes it.
//!
//! The shard says that it sleeps, then looks for work once more, and only then waits. The bringer makes the work visible,
//! then looks whether the shard sleeps. A sequentially consistent fence lies between the two steps of each, so at least one
//! of them sees the other: work is never left lying beside a sleeping shard, and a busy shard costs no system call.
//! `tests/loom` checks every interleaving.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// One shard's doorbell.
#[derive(Debug)]
pub struct Doorbell {
    asleep: AtomicBool,
}

impl Doorbell {
    /// A doorbell of a shard that is awake.
    #[must_use]
    pub fn new() -> Self {
        Self { asleep: AtomicBool::new(false) }
    }

    /// The shard is about to wait. It must look for work once more after this and before it waits.
    pub fn sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard is awake again.
    pub fn wake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Called after work was made visible. True when the shard sleeps and the caller is the one who must wake it.
    #[must_use]
    pub fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel)
    }
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}
