//! `findings`, `agents/{id}/baseline`: what broke a rule, and what was done about it; what an agent usually does.

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{Index, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::rules::rule;
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::each_newest_first;
use crate::api::{Api, as_of, set};
use crate::entries::entry_json;
use crate::error::Error;
use crate::listing::Listing;
use crate::names::Names;
use crate::params::{Params, Segment};
use crate::source::{Order, Source, Walk};
use crate::terms::term;
use crate::why::state;

/// `?rule=`, `?agent=`, `?open=true` those that nobody resolved; the newest first, page by page.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["rule", "agent", "open", "limit", "cursor"])?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let open = params.flag("open")?;
    if params.get("rule").is_some_and(|name| rule(name).is_none()) {
        let expected = "the name of a rule, as out_of_scope";
        return Err(Error::InvalidParameter { param: "rule", expected });
    }
    let ledger = &api.ledger;
    let listing = Listing::of(ledger, params, "findings")?;
    let mut terms = vec![term(ledger, Key::Kind, Kind::Finding.as_str())];
    terms.extend(params.get("rule").map(|name| term(ledger, Key::Finding, name)));
    let mut names = Names::new(ledger, listing.size());
    if let Some(agent) = params.get("agent") {
        // Whoever asks may know it by another name than the finding gives.
        terms.push(term(ledger, Key::Agent, &names.id(agent)?));
    }
    let mut walk = Walk::of_query(Order::Newest);
    listing.answer(Source::All(terms), &mut walk, |entry, looks| {
        let item = finding(&mut names, entry, listing.size(), looks)?;
        let resolved = item.get("resolved").is_some_and(Value::is_object);
        Ok((!(open && resolved)).then_some(item))
    })
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
    let mut names = Names::new(ledger, head.size);
    let looks = &mut Walk::of_query(Order::Newest);
    let mut answer = finding(&mut names, &entry, head.size, looks)?;
    let cited: Vec<_> = cited(&mut names, &entry)?.iter().map(entry_json).collect();
    set(&mut answer, "cited", cited);
    set(&mut answer, "as_of", as_of(&head));
    Ok(answer)
}

/// One finding; `incomplete` where the looks ended before it was known how it was dealt with.
fn finding(
    names: &mut Names<'_>,
    entry: &Entry,
    size: TreeSize,
    looks: &mut Walk,
) -> Result<Value, ReadError> {
    let ledger = names.ledger;
    let index = entry.leaf.index.0;
    let Some(body) = entry.body() else {
        return Ok(json!({ "index": index, (state(entry)): true }));
    };
    let name = body.text("rule.name").unwrap_or_default();
    let id = body.id().to_string();
    let resolved =
        citing(ledger, (id.as_str(), Kind::FindingResolved), size, looks, |index, body| {
            json!({
                "index": index,
                "by": body.signer(),
                "note": body.text("note"),
                "reason": body.text("reason"),
            })
        })?;
    let delivery = citing(
        ledger,
        (id.as_str(), Kind::Delivery),
        size,
        looks,
        |index, body| json!({ "index": index, "code": body.text("code"), "note": body.text("note") }),
    )?;
    let flags = flagged_entry(names, entry)?;
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
        "incomplete": resolved.is_err() || delivery.is_err(),
        "resolved": resolved.unwrap_or_default(),
        "delivery": delivery.unwrap_or_default(),
    }))
}

/// Where the entry is that a finding flags.
///
/// # Errors
/// [`ReadError`].
pub fn flagged(ledger: &Ledger, finding: &Entry) -> Result<Option<Index>, ReadError> {
    let mut names = Names::new(ledger, ledger.head().size);
    Ok(flagged_entry(&mut names, finding)?.map(|entry| entry.leaf.index))
}

/// The entry that a finding flags.
pub(crate) fn flagged_entry(
    names: &mut Names<'_>,
    finding: &Entry,
) -> Result<Option<Entry>, ReadError> {
    Ok(cited(names, finding)?.into_iter().next())
}

/// The entries that a finding cites. Where several before it have an id, the last of its agent's, else the first.
pub(crate) fn cited(names: &mut Names<'_>, finding: &Entry) -> Result<Vec<Entry>, ReadError> {
    let Some(body) = finding.body() else { return Ok(Vec::new()) };
    let agent = names.agent_of(&body, finding.leaf.index)?;
    let mut cited = Vec::new();
    for cause in body.causes() {
        let mut found = None;
        let before = names.ledger.find(cause)?.into_iter().filter(|at| *at < finding.leaf.index);
        for index in before {
            let Some(entry) = names.ledger.entry(index)? else { continue };
            if found.is_none() || is_of(names, &entry, agent.as_deref())? {
                found = Some(entry);
            }
        }
        cited.extend(found);
    }
    Ok(cited)
}

/// Whether an entry, erased or not, is of this agent, by whichever of its names.
fn is_of(names: &mut Names<'_>, entry: &Entry, agent: Option<&str>) -> Result<bool, ReadError> {
    match entry.body().or_else(|| entry.residue()) {
        Some(body) => Ok(names.agent_of(&body, entry.leaf.index)?.as_deref() == agent),
        None => Ok(false),
    }
}

/// Nothing tells: the looks ended before an answer was found.
struct Unknown;

/// What the newest accepted entry of a kind says that cites a finding; null if there is none.
fn citing(
    ledger: &Ledger,
    (id, kind): (&str, Kind),
    size: TreeSize,
    looks: &mut Walk,
    tell: impl Fn(u64, &Body<'_>) -> Value,
) -> Result<Result<Value, Unknown>, ReadError> {
    let terms = vec![term(ledger, Key::Cause, id), term(ledger, Key::Kind, kind.as_str())];
    let mut told = Value::Null;
    let spent = each_newest_first(ledger, Source::All(terms), 0..size.0, looks, |entry| {
        if let Some(body) = entry.body().filter(|_| entry.leaf.status == Status::Accepted) {
            told = tell(entry.leaf.index.0, &body);
        }
        Ok(told.is_null())
    })?;
    Ok(if spent.is_some() { Err(Unknown) } else { Ok(told) })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn what_was_not_looked_for_is_not_called_absent() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 9);
        let ledger = writer.ledger();
        let told = |budget: usize| {
            let looks = &mut Walk::new(Order::Newest, budget);
            let told = citing(&ledger, ("f", Kind::Delivery), TreeSize(9), looks, |_, _| json!(1));
            told.unwrap().ok()
        };
        assert_eq!(told(100), Some(Value::Null));
        assert_eq!(told(0), None);
    }
}
