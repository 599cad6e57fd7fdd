//! Texts that are known by their digest: contracts and policies. The detail holds the text, the body its digest.

use super::invalid;
use crate::body::Body;
use crate::detail::Detail;
use crate::deterministic::Item;
use crate::id::sha256;
use crate::kind::Kind;
use crate::reject::{Reason, Reject};

/// Where a kind keeps its text in the detail.
#[must_use]
pub const fn text_field(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ContractRegistered => Some("yaml"),
        Kind::PolicyRegistered => Some("text"),
        _ => None,
    }
}

/// Why a contract or a policy is refused whose text is not the one that its digest names.
#[must_use]
pub fn text_fault(body: &Body<'_>, detail: Option<&[u8]>) -> Option<Reject> {
    let field = text_field(body.kind())?;
    let path = format!("detail.{field}");
    let Some(detail) = detail.and_then(|bytes| Detail::parse(bytes).ok()) else {
        return Some(Reject::new(Reason::MissingField, path, "the text that the digest is of"));
    };
    let Some(text) = detail.content.get(field) else {
        return Some(Reject::new(Reason::MissingField, path, "the text that the digest is of"));
    };
    let Some(text) = text.text() else { return Some(invalid(&path, "text")) };
    let digest = body.field("registry.digest").and_then(Item::bytes);
    if digest == Some(sha256(text.as_bytes()).as_slice()) {
        return None;
    }
    Some(Reject::new(Reason::DigestMismatch, "registry.digest", format!("SHA-256 of {path}")))
}
