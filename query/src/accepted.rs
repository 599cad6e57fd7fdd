//! Accepted entries of a source, the newest first.

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{Index, TreeSize};
use schemas::leaf::Status;

use crate::source::{Order, Seek, Source, Walk};

/// Calls `take` with each until it says that it is enough; returns where the budget ended, if it did.
pub(crate) fn newest_first(
    ledger: &Ledger,
    mut source: Source<'_>,
    size: TreeSize,
    budget: usize,
    mut take: impl FnMut(Entry) -> Result<bool, ReadError>,
) -> Result<Option<u64>, ReadError> {
    let mut walk = Walk::new(Order::Newest, budget);
    let mut at = size.0.checked_sub(1);
    while let Some(from) = at {
        let index = match source.seek(from, &mut walk)? {
            Seek::At(index) => index,
            Seek::End => return Ok(None),
            Seek::Spent(reached) => return Ok(Some(reached)),
        };
        let entry = ledger.entry(Index(index))?;
        if let Some(entry) = entry.filter(|entry| entry.leaf.status == Status::Accepted)
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
