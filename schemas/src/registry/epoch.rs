//! New epochs: which one operators propose, which one an entry begins, and whether enough of them agree to it.

use std::collections::BTreeSet;

use super::{EPOCH, Registry};
use crate::body::{Body, LEDGER_SIGNER};
use crate::deterministic::Item;
use crate::era::NEW_EPOCH;
use crate::id::{Digest, Kid, Micros, TreeSize, sha256};
use crate::kind::Kind;
use crate::limits::LOST_MARK_BYTES_MAX;

/// How an entry says that there was no mark.
const NO_MARK: &str = "none";
/// What stands before the digest of a mark that an entry does not repeat, in hex.
const BY_DIGEST: &str = "sha256:";

/// A new epoch: which log goes on, from where, and what of it is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Epoch {
    /// The origin that it begins.
    pub origin: String,
    /// Entries that there are.
    pub size: u64,
    /// SHA-256 of the mark that is lost; of no bytes where there is none.
    pub lost: Digest,
}

impl Epoch {
    /// The new epoch that a body proposes.
    #[must_use]
    pub fn proposed(body: &Body<'_>) -> Option<Self> {
        let operation =
            body.field("registry.operation").filter(|_| body.kind() == Kind::Proposal)?;
        Self::read(operation)
    }

    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        (item.get("kind")?.text()? == EPOCH).then_some(())?;
        Some(Self {
            origin: item.get("origin")?.text()?.to_owned(),
            size: item.get("size")?.uint()?,
            lost: Digest::from_hex(item.get("lost")?.text()?)?,
        })
    }

    /// The new epoch that an own entry of the ledger begins, in a commit behind `size` entries.
    #[must_use]
    pub fn begun(size: TreeSize, body: &Body<'_>) -> Option<Self> {
        let is_own = body.signer() == LEDGER_SIGNER && body.kind() == Kind::LedgerIncident;
        (is_own && body.text("code") == Some(NEW_EPOCH)).then(|| Self {
            origin: body.text("registry.origin").unwrap_or_default().to_owned(),
            size: size.0,
            lost: named(body.text("registry.lost").unwrap_or(NO_MARK)),
        })
    }
}

/// `registry.lost` of the entry that begins an epoch: the text of the lost mark, or its digest where the text is too
/// long or would read as something else.
#[must_use]
pub fn lost_mark(text: Option<&str>) -> String {
    let Some(text) = text else { return NO_MARK.to_owned() };
    let digest = Digest(sha256(text.as_bytes()));
    if text.len() <= LOST_MARK_BYTES_MAX && named(text) == digest {
        text.to_owned()
    } else {
        format!("{BY_DIGEST}{digest}")
    }
}

/// The digest of the mark that `lost` names.
fn named(lost: &str) -> Digest {
    let digest = lost.strip_prefix(BY_DIGEST).and_then(Digest::from_hex);
    let text = if lost == NO_MARK { "" } else { lost };
    digest.unwrap_or_else(|| Digest(sha256(text.as_bytes())))
}

/// Who agrees to a new epoch, judged by the registry as of where the old one ended.
#[derive(Clone, Debug)]
pub struct Agreement {
    registry: Registry,
    epoch: Epoch,
    operators: BTreeSet<String>,
}

impl Agreement {
    /// Nobody yet; `None` where operators do not have to agree.
    #[must_use]
    pub fn to(epoch: Epoch, registry: &Registry) -> Option<Self> {
        let needed = registry.quorum() > 1;
        needed.then(|| Self { registry: registry.clone(), epoch, operators: BTreeSet::new() })
    }

    /// Takes in what was accepted with the new epoch: a proposal of this very one counts for its operator, if the key
    /// that signed it is valid at this time.
    pub fn take(&mut self, body: &Body<'_>, kid: &Kid, at: Micros) {
        let is_own = self.registry.key(kid).is_some_and(|record| record.signer == body.signer());
        let agrees = Epoch::proposed(body).as_ref() == Some(&self.epoch);
        if agrees && is_own && self.registry.permits(body, kid, at).is_ok() {
            self.operators.insert(body.signer().to_owned());
        }
    }

    /// What they agree to.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// So many operators have to agree.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.registry.quorum()
    }

    /// So many do.
    #[must_use]
    pub fn found(&self) -> u64 {
        u64::try_from(self.operators.len()).unwrap_or(u64::MAX)
    }

    /// Whether enough do.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found() >= self.needed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_mark_says_its_digest_is_read_back() {
        let digest = |text: &str| Digest(sha256(text.as_bytes()));
        let long = "x".repeat(LOST_MARK_BYTES_MAX + 1);
        let by_digest = format!("{BY_DIGEST}{}", digest("another"));
        for text in ["host/acme\n5\nroot\n", "", "sha256:no digest"] {
            assert_eq!(lost_mark(Some(text)), text);
        }
        for text in [NO_MARK, long.as_str(), by_digest.as_str()] {
            assert_eq!(lost_mark(Some(text)), format!("{BY_DIGEST}{}", digest(text)));
            assert_eq!(named(&lost_mark(Some(text))), digest(text));
        }
        assert_eq!(named(&lost_mark(None)), digest(""));
    }
}
