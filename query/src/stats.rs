//! `stats`: what fits a query, counted by one key, with what came of it.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{QUERY_SCAN_MAX, STATS_ENTRIES_MAX, STATS_GROUPS_MAX};
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::error::Error;
use crate::execute::{Found, Place, page};
use crate::filter::Filter;
use crate::params::Params;
use crate::source::Walk;
use crate::window::Window;

const PARAMS: &[&str] = &["q", "since", "until", "after", "by"];
/// Hops from an entry to the one that names the group: an outcome or a verdict to its intent, that to its session.
const HOPS_MAX: usize = 3;

pub(crate) async fn read(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read_stats(api, &params)).await.map(Json)
}

/// What is counted of a group.
#[derive(Default)]
struct Group {
    entries: u64,
    rejected: u64,
    findings: u64,
    kinds: BTreeMap<&'static str, u64>,
    outcomes: BTreeMap<String, u64>,
    verdicts: BTreeMap<String, u64>,
    first: Option<u64>,
    last: u64,
}

fn read_stats(api: &Api, params: &Params) -> Result<Value, Error> {
    let expected = "a key of the query language, as agent or model";
    let by = params.get("by").and_then(Key::parse);
    let by = by.ok_or(Error::InvalidParameter { param: "by", expected })?;
    let filter = Filter { order: crate::source::Order::Oldest, ..Filter::of(params)? };
    let head = api.ledger.head();
    let window = Window::of(&api.ledger, &filter.query, head.size, api.now())?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut names = Names { ledger: &api.ledger, by, known: HashMap::new() };
    let (mut counted, mut reached) = (0, None);
    let mut place = Place::whole(window.from, window.to, filter.order);
    while let Some(at) = place {
        let walk = Walk::new(filter.order, QUERY_SCAN_MAX);
        let found = page(&api.ledger, &filter.query.expr, at, walk, 1000)?;
        for entry in &found.entries {
            let Found::Entry(entry) = entry else { continue };
            counted += 1;
            for name in names.of(entry, 0)? {
                if groups.len() < STATS_GROUPS_MAX || groups.contains_key(&name) {
                    groups.entry(name).or_default().add(entry);
                }
            }
        }
        place = found.next.map(|start| Place { start, ..at });
        if counted >= STATS_ENTRIES_MAX {
            reached = found.next;
            break;
        }
    }
    let items: Vec<_> = groups.iter().map(|(name, group)| group.json(name)).collect();
    Ok(json!({
        "by": by.as_str(),
        "items": items,
        "entries": counted,
        "window": window.to_json(),
        "incomplete": reached.map(|index| json!({ "scanned_to": index })),
        "as_of": as_of(&head),
    }))
}

impl Group {
    fn add(&mut self, entry: &Entry) {
        let index = entry.leaf.index.0;
        self.entries += 1;
        self.first.get_or_insert(index);
        self.last = index;
        if entry.leaf.status != Status::Accepted {
            self.rejected += 1;
            return;
        }
        let Some(body) = entry.body().or_else(|| entry.residue()) else { return };
        *self.kinds.entry(body.kind().as_str()).or_default() += 1;
        self.findings += u64::from(body.kind() == Kind::Finding);
        let told: Vec<_> = entry.terms(|terms| {
            let counted =
                terms.iter().filter(|term| matches!(term.key, Key::Outcome | Key::Verdict));
            counted.map(|term| (term.key, term.value.to_string())).collect()
        });
        for (key, value) in told.into_iter().filter(|(_, value)| value != "denied") {
            let counts = if key == Key::Outcome { &mut self.outcomes } else { &mut self.verdicts };
            *counts.entry(value).or_default() += 1;
        }
    }

    fn json(&self, name: &str) -> Value {
        let denied = self.verdicts.get("deny").copied().unwrap_or_default();
        let decided: u64 = self.verdicts.values().sum();
        json!({
            "value": name,
            "entries": self.entries,
            "rejected": self.rejected,
            "findings": self.findings,
            "kinds": self.kinds,
            "outcomes": self.outcomes,
            "verdicts": self.verdicts,
            "denied_percent": denied.saturating_mul(100).checked_div(decided),
            "first": self.first,
            "last": self.last,
        })
    }
}

/// Under which values of the key entries are counted.
struct Names<'l> {
    ledger: &'l Ledger,
    by: Key,
    known: HashMap<EventId, Vec<String>>,
}

impl Names<'_> {
    /// An entry's own values, else those of what caused it, else those that its session declared.
    fn of(&mut self, entry: &Entry, hops: usize) -> Result<Vec<String>, ReadError> {
        let by = self.by;
        let own: Vec<_> = entry.terms(|terms| {
            let own = terms.iter().filter(|term| term.key == by);
            own.map(|term| term.value.to_string()).collect()
        });
        let Some(body) = entry.body().filter(|_| own.is_empty() && hops < HOPS_MAX) else {
            return Ok(own);
        };
        for cause in body.causes() {
            let names = self.of_event(cause, hops)?;
            if !names.is_empty() {
                return Ok(names);
            }
        }
        match body.session().filter(|_| body.kind() != Kind::SessionStart) {
            Some(session) => self.of_session(&session.to_string(), hops),
            None => Ok(Vec::new()),
        }
    }

    fn of_event(&mut self, id: EventId, hops: usize) -> Result<Vec<String>, ReadError> {
        if let Some(names) = self.known.get(&id) {
            return Ok(names.clone());
        }
        let entry = match self.ledger.find(id)?.first() {
            Some(index) => self.ledger.entry(*index)?,
            None => None,
        };
        let names = match &entry {
            Some(entry) => self.of(entry, hops + 1)?,
            None => Vec::new(),
        };
        self.known.insert(id, names.clone());
        Ok(names)
    }

    fn of_session(&mut self, session: &str, hops: usize) -> Result<Vec<String>, ReadError> {
        // A session is declared first, or not at all.
        let first = self.ledger.postings(Key::Session, session).at_or_after(0)?;
        let entry = first.map_or(Ok(None), |index: Index| self.ledger.entry(index))?;
        let declared = entry
            .filter(|entry| entry.body().is_some_and(|body| body.kind() == Kind::SessionStart));
        match declared.as_ref().and_then(Entry::body).map(|body| body.id()) {
            Some(id) => self.of_event(id, hops),
            None => Ok(Vec::new()),
        }
    }
}
