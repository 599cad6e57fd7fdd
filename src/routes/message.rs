//! What a receiver gets.

use ledger::{Ledger, ReadError};
use schemas::id::{EventId, Index, hex};
use schemas::rules::rule;
use schemas::shape::time_json;
use serde_json::json;

/// A message that is ready to be signed.
pub(super) struct Message {
    /// Same for the same finding, however often it is sent.
    pub(super) id: EventId,
    pub(super) body: Vec<u8>,
}

/// The message about the finding at `index`; `None` once its body is erased.
///
/// # Errors
/// [`ReadError`].
pub(super) fn of_finding(ledger: &Ledger, index: Index) -> Result<Option<Message>, ReadError> {
    let Some(entry) = ledger.entry(index)? else { return Ok(None) };
    let (Some(id), Some(body)) = (entry.leaf.id, entry.body()) else { return Ok(None) };
    let name = body.text("rule.name").unwrap_or_default();
    let json = json!({
        "type": "finding",
        "id": id.to_string(),
        "ledger": ledger.identity().origin,
        "index": index.0,
        "received_at": time_json(entry.leaf.received_at),
        "owner": super::assign::owner(ledger, &entry)?,
        "agent": body.agent(),
        "correlation": body.correlation(),
        "rule": name,
        "detail": body.text("reason"),
        "text": rule(name).map(|rule| rule.text),
        "flags": query::flagged(ledger, &entry)?.map(|index| index.0),
        "chain": entry.chain.to_string(),
        "leaf": hex(&entry.bytes),
        "receipt": hex(&ledger.receipt(index)?),
        "entry": entry.view(&entry.shown()).to_json(),
    });
    Ok(Some(Message { id, body: json.to_string().into_bytes() }))
}

/// A message that says nothing but that it arrived.
pub(super) fn of_test(ledger: &Ledger, id: EventId, owner: &str) -> Message {
    let text = "a test of this route; nothing has happened";
    let json = json!({
        "type": "test",
        "id": id.to_string(),
        "ledger": ledger.identity().origin,
        "owner": owner,
        "text": text,
    });
    Message { id, body: json.to_string().into_bytes() }
}
