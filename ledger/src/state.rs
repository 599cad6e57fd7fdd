//! The fold over the log: registry, counters, signer chains. The same code runs in a commit, in a
//! rebuild and in an audit, so that all three agree.

use std::collections::BTreeSet;

use schemas::body::Body;
use schemas::id::Micros;
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status};
use schemas::limits::FINDINGS_DUE_MAX;
use schemas::registry::{ChainCheck, Registry};
use schemas::rules::{Engine, Finding, Rows as _};
use schemas::terms::Key;

use crate::cached::Cached;
use crate::changed::Changed;
use crate::error::ReadError;
use crate::keys;
use crate::read::damaged;
use crate::records;
use crate::remember::{Recall, Remembered};
use crate::sequence::Sequence;
use crate::store::{ColumnFamily, Row, Store};

/// The state as of the last entry folded.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) registry: Registry,
    engine: Engine,
    cached: Cached,
    changed: Changed,
    recall: Recall,
    /// All that fell due before gives no finding, as long as nothing happens.
    quiet_until: Option<Micros>,
}

impl State {
    /// The state that the store's rows hold.
    pub(crate) fn load(store: &Store) -> Result<Self, ReadError> {
        let mut state = Self::default();
        for prefix in keys::RECORDS {
            for row in store.scan_prefix(ColumnFamily::State, &[prefix]) {
                let (key, value) = row?;
                let record = records::record(&key, &value);
                let record = record.ok_or_else(|| damaged(ColumnFamily::State, &key))?;
                state.registry.insert(record);
            }
        }
        Ok(state)
    }

    /// The ordinals that an accepted entry gets, counted.
    pub(crate) fn count(&mut self, store: &Store, body: &Body<'_>) -> Result<Counts, ReadError> {
        let session = body.session().map(|session| session.to_string());
        Ok(Counts {
            agent: self.next(store, Key::Agent, body.agent())?,
            session: self.next(store, Key::Session, session.as_deref())?,
            correlation: self.next(store, Key::Corr, body.correlation())?,
        })
    }

    fn next(&mut self, store: &Store, key: Key, value: Option<&str>) -> Result<u64, ReadError> {
        let Some(value) = value else { return Ok(0) };
        let row = keys::count(key, value);
        let count = match self.row(store, &row)? {
            None => 1,
            Some(bytes) => {
                let before = <[u8; 8]>::try_from(bytes).ok().map(u64::from_be_bytes);
                before.ok_or_else(|| damaged(ColumnFamily::State, &row))?.saturating_add(1)
            }
        };
        self.changed.put(row, count.to_be_bytes().to_vec());
        Ok(count)
    }

    /// Takes in what a signed entry, accepted or not, says of its signer's own chain, and what an
    /// accepted one changes in the registry; gives the findings that follow it.
    pub(crate) fn fold(
        &mut self,
        store: &Store,
        leaf: &Leaf,
        body: &Body<'_>,
    ) -> Result<Vec<Finding>, ReadError> {
        let signer = keys::signer_hash(body.signer());
        if let (Some(session), Some(seq)) = (body.session(), body.seq()) {
            let row = keys::chain(&signer, &session);
            let mut sequence = match self.row(store, &row)? {
                None => Sequence::default(),
                Some(bytes) => {
                    Sequence::decode(bytes).ok_or_else(|| damaged(ColumnFamily::State, &row))?
                }
            };
            sequence.take(seq, leaf.body);
            self.changed.put(row, sequence.encode());
        }
        let is_accepted = leaf.status == Status::Accepted;
        let check = if is_accepted {
            self.registry.check_chain(body, leaf.received_at)
        } else {
            ChainCheck::default()
        };
        let findings = match self.registry.rules() {
            0 => Vec::new(),
            _ => {
                let (engine, registry, mut rows) = self.remembered(store);
                engine.observe(&mut rows, registry, &check, leaf, body)?
            }
        };
        if is_accepted {
            self.recall.accepted(body.id(), signer);
            self.apply(leaf, body, &check);
        }
        Ok(findings)
    }

    fn apply(&mut self, leaf: &Leaf, body: &Body<'_>, check: &ChainCheck) {
        if check.is_worth_keeping() {
            let value = records::check_value(check);
            self.changed.put(keys::chain_check(leaf.index), value);
        }
        self.keep_owner(leaf, body);
        let before = self.names(body);
        for record in self.registry.apply(leaf.index, leaf.received_at, body) {
            let row = records::row(&record);
            self.changed.put(row.key, row.value);
        }
        self.keep_names(leaf, body, &before);
    }

