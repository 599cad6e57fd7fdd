//! `entries`, `entries/{index}`, `entries/by-id/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ledger::Entry;
use schemas::id::{EventId, Index};
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::error::Error;
use crate::execute::Found;
use crate::filter;
use crate::formats;
use crate::params::{Params, Segment};
use crate::proof::{Held, Proofs, Prover};
use crate::search::{Rest, Search};

pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (form, params) = formats::asked(&headers, params)?;
    let params = params.only(filter::PARAMS)?;
    api.read(move |api| Ok(formats::page(form, &read_page(api, &params)?))).await
}

fn read_page(api: &Api, params: &Params) -> Result<Value, Error> {
    let limit = params.limit()?;
    let search = Search::of(api, params, "entries", None)?;
    let mut hits = search.hits(api)?;
    let page = hits.as_mut().map(|hits| hits.page(limit)).transpose()?.unwrap_or_default();
    let items: Vec<_> = page.entries.iter().map(found_json).collect();
    let rest = Rest { next: page.next, spent: page.scanned_to };
    search.answer(api, [("items", Value::Array(items))], hits.as_ref(), rest)
}

fn found_json(found: &Found) -> Value {
    match found {
        Found::Entry(entry) => entry_json(entry),
        Found::Damaged(index) => json!({ "index": index.0, "status": "damaged", "body": null }),
    }
}

/// The JSON form that the tail sends too; but a body that is not the one in the leaf is said to be
/// damaged, where there it would look erased.
pub(crate) fn entry_json(entry: &Entry) -> Value {
    let mut json = schemas::json::entry(&entry.leaf, &entry.chain, &entry.content());
    if let (Held::Damaged, Value::Object(json)) = (Held::of(entry), &mut json) {
        json.shift_remove("redacted");
        json.insert("damaged".to_owned(), true.into());
    }
    json
}

pub(crate) async fn one(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    let index = index.index()?;
    api.read(move |api| read_one(api, index)).await.map(Json)
}

fn read_one(api: &Api, index: Index) -> Result<Value, Error> {
    let head = api.ledger.head();
    let entry = api.ledger.entry(index)?.ok_or(Error::Unknown("entry"))?;
    // Whoever asks for one entry gets it checked now, not remembered.
    let fresh = Proofs::default();
    let mut prover = Prover::over(&api.ledger, &fresh, index);
    let mut answer = entry_json(&entry);
    if let Value::Object(answer) = &mut answer {
        let proof = prover.prove(&entry)?;
        answer.insert("proof".to_owned(), json!(proof.view(prover.size())));
        answer.insert("as_of".to_owned(), as_of(&head));
    }
    Ok(answer)
}

pub(crate) async fn by_id(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    let expected = "an event id, as 019d6a2e-…: a UUIDv7";
    let id = EventId::parse(&id.0).ok_or(Error::InvalidParameter { param: "id", expected })?;
    api.read(move |api| read_by_id(api, id)).await.map(Json)
}

fn read_by_id(api: &Api, id: EventId) -> Result<Value, Error> {
    let head = api.ledger.head();
    let mut items = Vec::new();
    for index in api.ledger.find(id)? {
        items.extend(api.ledger.entry(index)?.as_ref().map(entry_json));
    }
    if items.is_empty() {
        return Err(Error::Unknown("entry"));
    }
    Ok(json!({ "items": items, "as_of": as_of(&head) }))
}
