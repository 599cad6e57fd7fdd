//! How long a workflow took, and why: which entry each one rested on last, and the chain of those from the first entry to the last.
//!
//! Every time is the ledger's, of receipt; what agents say of theirs decides nothing.

use std::collections::BTreeMap;

use schemas::id::SessionId;
use schemas::json::Time;
use schemas::kind::Kind;
use schemas::map::Map;
use serde::Serialize;

use crate::edges::{Edge, EdgeKind};
use crate::join::PARTS;
use crate::node::Node;

/// Why an entry could not come before another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Cause,
    Approval,
    Delegation,
    Spawn,
    /// An earlier part of the same step: the verdict before the outcome.
    Step,
    /// The same signer's entry before, in the same session.
    Order,
}

impl From<EdgeKind> for Reason {
    fn from(kind: EdgeKind) -> Self {
        match kind {
            EdgeKind::Cause => Self::Cause,
            EdgeKind::Approval => Self::Approval,
            EdgeKind::Delegation => Self::Delegation,
            EdgeKind::Spawn => Self::Spawn,
        }
    }
}

/// The workflow's time as JSON; durations are in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Timing<'n> {
    began: Option<Time>,
    ended: Option<Time>,
    us: u64,
    critical_path: Vec<Hop<'n>>,
    waits: Vec<Wait<'n>>,
}

/// An entry of the critical path: `us` after the one before, and all that time at its signer's.
#[derive(Debug, Serialize)]
struct Hop<'n> {
    index: u64,
    step: Option<usize>,
    signer: Option<&'n str>,
    us: u64,
    on: Option<Reason>,
}

/// From its entry `from` on, `who` had to wait for entry `until` of `for`, before it went on with `then`.
#[derive(Debug, Serialize)]
struct Wait<'n> {
    who: &'n str,
    #[serde(rename = "for")]
    whom: &'n str,
    from: u64,
    until: u64,
    then: u64,
    us: u64,
    on: Reason,
}

/// The time of `nodes`, which stand in the log's order; `groups` are the places of each step.
pub(crate) fn timing<'n>(
    nodes: &'n [Node<'n>],
    edges: &[Edge],
    groups: &[Vec<usize>],
) -> Timing<'n> {
    let last = last_needed(nodes, edges, groups);
    let clock = Clock { nodes, last, steps: steps(nodes.len(), groups) };
    let ends = || nodes.iter().filter(|node| counts(node));
    let (first, last) = (ends().next(), ends().next_back());
    let span = first.zip(last).map(|(first, last)| last.received_at.0 - first.received_at.0);
    Timing {
        began: first.map(|node| Time(node.received_at)),
        ended: last.map(|node| Time(node.received_at)),
        us: span.unwrap_or_default(),
        critical_path: clock.critical_path(),
        waits: clock.waits(),
    }
}

/// What happened: not what was refused, nor what the ledger itself remarks on it.
fn counts(node: &Node<'_>) -> bool {
    node.accepted() && !node.is(Kind::Finding) && !node.is(Kind::Delivery) && node.kind.is_some()
}

/// The last place before another without which that could not have come, and why.
type Needed = Option<(usize, Reason)>;

