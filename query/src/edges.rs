//! Edges between entries of a workflow: cause, approval, delegation, spawn. And their causal order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use schemas::id::{EventId, SessionId};
use schemas::kind::Kind;
use serde::Serialize;

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
    pub(crate) fn view(self, nodes: &[Node]) -> Option<EdgeView> {
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
struct Places<'n> {
    /// With the agent that each is of, and with none the first of all: an id is its signer's alone.
    ids: HashMap<(EventId, Option<&'n str>), usize>,
    requests: HashMap<EventId, usize>,
    grants: HashMap<EventId, usize>,
    sessions: HashMap<SessionId, usize>,
}

impl<'n> Places<'n> {
    fn of(nodes: &'n [Node]) -> Self {
        let named = |name: &dyn Fn(&Node) -> Option<EventId>| by_name(nodes, name);
        Self {
            ids: by_id(nodes),
            requests: named(&|node| node.request.filter(|_| node.is(Kind::ApprovalRequested))),
            grants: named(&|node| {
                let grant = node.grant.as_ref().filter(|_| node.is(Kind::DelegationGranted));
                grant.map(|grant| grant.id)
            }),
            sessions: by_name(nodes, &|node| node.session.filter(|_| node.is(Kind::SessionStart))),
        }
    }
}

fn by_id(nodes: &[Node]) -> HashMap<(EventId, Option<&str>), usize> {
    let mut ids = HashMap::with_capacity(2 * nodes.len());
    for accepted in [true, false] {
        for (place, node) in nodes.iter().enumerate().filter(|(_, n)| n.accepted() == accepted) {
            if let Some(id) = node.id {
                ids.entry((id, None)).or_insert(place);
                ids.entry((id, node.known_agent())).or_insert(place);
            }
        }
    }
    ids
}

fn by_name<T: std::hash::Hash + Eq>(
    nodes: &[Node],
    name: &dyn Fn(&Node) -> Option<T>,
) -> HashMap<T, usize> {
    let mut names = HashMap::new();
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
pub(crate) fn edges(nodes: &[Node]) -> Vec<Edge> {
    let places = Places::of(nodes);
    let mut edges = Vec::with_capacity(nodes.len());
    for (to, node) in nodes.iter().enumerate() {
        let decided = node.is(Kind::ApprovalDecided);
        let cause = if decided { EdgeKind::Approval } else { EdgeKind::Cause };
        let mut add = |from: Option<&usize>, kind| match from {
            Some(from) if *from != to => edges.push(Edge { to, from: *from, kind }),
            _ => {}
        };
        let meant = |id: EventId| {
            let own = places.ids.get(&(id, node.known_agent()));
            own.or_else(|| places.ids.get(&(id, None)))
        };
        for id in &node.causes {
            add(meant(*id), cause);
        }
        if let Some(request) = node.request.filter(|_| decided) {
            add(places.requests.get(&request).or_else(|| meant(request)), cause);
        }
        let parent = node.grant.as_ref().and_then(|grant| grant.parent);
        for grant in node.hops.iter().flatten().chain(&parent) {
            add(places.grants.get(grant), EdgeKind::Delegation);
        }
        if let Some(parent) = node.parent_session.filter(|_| node.is(Kind::SessionStart)) {
            add(places.sessions.get(&parent), EdgeKind::Spawn);
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
    use super::*;

    fn order(count: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
        let edge =
            |(from, to): &(usize, usize)| Edge { from: *from, to: *to, kind: EdgeKind::Cause };
        causal_order(count, &pairs.iter().map(edge).collect::<Vec<_>>())
    }

    #[test]
    fn causes_come_first_and_circles_last() {
        assert_eq!(order(3, &[]), [0, 1, 2]);
        assert_eq!(order(3, &[(2, 0)]), [2, 0, 1], "the late cause of 0 stands before it");
        assert_eq!(order(4, &[(1, 2), (2, 1), (2, 3)]), [0, 5, 6, 7]);
    }
}
