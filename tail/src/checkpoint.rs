//! Published checkpoints as events: the log's signed notes, and the proof that each extends the one that
//! the reader was sent before.

use bytes::Bytes;
use ledger::{Ledger, ReadError};
use schemas::id::{TreeHash, TreeSize};
use serde_json::json;

use crate::sse::{self, Name};

/// A published checkpoint with the events that most readers need, made once for all of them.
#[derive(Debug)]
pub(crate) struct Published {
    /// Number of entries that it covers.
    pub(crate) size: TreeSize,
    root: TreeHash,
    note: String,
    /// For a reader that was sent none yet.
    first: Bytes,
    /// For a reader that was sent the one before.
    next: Option<(TreeSize, Bytes)>,
}

impl Published {
    /// The checkpoint with this note, published after the one of size `from`.
    ///
    /// # Errors
    /// [`ReadError`] when the tree cannot be read.
    pub(crate) fn read(
        ledger: &Ledger,
        from: Option<TreeSize>,
        size: TreeSize,
        note: String,
    ) -> Result<Self, ReadError> {
        let root = ledger.root(size)?;
        let first = event(size, &root, &note, None, &[]);
        let mut published = Self { size, root, note, first, next: None };
        if let Some(from) = from.filter(|from| *from < size) {
            published.next = Some((from, published.extending(ledger, from)?));
        }
        Ok(published)
    }

    /// The event for a reader that was last sent the checkpoint of size `sent`, if it is made already.
    pub(crate) fn made(&self, sent: Option<TreeSize>) -> Option<Bytes> {
        match (sent, &self.next) {
            (None, _) => Some(self.first.clone()),
            (Some(sent), Some((from, next))) if sent == *from => Some(next.clone()),
            _ => None,
        }
    }

    /// The event for a reader that was last sent the checkpoint of size `from`.
    ///
    /// # Errors
    /// [`ReadError`] when the tree cannot be read.
    pub(crate) fn extending(&self, ledger: &Ledger, from: TreeSize) -> Result<Bytes, ReadError> {
        let path = ledger.consistency(from, self.size)?;
        Ok(event(self.size, &self.root, &self.note, Some(from), &path))
    }
}

fn event(
    size: TreeSize,
    root: &TreeHash,
    note: &str,
    from: Option<TreeSize>,
    path: &[TreeHash],
) -> Bytes {
    let path: Vec<_> = path.iter().map(TreeHash::to_string).collect();
    let data = json!({
        "size": size.0,
        "root": root.to_string(),
        "note": note,
        "from": from.map(|from| from.0),
        "consistency": path,
    });
    sse::event(None, Name::Checkpoint, &data)
}