/// What is needed at each place.
fn last_needed(nodes: &[Node<'_>], edges: &[Edge], groups: &[Vec<usize>]) -> Vec<Needed> {
    let mut last: Vec<Needed> = vec![None; nodes.len()];
    let is_there: Vec<_> = nodes.iter().map(counts).collect();
    let is_there = |place: usize| is_there.get(place).is_some_and(|is_there| *is_there);
    let mut need = |to: usize, from: usize, reason| {
        if from < to
            && is_there(from)
            && is_there(to)
            && let Some(known) = last.get_mut(to)
            && known.is_none_or(|(known, _)| from > known)
        {
            *known = Some((from, reason));
        }
    };
    for edge in edges {
        need(edge.to, edge.from, edge.kind.into());
    }
    for group in groups {
        for (to, from) in parts(nodes, group) {
            need(to, from, Reason::Step);
        }
    }
    for (to, from) in turns(nodes) {
        need(to, from, Reason::Order);
    }
    last
}

/// For each entry of a step, the last one before it that is an earlier part of an action.
fn parts(nodes: &[Node<'_>], group: &[usize]) -> Vec<(usize, usize)> {
    let part = |place: usize| {
        let kind = nodes.get(place)?.kind?;
        PARTS.iter().position(|part| *part == kind)
    };
    let mut found = Vec::new();
    // The last place of each part so far.
    let mut reached = [None; PARTS.len()];
    for place in group.iter().copied() {
        let Some(rank) = part(place) else { continue };
        let before = reached.iter().take(rank).filter_map(|place| *place).max();
        found.extend(before.map(|before| (place, before)));
        if let Some(reached) = reached.get_mut(rank) {
            *reached = Some(place);
        }
    }
    found
}

/// For each entry, the one before it of the same signer in the same session.
fn turns(nodes: &[Node<'_>]) -> Vec<(usize, usize)> {
    let mut before: Map<(&str, SessionId), usize> = Map::default();
    let mut found = Vec::new();
    for (place, node) in nodes.iter().enumerate().filter(|(_, node)| counts(node)) {
        if let (Some(signer), Some(session)) = (node.signer, node.session) {
            found.extend(before.insert((signer, session), place).map(|before| (place, before)));
        }
    }
    found
}

/// The number of the step at each place, from 1.
fn steps(count: usize, groups: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut steps = vec![None; count];
    for (n, places) in (1..).zip(groups) {
        for place in places {
            if let Some(step) = steps.get_mut(*place) {
                *step = Some(n);
            }
        }
    }
    steps
}

struct Clock<'n> {
    nodes: &'n [Node<'n>],
    last: Vec<Needed>,
    steps: Vec<Option<usize>>,
}

impl<'n> Clock<'n> {
    fn needed(&self, place: usize) -> Needed {
        self.last.get(place).copied().flatten()
    }

    fn us(&self, from: usize, to: usize) -> u64 {
        let at = |place: usize| self.nodes.get(place).map_or(0, |node| node.received_at.0);
        at(to).saturating_sub(at(from))
    }

    /// From the last entry back over what each rested on last, then turned round.
    fn critical_path(&self) -> Vec<Hop<'n>> {
        let mut path = Vec::new();
        let mut at = self.nodes.iter().rposition(counts);
        while let Some(place) = at {
            let needed = self.needed(place);
            if let Some(node) = self.nodes.get(place) {
                path.push(Hop {
                    index: node.index.0,
                    step: self.steps.get(place).copied().flatten(),
                    signer: node.signer,
                    us: needed.map_or(0, |(from, _)| self.us(from, place)),
                    on: needed.map(|(_, reason)| reason),
                });
            }
            at = needed.map(|(from, _)| from);
        }
        path.reverse();
        path
    }

    /// Where an entry rested on somebody else's, which came after the signer's own one before.
    fn waits(&self) -> Vec<Wait<'n>> {
        let mut own: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut waits = Vec::new();
        for (then, node) in self.nodes.iter().enumerate().filter(|(_, node)| counts(node)) {
            let Some(who) = node.signer else { continue };
            let before = own.entry(who).or_default();
            waits.extend(self.wait(who, then, before));
            before.push(then);
        }
        waits
    }

    fn wait(&self, who: &'n str, then: usize, own: &[usize]) -> Option<Wait<'n>> {
        let (until, on) = self.needed(then)?;
        let [until_node, then_node] = [self.nodes.get(until)?, self.nodes.get(then)?];
        let whom = until_node.signer.filter(|whom| *whom != who)?;
        let earlier = own.partition_point(|place| *place < until).checked_sub(1)?;
        let from = *own.get(earlier)?;
        Some(Wait {
            who,
            whom,
            from: self.nodes.get(from)?.index.0,
            until: until_node.index.0,
            then: then_node.index.0,
            us: self.us(from, until),
            on,
        })
    }
}
