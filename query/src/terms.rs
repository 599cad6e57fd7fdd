//! A term of the index: which entries carry it, and what the ledger counts of them.

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

/// Entries that name an agent by any of these names.
pub(crate) fn of_agent<'l>(ledger: &'l Ledger, names: &[String]) -> Source<'l> {
    Source::any(names.iter().map(|name| term(ledger, Key::Agent, name)))
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
    walk.order = Order::Oldest;
    let counted = ledger.postings_below(key, &row.value, TreeSize(row.last.0.saturating_add(1)));
    let (mut source, mut at, mut later) = (Source::Term(Box::new(counted)), size.0, 0);
    loop {
        match source.seek(at, walk)? {
            Seek::At(index) => (at, later) = (index + 1, later + 1),
            Seek::End => return Ok(row.count.checked_sub(later)),
            Seek::Spent(_) => return Ok(None),
        }
    }
}

/// The entries below `size` that carry a term: how many, null where the walk ends before that is known; the first and the
/// last. `None` if there are none.
pub(crate) fn term_json(
    ledger: &Ledger,
    key: Key,
    row: &TermRow,
    size: TreeSize,
    walk: &mut Walk,
) -> Result<Option<Value>, ReadError> {
    let Some(before) = size.0.checked_sub(1) else { return Ok(None) };
    let last = match row.last.0 < size.0 {
        true => Some(row.last),
        false => ledger.postings(key, &row.value).at_or_before(before)?,
    };
    let Some(last) = last else { return Ok(None) };
    let count = count_below(ledger, key, row, size, walk)?;
    Ok(Some(json!({ "entries": count, "first": row.first.0, "last": last.0 })))
}

/// Of a name that nobody registered: the name and its entries below `size`.
pub(crate) fn stranger_json(
    ledger: &Ledger,
    key: Key,
    row: &TermRow,
    size: TreeSize,
    walk: &mut Walk,
) -> Result<Value, ReadError> {
    let mut json = term_json(ledger, key, row, size, walk)?.unwrap_or_else(|| json!({}));
    set(&mut json, "id", row.value.as_str());
    Ok(json)
}
