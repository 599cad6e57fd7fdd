//! The durable head: a doorbell for readers, who go to the store for everything else.

use schemas::checkpoint::Checkpoint;
use schemas::id::{ChainHash, Micros, TreeHash, TreeSize};

use crate::tiles::Edge;

/// The end of the log as of the last commit that is synced and marked.
#[derive(Clone, Debug)]
pub struct Head {
    /// Number of entries.
    pub size: TreeSize,
    /// Root of the tree over them.
    pub root: TreeHash,
    /// Chain hash of the last one.
    pub chain: ChainHash,
    /// When the last commit took its entries.
    pub received_at: Micros,
    /// Signed note over size and root: the high-water mark.
    pub note: String,
    /// Size and note of the newest published checkpoint.
    pub published: (TreeSize, String),
    /// Size as of the last commit that erased something, since the store was opened: whoever read before that has to
    /// read again.
    pub erased: TreeSize,
    /// Hashes of the tiles that are not full.
    pub(crate) edge: std::sync::Arc<Edge>,
}

impl Head {
    /// The checkpoint that the note signs.
    #[must_use]
    pub fn checkpoint(&self, origin: &str) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), size: self.size, root: self.root }
    }
}
