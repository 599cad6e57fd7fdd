//! Sorts of entries: most rules are about one, and are not asked about others.

use super::view::View;
use crate::kind::Kind;

/// Sorts of entries, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sorts(u16);

impl Sorts {
    /// Every entry is of this one.
    pub(crate) const ALL: Self = Self(1);
    /// An intent, an outcome or what a witness saw.
    pub(crate) const ACTION: Self = Self(1 << 1);
    /// An action on which action rules run: see `View::is_judged`.
    pub(crate) const JUDGED: Self = Self(1 << 2);
    /// Something was done.
    pub(crate) const EXECUTION: Self = Self(1 << 3);
    /// An action uses a credential: see `View::uses_credential`.
    pub(crate) const USE: Self = Self(1 << 4);
    /// A service saw something.
    pub(crate) const WITNESS: Self = Self(1 << 5);
    /// A grant is given.
    pub(crate) const GRANT: Self = Self(1 << 6);
    /// A credential is registered.
    pub(crate) const CREDENTIAL: Self = Self(1 << 7);
    /// Action rules run on it, and something is wrong with its chain.
    pub(crate) const FAULTY: Self = Self(1 << 8);
    /// It is of another agent than who signs it.
    pub(crate) const FOREIGN: Self = Self(1 << 9);
    /// A session begins.
    pub(crate) const START: Self = Self(1 << 10);
    /// Its number in its session, or its link, is not the one that follows, or what was refused before is to be told.
    pub(crate) const DISORDER: Self = Self(1 << 11);
    /// It attests something.
    pub(crate) const ATTESTED: Self = Self(1 << 12);
    /// A contract is registered.
    pub(crate) const CONTRACT: Self = Self(1 << 13);
    /// Something is meant, or an intent is judged by a gate or an approver.
    pub(crate) const MEANT: Self = Self(1 << 14);

    /// These and others.
    pub(crate) const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether they have one in common.
    #[inline]
    pub(crate) const fn meet(self, others: Self) -> bool {
        self.0 & others.0 > 0
    }

    /// The sorts that an entry is of.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let facts = view.facts;
        let sorts = [
            (Self::JUDGED, view.is_judged),
            (Self::EXECUTION, facts.is_execution()),
            (Self::USE, view.uses_credential()),
            (Self::FAULTY, view.is_judged && !view.chain.is_sound()),
            (Self::FOREIGN, facts.agent.is_some_and(|agent| agent != facts.signer)),
            (Self::DISORDER, view.memory.is_out_of_order()),
            (Self::ATTESTED, facts.attestation.is_some()),
        ];
        let own = sorts.into_iter().filter(|(_, is_of)| *is_of);
        own.fold(Self::ALL.or(Self::of_kind(facts.kind)), |sorts, (sort, _)| sorts.or(sort))
    }

    fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::ActionIntent => Self::ACTION.or(Self::MEANT),
            Kind::ActionOutcome => Self::ACTION,
            Kind::WitnessObserved => Self::ACTION.or(Self::WITNESS),
            Kind::GateVerdict | Kind::ApprovalDecided => Self::MEANT,
            Kind::DelegationGranted => Self::GRANT,
            Kind::CredentialRegistered => Self::CREDENTIAL,
            Kind::SessionStart => Self::START,
            Kind::ContractRegistered => Self::CONTRACT,
            _ => Self::ALL,
        }
    }
}
