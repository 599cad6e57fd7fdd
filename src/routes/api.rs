//! `GET /api/v1/routes`: the routes and how they do. `POST /api/v1/admin/routes/test?owner=O`: a signed test message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use schemas::access::{Param, Right};
use schemas::problem::Problem;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::state::shown;
use super::{Dispatch, Route, assign, message};
use crate::clock::Clock;
use crate::http::{DELIBERATE, deliberate, refuse};
use crate::sign::fresh_id;

/// What is served here.
pub(crate) const ROUTES: &[schemas::access::Route] = &[
    schemas::access::Route::get(
        "/api/v1/routes",
        Right::Read,
        "Where findings go, and how that does",
    ),
    schemas::access::Route::post(
        "/api/v1/admin/routes/test",
        Right::Operate,
        "Sends a signed test message to the route of an owner",
    )
    .params(&[Param::text("owner", "Whose route").required(), DELIBERATE]),
];

pub(super) fn routes(dispatch: Arc<Dispatch>) -> Router {
    let test = post(test).route_layer(middleware::from_fn(deliberate));
    Router::new()
        .route("/api/v1/routes", get(list))
        .route("/api/v1/admin/routes/test", test)
        .with_state(dispatch)
}

async fn list(State(dispatch): State<Arc<Dispatch>>) -> Json<Value> {
    let items = dispatch.states.to_json(&dispatch.routes);
    Json(json!({ "began": dispatch.position.began(), "items": items }))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    owner: String,
}

async fn test(
    State(dispatch): State<Arc<Dispatch>>,
    query: Result<Query<Test>, QueryRejection>,
) -> Response {
    let Ok(Query(Test { owner })) = query else {
        let detail = "owner, and nothing else, says whose route";
        let problem = Problem::new("invalid-parameter", "Invalid parameter", detail);
        return refuse(StatusCode::BAD_REQUEST, &problem.of_param("owner"));
    };
    let tested = spawn_blocking(move || {
        // The receiver may take its time, so nothing of the ledger is held while it does.
        let Some((route, message)) = addressed(&dispatch, &owner)? else { return Ok(None) };
        drop(dispatch);
        let began = Instant::now();
        let posted = super::post::post(&route, &message);
        Ok::<_, ledger::ReadError>(Some(outcome(&route, &message, &posted, began.elapsed())))
    });
    match tested.await {
        Ok(Ok(Some(outcome))) => Json(outcome).into_response(),
        Ok(Ok(None)) => {
            let detail = "no route is configured for this owner, and none for all others";
            refuse(StatusCode::NOT_FOUND, &Problem::new("no-route", "No route", detail))
        }
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "the test of a route");
    let problem = Problem::new("test-failed", "The test could not be made", error.to_string());
    refuse(StatusCode::INTERNAL_SERVER_ERROR, &problem)
}

fn addressed(
    dispatch: &Dispatch,
    owner: &str,
) -> Result<Option<(Route, message::Message)>, ledger::ReadError> {
    let ledger = &dispatch.ledger;
    let now = ledger.head().size.0;
    let place = assign::place(ledger, &dispatch.routes, Some(owner), schemas::id::Index(now))?;
    let route = place.and_then(|place| dispatch.routes.get(place)).cloned();
    Ok(route.map(|route| (route, message::of_test(ledger, fresh_id(Clock::system().now()), owner))))
}

fn outcome(
    route: &Route,
    message: &message::Message,
    posted: &super::post::Posted,
    took: Duration,
) -> Value {
    json!({
        "route": route.name,
        "url": shown(&route.url),
        "id": message.id.to_string(),
        "delivered": posted.answer.is_ok(),
        "status": posted.answer.as_ref().ok(),
        "error": posted.answer.as_ref().err().map(ToString::to_string),
        "latency_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "signature": posted.signature,
    })
}
