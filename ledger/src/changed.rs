//! Rows of the state that changed in the commit under way.

use std::collections::BTreeMap;
use std::ops::Bound;

use schemas::map::Map;
use schemas::rules::{Deadline, emptied};

use crate::keys;

/// A changed row: its value as of now, `None` if it goes.
type Value = Option<Vec<u8>>;

/// Changed rows by key.
#[derive(Default)]
pub(crate) struct Changed {
    rows: Map<Vec<u8>, Value>,
    /// Apart from the others, because they alone are found in their order, which costs more at every change.
    deadlines: BTreeMap<Deadline, Value>,
}

impl Changed {
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert(key, Some(value));
    }

    /// A row that is no deadline, empty, to be written.
    pub(crate) fn write(&mut self, key: Vec<u8>) -> &mut Vec<u8> {
        emptied(self.rows.entry(key).or_default().get_or_insert_default())
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.rows.insert(key, None);
    }

    /// A row that is no deadline, if it changed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.rows.get(key)
    }

    /// A deadline, empty, to be written.
    pub(crate) fn write_deadline(&mut self, key: Deadline) -> &mut Vec<u8> {
        emptied(self.deadlines.entry(key).or_default().get_or_insert_default())
    }

    /// Removes a deadline, and gives the value that it changed to, if it did.
    pub(crate) fn take_deadline(&mut self, key: Deadline) -> Value {
        self.deadlines.insert(key, None).flatten()
    }

    pub(crate) fn has_deadline(&self, key: &Deadline) -> bool {
        self.deadlines.contains_key(key)
    }

    /// The first deadline at or after `from` that was put and not taken back.
    pub(crate) fn first_deadline(&self, from: Option<Deadline>) -> Option<Deadline> {
        let from = from.map_or(Bound::Unbounded, Bound::Included);
        let mut deadlines = self.deadlines.range((from, Bound::Unbounded));
        deadlines.find(|(_, value)| value.is_some()).map(|(key, _)| *key)
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.deadlines.clear();
    }

    /// All of them, in order of key.
    pub(crate) fn take(&mut self) -> Vec<(Vec<u8>, Value)> {
        let Self { rows, deadlines } = std::mem::take(self);
        let deadline = |(key, value): (Deadline, Value)| (keys::remembered(key.as_slice()), value);
        let mut all: Vec<_> = rows.into_iter().chain(deadlines.into_iter().map(deadline)).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::rules::DEADLINE;

    use super::*;

    #[test]
    fn deadlines_come_in_order_and_all_rows_leave_in_it() {
        let deadline = |at: u8| Deadline::from_slice(&[DEADLINE, 0, 0, 0, 0, 0, 0, 0, at]).unwrap();
        let mut changed = Changed::default();
        for at in [3, 1, 2] {
            changed.write_deadline(deadline(at)).push(at);
        }
        changed.put(b"x".to_vec(), vec![4]);
        changed.put(b"a".to_vec(), vec![5]);
        changed.delete(b"a".to_vec());
        assert_eq!(changed.take_deadline(deadline(1)), Some(vec![1]));
        let first = |from: u8| changed.first_deadline(Some(deadline(from)));
        assert_eq!([0, 3, 4].map(first), [Some(deadline(2)), Some(deadline(3)), None]);
        assert_eq!(changed.get(b"a"), Some(&None));
        let taken = changed.take();
        let [one, two, three] = [1, 2, 3].map(|at| keys::remembered(deadline(at).as_slice()));
        let expected = vec![b"a".to_vec(), one, two, three, b"x".to_vec()];
        assert_eq!(taken.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), expected);
        assert!(changed.take().is_empty());
    }
}
