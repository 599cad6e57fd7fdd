//! The rows that the rules remember, in the fold's state.

use std::collections::VecDeque;

use rocksdb::Direction;
use schemas::contract::Contract;
use schemas::id::{EventId, Micros};
use schemas::map::Map;
use schemas::rules::{Baseline, Deadline, Engine, Key, Rows};

use crate::cached::Cached;
use crate::changed::Changed;
use crate::error::ReadError;
use crate::keys::{self, Short};
use crate::read::damaged;
use crate::state::look_up;
use crate::store::{ColumnFamily, Store};

/// Stored deadlines that are read at once.
const AHEAD_ROWS_MAX: usize = 64;

/// What is remembered in memory only, and can be found again.
#[derive(Default)]
pub(crate) struct Recall {
    /// No deadline lies before this key: what fell due is deleted from the front, and reading over the deleted again
    /// and again would cost more and more.
    front: Option<Deadline>,
    /// Stored deadlines, from the front on.
    ahead: VecDeque<(Deadline, Vec<u8>)>,
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

    /// The first stored deadline at or after the front that has not changed meanwhile.
    fn stored(&mut self, store: &Store, changed: &Changed) -> Result<Option<Deadline>, ReadError> {
        let front = self.front;
        let is_past = |(key, _): &(Deadline, Vec<u8>)| {
            front.is_some_and(|front| *key < front) || changed.has_deadline(key)
        };
        while self.ahead.front().is_some_and(is_past) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() {
            self.read_ahead(store, changed)?;
        }
        Ok(self.ahead.front().map(|(key, _)| *key))
    }

    fn read_ahead(&mut self, store: &Store, changed: &Changed) -> Result<(), ReadError> {
        let from = self.front.map_or(keys::DEADLINES.to_vec(), |f| keys::remembered(f.as_slice()));
        for row in store.scan(ColumnFamily::State, &from, Direction::Forward) {
            let (key, value) = row?;
            if !keys::is_deadline(&key) || self.ahead.len() >= AHEAD_ROWS_MAX {
                break;
            }
            let parsed = keys::parse_deadline(&key);
            let deadline = parsed.ok_or_else(|| damaged(ColumnFamily::State, &key))?;
            if !changed.has_deadline(&deadline) {
                self.ahead.push_back((deadline, value.into_vec()));
            }
        }
        Ok(())
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
    Engine::baseline(&mut rows, contract, agent)
}

/// The rows as of the entry before.
pub(crate) struct Remembered<'s> {
    pub(crate) store: &'s Store,
    pub(crate) cached: &'s mut Cached,
    pub(crate) changed: &'s mut Changed,
    pub(crate) recall: &'s mut Recall,
}

impl Remembered<'_> {
    fn first_deadline(&mut self) -> Result<Option<Deadline>, ReadError> {
        let here = self.changed.first_deadline(self.recall.front);
        let stored = self.recall.stored(self.store, self.changed)?;
        let first = here.into_iter().chain(stored).min();
        self.recall.front = first.or(self.recall.front);
        Ok(first)
    }
}

impl Rows for Remembered<'_> {
    type Error = ReadError;

    fn get(&mut self, key: &Key) -> Result<Option<&[u8]>, ReadError> {
        look_up(self.store, self.cached, self.changed, &keys::remembered(key.as_slice()))
    }

    fn put(&mut self, key: Key) -> &mut Vec<u8> {
        self.changed.write(keys::remembered(key.as_slice()))
    }

    fn delete(&mut self, key: &Key) {
        self.changed.delete(keys::remembered(key.as_slice()));
    }

    fn put_deadline(&mut self, key: Deadline) -> &mut Vec<u8> {
        self.recall.front = self.recall.front.map(|front| front.min(key));
        self.changed.write_deadline(key)
    }

    fn next_deadline(&mut self) -> Result<Option<Micros>, ReadError> {
        Ok(self.first_deadline()?.map(|key| key.time()))
    }

    fn take_deadline(&mut self, now: Micros) -> Result<Option<(Deadline, Vec<u8>)>, ReadError> {
        let Some(key) = self.first_deadline()?.filter(|key| key.time() <= now) else {
            return Ok(None);
        };
        let row = match self.changed.take_deadline(key) {
            Some(row) => row,
            None => match self.recall.ahead.pop_front() {
                Some((_, row)) => row,
                None => return Err(damaged(ColumnFamily::State, key.as_slice())),
            },
        };
        Ok(Some((key, row)))
    }

    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, ReadError> {
        // A signer is hashed only here, for hardly ever has another event the id.
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
