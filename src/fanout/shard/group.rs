//! A group: connections that stand at the same place with the same subscription and framing. Its bytes are built once
//! and written to all of them.
//!
//! Life of an event here: *pending* → part of the group's one *job* (a batch on its way to the members) → written.
//! Invariants: a group has at most one job; a member before the job's `next` has all of the batch, one behind it has none
//! of it; nothing is pending without a job once the shard has started jobs. Members that leave during a job become
//! holes, so that nobody is skipped or written twice; the holes are closed when the job ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::event::{Position, Subscription};
use crate::fanout::batch::{Batch, Pins, Placed};
use crate::sse::{Framed, Framing};

/// A connection's key in its shard.
pub type Key = u32;

/// A member that left during a job.
const HOLE: Key = Key::MAX;

/// A batch on its way to the members.
pub struct Job {
    /// What is written.
    pub batch: Rc<Batch>,
    /// The place of a member that has none of it.
    pub start: Position,
    /// The next member to write to.
    next: usize,
    /// Members at and behind this index joined after the job began and are past its events.
    end: usize,
    /// When the newest event of the batch was published, for the delivery latency.
    pub published: Instant,
}

/// See the module's documentation.
pub struct Group {
    /// What its members subscribe to.
    pub subscription: Arc<Subscription>,
    /// How its bytes are framed.
    pub framing: Framing,
    /// The topic rule its subscriptions are counted under.
    pub rule: Arc<str>,
    /// The sequence number of its newest event: its members have been told that id.
    pub told: u64,
    /// Connections of this group in any state; it is removed when none is left.
    pub connections: usize,
    members: Vec<Key>,
    holes: usize,
    pending: Vec<Placed>,
    published: Option<Instant>,
    /// The place before the first pending event.
    pending_from: Position,
    job: Option<Job>,
    joiners: Vec<(Key, Position)>,
}

/// What a slice of a job found at one index.
pub enum Step {
    /// Write to this member.
    Write(Key),
    /// The job has been written to everyone.
    Done,
}

impl Group {
    /// A group without members.
    pub fn new(subscription: Arc<Subscription>, framing: Framing, rule: Arc<str>) -> Self {
        Self {
            subscription,
            framing,
            rule,
            told: 0,
            connections: 0,
            members: Vec::new(),
            holes: 0,
            pending: Vec::new(),
            published: None,
            pending_from: Position::START,
            job: None,
            joiners: Vec::new(),
        }
    }

    /// Whether nothing is pending or being written: every member stands at the shard's own place.
    pub fn is_idle(&self) -> bool {
        self.job.is_none() && self.pending.is_empty()
    }

    /// Whether anybody would get an event that is put here.
    pub fn has_listeners(&self) -> bool {
        self.members.len() > self.holes || !self.joiners.is_empty()
    }

    /// An event for this group. `before` is the shard's place just before it. Returns the bytes it adds.
    pub fn put(&mut self, before: Position, at: Position, framed: Framed, published: Instant) -> usize {
        if self.pending.is_empty() {
            self.pending_from = before;
        }
        let bytes = framed.len();
        self.pending.push((at, framed));
        self.published = Some(published);
        bytes
    }

    /// A connection at `at`, the shard's own place, joins. Returns its index when it is a member at once; otherwise it
    /// waits until the events before its place have been written to the others.
    pub fn join(&mut self, key: Key, at: Position) -> Option<usize> {
        if self.pending.is_empty() {
            self.members.push(key);
            return Some(self.members.len() - 1);
        }
        self.joiners.push((key, at));
        None
    }

    /// A member leaves.
    pub fn leave(&mut self, index: usize) {
        self.members[index] = HOLE;
        self.holes += 1;
    }

    /// A connection that waits to join leaves.
    pub fn leave_joiners(&mut self, key: Key) {
        self.joiners.retain(|&(waiting, _)| waiting != key);
    }

