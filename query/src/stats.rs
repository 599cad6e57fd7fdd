//! `stats`: what fits a query, counted by one key, with what came of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{EventId, Index, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{PAGE_ENTRIES_MAX, SESSION_SCAN_MAX, STATS_ENTRIES_MAX, STATS_GROUPS_MAX};
use schemas::map::Map;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::Error;
use crate::execute::{Found, Rest};
use crate::models::version_of;
use crate::names::Names;
use crate::params::Params;
use crate::search::Search;
use crate::source::{Order, Seek, Source, Walk};
use crate::terms::term;

const PARAMS: &[&str] = &["q", "since", "until", "after", "cursor", "explain", "by"];
/// Hops from an entry to the one that names the group: an outcome or a verdict to its intent, that to its session. What is
/// further away says nothing of it.
const HOPS_MAX: usize = 3;
/// Events whose values are remembered; those of others are looked up again.
const VALUES_MAX: usize = 10_000;

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
    let search = Search::of(api, params, "stats", Some(Order::Oldest))?;
    let mut values = Values::new(&api.ledger, by, TreeSize(search.size()));
    let mut tally = Tally::default();
    let mut rest = Rest::default();
    let mut hits = search.hits(api)?;
    while let Some(hits) = &mut hits {
        let room = STATS_ENTRIES_MAX.saturating_sub(tally.entries);
        let limit =
            usize::try_from(room).map_or(PAGE_ENTRIES_MAX, |room| room.min(PAGE_ENTRIES_MAX));
        let page = hits.page(limit, |found| found)?;
        for found in &page.entries {
            match found {
                Found::Entry(entry) => tally.add(&api.ledger, entry, values.of(entry, 0)?)?,
                Found::Damaged(_) => tally.damaged += 1,
            }
        }
        rest = page.rest;
        let Some(next) = rest.next.filter(|_| rest.spent.is_none()) else { break };
        if tally.entries >= STATS_ENTRIES_MAX || hits.walk.is_over() {
            rest = Rest::spent(next);
            break;
        }
        hits.resume(next);
    }
    let members = [
        ("by", json!(by.as_str())),
        ("items", tally.items()),
        ("entries", json!(tally.entries)),
        ("others", json!(tally.others)),
        ("unknown", json!(tally.unknown)),
        ("damaged", json!(tally.damaged)),
    ];
    search.answer(api, members, hits.as_ref(), rest)
}

/// What was counted so far.
#[derive(Default)]
struct Tally {
    groups: BTreeMap<String, Group>,
    entries: u64,
    /// Entries of values beyond those that one answer holds.
    others: u64,
    /// Entries whose values were not found within the looks for them.
    unknown: u64,
    damaged: u64,
}

impl Tally {
    fn add(&mut self, ledger: &Ledger, entry: &Entry, values: Under) -> Result<(), ReadError> {
        self.entries += 1;
        self.unknown += u64::from(values.is_none());
        let (known, room) = (&mut self.groups, STATS_GROUPS_MAX);
        let mut missed = false;
        for value in values.into_iter().flatten() {
            if known.len() < room || known.contains_key(&value) {
                known.entry(value).or_default().add(ledger, entry)?;
            } else {
                missed = true;
            }
        }
        self.others += u64::from(missed);
        Ok(())
    }

    /// The groups, those of most entries first.
    fn items(&self) -> Value {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.entries));
        groups.into_iter().map(|(value, group)| group.json(value)).collect()
    }
}

impl Group {
    fn add(&mut self, ledger: &Ledger, entry: &Entry) -> Result<(), ReadError> {
        let index = entry.leaf.index.0;
        self.entries += 1;
        self.first.get_or_insert(index);
        self.last = index;
        if entry.leaf.status != Status::Accepted {
            self.rejected += 1;
            return Ok(());
        }
        let Some(body) = entry.body().or_else(|| entry.residue()) else { return Ok(()) };
        *self.kinds.entry(body.kind().as_str()).or_default() += 1;
        self.findings += u64::from(body.kind() == Kind::Finding);
        let told: Vec<_> = entry.terms(ledger, |terms| {
            let counted =
                terms.iter().filter(|term| matches!(term.key, Key::Outcome | Key::Verdict));
            counted.map(|term| (term.key, term.value.to_string())).collect()
        })?;
        for (key, value) in told.into_iter().filter(|(_, value)| value != "denied") {
            let counts = if key == Key::Outcome { &mut self.outcomes } else { &mut self.verdicts };
            *counts.entry(value).or_default() += 1;
        }
        Ok(())
    }

