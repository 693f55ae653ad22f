//! The doorbell between whoever brings work and a shard, and the pump between those who append, under loom, which runs every interleaving. A package of its own,
//! because loom replaces the atomics of everything that is compiled with it.

#[path = "../../../src/fanout/doorbell.rs"]
pub mod doorbell;
#[cfg(loom)]
pub mod lock;
#[path = "../../../src/fanout/pump.rs"]
pub mod pump;

/// In place of the process's end.
mod panic {
    pub(super) fn end_process(what: &str) -> ! {
        panic!("{what} panicked")
    }
}

#[cfg(all(test, loom))]
mod tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use loom::thread;

    use super::doorbell::Doorbell;
    use super::pump::{Follows, Pump, TakeReady};

    /// Enough for each thread to be held up once between any two of its steps.
    const PREEMPTIONS: usize = 3;

    /// Work lies in `head`; the waker is a flag that a real poll would wait for.
    struct Shared {
        doorbell: Doorbell,
        head: AtomicU64,
        woken: AtomicBool,
    }

    impl Shared {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                doorbell: Doorbell::new(),
                head: AtomicU64::new(0),
                woken: AtomicBool::new(false),
            })
        }

        fn bring(&self) {
            // As the ring does it.
            self.head.store(1, Ordering::Release);
            if self.doorbell.ring() {
                self.woken.store(true, Ordering::Release);
            }
        }
    }

    #[test]
    fn work_is_never_left_beside_a_sleeping_shard() {
        loom::model(|| {
            let shared = Shared::new();
            let bringer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.bring())
            };
            // The shard: says that it sleeps, looks once more, and only then waits.
            shared.doorbell.sleep();
            let found = shared.head.load(Ordering::Acquire) > 0;
            bringer.join().unwrap();
            let woken = shared.woken.load(Ordering::Acquire);
            assert!(found || woken, "the shard would sleep beside the work");
        });
    }

    #[test]
    fn of_two_who_bring_work_one_wakes() {
        loom::model(|| {
            let shared = Shared::new();
            shared.doorbell.sleep();
            let bringers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        shared.head.fetch_add(1, Ordering::Release);
                        shared.doorbell.ring()
                    })
                })
                .collect();
            let rings = bringers.into_iter().map(|b| b.join().unwrap()).filter(|&r| r).count();
            assert_eq!(rings, 1, "a sleeping shard is woken once, not twice and not never");
        });
    }

    /// A log's tail, and how much of it has come into the ring.
    #[derive(Clone)]
    struct Tail {
        appended: Arc<AtomicU64>,
        taken: Arc<AtomicU64>,
    }

    impl TakeReady for Tail {
        fn take_ready(&mut self) -> Follows {
            // Relaxed: the hand-over itself must show what was appended before it.
            self.taken.store(self.appended.load(Ordering::Relaxed), Ordering::Relaxed);
            Follows::More
        }
    }

    struct Appending {
        pump: Pump<Tail>,
        tail: Tail,
    }

    impl Appending {
        fn new() -> Arc<Self> {
            let tail = Tail { appended: Arc::default(), taken: Arc::default() };
            let this = Self { pump: Pump::default(), tail: tail.clone() };
            this.pump.install(tail);
            Arc::new(this)
        }

        fn append(&self) {
            self.tail.appended.fetch_add(1, Ordering::Relaxed);
            if self.pump.is_due() {
                self.pump.pump_when_due();
            }
        }
    }

    /// Runs every interleaving with few preemptions. Two that pump and are held up again and again just where each sees the
    /// other's word go round for ever, so all interleavings cannot be had; more word than needed costs a look, no event.
    fn bounded(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(PREEMPTIONS);
        builder.check(model);
    }

    #[test]
    fn what_two_append_at_once_is_not_left_in_the_tail() {
        bounded(|| {
            let appending = Appending::new();
            let other = {
                let appending = Arc::clone(&appending);
                thread::spawn(move || appending.append())
            };
            appending.append();
            other.join().unwrap();
            assert_eq!(appending.tail.taken.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn what_is_appended_while_the_feeder_looks_is_not_left_in_the_tail() {
        bounded(|| {
            let appending = Appending::new();
            let other = {
                let appending = Arc::clone(&appending);
                thread::spawn(move || appending.append())
            };
            appending.pump.pump_waiting();
            other.join().unwrap();
            assert_eq!(appending.tail.taken.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn of_three_who_append_the_last_is_seen_too() {
        bounded(|| {
            let appending = Appending::new();
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let appending = Arc::clone(&appending);
                    thread::spawn(move || appending.append())
                })
                .collect();
            appending.append();
            for other in others {
                other.join().unwrap();
            }
            assert_eq!(appending.tail.taken.load(Ordering::Relaxed), 3);
        });
    }
}
