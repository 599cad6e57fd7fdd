//! Administration from this machine: copies of the store, and the simulated clock.
//!
//! Every route changes something, so every one demands [`ADMIN_HEADER`]: a page in a browser cannot
//! send it to another origin without asking first, and nobody here says yes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segment, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use ledger::{Ledger, ReadError};
use schemas::access::{JSON_MEDIA_TYPE, Param, Right, Route};
use schemas::id::Micros;
use schemas::limits::ADMIN_COPIES_MAX;
use schemas::problem::Problem;
use schemas::shape::time_json;
use serde_json::json;

use super::refuse;
use crate::clock::{self, Clock, StepError};

/// The header without which nothing here is done; its value is `1`.
pub(crate) const ADMIN_HEADER: &str = "x-sworn-admin";

/// What every route that changes something here takes.
pub(crate) const DELIBERATE: Param =
    Param::header("X-Sworn-Admin", "`1`: that it is meant").required();

/// What is served here.
pub(super) const ROUTES: &[Route] = &[
    Route::post("/api/v1/admin/copy", Right::Operate, "A copy of the store, for verification")
        .params(&[DELIBERATE])
        .created(),
    Route::delete("/api/v1/admin/copy/{number}", Right::Operate, "Removes a copy")
        .params(&[Param::path("number", "The copy's number").number(), DELIBERATE]),
    Route::post(
        "/api/v1/admin/purge",
        Right::Operate,
        "Rewrites the files that hold what was erased",
    )
    .params(&[DELIBERATE]),
    Route::post("/api/v1/dev/clock", Right::Operate, "Steps a simulated clock forward")
        .params(&[DELIBERATE])
        .body(JSON_MEDIA_TYPE),
];

/// What administration acts on.
pub(crate) struct Admin {
    /// The ledger that is copied.
    ledger: Ledger,
    /// Where copies are put, each in a directory named by its number.
    copies: PathBuf,
    /// Number of the last copy.
    last: AtomicU64,
    /// The clock, if it may be stepped.
    clock: Option<Clock>,
}

impl Admin {
    /// Copies of `ledger` go to `copies`, which is emptied: nobody reads copies of an earlier life.
    ///
    /// # Errors
    /// When `copies` cannot be emptied or made.
    pub(crate) fn new(ledger: Ledger, copies: &Path, clock: &Clock) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(copies) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => DirBuilder::new().recursive(true).mode(0o700).create(copies)?,
        }
        let clock = clock.is_simulated().then(|| clock.clone());
        Ok(Self { ledger, copies: copies.canonicalize()?, last: AtomicU64::new(0), clock })
    }

    fn copy(&self) -> Result<serde_json::Value, CopyError> {
        let kept = std::fs::read_dir(&self.copies)?.count();
        if kept >= ADMIN_COPIES_MAX {
            return Err(CopyError::TooMany { kept });
        }
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let place = self.copies.join(number.to_string());
        std::fs::create_dir(&place)?;
        let made = self.fill(number, &place);
        if made.is_err() {
            // Half a copy must not count as one; that it cannot be removed changes nothing of the error.
            let _ = std::fs::remove_dir_all(&place);
        }
        made
    }

    /// The head is taken first, so the copy holds at least what its note signs.
    fn fill(&self, number: u64, place: &Path) -> Result<serde_json::Value, CopyError> {
        let head = self.ledger.head();
        let (store, mark) = (place.join("store"), place.join("mark.note"));
        self.ledger.copy_to(&store)?;
        std::fs::write(&mark, &head.note)?;
        Ok(json!({
            "copy": number,
            "path": store,
            "mark": mark,
            "size": head.size.0,
            "root": head.root.to_string(),
            "note": head.note,
        }))
    }
}

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error("{kept} copies are kept already, at most {ADMIN_COPIES_MAX}: delete one")]
    TooMany { kept: usize },
    #[error("the copy could not be written: {0}")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] ReadError),
}

