//! The tree as tiles of 256 hashes: full ones are stored, the others are the [`Edge`] in memory.

use rocksdb::Direction;
use schemas::id::{Index, TreeHash, TreeSize};
use schemas::map::Map;
use schemas::tree::{self, Frontier, Tile};

use crate::error::ReadError;
use crate::head::Head;
use crate::keys;
use crate::read::damaged;
use crate::store::{ColumnFamily, Row, Store};

const WIDTH: usize = 256;

/// Hashes of the tile that is not full yet, at each tile level from 0.
#[derive(Clone, Default, Debug)]
pub(crate) struct Edge {
    levels: Vec<Vec<TreeHash>>,
}

impl Edge {
    fn partial(&self, level: u8) -> &[TreeHash] {
        self.levels.get(usize::from(level)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The growing tree of a writer.
#[derive(Clone, Default)]
pub(crate) struct Growth {
    frontier: Frontier,
    pub(crate) edge: Edge,
}

impl Growth {
    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> TreeHash {
        self.frontier.root()
    }

    /// Adds a leaf; gives the tiles that this filled.
    pub(crate) fn push(&mut self, leaf: TreeHash) -> Vec<Row> {
        let mut rows = Vec::new();
        let edge = &mut self.edge;
        // 2^64 - 1 leaves are never reached: an index is a u64 that was stored before.
        let _full = self.frontier.push_with(leaf, |level, n, hash| {
            if level % tree::TILE_HEIGHT != 0 {
                return;
            }
            let tile_level = level / tree::TILE_HEIGHT;
            let depth = usize::from(tile_level);
            if edge.levels.len() <= depth {
                edge.levels.resize_with(depth + 1, Vec::new);
            }
            if let Some(tile) = edge.levels.get_mut(depth) {
                tile.push(hash);
                if tile.len() == WIDTH {
                    let key = keys::tile(tile_level, n / 256);
                    rows.push(Row::new(ColumnFamily::Tiles, key, encode(tile)));
                    tile.clear();
                }
            }
        });
        rows
    }

    /// The tree of the first `size` leaves in the store.
    pub(crate) fn load(store: &Store, size: TreeSize) -> Result<Self, ReadError> {
        Self::load_from(store, store, size)
    }

    /// The tree of the first `size` leaves in `log`, its full tiles in `store`.
    pub(crate) fn load_from(log: &Store, store: &Store, size: TreeSize) -> Result<Self, ReadError> {
        let mut levels = Vec::new();
        let mut level = 0u8;
        while size.0.checked_shr(u32::from(level) * 8).is_some_and(|width| width > 0) {
            levels.push(Self::load_partial(log, store, size, level)?);
            level += 1;
        }
        let edge = Edge { levels };
        let mut nodes = Nodes { store, edge: &edge, size, known: Map::default() };
        let roots: Result<Vec<_>, _> =
            tree::perfect_subtrees(size).map(|(level, n)| nodes.node(level, n)).collect();
        let frontier = Frontier::from_roots(size, roots?).ok_or(ReadError::BeyondTree { size })?;
        Ok(Self { frontier, edge })
    }

    /// The hashes of the partial tile at `level`: of leaves, or roots of full tiles below.
    fn load_partial(
        log: &Store,
        store: &Store,
        size: TreeSize,
        level: u8,
    ) -> Result<Vec<TreeHash>, ReadError> {
        let width = u64::from(tree::partial_width(level, size));
        let total = size.0.checked_shr(u32::from(level) * 8).unwrap_or(0);
        let first = total - width;
        match level.checked_sub(1) {
            None => {
                let from = keys::index(Index(first));
                let leaves = log.scan(ColumnFamily::Leaves, &from, Direction::Forward);
                (first..total).zip(leaves).map(|(_, row)| Ok(tree::leaf_hash(&row?.1))).collect()
            }
            Some(below) => (first..total)
                .map(|n| {
                    let tile = full_tile(store, below, n)?.ok_or(ReadError::BeyondTree { size })?;
                    tree::subtree_from_tile(&tile, 0, WIDTH).ok_or(ReadError::BeyondTree { size })
                })
                .collect(),
        }
    }
}

fn encode(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn full_tile(store: &Store, level: u8, n: u64) -> Result<Option<Vec<TreeHash>>, ReadError> {
    let key = keys::tile(level, n);
    let Some(row) = store.get(ColumnFamily::Tiles, &key)? else { return Ok(None) };
    let hashes: Option<Vec<_>> = row.chunks(32).map(TreeHash::from_slice).collect();
    let hashes = hashes.filter(|hashes| hashes.len() == WIDTH);
    hashes.map(Some).ok_or_else(|| damaged(ColumnFamily::Tiles, &key))
}

/// The hashes of a tile, exactly `tile.width` of them.
pub(crate) fn read(store: &Store, head: &Head, tile: Tile) -> Result<Vec<TreeHash>, ReadError> {
    let width = usize::from(tile.width);
    let beyond = ReadError::BeyondTree { size: head.size };
    if usize::from(tree::tile_width(tile.level, tile.n, head.size)) < width {
        return Err(beyond);
    }
    let mut hashes = match full_tile(store, tile.level, tile.n)? {
        Some(full) => full,
        None => head.edge.partial(tile.level).to_vec(),
    };
    if hashes.len() < width {
        return Err(beyond);
    }
    hashes.truncate(width);
    Ok(hashes)
}

/// Nodes of the tree, each computed once: proofs of neighbours share most of theirs.
pub(crate) struct Nodes<'s> {
    store: &'s Store,
    edge: &'s Edge,
    size: TreeSize,
    known: Map<(u8, u64), TreeHash>,
}

impl<'s> Nodes<'s> {
    pub(crate) fn new(store: &'s Store, head: &'s Head) -> Self {
        Self::at(store, &head.edge, head.size)
    }

    pub(crate) fn at(store: &'s Store, edge: &'s Edge, size: TreeSize) -> Self {
        Self { store, edge, size, known: Map::default() }
    }

    /// Root of the perfect subtree of `2^level` leaves that begins at leaf `n * 2^level`.
    pub(crate) fn node(&mut self, level: u8, n: u64) -> Result<TreeHash, ReadError> {
        if let Some(hash) = self.known.get(&(level, n)) {
            return Ok(*hash);
        }
        let hash = if level.is_multiple_of(tree::TILE_HEIGHT) {
            self.load_tile(level, n)?
        } else {
            let left = self.node(level - 1, n * 2)?;
            let right = self.node(level - 1, n * 2 + 1)?;
            tree::node_hash(&left, &right)
        };
        self.known.insert((level, n), hash);
        Ok(hash)
    }

    /// Loads all hashes of the tile that holds the node.
    fn load_tile(&mut self, level: u8, n: u64) -> Result<TreeHash, ReadError> {
        let beyond = ReadError::BeyondTree { size: self.size };
        let tile_level = level / tree::TILE_HEIGHT;
        let (tile, first) = (n / 256, n / 256 * 256);
        let total = self.size.0.checked_shr(u32::from(level)).unwrap_or(0);
        if n >= total {
            return Err(beyond);
        }
        let on_edge = tile == total / 256;
        let hashes = if on_edge {
            self.edge.partial(tile_level).to_vec()
        } else {
            full_tile(self.store, tile_level, tile)?.ok_or(beyond)?
        };
        self.known.extend((first..).zip(hashes).map(|(n, hash)| ((level, n), hash)));
        let found = self.known.get(&(level, n)).copied();
        found.ok_or(ReadError::BeyondTree { size: self.size })
    }

    /// Root of the tree of the first `size` leaves.
    pub(crate) fn root(&mut self, size: TreeSize) -> Result<TreeHash, ReadError> {
        if size > self.size {
            return Err(ReadError::BeyondTree { size: self.size });
        }
        let roots: Result<Vec<_>, _> =
            tree::perfect_subtrees(size).map(|(level, n)| self.node(level, n)).collect();
        let frontier = Frontier::from_roots(size, roots?);
        Ok(frontier.ok_or(ReadError::BeyondTree { size })?.root())
    }
}
