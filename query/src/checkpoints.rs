//! `checkpoints`: the signed notes that were published, with the cosignatures of witnesses.

use axum::Json;
use axum::extract::State;
use schemas::checkpoint::Note;
use schemas::id::TreeSize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::Error;
use crate::params::{Params, Segment};

pub(crate) async fn newest(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    let (size, _) = api.ledger.head().published;
    api.read(move |api| read_one(api, size)).await.map(Json)
}

pub(crate) async fn one(
    State(api): State<Api>,
    size: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    let size = size.size()?;
    api.read(move |api| read_one(api, size)).await.map(Json)
}

fn read_one(api: &Api, size: TreeSize) -> Result<Value, Error> {
    let note = api.ledger.cosigned(size)?.ok_or(Error::Unknown("checkpoint"))?;
    Ok(checkpoint_json(size, &note))
}

fn checkpoint_json(size: TreeSize, note: &str) -> Value {
    let checkpoint = Note::parse(note).and_then(|note| note.checkpoint()).ok();
    json!({
        "size": size.0,
        "origin": checkpoint.as_ref().map(|checkpoint| checkpoint.origin.as_str()),
        "root": checkpoint.as_ref().map(|checkpoint| checkpoint.root.to_string()),
        "note": note,
    })
}
