//! The rows that the rules remember, in the fold's state.

use rocksdb::Direction;
use schemas::body::Body;
use schemas::id::EventId;
use schemas::rules::{Row, Rows};

use crate::error::ReadError;
use crate::keys::{self, Map, Short};
use crate::state::{Changed, look_up};
use crate::store::{ColumnFamily, Store};

/// What is remembered in memory only, and can be found again.
#[derive(Default)]
pub(crate) struct Recall {
    /// No row that falls due lies before this key: what fell due is deleted from the front, and reading over the
    /// deleted again and again would cost more and more.
    front: Vec<u8>,
    /// What the keys of rows that fall due begin with, once one was asked for.
    prefix: Vec<u8>,
    /// Signers of the events accepted in the commit under way.
    accepted: Map<EventId, Vec<Short>>,
}

impl Recall {
    pub(crate) fn accepted(&mut self, body: &Body<'_>) {
        self.accepted.entry(body.id()).or_default().push(keys::signer_hash(body.signer()));
    }

    pub(crate) fn forget_commit(&mut self) {
        self.accepted.clear();
    }
}

/// The rows as of the entry before.
pub(crate) struct Remembered<'s> {
    pub(crate) store: &'s Store,
    pub(crate) cached: &'s Map<Vec<u8>, Vec<u8>>,
    pub(crate) changed: &'s mut Changed,
    pub(crate) recall: &'s mut Recall,
}

impl Rows for Remembered<'_> {
    type Error = ReadError;

    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        look_up(self.store, self.cached, self.changed, &keys::remembered(key))
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let key = keys::remembered(&key);
        if key < self.recall.front && key.starts_with(&self.recall.prefix) {
            self.recall.front.clone_from(&key);
        }
        self.changed.insert(key, Some(value));
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.changed.insert(keys::remembered(&key), None);
    }

    fn first(&mut self, prefix: &[u8]) -> Result<Option<Row>, ReadError> {
        let prefix = keys::remembered(prefix);
        self.recall.prefix.clone_from(&prefix);
        let from = self.recall.front.clone().max(prefix.clone());
        let here = self.changed.range(from.clone()..).find(|(_, value)| value.is_some());
        let here = here.and_then(|(key, value)| Some((key.clone(), value.clone()?)));
        let mut found = here.filter(|(key, _)| key.starts_with(&prefix));
        for row in self.store.scan(ColumnFamily::State, &from, Direction::Forward) {
            let (key, value) = row?;
            let is_nearer = found.as_ref().is_none_or(|(nearest, _)| *key < **nearest);
            if !key.starts_with(&prefix) || !is_nearer {
                break;
            }
            // What changed meanwhile was looked at before.
            if !self.changed.contains_key(&*key) {
                found = Some((key.into_vec(), value.into_vec()));
                break;
            }
        }
        let Some((key, value)) = found else { return Ok(None) };
        self.recall.front.clone_from(&key);
        Ok(key.split_first().map(|(_, key)| (key.to_vec(), value)))
    }

    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, ReadError> {
        let own = keys::signer_hash(signer);
        if self.recall.accepted.get(&id).is_some_and(|by| by.iter().any(|other| *other != own)) {
            return Ok(true);
        }
        let prefix = keys::event_prefix(id);
        for row in self.store.scan(ColumnFamily::Ids, &prefix, Direction::Forward) {
            let (key, _) = row?;
            let Some(by) = key.strip_prefix(prefix.as_slice()) else { break };
            if by != own {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
