//! `agents`, `agents/{id}`: the registry's records, and what is in the log under them.

use axum::Json;
use axum::extract::State;
use ledger::{AgentRecord, Ledger, ReadError, TermRow};
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::entries::entry_json;
use crate::error::Error;
use crate::keys::key_json;
use crate::params::{Params, Segment};

const PARAMS: &[&str] = &["after", "limit"];

pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let limit = params.limit()?;
    let head = api.ledger.head();
    let mut records = api.ledger.agents(params.get("after").unwrap_or_default(), limit + 1)?;
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|record| record.id.clone());
    let items: Vec<_> = records.iter().map(agent_json).collect();
    Ok(json!({ "items": items, "next_after": next, "as_of": as_of(&head) }))
}

pub(crate) async fn one(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    api.read(move |api| read_one(api, &id.0)).await.map(Json)
}

fn read_one(api: &Api, id: &str) -> Result<Value, Error> {
    let head = api.ledger.head();
    let record = api.ledger.agent(id)?.ok_or(Error::Unknown("agent"))?;
    let keys = api.ledger.key_records()?;
    let keys: Vec<_> = keys.iter().filter(|key| key.signer == id).map(key_json).collect();
    let row = term_row(&api.ledger, Key::Agent, id)?;
    let last = match &row {
        Some(row) => api.ledger.entry(row.last)?,
        None => None,
    };
    Ok(json!({
        "agent": agent_json(&record),
        "keys": keys,
        "counts": row.as_ref().map(term_json),
        "last_entry": last.as_ref().map(entry_json),
        "as_of": as_of(&head),
    }))
}

pub(crate) fn agent_json(record: &AgentRecord) -> Value {
    json!({
        "id": record.id,
        "owner": record.owner,
        "state": record.state.as_str(),
        "registered": record.registered.0,
        "changed": record.changed.0,
    })
}

/// The row of exactly this term.
pub(crate) fn term_row(
    ledger: &Ledger,
    key: Key,
    value: &str,
) -> Result<Option<TermRow>, ReadError> {
    // A value comes before all those that it is a prefix of.
    let rows = ledger.terms(key, value, 1)?;
    Ok(rows.into_iter().find(|row| row.value == value))
}

pub(crate) fn term_json(row: &TermRow) -> Value {
    json!({ "entries": row.count, "first": row.first.0, "last": row.last.0 })
}
