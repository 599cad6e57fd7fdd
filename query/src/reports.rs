//! `reports/scopes`: rights that nobody used, and those asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::contract::{Contract, permits};
use schemas::deterministic::Item;
use schemas::id::TreeSize;
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::SCOPE_REQUESTS_MAX;
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::{at_most, each_newest_first};
use crate::api::{Api, as_of};
use crate::error::Error;
use crate::names::Names;
use crate::params::Params;
use crate::registry::approvals::decisions;
use crate::registry::past::point;
use crate::source::{Order, Source, Walk};
use crate::terms::term;

/// `?agent=`, `?since=`: operations that a contract in force permits and no action used since; what its agent asked for.
/// `used` and `unused` are null where not all of its actions could be looked at: there were too many, or some are erased.
pub(crate) async fn scopes(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["agent", "since"])?;
    api.read(move |api| read_scopes(api, &params)).await.map(Json)
}

fn read_scopes(api: &Api, params: &Params) -> Result<Value, Error> {
    let head = api.ledger.head();
    let since = params.get("since").unwrap_or("90d");
    let (from, _) = point(api, "since", since)?;
    let registry = api.ledger.registry()?;
    let mut names = Names::new(&api.ledger, head.size);
    let agent = params.get("agent").map(|name| names.id(name)).transpose()?;
    let mut items = Vec::new();
    // One for all contracts: what they need together is bounded, however many there are.
    let mut walk = Walk::of_query(Order::Newest);
    for record in registry.contracts() {
        let contract = &record.contract;
        let wanted = agent.as_ref().is_none_or(|agent| *agent == contract.agent);
        if !(wanted && record.is_in_force()) {
            continue;
        }
        let (used, all_used) = used(&api.ledger, contract, from.0..head.size.0, &mut walk)?;
        let asked = from.0..head.size.0;
        let (requests, all_requests) = requests(api, &contract.agent, asked, &mut walk)?;
        let unused = unused(&contract.allowed.permissions, &used, all_used);
        let count = |unused: &Unused<'_>| unused.values().map(Vec::len).sum::<usize>();
        let granted = contract.allowed.operations().count();
        items.push(json!({
            "agent": contract.agent,
            "owner": contract.owner,
            "granted": granted,
            "used": unused.as_ref().map(|unused| granted - count(unused)),
            "unused": unused,
            "requests": requests,
            "incomplete": !(all_used && all_requests),
        }));
    }
    Ok(json!({ "items": items, "since": from.0, "as_of": as_of(&head) }))
}

/// What an action used, and the system that it was on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    system: Option<String>,
    operation: String,
}

impl Used {
    /// Whether it lies within what is permitted on a system.
    fn is(&self, system: &str, operation: &str) -> bool {
        let there = self.system.as_deref().is_none_or(|own| own == system);
        there && permits(operation, &self.operation)
    }
}

/// Operations by system.
type Unused<'c> = BTreeMap<&'c str, Vec<&'c str>>;

/// What is permitted and was not used; unknown where not all that was used is known.
fn unused<'c>(
    permissions: &'c BTreeMap<String, Vec<String>>,
    used: &BTreeSet<Used>,
    is_all: bool,
) -> Option<Unused<'c>> {
    let of_system = |(system, operations): (&'c String, &'c Vec<String>)| {
        let is_used = |operation: &str| used.iter().any(|used| used.is(system, operation));
        let unused = operations.iter().map(String::as_str).filter(|operation| !is_used(operation));
        (system.as_str(), unused.collect::<Vec<_>>())
    };
    let all = permissions.iter().map(of_system).filter(|(_, unused)| !unused.is_empty());
    is_all.then(|| all.collect())
}

/// Scopes and names of an agent's actions within a range, with what its contract says of them, and whether all were
/// looked at.
fn used(
    ledger: &Ledger,
    contract: &Contract,
    range: Range<u64>,
    walk: &mut Walk,
) -> Result<(BTreeSet<Used>, bool), ReadError> {
    let source = signed_by(ledger, &contract.agent, Kind::ActionIntent);
    let (mut found, mut is_all) = (BTreeSet::new(), true);
    let spent = each_newest_first(ledger, source, range, walk, |entry| {
        match entry.body() {
            _ if entry.leaf.status != Status::Accepted => {}
            Some(body) => found.extend(used_by(&body, contract)),
            // What is erased or damaged may have used anything.
            None => is_all = false,
        }
        Ok(true)
    })?;
    Ok((found, is_all && spent.is_none()))
}

