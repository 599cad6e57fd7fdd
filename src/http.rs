//! The HTTP interface: health, administration and submissions, and the guard before every route.

mod admin;
mod asked;
mod connection;
mod deadline;
mod docs;
mod guard;
mod load;
mod metrics;
mod names;
mod openapi;
mod pair;
mod problems;
mod submissions;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod tls;
mod untaken;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ingest::{Connection, Room};
use ledger::Ledger;
use schemas::access::{Param, Right, Route};
use schemas::limits::RESTART_S;
use schemas::problem::{PROBLEM_MEDIA_TYPE, Problem};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

pub(crate) use admin::{Admin, DELIBERATE, deliberate};
pub(crate) use connection::{listen, serve};
pub(crate) use guard::Guard;
pub(crate) use metrics::Metrics;
pub(crate) use names::Names;
pub(crate) use submissions::Intake;
pub(crate) use tls::{Tls, TlsError};

/// When to ask again while the broker is away; more often it is not looked for.
const BROKER_S: u16 = 2;
/// When to ask again while the disk is short: somebody has to make room first.
const DISK_S: u16 = 30;

/// What is served here.
const ROUTES: &[Route] = &[
    Route::get("/livez", Right::Public, "Whether the process runs").media(&["text/plain"]),
    Route::get("/readyz", Right::Public, "Whether submissions come in and the ledger answers"),
    Route::get("/version", Right::Public, "The program's version"),
    Route::get("/metrics", Right::Read, "Measurements, in the form of Prometheus")
        .media(&["text/plain"]),
    Route::get("/openapi.json", Right::Public, "This interface, described for programs"),
    Route::get("/docs", Right::Public, "This interface, described for people")
        .media(&["text/html"]),
    Route::get("/problems/{code}", Right::Public, "What a problem means and what to do")
        .params(&[Param::path("code", "The problem's code")])
        .media(&["text/plain"]),
];

/// Health, version and administration, as routes.
pub(crate) fn routes(
    health: Health,
    admin: Admin,
    intake: Intake,
    metrics: Arc<Metrics>,
) -> Router {
    let measured = metrics::Measured { health: health.clone(), metrics };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/version", get(version))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(metrics::metrics).with_state(measured))
        .route("/openapi.json", get(openapi::served))
        .route("/docs", get(docs::page))
        .route("/problems/{code}", get(problems::explained))
        .merge(admin::routes(admin))
        .merge(submissions::routes(intake))
}

/// Lets through what the guard lets through, and answers in one voice where nothing is found.
///
/// Whoever can listen on loopback is on this machine already; but a page in somebody's browser can be made to
/// ask us under a name that it controls, and then it says that name in `Host`.
pub(crate) fn guarded(router: Router, guard: Guard) -> Router {
    router
        .fallback(|| async {
            let problem = Problem::new("not-found", "Not found", "there is nothing at this path");
            refuse(StatusCode::NOT_FOUND, &problem)
        })
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::guard))
}

/// A problem as a response.
pub(crate) fn refuse(status: StatusCode, problem: &Problem) -> Response {
    let body = problem.to_json(status.as_u16()).to_string();
    let mut response = (status, body).into_response();
    let media_type = HeaderValue::from_static(PROBLEM_MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// Not now; in so many seconds, perhaps.
fn later(status: StatusCode, seconds: u16, problem: &Problem) -> Response {
    let mut response = refuse(status, problem);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

fn shutting_down() -> Response {
    let problem = Problem::new("shutting-down", "Shutting down", "the server ends; ask again");
    later(StatusCode::SERVICE_UNAVAILABLE, RESTART_S, &problem)
}

async fn version() -> Response {
    let version = json!({ "name": "sworn", "version": env!("CARGO_PKG_VERSION") });
    axum::Json(version).into_response()
}

/// What readiness depends on. A writer that fails ends the process, so it needs no flag here.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) ledger: Ledger,
    /// Whether submissions are coming in.
    pub(crate) connection: watch::Receiver<Connection>,
    /// Room on the store's disk.
    pub(crate) room: watch::Receiver<Room>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) clock: Clock,
}

impl Health {
    /// Seconds since the last commit: many, too, where nobody has anything to say.
    fn head_age_s(&self) -> u64 {
        self.clock.now().0.saturating_sub(self.ledger.head().received_at.0) / 1_000_000
    }
}

async fn ready(State(health): State<Health>) -> Response {
    if health.shutdown.is_cancelled() {
        return shutting_down();
    }
    if *health.connection.borrow() == Connection::Down {
        let detail = "submissions do not come in; what is in the ledger can be read";
        let problem = Problem::new("broker-unreachable", "The broker cannot be reached", detail);
        return later(StatusCode::SERVICE_UNAVAILABLE, BROKER_S, &problem);
    }
    if health.room.borrow().is_short() {
        let detail =
            "events wait at the broker until there is room; what is in the ledger can be read";
        return disk_short(detail);
    }
    let head = health.ledger.head();
    let received_at = schemas::shape::time_json(head.received_at);
    let age_s = health.head_age_s();
    let ready =
        json!({ "ready": true, "size": head.size.0, "received_at": received_at, "age_s": age_s });
    axum::Json(ready).into_response()
}

fn disk_short(detail: &'static str) -> Response {
    let problem = Problem::new("disk-short", "The disk is short", detail);
    later(StatusCode::SERVICE_UNAVAILABLE, DISK_S, &problem)
}

#[cfg(test)]
mod listening {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use axum::body::Body;
    use axum::extract::Request;
    use schemas::limits::HTTP_HEADER_S_MAX;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;
    use tower::ServiceExt as _;

    use super::*;

    fn app() -> Router {
        let router = Router::new().route("/livez", get(|| async { "ok\n" }));
        guarded(router, Guard::new(Clock::system()))
    }

    async fn status(host: Option<&str>, uri: &str) -> u16 {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        let response = app().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        response.status().as_u16()
    }

    #[tokio::test]
    async fn only_this_machines_names_are_answered() {
        for host in ["127.0.0.1", "127.0.0.1:7420", "localhost:7420", "LOCALHOST", "[::1]:7420"] {
            assert_eq!(status(Some(host), "/livez").await, 200, "{host}");
        }
        let foreign = [
            "evil.example",
            "evil.example:7420",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1@evil.example",
            "0.0.0.0",
            "192.0.2.1",
            "",
            "::1",
            "[::1",
            "localhost:x:y",
        ];
        for host in foreign {
            assert_eq!(status(Some(host), "/livez").await, 403, "{host}");
        }
        assert_eq!(status(None, "/livez").await, 403);
        assert_eq!(status(Some("localhost"), "http://evil.example/livez").await, 403);
        assert_eq!(status(Some("localhost"), "/nothing").await, 404);
    }

    async fn listening(shutdown: &CancellationToken) -> (std::net::SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, None, app(), shutdown.clone()));
        (address, server)
    }

    #[tokio::test]
    async fn a_connection_is_served_and_ended_at_shutdown() {
        let shutdown = CancellationToken::new();
        let (address, mut server) = listening(&shutdown).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        // The connection idles, kept alive; shutting down neither waits for it nor accepts others.
        shutdown.cancel();
        server.join_next().await.unwrap().unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_cut() {
        let shutdown = CancellationToken::new();
        let (address, _server) = listening(&shutdown).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.unwrap();
        let mut answer = Vec::new();
        let cut = stream.read_to_end(&mut answer);
        let deadline = Duration::from_secs(HTTP_HEADER_S_MAX * 3);
        tokio::time::timeout(deadline, cut).await.unwrap().unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}
