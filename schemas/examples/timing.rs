//! Time for one body: `cargo run -p schemas --example timing [RUNS]`.

#![allow(clippy::indexing_slicing, reason = "reads the committed vectors")]

use std::hint::black_box;
use std::time::Instant;

use schemas::body::Body;
use schemas::deterministic::{Bounds, decode};
use schemas::id::unhex;

fn main() {
    let runs = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/good.json"))
        .expect("the committed vectors are JSON");
    for name in ["end", "failed", "intent"] {
        let mut all = vectors["submissions"].as_array().into_iter().flatten();
        let one = all.find(|one| one["name"] == name).expect("the vectors have it");
        let hex = one["items"][0]["body"].as_str().expect("bodies are hex");
        let body = unhex(hex).expect("bodies are hex");
        println!("{name}, {} bytes", body.len());
        time("decode", runs, || decode(black_box(&body), Bounds::WIRE).is_ok());
        time("Body::parse", runs, || Body::parse(black_box(&body)).is_ok());
        time("Body::digest", runs, || Body::digest(black_box(&body)).as_bytes().is_empty());
    }
}

/// Calls in one run: few, so that some runs are not interrupted.
const CALLS: u32 = 50;

/// Prints the mean of the fastest of many runs.
fn time(what: &str, runs: u32, run: impl Fn() -> bool) {
    let mean = |_| {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(run());
        }
        start.elapsed() / CALLS
    };
    println!("  {what:12} {:?}", (0..runs).map(mean).min().unwrap_or_default());
}
