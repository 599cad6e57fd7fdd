//! Rows of the state that changed in the commit under way.

use std::collections::BTreeMap;
use std::ops::Bound;

use schemas::map::Map;
use schemas::rules::Row;

use crate::keys;

/// A changed row: its value as of now, `None` if it goes.
type Value = Option<Vec<u8>>;

/// Changed rows by key.
#[derive(Default)]
pub(crate) struct Changed {
    rows: Map<Vec<u8>, Value>,
    /// Apart from the others, because they alone are found in their order, which costs more at every change.
    deadlines: BTreeMap<Vec<u8>, Value>,
}

impl Changed {
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.set(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }

    fn set(&mut self, key: Vec<u8>, value: Value) {
        if keys::is_deadline(&key) {
            self.deadlines.insert(key, value);
        } else {
            self.rows.insert(key, value);
        }
    }

    /// A row that is no deadline, if it changed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.rows.get(key)
    }

    pub(crate) fn has_deadline(&self, key: &[u8]) -> bool {
        self.deadlines.contains_key(key)
    }

    /// The first deadline at or after `from` that was put and not taken back.
    pub(crate) fn first_deadline(&self, from: &[u8]) -> Option<Row> {
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(from), Bound::Unbounded);
        let mut deadlines = self.deadlines.range::<[u8], _>(from);
        deadlines.find_map(|(key, value)| Some((key.clone(), value.clone()?)))
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.deadlines.clear();
    }

    /// All of them, in order of key.
    pub(crate) fn take(&mut self) -> Vec<(Vec<u8>, Value)> {
        let Self { rows, deadlines } = std::mem::take(self);
        let mut all: Vec<_> = rows.into_iter().chain(deadlines).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_all_rows_leave_in_it() {
        let deadline = |at: u8| [&keys::DEADLINES[..], &[at]].concat();
        let mut changed = Changed::default();
        for at in [3, 1, 2] {
            changed.put(deadline(at), vec![at]);
        }
        changed.put(b"x".to_vec(), vec![4]);
        changed.put(b"a".to_vec(), vec![5]);
        changed.delete(b"a".to_vec());
        changed.delete(deadline(1));
        let first = |from: u8| changed.first_deadline(&deadline(from)).map(|(_, row)| row);
        assert_eq!([0, 3, 4].map(first), [Some(vec![2]), Some(vec![3]), None]);
        assert_eq!(changed.get(b"a"), Some(&None));
        let taken = changed.take();
        let expected =
            [b"a".to_vec(), deadline(1), deadline(2), deadline(3), b"x".to_vec()].to_vec();
        assert_eq!(taken.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected);
        assert!(changed.take().is_empty());
    }
}
