//! `control`: the announcements of `sworn.v1.<tenant>.control` again, for gateways that were away.

use axum::Json;
use axum::extract::State;
use schemas::id::{Index, hex};
use schemas::kind::{Kind, Stream};
use schemas::leaf::Status;
use schemas::limits::{CONTROL_ENTRIES_MAX, QUERY_SCAN_MAX};
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::entries::entry_json;
use crate::error::Error;
use crate::params::Params;
use crate::source::{Order, Seek, Source, Walk};

/// What changed since the entry `after`, oldest first, each with its receipt. `next_after` is where to go on, even
/// where nothing changed.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["after", "limit"])?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let limit = params.limit()?.min(CONTROL_ENTRIES_MAX);
    let expected = "an index of the log";
    let after: Option<u64> = params
        .get("after")
        .map(|text| {
            text.parse().map_err(|_none| Error::InvalidParameter { param: "after", expected })
        })
        .transpose()?;
    let ledger = &api.ledger;
    let head = ledger.head();
    let kinds = Kind::ALL.iter().filter(|kind| kind.stream() == Stream::Op);
    let term = |kind: &Kind| Source::Term(Box::new(ledger.postings(Key::Kind, kind.as_str())));
    let mut source = Source::any(kinds.map(term));
    let mut walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
    let (mut at, mut items) = (after.map_or(0, |after| after.saturating_add(1)), Vec::new());
    let mut next = head.size.0.checked_sub(1);
    while let Seek::At(index) = source.seek(at, &mut walk)? {
        if index >= head.size.0 {
            break;
        }
        if items.len() == limit {
            next = at.checked_sub(1);
            break;
        }
        if let Some(entry) = ledger.entry(Index(index))?
            && entry.leaf.status == Status::Accepted
        {
            let receipt = hex(&ledger.receipt(Index(index))?);
            items.push(json!({ "index": index, "entry": entry_json(&entry), "receipt": receipt }));
        }
        at = index + 1;
    }
    Ok(json!({ "items": items, "next_after": next, "as_of": as_of(&head) }))
}
