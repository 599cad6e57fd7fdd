//! Rows of the state that are kept in memory between commits.

use crate::keys::Map;

/// Rows of each half; one is 100 to 400 bytes.
const HALF_ROWS_MAX: usize = 100_000;

/// Stored rows by key. A row stays that is asked for or changed before [`HALF_ROWS_MAX`] others are; the rest goes, a
/// half at a time.
#[derive(Default)]
pub(crate) struct Cached {
    young: Map<Vec<u8>, Vec<u8>>,
    /// No row of these is among the young ones.
    old: Map<Vec<u8>, Vec<u8>>,
}

impl Cached {
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.add(key, value.clone());
        Some(value)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        if let Some(known) = self.young.get_mut(key) {
            value.clone_into(known);
        } else {
            self.old.remove(key);
            self.add(key.to_vec(), value.to_vec());
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn add(&mut self, key: Vec<u8>, value: Vec<u8>) {
        if self.young.len() >= HALF_ROWS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Vec<u8> {
        n.to_be_bytes().to_vec()
    }

    fn fill(cached: &mut Cached, rows: std::ops::Range<usize>) {
        rows.for_each(|n| cached.put(&key(n), b"row"));
    }

    #[test]
    fn a_row_that_is_asked_for_outlives_those_that_are_not() {
        let mut cached = Cached::default();
        fill(&mut cached, 0..HALF_ROWS_MAX);
        for half in 1..4 {
            assert_eq!(cached.get(&key(0)).as_deref(), Some(&b"row"[..]), "{half}");
            fill(&mut cached, half * HALF_ROWS_MAX..(half + 1) * HALF_ROWS_MAX);
        }
        assert!(cached.get(&key(0)).is_some());
        assert_eq!(cached.get(&key(1)), None);
        assert!(cached.young.len() + cached.old.len() <= 2 * HALF_ROWS_MAX);
    }

    #[test]
    fn a_changed_row_has_one_value_and_a_removed_one_none() {
        let mut cached = Cached::default();
        fill(&mut cached, 0..HALF_ROWS_MAX + 1);
        for n in [0, HALF_ROWS_MAX] {
            cached.put(&key(n), b"new");
            assert_eq!(cached.get(&key(n)).as_deref(), Some(&b"new"[..]));
            cached.remove(&key(n));
            assert_eq!(cached.get(&key(n)), None);
        }
    }
}
