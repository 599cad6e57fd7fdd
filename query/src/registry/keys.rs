//! `keys`: every key that was ever enrolled, and since when it counts no more.

use axum::Json;
use axum::extract::State;
use ledger::KeyRecord;
use schemas::id::{Kid, hex};
use schemas::shape::time_json;
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::error::Error;
use crate::params::Params;

const PARAMS: &[&str] = &["after", "limit", "signer"];

pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let limit = params.limit()?;
    let expected = "a key's id in hexadecimal";
    let after = match params.get("after") {
        Some(text) => {
            Some(Kid::from_hex(text).ok_or(Error::InvalidParameter { param: "after", expected })?)
        }
        None => None,
    };
    let signer = params.get("signer");
    let head = api.ledger.head();
    let mut records = api.ledger.key_records()?;
    records.retain(|record| after.is_none_or(|after| record.key.kid() > after));
    records.retain(|record| signer.is_none_or(|signer| record.signer == signer));
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|record| record.key.kid().to_string());
    let items: Vec<_> = records.iter().map(key_json).collect();
    Ok(json!({ "items": items, "next_after": next, "as_of": as_of(&head) }))
}

pub(crate) fn key_json(record: &KeyRecord) -> Value {
    json!({
        "kid": record.key.kid().to_string(),
        "key": hex(record.key.as_bytes()),
        "signer": record.signer,
        "enrolled": record.enrolled.0,
        "revoked": record.revoked.map(|index| index.0),
        "not_before": record.not_before.map(time_json),
        "not_after": record.not_after.map(time_json),
    })
}
