//! Workflows that a workflow is linked with: what caused it and what it caused elsewhere, what the same trigger set off, and the
//! threads of the messages and calls that it took in and sent out. And theirs, until a limit is reached.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{Index, TreeSize};
use schemas::limits::{LINKED_LOOKS_MAX, LINKED_WORKFLOWS_MAX};
use schemas::terms::Key;
use serde::Serialize;

use crate::error::is_damage;
use crate::node::Node;

/// What links two workflows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// An entry of the first cites one of the other.
    Cause,
    /// An entry of the other cites one of the first.
    Effect,
    /// The same trigger.
    Trigger,
    /// The same message, call or other thing outside, under its own name.
    Thread,
}

/// That entry `index` of workflow `from` and entry `at` of workflow `to` belong together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
struct Link {
    from: String,
    to: String,
    by: By,
    index: u64,
    at: u64,
}

/// A workflow that was reached over `hops` links.
#[derive(Debug, Serialize)]
struct Reached {
    correlation: String,
    hops: usize,
    entries: u64,
    first: Option<u64>,
    last: Option<u64>,
}

/// All that was reached, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Linked {
    workflows: Vec<Reached>,
    links: BTreeSet<Link>,
    /// Whether a limit ended the search.
    incomplete: bool,
}

/// The workflows that `correlation` is linked with in the log of `size` entries.
pub(crate) fn linked(
    ledger: &Ledger,
    correlation: &str,
    size: TreeSize,
) -> Result<Linked, ReadError> {
    let mut search =
        Search { ledger, size, looks: LINKED_LOOKS_MAX, links: BTreeSet::new(), is_cut: false };
    let mut known = BTreeMap::from([(correlation.to_owned(), 0)]);
    let mut waiting = VecDeque::from([(correlation.to_owned(), 0)]);
    let mut workflows = Vec::new();
    while let Some((from, hops)) = waiting.pop_front() {
        let seen = search.links_of(&from)?;
        if hops > 0 {
            workflows.push(Reached { correlation: from.clone(), hops, ..seen });
        }
        for to in search.neighbours(&from) {
            if known.contains_key(&to) {
                continue;
            }
            if known.len() > LINKED_WORKFLOWS_MAX {
                search.is_cut = true;
                break;
            }
            known.insert(to.clone(), hops + 1);
            waiting.push_back((to, hops + 1));
        }
    }
    let links = search.links.into_iter().filter(|link| known.contains_key(&link.to));
    Ok(Linked { workflows, links: links.collect(), incomplete: search.is_cut })
}

struct Search<'l> {
    ledger: &'l Ledger,
    size: TreeSize,
    /// Entries that may still be looked at.
    looks: usize,
    links: BTreeSet<Link>,
    is_cut: bool,
}

impl Search<'_> {
    /// Takes in the links of a workflow; gives how much of it was looked at.
    fn links_of(&mut self, from: &str) -> Result<Reached, ReadError> {
        let mut seen =
            Reached { correlation: String::new(), hops: 0, entries: 0, first: None, last: None };
        for index in self.places(Key::Corr, from)? {
            let Some(node) = self.node(index)? else { continue };
            seen.entries += 1;
            seen.first.get_or_insert(index.0);
            seen.last = Some(index.0);
            self.add_causes(from, &node)?;
            if let Some(id) = node.id {
                self.add(from, &node, By::Effect, Key::Cause, &id.to_string())?;
            }
            self.add_outside(from, &node)?;
        }
        Ok(seen)
    }

    fn add_causes(&mut self, from: &str, node: &Node) -> Result<(), ReadError> {
        for cause in &node.causes {
            let first = self.ledger.find(*cause)?.first().copied();
            if let Some(at) = first.filter(|at| at.0 < self.size.0) {
                self.link(from, node, By::Cause, at)?;
            }
        }
        Ok(())
    }

    /// Things outside of the ledger that several workflows name.
    fn add_outside(&mut self, from: &str, node: &Node) -> Result<(), ReadError> {
        if let Some((channel, name)) = &node.trigger {
            self.add(from, node, By::Trigger, Key::Trigger, &format!("{channel}/{name}"))?;
            self.add(from, node, By::Thread, Key::Ref, name)?;
        }
        if let Some(name) = &node.external_ref {
            self.add(from, node, By::Thread, Key::Ref, name)?;
            self.add(from, node, By::Thread, Key::Trigger, &format!("mail/{name}"))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        from: &str,
        node: &Node,
        by: By,
        key: Key,
        value: &str,
    ) -> Result<(), ReadError> {
        for at in self.places(key, value)? {
            if at != node.index {
                self.link(from, node, by, at)?;
            }
        }
        Ok(())
    }

    fn link(&mut self, from: &str, node: &Node, by: By, at: Index) -> Result<(), ReadError> {
        let other = self.node(at)?.and_then(|other| other.correlation);
        if let Some(to) = other.filter(|to| to != from) {
            let (from, index, at) = (from.to_owned(), node.index.0, at.0);
            self.links.insert(Link { from, to, by, index, at });
        }
        Ok(())
    }

    fn neighbours(&self, from: &str) -> BTreeSet<String> {
        let of = self.links.iter().filter(|link| link.from == from);
        of.map(|link| link.to.clone()).collect()
    }

    /// Where a term stands, as far as the search may still look.
    fn places(&mut self, key: Key, value: &str) -> Result<Vec<Index>, ReadError> {
        let mut postings = self.ledger.postings(key, value);
        let (mut at, mut places) = (0, Vec::new());
        while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < self.size.0) {
            if places.len() >= self.looks {
                self.is_cut = true;
                break;
            }
            places.push(index);
            at = index.0 + 1;
        }
        Ok(places)
    }

    /// An accepted entry, if the search may still look at one and it can be read.
    fn node(&mut self, index: Index) -> Result<Option<Node>, ReadError> {
        let Some(left) = self.looks.checked_sub(1) else {
            self.is_cut = true;
            return Ok(None);
        };
        self.looks = left;
        let entry: Option<Entry> = match self.ledger.entry(index) {
            Ok(entry) => entry,
            Err(damage) if is_damage(&damage) => None,
            Err(failure) => return Err(failure),
        };
        Ok(entry.as_ref().map(Node::of).filter(Node::accepted))
    }
}
