//! `actions`: what a query finds, folded to one row an action: who did what, whose that is, what was granted and what was used.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger::Entry;
use schemas::id::{Index, TreeSize};
use schemas::kind::Kind;
use schemas::limits::ACTIONS_ENTRIES_MAX;
use serde_json::{Value, json};

use crate::api::{Api, scanned_to};
use crate::error::{Error, is_damage};
use crate::execute::{Found, Page};
use crate::names::Names;
use crate::params::Params;
use crate::search::Search;
use crate::source::Order;
use crate::why;

const PARAMS: &[&str] = &["q", "since", "until", "after"];

/// `?q=` and its window: the newest entries that fit, by the action that each belongs to.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_actions(api, &params)).await.map(Json)
}

fn read_actions(api: &Api, params: &Params) -> Result<Value, Error> {
    let search = Search::of(api, params, "actions", Some(Order::Newest))?;
    let found = match search.hits(api)? {
        Some(mut hits) => hits.page(ACTIONS_ENTRIES_MAX, |found| found)?,
        None => Page::default(),
    };
    let mut actions: BTreeMap<Index, Vec<u64>> = BTreeMap::new();
    let mut damaged = 0u64;
    let mut names = Names::new(&api.ledger, TreeSize(search.size()));
    for entry in found.entries {
        let (index, intent) = match entry {
            Found::Entry(entry) => {
                (entry.leaf.index.0, why::intent_of(&mut names, Arc::unwrap_or_clone(entry)))
            }
            Found::Damaged(_) => {
                damaged += 1;
                continue;
            }
        };
        match intent {
            Ok(intent) if is_action(&intent) => {
                actions.entry(intent.leaf.index).or_default().push(index);
            }
            Ok(intent) => damaged += u64::from(intent.is_damaged()),
            Err(error) if is_damage(&error) => damaged += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let mut items = Vec::new();
    for (intent, mut entries) in actions {
        entries.sort_unstable();
        items.push(row(&why::explained(api, intent)?, &entries));
    }
    Ok(json!({
        "items": items,
        "damaged": damaged,
        "window": search.window().to_json(),
        "incomplete": scanned_to(found.rest.next),
        "as_of": search.as_of(),
    }))
}

/// Of an erased entry its kind is left.
fn is_action(entry: &Entry) -> bool {
    let body = entry.body().or_else(|| entry.residue());
    body.is_some_and(|body| body.kind().is_action() || body.kind() == Kind::WitnessObserved)
}

/// The six answers of one action in one row, out of all that explains it.
fn row(why: &Value, entries: &[u64]) -> Value {
    let at = |pointer: &str| why.pointer(pointer).cloned().unwrap_or_default();
    let list = |pointer: &str| why.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let chain: Vec<_> = list("/chain").filter_map(|hop| hop.get("id")).collect();
    let granted =
        list("/chain").filter_map(|hop| hop.get("grant")).rfind(|grant| grant.is_object());
    let granted = granted.map(|grant| {
        json!({ "id": grant.get("id"), "scope": grant.get("scope"), "environment": grant.get("environment") })
    });
    let outcome = list("/outcomes").last().and_then(|outcome| outcome.get("status"));
    let mut findings: Vec<_> = list("/findings").collect();
    findings.sort_by_key(|finding| finding.get("index").and_then(Value::as_u64));
    let findings: Vec<_> = findings.iter().filter_map(|finding| finding.get("rule")).collect();
    json!({
        "index": at("/entry/index"),
        "entries": entries,
        "redacted": why.get("redacted").is_some(),
        "received_at": at("/entry/received_at"),
        "action": at("/entry/body/action/name"),
        "class": at("/entry/body/action/class"),
        "target": at("/entry/body/action/target"),
        "outcome": outcome,
        "agent": actor(why),
        "owner": at("/owner"),
        "contract": at("/contract/digest"),
        "used": { "scope": at("/entry/body/scope"), "environment": at("/entry/body/environment") },
        "granted": granted,
        "task": at("/session/task/summary"),
        "human": at("/human"),
        "chain": chain,
        "findings": findings,
        "incomplete": at("/incomplete"),
    })
}

/// Its agent; but who tells of an action of another's, or what came of it, does not act as that.
fn actor(why: &Value) -> Option<&Value> {
    let body = why.pointer("/entry/body")?;
    let kind = body.get("kind").and_then(Value::as_str);
    let own = [Kind::ActionIntent, Kind::ActionOutcome];
    let is_own = own.iter().any(|own| kind == Some(own.as_str()));
    let signer = body.get("signer").filter(|_| is_own);
    signer.or_else(|| body.pointer("/agent/id"))
}
