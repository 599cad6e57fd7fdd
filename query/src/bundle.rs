//! `bundles`: the answer to a query as one file that proves itself offline.

mod gather;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use ledger::Ledger;
use schemas::evidence::{self, Bundle, Claimed, Manifest, Scope};
use schemas::id::{Index, Micros, TreeSize};
use schemas::terms::Key;

use crate::api::Api;
use crate::error::Error;
use crate::filter;
use crate::params::Params;
use crate::reader::Asker;
use crate::window::Window;

use gather::Gathered;

/// What `bundles` takes.
const PARAMS: &[&str] = &["q", "since", "until", "after", "details"];
/// The program that makes bundles.
const TOOL: &str = concat!("sworn ", env!("CARGO_PKG_VERSION"));

/// `?q=&since=&until=&details=`: the bundle over the newest published checkpoint.
pub(crate) async fn create(
    State(api): State<Api>,
    asker: Asker,
    params: Params,
) -> Result<Response, Error> {
    let params = params.only(PARAMS)?;
    let bundle = api.read(move |api| read(api, &params, &asker)).await?;
    let headers = [
        (CONTENT_TYPE, "application/zip"),
        (CONTENT_DISPOSITION, "attachment; filename=\"case.evidence.zip\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bundle).into_response())
}

fn read(api: &Api, params: &Params, asker: &Asker) -> Result<Vec<u8>, Error> {
    let details = match params.get("details") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Error::InvalidParameter { param: "details", expected: "true or false" });
        }
    };
    let query = filter::query(params)?;
    let (size, _) = api.ledger.head().published;
    let window = Window::of(&api.ledger, &query, size, api.now())?;
    let manifest = Manifest {
        query: params.get("q").unwrap_or_default().to_owned(),
        since: window.from.min(window.to),
        until: window.to,
        created: api.now(),
        tool: TOOL.to_owned(),
        details,
        maker: asker.0.as_ref().map(|reader| reader.0.to_string()),
    };
    let in_q = |fault| Error::Query { param: "q", fault };
    let scope = Scope::parse(&manifest.query, manifest.since, manifest.until).map_err(in_q)?;
    let gathered = Gathered::of(&api.ledger, &query.expr, &scope, size)?;
    let bundle = Assembly { ledger: &api.ledger, size, now: api.now() };
    Ok(evidence::pack(&bundle.make(manifest, &scope, &gathered)?))
}

/// Puts a bundle together from the entries that belong into it.
struct Assembly<'l> {
    ledger: &'l Ledger,
    size: TreeSize,
    now: Micros,
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
        for subject in &gathered.subjects {
            for history in evidence::History::ALL {
                for refused in [false, true] {
                    claims.push(self.claim(&history.terms(subject, refused), self.size)?);
                }
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
