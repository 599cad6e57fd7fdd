//! Delegation grants.

use super::sound::kept;
use super::{Registry, invalid};
use crate::body::Body;
use crate::deterministic::{Bounds, decode};
use crate::grant::{Bound, Grant};
use crate::id::{Index, Micros};
use crate::limits::{GRANT_BYTES_MAX, GRANTS_PER_SIGNER_MAX};
use crate::reject::Reject;

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
    /// When that was received: all that are given within a day count.
    pub granted_at: Micros,
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
        granted_at: Micros,
        revoked: Option<Index>,
        widens: Vec<Bound>,
    ) -> Option<Self> {
        let grant = Grant::read(&decode(fields, Bounds::WIRE).ok()?)?;
        let (fields, by) = (fields.to_vec(), by.to_owned());
        Some(Self { grant, fields, by, granted, granted_at, revoked, widens })
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

impl Registry {
    /// Whether a grant may be given. Every one that was ever given is kept in memory.
    pub(super) fn grant_is_sound(
        &self,
        body: &Body<'_>,
        received_at: Micros,
    ) -> Result<(), Reject> {
        let grant = body.field("grant").and_then(Grant::read);
        let grant = grant.ok_or_else(|| invalid("grant", "a grant"))?;
        if self.grants.contains_key(&grant.id) {
            return Err(invalid("grant.id", "an id that no grant has"));
        }
        if grant.parent == Some(grant.id) {
            return Err(invalid("grant.parent", "another grant"));
        }
        if grant.expires.is_some_and(|end| end <= received_at) {
            return Err(invalid("grant.expires", "a time that is still to come"));
        }
        if kept(body, "grant").len() > GRANT_BYTES_MAX {
            return Err(invalid("grant", format!("at most {GRANT_BYTES_MAX} bytes")));
        }
        if self.given.counted(body.signer(), received_at) >= GRANTS_PER_SIGNER_MAX {
            let expected = format!(
                "at most {GRANTS_PER_SIGNER_MAX} grants of one signer that are in force or were given within a day"
            );
            return Err(invalid("grant", expected));
        }
        Ok(())
    }
}
