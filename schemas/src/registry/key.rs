//! Signing keys.

use super::invalid;
use crate::body::Body;
use crate::id::{Index, Micros};
use crate::key::PublicKey;
use crate::reject::Reject;

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

/// Whether a key that is enrolled at this time can ever sign anything: else its times are a mistake.
pub(super) fn validity_is_sound(body: &Body<'_>, at: Micros) -> Result<(), Reject> {
    let time = |path: &str| body.uint(path);
    let Some(to) = time("registry.not_after") else { return Ok(()) };
    if to <= at.0 {
        return Err(invalid("registry.not_after", "a time that is still to come"));
    }
    if time("registry.not_before").is_some_and(|from| from >= to) {
        return Err(invalid("registry.not_after", "a time after not_before"));
    }
    Ok(())
}
