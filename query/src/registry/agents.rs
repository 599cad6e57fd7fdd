//! `agents`, `agents/{id}`: the inventory, and one agent with its keys, contract, grants, sessions and history.

use std::ops::Range;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError, TermRow};
use schemas::id::{Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{AGENT_HISTORY_MAX, QUERY_SCAN_MAX, SHADOW_NAMES_MAX};
use schemas::query::duration_us;
use schemas::registry::{AgentRecord, AgentState};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use super::impact::live_sessions;
use super::keys::key_json;
use super::lists::{Named, page_of_names};
use super::past::Past;
use super::view::{agent_row, contract_json, credential_json, grant_json};
use crate::accepted::at_most;
use crate::api::{Api, set};
use crate::error::Error;
use crate::params::{Params, Segment};
use crate::source::{Order, Source, Walk};
use crate::terms::{stranger_json, term, term_json, term_row};

const PARAMS: &[&str] = &[
    "after",
    "limit",
    "at",
    "state",
    "owner",
    "expiring",
    "expired",
    "ownerless",
    "unreviewed",
    "shadow",
];

pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

/// Which agents are asked for: those to which any of the flags applies, of the state and the owner.
struct Wanted<'p> {
    state: Option<AgentState>,
    owner: Option<&'p str>,
    expiring: Option<Micros>,
    expired: bool,
    ownerless: bool,
    unreviewed: bool,
    shadow: bool,
}

impl<'p> Wanted<'p> {
    fn of(params: &'p Params, now: Micros) -> Result<Self, Error> {
        let expected = "a span as 30d";
        let invalid = Error::InvalidParameter { param: "expiring", expected };
        let expiring = match params.get("expiring").map(duration_us) {
            None => None,
            Some(Some(us)) => Some(Micros(now.0.saturating_add(us))),
            Some(None) => return Err(invalid),
        };
        let expected = "active, suspended, disabled or retired";
        let unknown = || Error::InvalidParameter { param: "state", expected };
        let state = params.get("state").map(|name| AgentState::parse(name).ok_or_else(unknown));
        Ok(Self {
            state: state.transpose()?,
            owner: params.get("owner"),
            expiring,
            expired: params.flag("expired")?,
            ownerless: params.flag("ownerless")?,
            unreviewed: params.flag("unreviewed")?,
            shadow: params.flag("shadow")?,
        })
    }

    fn has_flag(&self) -> bool {
        let others = self.ownerless || self.unreviewed || self.shadow;
        self.expiring.is_some() || self.expired || others
    }

    fn takes(&self, record: &AgentRecord, past: &Past) -> bool {
        let contract = past.registry.contract(&record.id).filter(|known| known.is_in_force());
        let expiry = contract.and_then(|known| known.contract.expiry);
        let expired = expiry.is_some_and(|at| at <= past.now);
        let soon = self.expiring.is_some_and(|end| expiry.is_some_and(|at| at <= end && !expired));
        let ownerless = super::view::is_ownerless(record, &past.registry);
        let unreviewed = contract.is_some_and(|known| known.is_unreviewed(past.now));
        let flagged = soon
            || (self.expired && expired)
            || (self.ownerless && ownerless)
            || (self.unreviewed && unreviewed);
        self.state.is_none_or(|state| state == record.state)
            && self.owner.is_none_or(|owner| owner == record.owner)
            && (flagged || !self.has_flag())
    }
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let past = Past::of(api, params)?;
    let wanted = Wanted::of(params, past.now)?;
    let known = past.registry.agents();
    let known = known.into_iter().filter(|record| wanted.takes(record, &past));
    let mut rows: Vec<_> = known.map(|record| (record.id.clone(), Named::Known(record))).collect();
    let mut is_cut = false;
    if wanted.shadow {
        let seen = api.ledger.terms(Key::Agent, "", SHADOW_NAMES_MAX)?;
        is_cut = seen.len() == SHADOW_NAMES_MAX;
        rows.extend(shadows(seen, &past).map(|row| (row.value.clone(), Named::Stranger(row))));
    }
    page_of_names(&past, params, rows, is_cut, |row, walk| match row {
        Named::Known(record) => Ok(agent_row(record, &past)),
        Named::Stranger(row) => {
            let mut json = stranger_json(&api.ledger, Key::Agent, &row, past.size, walk)?;
            set(&mut json, "state", "shadow");
            Ok(json)
        }
    })
}

/// Names that nobody registered.
fn shadows(seen: Vec<TermRow>, past: &Past) -> impl Iterator<Item = TermRow> {
    seen.into_iter().filter(|row| {
        let registry = &past.registry;
        row.first.0 < past.size.0
            && registry.known(&row.value).is_none()
            && registry.principal(&row.value).is_none()
    })
}

pub(crate) async fn one(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    let params = params.only(&["at"])?;
    api.read(move |api| read_one(api, &id.0, &params)).await.map(Json)
}

