//! Signing keys.

use crate::id::{Index, Micros};
use crate::key::PublicKey;

/// An enrolled key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRecord {
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub signer: String,
    /// Entry that enrolled it.
    pub enrolled: Index,
    /// Entry that revoked it or rotated it away.
    pub revoked: Option<Index>,
    /// Valid from this time of receipt on.
    pub not_before: Option<Micros>,
    /// Valid before this time of receipt.
    pub not_after: Option<Micros>,
}

impl KeyRecord {
    /// Whether its validity has ended at this time.
    #[must_use]
    pub fn is_over(&self, at: Micros) -> bool {
        self.not_after.is_some_and(|to| at >= to)
    }
}
