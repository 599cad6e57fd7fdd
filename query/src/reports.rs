//! `reports/scopes`, `reports/sessions/{session}`: rights that nobody used, and what was asked beside what was done.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::deterministic::Item;
use schemas::id::Index;
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{QUERY_SCAN_MAX, WORKFLOW_ENTRIES_MAX};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::error::Error;
use crate::params::{Params, Segment};
use crate::registry::past::point;
use crate::source::{Order, Seek, Source, Walk};

/// `?agent=`, `?since=`: operations that a contract in force permits and no action used since.
pub(crate) async fn scopes(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["agent", "since"])?;
    api.read(move |api| read_scopes(api, &params)).await.map(Json)
}

fn read_scopes(api: &Api, params: &Params) -> Result<Value, Error> {
    let head = api.ledger.head();
    let since = params.get("since").unwrap_or("90d");
    let (from, _) = point(api, "since", since)?;
    let registry = api.ledger.registry()?;
    let mut items = Vec::new();
    for record in registry.contracts() {
        let contract = &record.contract;
        let wanted = params.get("agent").is_none_or(|agent| agent == contract.agent);
        if !(wanted && record.is_in_force()) {
            continue;
        }
        let (used, is_whole) = used(&api.ledger, &contract.agent, from.0)?;
        let unused: BTreeMap<_, Vec<_>> = contract
            .permissions
            .iter()
            .map(|(system, operations)| {
                let unused = operations.iter().filter(|operation| !used.contains(*operation));
                (system, unused.collect::<Vec<_>>())
            })
            .filter(|(_, unused)| !unused.is_empty())
            .collect();
        items.push(json!({
            "agent": contract.agent,
            "owner": contract.owner,
            "granted": contract.operations().count(),
            "used": contract.operations().filter(|operation| used.contains(*operation)).count(),
            "unused": unused,
            "incomplete": !is_whole,
        }));
    }
    Ok(json!({ "items": items, "since": from.0, "as_of": as_of(&head) }))
}

/// Scopes and names of an agent's actions from an index on, and whether all were looked at.
fn used(ledger: &Ledger, agent: &str, from: u64) -> Result<(BTreeSet<String>, bool), ReadError> {
    let term = |key, value: &str| Source::Term(Box::new(ledger.postings(key, value)));
    let intents = term(Key::Kind, Kind::ActionIntent.as_str());
    let mut source = Source::All(vec![term(Key::Agent, agent), intents]);
    let mut walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
    let (mut at, mut found) = (from, BTreeSet::new());
    loop {
        let index = match source.seek(at, &mut walk)? {
            Seek::At(index) => index,
            Seek::End => return Ok((found, true)),
            Seek::Spent(_) => return Ok((found, false)),
        };
        if let Some(entry) = ledger.entry(Index(index))?
            && entry.leaf.status == Status::Accepted
            && let Some(body) = entry.body()
        {
            let scopes = body.field("scope").and_then(Item::array).unwrap_or_default();
            found.extend(scopes.iter().filter_map(Item::text).map(str::to_owned));
            found.extend(body.text("action.name").map(str::to_owned));
        }
        at = index + 1;
    }
}

/// A session's task beside its actions, each with the findings that flag it.
pub(crate) async fn session(
    State(api): State<Api>,
    session: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    api.read(move |api| read_session(api, &session.0)).await.map(Json)
}

fn read_session(api: &Api, session: &str) -> Result<Value, Error> {
    let head = api.ledger.head();
    let mut postings = api.ledger.postings(Key::Session, session);
    let (mut at, mut entries) = (0, Vec::new());
    let mut declared = Value::Null;
    let mut is_whole = true;
    while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < head.size.0) {
        is_whole = entries.len() < WORKFLOW_ENTRIES_MAX;
        if !is_whole {
            break;
        }
        if let Some(entry) = api.ledger.entry(index)? {
            let body = entry.body();
            if let Some(body) = body.as_ref().filter(|body| body.kind() == Kind::SessionStart) {
                let says = body.to_json();
                let part = |name: &str| says.get(name).cloned().unwrap_or_default();
                declared = json!({
                    "index": index.0, "agent": part("agent"), "task": part("task"), "model": part("model"),
                });
            }
            entries.push(acted(&api.ledger, &entry)?);
        }
        at = index.0 + 1;
    }
    if entries.is_empty() {
        return Err(Error::Unknown("session"));
    }
    Ok(json!({
        "session": session,
        "declared": declared,
        "entries": entries,
        "incomplete": !is_whole,
        "as_of": as_of(&head),
    }))
}

fn acted(ledger: &Ledger, entry: &Entry) -> Result<Value, ReadError> {
    let index = entry.leaf.index.0;
    let received_at = time_json(entry.leaf.received_at);
    let Some(body) = entry.body() else {
        let status = entry.leaf.status.as_str();
        return Ok(json!({ "index": index, "received_at": received_at, "status": status }));
    };
    let mut flags = Vec::new();
    let mut postings = ledger.postings(Key::Cause, &body.id().to_string());
    let mut at = 0;
    while let Some(citing) = postings.at_or_after(at)? {
        if let Some(entry) = ledger.entry(citing)?
            && let Some(said) = entry.body().filter(|said| said.kind() == Kind::Finding)
            && said.causes().first() == Some(&body.id())
        {
            flags.push(json!({
                "index": citing.0, "rule": said.text("rule.name"), "detail": said.text("reason"),
            }));
        }
        at = citing.0 + 1;
    }
    Ok(json!({
        "index": index,
        "received_at": received_at,
        "kind": body.kind().as_str(),
        "status": entry.leaf.status.as_str(),
        "action": body.text("action.name"),
        "target": body.text("action.target"),
        "environment": body.text("environment"),
        "outcome": body.text("outcome.status"),
        "findings": flags,
    }))
}