fn read_one(api: &Api, name: &str, params: &Params) -> Result<Value, Error> {
    let past = Past::of(api, params)?;
    let registry = &past.registry;
    let record = registry.known(name).ok_or(Error::Unknown("agent"))?;
    let id = record.id.as_str();
    let keys = registry.keys();
    let keys: Vec<_> = keys.into_iter().filter(|key| key.signer == id).map(key_json).collect();
    let credentials = registry.credentials();
    let credentials =
        credentials.into_iter().filter(|known| known.holders.iter().any(|h| h.agent == id));
    let grants = registry.grants();
    let given = |to: bool| {
        let own = |record: &&&schemas::registry::GrantRecord| {
            let party = if to { &record.grant.to } else { &record.by };
            party == id && registry.is_alive(record, past.now)
        };
        let json =
            |record: &&schemas::registry::GrantRecord| grant_json(record, registry, past.now);
        grants.iter().filter(own).map(json).collect::<Vec<_>>()
    };
    let seen = Seen::read(&api.ledger, id, past.size)?;
    let sessions = live_sessions(&api.ledger, id, past.size, past.now)?;
    let (history, all_history) = history(&api.ledger, id, past.size)?;
    Ok(past.answer(json!({
        "agent": agent_row(record, &past),
        "contract": registry.contract(id).map(contract_json),
        "keys": keys,
        "credentials": credentials.map(credential_json).collect::<Vec<_>>(),
        "grants": { "received": given(true), "given": given(false) },
        "sessions": sessions.live,
        "history": history,
        "incomplete": !(sessions.are_all && all_history && seen.is_counted),
        "counts": seen.counts,
        "names": seen.names,
        "last_entry": seen.last.as_ref().map(brief),
    })))
}

/// The entries that name an agent, as of a size.
struct Seen {
    /// By whichever of its names; null if there are none.
    counts: Value,
    /// By others than its id, for as long as they led to it.
    names: Vec<Value>,
    /// Whether the walk lasted for all of them.
    is_counted: bool,
    last: Option<Entry>,
}

impl Seen {
    fn read(ledger: &Ledger, agent: &str, size: TreeSize) -> Result<Self, ReadError> {
        let walk = &mut Walk::of_query(Order::Oldest);
        let mut carried = |name: &str, range: Range<u64>| match term_row(ledger, Key::Agent, name)?
        {
            Some(row) => term_json(ledger, Key::Agent, &row, range, walk),
            None => Ok(None),
        };
        let counts = carried(agent, 0..size.0)?.unwrap_or_default();
        let mut names = Vec::new();
        for name in ledger.names_of(agent)? {
            for (from, until) in periods(ledger, &name, agent, size)? {
                let entries = carried(&name, from.0..until.unwrap_or(size.0))?;
                let mut json = entries.unwrap_or_else(|| json!({ "entries": 0 }));
                set(&mut json, "name", name.as_str());
                set(&mut json, "from", from.0);
                set(&mut json, "until", until);
                names.push(json);
            }
        }
        let last =
            names.iter().chain([&counts]).filter_map(|json| json.get("last")?.as_u64()).max();
        let last = last.map_or(Ok(None), |last| ledger.entry(Index(last)))?;
        Ok(Self { counts, names, is_counted: !walk.has_ended, last })
    }
}

/// From which entry until which a name led to an agent, below a size.
fn periods(
    ledger: &Ledger,
    name: &str,
    agent: &str,
    size: TreeSize,
) -> Result<Vec<(Index, Option<u64>)>, ReadError> {
    let mut leads = ledger.leads(name)?;
    leads.retain(|lead| lead.from.0 < size.0);
    let next = leads.iter().skip(1).map(|lead| Some(lead.from.0)).chain([None]);
    let own = leads.iter().zip(next).filter(|(lead, _)| lead.agent.as_deref() == Some(agent));
    Ok(own.map(|(lead, until)| (lead.from, until)).collect())
}

/// That there is an entry; what it says is for those who may read what was written.
fn brief(entry: &Entry) -> Value {
    let body = entry.body().or_else(|| entry.residue());
    json!({
        "index": entry.leaf.index.0,
        "kind": body.map(|body| body.kind().as_str()),
        "received_at": time_json(entry.leaf.received_at),
    })
}

/// The changes of an agent, the newest first, with who signed them, and whether they are all.
fn history(ledger: &Ledger, id: &str, size: TreeSize) -> Result<(Vec<Value>, bool), ReadError> {
    let kinds = Kind::ALL.iter().filter(|kind| kind.changes_registry());
    let changes = Source::any(kinds.map(|kind| term(ledger, Key::Kind, kind.as_str())));
    let source = Source::All(vec![term(ledger, Key::Agent, id), changes]);
    let walk = &mut Walk::new(Order::Newest, QUERY_SCAN_MAX);
    let is_whole = |entry: &Entry| entry.body().is_some();
    let most = (AGENT_HISTORY_MAX, 0..size.0);
    let (found, are_all) = at_most(ledger, source, most, walk, is_whole)?;
    let change = |entry: &Entry| {
        let body = entry.body()?;
        Some(json!({
            "index": entry.leaf.index.0,
            "received_at": time_json(entry.leaf.received_at),
            "kind": body.kind().as_str(),
            "signer": body.signer(),
            "note": body.text("note"),
        }))
    };
    Ok((found.iter().filter_map(change).collect(), are_all))
}
