//! How much waits to be handed on, and whether there is room for more.

use std::sync::Arc;

use tokio::sync::watch;

/// What is held of one bound. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<watch::Sender<Held>>);

/// An amount of webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub deliveries: usize,
    pub bytes: usize,
}

/// A webhook's place in the rooms it takes; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    rooms: [Room; 2],
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Held::default())))
    }
}

impl Room {
    /// Now.
    pub(super) fn held(&self) -> Held {
        *self.0.borrow()
    }

    /// Waits until nothing is held.
    pub(super) async fn empty(&self) {
        // The sender is ours: it is not gone while this waits.
        let _ = self.0.subscribe().wait_for(|held| held.deliveries == 0).await;
    }

    /// Whether there was room for one more of so many bytes.
    fn take(&self, bytes: usize, limit: Held) -> bool {
        self.0.send_if_modified(|held| {
            let fits = held.deliveries < limit.deliveries && bytes <= limit.bytes.saturating_sub(held.bytes);
            if fits {
                held.deliveries += 1;
                held.bytes += bytes;
            }
            fits
        })
    }

    fn give_back(&self, bytes: usize) {
        self.0.send_modify(|held| {
            held.deliveries -= 1;
            held.bytes -= bytes;
        });
    }
}

impl Place {
    /// A place for so many bytes in both rooms, each with its limit.
    pub(super) fn take(rooms: [(&Room, Held); 2], bytes: usize) -> Option<Self> {
        let [(first, first_limit), (second, second_limit)] = rooms;
        if !first.take(bytes, first_limit) {
            return None;
        }
        if !second.take(bytes, second_limit) {
            first.give_back(bytes);
            return None;
        }
        Some(Self { rooms: [first.clone(), second.clone()], bytes })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for room in &self.rooms {
            room.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_room_gives_no_place_and_keeps_none_in_the_other() {
        let (own, all) = (Room::default(), Room::default());
        let (large, small) = (Held { deliveries: 9, bytes: 90 }, Held { deliveries: 2, bytes: 10 });
        let take = |bytes| Place::take([(&own, large), (&all, small)], bytes);
        let first = take(10);
        assert!(first.is_some() && take(1).is_none());
        assert_eq!(own.held(), Held { deliveries: 1, bytes: 10 });
        let second = take(0);
        assert!(second.is_some() && take(0).is_none());
        drop((first, second));
        assert_eq!((own.held(), all.held()), (Held::default(), Held::default()));
        assert!(take(11).is_none() && take(usize::MAX).is_none());
    }

    #[tokio::test]
    async fn who_waits_for_an_empty_room_is_woken() {
        let (own, all) = (Room::default(), Room::default());
        let limit = Held { deliveries: 1, bytes: 1 };
        let place = Place::take([(&own, limit), (&all, limit)], 1);
        let waiting = tokio::spawn({
            let all = all.clone();
            async move { all.empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(place);
        waiting.await.unwrap();
        all.empty().await;
    }

    proptest! {
        /// Against a list of what was given.
        #[test]
        fn no_room_holds_more_than_its_limit(steps in proptest::collection::vec((any::<bool>(), 0usize..40), 0..60)) {
            let (own, all) = (Room::default(), Room::default());
            let (mine, shared) = (Held { deliveries: 4, bytes: 100 }, Held { deliveries: 5, bytes: 60 });
            let mut places = Vec::new();
            for (takes, bytes) in steps {
                let held: usize = places.iter().map(Place::bytes).sum();
                if takes {
                    let place = Place::take([(&own, mine), (&all, shared)], bytes);
                    prop_assert_eq!(place.is_some(), places.len() < 4 && held + bytes <= 60);
                    places.extend(place);
                } else if !places.is_empty() {
                    places.swap_remove(bytes % places.len());
                }
                let held = Held { deliveries: places.len(), bytes: places.iter().map(Place::bytes).sum() };
                prop_assert_eq!((own.held(), all.held()), (held, held));
            }
        }
    }
}
