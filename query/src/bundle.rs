//! `bundles`: the answer to a query as one file that proves itself offline. What takes long becomes a job, which its
//! reader asks for again (RFC 9110, section 15.3.3; RFC 7240, section 4.1).

mod gather;
mod jobs;
mod work;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ledger::Ledger;
use schemas::evidence::{self, Bundle, Claimed, Manifest, Scope};
use schemas::id::{Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{BUNDLE_POLL_S, BUNDLE_WAIT_S};
use schemas::terms::Key;
use serde_json::json;

use crate::api::Api;
use crate::error::Error;
use crate::filter;
use crate::params::{Params, Segment};
use crate::reader::{Asker, Oversees, Waiter};
use crate::window::Window;

use gather::Gathered;
use jobs::Job;
pub(crate) use jobs::Jobs;
use work::Work;

/// What `bundles` takes.
const PARAMS: &[&str] = &["q", "since", "until", "after", "details"];
/// The program that makes bundles.
const TOOL: &str = concat!("sworn ", env!("CARGO_PKG_VERSION"));

/// `?q=&since=&until=&details=`: the bundle over the newest published checkpoint, or, where it takes long or
/// the reader prefers not to wait, where to ask for it.
pub(crate) async fn create(
    State(api): State<Api>,
    Asker(reader): Asker,
    waiter: Waiter,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    let params = params.only(PARAMS)?;
    // What cannot be asked is said at once.
    params.flag("details")?;
    filter::query(&params)?;
    let (jobs, clock) = (Arc::clone(&api.jobs), Arc::clone(&api.clock));
    let maker = reader.as_ref().map(|reader| reader.0.to_string());
    let size = api.ledger.head().size;
    let job = jobs.begin(reader, size, clock, move |work| read(&api, &params, maker, work))?;
    if prefers_not_to_wait(&headers) {
        return Ok(accepted(&job));
    }
    let ended = tokio::time::timeout(Duration::from_secs(BUNDLE_WAIT_S), job.ended());
    let ended = tokio::select! {
        biased;
        () = waiter.gone() => {
            // Nobody was told where to ask for it, so it ends with who holds it here.
            jobs.forget(&job.id);
            return Err(Error::GivenUp);
        }
        ended = ended => ended,
    };
    match ended {
        Ok(ended) => {
            jobs.forget(&job.id);
            Ok(answer(&ended))
        }
        Err(_elapsed) => Ok(accepted(&job)),
    }
}

/// `bundles/{job}`: the bundle, once it is made.
pub(crate) async fn fetch(
    State(api): State<Api>,
    Asker(reader): Asker,
    Segment(id): Segment,
) -> Result<Response, Error> {
    let found = api.jobs.find(&id, reader.as_ref(), api.now());
    let job = found.ok_or(Error::Unknown("bundle"))?;
    match tokio::time::timeout(Duration::from_secs(BUNDLE_POLL_S), job.ended()).await {
        Ok(ended) => {
            // It may have been cancelled while this was waiting for it.
            let found = api.jobs.find(&id, reader.as_ref(), api.now());
            found.ok_or(Error::Unknown("bundle"))?;
            // A copy must not outlive what was erased in the meantime.
            let size = job.size;
            let redacted = api.read(move |api| Ok(redacted_since(&api.ledger, size)?)).await?;
            if redacted { Err(Error::BundleOutdated) } else { Ok(answer(&ended)) }
        }
        Err(_elapsed) => Ok(accepted(&job)),
    }
}

/// `DELETE bundles/{job}`: ends the making of a bundle, or lets go of one that is made. Its reader's alone, or of whoever
/// administers the server.
pub(crate) async fn cancel(
    State(api): State<Api>,
    Asker(reader): Asker,
    Oversees(administers): Oversees,
    Segment(id): Segment,
) -> Result<StatusCode, Error> {
    let cancelled = api.jobs.cancel(&id, reader.as_ref(), administers, api.now());
    if cancelled { Ok(StatusCode::NO_CONTENT) } else { Err(Error::Unknown("bundle")) }
}

fn redacted_since(ledger: &Ledger, size: TreeSize) -> Result<bool, ledger::ReadError> {
    let mut redactions = ledger.postings(Key::Kind, Kind::Redaction.as_str());
    Ok(redactions.at_or_after(size.0)?.is_some())
}

fn prefers_not_to_wait(headers: &HeaderMap) -> bool {
    let words = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    words.flat_map(|value| value.split(',')).any(|word| word.trim() == "respond-async")
}

fn answer(ended: &Result<Bytes, Error>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/zip"),
        (CONTENT_DISPOSITION, "attachment; filename=\"case.evidence.zip\""),
        (CACHE_CONTROL, "no-store"),
    ];
    match ended {
        Ok(bundle) => (headers, bundle.clone()).into_response(),
        Err(error) => error.answer(),
    }
}

