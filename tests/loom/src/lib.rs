//! The doorbell between whoever brings work and a shard, under loom, which runs every interleaving. A package of its own,
//! because loom replaces the atomics of everything that is compiled with it.

#[path = "../../../src/fanout/doorbell.rs"]
pub mod doorbell;

#[cfg(all(test, loom))]
mod tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use loom::thread;

    use super::doorbell::Doorbell;

    /// Work lies in `head`; the waker is a flag that a real poll would wait for.
    struct Shared {
        doorbell: Doorbell,
        head: AtomicU64,
        woken: AtomicBool,
    }

    impl Shared {
        fn new() -> Arc<Self> {
            Arc::new(Self { doorbell: Doorbell::new(), head: AtomicU64::new(0), woken: AtomicBool::new(false) })
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
}