    /// Where a member stands: it has the job's batch, or none of it.
    pub fn position(&self, index: usize, at: Position) -> Position {
        match &self.job {
            Some(job) if index < job.next.min(job.end) => job.batch.last().unwrap_or(job.start),
            Some(job) if index < job.end => job.start,
            _ if self.pending.is_empty() => at,
            _ => self.pending_from,
        }
    }

    /// Where a connection that waits to join stands.
    pub fn joiner_position(&self, key: Key) -> Option<Position> {
        self.joiners.iter().find(|&&(waiting, _)| waiting == key).map(|&(_, at)| at)
    }

    /// Makes a job of what is pending, if there is none. Returns the pending bytes it took, and the joiners that stand
    /// inside the batch, who get its end by themselves.
    pub fn start_job(&mut self, pins: &Pins) -> Option<(usize, Vec<(Key, Position)>)> {
        if self.job.is_some() || self.pending.is_empty() {
            return None;
        }
        let start = self.pending_from;
        let (batch, taken) = Batch::build(b"", start, &self.pending, self.framing, pins);
        let bytes = self.pending.drain(..taken).map(|(_, framed)| framed.len()).sum();
        let last = batch.last().unwrap_or(start);
        self.pending_from = last;
        let inside = self.joiners.extract_if(.., |&mut (_, at)| at < last).collect();
        let published = self.published.unwrap_or_else(Instant::now);
        let end = self.members.len();
        self.job = Some(Job { batch, start, next: 0, end, published });
        Some((bytes, inside))
    }

    /// The job that is being written.
    pub fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// The next member to write the job to.
    pub fn step(&mut self) -> Step {
        let Some(job) = &mut self.job else { return Step::Done };
        while job.next < job.end {
            let key = self.members[job.next];
            job.next += 1;
            if key != HOLE {
                return Step::Write(key);
            }
        }
        Step::Done
    }

    /// A connection that stands where the running or the last job ends becomes a member.
    pub fn admit(&mut self, key: Key) -> usize {
        self.members.push(key);
        self.members.len() - 1
    }

    /// Ends the written job. `moved` is called for each member whose index changed. Returns the joiners that may now be
    /// admitted, because nothing is pending before their place.
    pub fn finish_job(&mut self, moved: impl FnMut(Key, usize)) -> Vec<Key> {
        let last = self.job.take().and_then(|job| job.batch.last());
        self.close_holes(moved);
        let free = self.pending.is_empty();
        self.joiners
            .extract_if(.., |&mut (_, at)| free || last.is_some_and(|last| at <= last))
            .map(|(key, _)| key)
            .collect()
    }

    /// Gives back the room of members that left while there was no job to do it.
    pub fn compact(&mut self, moved: impl FnMut(Key, usize)) {
        if self.job.is_none() && self.holes > self.members.len() / 2 {
            self.close_holes(moved);
        }
    }

