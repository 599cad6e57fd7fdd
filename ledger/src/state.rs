//! The fold over the log: registry, counters, signer chains. The same code runs in a commit, in a
//! rebuild and in an audit, so that all three agree.

use std::collections::BTreeMap;

use rocksdb::Direction;
use schemas::body::Body;
use schemas::leaf::{Counts, Leaf, Status};
use schemas::registry::Registry;
use schemas::terms::Key;

use crate::error::ReadError;
use crate::keys::{self, Map};
use crate::read::damaged;
use crate::records;
use crate::sequence::Sequence;
use crate::store::{ColumnFamily, Row, Store};

/// Rows of counters and chains that are kept in memory between commits.
const CACHED_ROWS_MAX: usize = 200_000;

/// The state as of the last entry folded.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) registry: Registry,
    cached: Map<Vec<u8>, Vec<u8>>,
    changed: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl State {
    /// The state that the store's rows hold.
    pub(crate) fn load(store: &Store) -> Result<Self, ReadError> {
        let mut state = Self::default();
        for prefix in keys::RECORDS {
            for row in store.scan(ColumnFamily::State, &[prefix], Direction::Forward) {
                let (key, value) = row?;
                if key.first() != Some(&prefix) {
                    break;
                }
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
                let before = bytes.as_slice().try_into().ok().map(u64::from_be_bytes);
                before.ok_or_else(|| damaged(ColumnFamily::State, &row))?.saturating_add(1)
            }
        };
        self.changed.insert(row, count.to_be_bytes().to_vec());
        Ok(count)
    }

    /// Takes in what a signed entry, accepted or not, says of its signer's own chain, and what an
    /// accepted one changes in the registry.
    pub(crate) fn fold(
        &mut self,
        store: &Store,
        leaf: &Leaf,
        body: &Body<'_>,
    ) -> Result<(), ReadError> {
        if let (Some(session), Some(seq)) = (body.session(), body.seq()) {
            let row = keys::chain(body.signer(), &session);
            let mut sequence = match self.row(store, &row)? {
                None => Sequence::default(),
                Some(bytes) => {
                    Sequence::decode(&bytes).ok_or_else(|| damaged(ColumnFamily::State, &row))?
                }
            };
            sequence.take(seq, leaf.body);
            self.changed.insert(row, sequence.encode());
        }
        if leaf.status == Status::Accepted {
            self.apply(leaf, body);
        }
        Ok(())
    }

    fn apply(&mut self, leaf: &Leaf, body: &Body<'_>) {
        let check = self.registry.check_chain(body, leaf.received_at);
        if check.is_worth_keeping() {
            self.changed.insert(keys::chain_check(leaf.index), records::check_value(&check));
        }
        for record in self.registry.apply(leaf.index, leaf.received_at, body) {
            let row = records::row(&record);
            self.changed.insert(row.key, row.value);
        }
    }

    fn row(&self, store: &Store, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.changed.get(key).or_else(|| self.cached.get(key)) {
            Some(value) => Ok(Some(value.clone())),
            None => store.get(ColumnFamily::State, key),
        }
    }

    /// The rows that changed since they were last taken, in order of key.
    pub(crate) fn take_rows(&mut self) -> Vec<Row> {
        let changed = std::mem::take(&mut self.changed);
        if self.cached.len() + changed.len() > CACHED_ROWS_MAX {
            self.cached.clear();
        }
        self.cached.extend(changed.iter().map(|(key, value)| (key.clone(), value.clone())));
        changed.into_iter().map(|(key, value)| Row::new(ColumnFamily::State, key, value)).collect()
    }
}
