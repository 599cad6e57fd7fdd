//! New epochs: whether the operators who had to agree to one did, in the commit that begins it.

use schemas::body::Body;
use schemas::id::{Index, Kid, TreeSize};
use schemas::leaf::Leaf;
use schemas::registry::{Agreement, Epoch, Registry};

use super::Fault;
use super::derived::Wrong;
use crate::store::ColumnFamily;

/// The new epoch that a commit begins, if operators had to agree to it.
#[derive(Default)]
pub(super) struct EpochBegun(Option<(Index, Agreement)>);

impl EpochBegun {
    /// Takes in the next accepted entry of a commit behind `before` entries; what was wrong with an epoch before it.
    pub(super) fn take(
        &mut self,
        before: TreeSize,
        leaf: &Leaf,
        body: &Body<'_>,
        kid: Option<Kid>,
        registry: &Registry,
    ) -> Option<Wrong> {
        if let Some(epoch) = Epoch::begun(before, body) {
            let wrong = self.end();
            self.0 = Agreement::to(epoch, registry).map(|agreement| (leaf.index, agreement));
            return wrong;
        }
        if let (Some((_, agreement)), Some(kid)) = (self.0.as_mut(), kid) {
            agreement.take(body, &kid, leaf.received_at);
        }
        None
    }

    /// What is wrong with it when nothing of its commit follows.
    pub(super) fn end(&mut self) -> Option<Wrong> {
        let (index, agreement) = self.0.take().filter(|(_, agreement)| !agreement.holds())?;
        let fault = Fault::NotAgreed { needed: agreement.needed(), found: agreement.found() };
        Some((ColumnFamily::Leaves, index, fault))
    }
}
