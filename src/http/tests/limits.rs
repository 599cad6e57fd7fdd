//! Too much, too large and too slow: each has its own answer, and a client is told when to come back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::stream;
use schemas::limits::{HTTP_BODIES_MAX, HTTP_REQUESTS_MAX, SUBMISSION_BYTES_MAX};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::super::{Guard, guarded};
use super::world::text;
use crate::access::Recorder;
use crate::clock::Clock;

const SLOW: &str = "/api/v1/agents";
const TAKEN: &str = "/api/v1/submissions";

/// One route that never answers, one that takes a body, and one that is at once there.
fn app() -> Router {
    let router = Router::new()
        .route(SLOW, get(std::future::pending::<Response>))
        .route(TAKEN, post(|body: axum::body::Bytes| async move { body.len().to_string() }))
        .route("/livez", get(|| async { "ok" }))
        .route("/version", get(|| async { "1" }));
    guarded(router, Guard::new(Clock::system()))
}

async fn ask(app: &Router, method: &str, path: &str, body: Body) -> Response {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    app.clone().oneshot(request.body(body).unwrap()).await.unwrap()
}

fn never() -> Body {
    Body::from_stream(stream::pending::<Result<bytes::Bytes, std::io::Error>>())
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let app = app();
    let answer = ask(&app, "GET", SLOW, Body::empty()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(text(answer).await.contains("too-slow"));
    // What goes on in the background keeps its place, so asking again and again runs into the limit.
    for _ in 1..HTTP_REQUESTS_MAX {
        let app = app.clone();
        tokio::spawn(async move { ask(&app, "GET", SLOW, Body::empty()).await });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let answer = ask(&app, "GET", "/version", Body::empty()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(text(answer).await.contains("overloaded"));
    assert_eq!(ask(&app, "GET", "/livez", Body::empty()).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_bounded_in_size_time_and_number() {
    let app = app();
    let fits = ask(&app, "POST", TAKEN, vec![0; SUBMISSION_BYTES_MAX].into()).await;
    assert_eq!((fits.status().as_u16(), text(fits).await), (200, SUBMISSION_BYTES_MAX.to_string()));
    let large = ask(&app, "POST", TAKEN, vec![0; SUBMISSION_BYTES_MAX + 1].into()).await;
    assert_eq!(large.status(), 413);
    let slow = ask(&app, "POST", TAKEN, never()).await;
    assert_eq!(slow.status(), 408);
    for _ in 0..HTTP_BODIES_MAX {
        let app = app.clone();
        tokio::spawn(async move { ask(&app, "POST", TAKEN, never()).await });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let more = ask(&app, "POST", TAKEN, Body::empty()).await;
    assert_eq!(
        (more.status().as_u16(), &more.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_recorded_any_more_is_not_answered() {
    const RECORDED: &str = "/api/v1/entries";
    let recorder = Arc::new(Recorder::new(ingest::Door::default()));
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let mut guard = Guard::new(Clock::system());
    guard.recorder = Some(Arc::clone(&recorder));
    // The last reads are recorded while this one is under way.
    let slow = move || async move {
        recorder.run(shutdown).await;
        "what an agent wrote"
    };
    let app = guarded(Router::new().route(RECORDED, get(slow)), guard);
    let answer = ask(&app, "GET", RECORDED, Body::empty()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert!(text(answer).await.contains("shutting-down"));
}

#[tokio::test(start_paused = true)]
async fn what_can_be_stopped_is_told_when_the_client_hangs_up() {
    let (tell, mut told) = tokio::sync::mpsc::channel(2);
    let waits = |Extension(query::Waiting(mut waiting)): Extension<query::Waiting>| async move {
        tell.send("begun").await.unwrap();
        assert!(waiting.changed().await.is_err());
        tell.send("nobody waits").await.unwrap();
    };
    let app = guarded(Router::new().route(SLOW, get(waits)), Guard::new(Clock::system()));
    let asked = tokio::spawn(async move { ask(&app, "GET", SLOW, Body::empty()).await });
    assert_eq!(told.recv().await, Some("begun"));
    asked.abort();
    assert_eq!(told.recv().await, Some("nobody waits"));
}
