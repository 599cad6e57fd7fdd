//! `entries`, `entries/{index}`, `entries/by-id/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ledger::Entry;
use schemas::id::{EventId, Index};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::api::{Api, as_of, set};
use crate::error::Error;
use crate::execute::Found;
use crate::filter;
use crate::formats::{self, write_json};
use crate::node::Node;
use crate::params::{Params, Segment};
use crate::proof::{Proofs, Prover};
use crate::search::Search;

/// More than a leaf's part of an entry has as JSON.
const LEAF_BYTES: usize = 1 << 10;

pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let (form, params) = formats::asked(&headers, params)?;
    let params = params.only(filter::PARAMS)?;
    api.read(move |api| Ok(formats::page(form, &read_page(api, &params)?))).await
}

fn read_page(api: &Api, params: &Params) -> Result<EntryPage, Error> {
    let limit = params.limit()?;
    let search = Search::of(api, params, "entries", None)?;
    let mut hits = search.hits(api)?;
    let page = hits
        .as_mut()
        .map(|hits| hits.page(limit, |found| text(&found)))
        .transpose()?
        .unwrap_or_default();
    let beside = search.answer(api, [], hits.as_ref(), page.rest)?;
    Ok(EntryPage { items: page.entries, beside })
}

pub(crate) fn entry_json(entry: &Entry) -> Value {
    entry.view(&entry.shown()).to_json()
}

/// A page of entries, each as JSON text, and how to go on.
#[derive(Debug)]
pub(crate) struct EntryPage {
    pub(crate) items: Vec<Vec<u8>>,
    pub(crate) beside: Value,
}

/// An entry as JSON.
fn text(found: &Found) -> Vec<u8> {
    // Digests and names of fields are longer than in the log's own bytes.
    let mut text = Vec::with_capacity(LEAF_BYTES + 2 * found.bytes());
    write_json(&mut text, found);
    text
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Entry(entry) => entry.view(&entry.shown()).serialize(serializer),
            Self::Damaged(index) => {
                json!({ "index": index.0, "status": "damaged", "body": null }).serialize(serializer)
            }
        }
    }
}

pub(crate) async fn one(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    api.about(&index, params, read_one).await
}

fn read_one(api: &Api, index: Index) -> Result<Value, Error> {
    let head = api.ledger.head();
    let entry = api.ledger.entry(index)?.ok_or(Error::Unknown("entry"))?;
    // Whoever asks for one entry gets it checked now, not remembered.
    let fresh = Proofs::default();
    let prover = Prover::over(&api.ledger, &fresh, [&entry])?;
    let mut answer = entry_json(&entry);
    let node = Node::of(&entry);
    let proof = prover.run(std::slice::from_ref(&node)).prove(&node)?;
    set(&mut answer, "proof", json!(proof.view(prover.size())));
    set(&mut answer, "as_of", as_of(&head));
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
