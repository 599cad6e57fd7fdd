//! `approvals`: what was asked, of which intent, and who decided.

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{EventId, Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Leaf;
use schemas::limits::CONTROL_ENTRIES_MAX;
use schemas::registry::HumanMark;
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::at_most;
use crate::api::Api;
use crate::error::Error;
use crate::listing::Listing;
use crate::names::Names;
use crate::params::Params;
use crate::source::{Order, Source, Walk};
use crate::terms::term;
use crate::why::state;

/// `?open=true` those that wait, `?approver=` those that somebody decided; the newest first, page by page.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["open", "approver", "limit", "cursor"])?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let open = params.flag("open")?;
    let listing = Listing::of(&api.ledger, params, "approvals")?;
    let requested = term(&api.ledger, Key::Kind, Kind::ApprovalRequested.as_str());
    let mut walk = Walk::of_query(Order::Newest);
    let mut names = Names::new(&api.ledger, listing.size());
    listing.answer(requested, &mut walk, |request, looks| {
        let item = approval(&mut names, request, listing.size(), api.now(), looks)?;
        let decisions = item.get("decisions").and_then(Value::as_array);
        let decided = decisions.is_some_and(|decisions| !decisions.is_empty());
        let by = params.get("approver").is_none_or(|approver| {
            let by = |decision: &Value| {
                decision.get("approver").and_then(Value::as_str) == Some(approver)
            };
            // What could not be looked through may hold one of his, and so may what does not say any more which they are.
            let unknown = item.get("incomplete").and_then(Value::as_bool) == Some(true);
            unknown || decisions.is_none_or(|decisions| decisions.iter().any(by))
        });
        Ok(((!open || !decided) && by).then_some(item))
    })
}

/// A request with the decisions on it.
fn approval(
    names: &mut Names<'_>,
    request: &Entry,
    size: TreeSize,
    now: Micros,
    looks: &mut Walk,
) -> Result<Value, ReadError> {
    let Some(body) = request.body() else {
        return Ok(json!({ "index": request.leaf.index.0, (state(request)): true }));
    };
    let decisions = decisions(names, (&body, &request.leaf), size, now, looks)?;
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
        "decisions": decisions.items,
        "incomplete": !decisions.are_all,
    }))
}

/// Decisions on a request or an intent, in order.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    pub(crate) items: Vec<Value>,
    /// Whether there are no others; false where the looks ended, or there were too many.
    pub(crate) are_all: bool,
}

/// The decisions on a request or an intent, and how long each took since that; without those on another agent's actions
/// that cite it.
pub(crate) fn decisions(
    names: &mut Names<'_>,
    (of, asked): (&Body<'_>, &Leaf),
    size: TreeSize,
    now: Micros,
    looks: &mut Walk,
) -> Result<Decisions, ReadError> {
    let ledger = names.ledger;
    let decided = Source::All(vec![
        term(ledger, Key::Cause, &of.id().to_string()),
        term(ledger, Key::Kind, Kind::ApprovalDecided.as_str()),
    ]);
    let most = (CONTROL_ENTRIES_MAX, 0..size.0);
    let (mut found, are_all) = at_most(ledger, decided, most, looks, |_| true)?;
    found.reverse();
    let mut decisions = Vec::new();
    for entry in &found {
        let body = entry.body().filter(|body| body.kind() == Kind::ApprovalDecided);
        let Some(body) = body else { continue };
        if !names.is_about((&body, entry.leaf.index), (of, asked.index))? {
            continue;
        }
        let at = entry.leaf.received_at;
        let expires = body.uint("approval.expires").map(Micros);
        decisions.push(json!({
            "index": entry.leaf.index.0,
            "approver": body.signer(),
            "decision": body.text("approval.decision"),
            "human": mark(ledger, &body, entry.leaf.index)?.as_str(),
            "on_behalf_of": body.text("on_behalf_of"),
            "subject": body.text("subject.sub"),
            "decided_at": time_json(at),
            "latency_us": at.0.saturating_sub(asked.received_at.0),
            "expires": expires.map(time_json),
            "expired": expires.is_some_and(|end| now >= end),
            "note": body.text("note"),
        }));
    }
    Ok(Decisions { items: decisions, are_all })
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
