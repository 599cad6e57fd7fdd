//! Replies: receipts for what was committed, reasons for what was not.

use schemas::id::Index;
use schemas::receipt::SignedRoot;
use schemas::reply::{Fate, Outcome, Reply};
use schemas::tree;

use crate::draft::{Draft, End, Pending};
use crate::error::ReadError;
use crate::head::Head;
use crate::read::Ledger;
use crate::seal::receipt_of;
use crate::tiles::Nodes;

/// Answers the submissions of one commit. One signature serves all its receipts, and neighbours share
/// most of their proofs.
pub(crate) struct Answers<'d> {
    draft: &'d Draft,
    ledger: &'d Ledger,
    head: &'d Head,
    root: SignedRoot,
    nodes: Nodes<'d>,
}

impl<'d> Answers<'d> {
    /// For a commit that is durable, marked and visible as `head`.
    pub(crate) fn new(draft: &'d Draft, ledger: &'d Ledger, head: &'d Head) -> Self {
        let root = ledger.seal.sign_root(head.size, &head.root);
        let nodes = Nodes::new(&ledger.store, head);
        Self { draft, ledger, head, root, nodes }
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

    fn receipt(&mut self, index: Index) -> Result<Vec<u8>, ReadError> {
        if index.0 < self.draft.first {
            return self.ledger.receipt(index);
        }
        let path =
            tree::inclusion_path(index, self.head.size, |level, n| self.nodes.node(level, n))?;
        Ok(receipt_of(&self.root, index, &path))
    }
}
