//! Edges between entries of a workflow: cause, approval, delegation, spawn. And their causal order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schemas::id::{EventId, SessionId};
use schemas::kind::Kind;
use schemas::map::Map;
use serde::Serialize;

use crate::mentions::{AgentNumber, ById, IdNumber, Mention, Mentions};
use crate::node::Node;

/// What leads from one entry to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EdgeKind {
    Cause,
    Approval,
    Delegation,
    Spawn,
}

/// An edge between places in the list of nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    pub(crate) from: usize,
    pub(crate) kind: EdgeKind,
}

impl Edge {
    /// The edge between the entries at its places.
    pub(crate) fn view(self, nodes: &[Node<'_>]) -> Option<EdgeView> {
        let index = |place: usize| nodes.get(place).map(|node| node.index.0);
        Some(EdgeView { from: index(self.from)?, to: index(self.to)?, kind: self.kind })
    }
}

/// An edge as JSON, between indexes.
#[derive(Debug, Serialize)]
pub(crate) struct EdgeView {
    from: u64,
    to: u64,
    kind: EdgeKind,
}

/// Who is where: the accepted entry before a refused one, the first before later ones.
struct Places {
    ids: Events,
    requests: Events,
    grants: Map<EventId, usize>,
    sessions: Map<SessionId, usize>,
}

impl Places {
    fn of(nodes: &[Node<'_>], mentions: &Mentions) -> Self {
        let requested = |node: &Node<'_>, mention: Mention<'_>| {
            mention.request.filter(|_| node.is(Kind::ApprovalRequested))
        };
        Self {
            ids: Events::of(nodes, mentions, |_, mention| mention.id),
            requests: Events::of(nodes, mentions, requested),
            grants: by_name(nodes, &|node| {
                let grant = node.grant.as_ref().filter(|_| node.is(Kind::DelegationGranted));
                grant.map(|grant| grant.id)
            }),
            sessions: by_name(nodes, &|node| node.session.filter(|_| node.is(Kind::SessionStart))),
        }
    }
}

/// Places by an id, which is its signer's alone.
struct Events {
    /// The first accepted entry with it, and the first refused one.
    first: ById<[Option<usize>; 2]>,
    /// The same of each agent, by whether it was accepted.
    own: Map<(IdNumber, AgentNumber, bool), usize>,
}

impl Events {
    fn of(
        nodes: &[Node<'_>],
        mentions: &Mentions,
        id: impl Fn(&Node<'_>, Mention<'_>) -> Option<IdNumber>,
    ) -> Self {
        let (mut first, mut own) = (mentions.by_id::<[Option<usize>; 2]>(), Map::default());
        for ((place, node), mention) in nodes.iter().enumerate().zip(mentions.each()) {
            let Some(id) = id(node, mention) else { continue };
            let [accepted, refused] = first.get(id);
            first.set(
                id,
                match node.accepted() {
                    true => [accepted.or(Some(place)), refused],
                    false => [accepted, refused.or(Some(place))],
                },
            );
            if let Some(agent) = mention.agent {
                own.entry((id, agent, node.accepted())).or_insert(place);
            }
        }
        Self { first, own }
    }

    /// What an entry of this agent means by an id: an accepted one before any that was refused, of each its agent's own
    /// before the first.
    fn meant(&self, id: IdNumber, agent: Option<AgentNumber>) -> Option<usize> {
        let [accepted, refused] = self.first.get(id);
        let own = |is_accepted| self.own.get(&(id, agent?, is_accepted)).copied();
        accepted.map(|first| own(true).unwrap_or(first)).or_else(|| own(false).or(refused))
    }
}

fn by_name<T: std::hash::Hash + Eq>(
    nodes: &[Node<'_>],
    name: &dyn Fn(&Node<'_>) -> Option<T>,
) -> Map<T, usize> {
    let mut names = Map::default();
    for accepted in [true, false] {
        for (place, node) in nodes.iter().enumerate().filter(|(_, n)| n.accepted() == accepted) {
            if let Some(name) = name(node) {
                names.entry(name).or_insert(place);
            }
        }
    }
    names
}

/// Every edge, by the entry that it leads to.
pub(crate) fn edges(nodes: &[Node<'_>], mentions: &Mentions) -> Vec<Edge> {
    let places = Places::of(nodes, mentions);
    let mut edges = Vec::with_capacity(nodes.len());
    for ((to, node), mention) in nodes.iter().enumerate().zip(mentions.each()) {
        let decided = node.is(Kind::ApprovalDecided);
        let cause = if decided { EdgeKind::Approval } else { EdgeKind::Cause };
        let mut add = |from: Option<usize>, kind| match from {
            Some(from) if from != to => edges.push(Edge { to, from, kind }),
            _ => {}
        };
        let agent = mention.agent;
        for id in mention.causes {
            add(places.ids.meant(*id, agent), cause);
        }
        if let Some(request) = mention.request.filter(|_| decided) {
            let asked = places.requests.meant(request, agent);
            add(asked.or_else(|| places.ids.meant(request, agent)), cause);
        }
        let parent = node.grant.as_ref().and_then(|grant| grant.parent);
        for grant in node.hops.iter().flatten().chain(&parent) {
            add(places.grants.get(grant).copied(), EdgeKind::Delegation);
        }
        if let Some(parent) = node.parent_session.filter(|_| node.is(Kind::SessionStart)) {
            add(places.sessions.get(&parent).copied(), EdgeKind::Spawn);
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Rank of each node in causal order, ties by place. A circle of causes, which only its signers can
/// have made, stands by place after all that it does not depend on.
pub(crate) fn causal_order(count: usize, edges: &[Edge]) -> Vec<usize> {
    let mut waits = vec![0usize; count];
    let mut followers = vec![Vec::new(); count];
    for edge in edges {
        if let (Some(wait), Some(follower)) = (waits.get_mut(edge.to), followers.get_mut(edge.from))
        {
            *wait += 1;
            follower.push(edge.to);
        }
    }
    let free = waits.iter().enumerate().filter(|(_, wait)| **wait == 0).map(|(place, _)| place);
    let mut ready: BinaryHeap<_> = free.map(Reverse).collect();
    let mut ranks = vec![None; count];
    let mut next = 0;
    while let Some(Reverse(place)) = ready.pop() {
        if let Some(rank) = ranks.get_mut(place) {
            *rank = Some(next);
            next += 1;
        }
        for follower in followers.get(place).into_iter().flatten() {
            if let Some(wait) = waits.get_mut(*follower) {
                *wait -= 1;
                if *wait == 0 {
                    ready.push(Reverse(*follower));
                }
            }
        }
    }
    let ranked = ranks.into_iter().enumerate();
    ranked.map(|(place, rank)| rank.unwrap_or(count + place)).collect()
}

#[cfg(test)]
mod tests {
    use schemas::id::Index;
    use schemas::leaf::Status;
    use schemas::reject::Reason;

    use super::*;

    fn edges_of(nodes: &[Node<'_>]) -> Vec<Edge> {
        edges(nodes, &Mentions::of(nodes))
    }

    fn order(count: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
        let edge =
            |(from, to): &(usize, usize)| Edge { from: *from, to: *to, kind: EdgeKind::Cause };
        causal_order(count, &pairs.iter().map(edge).collect::<Vec<_>>())
    }

    #[test]
    fn an_id_is_the_agents_own_event_and_a_refused_one_where_no_other_is_there() {
        let id = EventId([1; 16]);
        let of = |agent: &'static str, is_accepted: bool| Node {
            agent: Some(agent),
            status: if is_accepted {
                Status::Accepted
            } else {
                Status::Rejected(Reason::Malformed)
            },
            ..Node::damaged(Index(0))
        };
        for (first, second, expected) in [
            (("b", true), ("a", true), 1),
            (("a", false), ("b", true), 1),
            (("b", false), ("a", true), 1),
            (("b", false), ("a", false), 1),
            (("b", true), ("c", true), 0),
        ] {
            let [first, second] =
                [first, second].map(|(agent, is_accepted)| of(agent, is_accepted));
            let citing = Node { causes: vec![id], ..of("a", true) };
            let events = [&first, &second].map(|node| Node { id: Some(id), ..node.clone() });
            let cause = Edge { to: 2, from: expected, kind: EdgeKind::Cause };
            assert_eq!(edges_of(&[&events[..], &[citing]].concat()), [cause]);
            let asks = [&first, &second].map(|node| Node {
                kind: Some(Kind::ApprovalRequested),
                request: Some(id),
                ..node.clone()
            });
            let decides =
                Node { kind: Some(Kind::ApprovalDecided), request: Some(id), ..of("a", true) };
            let approval = Edge { kind: EdgeKind::Approval, ..cause };
            assert_eq!(edges_of(&[&asks[..], &[decides]].concat()), [approval]);
        }
    }

    #[test]
    fn causes_come_first_and_circles_last() {
        assert_eq!(order(3, &[]), [0, 1, 2]);
        assert_eq!(order(3, &[(2, 0)]), [2, 0, 1], "the late cause of 0 stands before it");
        assert_eq!(order(4, &[(1, 2), (2, 1), (2, 3)]), [0, 5, 6, 7]);
    }
}
