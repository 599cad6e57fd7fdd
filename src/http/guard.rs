//! Who is let through to what. A path that no table declares is refused, whoever asks.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use schemas::access::{Right, Route, Scoped};
use schemas::problem::Problem;

use super::asked::Asked;
use super::load::{Load, in_time};
use super::metrics::Metrics;
use super::names::Names;
use super::{refuse, shutting_down, table};
use crate::access::{Gate, Identity, Read, Recorder};
use crate::clock::Clock;

/// Under which reads are recorded of whoever bears no valid token.
const UNKNOWN: &str = "unknown";
/// The same where nobody needs one.
const LOOPBACK: &str = "loopback";

/// What is answered however much others ask for: a process that is busy is not one to be ended, and must be seen to be busy.
const HEALTH: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// What stands before every route.
#[derive(Debug)]
pub(crate) struct Guard {
    /// By which names this server answers.
    pub(crate) names: Names,
    /// Who may come in; without one everybody may, for only this machine can ask.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Where reads are recorded.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// Answers by status, and open tails.
    pub(crate) metrics: Arc<Metrics>,
    /// For when a reader's time ends.
    pub(crate) clock: Clock,
    load: Load,
}

/// Who asks for what.
struct Asking {
    route: Option<&'static Route>,
    /// Methods that the path has.
    methods: Vec<&'static str>,
    asked: Asked,
}

impl Guard {
    /// One that lets everybody in, by the names of this machine.
    pub(crate) fn new(clock: Clock) -> Self {
        let (names, metrics, load) = (Names::default(), Arc::default(), Load::default());
        Self { names, gate: None, recorder: None, metrics, clock, load }
    }

    async fn answer(&self, mut request: Request, next: Next) -> Response {
        if !self.names.are_asked(request.uri(), request.headers()) {
            let detail = "this server answers to no such name; on its own machine ask for 127.0.0.1, [::1] or localhost";
            let problem = Problem::new("foreign-host", "Foreign host", detail);
            return refuse(StatusCode::FORBIDDEN, &problem);
        }
        let asking = asking(&mut request).await;
        let identity = match self.admit(&request, &asking) {
            Ok(identity) => identity,
            Err(refused) => return *refused,
        };
        let Some(route) = asking.route else { return absent(&asking.methods) };
        request.headers_mut().remove(header::AUTHORIZATION);
        self.pass(request, next, route, identity, asking.asked).await
    }

    /// Who it is; nobody in particular where everybody is let in.
    fn admit(&self, request: &Request, asking: &Asking) -> Result<Option<Identity>, Box<Response>> {
        let Some(gate) = &self.gate else { return Ok(None) };
        let bearer = bearer(request.headers());
        let identity = match bearer {
            Bearer::Absent if asking.route.is_some_and(|route| route.right == Right::Public) => {
                return Ok(None);
            }
            Bearer::Absent => None,
            Bearer::Unreadable => None,
            Bearer::Given(token) => gate.identify(token),
        };
        let Some(identity) = identity else {
            self.note_unknown(asking);
            return Err(unauthorized(matches!(bearer, Bearer::Absent)));
        };
        let Some(route) = asking.route else { return Ok(Some(identity)) };
        let outside = identity.scope.is_some() && route.scoped == Scoped::Refused;
        if identity.may(route.right) && !outside {
            return Ok(Some(identity));
        }
        self.note(Arc::clone(&identity.name), asking.asked.clone(), true);
        Err(forbidden(route.right, outside))
    }

    async fn pass(
        &self,
        mut request: Request,
        next: Next,
        route: &'static Route,
        identity: Option<Identity>,
        asked: Asked,
    ) -> Response {
        let recorded = route.right.is_recorded();
        if recorded && self.recorder.as_ref().is_some_and(|recorder| !recorder.is_open()) {
            return shutting_down();
        }
        // Tails have places of their own, for as long as they are open.
        let is_placed = route.right != Right::Tail && !HEALTH.contains(&route.path);
        let name = identity.as_ref().map(|identity| &identity.name);
        let place = match is_placed.then(|| self.load.take(name)).transpose() {
            Ok(place) => place,
            Err(refused) => return *refused,
        };
        if route.method != "GET" {
            request = match self.load.buffered(request).await {
                Ok(request) => request,
                Err(refused) => return *refused,
            };
        }
        let reader = identity.as_ref().map_or_else(|| LOOPBACK.into(), |who| Arc::clone(&who.name));
        request.extensions_mut().insert(query::Reader(Arc::clone(&reader)));
        if let Some(identity) = identity {
            self.introduce(&mut request, identity);
        }
        let response = match place {
            Some(place) if route.right != Right::Operate => in_time(request, next, place).await,
            // Administration answers when it is done, and a tail at once.
            _at_its_own_pace => next.run(request).await,
        };
        let status = response.status();
        let shows = status.is_success() || status == StatusCode::NOT_MODIFIED;
        // It may have taken long: what ends behind the last record is not handed out.
        if recorded && shows && !self.note(reader, asked, false) {
            return shutting_down();
        }
        match route.right {
            Right::Tail if status == StatusCode::OK => self.metrics.following(response),
            _ => response,
        }
    }

