//! `consistency`: the proof that a newer tree extends an older one.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use schemas::id::TreeSize;
use serde_json::json;

use crate::api::Api;
use crate::cached::Known;
use crate::error::Error;
use crate::negotiate::{Form, choose};
use crate::params::Params;
use crate::parts::RECEIPT;

const FORMS: &[Form] = &[Form::JSON, RECEIPT];

/// `?from=&to=`: as JSON, or as a COSE Receipt of Consistency (RFC 9942) where that is accepted by name.
pub(crate) async fn one(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (format, params) = params.take("format")?;
    let params = params.only(&["from", "to"])?;
    let (from, to) = (params.size("from")?, params.size("to")?);
    let form = choose(FORMS, &headers, format.as_deref())?;
    let known = Known::of(&headers);
    let answer = move |api: &Api| {
        let bytes = read(api, from, to, form)?;
        Ok(known.answer(form.media, bytes))
    };
    api.read(answer).await
}

fn read(api: &Api, from: TreeSize, to: TreeSize, form: Form) -> Result<Vec<u8>, Error> {
    let head = api.ledger.head();
    if to > head.size {
        return Err(Error::Unknown("tree: the log is shorter"));
    }
    if from.0 == 0 || from > to {
        let expected = "a size from 1 to that of the newer tree";
        return Err(Error::InvalidParameter { param: "from", expected });
    }
    if form == RECEIPT {
        if from == to {
            let expected = "another size: no receipt is between equal trees";
            return Err(Error::InvalidParameter { param: "to", expected });
        }
        return Ok(api.ledger.consistency_receipt(from, to)?);
    }
    let path = if from == to { Vec::new() } else { api.ledger.consistency(from, to)? };
    let path: Vec<_> = path.iter().map(ToString::to_string).collect();
    let json = json!({
        "from": { "size": from.0, "root": api.ledger.root(from)?.to_string() },
        "to": { "size": to.0, "root": api.ledger.root(to)?.to_string() },
        "path": path,
    });
    Ok(json.to_string().into_bytes())
}
