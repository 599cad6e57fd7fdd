//! The log as a stream of server-sent events that a reader can leave and resume anywhere.
//!
//! ```no_run
//! # async fn serve(ledger: ledger::Ledger) -> std::io::Result<()> {
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! let routes = tail::routes(ledger, shutdown.clone());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7420").await?;
//! axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
//! # }
//! ```
//!
//! `GET /api/v1/tail` takes `q` in the query language, `since`, `last_event_id`, `checkpoint` and, as terms
//! that narrow `q` further, `agent`, `corr`, `principal`, `kind` and `outcome`. It begins after the entry of
//! the `Last-Event-ID` header or of `last_event_id`, else at `since:`, else with the next entry to come.
//! Relative times count from the time of the last commit. `checkpoint` is the size of the last checkpoint
//! that the reader verified: the first one that it is sent proves that it extends that one.
//!
//! |event|data|when|
//! |-|-|-|
//! |`entry`|the entry|it fits the query; in order of index, each once|
//! |`checkpoint`|`size`, `root`, `note`, `from`, `consistency`|one was published; `consistency` proves that it extends `from`, the one sent before or the reader's own|
//! |`caught-up`|`index`, `time`|history is finished; again after each `fell-behind`|
//! |`fell-behind`|`index`, `distance`|the reader is served from the store; nothing is lost|
//! |`reset`|`reason`, `origin`|the token is not of this history (`foreign`, `shorter`, `different`); the stream ends|
//! |`bye`|`reason`|the stream ends: `shutdown`, `until`, `life`, `expiry`, `revoked`, `slow`, `unreadable`|
//!
//! An id without data moves the cursor of a reader whose filter passes over much, or whose permit passes
//! over anything. A reader that is slow is
//! late, never wrong: every one reads at a cursor of its own, and no event waits in memory for it.
//!
//! This is *not* a queue with consumers, and it checks no one's credentials: who reads is found out before
//! a request comes here. What that one may see, and until when, it says with a [`Permit`] in the request's
//! extensions. It is asked for each entry; once it ends or is revoked, the stream ends within a second.

mod checkpoint;
mod chunks;
mod cursor;
mod filter;
mod frames;
mod past;
mod permit;
mod place;
mod refusal;
mod request;
mod sieve;
mod sse;
mod stream;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use ledger::{Ledger, ReadError};
use schemas::access::{Param, Right, Route};
use schemas::id::{ChainHash, Index};
use tokio_util::sync::CancellationToken;

use crate::cursor::{Position, Reset, Resume};
use crate::filter::{Edge, Filter};
use crate::frames::Frames;
use crate::place::Places;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::sieve::Sieves;
use crate::stream::{Opened, Tail};
use crate::walk::Walk;

pub use crate::cursor::Token;
pub use crate::permit::{Allows, Permit};
pub use crate::sse::{Decoder, Event, MEDIA_TYPE, Name, TooLarge};

/// What [`routes`] serves, and what a request needs for it.
pub const ROUTES: &[Route] = &[Route::get("/api/v1/tail", Right::Tail, "The log as it grows")
    .params(&[
        Param::text("q", "A query that entries have to fit"),
        Param::text("since", "Where to begin: a span (`15m`), a time, or an index"),
        Param::text("last_event_id", "Goes on behind the event with this id"),
        Param::header("Last-Event-ID", "The same, and wins"),
        Param::text("agent", "The same as the term in `q`"),
        Param::text("corr", "The same as the term in `q`"),
        Param::text("principal", "The same as the term in `q`"),
        Param::text("kind", "The same as the term in `q`"),
        Param::text("outcome", "The same as the term in `q`"),
        Param::integer("checkpoint", "Size of a checkpoint that the first one sent has to extend"),
    ])
    .media(&[MEDIA_TYPE])
    .also(&[(204, "The window has ended before that place: there is nothing to come back for")])
    .filtered()];

/// The route of the tail. Its streams end with `shutdown`, each with a `bye`.
///
/// Must be called within a Tokio runtime: it starts the task that all readers share, which ends with
/// `shutdown` or when the router and its last stream are gone.
pub fn routes(ledger: Ledger, shutdown: CancellationToken) -> Router {
    let frames = Arc::new(Frames::start(ledger, shutdown));
    let (places, sieves) = (Arc::default(), Arc::default());
    let tails = Tails { frames, places, sieves, anybody: Permit::default() };
    Router::new().route("/api/v1/tail", get(open)).with_state(Arc::new(tails))
}