    /// What those who answer have to know of whoever asks.
    fn introduce(&self, request: &mut Request, identity: Identity) {
        let left_us = identity.expires.0.saturating_sub(self.clock.now().0);
        let until =
            tokio::time::Instant::now().checked_add(std::time::Duration::from_micros(left_us));
        let extensions = request.extensions_mut();
        if identity.may(Right::Operate) {
            extensions.insert(query::Overseer);
        }
        let allows = identity.scope.clone().map(|scope| {
            extensions.insert(query::Scope(Arc::clone(&scope)));
            let allows: tail::Allows = Arc::new(move |terms| scope.matches(terms));
            allows
        });
        extensions.insert(tail::Permit {
            reader: Some(identity.name),
            until,
            revoked: identity.revoked,
            allows,
        });
    }

    /// False where somebody records and it is too late for that.
    fn note(&self, reader: Arc<str>, asked: Asked, denied: bool) -> bool {
        let Asked { query, index } = asked;
        let read = Read { reader, query, index, denied };
        self.recorder.as_ref().is_none_or(|recorder| recorder.note(read))
    }

    /// By route alone: what a stranger writes into a path is none of the log's business.
    fn note_unknown(&self, asking: &Asking) {
        let query = asking.route.map(|route| format!("{} {}", route.method, route.path));
        self.note(UNKNOWN.into(), Asked { query: query.unwrap_or_default(), index: None }, true);
    }
}

/// The layer.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = guard.answer(request, next).await;
    // Without a word of it, a cache may keep for a while what an erasure takes away.
    if is_api && !response.headers().contains_key(header::CACHE_CONTROL) {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    guard.metrics.answered(&response);
    response
}

async fn asking(request: &mut Request) -> Asking {
    let path = request.extract_parts::<MatchedPath>().await.ok();
    let routes = path.as_ref().map_or_else(Default::default, |path| table::at(path.as_str()));
    let route = table::answering(routes, request.method());
    let params = request.extract_parts::<RawPathParams>().await.ok();
    let asked = route.map(|route| Asked::of(route, params.as_ref(), request.uri()));
    let methods = routes.iter().map(|route| route.method).collect();
    Asking { route, methods, asked: asked.unwrap_or_default() }
}

/// What stands in `Authorization`.
#[derive(Clone, Copy)]
enum Bearer<'h> {
    Absent,
    /// Another scheme, two headers, or no text.
    Unreadable,
    Given(&'h str),
}

fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Bearer::Absent,
        (Some(value), None) => value.to_str().ok(),
        (Some(_), Some(_)) => None,
    };
    match value.and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Bearer::Given(token.trim())
        }
        _ => Bearer::Unreadable,
    }
}

/// The same for every reason: what is wrong with a token is for its owner to find out, not for whoever tries some.
fn unauthorized(is_absent: bool) -> Box<Response> {
    let detail = "this needs a valid token: Authorization: Bearer TOKEN";
    let problem = Problem::new("unauthorized", "Not authenticated", detail);
    // RFC 6750 §3.1: without credentials there is no error to name.
    let challenge = if is_absent {
        "Bearer realm=\"sworn\""
    } else {
        "Bearer realm=\"sworn\", error=\"invalid_token\""
    };
    challenged(StatusCode::UNAUTHORIZED, &problem, challenge)
}

fn forbidden(right: Right, outside: bool) -> Box<Response> {
    let problem = if outside {
        let detail = "this cannot be cut to your token's scope; entries and the tail can";
        Problem::new("scoped", "Not within a scope", detail)
    } else {
        let detail = format!("your role does not have the right `{}`", right.as_str());
        Problem::new("forbidden", "Not permitted", detail)
    };
    let challenge = "Bearer realm=\"sworn\", error=\"insufficient_scope\"";
    challenged(StatusCode::FORBIDDEN, &problem, challenge)
}

fn challenged(status: StatusCode, problem: &Problem, challenge: &'static str) -> Box<Response> {
    let mut response = refuse(status, problem);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    Box::new(response)
}

/// Nothing here answers; a path that has other methods says which.
fn absent(methods: &[&'static str]) -> Response {
    if methods.is_empty() {
        let problem = Problem::new("not-found", "Not found", "there is nothing at this path");
        return refuse(StatusCode::NOT_FOUND, &problem);
    }
    let allowed = methods.join(", ").replace("GET", "GET, HEAD");
    let problem = Problem::new("method-not-allowed", "No such method here", allowed.clone());
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, &problem);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(HeaderName::from_static("allow"), allowed);
    }
    response
}
