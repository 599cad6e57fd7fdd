//! `principals/{id}/lineage`: all that was done under a principal, by agent, grant and chain.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::deterministic::Item;
use schemas::id::TreeSize;
use schemas::kind::Kind;
use schemas::limits::{LINEAGE_ENTRIES_MAX, LINEAGE_ROWS_MAX};
use schemas::shape::open_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::accepted::newest_first;
use crate::api::{Api, as_of, scanned_to, set};
use crate::error::Error;
use crate::names::Names;
use crate::params::{Params, Segment};
use crate::registry::view::{agent_json, principal_json};
use crate::source::{Order, Source, Walk};
use crate::terms::{term, term_json, term_row};

pub(crate) async fn one(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    params.only(&[])?;
    api.read(move |api| read_one(api, &id.0)).await.map(Json)
}

fn read_one(api: &Api, id: &str) -> Result<Value, Error> {
    let ledger = &api.ledger;
    let head = ledger.head();
    let principal = ledger.principal(id)?;
    let agent = ledger.agent(id)?;
    let row = term_row(ledger, Key::Principal, id)?;
    let entries = match &row {
        Some(row) => {
            let walk = &mut Walk::of_query(Order::Oldest);
            term_json(ledger, Key::Principal, row, 0..head.size.0, walk)?
        }
        None => None,
    };
    let lineage = Lineage::read(&mut Names::new(ledger, head.size), id, head.size)?;
    if principal.is_none() && agent.is_none() && row.is_none() && lineage.is_empty() {
        return Err(Error::Unknown("principal"));
    }
    Ok(json!({
        "id": id,
        "principal": principal.as_ref().map(principal_json),
        "agent": agent.as_ref().map(agent_json),
        "entries": entries,
        "by_agent": tallies(&lineage.agents, |agent| json!({ "agent": agent })),
        "chains": tallies(&lineage.chains, |hops| json!({ "path": hops })),
        "grants": { "given": lineage.given, "received": lineage.received },
        "others": lineage.others,
        "incomplete": scanned_to(lineage.scanned_to),
        "as_of": as_of(&head),
    }))
}

/// How many entries, and which are the ends.
#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u64,
    first: u64,
    last: u64,
}

/// Newest entries first, until a limit is reached.
#[derive(Default)]
struct Lineage {
    agents: BTreeMap<String, Tally>,
    chains: BTreeMap<Vec<String>, Tally>,
    given: Vec<Value>,
    received: Vec<Value>,
    /// Entries of grants and chains beyond those that are listed.
    others: u64,
    scanned_to: Option<u64>,
}

impl Lineage {
    /// Under all names of somebody: nobody is out of it for calling himself otherwise than by his id.
    fn read(names: &mut Names<'_>, id: &str, size: TreeSize) -> Result<Self, ReadError> {
        let (ledger, mut lineage) = (names.ledger, Self::default());
        let all = names.all(id)?;
        let under = Source::any(all.iter().map(|name| term(ledger, Key::Principal, name)));
        lineage.scanned_to =
            each(ledger, under, size, |entry, body| lineage.add(entry, body, (names, id)))?;
        let given = Source::All(vec![
            term(ledger, Key::Signer, id),
            term(ledger, Key::Kind, Kind::DelegationGranted.as_str()),
        ]);
        let given = each(ledger, given, size, |entry, body| {
            lineage.others += u64::from(!keep(&mut lineage.given, entry, body));
            Ok(())
        })?;
        // Of two ends the newer one: older entries may lack on either way.
        lineage.scanned_to = lineage.scanned_to.max(given);
        Ok(lineage)
    }

    fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.given.is_empty() && self.received.is_empty()
    }

    fn add(
        &mut self,
        entry: &Entry,
        body: &Body<'_>,
        (names, id): (&mut Names<'_>, &str),
    ) -> Result<(), ReadError> {
        let index = entry.leaf.index.0;
        let mut is_its = |name: &str| names.is(name, id, entry.leaf.index);
        let granted = body.text("grant.to").filter(|_| body.kind() == Kind::DelegationGranted);
        let mut kept =
            !granted.map_or(Ok(false), &mut is_its)? || keep(&mut self.received, entry, body);
        let hops: Vec<_> = body.principals().iter().map(|hop| hop.id.to_owned()).collect();
        let mut is_under = false;
        for hop in &hops {
            is_under |= is_its(hop)?;
        }
        if is_under {
            count(&mut self.agents, names.actor(body, entry.leaf.index)?, index);
            if self.chains.len() < LINEAGE_ROWS_MAX || self.chains.contains_key(&hops) {
                count(&mut self.chains, hops, index);
            } else {
                kept = false;
            }
        }
        self.others += u64::from(!kept);
        Ok(())
    }
}

/// Adds a grant; false where there is no room for another one.
fn keep(grants: &mut Vec<Value>, entry: &Entry, body: &Body<'_>) -> bool {
    let has_room = grants.len() < LINEAGE_ROWS_MAX;
    if has_room {
        grants.push(grant_json(entry, body));
    }
    has_room
}

/// Calls `take` with every accepted entry of `source`; returns where a limit ended that.
fn each(
    ledger: &Ledger,
    source: Source<'_>,
    size: TreeSize,
    mut take: impl FnMut(&Entry, &Body<'_>) -> Result<(), ReadError>,
) -> Result<Option<u64>, ReadError> {
    newest_first(ledger, source, size, LINEAGE_ENTRIES_MAX, |entry| {
        if let Some(body) = entry.body() {
            take(&entry, &body)?;
        }
        Ok(true)
    })
}

/// Entries come newest first.
fn count<K: Ord>(tallies: &mut BTreeMap<K, Tally>, key: K, index: u64) {
    let tally = tallies.entry(key).or_insert(Tally { count: 0, first: index, last: index });
    tally.count += 1;
    tally.first = index;
}

fn tallies<K>(tallies: &BTreeMap<K, Tally>, name: impl Fn(&K) -> Value) -> Vec<Value> {
    let row = |(key, tally): (&K, &Tally)| {
        let mut row = name(key);
        set(&mut row, "entries", tally.count);
        set(&mut row, "first", tally.first);
        set(&mut row, "last", tally.last);
        row
    };
    tallies.iter().map(row).collect()
}

fn grant_json(entry: &Entry, body: &Body<'_>) -> Value {
    let by_name = body.to_json();
    json!({
        "index": entry.leaf.index.0,
        "by": body.signer(),
        "grant": by_name.get("grant").cloned().or_else(|| body.field("grant").map(open_json)),
        "correlation": body.field("correlation").and_then(Item::text),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::id::Index;

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn a_grant_that_there_is_no_room_for_is_counted() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 2);
        let entry = writer.ledger().entry(Index(1)).unwrap().unwrap();
        let body = entry.body().unwrap();
        let mut grants = vec![Value::Null; LINEAGE_ROWS_MAX - 1];
        assert!(keep(&mut grants, &entry, &body));
        assert!(!keep(&mut grants, &entry, &body));
        assert_eq!(grants.len(), LINEAGE_ROWS_MAX);
    }
}
