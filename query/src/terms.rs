//! A term of the index: which entries carry it, and what the ledger counts of them.

use std::ops::Range;

use ledger::{Ledger, ReadError, TermRow};
use schemas::id::{SessionId, TreeSize};
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::set;
use crate::source::{Order, Seek, Source, Walk};

/// A term's entries.
pub(crate) fn term<'l>(ledger: &'l Ledger, key: Key, value: &str) -> Source<'l> {
    Source::Term(Box::new(ledger.postings(key, value)))
}

/// What a signer sent in a session; what others write under the session's id is passed over, however much it is.
pub(crate) fn of_session<'l>(ledger: &'l Ledger, signer: &str, session: SessionId) -> Source<'l> {
    let session = term(ledger, Key::Session, &session.to_string());
    Source::All(vec![term(ledger, Key::Signer, signer), session])
}

/// The row of exactly this term; `None` where no entry carries it.
pub(crate) fn term_row(
    ledger: &Ledger,
    key: Key,
    value: &str,
) -> Result<Option<TermRow>, ReadError> {
    // A value comes before all those that it is a prefix of.
    let rows = ledger.terms(key, value, 1)?;
    Ok(rows.into_iter().find(|row| row.value == value))
}

/// How many entries below `size` carry a term, by its row, which is kept apart from the postings and so notices when one
/// of them is gone; less what was committed since. `None` where the walk ends before that is known.
pub(crate) fn count_below(
    ledger: &Ledger,
    key: Key,
    row: &TermRow,
    size: TreeSize,
    walk: &mut Walk,
) -> Result<Option<u64>, ReadError> {
    if row.last.0 < size.0 {
        return Ok(Some(row.count));
    }
    let end = row.last.0.saturating_add(1);
    let stored = Source::Term(Box::new(ledger.postings_below(key, &row.value, TreeSize(end))));
    let later = count_from(stored, size.0..end, walk)?;
    Ok(later.and_then(|later| row.count.checked_sub(later)))
}

/// The entries of a range that carry a term: how many, null where the walk ends before that is known; the first and the
/// last. `None` if there are none.
pub(crate) fn term_json(
    ledger: &Ledger,
    key: Key,
    row: &TermRow,
    range: Range<u64>,
    walk: &mut Walk,
) -> Result<Option<Value>, ReadError> {
    let mut postings = ledger.postings(key, &row.value);
    let Some(end) = range.end.checked_sub(1) else { return Ok(None) };
    let first = postings.at_or_after(range.start)?.filter(|first| range.contains(&first.0));
    let last = postings.at_or_before(end)?;
    let Some((first, last)) = first.zip(last) else { return Ok(None) };
    let count = match row.first == first {
        true => count_below(ledger, key, row, TreeSize(range.end), walk)?,
        false => count_from(Source::Term(Box::new(postings)), first.0..range.end, walk)?,
    };
    Ok(Some(json!({ "entries": count, "first": first.0, "last": last.0 })))
}

/// How many of a source's entries are in a range; `None` where the walk ends before that is known.
fn count_from(
    mut source: Source<'_>,
    range: Range<u64>,
    walk: &mut Walk,
) -> Result<Option<u64>, ReadError> {
    walk.order = Order::Oldest;
    let (mut at, mut count) = (range.start, 0);
    loop {
        match source.seek(at, walk)? {
            Seek::At(index) if index < range.end => (at, count) = (index + 1, count + 1),
            Seek::At(_) | Seek::End => return Ok(Some(count)),
            Seek::Spent(_) => return Ok(None),
        }
    }
}

/// Of a name that nobody registered: the name and its entries below `size`.
pub(crate) fn stranger_json(
    ledger: &Ledger,
    key: Key,
    row: &TermRow,
    size: TreeSize,
    walk: &mut Walk,
) -> Result<Value, ReadError> {
    let mut json = term_json(ledger, key, row, 0..size.0, walk)?.unwrap_or_else(|| json!({}));
    set(&mut json, "id", row.value.as_str());
    Ok(json)
}
