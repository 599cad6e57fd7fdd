//! Rows of `terms`: the first and the last entry that carry a term, and how many there are.

use rocksdb::MergeOperands;

/// Length of a row: first, last, count.
pub(crate) const TERM_ROW_BYTES: usize = 24;

/// The row of these.
pub(crate) fn term_row([first, last, count]: [u64; 3]) -> [u8; TERM_ROW_BYTES] {
    let mut row = [0; TERM_ROW_BYTES];
    let numbers = [first, last, count].map(u64::to_be_bytes);
    for (byte, value) in row.iter_mut().zip(numbers.iter().flatten()) {
        *byte = *value;
    }
    row
}

/// First, last, count; `None` if the row is damaged.
pub(crate) fn parse_term_row(row: &[u8]) -> Option<[u64; 3]> {
    let number = |at: usize| row.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
    (row.len() == TERM_ROW_BYTES).then_some(())?;
    Some([number(0)?, number(8)?, number(16)?])
}

/// Smallest first, largest last, sum of counts. Where a row is damaged one that is damaged, too: a merge that fails would
/// end the store's work in the background.
pub(crate) fn merge(
    _key: &[u8],
    existing: Option<&[u8]>,
    parts: &MergeOperands,
) -> Option<Vec<u8>> {
    let merged = sum(existing.into_iter().chain(parts));
    Some(merged.map_or_else(Vec::new, |numbers| term_row(numbers).to_vec()))
}

/// `None` where a row is damaged.
fn sum<'r>(rows: impl Iterator<Item = &'r [u8]>) -> Option<[u64; 3]> {
    let mut total: Option<[u64; 3]> = None;
    for row in rows {
        let [first, last, count] = parse_term_row(row)?;
        total = Some(match total {
            None => [first, last, count],
            Some([f, l, c]) => [f.min(first), l.max(last), c.checked_add(count)?],
        });
    }
    total
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::{ColumnFamily, Row, Store};

    #[test]
    fn a_damaged_row_of_parts_stays_damaged_and_stops_nobody_who_writes() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let term = |key: &str| Row::new(ColumnFamily::Terms, key, term_row([1, 2, 3]));
        store.replace(&Row::new(ColumnFamily::Terms, "a", [7; 23])).unwrap();
        store.write_synced(&[term("a"), term("b")]).unwrap();
        store.purge(&[ColumnFamily::Terms]).unwrap();
        store.write_synced(&[term("a"), term("b")]).unwrap();
        let row = |key: &str| store.get(ColumnFamily::Terms, key.as_bytes()).unwrap().unwrap();
        assert_eq!(parse_term_row(&row("a")), None);
        assert_eq!(parse_term_row(&row("b")), Some([1, 2, 6]));
    }
}
