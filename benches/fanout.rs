//! What one event costs on its way from the log to a batch: framing, the ring, and the look-up of who listens, by name and
//! by pattern.
//!
//! `cargo bench --bench fanout`. Figures are for comparing two versions on one machine, not for a table.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sidestream::event::{
    Cursor, Epoch, Event, Format, LoggedEvent, Millis, Pattern, Position, Selector, Topic,
};
use sidestream::fanout::interest::Interest;
use sidestream::fanout::matcher::Matcher;
use sidestream::fanout::ring::Ring;
use sidestream::sse::{self, Framed};

fn logged(sequence: u64, bytes: usize) -> Arc<LoggedEvent> {
    Arc::new(LoggedEvent {
        cursor: Cursor::new(Epoch::new(7), Position::of(sequence)),
        event: Event {
            topic: Topic::parse("orders").expect("a name"),
            kind: None,
            time: Millis(0),
            data: vec![b'x'; bytes].into(),
        },
    })
}

fn framing(c: &mut Criterion) {
    for bytes in [200, 10_000] {
        let event = logged(1, bytes);
        c.bench_function(&format!("frame an event of {bytes} bytes"), |b| {
            b.iter(|| Framed::new(&sse::event(black_box(&event), Format::Plain)));
        });
    }
}

fn ring(c: &mut Criterion) {
    let base = Cursor::new(Epoch::new(7), Position::START);
    let batch: Vec<_> = (1..=64).map(|i| logged(i, 200)).collect();
    c.bench_function("publish 64 events to the ring", |b| {
        let (mut writer, _ring) = Ring::new(base);
        b.iter(|| writer.publish(black_box(&batch), Instant::now()));
    });
    c.bench_function("read 64 events from the ring", |b| {
        b.iter_batched_ref(
            || {
                let (mut writer, ring) = Ring::new(base);
                writer.publish(&batch, Instant::now());
                ring
            },
            |ring| (0..64).filter_map(|n| ring.get(n)).filter(|entry| entry.event().is_some()).count(),
            BatchSize::SmallInput,
        );
    });
}

fn interest(c: &mut Criterion) {
    for topics in [10, 100_000] {
        let interest = Interest::new(2);
        let names: Vec<_> =
            (0..topics).map(|i| Topic::parse(&format!("orders.{i}")).expect("a name")).collect();
        for name in &names {
            interest.join(&Selector::Topic(name.clone()), 0);
        }
        let mut at = 0;
        c.bench_function(&format!("look up who listens, {topics} topics"), |b| {
            b.iter(|| {
                at = (at + 7919) % names.len();
                interest.listeners(black_box(&names[at]))
            });
        });
    }
}

/// One pattern of all matches, whichever topic is looked up: what grows is what does not match.
fn matcher(c: &mut Criterion) {
    for patterns in [10, 100, 1000, 10_000] {
        let mut matcher = Matcher::default();
        for id in 0..patterns {
            // Half end in one token, half in any number of them; `*` in front makes every look-up follow both branches.
            let text = if id % 2 == 0 { format!("*.{id}.*") } else { format!("orders.{id}.**") };
            matcher.insert(&Selector::of(vec![Pattern::parse(&text).expect("a pattern")]), id);
        }
        let topics: Vec<_> =
            (0..patterns).map(|id| Topic::parse(&format!("orders.{id}.paid")).expect("a name")).collect();
        let (mut at, mut found) = (0, Vec::new());
        c.bench_function(&format!("find the pattern of a topic among {patterns}"), |b| {
            b.iter(|| {
                at = (at + 7919) % topics.len();
                found.clear();
                matcher.matches(black_box(&topics[at]), &mut found);
                assert_eq!(found.len(), 1);
            });
        });
    }
}

criterion_group!(benches, framing, ring, interest, matcher);
criterion_main!(benches);
