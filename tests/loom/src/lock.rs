//! A mutex in the shape of the standard library's, made of loom's atomics. Loom's own does not run the interleavings of a
//! failing `try_lock`: unlocking is no step of its own there.

use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, Mutex as Uncontended, MutexGuard as Inner, TryLockError, TryLockResult};

use loom::sync::atomic::{AtomicBool, Ordering};

pub struct Mutex<T> {
    locked: AtomicBool,
    value: Uncontended<T>,
}

pub struct MutexGuard<'a, T> {
    locked: &'a AtomicBool,
    value: Option<Inner<'a, T>>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self { locked: AtomicBool::new(false), value: Uncontended::new(value) }
    }

    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(MutexGuard { locked: &self.locked, value: Some(self.value.lock().unwrap()) }),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        loop {
            match self.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(_) => loom::thread::yield_now(),
            }
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().unwrap()
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        self.locked.swap(false, Ordering::Release);
    }
}
