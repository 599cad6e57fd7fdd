//! `approvals`: what was asked, of which intent, and who decided.

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::deterministic::Item;
use schemas::id::{EventId, Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{CONTROL_ENTRIES_MAX, QUERY_SCAN_MAX};
use schemas::registry::HumanMark;
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::{newest_first, term};
use crate::api::{Api, as_of};
use crate::error::Error;
use crate::params::Params;
use crate::source::Source;

/// `?open=true` those that wait, `?approver=` those that somebody decided.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["open", "approver", "limit"])?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let (limit, open) = (params.limit()?, params.flag("open")?);
    let head = api.ledger.head();
    let mut items = Vec::new();
    let requested = term(&api.ledger, Key::Kind, Kind::ApprovalRequested.as_str());
    let requests = newest(&api.ledger, requested, head.size)?;
    for request in requests {
        let item = approval(&api.ledger, &request, head.size, api.now())?;
        let decisions = item.get("decisions").and_then(Value::as_array);
        let decided = decisions.is_some_and(|decisions| !decisions.is_empty());
        let by = params.get("approver").is_none_or(|approver| {
            let by = |decision: &Value| {
                decision.get("approver").and_then(Value::as_str) == Some(approver)
            };
            decisions.is_some_and(|decisions| decisions.iter().any(by))
        });
        if (!open || !decided) && by {
            items.push(item);
        }
        if items.len() == limit {
            break;
        }
    }
    Ok(json!({ "items": items, "as_of": as_of(&head) }))
}

/// So many accepted entries of a source, the newest first.
fn newest(ledger: &Ledger, source: Source<'_>, size: TreeSize) -> Result<Vec<Entry>, ReadError> {
    let mut found = Vec::new();
    newest_first(ledger, source, size, QUERY_SCAN_MAX, |entry| {
        found.push(entry);
        Ok(found.len() < CONTROL_ENTRIES_MAX)
    })?;
    Ok(found)
}

/// A request with the decisions on it.
fn approval(
    ledger: &Ledger,
    request: &Entry,
    size: TreeSize,
    now: Micros,
) -> Result<Value, ReadError> {
    let Some(body) = request.body() else {
        return Ok(json!({ "index": request.leaf.index.0, "redacted": true }));
    };
    let decisions = decisions(ledger, body.id(), size, now)?;
    let of: Vec<_> = body.causes().iter().map(EventId::to_string).collect();
    Ok(json!({
        "index": request.leaf.index.0,
        "id": body.id().to_string(),
        "agent": body.agent(),
        "requested_by": body.signer(),
        "requested_at": time_json(request.leaf.received_at),
        "of": of,
        "correlation": body.correlation(),
        "action": body.text("action.name"),
        "target": body.text("action.target"),
        "decisions": decisions,
    }))
}

/// The decisions on a request or an intent, in order.
pub(crate) fn decisions(
    ledger: &Ledger,
    of: EventId,
    size: TreeSize,
    now: Micros,
) -> Result<Vec<Value>, ReadError> {
    let decided = Source::All(vec![
        term(ledger, Key::Cause, &of.to_string()),
        term(ledger, Key::Kind, Kind::ApprovalDecided.as_str()),
    ]);
    let mut found = newest(ledger, decided, size)?;
    found.reverse();
    let asked = ledger.find(of)?.first().map(|index| ledger.leaf(*index)).transpose()?;
    let mut decisions = Vec::new();
    for entry in &found {
        let Some(body) = entry.body().filter(|body| body.kind() == Kind::ApprovalDecided) else {
            continue;
        };
        let at = entry.leaf.received_at;
        let latency = asked.as_ref().map(|asked| at.0.saturating_sub(asked.received_at.0));
        let expires = body.field("approval.expires").and_then(Item::uint).map(Micros);
        decisions.push(json!({
            "index": entry.leaf.index.0,
            "approver": body.signer(),
            "decision": body.text("approval.decision"),
            "human": mark(ledger, &body, entry.leaf.index)?.as_str(),
            "on_behalf_of": body.text("on_behalf_of"),
            "subject": body.text("subject.sub"),
            "decided_at": time_json(at),
            "latency_us": latency,
            "expires": expires.map(time_json),
            "expired": expires.is_some_and(|end| now >= end),
            "note": body.text("note"),
        }));
    }
    Ok(decisions)
}

/// Whether a human decided, by what was known of the signer then.
fn mark(ledger: &Ledger, body: &Body<'_>, index: Index) -> Result<HumanMark, ReadError> {
    let now = ledger.principal(body.signer())?;
    if now.as_ref().is_some_and(|record| record.changed > index) {
        let then = ledger.registry_at(TreeSize(index.0))?;
        return Ok(HumanMark::of(body, then.principal(body.signer())));
    }
    Ok(HumanMark::of(body, now.as_ref()))
}
