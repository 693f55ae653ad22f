//! Peers that acknowledge nothing any more. How long they have been silent is said here; the kernel says it in the system's
//! tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{End, Setup, numbers, until};
use crate::fanout::limits::VANISHED_LEAST;
use crate::fanout::shared::Silence;

const LIMIT: Option<Duration> = Some(VANISHED_LEAST);
const MORE: Option<Duration> = Some(VANISHED_LEAST.saturating_add(Duration::from_millis(1)));

/// How long each peer, by its port, has been silent at one heartbeat after the other, over and over.
#[derive(Default)]
struct Peers(Mutex<HashMap<u16, Looks>>);

#[derive(Default)]
struct Looks {
    found: Vec<Option<Duration>>,
    looks: usize,
}

impl Peers {
    fn silence(peers: &Arc<Self>) -> Silence {
        let peers = Arc::clone(peers);
        Box::new(move |socket| {
            let port = socket.peer_addr().unwrap().as_socket().unwrap().port();
            let mut peers = peers.0.lock().unwrap();
            let peer = peers.entry(port).or_default();
            peer.looks += 1;
            *peer.found.get((peer.looks - 1) % peer.found.len().max(1))?
        })
    }

    fn are(&self, port: u16, found: &[Option<Duration>]) {
        *self.0.lock().unwrap().entry(port).or_default() = Looks { found: found.to_vec(), looks: 0 };
    }

    fn looks(&self, port: u16) -> usize {
        self.0.lock().unwrap().get(&port).map_or(0, |peer| peer.looks)
    }
}

fn beating(peers: &Arc<Peers>) -> Setup {
    Setup { heartbeat: Duration::from_millis(64), silence: Peers::silence(peers), ..Setup::default() }
}

#[test]
fn who_is_silent_at_two_heartbeats_in_a_row_has_vanished() {
    let peers = Arc::default();
    let server = beating(&peers).start_in_memory();
    let [mut there, mut patient, mut late, mut gone] = [(); 4].map(|()| server.subscribe("a", None));
    let [_, _, _, start] = [&mut there, &mut patient, &mut late, &mut gone].map(|one| one.opening().unwrap());
    peers.are(patient.port(), &[LIMIT]);
    // An acknowledgement that was on its way at one look has come by the next.
    peers.are(late.port(), &[MORE, None]);
    peers.are(gone.port(), &[MORE]);

    server.publish("a", "0");
    let vanished = || server.metric("connections_closed_total", Some("vanished"));
    until("one is given up", || vanished() == 1);
    for one in [&patient, &late] {
        let then = peers.looks(one.port());
        until("it was looked at again and again", || peers.looks(one.port()) > then + 6);
    }
    assert_eq!((server.metric("connections_closed_total", None), server.metric("connections", None)), (1, 3));
    assert_eq!(peers.looks(gone.port()), 2, "at the first look it was only late");
    server.publish("a", "1");
    for one in [&mut there, &mut patient, &mut late] {
        one.expect(["0", "1"]);
    }
    assert_eq!(gone.read_out().1, End::Reset);
    let mut resumed = server.subscribe("a", Some(&start));
    resumed.opening();
    resumed.expect(["0", "1"]);
}

#[test]
fn one_that_is_behind_and_vanished_is_given_up_and_one_that_stands_still_is_not() {
    let peers = Arc::default();
    let server = beating(&peers).start_in_memory();
    let mut still = server.subscribe_narrow("a", None);
    let mut gone = server.subscribe_narrow("a", None);
    let start = [&mut still, &mut gone].map(|one| one.opening().unwrap());
    let long = "x".repeat(64 << 10);
    for n in numbers(0..32) {
        server.publish("a", &format!("{n}{long}"));
    }
    until("both are behind", || server.metric("lagging_connections", None) == 2);
    peers.are(gone.port(), &[MORE]);
    until("one is given up", || server.metric("connections_closed_total", Some("vanished")) == 1);
    let then = peers.looks(still.port());
    until("the other was looked at again and again", || peers.looks(still.port()) > then + 6);
    assert_eq!((server.metric("lagging_connections", None), server.metric("connections", None)), (1, 1));
    still.expect(numbers(0..32).map(|n| format!("{n}{long}")));
    let mut resumed = server.subscribe("a", Some(&start[1]));
    resumed.expect_after_opening(numbers(0..32).map(|n| format!("{n}{long}")));
}