    fn json(&self, value: &str) -> Value {
        let denied = self.verdicts.get("deny").copied().unwrap_or_default();
        let decided: u64 = self.verdicts.values().sum();
        json!({
            "value": value,
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
struct Values<'l> {
    ledger: &'l Ledger,
    by: Key,
    names: Names<'l>,
    /// By event, who means it, and how many hops away it was asked for: from far away less is looked at.
    known: Map<(EventId, Option<String>, usize), Under>,
    /// By session, signer and hops.
    sessions: Map<(String, String, usize), Under>,
}

/// The values that an entry is counted under; `None` where the looks for them ended.
type Under = Option<Vec<String>>;

/// Whether nothing further away is asked.
fn is_answer(values: &Under) -> bool {
    values.as_ref().is_none_or(|values| !values.is_empty())
}

/// What a signer's session was declared by.
enum Declared {
    By(Box<Entry>),
    Nothing,
    /// The looks ended before its first entry.
    Unknown,
}

impl<'l> Values<'l> {
    fn new(ledger: &'l Ledger, by: Key, size: TreeSize) -> Self {
        let (known, sessions) = (Map::default(), Map::default());
        Self { ledger, by, names: Names::new(ledger, size), known, sessions }
    }

    /// Those that an entry says itself; of models, each version is one.
    fn own(&self, entry: &Entry) -> Result<Vec<String>, ReadError> {
        if self.by == Key::Model {
            return Ok(version_of(entry).into_iter().collect());
        }
        entry.terms(self.ledger, |terms| {
            let own = terms.iter().filter(|term| term.key == self.by);
            own.map(|term| term.value.to_string()).collect()
        })
    }

    /// An entry's own values, else those of what caused it, else those that its session declared; those of an intent are
    /// its session's, whatever it follows.
    fn of(&mut self, entry: &Entry, hops: usize) -> Result<Under, ReadError> {
        let own = self.own(entry)?;
        let Some(body) = entry.body().filter(|_| own.is_empty() && hops < HOPS_MAX) else {
            return Ok(Some(own));
        };
        let is_intent = body.kind() == Kind::ActionIntent;
        if is_intent {
            let values = self.of_session(&body, hops)?;
            if is_answer(&values) {
                return Ok(values);
            }
        }
        for cause in body.causes() {
            let values = self.of_event(cause, (&body, entry.leaf.index), hops)?;
            if is_answer(&values) {
                return Ok(values);
            }
        }
        if is_intent { Ok(Some(Vec::new())) } else { self.of_session(&body, hops) }
    }

    /// Those of the event that `by`, at its index, means by its id.
    fn of_event(
        &mut self,
        id: EventId,
        by: (&Body<'_>, Index),
        hops: usize,
    ) -> Result<Under, ReadError> {
        let agent = self.names.agent_of(by.0, by.1)?.map(Cow::into_owned);
        let event = (id, agent, hops);
        if let Some(values) = self.known.get(&event) {
            return Ok(values.clone());
        }
        let entry = match self.names.meant_in(id, by)? {
            Some(index) => self.ledger.entry(index)?,
            None => None,
        };
        let values = match &entry {
            Some(entry) => self.of(entry, hops + 1)?,
            None => Some(Vec::new()),
        };
        if self.known.len() < VALUES_MAX {
            self.known.insert(event, values.clone());
        }
        Ok(values)
    }

    /// What its signer's own session declared: whoever else writes under its id says nothing of it.
    fn of_session(&mut self, body: &Body<'_>, hops: usize) -> Result<Under, ReadError> {
        let session = body.session().filter(|_| body.kind() != Kind::SessionStart);
        let Some(session) = session else { return Ok(Some(Vec::new())) };
        let of = (session.to_string(), body.signer().to_owned(), hops);
        if let Some(values) = self.sessions.get(&of) {
            return Ok(values.clone());
        }
        let values = match self.declared(&of.0, &of.1)? {
            Declared::By(entry) => self.of(&entry, hops + 1)?,
            Declared::Nothing => Some(Vec::new()),
            Declared::Unknown => None,
        };
        if self.sessions.len() < VALUES_MAX {
            self.sessions.insert(of, values.clone());
        }
        Ok(values)
    }

    /// A session is declared by its signer's first entry that was accepted, or not at all.
    fn declared(&self, session: &str, signer: &str) -> Result<Declared, ReadError> {
        let mut own = Source::All(vec![
            term(self.ledger, Key::Session, session),
            term(self.ledger, Key::Signer, signer),
        ]);
        let mut walk = Walk::new(Order::Oldest, SESSION_SCAN_MAX);
        let mut at = 0;
        loop {
            let index = match own.seek(at, &mut walk)? {
                Seek::At(index) => index,
                Seek::End => return Ok(Declared::Nothing),
                Seek::Spent(_) => return Ok(Declared::Unknown),
            };
            let entry = self.ledger.entry(Index(index))?;
            if let Some(entry) = entry.filter(|entry| entry.leaf.status == Status::Accepted) {
                match entry.body().map(|body| body.kind()) {
                    Some(Kind::SessionStart) => return Ok(Declared::By(Box::new(entry))),
                    // What somebody grants or takes back by hand begins no session.
                    Some(Kind::DelegationGranted | Kind::DelegationRevoked) => {}
                    _ => return Ok(Declared::Nothing),
                }
            }
            at = index + 1;
        }
    }
}
