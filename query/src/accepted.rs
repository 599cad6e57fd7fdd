//! Accepted entries of a source, the newest first.

use std::ops::Range;

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{Index, TreeSize};
use schemas::leaf::Status;

use crate::source::{Order, Seek, Source, Walk};

/// Entries that are read in one go: few at first, as one of them may be enough.
const READ_TOGETHER_MIN: usize = 4;
const READ_TOGETHER_MAX: usize = 256;

/// Calls `take` with each until it says that it is enough; returns where the budget ended, if it did.
pub(crate) fn newest_first(
    ledger: &Ledger,
    source: Source<'_>,
    size: TreeSize,
    budget: usize,
    mut take: impl FnMut(Entry) -> Result<bool, ReadError>,
) -> Result<Option<u64>, ReadError> {
    let walk = &mut Walk::new(Order::Newest, budget);
    each_newest_first(ledger, source, 0..size.0, walk, |entry| {
        Ok(entry.leaf.status != Status::Accepted || take(entry)?)
    })
}

/// The same with refused ones, within a range of indexes, for as long as `walk` lasts, which several may share.
pub(crate) fn each_newest_first(
    ledger: &Ledger,
    mut source: Source<'_>,
    range: Range<u64>,
    walk: &mut Walk,
    mut take: impl FnMut(Entry) -> Result<bool, ReadError>,
) -> Result<Option<u64>, ReadError> {
    let (mut at, mut together) = (range.end.checked_sub(1), READ_TOGETHER_MIN);
    while let Some(from) = at {
        let (mut indexes, mut end) = (Vec::new(), None);
        let mut next = Some(from);
        while let Some(from) = next.filter(|_| indexes.len() < together) {
            match source.seek(from, walk)? {
                Seek::At(index) if index >= range.start => {
                    indexes.push(Index(index));
                    next = Order::Newest.beyond(index);
                }
                Seek::At(_) | Seek::End => next = None,
                Seek::Spent(reached) => (next, end) = (None, Some(reached)),
            }
        }
        for entry in ledger.entries_at(&indexes) {
            if !take(entry?)? {
                return Ok(None);
            }
        }
        if end.is_some() {
            return Ok(end);
        }
        at = next;
        together = READ_TOGETHER_MAX.min(together * 2);
    }
    Ok(None)
}

/// At most so many accepted entries of a source that are wanted, the newest first, and whether there are no others.
pub(crate) fn at_most(
    ledger: &Ledger,
    source: Source<'_>,
    (most, range): (usize, Range<u64>),
    walk: &mut Walk,
    wanted: impl Fn(&Entry) -> bool,
) -> Result<(Vec<Entry>, bool), ReadError> {
    let (mut found, mut is_cut) = (Vec::new(), false);
    let spent = each_newest_first(ledger, source, range, walk, |entry| {
        if entry.leaf.status == Status::Accepted && wanted(&entry) {
            is_cut = found.len() == most;
            if !is_cut {
                found.push(entry);
            }
        }
        Ok(!is_cut)
    })?;
    Ok((found, spent.is_none() && !is_cut))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn entries_are_called_all_where_no_limit_ended_the_walk() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 9);
        let ledger = writer.ledger();
        let found = |most: usize, budget: usize| {
            let every = Source::List((1..9).collect());
            let walk = &mut Walk::new(Order::Newest, budget);
            let even = |entry: &Entry| entry.leaf.index.0.is_multiple_of(2);
            let (found, are_all) = at_most(&ledger, every, (most, 0..9), walk, even).unwrap();
            (found.iter().map(|entry| entry.leaf.index.0).collect::<Vec<_>>(), are_all)
        };
        assert_eq!(found(4, 100), (vec![8, 6, 4, 2], true));
        assert_eq!(found(3, 100), (vec![8, 6, 4], false));
        assert_eq!(found(4, 3), (vec![8, 6], false));
    }
}
