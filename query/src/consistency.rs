//! `consistency`: the proof that a newer tree extends an older one.

use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, VARY};
use axum::response::{IntoResponse, Response};
use schemas::id::TreeSize;
use serde_json::json;

use crate::api::Api;
use crate::error::Error;
use crate::params::Params;
use crate::parts::RECEIPT;

/// The two sizes give the same answer for ever.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// `?from=&to=`: as JSON, or as a COSE Receipt of Consistency (RFC 9942) where that is accepted by name.
pub(crate) async fn one(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let params = params.only(&["from", "to"])?;
    let (from, to) = (params.size("from")?, params.size("to")?);
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let as_receipt = accepted.split([',', ';']).any(|media| media.trim() == RECEIPT);
    api.read(move |api| read(api, from, to, as_receipt)).await
}

fn read(api: &Api, from: TreeSize, to: TreeSize, as_receipt: bool) -> Result<Response, Error> {
    let head = api.ledger.head();
    if to > head.size {
        return Err(Error::Unknown("tree: the log is shorter"));
    }
    if from.0 == 0 || from > to {
        let expected = "a size from 1 to that of the newer tree";
        return Err(Error::InvalidParameter { param: "from", expected });
    }
    let headers = [(CACHE_CONTROL, FOR_EVER), (VARY, "accept")];
    if as_receipt {
        if from == to {
            let expected = "another size: no receipt is between equal trees";
            return Err(Error::InvalidParameter { param: "to", expected });
        }
        let receipt = api.ledger.consistency_receipt(from, to)?;
        return Ok((headers, [(CONTENT_TYPE, RECEIPT)], receipt).into_response());
    }
    let path = if from == to { Vec::new() } else { api.ledger.consistency(from, to)? };
    let path: Vec<_> = path.iter().map(ToString::to_string).collect();
    let json = json!({
        "from": { "size": from.0, "root": api.ledger.root(from)?.to_string() },
        "to": { "size": to.0, "root": api.ledger.root(to)?.to_string() },
        "path": path,
    });
    Ok((headers, axum::Json(json)).into_response())
}
