//! A real ledger behind the real router: readers see every entry once, in order, wherever they come in.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use schemas::id::{ChainHash, Index, Micros, TreeSize};
use schemas::limits::{TAIL_RING_FRAMES, TAIL_SKIP_MAX, TAIL_STREAMS_MAX};
use schemas::shape::time_json;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::tests::world::{HOSTILE, START};
use crate::{Decoder, Event, Permit, Token, routes};

mod crowd;
mod extending;
mod permits;
mod redaction;
mod splice;
mod world;

pub(crate) use world::World;

/// Whatever does not happen within this does not happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A number below `below`, the next of a fixed sequence.
fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

async fn get(router: &Router, parameters: &str, token: Option<&str>) -> Response {
    ask(router, parameters, token, None).await
}

async fn ask(
    router: &Router,
    parameters: &str,
    token: Option<&str>,
    permit: Option<Permit>,
) -> Response {
    let mut request = Request::get(format!("/api/v1/tail?{parameters}"));
    if let Some(token) = token {
        request = request.header("Last-Event-ID", token);
    }
    if let Some(permit) = permit {
        request = request.extension(permit);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// A client.
struct Reader {
    body: BodyDataStream,
    decoder: Decoder,
    events: std::collections::VecDeque<Event>,
}

impl Reader {
    async fn connect(router: &Router, parameters: &str, token: Option<&str>) -> Self {
        Self::of(get(router, parameters, token).await)
    }

    fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache, no-transform");
        assert_eq!(header("x-accel-buffering"), "no");
        let body = response.into_body().into_data_stream();
        Self { body, decoder: Decoder::default(), events: std::collections::VecDeque::new() }
    }

    /// The next event; `None` at the end.
    async fn any(&mut self) -> Option<Event> {
        while self.events.is_empty() {
            let chunk = tokio::time::timeout(DEADLINE, self.body.next()).await.unwrap()?;
            self.events.extend(self.decoder.push(&chunk.unwrap()).unwrap());
        }
        self.events.pop_front()
    }

    /// The next event that is no checkpoint, with its data.
    async fn next(&mut self) -> Option<(String, Json, Option<String>)> {
        loop {
            let Event { id, event, data } = self.any().await?;
            if event != "checkpoint" {
                return Some((event, serde_json::from_str(&data).unwrap_or_default(), id));
            }
        }
    }

    /// The next event, which has this name.
    async fn expect(&mut self, name: &str) -> Json {
        let (event, data, _) = self.next().await.unwrap();
        assert_eq!(event, name, "{data}");
        data
    }

    /// Entries from `from` until before `to`, and nothing else but turns of history and presence.
    async fn entries(&mut self, from: u64, to: u64) {
        let mut next = from;
        while next < to {
            let (event, data, id) = self.next().await.unwrap();
            match event.as_str() {
                "entry" => {
                    assert_eq!(data["index"], next);
                    assert_eq!(Token::parse(&id.unwrap()).unwrap().index(), Index(next));
                    next += 1;
                }
                "caught-up" | "fell-behind" => {}
                other => panic!("{other} {data}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_text_arrives_as_written_and_forges_nothing() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    world.append(2, 1);
    let mut reader = Reader::connect(&router, "since=1", None).await;
    for _ in 0..2 {
        let entry = reader.expect("entry").await;
        assert_eq!(entry["body"]["owner"], HOSTILE);
        assert_eq!(entry["body"]["registry"]["purpose"], HOSTILE);
    }
    let caught_up = reader.expect("caught-up").await;
    assert_eq!(caught_up, json!({ "index": 2, "time": time_json(Micros(START + 1)) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_body_does_not_pass_for_an_erased_one() {
    let mut world = World::new(1);
    world.append(3, 1);
    world.append(3, 1);
    let world = world.tampered(2);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "since=1", None).await;
    assert_eq!(reader.expect("entry").await.get("damaged"), None);
    let damaged = reader.expect("entry").await;
    assert_eq!((&damaged["damaged"], damaged.get("redacted")), (&json!(true), None));
    reader.entries(3, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_begins_with_what_comes_next() {
    let mut world = World::new(1);
    world.append(5, 1);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "", None).await;
    assert_eq!(reader.expect("caught-up").await["index"], 5);
    // It can resume from there though it has seen no entry yet.
    let token = reader.decoder.last_id().unwrap().to_owned();
    world.append(2, 1);
    reader.entries(6, 8).await;
    Reader::connect(&router, "since=0", Some(&token)).await.entries(6, 8).await;
    // A beginning that has not come yet is waited for.
    let mut later = Reader::connect(&router, "since=10", None).await;
    assert_eq!(later.expect("caught-up").await["index"], 7);
    world.append(4, 1);
    later.entries(10, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beginning_that_moves_takes_nothing_from_whoever_comes_back() {
    let mut world = World::new(1);
    world.append(2, 1_000_000);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "since=1h", None).await;
    reader.entries(0, 3).await;
    let token = reader.decoder.last_id().unwrap().to_owned();
    world.append(3, 1);
    // 25 hours later it is half past midnight.
    world.append(1, 90_000_000_000);
    for parameters in ["since=1h", "since=23:00", "q=after:1h", "q=after:23:00"] {
        Reader::connect(&router, parameters, Some(&token)).await.entries(3, 7).await;
    }
    // A place that stays where it is holds.
    Reader::connect(&router, "since=5", Some(&token)).await.entries(5, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_falls_behind_is_late_and_misses_nothing() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "", None).await;
    assert_eq!(reader.expect("caught-up").await["index"], 0);
    let size = TAIL_RING_FRAMES as u64 + 500;
    for _ in 0..size.div_ceil(500) {
        world.append(500, 1);
    }
    let size = world.ledger().head().size.0;
    // Another reader shows that the ring has turned over.
    Reader::connect(&router, &format!("since={}", size - 1), None)
        .await
        .entries(size - 1, size)
        .await;
    let behind = reader.expect("fell-behind").await;
    assert_eq!(behind["index"], 1);
    reader.entries(1, size).await;
    assert_eq!(reader.expect("caught-up").await["index"], size - 1);
    world.append(1, 1);
    assert_eq!(reader.expect("entry").await["index"], size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_history_is_reset() {
    let (mut world, mut other) = (World::new(1), World::new(3));
    world.append(5, 1);
    other.append(5, 1);
    let ledger = world.ledger();
    let (genesis, chain) = (ledger.chain(Index(0)).unwrap(), ledger.chain(Index(3)).unwrap());
    let foreign = other.ledger();
    let (theirs, end) = (foreign.chain(Index(0)).unwrap(), foreign.chain(Index(3)).unwrap());
    let router = routes(world.ledger(), CancellationToken::new());
    for (token, reason) in [
        (Token::new(&theirs, Index(3), &end), "foreign"),
        (Token::new(&genesis, Index(6), &chain), "shorter"),
        (Token::new(&genesis, Index(u64::MAX), &chain), "shorter"),
        (Token::new(&genesis, Index(3), &end), "different"),
        (Token::new(&genesis, Index(4), &chain), "different"),
    ] {
        let mut reader = Reader::connect(&router, "since=0", Some(&token.to_string())).await;
        let expected = json!({ "reason": reason, "origin": "ledger.example/acme" });
        assert_eq!(reader.expect("reset").await, expected);
        assert_eq!(reader.any().await, None, "nothing follows");
        assert_eq!(reader.decoder.last_id(), None);
        assert!(reader.decoder.retry_ms().unwrap() >= 30_000);
    }
    let good = Token::new(&genesis, Index(3), &chain).to_string();
    Reader::connect(&router, "", Some(&good)).await.entries(4, 6).await;
    Reader::connect(&router, &format!("last_event_id={good}"), None).await.entries(4, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_new_entry_is_checked_no_less() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    world.append(5, 1);
    // Whoever was sent them has seen that they are in memory.
    Reader::connect(&router, "since=0", None).await.entries(0, 6).await;
    let (ledger, other) = (world.ledger(), ChainHash([7; 32]));
    let (genesis, chain) = (ledger.chain(Index(0)).unwrap(), ledger.chain(Index(3)).unwrap());
    for (token, reason) in [
        (Token::new(&other, Index(3), &chain), "foreign"),
        (Token::new(&genesis, Index(3), &other), "different"),
        (Token::new(&genesis, Index(4), &chain), "different"),
        (Token::new(&genesis, Index(6), &chain), "shorter"),
    ] {
        let mut reader = Reader::connect(&router, "", Some(&token.to_string())).await;
        assert_eq!(reader.expect("reset").await["reason"], reason);
    }
    let good = Token::new(&genesis, Index(3), &chain).to_string();
    Reader::connect(&router, "", Some(&good)).await.entries(4, 6).await;
    Reader::connect(&router, "since=5", Some(&good)).await.entries(5, 6).await;
    let mut beyond = Reader::connect(&router, "checkpoint=7", Some(&good)).await;
    assert_eq!(beyond.expect("reset").await["reason"], "shorter");
    let finished = get(&router, "q=until:4", Some(&good)).await;
    assert_eq!(finished.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_passes_over_much_still_advances() {
    let mut world = World::new(1);
    for _ in 0..5 {
        world.append(500, 1);
    }
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "q=since:0&agent=agent-1500", None).await;
    let mut told = Vec::new();
    let token = loop {
        let (event, data, id) = reader.next().await.unwrap();
        let index = Token::parse(&id.clone().unwrap()).unwrap().index().0;
        told.push((event.clone(), index));
        assert_eq!(data["index"], if event == "message" { Json::Null } else { index.into() });
        if event == "caught-up" {
            break id.unwrap();
        }
    };
    let expected = [
        ("message".to_owned(), TAIL_SKIP_MAX - 1),
        ("entry".to_owned(), 1500),
        ("message".to_owned(), 1500 + TAIL_SKIP_MAX),
        ("caught-up".to_owned(), 2500),
    ];
    assert_eq!(told, expected);
    // The same from the ring.
    for _ in 0..3 {
        world.append(400, 1);
    }
    let (event, _, id) = reader.next().await.unwrap();
    let index = Token::parse(&id.unwrap()).unwrap().index().0;
    assert_eq!((event.as_str(), index), ("message", 2500 + TAIL_SKIP_MAX));
    let mut resumed = Reader::connect(&router, "agent=agent-370*", Some(&token)).await;
    resumed.expect("message").await;
    assert_eq!(resumed.expect("entry").await["index"], 3700);
    assert_eq!(resumed.expect("caught-up").await["index"], 3700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_ends_ends_the_stream() {
    let mut world = World::new(1);
    world.append(9, 1_000_000);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut reader = Reader::connect(&router, "q=since:2%20until:12%20-agent:agent-11", None).await;
    reader.entries(2, 10).await;
    reader.expect("caught-up").await;
    world.append(9, 1_000_000);
    reader.entries(10, 11).await;
    let (event, data, id) = reader.next().await.unwrap();
    assert_eq!((event.as_str(), data), ("message", Json::Null));
    assert_eq!(reader.expect("bye").await, json!({ "reason": "until" }));
    assert_eq!(reader.any().await, None);
    let again = get(&router, "q=since:2%20until:12", id.as_deref()).await;
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    // By time, the last commit being the ledger's now: the one a second ago is out, the last one is in.
    let mut reader = Reader::connect(&router, "q=since:1s", None).await;
    reader.entries(1, 19).await;
    let finished = get(&router, "q=until:1s", None).await;
    assert_eq!(finished.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_says_goodbye() {
    let world = World::new(1);
    let shutdown = CancellationToken::new();
    let router = routes(world.ledger(), shutdown.clone());
    let mut idle = Reader::connect(&router, "", None).await;
    idle.expect("caught-up").await;
    shutdown.cancel();
    assert_eq!(idle.expect("bye").await, json!({ "reason": "shutdown" }));
    assert_eq!(idle.any().await, None);
    let mut late = Reader::connect(&router, "since=0", None).await;
    late.expect("bye").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_outlives_the_writer() {
    let mut world = World::new(1);
    world.append(3, 1);
    let router = routes(world.ledger(), CancellationToken::new());
    drop(world);
    let mut reader = Reader::connect(&router, "since=0", None).await;
    reader.entries(0, 4).await;
    reader.expect("caught-up").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_served_are_problems() {
    let world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let check = async |parameters: &str, code: &str, param: &str| {
        let response = get(&router, parameters, None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{parameters}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let problem: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["status"], 400);
        assert_eq!((&problem["code"], &problem["param"]), (&json!(code), &json!(param)));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
    };
    check("agnet=x", "unknown-parameter", "agnet").await;
    check("q=&q=", "repeated-parameter", "q").await;
    check("q=agnet:x", "bad-query", "q").await;
    check("since=soon", "bad-query", "since").await;
    check("last_event_id=1", "bad-token", "last_event_id").await;
    check("%0d%0aid:1=%00", "unknown-parameter", "\r\nid:1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_readers_are_told_to_come_back() {
    let world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let mut open = Vec::new();
    for _ in 0..TAIL_STREAMS_MAX {
        let response = get(&router, "", None).await;
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    let refused = get(&router, "", None).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    open.pop();
    assert_eq!(get(&router, "", None).await.status(), StatusCode::OK);
}

#[test]
fn a_token_names_its_place() {
    let token = Token::new(&ChainHash([0xab; 32]), Index(1302), &ChainHash([0x0c; 32]));
    assert_eq!(token.to_string(), "abababab.1302.0c0c0c0c");
}
