//! What it costs to know who sent a webhook, beside the bare HMAC that nobody can do without.
//!
//! `cargo bench --bench verify`. The figures that count are ratios within one run: GitHub's verification of 10 KiB to
//! the HMAC of the same bytes.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method};
use sha2::Sha256;
use sidestream::event::Millis;
use sidestream::secret::Secret;
use sidestream::verify::{Request, Scheme, preset};

const TOLERANCE: Duration = Duration::from_mins(5);
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

criterion_group!(benches, bare, presets, refused);
criterion_main!(benches);
