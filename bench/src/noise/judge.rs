//! Registry and rules in memory, and what they flag.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hash::BuildHasher as _;
use std::time::{Duration, Instant};

use schemas::body::Body;
use schemas::id::{ChainHash, Digest, EventId, Index, Micros};
use schemas::leaf::{Counts, Leaf, Status};
use schemas::limits::FINDINGS_DUE_MAX;
use schemas::map::Map;
use schemas::registry::{ChainCheck, Registry};
use schemas::rules::{Deadline, Engine, Finding, Key, Rows, emptied};
use serde_json::json;

use super::month::Arrival;
use super::publisher::Publisher;
use super::{DAY_US, MONTH_DAYS, Plan, START_US, Tallies, day};
use crate::round::Failure;

/// The engine's rows in memory, as cheap as they can be had: what is measured is the engine.
#[derive(Default)]
pub(crate) struct Memory {
    rows: Map<Key, Vec<u8>>,
    deadlines: BTreeMap<Deadline, Vec<u8>>,
    /// Hash of the signer of each event.
    signers: Map<EventId, u64>,
}

impl Memory {
    pub(crate) fn accepted(&mut self, id: EventId, signer: &str) {
        let signer = self.signers.hasher().hash_one(signer);
        self.signers.entry(id).or_insert(signer);
    }

    /// Rows, and bytes of keys and values.
    pub(crate) fn size(&self) -> (usize, usize) {
        let rows = self.rows.iter().map(|(key, row)| key.as_slice().len() + row.len());
        let due = self.deadlines.iter().map(|(key, row)| key.as_slice().len() + row.len());
        (self.rows.len() + self.deadlines.len(), rows.chain(due).sum())
    }
}

impl Rows for Memory {
    type Error = Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<&[u8]>, Infallible> {
        Ok(self.rows.get(key).map(Vec::as_slice))
    }

    fn put(&mut self, key: Key) -> &mut Vec<u8> {
        emptied(self.rows.entry(key).or_default())
    }

    fn delete(&mut self, key: &Key) {
        self.rows.remove(key);
    }

    fn put_deadline(&mut self, key: Deadline) -> &mut Vec<u8> {
        emptied(self.deadlines.entry(key).or_default())
    }

    fn next_deadline(&mut self) -> Result<Option<Micros>, Infallible> {
        Ok(self.deadlines.first_key_value().map(|(key, _)| key.time()))
    }

    fn take_deadline(&mut self, now: Micros) -> Result<Option<(Deadline, Vec<u8>)>, Infallible> {
        let first = self.deadlines.first_entry().filter(|first| first.key().time() <= now);
        Ok(first.map(|first| first.remove_entry()))
    }

    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, Infallible> {
        let Some(by) = self.signers.get(&id) else { return Ok(false) };
        Ok(*by != self.signers.hasher().hash_one(signer))
    }
}

/// Takes events in as a ledger does.
pub(crate) struct Judge {
    months: usize,
    registry: Registry,
    engine: Engine,
    rows: Memory,
    index: u64,
    now: Micros,
    pub(crate) tallies: Tallies,
    /// Events of each month.
    pub(crate) events: Vec<u64>,
    by_agent: BTreeMap<(String, &'static str), u64>,
    /// Time that the rules took since somebody asked.
    took: Duration,
}

impl Judge {
    pub(crate) fn new(plan: Plan) -> Self {
        let months = usize::try_from(plan.days.div_ceil(MONTH_DAYS)).unwrap_or_default();
        let mut judge = Self {
            months,
            registry: Registry::default(),
            engine: Engine::default(),
            rows: Memory::default(),
            index: 0,
            now: Micros(START_US),
            tallies: Tallies::new(),
            events: vec![0; months],
            by_agent: BTreeMap::new(),
            took: Duration::ZERO,
        };
        judge.found();
        judge
    }

    /// As a genesis does.
    fn found(&mut self) {
        let mut operator = Publisher::new("operator", false);
        let key = schemas::id::hex(operator.public().as_bytes());
        for fields in [
            json!({"kind": "principal.registered",
                   "registry": {"id": "operator", "roles": ["operator"]}}),
            json!({"kind": "key.enrolled", "registry": {"signer": "operator", "key": key}}),
        ] {
            let id = EventId::new(self.index, &[0; 10]);
            let bytes = operator.body(START_US, id, [0; 16], fields);
            let body = Body::parse(&bytes).expect("a valid event");
            drop(self.registry.apply(Index(self.index), self.now, &body));
            self.index += 1;
        }
    }

