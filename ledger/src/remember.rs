//! The rows that the rules remember, in the fold's state.

use std::borrow::Cow;
use std::collections::VecDeque;

use rocksdb::Direction;
use schemas::contract::Contract;
use schemas::id::EventId;
use schemas::map::Map;
use schemas::rules::{Baseline, Engine, Row, Rows};

use crate::cached::Cached;
use crate::changed::Changed;
use crate::error::ReadError;
use crate::keys::{self, Short};
use crate::state::look_up;
use crate::store::{ColumnFamily, Store};

/// Stored deadlines that are read at once.
const AHEAD_ROWS_MAX: usize = 64;

/// What is remembered in memory only, and can be found again.
#[derive(Default)]
pub(crate) struct Recall {
    /// No deadline lies before this key: what fell due is deleted from the front, and reading over the deleted again
    /// and again would cost more and more.
    front: Vec<u8>,
    /// Stored deadlines, from the front on.
    ahead: VecDeque<Row>,
    /// Signers of the events accepted in the commit under way.
    accepted: Map<EventId, Vec<Short>>,
}

impl Recall {
    pub(crate) fn accepted(&mut self, id: EventId, signer: Short) {
        self.accepted.entry(id).or_default().push(signer);
    }

    pub(crate) fn forget_commit(&mut self) {
        self.accepted.clear();
        self.ahead.clear();
    }

    /// The first stored deadline at or after `from` that has not changed meanwhile.
    fn stored(
        &mut self,
        store: &Store,
        changed: &Changed,
        from: &[u8],
    ) -> Result<Option<Row>, ReadError> {
        let is_past = |row: &Row| row.0.as_slice() < from || changed.has_deadline(&row.0);
        loop {
            while self.ahead.front().is_some_and(is_past) {
                self.ahead.pop_front();
            }
            if let Some(row) = self.ahead.front() {
                return Ok(Some(row.clone()));
            }
            for row in store.scan(ColumnFamily::State, from, Direction::Forward) {
                let (key, value) = row?;
                if !keys::is_deadline(&key) || self.ahead.len() >= AHEAD_ROWS_MAX {
                    break;
                }
                if !changed.has_deadline(&key) {
                    self.ahead.push_back((key.into_vec(), value.into_vec()));
                }
            }
            if self.ahead.is_empty() {
                return Ok(None);
            }
        }
    }
}

/// What is usual for an agent as of the head, and the bounds that its contract in force sets.
pub(crate) fn baseline(
    store: &Store,
    contract: Option<&Contract>,
    agent: &str,
) -> Result<Baseline, ReadError> {
    let mut rows = Remembered {
        store,
        cached: &mut Cached::default(),
        changed: &mut Changed::default(),
        recall: &mut Recall::default(),
    };
    Engine.baseline(&mut rows, contract, agent)
}

/// The rows as of the entry before.
pub(crate) struct Remembered<'s> {
    pub(crate) store: &'s Store,
    pub(crate) cached: &'s mut Cached,
    pub(crate) changed: &'s mut Changed,
    pub(crate) recall: &'s mut Recall,
}

impl Rows for Remembered<'_> {
    type Error = ReadError;

    fn get(&mut self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, ReadError> {
        look_up(self.store, self.cached, self.changed, &keys::remembered(key))
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let key = keys::remembered(&key);
        if keys::is_deadline(&key) && key < self.recall.front {
            self.recall.front.clone_from(&key);
        }
        self.changed.put(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.changed.delete(keys::remembered(&key));
    }

    fn first_deadline(&mut self) -> Result<Option<Row>, ReadError> {
        let from = self.recall.front.clone().max(keys::DEADLINES.to_vec());
        let here = self.changed.first_deadline(&from);
        let stored = self.recall.stored(self.store, self.changed, &from)?;
        let first = [here, stored].into_iter().flatten().min_by(|a, b| a.0.cmp(&b.0));
        let Some((key, value)) = first else { return Ok(None) };
        self.recall.front.clone_from(&key);
        Ok(key.split_first().map(|(_, key)| (key.to_vec(), value)))
    }

    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, ReadError> {
        // Hardly ever asked, for hardly ever has another event the id.
        let is_other = |by: &[u8]| by != keys::signer_hash(signer);
        let here = self.recall.accepted.get(&id);
        if here.is_some_and(|all| all.iter().any(|by| is_other(by.as_slice()))) {
            return Ok(true);
        }
        let prefix = keys::event_prefix(id);
        for row in self.store.scan_prefix(ColumnFamily::Ids, &prefix) {
            let (key, _) = row?;
            if key.strip_prefix(prefix.as_slice()).is_some_and(is_other) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