impl IntoResponse for CopyError {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::TooMany { .. } => refuse(
                StatusCode::CONFLICT,
                &Problem::new("too-many-copies", "Too many copies", detail),
            ),
            Self::File(_) | Self::Store(_) => {
                tracing::error!(%detail, "copy");
                refuse(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &Problem::new("copy-failed", "The copy failed", detail),
                )
            }
        }
    }
}

pub(super) fn routes(admin: Admin) -> Router {
    let steps = admin.clock.is_some();
    let mut router = Router::new()
        .route("/api/v1/admin/copy", post(make_copy))
        .route("/api/v1/admin/copy/{number}", delete(drop_copy))
        .route("/api/v1/admin/purge", post(purge));
    if steps {
        router = router.route("/api/v1/dev/clock", post(step_clock));
    }
    router.route_layer(middleware::from_fn(deliberate)).with_state(Arc::new(admin))
}

/// Lets only requests in that say that they mean it.
pub(crate) async fn deliberate(request: Request, next: Next) -> Response {
    let header = request.headers().get(ADMIN_HEADER);
    if header.is_some_and(|value| value == "1") {
        return next.run(request).await;
    }
    let detail = "requests that change something need the header X-Sworn-Admin: 1";
    let problem = Problem::new("admin-header-missing", "Not deliberate", detail);
    refuse(StatusCode::FORBIDDEN, &problem.of_param(ADMIN_HEADER))
}

async fn make_copy(State(admin): State<Arc<Admin>>) -> Response {
    let copied = tokio::task::spawn_blocking(move || admin.copy()).await;
    match copied {
        Ok(Ok(copy)) => (StatusCode::CREATED, axum::Json(copy)).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(error) => CopyError::File(error.into()).into_response(),
    }
}

/// Rewrites the files that hold what redactions erased; answers when it is done.
async fn purge(State(admin): State<Arc<Admin>>) -> Response {
    let purged = tokio::task::spawn_blocking(move || admin.ledger.purge_erased()).await;
    match purged {
        Ok(Ok(())) => axum::Json(json!({ "purged": true })).into_response(),
        Ok(Err(error)) => CopyError::Store(error).into_response(),
        Err(error) => CopyError::File(error.into()).into_response(),
    }
}

