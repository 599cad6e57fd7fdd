//! Microseconds for one body: `cargo run -p schemas --example timing`.

use std::hint::black_box;
use std::time::Instant;

use schemas::body::Body;
use schemas::deterministic::{Bounds, decode};
use schemas::id::unhex;

const ROUNDS: u32 = 200_000;

fn main() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/good.json"))
        .expect("the committed vectors are JSON");
    for name in ["end", "failed", "intent"] {
        let all = vectors["submissions"].as_array().into_iter().flatten();
        let hex = all.filter(|one| one["name"] == name).map(|one| &one["items"][0]["body"]);
        let body = hex.last().and_then(|hex| unhex(hex.as_str()?)).expect("the vectors have it");
        println!("{name}, {} bytes", body.len());
        time("decode", || decode(black_box(&body), Bounds::WIRE).is_ok());
        time("Body::parse", || Body::parse(black_box(&body)).is_ok());
        time("Body::digest", || Body::digest(black_box(&body)).0[0] > 0);
    }
}

fn time(what: &str, run: impl Fn() -> bool) {
    let fastest = (0..5).map(|_| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(run());
        }
        start.elapsed() / ROUNDS
    });
    println!("  {what:12} {:?}", fastest.min().unwrap_or_default());
}
