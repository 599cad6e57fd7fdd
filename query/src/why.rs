//! `entries/{index}/why`: on whose authority an action ran, within what limits, who agreed, and what came of it.
//!
//! The question is of an action: asked of an outcome, a verdict, a witness or a finding, it is answered for the intent
//! that it belongs to.

mod around;
mod text;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::deterministic::Item;
use schemas::id::{Digest, Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::QUERY_SCAN_MAX;
use schemas::registry::{ContractRecord, Registry};
use schemas::shape::time_json;
use serde_json::{Value, json};

use crate::api::{Api, as_of, set};
use crate::entries::entry_json;
use crate::error::Error;
use crate::names::Names;
use crate::params::{Params, Segment};
use crate::registry::approvals::{Decisions, decisions};
use crate::registry::texts;
use crate::registry::view::{agent_json, chain_json, contract_brief, grant_json};
use crate::source::{Order, Walk};
use around::Around;
pub(crate) use around::intent_of;

pub use text::render_why;

pub(crate) async fn one(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    api.about(&index, params, explained).await
}

/// Everything that explains the action which an entry belongs to.
pub(crate) fn explained(api: &Api, asked: Index) -> Result<Value, Error> {
    let ledger = &api.ledger;
    let head = ledger.head();
    if asked.0 >= head.size.0 {
        return Err(Error::Unknown("entry"));
    }
    let entry = ledger.entry(asked)?.ok_or(Error::Unknown("entry"))?;
    let mut names = Names::new(ledger, head.size);
    let entry = intent_of(&mut names, entry)?;
    let index = entry.leaf.index;
    let whole = entry.body();
    let is_erased = whole.is_none();
    // What came of an action stands elsewhere than in its intent: it is known though that is erased.
    let Some(body) = whole.or_else(|| entry.residue()) else {
        let mut answer =
            json!({ "asked": asked.0, "entry": entry_json(&entry), "as_of": as_of(&head) });
        set(&mut answer, state(&entry), true);
        return Ok(answer);
    };
    let then = ledger.registry_at(TreeSize(index.0))?;
    let agent = names.actor(&body, index)?;
    let agent = agent.as_str();
    let around = Around::of(&mut names, index, (&body, agent), head.size)?;
    let owner = then.agent(agent).map(|record| record.owner.clone());
    let asked_for = std::iter::once(&entry).chain(&around.requests);
    let approvals = approvals(&mut names, (index, asked_for), head.size, api.now())?;
    let (shown, session) = (entry_json(&entry), around.session.as_ref().map(session_json));
    let mut answer = json!({
        "asked": asked.0,
        "entry": shown,
        "agent": then.agent(agent).map(agent_json),
        "owner": owner,
        "human": human(&body),
        "chain": chain(ledger, &entry, &body, &then)?,
        "contract": contract(ledger, &then, agent, &entry)?,
        "session": session,
        "model": model(&shown, session.as_ref()),
        "trigger": trigger(&shown, &around),
        "sources": said(&shown, "sources"),
        "assertions": said(&shown, "assertions"),
        "verdicts": verdicts(ledger, &then, &around)?,
        "approvals": approvals.items,
        "outcomes": around.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "witnesses": around.witnesses.iter().map(outcome).collect::<Vec<_>>(),
        "findings": around.findings.iter().map(finding).collect::<Vec<_>>(),
        "incomplete": around.is_cut || !approvals.are_all,
        "as_of": as_of(&head),
    });
    if is_erased {
        set(&mut answer, state(&entry), true);
    }
    Ok(answer)
}

/// Why the body of an entry is not known.
pub(crate) fn state(entry: &Entry) -> &'static str {
    match entry.leaf.status {
        Status::Accepted if entry.is_damaged() => "damaged",
        Status::Accepted => "redacted",
        Status::Rejected(_) => "refused",
    }
}

/// The first human of the chain, else on whose behalf it was.
fn human(body: &Body<'_>) -> Option<String> {
    let hops = body.principals();
    let first = hops.iter().find(|hop| hop.kind == "human").map(|hop| hop.id);
    first.or_else(|| body.text("on_behalf_of")).map(str::to_owned)
}

/// Every hop: who, under which grant, and what is wrong with that.
fn chain(
    ledger: &Ledger,
    entry: &Entry,
    body: &Body<'_>,
    then: &Registry,
) -> Result<Vec<Value>, ReadError> {
    let check = ledger.chain_check(entry.leaf.index)?.unwrap_or_default();
    let checked = chain_json(&check);
    let hop = |(place, hop): (usize, &schemas::body::Principal<'_>)| {
        let grant = hop.grant.and_then(|id| then.grant(id));
        let grant = grant.map(|grant| grant_json(grant, then, entry.leaf.received_at));
        let faults = checked.get(place).and_then(|check| check.get("faults")).cloned();
        json!({
            "id": hop.id,
            "type": hop.kind,
            "task": hop.task,
            "grant_id": hop.grant.map(|id| id.to_string()),
            "grant": grant,
            "faults": faults.unwrap_or_else(|| json!([])),
        })
    };
    Ok(body.principals().iter().enumerate().map(hop).collect())
}

