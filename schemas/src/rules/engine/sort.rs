//! Sorts of entries: most rules are about one, and are not asked about others.

use super::view::View;
use crate::kind::Kind;

/// Sorts of entries, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sorts(u8);

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
        let kind = view.facts.kind;
        let sorts = [
            (Self::ACTION, kind.is_action()),
            (Self::JUDGED, view.is_judged),
            (Self::EXECUTION, view.facts.is_execution()),
            (Self::USE, view.uses_credential()),
            (Self::WITNESS, kind == Kind::WitnessObserved),
            (Self::GRANT, kind == Kind::DelegationGranted),
            (Self::CREDENTIAL, kind == Kind::CredentialRegistered),
        ];
        let own = sorts.into_iter().filter(|(_, is_of)| *is_of);
        own.fold(Self::ALL, |sorts, (sort, _)| sorts.or(sort))
    }
}
