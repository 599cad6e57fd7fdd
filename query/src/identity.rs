//! `status`: which ledger this is and how far it got.

use axum::Json;
use axum::extract::State;
use schemas::era::Era;
use schemas::id::hex;
use schemas::shape::time_json;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::Error;
use crate::params::Params;

pub(crate) async fn status(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    api.read(read_status).await.map(Json)
}

fn read_status(api: &Api) -> Result<Value, Error> {
    let (identity, head) = (api.ledger.identity(), api.ledger.head());
    let era = |era: &Era| json!({ "from": era.from.0, "origin": era.origin, "verifier_key": era.note_key().vkey() });
    let eras: Vec<_> = api.ledger.eras()?.iter().map(era).collect();
    Ok(json!({
        "origin": identity.origin,
        "tenant": identity.tenant.as_str(),
        "key": hex(identity.key.as_bytes()),
        "fingerprint": format!("SHA256:{}", identity.key.kid()),
        "verifier_key": identity.note_key().vkey(),
        "size": head.size.0,
        "root": head.root.to_string(),
        "received_at": time_json(head.received_at),
        "note": head.note,
        "now": time_json(api.now()),
        "clock_start": identity.clock_start.map(time_json),
        "eras": eras,
    }))
}
