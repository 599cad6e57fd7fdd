//! A term of the index: which entries carry it, and what the ledger counts of them.

use ledger::{Ledger, ReadError, TermRow};
use schemas::id::SessionId;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::source::Source;

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

pub(crate) fn term_json(row: &TermRow) -> Value {
    json!({ "entries": row.count, "first": row.first.0, "last": row.last.0 })
}
