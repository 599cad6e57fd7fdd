//! Which entries make up one step: an intent with its verdicts, approvals, outcome and witnesses.
//!
//! What belongs together says so itself: by causes, by the approval asked for, and for the same agent by
//! the vendor's reference or the call's id.

use std::collections::{HashMap, HashSet};

use schemas::id::EventId;
use schemas::kind::Kind;

use crate::node::Node;

/// The parts of an action, in the order in which they are joined: each may cite the ones before.
pub(crate) const PARTS: [Kind; 6] = [
    Kind::ActionIntent,
    Kind::GateVerdict,
    Kind::ApprovalRequested,
    Kind::ApprovalDecided,
    Kind::ActionOutcome,
    Kind::WitnessObserved,
];

/// Kinds that are a step each.
fn stands_alone(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::TriggerObserved
            | Kind::DelegationGranted
            | Kind::DelegationRevoked
            | Kind::ScopeRequested
            | Kind::AuthzTransition
            | Kind::AgentSuspended
            | Kind::AgentDisabled
            | Kind::AgentEnabled
            | Kind::AgentRetired
    )
}

/// Places in `nodes` that make up each step, in causal order, ties by index.
pub(crate) fn groups(nodes: &[Node], order: &[usize]) -> Vec<Vec<usize>> {
    let mut join = Join::default();
    join.known.extend(nodes.iter().filter_map(|node| node.id));
    for (place, node) in nodes.iter().enumerate() {
        if node.kind.is_some_and(stands_alone) {
            join.groups.push(vec![place]);
        }
    }
    for part in PARTS {
        // A refused twin must not take the place of the entry that was accepted.
        for accepted in [true, false] {
            for (place, node) in nodes.iter().enumerate() {
                if node.is(part) && node.accepted() == accepted {
                    join.add(place, node);
                }
            }
        }
    }
    let rank =
        |group: &Vec<usize>| group.iter().filter_map(|place| order.get(*place)).min().copied();
    join.groups.iter_mut().for_each(|group| group.sort_unstable());
    join.groups.sort_by_key(rank);
    join.groups
}

#[derive(Default)]
struct Join<'n> {
    groups: Vec<Vec<usize>>,
    known: HashSet<EventId>,
    intents: HashMap<EventId, usize>,
    members: HashMap<EventId, usize>,
    /// By agent and vendor's reference or call id.
    calls: HashMap<(&'n str, &'n str), usize>,
}

impl<'n> Join<'n> {
    fn add(&mut self, place: usize, node: &'n Node) {
        let group = self.group_of(node).unwrap_or(self.groups.len());
        match self.groups.get_mut(group) {
            Some(members) => members.push(place),
            None => self.groups.push(vec![place]),
        }
        self.register(group, node);
    }

    fn group_of(&self, node: &Node) -> Option<usize> {
        if node.is(Kind::ActionIntent) {
            return None;
        }
        let by = |map: &HashMap<EventId, usize>, ids: &[EventId]| {
            ids.iter().find_map(|id| map.get(id).copied())
        };
        let asked: Vec<_> = node.request.into_iter().collect();
        by(&self.intents, &node.causes)
            .or_else(|| by(&self.members, &node.causes))
            .or_else(|| by(&self.members, &asked))
            .or_else(|| calls(node).find_map(|call| self.calls.get(&call).copied()))
    }

    fn register(&mut self, group: usize, node: &'n Node) {
        if node.is(Kind::ActionIntent) {
            node.id.map(|id| *self.intents.entry(id).or_insert(group));
        } else {
            // What cites the same unknown cause belongs together.
            let unknown = node.causes.iter().filter(|cause| !self.known.contains(cause));
            for id in unknown.chain(&node.id).chain(&node.request) {
                self.members.entry(*id).or_insert(group);
            }
        }
        if node.accepted() {
            for call in calls(node) {
                self.calls.entry(call).or_insert(group);
            }
        }
    }
}

/// Names under which another agent's entries must not join: they are anybody's to claim.
fn calls(node: &Node) -> impl Iterator<Item = (&str, &str)> {
    let names = [node.external_ref.as_deref(), node.call_id.as_deref()];
    let agent = node.agent.as_deref();
    names.into_iter().flatten().filter_map(move |name| Some((agent?, name)))
}
