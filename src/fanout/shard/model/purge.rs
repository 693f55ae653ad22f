//! Purges while somebody reads what is purged: whatever had been read of it and not been written goes to nobody.

use super::*;

/// A world of 20 events of one topic, and a subscriber that asks for all of them, by a page.
fn replaying() -> World {
    let mut world = World::keeping(64);
    world.publish_each(0, 20);
    world.feed();
    world.turn();
    world.join(PLAIN, From::Ago(usize::MAX));
    world
}

/// Nothing purged is written; the gap is told, and what comes then.
fn goes_on(mut world: World) {
    world.turn();
    world.clients[0].read(usize::MAX);
    assert_eq!(short(&world.clients[0].raw).matches("xxx").count(), 0);
    world.publish_each(0, 1);
    world.come_to_rest();
    let told = String::from_utf8_lossy(&world.clients[0].raw);
    assert!(told.contains("\"reason\":\"evicted\"") && told.contains("\"missed\":20"), "{told}");
    assert_eq!(
        blocks(&world.clients[0].raw, PLAIN.framing)
            .iter()
            .filter(|block| field(block, "data").is_some())
            .count(),
        2
    );
}

#[test]
fn a_page_in_the_queue_is_not_written() {
    let mut world = replaying();
    assert!(world.read_page() && world.deliver(Answer::Read));
    world.purge(0);
    goes_on(world);
}

/// Its reader has asked for a page of the same place by then.
#[test]
fn a_page_on_its_way_is_not_taken_for_the_one_that_was_asked_for_after() {
    let mut world = replaying();
    assert!(world.read_page());
    world.purge(0);
    world.shard.go_on();
    assert!(world.deliver(Answer::Read));
    world.shard.go_on();
    assert!(matches!(world.shard.conns.iter().next().unwrap().1.place, Place::Fetching(_)));
    goes_on(world);
}

#[test]
fn a_page_that_was_asked_for_before_and_read_after_is_asked_for_again() {
    let mut world = replaying();
    world.purge(0);
    assert!(world.read_page() && world.deliver(Answer::Read));
    goes_on(world);
}
