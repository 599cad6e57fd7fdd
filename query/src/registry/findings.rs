//! `findings`, `agents/{id}/baseline`: what broke a rule, and what was done about it; what an agent usually does.

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{Index, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{CONTROL_ENTRIES_MAX, QUERY_SCAN_MAX};
use schemas::rules::rule;
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::{newest_first, term};
use crate::api::{Api, as_of};
use crate::entries::entry_json;
use crate::error::Error;
use crate::params::{Params, Segment};
use crate::source::Source;

/// `?rule=`, `?agent=`, `?open=true` those that nobody resolved; the newest first.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["rule", "agent", "open", "limit"])?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let (limit, open) = (params.limit()?, params.flag("open")?);
    if params.get("rule").is_some_and(|name| rule(name).is_none()) {
        let expected = "the name of a rule, as out_of_scope";
        return Err(Error::InvalidParameter { param: "rule", expected });
    }
    let ledger = &api.ledger;
    let head = ledger.head();
    let mut terms = vec![term(ledger, Key::Kind, Kind::Finding.as_str())];
    terms.extend(params.get("rule").map(|name| term(ledger, Key::Finding, name)));
    terms.extend(params.get("agent").map(|agent| term(ledger, Key::Agent, agent)));
    let mut items = Vec::new();
    newest_first(ledger, Source::All(terms), head.size, QUERY_SCAN_MAX, |entry| {
        let item = finding(ledger, &entry, head.size)?;
        let resolved = item.get("resolved").is_some_and(Value::is_object);
        if !(open && resolved) {
            items.push(item);
        }
        Ok(items.len() < limit)
    })?;
    Ok(json!({ "items": items, "as_of": as_of(&head) }))
}

/// `findings/{index}`: one, with the entries that it cites, the flagged one first.
pub(crate) async fn one(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    api.about(&index, params, read_one).await
}

fn read_one(api: &Api, index: Index) -> Result<Value, Error> {
    let ledger = &api.ledger;
    let head = ledger.head();
    let entry = ledger.entry(index)?.ok_or(Error::Unknown("finding"))?;
    if entry.body().is_none_or(|body| body.kind() != Kind::Finding) {
        return Err(Error::Unknown("finding"));
    }
    let mut answer = finding(ledger, &entry, head.size)?;
    if let Value::Object(answer) = &mut answer {
        let cited: Vec<_> = cited(ledger, &entry)?.iter().map(entry_json).collect();
        answer.insert("cited".to_owned(), cited.into());
        answer.insert("as_of".to_owned(), as_of(&head));
    }
    Ok(answer)
}

fn finding(ledger: &Ledger, entry: &Entry, size: TreeSize) -> Result<Value, ReadError> {
    let index = entry.leaf.index.0;
    let Some(body) = entry.body() else { return Ok(json!({ "index": index })) };
    let name = body.text("rule.name").unwrap_or_default();
    let id = body.id().to_string();
    let resolved = citing(ledger, &id, Kind::FindingResolved, size, |index, body| {
        json!({
            "index": index,
            "by": body.signer(),
            "note": body.text("note"),
            "reason": body.text("reason"),
        })
    })?;
    let delivery = citing(
        ledger,
        &id,
        Kind::Delivery,
        size,
        |index, body| json!({ "index": index, "code": body.text("code"), "note": body.text("note") }),
    )?;
    let flags = flagged_entry(ledger, entry)?;
    Ok(json!({
        "index": index,
        "id": id,
        "received_at": time_json(entry.leaf.received_at),
        "rule": name,
        "detail": body.text("reason"),
        "agent": body.agent(),
        "correlation": body.correlation(),
        "flags": flags.map(|flagged| flagged.leaf.index.0),
        "text": rule(name).map(|rule| rule.text),
        "resolved": resolved,
        "delivery": delivery,
    }))
}

/// The entry that a finding flags.
pub(crate) fn flagged_entry(ledger: &Ledger, finding: &Entry) -> Result<Option<Entry>, ReadError> {
    Ok(cited(ledger, finding)?.into_iter().next())
}

/// The entries that a finding cites. Where several before it have an id, the last of its agent's, else the first.
fn cited(ledger: &Ledger, finding: &Entry) -> Result<Vec<Entry>, ReadError> {
    let Some(body) = finding.body() else { return Ok(Vec::new()) };
    let mut cited = Vec::new();
    for cause in body.causes() {
        let mut found = None;
        for index in ledger.find(cause)?.into_iter().filter(|at| *at < finding.leaf.index) {
            let entry = ledger.entry(index)?;
            let own = |entry: &Entry| entry.body().is_some_and(|own| own.agent() == body.agent());
            if found.is_none() || entry.as_ref().is_some_and(own) {
                found = entry;
            }
        }
        cited.extend(found);
    }
    Ok(cited)
}

/// What the newest entry of a kind says that cites a finding; null if there is none.
fn citing(
    ledger: &Ledger,
    id: &str,
    kind: Kind,
    size: TreeSize,
    tell: impl Fn(u64, &Body<'_>) -> Value,
) -> Result<Value, ReadError> {
    let terms = vec![term(ledger, Key::Cause, id), term(ledger, Key::Kind, kind.as_str())];
    let mut told = Value::Null;
    newest_first(ledger, Source::All(terms), size, CONTROL_ENTRIES_MAX, |entry| {
        if let Some(body) = entry.body() {
            told = tell(entry.leaf.index.0, &body);
        }
        Ok(told.is_null())
    })?;
    Ok(told)
}

/// What is usual for an agent, and the bound of each rule that has one.
pub(crate) async fn baseline(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    api.read(move |api| {
        let head = api.ledger.head();
        let known = api.ledger.baseline(&id.0)?.ok_or(Error::Unknown("agent"))?;
        let bounds =
            known.thresholds.iter().map(|(name, bound)| json!({ "rule": name, "bound": bound }));
        Ok(json!({
            "agent": id.0,
            "actions": known.actions,
            "usual": known.usual,
            "thresholds": bounds.collect::<Vec<_>>(),
            "as_of": as_of(&head),
        }))
    })
    .await
    .map(Json)
}