/// What an agent says of itself, whichever of its names it gives.
fn signed_by<'l>(ledger: &'l Ledger, agent: &str, kind: Kind) -> Source<'l> {
    Source::All(vec![term(ledger, Key::Signer, agent), term(ledger, Key::Kind, kind.as_str())])
}

fn used_by(body: &Body<'_>, contract: &Contract) -> Vec<Used> {
    let name = body.text("action.name");
    let known = name.and_then(|name| contract.allowed.known(name));
    let system = known.and_then(|known| known.system.as_deref());
    let system = system.or_else(|| body.text("action.system"));
    let scopes = body.list("scope").iter().filter_map(Item::text);
    let scopes = scopes.chain(known.and_then(|known| known.scope.as_deref())).chain(name);
    let used = |operation: &str| Used {
        system: system.map(str::to_owned),
        operation: operation.to_owned(),
    };
    scopes.map(used).collect()
}

/// What an agent asked for, the newest first, with what was decided, and whether that is all of it.
fn requests(
    api: &Api,
    agent: &str,
    range: Range<u64>,
    walk: &mut Walk,
) -> Result<(Vec<Value>, bool), Error> {
    let ledger = &api.ledger;
    let source = signed_by(ledger, agent, Kind::ScopeRequested);
    let size = TreeSize(range.end);
    let is_whole = |entry: &Entry| entry.body().is_some();
    let (found, all_found) = at_most(ledger, source, (SCOPE_REQUESTS_MAX, range), walk, is_whole)?;
    let mut names = Names::new(ledger, size);
    let (mut requests, mut are_all) = (Vec::new(), all_found);
    for entry in &found {
        let Some(body) = entry.body() else { continue };
        let decisions = decisions(&mut names, (&body, &entry.leaf), size, api.now(), walk)?;
        are_all &= decisions.are_all;
        requests.push(json!({
            "index": entry.leaf.index.0,
            "id": body.id().to_string(),
            "requested_at": time_json(entry.leaf.received_at),
            "scope": body.to_json().get("scope"),
            "decisions": decided(decisions.items),
        }));
    }
    Ok((requests, are_all))
}

/// Who decided what and when; why is for those who may read what was written.
fn decided(decisions: Vec<Value>) -> Vec<Value> {
    let told = ["index", "approver", "decision", "decided_at"];
    let brief = |decision: Value| {
        let part = |name: &str| decision.get(name).cloned().unwrap_or_default();
        told.map(|name| (name.to_owned(), part(name)))
    };
    decisions
        .into_iter()
        .map(|decision| Value::Object(brief(decision).into_iter().collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use schemas::id::Micros;

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn rights_are_unused_where_all_actions_were_looked_at() {
        let permissions = BTreeMap::from([
            ("git".to_owned(), vec!["push".to_owned(), "tag".to_owned()]),
            ("mail".to_owned(), vec!["send".to_owned()]),
        ]);
        let used = |operation: &str| Used { system: None, operation: operation.to_owned() };
        let used = BTreeSet::from([used("push"), used("send")]);
        let expected = BTreeMap::from([("git", vec!["tag"])]);
        assert_eq!(unused(&permissions, &used, true), Some(expected));
        assert_eq!(unused(&permissions, &used, false), None);
    }

    #[test]
    fn what_other_contracts_used_up_is_not_called_looked_at() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 9);
        let clock = Arc::new(|| Micros(9));
        let (proofs, jobs) = (Arc::default(), Arc::default());
        let api = Api { ledger: writer.ledger(), clock, proofs, jobs };
        // One look says that the agent has no entry at all.
        let mut walk = Walk::new(Order::Newest, 1);
        let mut asked = |agent: &str| requests(&api, agent, 0..9, &mut walk).unwrap();
        assert_eq!(asked("a"), (Vec::new(), true));
        assert_eq!(asked("b"), (Vec::new(), false));
    }
}
