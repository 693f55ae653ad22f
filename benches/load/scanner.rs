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
    place: Option<Place>,
}

/// The framing of the event under way and of the last whole one: where to resume.
#[derive(Default)]
struct Place {
    begun: Vec<u8>,
    passed: Vec<u8>,
}

impl Place {
    fn begin(&mut self, framing: &[u8]) {
        self.begun.clear();
        self.begun.extend_from_slice(framing);
    }

    fn pass(&mut self) {
        std::mem::swap(&mut self.begun, &mut self.passed);
    }
}

impl Scanner {
    /// One that can say where to resume. It copies the framing of each event, so it is not for those that measure latency.
    pub fn with_place() -> Scanner {
        Scanner { place: Some(Place::default()), ..Scanner::default() }
    }

    /// The id of the last whole event.
    pub fn last_id(&self) -> Option<Vec<u8>> {
        field(&self.place.as_ref()?.passed, "id").map(<[u8]>::to_vec)
    }

    /// The delay told after the last event, or before any.
    pub fn retry_millis(&self) -> Option<u64> {
        std::str::from_utf8(field(&self.kept, "retry")?).ok()?.parse().ok()
    }

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
                if let Some(place) = &mut self.place {
                    place.pass();
                }
                text = rest;
                self.in_data = false;
            } else if let Some(at) = memchr(MARK, text) {
                let (framing, rest) = text.split_at(at);
                if self.kept.is_empty() {
                    self.frame(framing, found)?;
                } else {
                    let mut kept = std::mem::take(&mut self.kept);
                    kept.extend_from_slice(framing);
                    self.frame(&kept, found)?;
                    kept.clear();
                    self.kept = kept;
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

    fn frame(&mut self, framing: &[u8], found: &mut Findings) -> Res<()> {
        if let Some(place) = &mut self.place {
            place.begin(framing);
        }
        check(framing, found)
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
    // The last is the envelope's, in which `^` and what follows need no escape.
    if [&b"data: "[..], b"data:", b"\"data\":\""].iter().any(|end| framing.ends_with(end)) {
        Ok(())
    } else {
        Err(format!("an event's data after {:?}", String::from_utf8_lossy(framing)).into())
    }
}

/// The last value of a field in a piece of framing.
fn field<'a>(framing: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let lines = framing.split(|&byte| byte == b'\n');
    lines.filter_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b": ")).next_back()
}
