//! The memory log: what an append, a page of history and finding a place in it cost.
//!
//! `cargo bench --bench log`. Every append is at full history, so that each evicts one event: the steady state. It
//! includes making the delivery, as the ingress does, and reading the clock twice.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sidestream::event::{
    Dedupe, DedupeKey, Delivery, Epoch, Event, EventType, Filter, Pattern, Position, Selector, Since, Topic,
};
use sidestream::live::Live;
use sidestream::log::clock::Clock;
use sidestream::log::memory::MemoryLog;
use sidestream::log::{HistorySettings, Log, ReadLimit, TopicLimits};

/// Events a topic keeps in these runs, so that it is soon full.
const KEPT: usize = 100;

/// A total that these runs don't reach.
const ROOMY: usize = 1 << 30;

fn memory(total: usize) -> MemoryLog {
    let settings = HistorySettings {
        default: TopicLimits { events: KEPT, bytes: 4 << 20, age: Duration::from_hours(1) },
        rules: Vec::new(),
        total,
        dedupe_keys: 100_000,
        dedupe_of: BTreeMap::new(),
    };
    MemoryLog::new(Live::fixed(settings), Clock::system(), Epoch::new(1))
}

fn topics(count: usize) -> Vec<Topic> {
    (0..count).map(|n| Topic::parse(&format!("tenants.{n}.orders")).unwrap()).collect()
}

/// The topic of the `n`th append: a large stride, so that neighbours in time are not neighbours in memory.
fn strided(topics: &[Topic], n: usize) -> &Topic {
    &topics[n.wrapping_mul(7919) % topics.len()]
}

/// Its data is shared, so that the allocator's share is the log's own.
fn delivery(topic: &Topic, data: &Bytes, dedupe: Option<Dedupe>) -> Delivery {
    let time = Clock::system().now();
    Delivery { events: vec![Event { topic: topic.clone(), kind: None, time, data: data.clone() }], dedupe }
}

/// Distinct keys, spread as digests are.
fn key(n: u64) -> Dedupe {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    digest[8..].copy_from_slice(&n.to_le_bytes());
    Dedupe { key: DedupeKey(digest), window: Duration::from_hours(1), source: "default".into() }
}

/// The memory log waits for nothing; a long search only gives way to others, of whom there are none here.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    let data = Bytes::from(vec![b'x'; 200]);
    // The last is over the total all the time: each append takes from the topic that holds the most.
    for (name, count, total, keyed) in [
        ("1 topic", 1, ROOMY, false),
        ("1 topic, keyed", 1, ROOMY, true),
        ("10k topics", 10_000, ROOMY, false),
        ("10k topics, keyed", 10_000, ROOMY, true),
        ("10k topics, total full", 10_000, 64 << 20, false),
    ] {
        let (log, topics) = (memory(total), topics(count));
        let mut n = 0;
        let mut step = || {
            n += 1;
            let dedupe = keyed.then(|| key(n as u64));
            now(log.append(delivery(strided(&topics, n), &data, dedupe))).unwrap()
        };
        for _ in 0..count * KEPT + 100_000 {
            step();
        }
        group.bench_function(name, |b| b.iter(|| black_box(step())));
    }
    group.finish();
}

fn contended(c: &mut Criterion) {
    let (log, topics) = (memory(ROOMY), topics(10_000));
    let data = Bytes::from(vec![b'x'; 200]);
    let stop = AtomicBool::new(false);
    let mut group = c.benchmark_group("append beside another thread");
    group.throughput(Throughput::Elements(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                now(log.append(delivery(strided(&topics, n), &data, None))).unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut n = 5000;
        group.bench_function("10k topics", |b| {
            b.iter(|| {
                n += 1;
                black_box(now(log.append(delivery(strided(&topics, n), &data, None))).unwrap())
            });
        });
        stop.store(true, Ordering::Relaxed);
    });
    group.finish();
}

fn tailed(c: &mut Criterion) {
    let (log, topics) = (memory(ROOMY), topics(1));
    let data = Bytes::from(vec![b'x'; 200]);
    let mut tail = now(log.tail(log.head())).unwrap();
    let mut group = c.benchmark_group("append with a tail");
    group.throughput(Throughput::Elements(100));
    group.bench_function("100 appends, taken at once", |b| {
        b.iter(|| {
            for _ in 0..100 {
                now(log.append(delivery(&topics[0], &data, None))).unwrap();
            }
            black_box(now(tail.next()).unwrap().len())
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let (log, topics) = (memory(ROOMY), topics(10_000));
    let data = Bytes::from(vec![b'x'; 200]);
    // The first topic is full; the others have ten events each.
    for n in 0..10 * topics.len() {
        now(log.append(delivery(&topics[n % topics.len()], &data, None))).unwrap();
    }
    for _ in 0..KEPT {
        now(log.append(delivery(&topics[0], &data, None))).unwrap();
    }
    let head = log.head().position.sequence;
    let pattern = |text| Selector::Patterns(Arc::from([Pattern::parse(text).unwrap()]));
    let limit = ReadLimit { events: 128, bytes: usize::MAX };
    let mut group = c.benchmark_group("read a page of at most 128");
    for (name, selector, after) in [
        ("one topic", Selector::Topic(topics[0].clone()), 0),
        ("one topic of a pattern", pattern("tenants.0.*"), 0),
        ("all topics, the newest", pattern("**"), head - 228),
        ("all topics, from the start", pattern("**"), 0),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| black_box(now(log.read(&selector, Position::of(after), limit)).unwrap().events.len()));
        });
    }
    group.finish();
}

/// What grows with the number of topics: finding a place in them, and a page of all of them.
fn wide(c: &mut Criterion) {
    let data = Bytes::from(vec![b'x'; 200]);
    let pattern = |text| Selector::Patterns(Arc::from([Pattern::parse(text).unwrap()]));
    let rare = Filter::of(vec![EventType::parse("rare").unwrap()]);
    let limit = ReadLimit { events: 128, bytes: usize::MAX };
    for count in [1000, 100_000] {
        let (log, topics) = (memory(ROOMY), topics(count));
        for n in 0..2 * count {
            now(log.append(delivery(strided(&topics, n), &data, None))).unwrap();
        }
        let all = pattern("**");
        let mut group = c.benchmark_group(format!("{count} topics"));
        for (name, selector, filter, since) in [
            ("locate the oldest", &all, &Filter::All, Since::Oldest),
            ("locate the last 10", &all, &Filter::All, Since::Last(10)),
            ("locate the last 10 of a type that none has", &all, &rare, Since::Last(10)),
            ("locate the last minute", &all, &Filter::All, Since::Ago(Duration::from_mins(1))),
            ("locate the last 10 of one topic", &pattern("tenants.7.*"), &Filter::All, Since::Last(10)),
        ] {
            group.bench_function(name, |b| {
                b.iter(|| black_box(now(log.locate(selector, filter, since)).unwrap()));
            });
        }
        group.bench_function("a page of 128 from the start", |b| {
            b.iter(|| black_box(now(log.read(&all, Position::START, limit)).unwrap().events.len()));
        });
        group.finish();
    }
}

criterion_group!(benches, append, contended, tailed, read, wide);
criterion_main!(benches);
