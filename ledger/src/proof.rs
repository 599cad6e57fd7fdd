//! Proofs: tiles, roots, paths, receipts and published notes.

use rocksdb::Direction;
use schemas::era::Eras;
use schemas::id::{Index, TreeHash, TreeSize};
use schemas::tree::{self, Tile, TileSpan};

use crate::eras::eras;
use crate::error::ReadError;
use crate::keys;
use crate::read::{Ledger, damaged};
use crate::store::{ColumnFamily, Store};
use crate::tiles;

/// A tile of leaves with the path that proves the first of them: all siblings in the tile are computed from its hashes,
/// so that the path proves every one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TileProof {
    /// Hashes of the leaves.
    pub leaves: Vec<TreeHash>,
    /// Path of the first one.
    pub path: Vec<TreeHash>,
}

impl Ledger {
    /// The ledger's names and keys over time.
    ///
    /// # Errors
    /// [`ReadError`] when an entry about them is missing or damaged.
    pub fn eras(&self) -> Result<Eras, ReadError> {
        Ok(eras(&self.store, self.head().size)?.0)
    }

    /// The hashes of a tile that has at least `tile.width` of them.
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`] when the log is too short.
    pub fn tile(&self, tile: Tile) -> Result<Vec<TreeHash>, ReadError> {
        tiles::read(&self.store, &self.head(), tile)
    }

    /// Root of the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`] when the log is shorter.
    pub fn root(&self, size: TreeSize) -> Result<TreeHash, ReadError> {
        tiles::Nodes::new(&self.store, &self.head()).root(size)
    }

    /// Path that proves `index` in the tree of `size` entries.
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`].
    pub fn inclusion(&self, index: Index, size: TreeSize) -> Result<Vec<TreeHash>, ReadError> {
        let head = self.head();
        let mut nodes = tiles::Nodes::new(&self.store, &head);
        tree::inclusion_path(index, size, |level, n| nodes.node(level, n))
    }

    /// The tiles of leaves with these numbers, as far as the tree of `size` entries has them.
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`].
    pub fn inclusion_of_tiles(
        &self,
        tiles: &[u64],
        size: TreeSize,
    ) -> Result<Vec<TileProof>, ReadError> {
        let head = self.head();
        let mut nodes = tiles::Nodes::new(&self.store, &head);
        let tile = |n: &u64| {
            let width = tree::tile_width(0, *n, size);
            let leaves = tiles::read(&self.store, &head, Tile { level: 0, n: *n, width })?;
            let first = n.saturating_mul(u64::from(tree::TILE_WIDTH));
            let path = tree::inclusion_path(Index(first), size, |level, place| {
                let TileSpan { level: below, n: tile, first, count } = tree::tile_of(level, place);
                let within = (below, tile) == (0, *n);
                let root = within.then(|| tree::subtree_from_tile(&leaves, first, count)).flatten();
                root.map_or_else(|| nodes.node(level, place), Ok)
            })?;
            Ok(TileProof { leaves, path })
        };
        tiles.iter().map(tile).collect()
    }

    /// Path that proves that the tree of `to` entries extends that of `from`.
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`].
    pub fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<TreeHash>, ReadError> {
        let head = self.head();
        let mut nodes = tiles::Nodes::new(&self.store, &head);
        tree::consistency_path(from, to, |level, n| nodes.node(level, n))
    }

    /// Size of the commit that holds `index`: the tree its receipt speaks of. For genesis, whose own tree
    /// has no path that a receipt could hold, it is the commit after.
    ///
    /// # Errors
    /// [`ReadError::Missing`] beyond the head.
    pub(crate) fn commit_of(&self, index: Index) -> Result<TreeSize, ReadError> {
        let missing = ReadError::Missing { family: ColumnFamily::Checkpoints, index };
        let from = keys::boundary(TreeSize(index.0.saturating_add(1).max(2)));
        let mut rows = self.store.scan(ColumnFamily::Checkpoints, &from, Direction::Forward);
        let Some((key, _)) = rows.next().transpose()? else { return Err(missing) };
        let size = keys::parse_size(&key).filter(|_| key.first() == Some(&b'c'));
        size.filter(|size| size.0 <= self.head().size.0).ok_or(missing)
    }

    /// The receipt of an accepted entry: the same bytes whenever it is asked for.
    ///
    /// # Errors
    /// [`ReadError::Alone`] for genesis while there is nothing else; [`ReadError`] beyond the head or when the store fails.
    pub fn receipt(&self, index: Index) -> Result<Vec<u8>, ReadError> {
        if index == Index(0) && self.head().size == TreeSize(1) {
            return Err(ReadError::Alone(index));
        }
        let size = self.commit_of(index)?;
        let root = self.root(size)?;
        let path = self.inclusion(index, size)?;
        Ok(self.seal.receipt(size, root, index, &path))
    }

    /// The receipt that the tree of `to` entries extends that of `from` (RFC 9942).
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`], also between equal sizes, of which there is no receipt.
    pub fn consistency_receipt(&self, from: TreeSize, to: TreeSize) -> Result<Vec<u8>, ReadError> {
        let path = self.consistency(from, to)?;
        let signed = self.seal.sign_root(to, &self.root(to)?);
        let receipt = signed.consistency_receipt(from, &path);
        receipt.map_err(|_no_path| ReadError::BeyondTree { size: to })
    }

    /// The newest published checkpoint of at most `size` entries, with its note.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn published(&self, size: TreeSize) -> Result<Option<(TreeSize, String)>, ReadError> {
        published(&self.store, size)
    }
}

/// [`Ledger::published`] of a store.
pub(crate) fn published(
    store: &Store,
    size: TreeSize,
) -> Result<Option<(TreeSize, String)>, ReadError> {
    let from = keys::note(size);
    let mut rows = store.scan(ColumnFamily::Checkpoints, &from, Direction::Reverse);
    let Some((key, value)) = rows.next().transpose()? else { return Ok(None) };
    if key.first() != from.first() {
        return Ok(None);
    }
    let note = String::from_utf8(value.into_vec()).ok();
    let parsed = keys::parse_size(&key).zip(note);
    parsed.map(Some).ok_or_else(|| damaged(ColumnFamily::Checkpoints, &key))
}
