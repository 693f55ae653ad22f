//! Resets in an order that threads would take long to come to.

use super::*;
use crate::fanout::command::Fetched;
use crate::log::Coverage;

/// A page of before a reset is in the shard's queue, and its reader, let go on first, waits for one of after it.
#[test]
fn a_queued_page_of_before_a_reset_is_not_taken_for_one_of_after_it() {
    for new in [EPOCH, Epoch::new(0xf)] {
        let mut world = World::new();
        world.publish_each(0, 20);
        world.feed();
        world.turn();
        world.join(PLAIN, From::Ago(usize::MAX));
        let shard = &mut world.shard;
        // A new socket takes more: the connection is in the queue, before its page.
        shard.poll(&mut world.events, Duration::ZERO);
        shard.on_events(&world.events);
        assert!(world.read_page() && world.deliver(Answer::Read));
        assert_eq!(world.shard.behind.ready.len(), 2);
        let place = if new == EPOCH { 20 } else { 0 };
        world.writer.reset(Cursor::new(new, Position::of(place)), Instant::now());
        world.shard.pull();
        world.shard.go_on();
        let asked = world.requests.try_recv().expect("a page of after the reset");
        assert_eq!((asked.page.epoch, asked.page.after), (new, Position::of(place)));
        world.clients[0].read(usize::MAX);
        assert_eq!(world.clients[0].raw, b"\r\n\r\n", "nothing is told before that page has come");
        let room = Arc::clone(&world.room).try_acquire_owned().unwrap();
        let (frames, next) = (Vec::new(), Position::of(place));
        let fetched = Fetched { frames, next, coverage: Coverage::Complete, room };
        world.shard.on_page(asked.page, Some(fetched));
        world.turn();
        world.clients[0].read(usize::MAX);
        let told = String::from_utf8_lossy(&world.clients[0].raw);
        assert!(told.contains("\"reason\":\"log\"") && !told.contains("xxx"), "{told}");
        assert!(matches!(world.shard.conns.iter().next().unwrap().1.place, Place::Member(_)));
    }
}

/// The same, where the ring has overtaken the reset: the reader stays where it was, and the two pages differ in nothing
/// but the resets.
#[test]
fn a_queued_page_of_before_an_unseen_reset_is_not_taken_for_one_of_after_it() {
    let mut world = World::keeping(64);
    world.publish_each(0, 20);
    world.feed();
    world.turn();
    world.join(PLAIN, From::Ago(usize::MAX));
    world.shard.poll(&mut world.events, Duration::ZERO);
    world.shard.on_events(&world.events);
    assert!(world.read_page() && world.deliver(Answer::Read));
    world.writer.reset(Cursor::new(EPOCH, Position::of(20)), Instant::now());
    world.publish_each(1, 30);
    world.feed();
    world.shard.pull();
    world.shard.go_on();
    world.clients[0].read(usize::MAX);
    assert_eq!(world.clients[0].raw, b"\r\n\r\n");
    world.come_to_rest();
    let told = String::from_utf8_lossy(&world.clients[0].raw);
    assert!(told.find("\"reason\":\"log\"") < told.find("xxx"), "{told}");
    assert_eq!(told.matches("xxx\n").count(), 20);
}

#[test]
fn a_reset_at_the_very_place_is_told_too() {
    let mut world = World::new();
    world.publish_each(0, 1);
    world.join(PLAIN, From::Now);
    world.come_to_rest();
    world.writer.reset(Cursor::new(EPOCH, Position::of(1)), Instant::now());
    world.come_to_rest();
    assert!(String::from_utf8_lossy(&world.clients[0].raw).contains("\"reason\":\"log\""));
}