/// Where to ask again, and how far it is.
fn accepted(job: &Job) -> Response {
    let [gathered, packed] = job.done();
    let said = json!({ "job": job.id, "gathered": gathered, "packed": packed });
    let headers = [
        (LOCATION, format!("/api/v1/bundles/{}", job.id)),
        (RETRY_AFTER, BUNDLE_POLL_S.to_string()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::ACCEPTED, headers, Json(said)).into_response()
}

fn read(
    api: &Api,
    params: &Params,
    maker: Option<String>,
    work: &Arc<Work>,
) -> Result<Bytes, Error> {
    let query = filter::query(params)?;
    let (size, _) = api.ledger.head().published;
    let window = Window::of(&api.ledger, &query, size, api.now())?;
    let manifest = Manifest {
        query: params.get("q").unwrap_or_default().to_owned(),
        since: window.from.min(window.to),
        until: window.to,
        created: api.now(),
        tool: TOOL.to_owned(),
        renderer: evidence::RENDERER,
        details: params.flag("details")?,
        maker,
    };
    let in_q = |fault| Error::Query { param: "q", fault };
    let scope = Scope::parse(&manifest.query, manifest.since, manifest.until).map_err(in_q)?;
    let gathered = Gathered::of(&api.ledger, &query.expr, &scope, size, Arc::clone(work))?;
    let assembly = Assembly { ledger: &api.ledger, size, now: api.now(), work };
    let bundle = assembly.make(manifest, &scope, &gathered)?;
    work.go_on()?;
    Ok(evidence::pack(&bundle).into())
}

/// Puts a bundle together from the entries that belong into it.
struct Assembly<'l> {
    ledger: &'l Ledger,
    size: TreeSize,
    now: Micros,
    work: &'l Work,
}

impl Assembly<'_> {
    fn make(
        &self,
        manifest: Manifest,
        scope: &Scope,
        gathered: &Gathered,
    ) -> Result<Bundle, Error> {
        let mut bundle = Bundle {
            head: self.ledger.cosigned(self.size)?.ok_or(Error::Unpublished)?,
            leaves: Vec::new(),
            paths: Vec::new(),
            statements: Vec::new(),
            bodies: gathered.bodies.clone(),
            details: Default::default(),
            claims: self.claims(scope, gathered)?,
            manifest,
        };
        let mut statements = gathered.statements.clone();
        for (index, asked) in &gathered.entries {
            self.work.packed()?;
            let index = Index(*index);
            bundle.statements.extend(statements.remove(&self.ledger.leaf(index)?.statement));
            bundle.leaves.push(self.ledger.leaf_bytes(index)?);
            bundle.paths.push(self.ledger.inclusion(index, self.size)?);
            if bundle.manifest.details && *asked {
                let detail = self.ledger.detail(index)?;
                bundle.details.extend(detail.map(|detail| (index.0, detail)));
            }
        }
        Ok(bundle)
    }

    /// The claims that make the answer complete, and the histories that it rests on.
    fn claims(&self, scope: &Scope, gathered: &Gathered) -> Result<Vec<Claimed>, Error> {
        let mut claims = Vec::new();
        if let Some(terms) = scope.terms() {
            let (until, since) = scope.sizes();
            for size in [Some(until), since].into_iter().flatten().filter(|size| size.0 > 0) {
                claims.push(self.claim(&terms, size)?);
            }
        }
        let subjects = gathered.subjects.iter();
        let histories = subjects.flat_map(|subject| evidence::History::of(subject));
        for history in std::iter::once(evidence::History::Agreed).chain(histories) {
            for refused in [false, true] {
                claims.push(self.claim(&history.terms(refused), self.size)?);
            }
        }
        Ok(claims)
    }

    fn claim(&self, terms: &[(Key, String)], size: TreeSize) -> Result<Claimed, Error> {
        let claim = self.ledger.claim(terms, size, self.now)?;
        let same = size == self.size;
        let path = if same { Vec::new() } else { self.ledger.consistency(size, self.size)? };
        Ok(Claimed { claim, path })
    }
}