struct Tails {
    frames: Arc<Frames>,
    places: Arc<Places>,
    sieves: Arc<Sieves>,
    /// Of whoever comes without one.
    anybody: Permit,
}

impl Tails {
    /// Where a reader goes on that comes back soon. Thousands may do so at once, so they do not wait for the store.
    fn known(&self, request: &Request) -> Option<(ChainHash, Position)> {
        // Whether a window has ended, the store knows.
        let token = request.token.as_ref().filter(|_| request.query.until.is_none())?;
        self.frames.resume(token)
    }
}

/// What becomes of a request that could be read.
enum Opening {
    Stream(Opened),
    Reset(Reset, String),
    /// The window lies behind the reader: a browser stops reconnecting on this.
    Finished,
}

async fn open(
    State(tails): State<Arc<Tails>>,
    permit: Option<Extension<Permit>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let request = Request::read(&uri, &headers)?;
    let permit = permit.map_or_else(|| tails.anybody.clone(), |Extension(permit)| permit);
    let place = tails.places.take(permit.reader.clone())?;
    let (sieves, allows) = (Arc::clone(&tails.sieves), permit.allows.clone());
    let known = tails.known(&request);
    let job = move |ledger: &Ledger| begin(ledger, request, known, &sieves, allows);
    let opening = match known {
        Some(_) => tails.frames.at_once(job)?,
        None => tails.frames.open(job).await?,
    };
    Ok(match opening {
        Opening::Stream(opened) => {
            let frames = Arc::clone(&tails.frames);
            let tail = Tail::new(frames, opened, permit, place);
            events(Body::from_stream(tail.into_stream()))
        }
        Opening::Reset(reason, origin) => events(stream::reset(reason, &origin).into()),
        Opening::Finished => StatusCode::NO_CONTENT.into_response(),
    })
}

fn events(body: Body) -> Response {
    let named = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    // No room for more of them: a connection keeps it for as long as it lasts.
    let mut headers = HeaderMap::with_capacity(named.len());
    headers.extend(named.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let mut response = body.into_response();
    *response.headers_mut() = headers;
    response
}

/// Finds a reader's place, unless it is known. One that names none begins with the next entry to come.
fn begin(
    ledger: &Ledger,
    request: Request,
    known: Option<(ChainHash, Position)>,
    sieves: &Sieves,
    allows: Option<Allows>,
) -> Result<Opening, ReadError> {
    let head = ledger.head();
    let end = Index(head.size.0);
    let reset = |reason| Opening::Reset(reason, ledger.identity().origin.clone());
    let query = match request.token {
        Some(_) => filter::resumed(request.query),
        None => request.query,
    };
    let filter = Filter::new(query, head.received_at, sieves, allows);
    let (genesis, position) = match (known, &request.token) {
        (Some(known), _) => known,
        (None, Some(token)) => match cursor::resume(ledger, token)? {
            Resume::At(position) => (ledger.chain(Index(0))?, position),
            Resume::Reset(reason) => return Ok(reset(reason)),
        },
        (None, None) => {
            let next = first(ledger, &filter.since, end)?;
            (ledger.chain(Index(0))?, Position::before(ledger, next)?)
        }
    };
    if request.checkpoint.is_some_and(|size| size > head.size) {
        return Ok(reset(Reset::Shorter));
    }
    if is_finished(ledger, &filter, position.next)? {
        return Ok(Opening::Finished);
    }
    let walk = Walk::new(Arc::new(filter), genesis, position);
    Ok(Opening::Stream(Opened { walk, head: end, checkpoint: request.checkpoint }))
}

/// The first entry that every edge lets through; `end` where there is no edge or it lies beyond, because
/// the filter holds to it, too.
fn first(ledger: &Ledger, since: &[Edge], end: Index) -> Result<Index, ReadError> {
    let mut first = None;
    for edge in since {
        let index = match edge {
            Edge::Index(index) => *index,
            Edge::Time(time) => ledger.index_at(*time)?,
        };
        first = first.max(Some(index.min(end)));
    }
    Ok(first.unwrap_or(end))
}

/// Whether the window has ended before `next`, already.
fn is_finished(ledger: &Ledger, filter: &Filter, next: Index) -> Result<bool, ReadError> {
    if filter.until.is_none() {
        return Ok(false);
    }
    let head = ledger.head();
    let received_at =
        if next.0 < head.size.0 { ledger.leaf(next)?.received_at } else { head.received_at };
    Ok(filter.ends_before(next, received_at))
}