    fn close_holes(&mut self, mut moved: impl FnMut(Key, usize)) {
        if std::mem::take(&mut self.holes) == 0 {
            return;
        }
        let mut index = 0;
        self.members.retain(|&key| {
            if key == HOLE {
                return false;
            }
            moved(key, index);
            index += 1;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Selector, Topic};

    fn group() -> Group {
        let topic = Selector::Topic(Topic::parse("t").unwrap());
        Group::new(Arc::new(Subscription::to(topic)), Framing::Close, "".into())
    }

    fn put(group: &mut Group, sequence: u64) {
        let framed = Framed::new(format!("{sequence};").as_bytes());
        group.put(Position::of(sequence - 1), Position::of(sequence), framed, Instant::now());
    }

    /// Writes the running job to the end and returns who got it.
    fn written(group: &mut Group) -> Vec<Key> {
        let mut keys = Vec::new();
        while let Step::Write(key) = group.step() {
            keys.push(key);
        }
        keys
    }

    #[test]
    fn events_that_came_during_a_job_go_out_as_one_batch_after_it() {
        let mut group = group();
        group.join(7, Position::of(0));
        put(&mut group, 1);
        group.start_job(&Pins::default()).unwrap();
        assert!(group.start_job(&Pins::default()).is_none(), "one job at a time");
        put(&mut group, 2);
        put(&mut group, 3);
        assert_eq!(written(&mut group), [7]);
        group.finish_job(|_, _| ());
        group.start_job(&Pins::default()).unwrap();
        assert_eq!(group.job().unwrap().batch.bytes(), b"2;3;");
    }

    #[test]
    fn a_member_that_leaves_during_a_job_makes_nobody_miss_or_repeat_it() {
        let mut group = group();
        for key in 0..4 {
            group.join(key, Position::of(0));
        }
        put(&mut group, 1);
        group.start_job(&Pins::default()).unwrap();
        assert!(matches!(group.step(), Step::Write(0)));
        assert_eq!(group.position(0, Position::of(1)), Position::of(1));
        assert_eq!(group.position(1, Position::of(1)), Position::of(0));
        group.leave(0);
        group.leave(2);
        assert_eq!(written(&mut group), [1, 3]);
        let mut moves = Vec::new();
        group.finish_job(|key, index| moves.push((key, index)));
        assert_eq!(moves, [(1, 0), (3, 1)]);
    }

    #[test]
    fn who_joins_during_a_job_gets_only_what_comes_after_its_place() {
        let mut group = group();
        group.join(1, Position::of(0));
        put(&mut group, 1);
        group.start_job(&Pins::default()).unwrap();
        assert_eq!(group.join(2, Position::of(1)), Some(1), "nothing pending: a member behind the job");
        put(&mut group, 2);
        assert_eq!(group.join(3, Position::of(2)), None, "event 2 is pending and not for 3");
        put(&mut group, 3);
        assert_eq!(written(&mut group), [1]);
        assert!(group.finish_job(|_, _| ()).is_empty());
        let (_, inside) = group.start_job(&Pins::default()).unwrap();
        assert_eq!(inside, [(3, Position::of(2))]);
        let batch = &group.job().unwrap().batch;
        assert_eq!(&batch.bytes()[batch.offset_after(Position::of(2))..], b"3;");
        assert_eq!(written(&mut group), [1, 2]);
    }

    /// What is pending has been written to nobody, whoever is asked and whatever job runs.
    #[test]
    fn nobody_stands_behind_what_is_pending() {
        let mut group = group();
        group.join(1, Position::of(0));
        put(&mut group, 1);
        group.start_job(&Pins::default()).unwrap();
        assert_eq!(group.join(2, Position::of(1)), Some(1));
        assert_eq!(group.position(1, Position::of(1)), Position::of(1));
        put(&mut group, 2);
        assert_eq!(group.position(1, Position::of(2)), Position::of(1), "a member behind the job");
        assert_eq!(group.join(3, Position::of(2)), None);
        put(&mut group, 3);
        assert_eq!(group.joiner_position(3), Some(Position::of(2)));
        assert_eq!(written(&mut group), [1]);
        assert_eq!(group.position(0, Position::of(3)), Position::of(1), "written, and 2 and 3 are pending");
        group.finish_job(|_, _| ());
        assert_eq!(group.position(0, Position::of(3)), Position::of(1), "no job, and 2 and 3 are pending");
    }

    #[test]
    fn a_joiner_at_the_end_of_what_is_pending_is_admitted_after_it() {
        let mut group = group();
        group.join(1, Position::of(0));
        put(&mut group, 1);
        assert_eq!(group.join(2, Position::of(1)), None);
        let (_, inside) = group.start_job(&Pins::default()).unwrap();
        assert!(inside.is_empty());
        assert_eq!(written(&mut group), [1]);
        assert_eq!(group.finish_job(|_, _| ()), [2]);
        assert!(group.is_idle());
    }
}
