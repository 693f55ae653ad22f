//! Questions that are open: with the app, or waiting for their turn. Equal ones are one.
//!
//! A question is carried by a task of its own, which no subscriber holds up or takes away: whoever asked first may leave, and
//! the others are told all the same. The task cannot outlast its deadline. If it ended without a word, for whatever reason,
//! whoever waits would be told that too: its [`Flight`] is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Told;
use super::cache::Cache;
use super::error::{AppRefusal, Failure};
use super::limits::{OPEN, OPEN_BYTES};
use super::request::Key;
use crate::auth::AppWord;
use crate::event::Millis;

/// What is known, and what is being asked.
#[derive(Default)]
pub(super) struct Board(Mutex<State>);

#[derive(Default)]
struct State {
    cache: Cache,
    open: HashMap<Key, Landing>,
    bytes: usize,
}

/// Where the word of an open question will be.
pub(super) type Landing = watch::Receiver<Option<Told>>;

/// An open question. Dropped without a word it is open no more, and whoever waits is told of a failure.
pub(super) struct Flight {
    board: Arc<Board>,
    key: Key,
    bytes: usize,
    word: watch::Sender<Option<Told>>,
    landed: bool,
}

/// What is to be done for a question.
pub(super) enum Next {
    /// Nothing: the app has said so already.
    Kept(AppWord),
    /// Wait for the word of an equal one.
    Join(Landing),
    /// Carry it to the app, and wait.
    Carry(Flight, Landing),
    /// There is no room for it.
    Full,
}

impl Board {
    /// Takes a question of `bytes` on. `life`: how long an admission counts, if it does at all.
    pub fn take(self: &Arc<Self>, key: Key, bytes: usize, life: Option<Duration>, clock: Millis) -> Next {
        let mut state = self.state();
        match life {
            Some(life) => {
                if let Some(word) = state.cache.get(&key, life, Instant::now(), clock) {
                    return Next::Kept(word);
                }
            }
            None if state.cache.is_empty() => {}
            None => state.cache.clear(),
        }
        if let Some(landing) = state.open.get(&key) {
            return Next::Join(landing.clone());
        }
        if state.open.len() >= OPEN || state.bytes + bytes > OPEN_BYTES {
            return Next::Full;
        }
        let (word, landing) = watch::channel(None);
        state.open.insert(key, landing.clone());
        state.bytes += bytes;
        Next::Carry(Flight { board: Arc::clone(self), key, bytes, word, landed: false }, landing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Questions and bytes that are open.
    #[cfg(test)]
    pub fn open(&self) -> (usize, usize) {
        let state = self.state();
        (state.open.len(), state.bytes)
    }
}

impl Flight {
    /// Tells all who wait, and keeps an admission for `life`. Whoever asks from now on finds it there or asks anew.
    pub fn land(mut self, told: Told, life: Option<Duration>) {
        let mut state = self.board.state();
        if let (Ok(word), Some(life)) = (&told, life) {
            state.cache.keep(self.key, word, life, Instant::now());
        }
        state.close(&self.key, self.bytes);
        drop(state);
        self.landed = true;
        self.word.send_replace(Some(told));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.board.state().close(&self.key, self.bytes);
        }
    }
}

impl State {
    fn close(&mut self, key: &Key, bytes: usize) {
        self.open.remove(key);
        self.bytes -= bytes;
    }
}

/// The word of an open question.
pub(super) async fn word(mut landing: Landing) -> Told {
    let told = landing.wait_for(Option::is_some).await.map(|told| told.clone());
    told.ok().flatten().unwrap_or(Err(AppRefusal::Failed(Failure::Broken)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Option<Duration> = Some(Duration::from_secs(10));

    fn take(board: &Arc<Board>, n: usize, bytes: usize) -> Next {
        let mut key = Key::default();
        key[..8].copy_from_slice(&n.to_be_bytes());
        board.take(key, bytes, LIFE, Millis(0))
    }

    fn carried(next: Next) -> (Flight, Landing) {
        let Next::Carry(flight, landing) = next else { panic!("it is open already, or there is no room") };
        (flight, landing)
    }

    #[tokio::test]
    async fn equal_questions_are_one_until_it_has_landed() {
        let board = Arc::new(Board::default());
        let (flight, first) = carried(take(&board, 1, 10));
        let Next::Join(second) = take(&board, 1, 10) else { panic!("another") };
        let (other, _) = carried(take(&board, 2, 10));
        assert_eq!(board.open(), (2, 20));
        flight.land(Ok(AppWord::default()), None);
        assert_eq!((word(first).await, word(second).await), (Ok(AppWord::default()), Ok(AppWord::default())));
        // Nothing was kept: it is asked anew.
        carried(take(&board, 1, 10)).0.land(Err(AppRefusal::Forbidden), LIFE);
        carried(take(&board, 1, 10)).0.land(Ok(AppWord::default()), LIFE);
        assert!(matches!(take(&board, 1, 10), Next::Kept(_)));
        drop(other);
        assert_eq!(board.open(), (0, 0));
    }

    #[tokio::test]
    async fn one_that_is_lost_is_told_and_open_no_more() {
        let board = Arc::new(Board::default());
        let (flight, first) = carried(take(&board, 1, 10));
        drop(flight);
        assert_eq!(word(first).await, Err(AppRefusal::Failed(Failure::Broken)));
        assert_eq!(board.open(), (0, 0));
        carried(take(&board, 1, 10));
    }

    #[test]
    fn open_questions_are_bounded_in_number_and_bytes() {
        let board = Arc::new(Board::default());
        let mut open: Vec<_> = (0..OPEN).map(|n| carried(take(&board, n, 1))).collect();
        assert!(matches!(take(&board, OPEN, 1), Next::Full));
        assert!(matches!(take(&board, 0, 1), Next::Join(_)), "what is open takes no room");
        open.pop();
        carried(take(&board, OPEN, 1));
        open.clear();
        let large = carried(take(&board, 1, OPEN_BYTES));
        assert!(matches!(take(&board, 2, 1), Next::Full));
        drop(large);
        assert_eq!(board.open(), (0, 0));
    }

    #[test]
    fn a_cache_that_was_turned_off_forgets() {
        let board = Arc::new(Board::default());
        carried(take(&board, 1, 1)).0.land(Ok(AppWord::default()), LIFE);
        let (flight, _landing) = carried(board.take(Key::default(), 1, None, Millis(0)));
        drop(flight);
        carried(take(&board, 1, 1));
    }
}
