//! Accepted entries of a source, the newest first.

use std::ops::Range;

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{Index, TreeSize};
use schemas::leaf::Status;

use crate::source::{Order, Seek, Source, Walk};

/// Calls `take` with each until it says that it is enough; returns where the budget ended, if it did.
pub(crate) fn newest_first(
    ledger: &Ledger,
    source: Source<'_>,
    size: TreeSize,
    budget: usize,
    mut take: impl FnMut(Entry) -> Result<bool, ReadError>,
) -> Result<Option<u64>, ReadError> {
    each_newest_first(ledger, source, 0..size.0, budget, |entry| {
        Ok(entry.leaf.status != Status::Accepted || take(entry)?)
    })
}

/// The same with refused ones, within a range of indexes.
pub(crate) fn each_newest_first(
    ledger: &Ledger,
    mut source: Source<'_>,
    range: Range<u64>,
    budget: usize,
    mut take: impl FnMut(Entry) -> Result<bool, ReadError>,
) -> Result<Option<u64>, ReadError> {
    let mut walk = Walk::new(Order::Newest, budget);
    let mut at = range.end.checked_sub(1);
    while let Some(from) = at {
        let index = match source.seek(from, &mut walk)? {
            Seek::At(index) if index >= range.start => index,
            Seek::At(_) | Seek::End => return Ok(None),
            Seek::Spent(reached) => return Ok(Some(reached)),
        };
        if let Some(entry) = ledger.entry(Index(index))?
            && !take(entry)?
        {
            return Ok(None);
        }
        at = Order::Newest.beyond(index);
    }
    Ok(None)
}

/// A term's entries.
pub(crate) fn term<'l>(ledger: &'l Ledger, key: schemas::terms::Key, value: &str) -> Source<'l> {
    Source::Term(Box::new(ledger.postings(key, value)))
}
