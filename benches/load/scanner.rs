//! Finds the events in a stream of SSE text, a slice at a time, wherever the slices are cut.
//!
//! A million events a second must leave the server its core, so this is no line parser: it jumps from mark to mark
//! (`memchr`), compares the 200 bytes of data with what was sent, and looks at the few bytes in between, the
//! framing, only for two things: that it ends in `data:`, and whether a gap is told in it.

use memchr::{memchr, memmem::Finder};

use crate::Res;
use crate::payload::{LEN, MARK, Stamp};

/// Framing between two events longer than this is not SSE of ours; heartbeats of a day stay below it.
const FRAMING_MAX: usize = 64 * 1024;

/// What is shared by all scanners: the searcher, built once, and the gaps counted.
pub struct Findings {
    gap: Finder<'static>,
    pub gaps: u64,
}

impl Findings {
    pub fn new() -> Findings {
        Findings { gap: Finder::new("event: sidestream.gap"), gaps: 0 }
    }

    fn look(&mut self, framing: &[u8]) {
        self.gaps += self.gap.find_iter(framing).count() as u64;
    }
}

/// One subscriber's place in its stream. Between slices `kept` holds the framing, or the data, begun so far.
#[derive(Default)]
pub struct Scanner {
    kept: Vec<u8>,
    in_data: bool,
}

impl Scanner {
    pub fn feed(&mut self, mut text: &[u8], found: &mut Findings, mut event: impl FnMut(Stamp)) -> Res<()> {
        while !text.is_empty() {
            if self.in_data {
                let wanted = LEN - self.kept.len();
                if text.len() < wanted {
                    self.kept.extend_from_slice(text);
                    return Ok(());
                }
                let (data, rest) = text.split_at(wanted);
                let stamp = if self.kept.is_empty() {
                    Stamp::decode(data)
                } else {
                    self.kept.extend_from_slice(data);
                    let stamp = Stamp::decode(&self.kept);
                    self.kept.clear();
                    stamp
                };
                event(stamp.ok_or("an event's data is not what was published")?);
                text = rest;
                self.in_data = false;
            } else if let Some(at) = memchr(MARK, text) {
                let (framing, rest) = text.split_at(at);
                if self.kept.is_empty() {
                    check(framing, found)?;
                } else {
                    self.kept.extend_from_slice(framing);
                    check(&self.kept, found)?;
                    self.kept.clear();
                }
                text = rest;
                self.in_data = true;
            } else {
                self.kept.extend_from_slice(text);
                if self.kept.len() > FRAMING_MAX {
                    return Err("64 KiB without an event".into());
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// What came after the last event: a gap can be told there too.
    pub fn finish(&mut self, found: &mut Findings) {
        if !self.in_data {
            found.look(&self.kept);
            self.kept.clear();
        }
    }
}

fn check(framing: &[u8], found: &mut Findings) -> Res<()> {
    found.look(framing);
    if framing.ends_with(b"data: ") || framing.ends_with(b"data:") {
        Ok(())
    } else {
        Err(format!("an event's data after {:?}", String::from_utf8_lossy(framing)).into())
    }
}
