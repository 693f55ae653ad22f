//! Descriptors: how many there may be, and who gets them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for what is neither a subscriber nor a request: standard streams, listeners, event loops, files, name look-ups,
/// the log's own connections.
const RESERVED: usize = 128;
/// Connections of operators and Prometheus. They are promised a descriptor whatever else happens.
const ADMIN: usize = 64;
/// Connections of webhook senders at most, and at least; in between a thirty-second of all.
const INGRESS: (usize, usize) = (16, 4096);
/// Requests in flight through the edge at most, and at least; in between a sixteenth of all. Each may hold two descriptors: the
/// caller's and the app's.
const EDGE: (usize, usize) = (16, 8192);
/// Connections that webhooks are handed on over, in use and idle, at most, and at least; in between a sixteenth of all.
const RELAY: (usize, usize) = (4, 1024);
/// Connections over which the app is asked who may listen, in use and idle, at most, and at least; in between a
/// thirty-second of all. With half of them in use an app that takes 10 ms answers 12,000 subscribers a second.
const FORWARD: (usize, usize) = (4, 256);
/// Idle connections to the app that may be kept.
pub(crate) const UPSTREAM_POOL: usize = 128;
/// What is assumed where the system knows no limit. More than this is not given out either way.
const UNLIMITED: u64 = 1 << 20;

/// Descriptors by purpose. Their sum stays below the limit, so that no part can starve another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Subscribers' streams.
    pub subscribers: usize,
    /// Open connections of the edge's listener that are not (yet) subscribers.
    pub edge: usize,
    /// Open connections of the ingress's listener.
    pub ingress: usize,
    /// Connections that webhooks are handed on over, in use and idle.
    pub relay: usize,
    /// Connections over which the app is asked who may listen, in use and idle.
    pub forward: usize,
    /// Open connections of the admin's listener.
    pub admin: usize,
}

impl Budget {
    /// Shares out `open_files` (the soft limit): the reserve and the listeners first, subscribers get what is left, up to
    /// `wanted`. Where there is too little for anything, each still gets a handful.
    #[must_use]
    pub fn share(open_files: u64, wanted: usize) -> Self {
        let total = usize::try_from(open_files.min(UNLIMITED)).unwrap_or(usize::MAX);
        let free = total.saturating_sub(RESERVED + ADMIN);
        let ingress = (free / 32).clamp(INGRESS.0, INGRESS.1);
        let edge = (free / 16).clamp(EDGE.0, EDGE.1);
        let pool = UPSTREAM_POOL.min(free / 8);
        let relay = (free / 16).clamp(RELAY.0, RELAY.1);
        let forward = (free / 32).clamp(FORWARD.0, FORWARD.1);
        let left = free.saturating_sub(ingress + 2 * edge + pool + relay + forward);
        Self { subscribers: wanted.min(left), edge, ingress, relay, forward, admin: ADMIN }
    }
}

/// Raises the soft limit of open files to the hard one and returns what holds now. Where it can't be raised the process
/// lives with what it has.
#[must_use]
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        return limit.maximum.unwrap_or(UNLIMITED);
    }
    limit.current.unwrap_or(UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (open_files, wanted, subscribers, edge, ingress, relay, forward) in [
            (1 << 20, 100_000, 100_000, 8192, 4096, 1024, 256),
            (1 << 20, 5_000_000, 1_048_576 - 192 - 4096 - 16_384 - 128 - 1024 - 256, 8192, 4096, 1024, 256),
            (u64::MAX, 100_000, 100_000, 8192, 4096, 1024, 256),
            (65_536, 100_000, 65_536 - 192 - 2042 - 2 * 4084 - 128 - 1024 - 256, 4084, 2042, 1024, 256),
            (20_000, 100_000, 19_808 - 619 - 2 * 1238 - 128 - 1024 - 256, 1238, 619, 1024, 256),
            (1024, 100_000, 832 - 26 - 2 * 52 - 104 - 52 - 26, 52, 26, 52, 26),
            (256, 100_000, 64 - 16 - 2 * 16 - 8 - 4 - 4, 16, 16, 4, 4),
            (0, 100_000, 0, 16, 16, 4, 4),
        ] {
            let budget = Budget::share(open_files, wanted);
            let expected = Budget { subscribers, edge, ingress, relay, forward, admin: ADMIN };
            assert_eq!(budget, expected, "{open_files}");
        }
    }

    #[test]
    fn the_sum_stays_below_the_limit() {
        for open_files in (256..200_000).step_by(509) {
            let budget = Budget::share(open_files, usize::MAX);
            let edge = budget.subscribers + 2 * budget.edge + budget.forward;
            let sum = RESERVED + ADMIN + edge + budget.ingress + budget.relay;
            assert!(sum as u64 <= open_files, "{open_files}: {budget:?}");
        }
    }

    #[test]
    fn the_limit_is_raised() {
        let now = raise_open_files();
        assert_eq!(getrlimit(Resource::Nofile).current, Some(now));
    }
}
