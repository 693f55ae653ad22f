//! Before it judges others: does the harness see what is wrong, wherever the bytes are cut?

use crate::Res;
use crate::http1::{Body, HeadReader};
use crate::ledger::{Faults, Ledger};
use crate::payload::Stamp;
use crate::routed::{Routed, Strays};
use crate::scanner::{Findings, Scanner};
use crate::scenario;
use crate::stats::Histogram;
use crate::{tokens, visits};

pub fn run() -> Res<()> {
    cut_anywhere()?;
    corruption_is_seen()?;
    order_is_judged()?;
    strays_are_judged()?;
    place_is_kept()?;
    visits::check()?;
    tokens::check()?;
    scenario::check()?;
    percentiles_are_near()
}

pub fn ensure(holds: bool, what: &str) -> Res<()> {
    if holds { Ok(()) } else { Err(format!("own check failed: {what}").into()) }
}

fn stamp(number: u32) -> Stamp {
    Stamp { number, lane: 3, micros: number * 1000 + 7 }
}

/// A response with three events and a gap, in chunks of every kind.
fn response() -> Vec<u8> {
    let event = |n: u32| [format!("id: e-{n}\ndata: ").as_bytes(), &stamp(n).encode(), b"\n\n"].concat();
    let gap = b"id: e-2\nevent: sidestream.gap\ndata: {\"missed\":null}\n\n";
    let chunks = [
        b"retry: 2500\nid: e-0\n\n".to_vec(),
        event(1),
        [&b":\n"[..], &event(2), gap].concat(),
        b":\n".to_vec(),
        event(3),
    ];
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in chunks {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Events, gaps told, and whether the body ended.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Res<(Vec<Stamp>, u64, bool)> {
    let (mut head, mut body) = (HeadReader::default(), None);
    let (mut scanner, mut found, mut events) = (Scanner::default(), Findings::new(), Vec::new());
    for mut piece in pieces {
        if body.is_none() {
            let Some((parsed, rest)) = head.feed(piece)? else { continue };
            body = Some(Body::new(parsed.framing));
            piece = rest;
        }
        let Some(body) = &mut body else { continue };
        body.feed(piece, |text| scanner.feed(text, &mut found, |stamp| events.push(stamp)))?;
    }
    scanner.finish(&mut found);
    Ok((events, found.gaps, body.is_some_and(|body| body.is_done())))
}

fn cut_anywhere() -> Res<()> {
    let bytes = response();
    let wanted = (vec![stamp(1), stamp(2), stamp(3)], 1, true);
    for size in 1..=bytes.len() {
        ensure(read(bytes.chunks(size))? == wanted, "pieces of one size")?;
        let (left, right) = bytes.split_at(size);
        ensure(read([left, right].into_iter())? == wanted, "two pieces")?;
    }
    Ok(())
}

fn corruption_is_seen() -> Res<()> {
    let data = stamp(5).encode();
    ensure(Stamp::decode(&data) == Some(stamp(5)), "a stamp reads as written")?;
    for at in 1..data.len() {
        let mut bad = data;
        bad[at] ^= 0x80;
        ensure(Stamp::decode(&bad).is_none(), "a flipped bit in an event")?;
    }
    let bytes = response();
    let cut = memchr::memmem::find(&bytes, b"data: ").unwrap_or(0);
    let mut bad = bytes.clone();
    bad[cut] = b'D';
    ensure(read([&bad[..]].into_iter()).is_err(), "an event that is no data field")
}

fn order_is_judged() -> Res<()> {
    let judge = |streams: [&[u32]; 2], published| {
        let mut ledger = Ledger::new(2);
        for (reader, stream) in streams.into_iter().enumerate() {
            for number in stream {
                ledger.take(reader, stamp(*number));
            }
        }
        (ledger.faults(published), ledger.is_complete(published))
    };
    let faults = |missing, doubled, disordered| Faults { missing, doubled, disordered };
    let cases: [([&[u32]; 2], Faults); 6] = [
        ([&[0, 1, 2], &[0, 1, 2]], faults(0, 0, 0)),
        ([&[0, 1, 2], &[0, 2]], faults(1, 0, 0)),
        ([&[0, 1, 2], &[0, 1, 1, 2]], faults(0, 1, 0)),
        ([&[0, 1, 2], &[0, 2, 1]], faults(0, 0, 1)),
        ([&[0, 1], &[0, 1]], faults(2, 0, 0)),
        ([&[0, 2, 1], &[0, 2, 1]], faults(0, 0, 1)),
    ];
    for (streams, wanted) in cases {
        let (got, complete) = judge(streams, 3);
        ensure(got == wanted, &format!("{streams:?}: {got:?}"))?;
        ensure(complete == (wanted.missing == 0), "complete unless something is missing")?;
    }
    Ok(())
}

/// Events 0 and 2 are for the first of two subscribers, 1 and 3 for both.
fn strays_are_judged() -> Res<()> {
    let judge = |streams: [&[u32]; 2]| {
        let audience = |number: u32| 0..1 + (number % 2) as usize;
        let mut routed = Routed::new(2, 4, Box::new(audience));
        for (subscriber, stream) in streams.into_iter().enumerate() {
            for number in stream {
                routed.take(subscriber, stamp(*number));
            }
        }
        (routed.strays(4), routed.is_complete(4))
    };
    let strays = |missing, doubled, disordered, stray| Strays { missing, doubled, disordered, stray };
    let cases: [([&[u32]; 2], Strays); 5] = [
        ([&[0, 1, 2, 3], &[1, 3]], strays(0, 0, 0, 0)),
        ([&[0, 1, 3], &[1, 3]], strays(1, 0, 0, 0)),
        ([&[0, 1, 2, 3], &[1, 1, 3]], strays(0, 1, 0, 0)),
        ([&[0, 2, 1, 3], &[1, 3]], strays(0, 0, 1, 0)),
        ([&[0, 1, 2, 3], &[1, 2, 3]], strays(0, 0, 0, 1)),
    ];
    for (streams, wanted) in cases {
        let (got, complete) = judge(streams);
        ensure(got == wanted, &format!("{streams:?}: {got:?}"))?;
        ensure(complete == (wanted.missing == 0), "complete unless something is missing")?;
    }
    Ok(())
}

/// Cut off anywhere, a subscriber resumes behind its last whole event.
fn place_is_kept() -> Res<()> {
    let event = |n: u32| [format!("id: e-{n}\ndata: ").as_bytes(), &stamp(n).encode(), b"\n\n"].concat();
    let text = [b"retry: 2500\nid: e-0\n\n".to_vec(), event(1), event(2), b"retry: 70\n\n".to_vec()].concat();
    for cut in 0..=text.len() {
        let (mut scanner, mut found, mut last) = (Scanner::with_place(), Findings::new(), None);
        for piece in text[..cut].chunks(7) {
            scanner
                .feed(piece, &mut found, |stamp| last = Some(format!("e-{}", stamp.number).into_bytes()))?;
        }
        ensure(scanner.last_id() == last, "the id of the last whole event")?;
        if cut == text.len() {
            ensure(scanner.retry_millis() == Some(70), "the last delay told")?;
        }
    }
    Ok(())
}

fn percentiles_are_near() -> Res<()> {
    let mut histogram = Histogram::new();
    (1..=10_000).for_each(|micros| histogram.record(micros));
    for (quantile, exact) in [(0.5, 5_000.0), (0.99, 9_900.0)] {
        let got = histogram.quantile(quantile).unwrap_or(0.0);
        ensure((exact..=exact * 1.02).contains(&got), &format!("quantile {quantile} is {got}"))?;
    }
    histogram.record(u32::MAX);
    ensure(histogram.quantile(1.0) >= Some(f64::from(u32::MAX)), "the largest sample")
}
