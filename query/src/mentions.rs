//! What the entries of a workflow mention: ids and agents by small numbers. Each mention is hashed once, however often it is
//! asked for.

use std::hash::Hash;
use std::ops::Range;

use schemas::map::Map;

use crate::node::Node;

/// An id that some entry has or cites.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct IdNumber(usize);

/// An agent that some entry is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AgentNumber(usize);

/// What one entry mentions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mention<'m> {
    pub(crate) id: Option<IdNumber>,
    /// The approval asked for or decided.
    pub(crate) request: Option<IdNumber>,
    /// As the node's, in their order.
    pub(crate) causes: &'m [IdNumber],
    pub(crate) agent: Option<AgentNumber>,
}

/// What all of them mention.
#[derive(Debug)]
pub(crate) struct Mentions {
    entries: Vec<Entry>,
    causes: Vec<IdNumber>,
    /// Whether an entry has the id.
    is_there: ById<bool>,
}

#[derive(Debug)]
struct Entry {
    id: Option<IdNumber>,
    request: Option<IdNumber>,
    causes: Range<usize>,
    agent: Option<AgentNumber>,
}

impl Mentions {
    /// Of these nodes, by their places.
    pub(crate) fn of(nodes: &[Node<'_>]) -> Self {
        let (mut ids, mut agents) = (Map::default(), Map::default());
        // Mostly what is cited is here, too.
        ids.reserve(nodes.len());
        let mut entries = Vec::with_capacity(nodes.len());
        let mut causes = Vec::with_capacity(nodes.len());
        for node in nodes {
            let first = causes.len();
            causes.extend(node.causes.iter().map(|id| IdNumber(number(&mut ids, *id))));
            entries.push(Entry {
                id: node.id.map(|id| IdNumber(number(&mut ids, id))),
                request: node.request.map(|id| IdNumber(number(&mut ids, id))),
                causes: first..causes.len(),
                agent: node.known_agent().map(|agent| AgentNumber(number(&mut agents, agent))),
            });
        }
        let mut is_there = ById::of(ids.len());
        entries.iter().filter_map(|entry| entry.id).for_each(|id| is_there.set(id, true));
        Self { entries, causes, is_there }
    }

    /// What each entry mentions, by their places.
    pub(crate) fn each(&self) -> impl Iterator<Item = Mention<'_>> {
        self.entries.iter().map(|entry| {
            let causes = self.causes.get(entry.causes.clone()).unwrap_or_default();
            Mention { id: entry.id, request: entry.request, causes, agent: entry.agent }
        })
    }

    /// Whether an entry has this id.
    pub(crate) fn is_there(&self, id: IdNumber) -> bool {
        self.is_there.get(id)
    }

    /// Room for a value for each id.
    pub(crate) fn by_id<T: Copy + Default>(&self) -> ById<T> {
        ById::of(self.is_there.0.len())
    }
}

/// The number of what is mentioned: the next one, if it is the first time.
fn number<T: Hash + Eq>(known: &mut Map<T, usize>, mentioned: T) -> usize {
    let next = known.len();
    *known.entry(mentioned).or_insert(next)
}

/// A value for each id.
#[derive(Debug)]
pub(crate) struct ById<T>(Vec<T>);

impl<T: Copy + Default> ById<T> {
    fn of(count: usize) -> Self {
        Self(vec![T::default(); count])
    }

    pub(crate) fn get(&self, id: IdNumber) -> T {
        self.0.get(id.0).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, id: IdNumber, value: T) {
        if let Some(place) = self.0.get_mut(id.0) {
            *place = value;
        }
    }
}
