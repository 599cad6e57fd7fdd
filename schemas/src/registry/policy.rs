//! Policies, known by the digest of their text.

use crate::id::{Digest, Index};

/// A registered policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyRecord {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// Its name.
    pub name: Option<String>,
    /// Entry whose detail holds the text.
    pub registered: Index,
}
