//! Bundles as jobs: where to ask again, for whom, and until when.

use axum::Router;
use axum::body::{Body as HttpBody, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use schemas::evidence;
use schemas::limits::BUNDLE_JOBS_MAX;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::bundle::{judge, publish};
use crate::world::{OPERATOR, World, intent, start};

fn world() -> World {
    let mut world = World::new();
    world.agent("planner");
    world.accept("planner", start("planner", "release-1"));
    world.accept("planner", intent("planner", "release-1", "email.send", "a@example.com"));
    publish(&mut world);
    world
}

/// Jobs live as long as this runtime.
struct Reading {
    router: Router,
    runtime: tokio::runtime::Runtime,
}

impl Reading {
    fn new(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { router: world.router(), runtime }
    }

    fn ask(&self, reader: &str, path: &str, prefer: &str) -> (StatusCode, HeaderMap, Bytes) {
        ask(&self.runtime, self.router.clone(), reader, path, prefer)
    }

    fn problem(&self, reader: &str, path: &str) -> (u16, String) {
        let (status, headers, body) = self.ask(reader, path, "");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        let problem: Json = serde_json::from_slice(&body).unwrap();
        (status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    /// Where a job of `reader` is to be asked for.
    fn begin(&self, reader: &str, query: &str) -> String {
        let path = format!("/api/v1/bundles?q={query}&since=%230");
        let (status, headers, body) = self.ask(reader, &path, "wait=1, respond-async");
        assert_eq!(
            (status, &headers[header::RETRY_AFTER]),
            (StatusCode::ACCEPTED, &"1".parse().unwrap())
        );
        let said: Json = serde_json::from_slice(&body).unwrap();
        let location = headers[header::LOCATION].to_str().unwrap().to_owned();
        assert_eq!(location, format!("/api/v1/bundles/{}", said["job"].as_str().unwrap()));
        assert!(said["gathered"].is_u64() && said["packed"].is_u64(), "{said}");
        location
    }

    /// The answer once there is one.
    fn fetch(&self, reader: &str, location: &str) -> (StatusCode, Bytes) {
        for _ in 0..60 {
            let (status, _, body) = self.ask(reader, location, "");
            if status != StatusCode::ACCEPTED {
                return (status, body);
            }
        }
        panic!("no answer within a minute");
    }
}

fn ask(
    runtime: &tokio::runtime::Runtime,
    router: Router,
    reader: &str,
    path: &str,
    prefer: &str,
) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = Request::get(path).header("prefer", prefer);
    request.extensions_mut().unwrap().insert(query::Reader(reader.into()));
    let request = request.body(HttpBody::empty()).unwrap();
    runtime.block_on(async {
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    })
}

#[test]
fn a_bundle_is_fetched_where_the_answer_points() {
    let world = world();
    let reading = Reading::new(&world);
    let location = reading.begin("ann", "corr%3Arelease-1");
    let (status, bundle) = reading.fetch("ann", &location);
    assert_eq!(status, StatusCode::OK);
    let opened = evidence::open(&bundle).unwrap();
    assert_eq!(judge(&world, &opened).faults, []);
    assert_eq!(opened.bundle.manifest.maker.as_deref(), Some("ann"));
    assert_eq!(reading.fetch("ann", &location), (status, bundle), "it is kept for a while");
    for (reader, location) in
        [("bob", location.as_str()), ("ann", "/api/v1/bundles/0011223344556677")]
    {
        assert_eq!(reading.problem(reader, location), (404, "not-found".to_owned()));
    }
}

#[test]
fn a_bundle_is_cancelled_by_who_asked_or_who_administers() {
    let world = world();
    let reading = Reading::new(&world);
    let cancel = |reader: &str, oversees: bool, location: &str| {
        let mut request = Request::delete(location);
        let extensions = request.extensions_mut().unwrap();
        extensions.insert(query::Reader(reader.into()));
        if oversees {
            extensions.insert(query::Overseer);
        }
        let request = request.body(HttpBody::empty()).unwrap();
        let router = reading.router.clone();
        reading.runtime.block_on(async { router.oneshot(request).await.unwrap().status().as_u16() })
    };
    let location = reading.begin("ann", "corr%3Arelease-1");
    assert_eq!(cancel("bob", false, &location), 404, "whose it is, is not told");
    assert_eq!(reading.fetch("ann", &location).0, StatusCode::OK);
    assert_eq!(cancel("ann", false, &location), 204);
    assert_eq!(reading.problem("ann", &location), (404, "not-found".to_owned()));
    assert_eq!(cancel("ann", false, &location), 404, "once more changes nothing");
    let location = reading.begin("ann", "corr%3Arelease-1");
    assert_eq!(cancel("root", true, &location), 204);
    assert_eq!(reading.problem("ann", &location), (404, "not-found".to_owned()));
    assert_eq!(cancel("root", true, "/api/v1/bundles/0011223344556677"), 404);
}

#[test]
fn a_bundle_ends_with_who_waits_for_it() {
    let world = world();
    let reading = Reading::new(&world);
    for reader in 0..=BUNDLE_JOBS_MAX {
        let mut request = Request::get("/api/v1/bundles?q=corr%3Arelease-1&since=%230");
        let extensions = request.extensions_mut().unwrap();
        extensions.insert(query::Reader(format!("reader-{reader}").into()));
        let (waits, waiting) = watch::channel(());
        extensions.insert(query::Waiting(waiting));
        drop(waits);
        let request = request.body(HttpBody::empty()).unwrap();
        let answer = reading.runtime.block_on(async {
            let answer = reading.router.clone().oneshot(request).await.unwrap();
            to_bytes(answer.into_body(), usize::MAX).await.unwrap()
        });
        let problem: Json = serde_json::from_slice(&answer).unwrap();
        assert_eq!(problem["code"], "given-up", "it would take up one of the places");
    }
}

#[test]
fn what_cannot_be_asked_is_said_at_once() {
    let mut world = World::new();
    world.agent("planner");
    let reading = Reading::new(&world);
    let (status, ..) = reading.ask("ann", "/api/v1/bundles?q=nonsense", "respond-async");
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, ..) = reading.ask("ann", "/api/v1/bundles?details=yes", "respond-async");
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[test]
fn a_bundle_does_not_outlive_an_erasure() {
    let mut world = world();
    let router = world.router();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let path = "/api/v1/bundles?q=corr%3Arelease-1&since=%230";
    let (status, headers, _) = ask(&runtime, router.clone(), "ann", path, "respond-async");
    assert_eq!(status, StatusCode::ACCEPTED);
    let location = headers[header::LOCATION].to_str().unwrap().to_owned();
    let (status, ..) = ask(&runtime, router.clone(), "ann", &location, "");
    assert!(status.is_success());
    let redact = json!({ "ranges": [[0, 0]], "parts": ["detail"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    let gone = loop {
        let (status, _, body) = ask(&runtime, router.clone(), "ann", &location, "");
        if status != StatusCode::ACCEPTED {
            break (status, serde_json::from_slice::<Json>(&body).unwrap()["code"].clone());
        }
    };
    assert_eq!(gone, (StatusCode::GONE, json!("bundle-outdated")));
}
