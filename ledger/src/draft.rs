//! A commit while it is being staged: nothing of it is anywhere but in memory.

use schemas::encode::Value;
use schemas::id::{BodyDigest, Digest, EventId, Index, Micros, TreeSize};
use schemas::map::Map;
use schemas::reject::{Reason, Reject};
use schemas::rules::Finding;
use schemas::submission::Verified;

use crate::fold::Derived;
use crate::keys;
use crate::read::statement_row;
use crate::store::{ColumnFamily, Row};

/// What a commit will write, and what it already knows of itself.
pub(crate) struct Draft {
    pub(crate) received_at: Micros,
    /// Index of its first leaf.
    pub(crate) first: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) derived: Derived,
    /// Bytes of its leaves.
    pub(crate) leaves: Vec<Vec<u8>>,
    /// Events accepted in it, by their key in `ids`.
    pub(crate) seen: Map<Vec<u8>, (Index, BodyDigest)>,
    /// Refusals made in it, by their key in `ids`.
    pub(crate) refused: Map<Vec<u8>, Index>,
    /// How often refusals came again, in all.
    pub(crate) repeats: Map<Vec<u8>, u64>,
    /// Rejections beyond the bound.
    pub(crate) floods: Map<(String, Reason), u64>,
    /// Ends of the submissions, by message.
    pub(crate) ends: Vec<(Digest, Vec<Pending>)>,
    /// Accepted entries that change what a signer may do.
    pub(crate) control: Vec<Index>,
    pub(crate) keys_changed: bool,
    /// Findings that follow the submission being staged.
    pub(crate) findings: Vec<Finding>,
    /// Redactions that operators have agreed to in it, by the approval and what it redacts.
    pub(crate) agreed: Vec<(EventId, Value)>,
    /// Whether a redaction is in it.
    pub(crate) redacts: bool,
    /// Own entries made in it.
    pub(crate) own: u64,
}

impl Draft {
    pub(crate) fn new(received_at: Micros, size: TreeSize) -> Self {
        Self {
            received_at,
            first: size.0,
            rows: Vec::new(),
            derived: Derived::default(),
            leaves: Vec::new(),
            seen: Map::default(),
            refused: Map::default(),
            repeats: Map::default(),
            floods: Map::default(),
            ends: Vec::new(),
            control: Vec::new(),
            keys_changed: false,
            findings: Vec::new(),
            agreed: Vec::new(),
            redacts: false,
            own: 0,
        }
    }

    /// Bytes of the leaf at `index`, if it is one of this commit's.
    pub(crate) fn leaf(&self, index: Index) -> Option<&Vec<u8>> {
        let place = index.0.checked_sub(self.first)?;
        self.leaves.get(usize::try_from(place).ok()?)
    }
}

/// How an item ends, once the commit is durable.
pub(crate) struct Pending {
    pub(crate) end: End,
    pub(crate) index: Index,
    pub(crate) id: Option<EventId>,
    /// It has no leaf of its own, being counted into a flood.
    pub(crate) counted: bool,
}

/// The three ends of an item.
pub(crate) enum End {
    Committed,
    Duplicate,
    Rejected(Reject),
}

/// What becomes of a refusal.
pub(crate) enum Placed {
    /// It makes a leaf.
    Leaf,
    /// It came before.
    Before(Index),
    /// It is counted into a flood entry.
    Flooded,
}

/// Keeps a statement once, at the first leaf that rests on it.
pub(crate) struct StatementPlace<'v, 'a> {
    verified: &'v Verified<'a>,
    kept: bool,
}

impl<'v, 'a> StatementPlace<'v, 'a> {
    pub(crate) fn new(verified: &'v Verified<'a>) -> Self {
        Self { verified, kept: false }
    }

    pub(crate) fn verified(&self) -> &'v Verified<'a> {
        self.verified
    }

    pub(crate) fn keep(&mut self, draft: &mut Draft, index: Index) {
        if !self.kept {
            let row = statement_row(self.verified.statement().bytes(), self.verified.manifest());
            draft.rows.push(Row::new(ColumnFamily::Statements, keys::index(index), row));
            self.kept = true;
        }
    }
}