    /// What an agent is called besides its id, where the entry may change that.
    fn names(&self, body: &Body<'_>) -> BTreeSet<String> {
        let is_change = matches!(body.kind(), Kind::AgentRegistered | Kind::AgentUpdated);
        let record = body.agent().filter(|_| is_change).and_then(|id| self.registry.agent(id));
        record.iter().flat_map(|record| record.profile.names().map(str::to_owned)).collect()
    }

    /// Whom a name leads to from this entry on, where the entry changes that; what it led to before stays.
    fn keep_names(&mut self, leaf: &Leaf, body: &Body<'_>, before: &BTreeSet<String>) {
        let (Some(agent), now) = (body.agent(), self.names(body)) else { return };
        for lost in before.difference(&now) {
            self.changed.put(keys::lead(lost, leaf.index), Vec::new());
        }
        for new in now.difference(before) {
            self.changed.put(keys::lead(new, leaf.index), agent.as_bytes().to_vec());
            self.changed.put(keys::name_of(agent, new), Vec::new());
        }
    }

    /// Whoever answers for an agent keeps what it did for him when the entry gives it to another.
    fn keep_owner(&mut self, leaf: &Leaf, body: &Body<'_>) {
        if body.kind() != Kind::AgentUpdated || body.text("owner").is_none() {
            return;
        }
        if let Some(record) = body.agent().and_then(|agent| self.registry.agent(agent)) {
            let row = keys::former_owner(&record.id, leaf.index);
            self.changed.put(row, record.owner.clone().into_bytes());
        }
    }

    /// The findings that fell due by `now`, the first in a commit.
    pub(crate) fn due(&mut self, store: &Store, now: Micros) -> Result<Vec<Finding>, ReadError> {
        if self.registry.rules() == 0 {
            return Ok(Vec::new());
        }
        let (_, registry, mut rows) = self.remembered(store);
        let findings = Engine::due(&mut rows, registry, now, FINDINGS_DUE_MAX)?;
        let next = rows.next_deadline()?;
        self.quiet_until = next.or(Some(Micros(u64::MAX))).filter(|next| *next > now);
        Ok(findings)
    }

    /// Whether findings may fall due by `now`.
    pub(crate) fn is_due(&mut self, store: &Store, now: Micros) -> Result<bool, ReadError> {
        if self.registry.rules() == 0 {
            return Ok(false);
        }
        if let Some(next) = self.quiet_until {
            return Ok(next <= now);
        }
        let (_, _, mut rows) = self.remembered(store);
        Ok(rows.next_deadline()?.is_some_and(|at| at <= now))
    }

    /// Takes back what changed since the last entry.
    pub(crate) fn abandon(&mut self) {
        self.changed.clear();
        self.recall = Recall::default();
    }

    fn remembered<'s>(
        &'s mut self,
        store: &'s Store,
    ) -> (&'s mut Engine, &'s Registry, Remembered<'s>) {
        let Self { engine, registry, cached, changed, recall, .. } = self;
        (engine, registry, Remembered { store, cached, changed, recall })
    }

    fn row(&mut self, store: &Store, key: &[u8]) -> Result<Option<&[u8]>, ReadError> {
        look_up(store, &mut self.cached, &self.changed, key)
    }

    /// The rows that changed since they were last taken, in order of key.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        let changed = self.changed.take();
        self.recall.forget_commit();
        self.quiet_until = None;
        for (key, value) in changed.iter().filter(|(key, _)| keys::is_asked_for(key)) {
            match value {
                Some(value) => self.cached.put(key, value),
                None => self.cached.remove(key),
            }
        }
        let row = |(key, value)| match value {
            Some(value) => Row::new(ColumnFamily::State, key, value),
            None => Row::gone(ColumnFamily::State, key),
        };
        changed.into_iter().map(row).collect()
    }
}

/// A row as of now: as changed, as cached, as stored.
pub(crate) fn look_up<'r>(
    store: &Store,
    cached: &'r mut Cached,
    changed: &'r Changed,
    key: &[u8],
) -> Result<Option<&'r [u8]>, ReadError> {
    if let Some(value) = changed.get(key) {
        return Ok(value.as_deref());
    }
    if !cached.holds(key) {
        let Some(stored) = store.get(ColumnFamily::State, key)? else { return Ok(None) };
        cached.put(key, &stored);
    }
    Ok(cached.get(key))
}
