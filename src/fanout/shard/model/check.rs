//! What a client of the model got, held against what there was.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Began, Client};
use crate::event::{Cursor, LoggedEvent, Position};
use crate::sse::{self, Framing};

/// What a gap says.
struct Told {
    requested: Position,
    missed: Option<u64>,
    reason: String,
    /// How many events came before it.
    after: usize,
}

/// Holds what a client got against what there was. Says what is wrong.
pub(super) fn check(
    client: &Client,
    history: &[Arc<LoggedEvent>],
    kept: &HashSet<Position>,
) -> Result<(), String> {
    let blocks = blocks(&client.raw, client.wish.framing);
    let (mut seen, mut gaps, mut at): (Vec<Position>, Vec<Told>, Option<Position>) = Default::default();
    for (index, block) in blocks.iter().enumerate() {
        let id = field(block, "id").map(|id| Cursor::parse(id).unwrap().position);
        if index == 0 {
            if field(block, "retry") != Some("2000") {
                return Err("it begins with no opening".into());
            }
            if id.is_some_and(|id| id != client.start) {
                return Err(format!("opened at {id:?} and not {:?}", client.start));
            }
            at = id;
            continue;
        }
        let id = id.ok_or("a block without an id")?;
        if field(block, "event") == Some("sidestream.gap") {
            let data: serde_json::Value = serde_json::from_str(field(block, "data").unwrap()).unwrap();
            let requested = Cursor::parse(data["requested"].as_str().unwrap()).unwrap().position;
            if at.is_some_and(|at| id < at || requested < at) {
                return Err(format!("a gap goes back to {id:?}"));
            }
            let reason = data["reason"].as_str().unwrap().to_owned();
            gaps.push(Told { requested, missed: data["missed"].as_u64(), reason, after: seen.len() });
        } else if field(block, "data").is_some() {
            let event = history.iter().find(|e| e.cursor.position == id).ok_or("an event of nowhere")?;
            let want = sse::event(event, client.wish.format);
            if block.as_bytes() != want || !client.subscription.matches(&event.event) {
                return Err(format!("{id:?} is not as it was published, or not for it"));
            }
            if at.is_none_or(|at| id <= at) {
                return Err(format!("{id:?} comes after {at:?}"));
            }
            seen.push(id);
        } else if at.is_none_or(|at| id < at) {
            // A heartbeat's id says that everything up to it was sent: what follows must not lie before it.
            return Err(format!("a heartbeat moves from {at:?} to {id:?}"));
        }
        at = Some(id);
    }
    if at.is_none() && blocks.len() > 1 {
        return Err("no place".into());
    }
    holes(client, history, kept, &seen, &gaps, at.unwrap_or(client.start))
}

/// Whether everything that is missing was told.
fn holes(
    client: &Client,
    history: &[Arc<LoggedEvent>],
    kept: &HashSet<Position>,
    seen: &[Position],
    gaps: &[Told],
    at: Position,
) -> Result<(), String> {
    // Of one that has gone, only what it had been brought past.
    let end = if client.stream.is_some() { Position { sequence: u64::MAX, index: 0 } } else { at };
    let wanted = |e: &&Arc<LoggedEvent>| {
        let place = e.cursor.position;
        place > client.start && place <= end && client.subscription.matches(&e.event)
    };
    let missing: Vec<Position> = history
        .iter()
        .filter(wanted)
        .map(|e| e.cursor.position)
        .filter(|place| seen.binary_search(place).is_err())
        // What was gone of what it asked for without a cursor was not asked for.
        .filter(|&place| client.began != Began::Since || place > client.head)
        .collect();
    for &place in &missing {
        let before = seen.partition_point(|&seen| seen < place);
        let told =
            gaps.iter().any(|gap| gap.reason != "unknown" && gap.after <= before && gap.requested < place);
        if !told || kept.contains(&place) {
            return Err(format!("{place:?} is missing, told: {told}, kept: {}", kept.contains(&place)));
        }
    }
    for (index, gap) in gaps.iter().enumerate() {
        let Some(missed) = gap.missed else { continue };
        let since = client.began == Began::Since && gap.requested < client.head;
        let all = missing.iter().filter(|&&place| place > gap.requested).count() as u64;
        let next = gaps.get(index + 1).map_or(end, |next| next.requested);
        let least = missing.iter().filter(|&&place| place > gap.requested && place <= next).count() as u64;
        if client.stream.is_some() && !since && !(least..=all).contains(&missed) {
            return Err(format!("missed: {missed}, and not {least}..={all}"));
        }
    }
    Ok(())
}

/// The blocks of a body, comments left out.
pub(super) fn blocks(raw: &[u8], framing: Framing) -> Vec<String> {
    let Some(mut raw) = raw.strip_prefix(b"\r\n\r\n") else { return Vec::new() };
    let mut body = Vec::new();
    if framing == Framing::Close {
        body.extend_from_slice(raw);
    }
    while framing == Framing::Chunked
        && let Some(line) = raw.windows(2).position(|w| w == b"\r\n")
    {
        let size = usize::from_str_radix(std::str::from_utf8(&raw[..line]).unwrap(), 16).unwrap();
        let Some(chunk) = raw.get(line + 2..line + 2 + size + 2) else { break };
        body.extend_from_slice(chunk.strip_suffix(b"\r\n").expect("a chunk's end"));
        raw = &raw[line + 2 + size + 2..];
    }
    let (mut blocks, mut rest) = (Vec::new(), &*String::from_utf8(body).unwrap());
    loop {
        rest = rest.trim_start_matches(":\n");
        let Some(end) = rest.find("\n\n") else { return blocks };
        blocks.push(rest[..end + 2].to_owned());
        rest = &rest[end + 2..];
    }
}

pub(super) fn field<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Runs of the data's letter cut to their length.
pub(super) fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    for part in text.split_inclusive(|c| c != 'x') {
        let run = part.bytes().take_while(|&b| b == b'x').count();
        if run > 3 {
            out.push_str("x*");
            out.push_str(&run.to_string());
        }
        out.push_str(&part[if run > 3 { run } else { 0 }..]);
    }
    out
}
