//! Proposals: dangerous changes that several operators have to agree to.

use crate::body::Body;
use crate::deterministic::{Bounds, Item, decode};
use crate::id::{EventId, Index, Kid, Micros};
use crate::kind::{Kind, Role};
use crate::reject::Reject;

use super::epoch::Epoch;
use super::{KeyRecord, PrincipalRecord, Registry};

/// A proposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProposalRecord {
    /// The event that proposed it, which approvals cite.
    pub id: EventId,
    /// Who proposed it.
    pub by: String,
    /// Entry that proposed it.
    pub proposed: Index,
    /// When it was received: proposals do not wait for ever.
    pub proposed_at: Micros,
    /// So many operators have to approve.
    pub needed: u64,
    /// What then happens, encoded.
    pub operation: Vec<u8>,
    /// Operators that approved, with the entries in which they did.
    pub approvals: Vec<(String, Index)>,
    /// Entry from which on it is in force.
    pub in_force: Option<Index>,
}

/// What a proposal proposes.
pub(super) enum Operation<'a> {
    /// So many operators have to agree from then on.
    Quorum(u64),
    /// The log goes on from an older state, as [`Epoch`] says.
    Epoch,
    /// A statement that an operator could have made alone before.
    Statement(Box<Body<'a>>),
}

/// The kind of the operation that sets how many operators have to agree.
pub const QUORUM: &str = "quorum";
/// The kind of the operation that lets a log go on from an older state.
pub const EPOCH: &str = "new_epoch";

impl<'a> Operation<'a> {
    /// Reads `registry.operation`, proposed by `body`.
    ///
    /// # Errors
    /// What is wrong with it, as if it had been said directly.
    pub(super) fn read(item: &Item<'a>, signer: &'a str, id: EventId) -> Result<Self, Reject> {
        let invalid =
            |path: &str, expected| super::invalid(&format!("registry.operation.{path}"), expected);
        if item.get("kind").and_then(Item::text) == Some(QUORUM) {
            let m = item.get("m").and_then(Item::uint).filter(|m| *m > 0);
            let m = m.ok_or_else(|| invalid("m", "a number of operators, at least 1"))?;
            return Ok(Self::Quorum(m));
        }
        if item.get("kind").and_then(Item::text) == Some(EPOCH) {
            let expected = "an origin, a size, and the digest of a lost mark";
            return Epoch::read(item)
                .map(|_sound| Self::Epoch)
                .ok_or_else(|| invalid("kind", expected));
        }
        let body = Body::operation(item, signer, id)?;
        let proposable = matches!(
            body.kind(),
            Kind::PrincipalRegistered
                | Kind::PrincipalDisabled
                | Kind::KeyEnrolled
                | Kind::KeyRotated
                | Kind::KeyRevoked
                | Kind::Redaction
        );
        if proposable {
            Ok(Self::Statement(Box::new(body)))
        } else {
            Err(invalid(
                "kind",
                "quorum, new_epoch, redaction, or a change of a principal or a key",
            ))
        }
    }
}

/// Calls `with` with an operation as it is kept.
pub(super) fn with_operation<T>(
    record: &ProposalRecord,
    with: impl FnOnce(Result<Operation<'_>, Reject>) -> T,
) -> T {
    match decode(&record.operation, Bounds::WIRE) {
        Ok(item) => with(Operation::read(&item, &record.by, record.id)),
        Err(_fault) => with(Err(super::invalid("registry.operation", "an operation"))),
    }
}

impl Registry {
    /// How many operators have to agree to a dangerous change; 1 if any may do it alone.
    #[must_use]
    pub fn quorum(&self) -> u64 {
        self.quorum.max(1)
    }

    /// Whether this operator's approval is the one that a proposal lacks. Approvals of operators who have left do not
    /// count, and it needs as many as are needed by now.
    pub(super) fn is_decided_by(&self, proposal: &ProposalRecord, operator: &str) -> bool {
        let counts = |name: &str| {
            let known = self.principals.get(name);
            known.is_some_and(|known| known.enabled && known.roles.contains(&Role::Operator))
        };
        let others = proposal.approvals.iter().filter(|(name, _)| name != operator && counts(name));
        let needed = proposal.needed.max(self.quorum());
        u64::try_from(others.count()).is_ok_and(|others| others + 1 >= needed)
    }

    /// Operators that are there, and have a key that is neither revoked nor ended at this time.
    #[must_use]
    pub fn operators(&self, at: Micros) -> u64 {
        let active = self.principals.keys().filter(|id| self.operates(id, None, at));
        u64::try_from(active.count()).unwrap_or(u64::MAX)
    }

    /// Whether somebody is an operator with a key that is neither revoked nor ended, another one than `lost`.
    pub(super) fn operates(&self, id: &str, lost: Option<&Kid>, at: Micros) -> bool {
        let is_one = |p: &PrincipalRecord| p.enabled && p.roles.contains(&Role::Operator);
        self.principals.get(id).is_some_and(is_one) && self.has_key(id, lost, at)
    }

    fn has_key(&self, id: &str, lost: Option<&Kid>, at: Micros) -> bool {
        let lives = |(kid, key): (&Kid, &KeyRecord)| {
            let ends = key.revoked.is_some() || key.is_over(at);
            key.signer == id && !ends && Some(kid) != lost
        };
        self.keys.iter().any(lives)
    }

    /// Whether an operator may not do this alone once there is a quorum: what touches operators, and erasure.
    pub(super) fn is_dangerous(&self, body: &Body<'_>) -> bool {
        let operator = |path: &str| {
            body.text(path).is_some_and(|id| {
                self.principals.get(id).is_some_and(|p| p.roles.contains(&Role::Operator))
            })
        };
        match body.kind() {
            Kind::Redaction => true,
            Kind::PrincipalRegistered => {
                let roles = body.list("registry.roles");
                let becomes = roles.iter().any(|role| role.text() == Some(Role::Operator.as_str()));
                becomes || operator("registry.id")
            }
            Kind::PrincipalDisabled => operator("registry.id"),
            Kind::KeyEnrolled | Kind::KeyRotated | Kind::KeyRevoked => operator("registry.signer"),
            _ => false,
        }
    }
}
