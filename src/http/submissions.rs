//! Submissions over HTTP: the same bytes as by the broker, into the same admission, whether the broker is there or not.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as Segment, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ingest::{Door, DoorError, Room};
use ledger::Ledger;
use schemas::access::{JSON_MEDIA_TYPE, Param, Right, Route};
use schemas::body::Body;
use schemas::id::hex;
use schemas::kind::{Kind, Stream};
use schemas::limits::{SUBMISSION_BYTES_MAX, SUBMISSION_S_MAX};
use schemas::problem::Problem;
use schemas::reject::Reason;
use schemas::reply::{Fate, Outcome, Reply};
use schemas::submission;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::{disk_short, later, refuse};
use crate::clock::Clock;

const CBOR: &str = "application/cbor";
const UNKNOWN_FATE: &[(u16, &str)] = &[(
    202,
    "No receipt came in time: its fate is unknown, and the same bytes are safe to send again",
)];

/// What is served here.
pub(super) const ROUTES: &[Route] = &[
    Route::post("/api/v1/submissions", Right::Publish, "Takes a signed submission in")
        .body(CBOR)
        .media(&[JSON_MEDIA_TYPE, CBOR])
        .also(UNKNOWN_FATE),
    Route::post("/api/v1/agents/{id}/disable", Right::Disable, "The kill switch of an agent")
        .params(&[
            Param::path("id", "The agent's id"),
            Param::flag("dry_run", "Only says what that would stop"),
        ])
        .body(CBOR)
        .media(&[JSON_MEDIA_TYPE, CBOR])
        .also(UNKNOWN_FATE),
];

/// What submissions go to.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) door: Door,
    /// Room on the store's disk.
    pub(crate) room: watch::Receiver<Room>,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
}

pub(crate) fn routes(intake: Intake) -> Router {
    Router::new()
        .route("/api/v1/submissions", post(submit))
        .route("/api/v1/agents/{id}/disable", post(disable))
        .layer(DefaultBodyLimit::max(SUBMISSION_BYTES_MAX))
        .with_state(intake)
}

