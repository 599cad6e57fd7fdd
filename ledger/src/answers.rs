//! Replies: receipts for what was committed, reasons for what was not.

use std::collections::hash_map::Entry;

use schemas::id::{Index, TreeSize};
use schemas::map::Map;
use schemas::receipt::SignedRoot;
use schemas::reply::{Fate, Outcome, Reply};
use schemas::tree;

use crate::draft::{Draft, End, Pending};
use crate::error::ReadError;
use crate::head::Head;
use crate::read::Ledger;
use crate::seal::receipt_of;
use crate::tiles::Nodes;

/// Answers the submissions of one commit. One signature serves all receipts of a commit, be it an earlier one whose
/// events came again, and neighbours share most of their proofs.
pub(crate) struct Answers<'d> {
    draft: &'d Draft,
    ledger: &'d Ledger,
    head: &'d Head,
    roots: Map<TreeSize, SignedRoot>,
    nodes: Nodes<'d>,
}

impl<'d> Answers<'d> {
    /// For a commit that is durable, marked and visible as `head`.
    pub(crate) fn new(draft: &'d Draft, ledger: &'d Ledger, head: &'d Head) -> Self {
        let nodes = Nodes::new(&ledger.store, head);
        Self { draft, ledger, head, roots: Map::default(), nodes }
    }

    pub(crate) fn replies(mut self) -> Result<Vec<Reply>, ReadError> {
        let ends = &self.draft.ends;
        let mut replies = Vec::with_capacity(ends.len());
        for (message, pending) in ends {
            let outcomes = pending.iter().map(|pending| self.outcome(pending));
            replies
                .push(Reply { message: *message, outcomes: outcomes.collect::<Result<_, _>>()? });
        }
        Ok(replies)
    }

    fn outcome(&mut self, pending: &Pending) -> Result<Outcome, ReadError> {
        let Pending { end, index, id, counted } = pending;
        let leaf = match self.draft.leaf(*index) {
            _ if *counted => Vec::new(),
            Some(leaf) => leaf.clone(),
            None => self.ledger.leaf_bytes(*index)?,
        };
        let fate = match end {
            End::Committed => Fate::Committed(self.receipt(*index)?),
            End::Duplicate => Fate::Duplicate(self.receipt(*index)?),
            End::Rejected(reject) => Fate::Rejected(reject.clone()),
        };
        Ok(Outcome { fate, index: *index, leaf, id: *id })
    }

    /// What [`Ledger::receipt`] gives for the entry.
    fn receipt(&mut self, index: Index) -> Result<Vec<u8>, ReadError> {
        let Self { draft, ledger, head, roots, nodes } = self;
        let is_new = index.0 >= draft.first;
        let size = if is_new { head.size } else { ledger.commit_of(index)? };
        let root = match roots.entry(size) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let root = if is_new { head.root } else { nodes.root(size)? };
                place.insert(ledger.seal.sign_root(size, &root))
            }
        };
        let path = tree::inclusion_path(index, size, |level, n| nodes.node(level, n))?;
        Ok(receipt_of(root, index, &path))
    }
}
