//! The listener: connections with limits and deadlines, health, and who may ask at all.

mod admin;
mod deadline;
mod submissions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use ingest::Connection;
use ledger::Ledger;
use schemas::limits::{
    HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADER_S_MAX, HTTP_WRITE_S_MAX,
};
use schemas::problem::{PROBLEM_MEDIA_TYPE, Problem};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use admin::{Admin, deliberate};
use deadline::Deadline;
pub(crate) use submissions::Intake;

/// How long the listener rests when the system gives it no connection, in milliseconds.
const ACCEPT_REST_MS: u64 = 100;

/// Health, version and administration, as routes.
pub(crate) fn routes(health: Health, admin: Admin, intake: Intake) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/version", get(version))
        .route("/readyz", get(ready).with_state(health))
        .merge(admin::routes(admin))
        .merge(submissions::routes(intake))
}

/// Lets only requests in that name this machine, and answers in one voice where nothing is found.
///
/// Whoever can listen here is on this machine already; but a page in somebody's browser can be made to
/// ask us under a name that it controls, and then it says that name in `Host`.
pub(crate) fn guarded(router: Router) -> Router {
    router
        .fallback(|| async {
            let problem = Problem::new("not-found", "Not found", "there is nothing at this path");
            refuse(StatusCode::NOT_FOUND, &problem)
        })
        .layer(middleware::from_fn(local_only))
}

/// A problem as a response.
pub(crate) fn refuse(status: StatusCode, problem: &Problem) -> Response {
    let body = problem.to_json(status.as_u16()).to_string();
    let mut response = (status, body).into_response();
    let media_type = HeaderValue::from_static(PROBLEM_MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

async fn local_only(request: Request, next: Next) -> Response {
    let named = request.uri().authority().map(|authority| is_local(authority.as_str()));
    if host_is_local(request.headers()) && named.unwrap_or(true) {
        return next.run(request).await;
    }
    let detail = "ask for 127.0.0.1, [::1] or localhost: this server answers to no other name";
    refuse(StatusCode::FORBIDDEN, &Problem::new("foreign-host", "Foreign host", detail))
}

fn host_is_local(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) => is_local(host),
        _ => false,
    }
}

fn is_local(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
    pub(crate) shutdown: CancellationToken,
}

async fn ready(State(health): State<Health>) -> Response {
    let unready = |code, title, detail: &'static str| {
        refuse(StatusCode::SERVICE_UNAVAILABLE, &Problem::new(code, title, detail))
    };
    if health.shutdown.is_cancelled() {
        return unready("shutting-down", "Shutting down", "ask again in a minute");
    }
    if *health.connection.borrow() == Connection::Down {
        let detail = "submissions do not come in; what is in the ledger can be read";
        return unready("broker-unreachable", "The broker cannot be reached", detail);
    }
    let head = health.ledger.head();
    let received_at = schemas::shape::time_json(head.received_at);
    axum::Json(json!({ "ready": true, "size": head.size.0, "received_at": received_at }))
        .into_response()
}

/// Serves until `shutdown`, then lets the requests under way finish.
///
/// Only HTTP/1.1: browsers speak HTTP/2 over TLS alone, which is not built yet, and telling the two
/// apart without it means waiting on bytes that a client may never send.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_ended) = connections.join_next() => {}
            (stream, slot) = accept(&listener, &slots) => {
                let connection = graceful.watch(connection(stream, router.clone()));
                connections.spawn(async move {
                    // What goes wrong on a connection is its client's affair.
                    let ended = connection.await;
                    tracing::debug!(?ended, "connection");
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let slot = Arc::clone(slots).acquire_owned().await.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, _peer)) => return (stream, slot),
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_REST_MS)).await;
            }
        }
    }
}

type Served = http1::Connection<TokioIo<Deadline<TcpStream>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router) -> Served {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let stream = Deadline::new(stream, Duration::from_secs(HTTP_WRITE_S_MAX));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HTTP_HEADER_S_MAX))
        .max_buf_size(HTTP_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::body::Body;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tower::ServiceExt as _;

    use super::*;

    fn app() -> Router {
        guarded(Router::new().route("/livez", get(|| async { "ok\n" })))
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
        server.spawn(serve(listener, app(), shutdown.clone()));
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
