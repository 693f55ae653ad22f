//! Where to begin, found by reading what is kept from its start: right for every kind of log, and slow for a large one. A
//! kind that has a better way overrides [`Log::locate`].

use std::collections::VecDeque;

use super::clock::{age, millis};
use super::{Coverage, Log, ReadError, ReadLimit};
use crate::event::{Filter, Millis, Position, Selector, Since};

/// One page of the walk.
const PAGE: ReadLimit = ReadLimit { events: 1000, bytes: 4 << 20 };

/// As [`Log::locate`], by the log's time `now`.
pub(super) async fn by_reading<L: Log + ?Sized>(
    log: &L,
    selector: &Selector,
    filter: &Filter,
    since: Since,
    now: Millis,
) -> Result<Position, ReadError> {
    let mut at = Position::START;
    // The places before the newest matching events, the oldest of them first: one for each that is asked for.
    let mut last = VecDeque::new();
    loop {
        let page = log.read(selector, at, PAGE).await?;
        if let Coverage::Lost { resumed, .. } = page.coverage {
            at = at.max(resumed);
        }
        for logged in &page.events {
            let before = std::mem::replace(&mut at, logged.cursor.position);
            match since {
                Since::Oldest => return Ok(before),
                Since::Ago(time) if age(logged.event.time, now) <= millis(time) => return Ok(before),
                Since::Last(count) if count > 0 && filter.admits(logged.event.kind.as_ref()) => {
                    if last.len() == count {
                        last.pop_front();
                    }
                    last.push_back(before);
                }
                Since::Ago(_) | Since::Last(_) => {}
            }
        }
        at = at.max(page.next);
        if !page.more {
            return Ok(last.front().copied().unwrap_or(at));
        }
    }
}
