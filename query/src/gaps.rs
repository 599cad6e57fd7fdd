//! What a workflow lacks, each shown as such.

use std::collections::BTreeMap;

use schemas::id::{EventId, Index, Micros, SessionId};
use schemas::json::{Time, Written};
use schemas::kind::Kind;
use schemas::limits::OUTCOME_S_MAX;
use serde::Serialize;

use crate::mentions::Mentions;
use crate::node::Node;
use crate::sequence::Missing;
use crate::steps::Step;

/// Something that should be there and is not.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Gap<'n> {
    /// Entries that were accepted under the workflow's name and are not among its nodes.
    Count { from: u64, to: u64 },
    /// A cause that is no entry of the ledger.
    UnknownCause { index: u64, cause: Written<EventId> },
    /// Numbers that a signer gave and the ledger does not hold.
    Sequence {
        signer: &'n str,
        session: Written<SessionId>,
        from: u64,
        to: u64,
        /// The signer says itself that it lost them.
        declared: bool,
        /// False where the session was too long to look through.
        checked: bool,
    },
    /// A hop that acts under no grant, or one that was not given before.
    UndeclaredDelegation { index: u64, grant: Option<Written<EventId>>, granted: Option<u64> },
    /// An action that was allowed and never ended.
    NoOutcome {
        step: usize,
        index: u64,
        since: Time,
        /// False where a verdict, a decision or an outcome of the agent is erased: it may be of this action.
        checked: bool,
    },
}

/// Holes in the ordinals that the leaves carry. What may follow the last one is not known here.
pub(crate) fn of_counts(nodes: &[Node<'_>]) -> Vec<Gap<'static>> {
    let mut expected = 1;
    let mut holes = Vec::new();
    for node in nodes.iter().filter(|node| node.accepted() && !node.joined) {
        let ordinal = node.counts.correlation;
        if ordinal > expected {
            holes.push(Gap::Count { from: expected, to: ordinal - 1 });
        }
        expected = ordinal.saturating_add(1).max(expected);
    }
    holes
}

/// Causes that are no entry of the ledger.
pub(crate) fn of_causes(nodes: &[Node<'_>], mentions: &Mentions) -> Vec<Gap<'static>> {
    let mut gaps = Vec::new();
    for (node, mention) in nodes.iter().zip(mentions.each()).filter(|(node, _)| node.accepted()) {
        let causes = node.causes.iter().zip(mention.causes);
        let unknown = causes.filter(|(_, id)| !mentions.is_there(**id));
        gaps.extend(
            unknown.map(|(cause, _)| Gap::UnknownCause {
                index: node.index.0,
                cause: Written(*cause),
            }),
        );
    }
    gaps
}

/// Entries with such a cause, each once.
pub(crate) fn orphans(gaps: &[Gap<'_>]) -> Vec<u64> {
    let orphan = |gap: &Gap<'_>| match gap {
        Gap::UnknownCause { index, .. } => Some(*index),
        _ => None,
    };
    let mut orphans: Vec<_> = gaps.iter().filter_map(orphan).collect();
    orphans.dedup();
    orphans
}

/// Actions that were allowed and never ended.
pub(crate) fn of_outcomes(
    nodes: &[Node<'_>],
    steps: &[Step<'_>],
    now: Micros,
) -> Vec<Gap<'static>> {
    let patience = OUTCOME_S_MAX.saturating_mul(1_000_000);
    let overdue = |since: &Micros| now.0 >= since.0.saturating_add(patience);
    let erased: Vec<_> = nodes.iter().filter(|node| is_end_erased(node)).collect();
    let gap = |step: &Step<'_>| {
        let since = Time(step.open_since().filter(overdue)?);
        let first = step.first();
        let of =
            |node: &Node<'_>| node.known_agent().is_none_or(|own| first.known_agent() == Some(own));
        let checked = !erased.iter().copied().any(|node| node.index > first.index && of(node));
        Some(Gap::NoOutcome { step: step.n, index: first.index.0, since, checked })
    };
    steps.iter().filter_map(gap).collect()
}

/// Whether it ended an action or kept one from running, and does not say any more which.
fn is_end_erased(node: &Node<'_>) -> bool {
    let ends = [Kind::GateVerdict, Kind::ApprovalDecided, Kind::ActionOutcome];
    node.erased && node.accepted() && ends.iter().any(|kind| node.is(*kind))
}

/// Hops that act under a grant which the ledger does not hold, or did not hold yet.
///
/// `grants` tells at which entry each grant was given.
pub(crate) fn of_delegations(
    nodes: &[Node<'_>],
    grants: &BTreeMap<EventId, Index>,
) -> Vec<Gap<'static>> {
    let mut gaps = Vec::new();
    for node in nodes.iter().filter(|node| node.accepted()) {
        for grant in &node.hops {
            let granted = grant.and_then(|grant| grants.get(&grant));
            if granted.is_none_or(|granted| *granted > node.index) {
                gaps.push(Gap::UndeclaredDelegation {
                    index: node.index.0,
                    grant: grant.map(Written),
                    granted: granted.map(|index| index.0),
                });
            }
        }
    }
    gaps
}

/// Numbers that signers gave and the ledger does not hold.
pub(crate) fn of_sequences(missing: &[Missing]) -> impl Iterator<Item = Gap<'_>> {
    missing.iter().map(|missing| Gap::Sequence {
        signer: &missing.signer,
        session: Written(missing.session),
        from: missing.from,
        to: missing.to,
        declared: missing.declared,
        checked: missing.checked,
    })
}
