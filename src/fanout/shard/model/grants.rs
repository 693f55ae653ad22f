//! Many who are judged again do not hold up what is live.

use std::sync::atomic::AtomicUsize;

use tokio::sync::oneshot;

use super::*;
use crate::fanout::judge::{Loses, Sweep};
use crate::fanout::limits::JUDGE_TIME;

/// Subscribers.
const MANY: usize = 20;

/// Judging takes its time for each, and all of them are allowed to go on.
fn slow_judge(asked: &Arc<AtomicUsize>) -> Loses {
    let asked = Arc::clone(asked);
    Loses::Ungranted(Arc::new(move |_, _| {
        asked.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        while begun.elapsed() <= JUDGE_TIME {
            std::hint::spin_loop();
        }
        true
    }))
}

#[test]
fn while_many_are_judged_again_each_turn_delivers_what_is_live() {
    let mut world = World::new();
    world.join(PLAIN, From::Now);
    for _ in 1..MANY {
        world.join(Wish { selector: 2, ..PLAIN }, From::Now);
    }
    world.come_to_rest();
    let asked = Arc::new(AtomicUsize::new(0));
    let (answer, mut ended) = oneshot::channel();
    world.shard.judge(Sweep { loses: slow_judge(&asked), answer });
    for turn in 1..=MANY {
        world.publish_each(0, 1);
        world.feed();
        world.turn();
        let live = &mut world.clients[0];
        live.read(usize::MAX);
        let events = blocks(&live.raw, Framing::Close).iter().filter(|b| field(b, "data").is_some()).count();
        assert_eq!(events, turn, "with each turn comes what is live");
        assert!(ended.try_recv().is_err(), "not all are judged yet");
        world.shard.judge_some();
        assert_eq!(asked.load(Ordering::Relaxed), turn, "one in each turn, however long it takes");
    }
    while !world.shard.judging.is_idle() {
        world.shard.judge_some();
    }
    assert_eq!((ended.try_recv(), asked.load(Ordering::Relaxed)), (Ok(0), MANY));
    world.check();
}

#[test]
fn who_comes_while_all_are_judged_is_judged_by_itself_alone() {
    let mut world = World::new();
    world.join(PLAIN, From::Now);
    world.come_to_rest();
    let asked = Arc::new(AtomicUsize::new(0));
    let (answer, mut ended) = oneshot::channel();
    world.shard.judge(Sweep { loses: slow_judge(&asked), answer });
    for _ in 0..MANY {
        world.join(PLAIN, From::Now);
    }
    while !world.shard.judging.is_idle() {
        world.shard.judge_some();
    }
    assert_eq!(ended.try_recv(), Ok(0));
    assert!(asked.load(Ordering::Relaxed) < MANY, "those alone who were there, or had room then");
    world.come_to_rest();
    world.check();
}
