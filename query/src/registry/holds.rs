//! `holds`: which entries may not be erased.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::error::Error;
use crate::params::Params;

/// `?all=true` with those that were lifted.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["all"])?;
    let all = params.flag("all")?;
    api.read(move |api| {
        let head = api.ledger.head();
        let holds = api.ledger.holds(all)?;
        let items = holds.iter().map(|hold| {
            json!({
                "placed": hold.placed.0,
                "lifted": hold.lifted.map(|index| index.0),
                "id": hold.id.to_string(),
                "query": hold.query,
            })
        });
        Ok(json!({ "items": items.collect::<Vec<_>>(), "as_of": as_of(&head) }))
    })
    .await
    .map(Json)
}