async fn drop_copy(State(admin): State<Arc<Admin>>, Segment(number): Segment<String>) -> Response {
    // Only a number: nothing else may become part of a path that is removed.
    let parsed = number.parse::<u64>().ok().filter(|parsed| parsed.to_string() == number);
    let place = parsed.map(|number| admin.copies.join(number.to_string()));
    let removed = match place {
        Some(place) => tokio::fs::remove_dir_all(place).await,
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    match removed {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => refuse(
            StatusCode::NOT_FOUND,
            &Problem::new("not-found", "Not found", "there is no such copy"),
        ),
        Err(error) => CopyError::File(error).into_response(),
    }
}

async fn step_clock(State(admin): State<Arc<Admin>>, body: Bytes) -> Response {
    let Some(clock) = &admin.clock else { return StatusCode::NOT_FOUND.into_response() };
    let Some(to) = requested(&body) else {
        let detail = "the body must be {\"to\": \"2026-04-08T03:40:00Z\"}";
        let problem = Problem::new("bad-time", "No time", detail).of_param("to");
        return refuse(StatusCode::BAD_REQUEST, &problem);
    };
    match clock.step(to) {
        Ok(()) => axum::Json(json!({ "now": time_json(clock.now()) })).into_response(),
        Err(error @ (StepError::Backward { .. } | StepError::System)) => refuse(
            StatusCode::CONFLICT,
            &Problem::new("clock-backward", "The clock only steps forward", error.to_string()),
        ),
        Err(error @ StepError::Beyond) => refuse(
            StatusCode::BAD_REQUEST,
            &Problem::new("bad-time", "No time", error.to_string()).of_param("to"),
        ),
    }
}

fn requested(body: &[u8]) -> Option<Micros> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    clock::parse(body.get("to")?.as_str()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use axum::body::{Body, to_bytes};
    use axum::http::{Method, header};
    use ed25519_dalek::SigningKey;
    use schemas::id::{SignerId, Tenant};
    use schemas::key::PublicKey;
    use serde_json::Value as Json;
    use tower::ServiceExt as _;

    use super::super::{Guard, guarded};
    use super::*;

    const START: Micros = Micros(1_775_599_200_000_000);

    struct Server {
        dir: tempfile::TempDir,
        _writer: ledger::Writer,
        clock: Clock,
        router: Router,
    }

    fn server(clock: Clock) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let config = ledger::Config {
            store: dir.path().join("store"),
            mark: dir.path().join("mark").join("dev.note"),
        };
        let key = SigningKey::from_bytes(&[1; 32]);
        let genesis = ledger::Genesis {
            tenant: Tenant::parse("dev").unwrap(),
            host: "localhost".to_owned(),
            operator: SignerId::parse("operator").unwrap(),
            operator_key: PublicKey::of(&SigningKey::from_bytes(&[2; 32])),
            clock_start: None,
            finds: false,
        };
        let writer = ledger::create(&config, key, &genesis, START).unwrap();
        let admin = Admin::new(writer.ledger(), &dir.path().join("copies"), &clock).unwrap();
        Server {
            dir,
            _writer: writer,
            clock,
            router: guarded(routes(admin), Guard::new(Clock::system())),
        }
    }

    struct Asked {
        method: Method,
        path: &'static str,
        header: Option<&'static str>,
        host: &'static str,
        body: &'static str,
    }

    const COPY: Asked = Asked {
        method: Method::POST,
        path: "/api/v1/admin/copy",
        header: Some("1"),
        host: "127.0.0.1:7420",
        body: "",
    };

    impl Server {
        async fn ask(&self, asked: &Asked) -> (u16, Json) {
            let mut request = Request::builder().method(asked.method.clone()).uri(asked.path);
            request = request.header(header::HOST, asked.host);
            if let Some(value) = asked.header {
                request = request.header(ADMIN_HEADER, value);
            }
            let request = request.body(Body::from(asked.body)).unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, serde_json::from_slice(&bytes).unwrap_or_default())
        }

        async fn step(&self, body: &'static str) -> u16 {
            let asked = Asked { path: "/api/v1/dev/clock", body, ..COPY };
            self.ask(&asked).await.0
        }

        fn copies(&self) -> usize {
            std::fs::read_dir(self.dir.path().join("copies")).unwrap().count()
        }
    }

    #[tokio::test]
    async fn nothing_changes_without_the_header_or_under_a_foreign_name() {
        let server = server(Clock::simulated(START));
        let before = server.clock.now();
        let delete = |header, host| Asked {
            method: Method::DELETE,
            path: "/api/v1/admin/copy/1",
            header,
            host,
            ..COPY
        };
        let clock = |header, host| Asked {
            path: "/api/v1/dev/clock",
            body: "{\"to\":\"2026-05-01T00:00:00Z\"}",
            header,
            host,
            ..COPY
        };
        server.ask(&COPY).await;
        for (header, host, code) in [
            (None, "127.0.0.1:7420", "admin-header-missing"),
            (Some("0"), "127.0.0.1:7420", "admin-header-missing"),
            (Some("1"), "evil.example", "foreign-host"),
            (None, "evil.example", "foreign-host"),
        ] {
            for asked in [Asked { header, host, ..COPY }, delete(header, host), clock(header, host)]
            {
                let (status, problem) = server.ask(&asked).await;
                assert_eq!((status, &problem["code"]), (403, &code.into()), "{}", asked.path);
            }
        }
        assert_eq!(server.copies(), 1);
        assert!(server.clock.now().0 - before.0 < 60_000_000);
    }

    #[tokio::test]
    async fn a_browser_gets_no_leave_to_send_the_header() {
        let server = server(Clock::system());
        let asked = Asked { method: Method::OPTIONS, header: None, ..COPY };
        let (status, _) = server.ask(&asked).await;
        assert!(!(200..300).contains(&status), "{status}");
    }

    #[tokio::test]
    async fn a_copy_verifies_and_can_be_deleted() {
        let server = server(Clock::system());
        let (status, copy) = server.ask(&COPY).await;
        assert_eq!((status, &copy["copy"], &copy["size"]), (201, &1.into(), &1.into()));
        let mark = std::fs::read_to_string(copy["mark"].as_str().unwrap()).unwrap();
        assert_eq!(mark, copy["note"].as_str().unwrap());
        let trust = PublicKey::of(&SigningKey::from_bytes(&[1; 32]));
        let store = Path::new(copy["path"].as_str().unwrap());
        let audit = ledger::Audit { store, trust: Some(trust), mark: Some(&mark), state: None };
        let report = ledger::audit(&audit, &|_progress| {}).unwrap();
        assert_eq!(report.divergences, []);
        assert_eq!(report.root.to_string(), copy["root"].as_str().unwrap());
        let delete = Asked { method: Method::DELETE, path: "/api/v1/admin/copy/1", ..COPY };
        assert_eq!(server.ask(&delete).await.0, 204);
        assert_eq!(server.ask(&delete).await.0, 404);
        assert_eq!(server.copies(), 0);
    }

    #[tokio::test]
    async fn a_copy_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let server = server(Clock::system());
        let copies = std::fs::metadata(server.dir.path().join("copies")).unwrap();
        assert_eq!(copies.permissions().mode() & 0o077, 0);
    }

    #[tokio::test]
    async fn copies_are_bounded() {
        let server = server(Clock::system());
        for _ in 0..ADMIN_COPIES_MAX {
            assert_eq!(server.ask(&COPY).await.0, 201);
        }
        let (status, problem) = server.ask(&COPY).await;
        assert_eq!((status, &problem["code"]), (409, &"too-many-copies".into()));
        assert_eq!(server.copies(), ADMIN_COPIES_MAX);
    }

    #[tokio::test]
    async fn only_a_copy_can_be_deleted() {
        let server = server(Clock::system());
        server.ask(&COPY).await;
        let paths = [
            "/api/v1/admin/copy/0",
            "/api/v1/admin/copy/2",
            "/api/v1/admin/copy/..%2Fstore",
            "/api/v1/admin/copy/%2E%2E",
            "/api/v1/admin/copy/+1",
            "/api/v1/admin/copy/1%2Fstore",
        ];
        for path in paths {
            let (status, _) = server.ask(&Asked { method: Method::DELETE, path, ..COPY }).await;
            assert_eq!(status, 404, "{path}");
        }
        assert_eq!(server.copies(), 1);
        assert!(server.dir.path().join("store").exists());
    }

    #[tokio::test]
    async fn the_simulated_clock_steps_forward_only() {
        let server = server(Clock::simulated(START));
        assert_eq!(server.step("{\"to\":\"2026-04-08T03:47:12Z\"}").await, 200);
        assert!(server.clock.now() >= Micros(1_775_620_032_000_000));
        assert_eq!(server.step("{\"to\":\"2026-04-08T03:47:00Z\"}").await, 409);
        for body in
            ["", "{}", "{\"to\":1}", "{\"to\":\"soon\"}", "{\"to\":\"9999-01-01T00:00:00Z\"}"]
        {
            assert_eq!(server.step(body).await, 400, "{body}");
        }
        let real = super::tests::server(Clock::system());
        assert_eq!(real.step("{\"to\":\"2099-01-01T00:00:00Z\"}").await, 404);
    }
}
