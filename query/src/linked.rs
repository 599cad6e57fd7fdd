//! Workflows that a workflow is linked with: what caused it and what it caused elsewhere, what the same trigger set off, and the
//! threads of the messages and calls that it took in and sent out. And theirs, until a limit is reached.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index, TreeSize};
use schemas::leaf::Status;
use schemas::limits::{LINKED_LOOKS_MAX, LINKED_WORKFLOWS_MAX};
use schemas::terms::Key;
use serde::Serialize;

use crate::error::sound;
use crate::names::Names;
use crate::node::Node;

/// What links two workflows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// An entry of the first cites one of the other.
    Cause,
    /// The same, found from the other end.
    #[serde(skip)]
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
    let mut search = Search {
        ledger,
        names: Names::new(ledger, size),
        size,
        looks: LINKED_LOOKS_MAX,
        links: BTreeSet::new(),
        is_cut: false,
    };
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
    let links = search
        .links
        .into_iter()
        .filter(|link| known.contains_key(&link.from) && known.contains_key(&link.to));
    Ok(Linked { workflows, links: links.collect(), incomplete: search.is_cut })
}

struct Search<'l> {
    ledger: &'l Ledger,
    names: Names<'l>,
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
            let Some(entry) = self.entry(index)? else { continue };
            let node = Node::of(&entry);
            seen.entries += 1;
            seen.first.get_or_insert(index.0);
            seen.last = Some(index.0);
            self.add_causes(from, &node)?;
            self.add_effects(from, &node)?;
            self.add_outside(from, &node)?;
        }
        Ok(seen)
    }

    fn add_causes(&mut self, from: &str, node: &Node<'_>) -> Result<(), ReadError> {
        for cause in &node.causes {
            if let Some(at) = self.names.meant(*cause, node)? {
                self.link(from, node, By::Cause, at)?;
            }
        }
        Ok(())
    }

    /// What cites the entry, and not another signer's event of the same id.
    fn add_effects(&mut self, from: &str, node: &Node<'_>) -> Result<(), ReadError> {
        let Some(id) = node.id else { return Ok(()) };
        let is_shared = self.ledger.find(id)?.len() > 1;
        for at in self.places(Key::Cause, &id.to_string())? {
            if !is_shared || self.means(at, id, node.index)? {
                self.link(from, node, By::Effect, at)?;
            }
        }
        Ok(())
    }

    /// Whether the entry at `at` means the one at `cited` by that one's id.
    fn means(&mut self, at: Index, id: EventId, cited: Index) -> Result<bool, ReadError> {
        match self.entry(at)? {
            Some(citing) => Ok(self.names.meant(id, &Node::of(&citing))? == Some(cited)),
            None => Ok(false),
        }
    }

    /// Things outside of the ledger that several workflows name.
    fn add_outside(&mut self, from: &str, node: &Node<'_>) -> Result<(), ReadError> {
        if let Some((channel, name)) = node.trigger {
            self.add(from, node, By::Trigger, Key::Trigger, &format!("{channel}/{name}"))?;
            self.add(from, node, By::Thread, Key::Ref, name)?;
        }
        if let Some(name) = node.external_ref {
            self.add(from, node, By::Thread, Key::Ref, name)?;
            self.add(from, node, By::Thread, Key::Trigger, &format!("mail/{name}"))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        from: &str,
        node: &Node<'_>,
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

    fn link(&mut self, from: &str, node: &Node<'_>, by: By, at: Index) -> Result<(), ReadError> {
        let entry = self.entry(at)?;
        let other = entry.as_ref().and_then(|other| Node::of(other).correlation);
        let Some(to) = other.filter(|to| *to != from) else { return Ok(()) };
        let (own, other) = ((from.to_owned(), node.index.0), (to.to_owned(), at.0));
        // Each link once, from whichever end it was found.
        let is_turned = by == By::Effect || by != By::Cause && other.1 < own.1;
        let ((from, index), (to, at)) = if is_turned { (other, own) } else { (own, other) };
        let by = if by == By::Effect { By::Cause } else { by };
        self.links.insert(Link { from, to, by, index, at });
        Ok(())
    }

    fn neighbours(&self, workflow: &str) -> BTreeSet<String> {
        let other = |link: &Link| match (link.from == workflow, link.to == workflow) {
            (true, _) => Some(link.to.clone()),
            (_, true) => Some(link.from.clone()),
            _ => None,
        };
        self.links.iter().filter_map(other).collect()
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
    fn entry(&mut self, index: Index) -> Result<Option<Entry>, ReadError> {
        let Some(left) = self.looks.checked_sub(1) else {
            self.is_cut = true;
            return Ok(None);
        };
        self.looks = left;
        let entry = sound(self.ledger.entry(index))?;
        Ok(entry.filter(|entry| entry.leaf.status == Status::Accepted))
    }
}
