//! The hand-over between those who append: one of them feeds the ring, for all.
//!
//! Who finds another at work leaves *word* and goes; the other looks for word again, after it has unlocked, before it
//! goes. A sequentially consistent fence lies between word and the try for the lock on one side, and between the
//! unlocking and the last look on the other, so at least one of them sees the other: nothing is left in the tail that
//! nobody will look for. Word is swapped, never stored: of two who leave it at once, the later must see what the earlier
//! has appended. Who is *due* has promised to pump and not begun; those who append meanwhile rely on it.
//! `tests/loom` checks every interleaving.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::TryLockError;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
use super::lock::{Mutex, MutexGuard};
use super::panic::end_process;

/// Whether anything can follow in a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// At once, or when it comes.
    More,
    /// After a while.
    Later,
    /// Never.
    Nothing,
}

/// What is pumped from.
pub trait TakeReady {
    /// Takes all that is there now.
    fn take_ready(&mut self) -> Follows;
}

/// See the module's documentation.
pub struct Pump<F> {
    feeder: Mutex<Option<F>>,
    word: AtomicBool,
    /// Somebody has taken it on to pump, and has not begun.
    due: AtomicBool,
}

impl<F> Default for Pump<F> {
    fn default() -> Self {
        Self { feeder: Mutex::new(None), word: AtomicBool::new(false), due: AtomicBool::new(false) }
    }
}

impl<F: TakeReady> Pump<F> {
    /// From now on there is something to pump from. [`Pump::pump_waiting`] must follow, for what came before.
    pub fn install(&self, feeder: F) {
        *self.lock() = Some(feeder);
    }

    /// Moves into the ring what is in the tail now, or leaves word to whoever is at it.
    pub fn pump(&self) {
        loop {
            self.word.swap(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            {
                let mut feeder = match self.feeder.try_lock() {
                    Ok(feeder) => feeder,
                    Err(TryLockError::WouldBlock) => return,
                    Err(TryLockError::Poisoned(_)) => end_process("the feeder"),
                };
                let Some(feeder) = feeder.as_mut() else { return };
                self.take(feeder);
            }
            if !self.word_was_left() {
                return;
            }
        }
    }

    /// Whether the caller must see to it that [`Pump::pump_when_due`] is called. If not, somebody else has taken that on and
    /// not begun, and will find what is in the tail now.
    pub fn is_due(&self) -> bool {
        !self.due.swap(true, Ordering::AcqRel)
    }

    /// Pumps, as promised to [`Pump::is_due`].
    pub fn pump_when_due(&self) {
        // A swap, not a store: what those appended who relied on this must be seen.
        self.due.swap(false, Ordering::AcqRel);
        self.pump();
    }

    /// Moves into the ring what is in the tail now. Waits for whoever is at it, so that one who never comes back is
    /// noticed.
    pub fn pump_waiting(&self) -> Follows {
        let follows = {
            let mut feeder = self.lock();
            self.word.swap(true, Ordering::SeqCst);
            feeder.as_mut().map_or(Follows::Later, |feeder| self.take(feeder))
        };
        if self.word_was_left() {
            self.pump();
        }
        follows
    }

    /// Whether word was left between the last look and the unlocking.
    fn word_was_left(&self) -> bool {
        fence(Ordering::SeqCst);
        self.word.load(Ordering::SeqCst)
    }

    fn take(&self, feeder: &mut F) -> Follows {
        let mut follows = Follows::More;
        while self.word.swap(false, Ordering::SeqCst) {
            follows = feeder.take_ready();
        }
        follows
    }

    fn lock(&self) -> MutexGuard<'_, Option<F>> {
        self.feeder.lock().unwrap_or_else(|_| end_process("the feeder"))
    }
}
