//! What it costs to know who sent a webhook, beside the bare HMAC that nobody can do without.
//!
//! `cargo bench --bench verify`. The figures that count are ratios within one run: GitHub's verification of 10 KiB to
//! the HMAC of the same bytes. They are measured once more at the end, turn by turn, and printed as a table.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method};
use sha2::Sha256;
use sidestream::event::Millis;
use sidestream::secret::Secret;
use sidestream::verify::{Request, Scheme, preset};

const TOLERANCE: Duration = Duration::from_mins(5);
/// What verification may cost, in HMACs of the same bytes.
const ASKED: f64 = 1.3;
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PUBLIC_KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

fn secrets(count: usize) -> Vec<Secret> {
    // The last one is the sender's, so that each is tried for good.
    let wrong = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    (1..=count).map(|n| Secret::new(if n == count { WHSEC } else { wrong }.as_bytes())).collect()
}

/// Verifies `body` as `signer` signs it.
fn verify(c: &mut Criterion, name: &str, scheme: &Scheme, signer: &Scheme, body: &[u8]) {
    let empty = HeaderMap::new();
    let request = |headers| Request {
        method: &Method::POST,
        target: "/webhooks/x",
        headers,
        body,
        received: Millis(1_700_000_000_000),
    };
    let headers: HeaderMap = signer.sign(&request(&empty)).expect("it can be signed").into_iter().collect();
    let mut group = c.benchmark_group("verify");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function(name, |b| {
        b.iter(|| scheme.verify(black_box(&request(&headers))).expect("it is from whom it must be from"));
    });
    group.finish();
}

fn bare(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    for bytes in [200, 10 * 1024] {
        let body = vec![b'x'; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("nothing but the HMAC, {bytes} bytes"), |b| {
            b.iter(|| {
                let mut mac = Hmac::<Sha256>::new_from_slice(WHSEC.as_bytes()).expect("any length will do");
                mac.update(black_box(&body));
                mac.finalize()
            });
        });
    }
    group.finish();
}

fn presets(c: &mut Criterion) {
    for bytes in [200, 10 * 1024] {
        let body = vec![b'x'; bytes];
        for count in [1, 2] {
            let (all, last) = (secrets(count), secrets(1));
            let of = |name| format!("{name}, {count} secrets, {bytes} bytes");
            let scheme = preset::github(&all).expect("a scheme");
            let signer = preset::github(&last).expect("a scheme");
            verify(c, &of("github"), &scheme, &signer, &body);
            let scheme = preset::standard(&all, TOLERANCE).expect("a scheme");
            let signer = preset::standard(&last, TOLERANCE).expect("a scheme");
            verify(c, &of("standard"), &scheme, &signer, &body);
            let scheme = preset::stripe(&all, TOLERANCE).expect("a scheme");
            let signer = preset::stripe(&last, TOLERANCE).expect("a scheme");
            verify(c, &of("stripe"), &scheme, &signer, &body);
        }
    }
}

/// GitHub's verification beside the bare HMAC, in turns so that whatever the machine does besides meets both. The key of the
/// bare one is prepared as well: to digest it for each request would flatter the ratio.
fn ratio(_: &mut Criterion) {
    println!(
        "\n| GitHub's verification | the HMAC alone, µs | verification, µs | ratio, median of turns | asked |"
    );
    println!("|---|---|---|---|---|");
    for bytes in [200, 10 * 1024] {
        let body = vec![b'x'; bytes];
        let empty = HeaderMap::new();
        let request = |headers| Request {
            method: &Method::POST,
            target: "/webhooks/x",
            headers,
            body: &body,
            received: Millis(1_700_000_000_000),
        };
        let scheme = preset::github(&secrets(1)).expect("a scheme");
        let headers: HeaderMap =
            scheme.sign(&request(&empty)).expect("it can be signed").into_iter().collect();
        let mac = Hmac::<Sha256>::new_from_slice(WHSEC.as_bytes()).expect("any length will do");
        let bare = || {
            let mut mac = mac.clone();
            mac.update(black_box(&body));
            drop(black_box(mac.finalize()));
        };
        let whole = || drop(black_box(scheme.verify(black_box(&request(&headers)))));
        let turns: Vec<(f64, f64)> = (0..TURNS).map(|_| (micros(bare), micros(whole))).collect();
        let bare = median(turns.iter().map(|turn| turn.0));
        let whole = median(turns.iter().map(|turn| turn.1));
        let ratio = median(turns.iter().map(|turn| turn.1 / turn.0));
        let asked = if bytes < 1024 { "–".to_owned() } else { format!("≤ {ASKED}") };
        println!("| {bytes} bytes | {bare:.2} | {whole:.2} | {ratio:.2} | {asked} |");
    }
    println!();
}

const TURNS: usize = 401;

/// µs of one call, over enough of them for the clock.
fn micros(call: impl Fn()) -> f64 {
    const CALLS: u32 = 50;
    let begun = Instant::now();
    (0..CALLS).for_each(|_| call());
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What is refused must not cost more than what is believed. The signature is a point for which nobody has the key.
fn refused(c: &mut Criterion) {
    let body = vec![b'x'; 10 * 1024];
    let headers: HeaderMap = [
        ("x-signature-timestamp", "1700000000".to_owned()),
        ("x-signature-ed25519", PUBLIC_KEY.to_owned() + &"00".repeat(32)),
    ]
    .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
    .into_iter()
    .collect();
    let request = Request {
        method: &Method::POST,
        target: "/webhooks/x",
        headers: &headers,
        body: &body,
        received: Millis(1_700_000_000_000),
    };
    let scheme = preset::discord(&[Secret::new(PUBLIC_KEY.as_bytes())], TOLERANCE).expect("a scheme");
    c.bench_function("verify/discord refuses 10240 bytes", |b| {
        b.iter(|| scheme.verify(black_box(&request)).expect_err("nobody signed it"));
    });
}

criterion_group!(benches, bare, presets, refused, ratio);
criterion_main!(benches);
