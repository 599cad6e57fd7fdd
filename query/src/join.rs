//! Which entries make up one step: an intent with its verdicts, approvals, outcome and witnesses.
//!
//! What belongs together says so itself, and names the same agent, by whichever of its names: by causes, by the approval
//! asked for, by the vendor's reference or the call's id. Joined is what the findings engine joins, too: see
//! `schemas::account`.

use schemas::account::Account;
use schemas::id::{EventId, Index};
use schemas::kind::Kind;
use schemas::map::{Map, Set};

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
pub(crate) fn groups(nodes: &[Node<'_>], order: &[usize]) -> Vec<Vec<usize>> {
    let mut join = Join::over(nodes);
    for (place, node) in nodes.iter().enumerate() {
        if node.kind.is_some_and(stands_alone) {
            join.groups.push(Group { places: vec![place], ..Group::default() });
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
    let mut groups: Vec<_> = join.groups.into_iter().map(|group| group.places).collect();
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_by_key(rank);
    groups
}

/// Entries that are joined.
#[derive(Default)]
struct Group<'n> {
    places: Vec<usize>,
    /// The agent whose action it is, where an entry of it names one.
    agent: Option<&'n str>,
    /// Where its intent is.
    intended: Option<Index>,
}

/// Groups by the ids under which others cite them, and by the agent whose action each is, since an id is its signer's
/// alone and anybody may cite it; under no agent the first of all.
type Cited<'n> = Map<(EventId, Option<&'n str>), usize>;

struct Join<'n> {
    groups: Vec<Group<'n>>,
    known: Set<EventId>,
    intents: Cited<'n>,
    members: Cited<'n>,
    /// By agent and vendor's reference or call id: where it was told first, and the group.
    calls: Map<(&'n str, &'n str), (Index, usize)>,
}

impl<'n> Join<'n> {
    fn over(nodes: &[Node<'_>]) -> Self {
        let cited = || Map::with_capacity_and_hasher(nodes.len(), Default::default());
        Self {
            groups: Vec::with_capacity(nodes.len()),
            known: nodes.iter().filter_map(|node| node.id).collect(),
            intents: cited(),
            members: cited(),
            calls: Map::default(),
        }
    }

    fn add(&mut self, place: usize, node: &'n Node<'n>) {
        let account = node.account();
        let number = self.group_of(node, account).unwrap_or(self.groups.len());
        if number == self.groups.len() {
            self.groups.push(Group::default());
        }
        let Some(group) = self.groups.get_mut(number) else { return };
        group.places.push(place);
        group.agent = group.agent.or(account.agent());
        // What is nobody's account stands alone, whatever cites it.
        if account != Account::Nobody {
            self.register(number, node);
        }
    }

    fn group_of(&self, node: &'n Node<'n>, account: Account<'n>) -> Option<usize> {
        if node.is(Kind::ActionIntent) || account == Account::Nobody {
            return None;
        }
        let by = |cited: &Cited<'n>, ids: &[EventId]| {
            ids.iter().find_map(|id| self.cited(cited, *id, account))
        };
        let asked: Vec<_> = node.request.into_iter().collect();
        by(&self.intents, &node.causes)
            .or_else(|| by(&self.members, &node.causes))
            .or_else(|| by(&self.members, &asked))
            .or_else(|| calls(node).find_map(|call| Some(self.calls.get(&call)?.1)))
            .filter(|group| !self.is_ahead(node, *group))
    }

    /// Whether somebody agreed before there was an intent: what was asked can cite an id before it is used.
    fn is_ahead(&self, node: &Node<'_>, group: usize) -> bool {
        let intended = self.groups.get(group).and_then(|group| group.intended);
        node.is(Kind::ApprovalDecided) && intended.is_some_and(|intended| node.index < intended)
    }

    /// The group that is cited by this id, if it is of the same agent, or of none yet.
    fn cited(&self, cited: &Cited<'n>, id: EventId, account: Account<'n>) -> Option<usize> {
        let first = cited.get(&(id, None)).copied();
        match account.agent() {
            Some(agent) => {
                let own = cited.get(&(id, Some(agent))).copied();
                let is_nobodys = |group: &Group<'_>| group.agent.is_none();
                own.or_else(|| {
                    first.filter(|group| self.groups.get(*group).is_some_and(is_nobodys))
                })
            }
            None => first,
        }
    }

    fn register(&mut self, number: usize, node: &'n Node<'n>) {
        let Some(group) = self.groups.get_mut(number) else { return };
        let agent = group.agent;
        let enter = |cited: &mut Cited<'n>, id: EventId| {
            for key in [(id, None), (id, agent)] {
                cited.entry(key).or_insert(number);
            }
        };
        if node.is(Kind::ActionIntent) {
            group.intended = Some(node.index);
            if let Some(id) = node.id {
                enter(&mut self.intents, id);
            }
        } else {
            // What cites the same unknown cause belongs together.
            let unknown = node.causes.iter().filter(|cause| !self.known.contains(cause));
            for id in unknown.chain(&node.id).chain(&node.request) {
                enter(&mut self.members, *id);
            }
        }
        if node.accepted() {
            for call in calls(node) {
                let told = (node.index, number);
                let first = self.calls.entry(call).or_insert(told);
                *first = told.min(*first);
            }
        }
    }
}

/// Names under which another agent's entries must not join: they are anybody's to claim.
fn calls<'n>(node: &'n Node<'n>) -> impl Iterator<Item = (&'n str, &'n str)> {
    let names = [node.external_ref, node.call_id];
    let agent = node.known_agent();
    names.into_iter().flatten().filter_map(move |name| Some((agent?, name)))
}