    fn month(&self) -> usize {
        let month = day(self.now.0) / MONTH_DAYS;
        usize::try_from(month).unwrap_or_default().min(self.months.saturating_sub(1))
    }

    fn count(&mut self, findings: Vec<Finding>) {
        let month = self.month();
        for finding in findings {
            let flagged = finding.count.unwrap_or(1);
            let name = finding.rule.name;
            let counts = self.tallies.entry(name).or_insert_with(|| vec![0; self.months]);
            if let Some(count) = counts.get_mut(month) {
                *count += flagged;
            }
            let agent = finding.agent.unwrap_or_default();
            *self.by_agent.entry((agent, name)).or_default() += flagged;
        }
    }

    /// Takes an event in; what fell due comes first.
    ///
    /// # Errors
    /// If it would be refused.
    pub(crate) fn take(&mut self, arrival: &Arrival) -> Result<(), Failure> {
        self.now = Micros(arrival.at);
        let body = Body::parse(&arrival.body).map_err(|reject| reject.to_string())?;
        self.registry
            .permits(&body, &arrival.kid, self.now)
            .map_err(|reject| format!("{}: {reject}", body.kind()))?;
        let chain = match body.kind().is_action() {
            true => self.registry.check_chain(&body, self.now),
            false => ChainCheck::default(),
        };
        let leaf = self.leaf(&body, &arrival.body);
        // Asking the clock costs hundredths of what is measured: once for both.
        let began = Instant::now();
        let Ok(due) = Engine::due(&mut self.rows, &self.registry, self.now, FINDINGS_DUE_MAX);
        let Ok(found) = self.engine.observe(&mut self.rows, &self.registry, &chain, &leaf, &body);
        self.took += began.elapsed();
        self.count(due);
        self.count(found);
        self.rows.accepted(body.id(), body.signer());
        drop(self.registry.apply(leaf.index, self.now, &body));
        self.index += 1;
        let month = self.month();
        if let Some(events) = self.events.get_mut(month) {
            *events += 1;
        }
        Ok(())
    }

    fn leaf(&self, body: &Body<'_>, bytes: &[u8]) -> Leaf {
        Leaf {
            index: Index(self.index),
            previous: ChainHash::ZERO,
            received_at: self.now,
            status: Status::Accepted,
            statement: Digest::ZERO,
            body: Body::digest(bytes),
            position: 0,
            id: Some(body.id()),
            counts: Counts::default(),
            source: None,
        }
    }

    /// What falls due within a day of the end.
    pub(crate) fn end(&mut self) {
        self.now.0 += DAY_US;
        // One commit looks at so much only.
        while self.is_due() {
            let Ok(due) = Engine::due(&mut self.rows, &self.registry, self.now, FINDINGS_DUE_MAX);
            self.count(due);
        }
    }

    fn is_due(&mut self) -> bool {
        let Ok(next) = self.rows.next_deadline();
        next.is_some_and(|next| next <= self.now)
    }

    /// Flagged entries of each month.
    pub(crate) fn totals(&self) -> Vec<u64> {
        (0..self.months)
            .map(|month| self.tallies.values().filter_map(|counts| counts.get(month)).sum())
            .collect()
    }

    /// What was flagged most often of one agent.
    pub(crate) fn worst(&self) -> String {
        let worst = self.by_agent.iter().max_by_key(|(_, count)| **count);
        worst.map_or_else(
            || "none".to_owned(),
            |((agent, rule), count)| format!("{agent}, {count} of {rule}"),
        )
    }

    /// Time that the rules took since this was asked last.
    pub(crate) fn taken(&mut self) -> Duration {
        std::mem::take(&mut self.took)
    }

    /// Bytes of the rows, keys included.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.size().1
    }

    /// Rows, and their bytes.
    pub(crate) fn size(&self) -> String {
        let (rows, bytes) = self.rows.size();
        format!("{rows} with {} KiB", bytes >> 10)
    }
}
