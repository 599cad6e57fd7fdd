//! `claims`: the ledger's signed word on how many entries carry a term, up to a published checkpoint.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use schemas::query::{Expr, Pattern};
use schemas::terms::Key;

use crate::api::Api;
use crate::error::Error;
use crate::params::Params;

/// A signed claim.
const COSE: &str = "application/cose";

/// `?term=key:value`: a claim over the newest published checkpoint, as COSE.
pub(crate) async fn one(State(api): State<Api>, params: Params) -> Result<Response, Error> {
    let params = params.only(&["term"])?;
    let term = params.get("term").and_then(parse);
    let expected = "key:value, as in corr:workflow-1, of what is indexed: no id, time or prefix";
    let term = term.ok_or(Error::InvalidParameter { param: "term", expected })?;
    let now = api.now();
    api.read(move |api| {
        let (size, _) = api.ledger.head().published;
        let claim = api.ledger.claim(&[term], size, now)?;
        let headers = [(CONTENT_TYPE, COSE), (CACHE_CONTROL, "no-store")];
        Ok((headers, claim).into_response())
    })
    .await
}

fn parse(text: &str) -> Option<(Key, String)> {
    let (key, value) = text.split_once(':').filter(|(_, value)| !value.is_empty())?;
    match Expr::term(Key::parse(key)?, value) {
        Ok(Expr::Is(key, Pattern::Exact(value))) if key.is_indexed() => Some((key, value)),
        _ => None,
    }
}
