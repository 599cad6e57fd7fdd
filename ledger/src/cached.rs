//! Rows of the state that are kept in memory between commits.

use schemas::map::Map;

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
    /// Whether it holds a row, which is asked for.
    pub(crate) fn holds(&mut self, key: &[u8]) -> bool {
        if self.young.contains_key(key) {
            return true;
        }
        let Some((key, value)) = self.old.remove_entry(key) else { return false };
        self.add(key, value);
        true
    }

    /// A row that it [holds](Self::holds).
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.young.get(key).map(Vec::as_slice)
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
            assert!(cached.holds(&key(0)), "{half}");
            fill(&mut cached, half * HALF_ROWS_MAX..(half + 1) * HALF_ROWS_MAX);
        }
        assert!(cached.holds(&key(0)));
        assert!(!cached.holds(&key(1)));
        assert!(cached.young.len() + cached.old.len() <= 2 * HALF_ROWS_MAX);
    }

    #[test]
    fn a_changed_row_has_one_value_and_a_removed_one_none() {
        let mut cached = Cached::default();
        fill(&mut cached, 0..HALF_ROWS_MAX + 1);
        for n in [0, HALF_ROWS_MAX] {
            cached.put(&key(n), b"new");
            assert!(cached.holds(&key(n)));
            assert_eq!(cached.get(&key(n)), Some(&b"new"[..]));
            cached.remove(&key(n));
            assert!(!cached.holds(&key(n)));
        }
    }
}