/// The contract in force then, with the operations that it permits.
fn contract(
    ledger: &Ledger,
    then: &Registry,
    agent: &str,
    entry: &Entry,
) -> Result<Value, ReadError> {
    let Some(record) = then.contract(agent).filter(|record| record.is_in_force()) else {
        return Ok(Value::Null);
    };
    let ContractRecord { contract, registered, .. } = record;
    let mut json = contract_brief(record);
    set(&mut json, "permissions", json!(contract.allowed.permissions));
    set(&mut json, "environments", json!(contract.allowed.environments));
    set(&mut json, "targets", json!(contract.allowed.targets));
    set(&mut json, "execution_mode", contract.mode.as_str());
    set(&mut json, "expired", contract.is_expired(entry.leaf.received_at));
    set(&mut json, "yaml", texts::text(ledger, *registered)?);
    Ok(json)
}

fn session_json(entry: &Entry) -> Value {
    let Some(body) = entry.body() else {
        return json!({ "index": entry.leaf.index.0, "redacted": true });
    };
    let json = body.to_json();
    let part = |name: &str| json.get(name).cloned().unwrap_or_default();
    json!({
        "index": entry.leaf.index.0,
        "session": part("session"),
        "since": time_json(entry.leaf.received_at),
        "task": part("task"),
        "model": part("model"),
        "agent": part("agent"),
        "contract": part("contract"),
        "attestation": part("attestation"),
        "parent_session": part("parent_session"),
    })
}

/// A field of an entry's body, as the entry is shown.
fn said<'e>(shown: &'e Value, field: &str) -> Option<&'e Value> {
    shown.get("body")?.get(field)
}

/// The action's own model, else the session's.
fn model<'e>(shown: &'e Value, session: Option<&'e Value>) -> Option<&'e Value> {
    said(shown, "model").or_else(|| session?.get("model"))
}

/// The action's own trigger, else the one that set it off.
fn trigger(shown: &Value, around: &Around) -> Option<Value> {
    if let Some(own) = said(shown, "trigger") {
        return Some(json!({ "index": null, "trigger": own }));
    }
    let entry = around.trigger.as_ref()?;
    let says = entry.body()?.to_json();
    Some(json!({ "index": entry.leaf.index.0, "trigger": says.get("trigger") }))
}

/// What was decided on the intent at `intended` and on the requests that cite it: a decision may cite the one or the other,
/// or both. Nobody agreed to what was not there yet: a request can cite an id before it is used.
fn approvals<'e>(
    names: &mut Names<'_>,
    (intended, asked_for): (Index, impl Iterator<Item = &'e Entry>),
    size: TreeSize,
    now: Micros,
) -> Result<Decisions, ReadError> {
    let mut looks = Walk::new(Order::Newest, QUERY_SCAN_MAX);
    let (mut items, mut are_all) = (BTreeMap::new(), true);
    for entry in asked_for {
        let Some(body) = entry.body().or_else(|| entry.residue()) else { continue };
        let found = decisions(names, (&body, &entry.leaf), size, now, &mut looks)?;
        are_all &= found.are_all;
        for decision in found.items {
            let index = decision.get("index").and_then(Value::as_u64);
            if index.is_some_and(|index| index > intended.0) {
                items.entry(index).or_insert(decision);
            }
        }
    }
    Ok(Decisions { items: items.into_values().collect(), are_all })
}

/// Each gate's decision, with the text of the policy that it applied.
fn verdicts(ledger: &Ledger, then: &Registry, around: &Around) -> Result<Vec<Value>, ReadError> {
    let mut found = Vec::new();
    for entry in &around.verdicts {
        let Some(body) = entry.body() else { continue };
        let json = body.to_json();
        for (place, item) in body.list("verdicts").iter().enumerate() {
            let mut verdict =
                json.pointer(&format!("/verdicts/{place}")).cloned().unwrap_or_default();
            let digest = item.get("policy_digest").and_then(Item::bytes);
            let digest = digest.and_then(Digest::from_slice);
            set(&mut verdict, "index", entry.leaf.index.0);
            set(&mut verdict, "signer", body.signer());
            set(&mut verdict, "policy", policy(ledger, then, digest)?);
            found.push(verdict);
        }
    }
    Ok(found)
}

fn policy(ledger: &Ledger, then: &Registry, digest: Option<Digest>) -> Result<Value, ReadError> {
    let Some(digest) = digest else { return Ok(Value::Null) };
    let Some(record) = then.policy(&digest) else {
        return Ok(json!({ "digest": digest.to_string(), "name": null, "text": null }));
    };
    let text = texts::text(ledger, record.registered)?;
    Ok(json!({
        "digest": digest.to_string(),
        "name": record.name,
        "registered": record.registered.0,
        "text": text,
    }))
}

fn outcome(entry: &Entry) -> Value {
    let Some(body) = entry.body() else {
        return json!({ "index": entry.leaf.index.0, "redacted": true });
    };
    json!({
        "index": entry.leaf.index.0,
        "signer": body.signer(),
        "received_at": time_json(entry.leaf.received_at),
        "status": body.text("outcome.status"),
        "code": body.text("outcome.code"),
        "external_ref": body.text("outcome.external_ref"),
    })
}

fn finding(entry: &Entry) -> Value {
    let Some(body) = entry.body() else { return json!({ "index": entry.leaf.index.0 }) };
    json!({
        "index": entry.leaf.index.0,
        "rule": body.text("rule.name"),
        "code": body.text("reason"),
    })
}

/// Whether an entry was accepted and is of one of these kinds.
fn is_of(entry: &Entry, kinds: &[Kind]) -> bool {
    let kind = entry.body().or_else(|| entry.residue()).map(|body| body.kind());
    entry.leaf.status == Status::Accepted && kind.is_some_and(|kind| kinds.contains(&kind))
}
