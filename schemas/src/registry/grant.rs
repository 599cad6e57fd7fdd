//! Delegation grants.

use crate::deterministic::{Bounds, decode};
use crate::grant::{Bound, Grant};
use crate::id::{Index, Micros};

/// A grant that was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantRecord {
    /// What it says.
    pub grant: Grant,
    /// `grant` of its entry, encoded.
    pub fields: Vec<u8>,
    /// Who gave it.
    pub by: String,
    /// Entry that gave it.
    pub granted: Index,
    /// Entry that took it back.
    pub revoked: Option<Index>,
    /// Bounds of its parent that it goes beyond.
    pub widens: Vec<Bound>,
}

impl GrantRecord {
    /// A grant from its encoded fields; `None` if they are none.
    #[must_use]
    pub fn new(
        fields: &[u8],
        by: &str,
        granted: Index,
        revoked: Option<Index>,
        widens: Vec<Bound>,
    ) -> Option<Self> {
        let grant = Grant::read(&decode(fields, Bounds::WIRE).ok()?)?;
        Some(Self { grant, fields: fields.to_vec(), by: by.to_owned(), granted, revoked, widens })
    }

    /// Whether somebody may act under it at this time, as far as it says itself.
    #[must_use]
    pub fn is_active(&self, at: Micros) -> bool {
        self.revoked.is_none() && !self.is_expired(at)
    }

    /// Whether it has ended at this time.
    #[must_use]
    pub fn is_expired(&self, at: Micros) -> bool {
        self.grant.expires.is_some_and(|end| at >= end)
    }
}
