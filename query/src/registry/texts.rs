//! Texts of contracts and policies, out of the details of their entries.

use ledger::{Ledger, ReadError};
use schemas::detail::Detail;
use schemas::deterministic::Item;
use schemas::id::{Index, sha256};
use schemas::registry::text_field;

/// The text that the entry at `index` registered; `None` if it is not there, or is not the one that was signed.
pub(crate) fn text(ledger: &Ledger, index: Index) -> Result<Option<String>, ReadError> {
    let (Some(entry), Some(detail)) = (ledger.entry(index)?, ledger.detail(index)?) else {
        return Ok(None);
    };
    let Some(body) = entry.body() else { return Ok(None) };
    if body.detail().is_none_or(|digest| digest.0 != sha256(&detail)) {
        return Ok(None);
    }
    let Ok(detail) = Detail::parse(&detail) else { return Ok(None) };
    let text = text_field(body.kind()).and_then(|field| detail.content.get(field));
    Ok(text.and_then(Item::text).map(str::to_owned))
}