async fn submit(State(intake): State<Intake>, headers: HeaderMap, message: Bytes) -> Response {
    intake.take(&headers, message).await
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Disable {
    dry_run: Option<String>,
}

/// The kill switch, as a contract names it: the body is a submission whose one statement disables this agent. With
/// `?dry_run`, what that would stop.
async fn disable(
    State(intake): State<Intake>,
    Segment(agent): Segment<String>,
    query: Result<Query<Disable>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    message: Bytes,
) -> Response {
    let dry_run = match query.as_ref().map(|Query(disable)| disable.dry_run.as_deref()) {
        Ok(None | Some("false")) => false,
        Ok(Some("" | "true")) => true,
        _ => {
            let detail = "dry_run is the only parameter here, and true or false";
            let problem = Problem::new("invalid-parameter", "Invalid parameter", detail);
            return refuse(StatusCode::BAD_REQUEST, &problem.of_param("dry_run"));
        }
    };
    if dry_run {
        return intake.impact(agent).await;
    }
    if !disables(&message, &agent) {
        let detail = format!("the body must be a submission of one agent.disabled of {agent}");
        return refuse(
            StatusCode::BAD_REQUEST,
            &Problem::new("other-statement", "Another statement", detail),
        );
    }
    intake.take(&headers, message).await
}

fn disables(message: &[u8], agent: &str) -> bool {
    let Ok(opened) = submission::open(message) else { return false };
    let [item] = opened.items() else { return false };
    Body::parse(item.body)
        .is_ok_and(|body| body.kind() == Kind::AgentDisabled && body.agent() == Some(agent))
}

/// Whether it speaks of the registry and of control alone, which does not wait until the disk has room.
fn is_of_operators(message: &[u8]) -> bool {
    let is_op =
        |body: &[u8]| Body::parse(body).is_ok_and(|body| body.kind().stream() == Stream::Op);
    submission::open(message).is_ok_and(|opened| opened.items().iter().all(|item| is_op(item.body)))
}

impl Intake {
    async fn take(&self, headers: &HeaderMap, message: Bytes) -> Response {
        let is_short = self.room.borrow().is_short();
        if is_short && !is_of_operators(&message) {
            let detail =
                "no events are taken in until the disk has room; keep it and send it again";
            return disk_short(detail);
        }
        let limit = Duration::from_secs(SUBMISSION_S_MAX);
        let reply = match tokio::time::timeout(limit, self.door.submit(message)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(DoorError::Full)) => {
                let detail = DoorError::Full.to_string();
                let problem = Problem::new("too-many-submissions", "Too many submissions", detail);
                return later(StatusCode::SERVICE_UNAVAILABLE, 1, &problem);
            }
            // Whoever asks again with the same bytes gets the receipt, whatever became of it.
            Ok(Err(DoorError::Closed)) | Err(_) => {
                return (StatusCode::ACCEPTED, axum::Json(json!({ "fate": "unknown" })))
                    .into_response();
            }
        };
        if wants_cbor(headers) {
            return ([(header::CONTENT_TYPE, CBOR)], reply).into_response();
        }
        match Reply::decode(&reply) {
            Some(reply) => answer(&reply),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    async fn impact(self, agent: String) -> Response {
        let now = self.clock.now();
        let read =
            tokio::task::spawn_blocking(move || query::impact(&self.ledger, &agent, now)).await;
        match read {
            Ok(Ok(Some(impact))) => axum::Json(impact).into_response(),
            Ok(Ok(None)) => {
                let problem = Problem::new("not-found", "Not found", "there is no such agent");
                refuse(StatusCode::NOT_FOUND, &problem)
            }
            failed => {
                tracing::error!(?failed, "what disabling would stop");
                let detail = "the ledger could not be read";
                let problem = Problem::new("read-failed", "The read failed", detail);
                refuse(StatusCode::INTERNAL_SERVER_ERROR, &problem)
            }
        }
    }
}

/// Whoever wants neither gets JSON: it has been taken in.
fn wants_cbor(headers: &HeaderMap) -> bool {
    query::preferred(headers, &[JSON_MEDIA_TYPE, CBOR]) == Some(1)
}

/// Every item's end; one that was refused decides the status.
fn answer(reply: &Reply) -> Response {
    let outcomes: Vec<_> = reply.outcomes.iter().map(outcome_json).collect();
    let refused = reply.outcomes.iter().find_map(|outcome| match &outcome.fate {
        Fate::Rejected(reject) => Some(reject),
        _ => None,
    });
    let body = json!({ "message": reply.message.to_string(), "outcomes": outcomes });
    let Some(reject) = refused else { return axum::Json(body).into_response() };
    let status = match reject.reason {
        Reason::IdConflict => StatusCode::CONFLICT,
        Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let problem = Problem::new("rejected", "Rejected", format!("{}", reject.reason))
        .with("reason", reject.reason.as_str().into())
        .with("cause", json!({ "path": reject.cause.path, "expected": reject.cause.expected }))
        .with("outcomes", outcomes.into());
    refuse(status, &problem)
}

fn outcome_json(outcome: &Outcome) -> Json {
    let mut json = json!({
        "index": outcome.index.0,
        "id": outcome.id.map(|id| id.to_string()),
        "leaf": hex(&outcome.leaf),
    });
    let members = match &outcome.fate {
        Fate::Committed(receipt) => json!({ "fate": "committed", "receipt": hex(receipt) }),
        Fate::Duplicate(receipt) => json!({ "fate": "duplicate", "receipt": hex(receipt) }),
        Fate::Rejected(reject) => json!({
            "fate": "rejected",
            "reason": reject.reason.as_str(),
            "cause": { "path": reject.cause.path, "expected": reject.cause.expected },
        }),
    };
    if let (Json::Object(json), Json::Object(members)) = (&mut json, members) {
        json.extend(members);
    }
    json
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_reply_comes_in_the_form_that_is_preferred() {
        for (accept, expected) in [
            ("application/cbor", true),
            ("APPLICATION/CBOR", true),
            ("application/json;q=0.5, application/cbor", true),
            ("*/*", false),
            ("application/json, application/cbor;q=0.5", false),
            ("application/cbor;q=0", false),
            ("application/cbor-seq", false),
            ("text/html", false),
        ] {
            let headers = [(header::ACCEPT, HeaderValue::from_static(accept))];
            assert_eq!(wants_cbor(&headers.into_iter().collect()), expected, "{accept}");
        }
        assert!(!wants_cbor(&HeaderMap::new()));
    }
}
