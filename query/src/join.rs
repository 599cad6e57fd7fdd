//! Which entries make up one step: an intent with its verdicts, approvals, outcome and witnesses.
//!
//! What belongs together says so itself, and names the same agent, by whichever of its names: by causes, by the approval
//! asked for, by the vendor's reference or the call's id. Joined is what the findings engine joins, too: see
//! `schemas::account`.

use schemas::account::Account;
use schemas::id::Index;
use schemas::kind::Kind;
use schemas::map::Map;

use crate::mentions::{AgentNumber, ById, IdNumber, Mention, Mentions};
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
pub(crate) fn groups(nodes: &[Node<'_>], mentions: &Mentions, order: &[usize]) -> Vec<Vec<usize>> {
    let mut join = Join::over(nodes.len(), mentions);
    for (place, node) in nodes.iter().enumerate() {
        if node.kind.is_some_and(stands_alone) {
            join.groups.push(Group { places: vec![place], ..Group::default() });
        }
    }
    for (place, node, mention) in in_turn(nodes, mentions) {
        join.add(place, node, mention);
    }
    let rank =
        |group: &Vec<usize>| group.iter().filter_map(|place| order.get(*place)).min().copied();
    let mut groups: Vec<_> = join.groups.into_iter().map(|group| group.places).collect();
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_by_key(rank);
    groups
}

/// The parts of actions in the order in which they are joined, with their places.
fn in_turn<'n>(
    nodes: &'n [Node<'n>],
    mentions: &'n Mentions,
) -> impl Iterator<Item = (usize, &'n Node<'n>, Mention<'n>)> {
    let parts = nodes.iter().zip(mentions.each()).enumerate();
    let turn = |(place, (node, mention)): (usize, (&'n Node<'n>, _))| {
        let part = PARTS.iter().position(|part| node.is(*part))?;
        // A refused twin must not take the place of the entry that was accepted.
        Some(((part, !node.accepted()), (place, node, mention)))
    };
    let mut parts: Vec<_> = parts.filter_map(turn).collect();
    parts.sort_by_key(|(turn, _)| *turn);
    parts.into_iter().map(|(_, part)| part)
}

/// Entries that are joined.
#[derive(Default)]
struct Group {
    places: Vec<usize>,
    /// The agent whose action it is, where an entry of it names one.
    agent: Option<AgentNumber>,
    /// Where its intent is.
    intended: Option<Index>,
}

/// Groups by the ids under which others cite them.
struct Cited {
    /// The first of all.
    first: ById<Option<usize>>,
    /// The first of each agent's actions, since an id is its signer's alone and anybody may cite it.
    own: Map<(IdNumber, AgentNumber), usize>,
}

impl Cited {
    fn of(mentions: &Mentions) -> Self {
        Self { first: mentions.by_id(), own: Map::default() }
    }

    fn enter(&mut self, id: IdNumber, agent: Option<AgentNumber>, group: usize) {
        let first = self.first.get(id);
        self.first.set(id, first.or(Some(group)));
        if let Some(agent) = agent {
            self.own.entry((id, agent)).or_insert(group);
        }
    }
}

struct Join<'n> {
    mentions: &'n Mentions,
    groups: Vec<Group>,
    intents: Cited,
    members: Cited,
    /// By agent and vendor's reference or call id: where it was told first, and the group.
    calls: Map<(&'n str, &'n str), (Index, usize)>,
}

impl<'n> Join<'n> {
    fn over(count: usize, mentions: &'n Mentions) -> Self {
        let [intents, members] = [Cited::of(mentions), Cited::of(mentions)];
        let groups = Vec::with_capacity(count);
        Self { mentions, groups, intents, members, calls: Map::default() }
    }

    fn add(&mut self, place: usize, node: &'n Node<'n>, mention: Mention<'_>) {
        let account = node.account();
        // Where it is an agent's account, it is that of the agent that the entry is of.
        let agent = account.agent().and(mention.agent);
        let found = match account {
            Account::Nobody => None,
            _ => self.group_of(node, mention, agent),
        };
        let number = found.unwrap_or(self.groups.len());
        if number == self.groups.len() {
            self.groups.push(Group::default());
        }
        let Some(group) = self.groups.get_mut(number) else { return };
        group.places.push(place);
        group.agent = group.agent.or(agent);
        // What is nobody's account stands alone, whatever cites it.
        if account != Account::Nobody {
            self.register(number, node, mention);
        }
    }

    fn group_of(
        &self,
        node: &'n Node<'n>,
        mention: Mention<'_>,
        agent: Option<AgentNumber>,
    ) -> Option<usize> {
        if node.is(Kind::ActionIntent) {
            return None;
        }
        let by = |cited: &Cited, ids: &[IdNumber]| {
            ids.iter().find_map(|id| self.cited(cited, *id, agent))
        };
        by(&self.intents, mention.causes)
            .or_else(|| by(&self.members, mention.causes))
            .or_else(|| by(&self.members, mention.request.as_slice()))
            .or_else(|| calls(node).find_map(|call| Some(self.calls.get(&call)?.1)))
            .filter(|group| !self.is_ahead(node, *group))
    }

    /// Whether somebody agreed before there was an intent: what was asked can cite an id before it is used.
    fn is_ahead(&self, node: &Node<'_>, group: usize) -> bool {
        let intended = self.groups.get(group).and_then(|group| group.intended);
        node.is(Kind::ApprovalDecided) && intended.is_some_and(|intended| node.index < intended)
    }

    /// The group that is cited by this id, if it is of the same agent, or of none yet.
    fn cited(&self, cited: &Cited, id: IdNumber, agent: Option<AgentNumber>) -> Option<usize> {
        let first = cited.first.get(id)?;
        let Some(agent) = agent else { return Some(first) };
        let is_nobodys = |group: &usize| self.groups.get(*group).is_some_and(|g| g.agent.is_none());
        let own = cited.own.get(&(id, agent)).copied();
        own.or_else(|| Some(first).filter(is_nobodys))
    }

    fn register(&mut self, number: usize, node: &'n Node<'n>, mention: Mention<'_>) {
        let Some(group) = self.groups.get_mut(number) else { return };
        if node.is(Kind::ActionIntent) {
            group.intended = Some(node.index);
            if let Some(id) = mention.id {
                self.intents.enter(id, group.agent, number);
            }
        } else {
            // What cites the same unknown cause belongs together.
            let unknown = mention.causes.iter().filter(|id| !self.mentions.is_there(**id));
            for id in unknown.copied().chain(mention.id).chain(mention.request) {
                self.members.enter(id, group.agent, number);
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
