//! `entries/{index}/causes`, `entries/{index}/effects`: from an entry up to what set it off, and down to all that it set off.

use std::collections::VecDeque;

use axum::Json;
use axum::extract::State;
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index, TreeSize};
use schemas::leaf::Status;
use schemas::limits::CAUSAL_ENTRIES_MAX;
use schemas::map::{Map, Set};
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of, set};
use crate::entries::entry_json;
use crate::error::{Error, sound};
use crate::names::Names;
use crate::node::Node;
use crate::params::{Params, Segment};

/// Which way causes are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

pub(crate) async fn causes(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    api.about(&index, params, |api, index| read(api, index, Way::Up)).await
}

pub(crate) async fn effects(
    State(api): State<Api>,
    index: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    api.about(&index, params, |api, index| read(api, index, Way::Down)).await
}

fn read(api: &Api, asked: Index, way: Way) -> Result<Value, Error> {
    let head = api.ledger.head();
    let mut walk = Causality {
        ledger: &api.ledger,
        names: Names::new(&api.ledger, head.size),
        size: head.size,
        unknown: Vec::new(),
        damaged: Vec::new(),
    };
    let found = walk.follow(asked, way)?.ok_or(Error::Unknown("entry"))?;
    let depth = found.items.iter().map(|item| item.depth).max().unwrap_or_default();
    let mut answer = json!({
        "asked": asked.0,
        "items": found.items.iter().map(Item::json).collect::<Vec<_>>(),
        "depth": depth,
        "incomplete": found.is_cut,
        "damaged": walk.damaged.iter().map(Damaged::json).collect::<Vec<_>>(),
        "as_of": as_of(&head),
    });
    if way == Way::Up {
        let unknown =
            |(index, cause): &(u64, EventId)| json!({ "index": index, "cause": cause.to_string() });
        set(&mut answer, "path", found.path());
        set(&mut answer, "unknown", walk.unknown.iter().map(unknown).collect::<Value>());
    }
    Ok(answer)
}

/// An entry that was reached: from where, and over how many causes.
struct Item {
    entry: Entry,
    from: Option<u64>,
    depth: usize,
}

impl Item {
    fn json(&self) -> Value {
        json!({ "depth": self.depth, "from": self.from, "entry": entry_json(&self.entry) })
    }
}

/// An entry of which nobody can tell any more what it cites, or where it stood.
struct Damaged {
    index: u64,
    from: Option<u64>,
}

impl Damaged {
    fn json(&self) -> Value {
        json!({ "index": self.index, "from": self.from })
    }
}

/// What was reached, the nearest first; each entry once.
#[derive(Default)]
struct Found {
    items: Vec<Item>,
    is_cut: bool,
}

impl Found {
    /// From an entry without known causes, the trigger if there is one, down to the one asked for: the longest such way,
    /// and of several the oldest beginning.
    fn path(&self) -> Vec<u64> {
        let above: Set<_> = self.items.iter().filter_map(|item| item.from).collect();
        let ends = self.items.iter().filter(|item| !above.contains(&item.entry.leaf.index.0));
        let best = ends.max_by_key(|item| (item.depth, std::cmp::Reverse(item.entry.leaf.index)));
        let from: Map<_, _> =
            self.items.iter().map(|item| (item.entry.leaf.index.0, item.from)).collect();
        let mut path = Vec::new();
        let mut at = best.map(|item| item.entry.leaf.index.0);
        while let Some(index) = at {
            path.push(index);
            at = from.get(&index).copied().flatten();
        }
        path
    }
}

struct Causality<'l> {
    ledger: &'l Ledger,
    names: Names<'l>,
    size: TreeSize,
    /// Causes that are no entry of the ledger, with the entry that cites each.
    unknown: Vec<(u64, EventId)>,
    /// Entries that could not be followed further, or not be read at all.
    damaged: Vec<Damaged>,
}

impl Causality<'_> {
    /// `None` if there is no such entry.
    fn follow(&mut self, asked: Index, way: Way) -> Result<Option<Found>, ReadError> {
        let first = self.ledger.entry(asked)?.filter(|_| asked.0 < self.size.0);
        let Some(first) = first else { return Ok(None) };
        let mut found = Found::default();
        let mut known = Set::from_iter([asked.0]);
        let mut waiting = VecDeque::from([Item { entry: first, from: None, depth: 0 }]);
        while let Some(item) = waiting.pop_front() {
            let index = item.entry.leaf.index.0;
            // What cites it is found by the id in its leaf.
            if way == Way::Up && item.entry.is_damaged() {
                self.damaged.push(Damaged { index, from: item.from });
            }
            let next = match way {
                Way::Up => self.above(&item.entry)?,
                Way::Down => self.below(&item.entry, &mut found.is_cut)?,
            };
            let depth = item.depth + 1;
            found.items.push(item);
            for place in next {
                if !known.insert(place.0) {
                    continue;
                }
                if known.len() > CAUSAL_ENTRIES_MAX {
                    found.is_cut = true;
                    break;
                }
                match self.entry(place)? {
                    Some(entry) => waiting.push_back(Item { entry, from: Some(index), depth }),
                    None => self.damaged.push(Damaged { index: place.0, from: Some(index) }),
                }
            }
        }
        Ok(Some(found))
    }

    fn above(&mut self, entry: &Entry) -> Result<Vec<Index>, ReadError> {
        let mut places = Vec::new();
        let node = Node::of(entry);
        for cause in &node.causes {
            match self.names.meant(*cause, &node)? {
                Some(index) => places.push(index),
                None => self.unknown.push((entry.leaf.index.0, *cause)),
            }
        }
        Ok(places)
    }

    /// Accepted entries that cite this one, and not another signer's event of the same id.
    fn below(&mut self, entry: &Entry, is_cut: &mut bool) -> Result<Vec<Index>, ReadError> {
        let Some(id) = Node::of(entry).id.filter(|_| entry.leaf.status == Status::Accepted) else {
            return Ok(Vec::new());
        };
        let is_shared = self.ledger.find(id)?.len() > 1;
        let mut postings = self.ledger.postings(Key::Cause, &id.to_string());
        let (mut at, mut places) = (0, Vec::new());
        while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < self.size.0) {
            if places.len() >= CAUSAL_ENTRIES_MAX {
                *is_cut = true;
                break;
            }
            if self.ledger.leaf(index)?.status == Status::Accepted
                && (!is_shared || self.means(index, id, entry.leaf.index)?)
            {
                places.push(index);
            }
            at = index.0 + 1;
        }
        Ok(places)
    }

    /// Whether the entry at `index` means the one at `cited` by that one's id; what is damaged may.
    fn means(&mut self, index: Index, id: EventId, cited: Index) -> Result<bool, ReadError> {
        match self.entry(index)? {
            Some(entry) => Ok(self.names.meant(id, &Node::of(&entry))? == Some(cited)),
            None => Ok(true),
        }
    }

    /// `None` where its rows are damaged.
    fn entry(&self, index: Index) -> Result<Option<Entry>, ReadError> {
        sound(self.ledger.entry(index))
    }
}
