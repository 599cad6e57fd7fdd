//! The Merkle tree over leaves: hashes, proofs, and where tiles keep the hashes.
//!
//! Everything here is a function of its arguments. Whoever stores the hashes answers for them through
//! the `node` callback of [`inclusion_path`] and [`consistency_path`]; whoever checks a path needs no
//! storage at all.
//!
//! Sources: RFC 9162 §2.1, C2SP `tlog-tiles`.

use sha2::Digest as _;

use crate::id::{Index, TreeHash, TreeSize, sha256};

/// Tree levels in one tile.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile, and entries in a full entry bundle.
pub const TILE_WIDTH: u16 = 256;
/// Highest tile level that a path may name.
pub const TILE_LEVEL_MAX: u8 = 63;

/// Why a path or a tree does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No such leaf in a tree of this size.
    #[error("entry {index} is beyond a tree of {size} leaves")]
    Beyond {
        /// The leaf asked for.
        index: Index,
        /// The tree's size in leaves.
        size: TreeSize,
    },
    /// A log never shrinks.
    #[error("a tree of {from} leaves cannot become one of {to}")]
    Shrunk {
        /// Size of the older tree.
        from: TreeSize,
        /// Size of the newer tree.
        to: TreeSize,
    },
    /// Every tree extends the empty one, so a path from it shows nothing.
    #[error("a path from the empty tree proves nothing about a tree of {to} leaves")]
    FromEmpty {
        /// Size of the newer tree.
        to: TreeSize,
    },
    /// The path has more or fewer hashes than its sizes call for.
    #[error("a path of {len} hashes is of the wrong length")]
    PathLength {
        /// Hashes in the path.
        len: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to root {computed}, not to {expected}")]
    Root {
        /// Root that the path leads to.
        computed: TreeHash,
        /// Root that was to be shown.
        expected: TreeHash,
    },
    /// The consistency path starts from another older root.
    #[error("the path starts from root {computed}, not from {expected}")]
    FromRoot {
        /// Older root that the path leads to.
        computed: TreeHash,
        /// Older root that was to be extended.
        expected: TreeHash,
    },
    /// No leaf fits after 2^64 - 1.
    #[error("the tree is full")]
    Full,
}

/// Root of the tree without leaves: SHA-256 of nothing.
///
/// Source: RFC 9162 §2.1.1.
#[must_use]
pub fn empty_root() -> TreeHash {
    TreeHash(sha256(&[]))
}

/// Hash of a leaf: SHA-256 of a zero byte and the leaf's bytes.
///
/// Source: RFC 9162 §2.1.1.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> TreeHash {
    TreeHash(sha2::Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// Hash of an inner node: SHA-256 of a one byte and both children.
///
/// Source: RFC 9162 §2.1.1.
#[must_use]
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    let hasher = sha2::Sha256::new().chain_update([1]);
    TreeHash(hasher.chain_update(left.0).chain_update(right.0).finalize().into())
}

/// What must be remembered of a tree in order to append to it: the roots of its perfect subtrees, from
/// the left and so from the largest; one for each set bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<TreeHash>,
}

impl Frontier {
    /// From roots that were stored, largest subtree first; `None` unless there are as many as a tree of
    /// `size` leaves has.
    #[must_use]
    pub fn from_roots(size: TreeSize, roots: Vec<TreeHash>) -> Option<Self> {
        let expected = usize::try_from(size.0.count_ones()).ok()?;
        (roots.len() == expected).then_some(Self { size: size.0, roots })
    }

    /// Roots of the perfect subtrees, largest first: what [`Frontier::from_roots`] takes.
    #[must_use]
    pub fn roots(&self) -> &[TreeHash] {
        &self.roots
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Root of the tree.
    ///
    /// Source: RFC 9162 §2.1.1.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        bag(&self.roots)
    }

    /// Appends a leaf.
    ///
    /// # Errors
    /// [`TreeError::Full`] at 2^64 - 1 leaves; the frontier is then unchanged.
    pub fn push(&mut self, leaf: TreeHash) -> Result<(), TreeError> {
        self.push_with(leaf, |_, _, _| ())
    }

    /// Appends a leaf and names every perfect subtree that it completes, the leaf itself (level 0)
    /// first: `completed(level, n, root)` is the subtree of 2^level leaves from leaf n·2^level on.
    ///
    /// # Errors
    /// [`TreeError::Full`] at 2^64 - 1 leaves; the frontier is then unchanged and nothing was named.
    pub fn push_with(
        &mut self,
        leaf: TreeHash,
        mut completed: impl FnMut(u8, u64, TreeHash),
    ) -> Result<(), TreeError> {
        let size = self.size.checked_add(1).ok_or(TreeError::Full)?;
        let (mut level, mut n, mut root) = (0, self.size, leaf);
        completed(level, n, root);
        // An odd n is a right child: its left sibling is the smallest root of the frontier.
        while n & 1 == 1 {
            let Some(left) = self.roots.pop() else { break };
            (level, n, root) = (level + 1, n >> 1, node_hash(&left, &root));
            completed(level, n, root);
        }
        self.roots.push(root);
        self.size = size;
        Ok(())
    }
}

/// Coordinates `(level, n)` of the perfect subtrees of a tree of `size` leaves, largest first: where
/// the roots for [`Frontier::from_roots`] are to be read.
pub fn perfect_subtrees(size: TreeSize) -> impl Iterator<Item = (u8, u64)> {
    subtrees(0, size.0)
}

/// Path proving leaf `index` in the tree of `size` leaves, the leaf's own sibling first.
///
/// `node(level, n)` answers with the root of the perfect subtree of 2^level leaves from leaf n·2^level
/// on; only subtrees that lie wholly in the tree are asked for. There are at most ⌈log2 size⌉ hashes,
/// none for a tree of one leaf.
///
/// # Errors
/// [`TreeError::Beyond`] when `index >= size`, and whatever `node` fails with.
/// Source: RFC 9162 §2.1.3.1.
pub fn inclusion_path<E: From<TreeError>>(
    index: Index,
    size: TreeSize,
    mut node: impl FnMut(u8, u64) -> Result<TreeHash, E>,
) -> Result<Vec<TreeHash>, E> {
    if index.0 >= size.0 {
        return Err(TreeError::Beyond { index, size }.into());
    }
    let (mut begin, mut end) = (0, size.0);
    let mut path = Vec::new();
    while let Some(middle) = split(begin, end) {
        if index.0 < middle {
            path.push(range_root(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(range_root(begin, middle, &mut node)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Path proving that the tree of `to` leaves extends the tree of `from` leaves.
///
/// `node` is as in [`inclusion_path`]. The path is empty when the sizes are equal or `from` is 0.
///
/// # Errors
/// [`TreeError::Shrunk`] when `from > to`, and whatever `node` fails with.
/// Source: RFC 9162 §2.1.4.1.
pub fn consistency_path<E: From<TreeError>>(
    from: TreeSize,
    to: TreeSize,
    mut node: impl FnMut(u8, u64) -> Result<TreeHash, E>,
) -> Result<Vec<TreeHash>, E> {
    if from > to {
        return Err(TreeError::Shrunk { from, to }.into());
    }
    let (mut begin, mut end) = (0, to.0);
    let mut path = Vec::new();
    // Descends along the older tree's right edge until the range ends where the older tree does.
    while 0 < from.0 && from.0 < end {
        let Some(middle) = split(begin, end) else { break };
        if from.0 <= middle {
            path.push(range_root(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(range_root(begin, middle, &mut node)?);
            begin = middle;
        }
    }
    // If the range is the whole older tree, the verifier has its root already.
    if begin > 0 {
        path.push(range_root(begin, end, &mut node)?);
    }
    path.reverse();
    Ok(path)
}

/// Root that `path` leads to from a leaf's hash.
///
/// # Errors
/// [`TreeError::Beyond`] when `index >= size`; [`TreeError::PathLength`] when the path is too short or
/// too long for them.
/// Source: RFC 9162 §2.1.3.2.
pub fn root_from_path(
    leaf: &TreeHash,
    index: Index,
    size: TreeSize,
    path: &[TreeHash],
) -> Result<TreeHash, TreeError> {
    if index.0 >= size.0 {
        return Err(TreeError::Beyond { index, size });
    }
    let mut climb = Climb { node: index.0, last: size.0 - 1 };
    let mut root = *leaf;
    for sibling in path {
        root = match climb.step() {
            Some(Side::Left) => node_hash(sibling, &root),
            Some(Side::Right) => node_hash(&root, sibling),
            None => return Err(TreeError::PathLength { len: path.len() }),
        };
    }
    if climb.last != 0 {
        return Err(TreeError::PathLength { len: path.len() });
    }
    Ok(root)
}

/// Checks that the leaf with this hash is at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// Those of [`root_from_path`], and [`TreeError::Root`] when the path leads elsewhere.
/// Source: RFC 9162 §2.1.3.2.
pub fn verify_inclusion(
    leaf: &TreeHash,
    index: Index,
    size: TreeSize,
    path: &[TreeHash],
    root: &TreeHash,
) -> Result<(), TreeError> {
    same_root(root_from_path(leaf, index, size, path)?, root)
}

/// Root of the tree of `to` leaves, from a path that proves it to extend the tree of `from` leaves with
/// root `from_root`.
///
/// # Errors
/// [`TreeError::Shrunk`] when `from > to`; [`TreeError::FromEmpty`] when `from` is 0 and `to` is not,
/// for then the path does not determine the root; [`TreeError::PathLength`] when the path is too short
/// or too long; [`TreeError::FromRoot`] when it starts from another root.
/// Source: RFC 9162 §2.1.4.2.
pub fn root_from_consistency(
    from: TreeSize,
    from_root: &TreeHash,
    to: TreeSize,
    path: &[TreeHash],
) -> Result<TreeHash, TreeError> {
    let wrong_length = TreeError::PathLength { len: path.len() };
    if from > to {
        return Err(TreeError::Shrunk { from, to });
    }
    if from == to {
        return if path.is_empty() { Ok(*from_root) } else { Err(wrong_length) };
    }
    if from.0 == 0 {
        return Err(TreeError::FromEmpty { to });
    }
    // The first hash is the largest perfect subtree at the older tree's right edge; when that is the
    // whole older tree it is left out, being known.
    let (first, rest) = match path.split_first() {
        Some(_) if from.0.is_power_of_two() => (from_root, path),
        Some((first, rest)) => (first, rest),
        None => return Err(wrong_length),
    };
    let (older, newer) = climb_both(from.0 - 1, to.0 - 1, first, rest).ok_or(wrong_length)?;
    if older != *from_root {
        return Err(TreeError::FromRoot { computed: older, expected: *from_root });
    }
    Ok(newer)
}

/// Checks that the tree of `to` leaves with root `to_root` extends that of `from` leaves with root
/// `from_root`. Between equal sizes the roots are equal and the path empty; from the empty tree the
/// path is empty as well.
///
/// # Errors
/// Those of [`root_from_consistency`] but [`TreeError::FromEmpty`], and [`TreeError::Root`] when the
/// path leads elsewhere.
/// Source: RFC 9162 §2.1.4.2.
pub fn verify_consistency(
    from: TreeSize,
    from_root: &TreeHash,
    to: TreeSize,
    to_root: &TreeHash,
    path: &[TreeHash],
) -> Result<(), TreeError> {
    if from.0 > 0 {
        return same_root(root_from_consistency(from, from_root, to, path)?, to_root);
    }
    if !path.is_empty() {
        return Err(TreeError::PathLength { len: path.len() });
    }
    let empty = empty_root();
    if *from_root != empty {
        return Err(TreeError::FromRoot { computed: empty, expected: *from_root });
    }
    if to.0 == 0 { same_root(empty, to_root) } else { Ok(()) }
}

fn same_root(computed: TreeHash, expected: &TreeHash) -> Result<(), TreeError> {
    if computed == *expected {
        Ok(())
    } else {
        Err(TreeError::Root { computed, expected: *expected })
    }
}

/// Where the next hash of a path belongs.
enum Side {
    Left,
    Right,
}

/// A node's place on its level and that of the level's last node, on the way up to the root.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Side of the next sibling, moving above it; `None` at the root already.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let right_edge = self.node == self.last;
        let side = if right_edge || self.node & 1 == 1 { Side::Left } else { Side::Right };
        // A last node without a sibling is its parent's hash too: rise to where it has one.
        while right_edge && self.node & 1 == 0 && self.node > 0 {
            self.rise();
        }
        self.rise();
        Some(side)
    }

    fn rise(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }
}

/// Roots of the older and the newer tree, from a node common to both; `None` if the path's length is
/// wrong. `older_last` and `newer_last` are the trees' last leaves.
fn climb_both(
    older_last: u64,
    newer_last: u64,
    first: &TreeHash,
    rest: &[TreeHash],
) -> Option<(TreeHash, TreeHash)> {
    let mut climb = Climb { node: older_last, last: newer_last };
    // Up to the largest perfect subtree that ends where the older tree does.
    while climb.node & 1 == 1 {
        climb.rise();
    }
    let (mut older, mut newer) = (*first, *first);
    for sibling in rest {
        match climb.step()? {
            Side::Left => {
                older = node_hash(sibling, &older);
                newer = node_hash(sibling, &newer);
            }
            Side::Right => newer = node_hash(&newer, sibling),
        }
    }
    (climb.last == 0).then_some((older, newer))
}

/// First leaf of the right child of the node over leaves `begin..end`; `None` for a single leaf.
fn split(begin: u64, end: u64) -> Option<u64> {
    let level = end.checked_sub(begin)?.checked_sub(1)?.checked_ilog2()?;
    1_u64.checked_shl(level)?.checked_add(begin)
}

/// The perfect subtrees of the node over leaves `begin..end`, from the left and so from the largest.
fn subtrees(begin: u64, end: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = begin;
    std::iter::from_fn(move || {
        let level = end.checked_sub(at)?.checked_ilog2()?;
        let n = at >> level;
        at += 1 << level;
        Some((u8::try_from(level).ok()?, n))
    })
}

/// Root of the node over leaves `begin..end`.
fn range_root<E>(
    begin: u64,
    end: u64,
    node: &mut impl FnMut(u8, u64) -> Result<TreeHash, E>,
) -> Result<TreeHash, E> {
    let roots = subtrees(begin, end).map(|(level, n)| node(level, n));
    Ok(bag(&roots.collect::<Result<Vec<_>, E>>()?))
}

/// Root over the roots of perfect subtrees, largest first.
fn bag(roots: &[TreeHash]) -> TreeHash {
    let root = roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
    root.unwrap_or_else(empty_root)
}

/// A tile: hash `i` of tile `n` at tile level `level` is the root of the perfect subtree of 256^level
/// leaves with number 256·n + i on its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// Tile level, 0 to [`TILE_LEVEL_MAX`]; each spans [`TILE_HEIGHT`] tree levels.
    pub level: u8,
    /// Number of the tile on its level, from 0.
    pub n: u64,
    /// Hashes in the tile, 1 to [`TILE_WIDTH`]; below that the tile is partial.
    pub width: u16,
}

impl Tile {
    /// Tile `n` at `level` as it is in a tree of `size` leaves; `None` if it is empty, for empty tiles
    /// do not exist.
    #[must_use]
    pub fn of(level: u8, n: u64, size: TreeSize) -> Option<Self> {
        let width = tile_width(level, n, size);
        (width > 0).then_some(Self { level, n, width })
    }

    /// Path below the log's prefix: `tile/<L>/<N>`, and `.p/<W>` if partial.
    ///
    /// Source: C2SP `tlog-tiles`, "Merkle Tree".
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, place(self.n, self.width))
    }

    /// The tile of a path, which must be exactly as [`Tile::path`] writes it.
    ///
    /// Source: C2SP `tlog-tiles`, "Merkle Tree".
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (n, width) = parse_place(rest)?;
        let tile = Self { level: level.parse().ok()?, n, width };
        (tile.level <= TILE_LEVEL_MAX && tile.path() == path).then_some(tile)
    }
}

/// Path of the bundle of entries 256·n and following, below the log's prefix: `tile/entries/<N>`, and
/// `.p/<W>` if it holds fewer than [`TILE_WIDTH`].
///
/// Source: C2SP `tlog-tiles`, "Log Entries".
#[must_use]
pub fn entries_path(n: u64, width: u16) -> String {
    format!("tile/entries/{}", place(n, width))
}

/// Number and width of the bundle of a path, which must be exactly as [`entries_path`] writes it.
///
/// Source: C2SP `tlog-tiles`, "Log Entries".
#[must_use]
pub fn parse_entries_path(path: &str) -> Option<(u64, u16)> {
    let (n, width) = parse_place(path.strip_prefix("tile/entries/")?)?;
    (entries_path(n, width) == path).then_some((n, width))
}

/// Hashes that tile `n` at tile level `level` has in a tree of `size` leaves: 0 if there is no such
/// tile, [`TILE_WIDTH`] if it is full. For entry bundles `level` is 0.
#[must_use]
pub fn tile_width(level: u8, n: u64, size: TreeSize) -> u16 {
    let shift = u32::from(level) * u32::from(TILE_HEIGHT);
    let hashes = size.0.checked_shr(shift).unwrap_or(0);
    let before = n.saturating_mul(u64::from(TILE_WIDTH));
    let width = hashes.saturating_sub(before).min(u64::from(TILE_WIDTH));
    u16::try_from(width).unwrap_or(TILE_WIDTH)
}

/// Hashes in the partial tile at tile level `level` of a tree of `size` leaves; 0 if there is none.
///
/// It is `floor(size / 256^level) mod 256`: 112, 17 and 1 for 70,000 leaves.
/// Source: C2SP `tlog-tiles`, "Partial Tiles".
#[must_use]
pub fn partial_width(level: u8, size: TreeSize) -> u16 {
    let shift = u32::from(level) * u32::from(TILE_HEIGHT);
    let hashes = size.0.checked_shr(shift).unwrap_or(0);
    u16::try_from(hashes % u64::from(TILE_WIDTH)).unwrap_or(0)
}

/// The hashes of one tile from which the root of a perfect subtree follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileSpan {
    /// Tile level.
    pub level: u8,
    /// Number of the tile on its level.
    pub n: u64,
    /// Position of the first hash in the tile.
    pub first: usize,
    /// Number of hashes, a power of two below [`TILE_WIDTH`].
    pub count: usize,
}

/// Where the root of the perfect subtree `(level, n)` of the tree can be derived: one stored hash if
/// `level` is a multiple of [`TILE_HEIGHT`], otherwise a span of hashes of the tile below it.
///
/// Source: C2SP `tlog-tiles`, "Merkle Tree".
#[must_use]
pub fn tile_of(level: u8, n: u64) -> TileSpan {
    let rise = level % TILE_HEIGHT;
    // At most 255, the position of a tile's last hash.
    let first = (n & (0xff >> rise)) << rise;
    TileSpan {
        level: level / TILE_HEIGHT,
        n: n >> (TILE_HEIGHT - rise),
        first: usize::try_from(first).unwrap_or_default(),
        count: 1 << rise,
    }
}

/// Root over `count` hashes of a tile from position `first` on; `None` if the tile does not have them
/// or `count` is not a power of two.
///
/// IMPORTANT: `count` hashes must span one perfect subtree, as [`tile_of`] makes them.
#[must_use]
pub fn subtree_from_tile(hashes: &[TreeHash], first: usize, count: usize) -> Option<TreeHash> {
    let span = hashes.get(first..first.checked_add(count)?)?;
    count.is_power_of_two().then(|| perfect_root(span))
}

/// Root of a perfect subtree over a power of two of hashes.
fn perfect_root(span: &[TreeHash]) -> TreeHash {
    let mut row = span.to_vec();
    while row.len() > 1 {
        row = row
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(node_hash(left, right)),
                _ => None,
            })
            .collect();
    }
    bag(&row)
}

/// `<N>[.p/<W>]`: N in groups of three digits, all but the last with an `x` before them.
fn place(n: u64, width: u16) -> String {
    let mut text = format!("{:03}", n % 1000);
    let mut above = n / 1000;
    while above > 0 {
        text = format!("x{:03}/{text}", above % 1000);
        above /= 1000;
    }
    if width < TILE_WIDTH {
        text += &format!(".p/{width}");
    }
    text
}

/// Number and width of what [`place`] wrote; the caller compares, for this also takes other forms.
fn parse_place(text: &str) -> Option<(u64, u16)> {
    let (n, width) = match text.split_once(".p/") {
        Some((n, width)) => (n, width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?),
        None => (text, TILE_WIDTH),
    };
    let number = n.split('/').try_fold(0_u64, |number, group| {
        let group = group.strip_prefix('x').unwrap_or(group).parse::<u16>().ok()?;
        number.checked_mul(1000)?.checked_add(u64::from(group))
    })?;
    Some((number, width))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<TreeHash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// Split at the largest power of two below the count, as the RFC defines it.
    fn naive_split(count: usize) -> usize {
        let mut k = 1;
        while k * 2 < count {
            k *= 2;
        }
        k
    }

    fn naive_root(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash(sha256(b"")),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(naive_split(leaves.len()));
                let bytes = [&[1][..], &naive_root(left).0, &naive_root(right).0].concat();
                TreeHash(sha256(&bytes))
            }
        }
    }

    fn naive_path(m: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
        if leaves.len() == 1 {
            return vec![];
        }
        let k = naive_split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m < k {
            (naive_path(m, left), naive_root(right))
        } else {
            (naive_path(m - k, right), naive_root(left))
        };
        path.push(sibling);
        path
    }

    fn naive_subproof(m: usize, leaves: &[TreeHash], whole: bool) -> Vec<TreeHash> {
        if m == leaves.len() {
            return if whole { vec![] } else { vec![naive_root(leaves)] };
        }
        let k = naive_split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m <= k {
            (naive_subproof(m, left, whole), naive_root(right))
        } else {
            (naive_subproof(m - k, right, false), naive_root(left))
        };
        path.push(sibling);
        path
    }

    /// Answers for perfect subtrees within `leaves` only.
    fn from_leaves(leaves: &[TreeHash]) -> impl Fn(u8, u64) -> Result<TreeHash, TreeError> {
        move |level, n| {
            let begin = (n as usize) << level;
            Ok(naive_root(&leaves[begin..begin + (1 << level)]))
        }
    }

    fn frontier(leaves: &[TreeHash]) -> Frontier {
        let mut frontier = Frontier::default();
        for leaf in leaves {
            frontier.push(*leaf).unwrap();
        }
        frontier
    }

    fn size(count: usize) -> TreeSize {
        TreeSize(count as u64)
    }

    #[test]
    fn published_roots() {
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(frontier.root().to_string(), empty);
        for (input, root) in inputs.into_iter().zip(roots) {
            frontier.push(leaf_hash(&crate::id::unhex(input).unwrap())).unwrap();
            assert_eq!(frontier.root().to_string(), root);
        }
    }

    #[test]
    fn every_small_tree_agrees_with_the_definition() {
        let all = leaves(40);
        for to in 0..=all.len() {
            let tree = &all[..to];
            let root = naive_root(tree);
            assert_eq!(frontier(tree).root(), root);
            for (at, leaf) in tree.iter().enumerate() {
                let index = Index(at as u64);
                let path = inclusion_path(index, size(to), from_leaves(tree)).unwrap();
                assert_eq!(path, naive_path(at, tree));
                verify_inclusion(leaf, index, size(to), &path, &root).unwrap();
            }
            for from in 0..=to {
                let path = consistency_path(size(from), size(to), from_leaves(tree)).unwrap();
                let older = naive_root(&tree[..from]);
                if from > 0 {
                    assert_eq!(path, naive_subproof(from, tree, true));
                    let newer = root_from_consistency(size(from), &older, size(to), &path);
                    assert_eq!(newer, Ok(root));
                }
                verify_consistency(size(from), &older, size(to), &root, &path).unwrap();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_trees_agree_with_the_definition(
            to in 1_usize..1500,
            at in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let tree = leaves(to);
            let (at, from) = (at.index(to), cut.index(to) + 1);
            let index = Index(at as u64);
            let root = naive_root(&tree);
            prop_assert_eq!(frontier(&tree).root(), root);
            let path = inclusion_path(index, size(to), from_leaves(&tree)).unwrap();
            prop_assert_eq!(&path, &naive_path(at, &tree));
            prop_assert_eq!(verify_inclusion(&tree[at], index, size(to), &path, &root), Ok(()));
            let older = naive_root(&tree[..from]);
            let path = consistency_path(size(from), size(to), from_leaves(&tree)).unwrap();
            prop_assert_eq!(&path, &naive_subproof(from, &tree, true));
            let checked = verify_consistency(size(from), &older, size(to), &root, &path);
            prop_assert_eq!(checked, Ok(()));
        }

        #[test]
        fn any_change_to_an_inclusion_is_refused(
            to in 2_usize..300,
            at in any::<prop::sample::Index>(),
            change in 0..5,
            pick in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let tree = leaves(to);
            let at = at.index(to);
            let root = naive_root(&tree);
            let mut index = Index(at as u64);
            let mut leaf = tree[at];
            let mut path = naive_path(at, &tree);
            let picked = pick.index(path.len());
            match change {
                0 => path[picked].0[pick.index(32)] ^= 1 << bit,
                1 => drop(path.remove(picked)),
                2 => path.insert(picked, leaf),
                3 => leaf.0[pick.index(32)] ^= 1 << bit,
                _ => index = Index(((at + 1 + pick.index(to - 1)) % to) as u64),
            }
            prop_assert!(verify_inclusion(&leaf, index, size(to), &path, &root).is_err());
        }

        #[test]
        fn any_change_to_a_consistency_is_refused(
            to in 2_usize..300,
            cut in any::<prop::sample::Index>(),
            change in 0..5,
            pick in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let tree = leaves(to);
            let from = 1 + cut.index(to - 1);
            let (mut older, mut newer) = (naive_root(&tree[..from]), naive_root(&tree));
            let mut path = naive_subproof(from, &tree, true);
            let picked = pick.index(path.len());
            match change {
                0 => path[picked].0[pick.index(32)] ^= 1 << bit,
                1 => drop(path.remove(picked)),
                2 => path.insert(picked, newer),
                3 => older.0[pick.index(32)] ^= 1 << bit,
                _ => newer.0[pick.index(32)] ^= 1 << bit,
            }
            prop_assert!(verify_consistency(size(from), &older, size(to), &newer, &path).is_err());
        }

        #[test]
        fn no_input_panics(
            a in any::<u64>(),
            b in any::<u64>(),
            shift in 0_u32..64,
            level: u8,
            path in prop::collection::vec(any::<[u8; 32]>().prop_map(TreeHash), 0..70),
            text in "tile/(entries|[0-9]{1,3})(/x?[0-9]{0,4}){0,8}(\\.p/[0-9]{0,6})?",
        ) {
            let (a, b, zero) = (a >> shift, b, TreeHash::ZERO);
            let node = |_: u8, _: u64| Ok::<_, TreeError>(zero);
            let _ = root_from_path(&zero, Index(a), TreeSize(b), &path);
            let _ = root_from_consistency(TreeSize(a), &zero, TreeSize(b), &path);
            let _ = verify_consistency(TreeSize(a), &zero, TreeSize(b), &zero, &path);
            let _ = inclusion_path(Index(a), TreeSize(b), node);
            let _ = consistency_path(TreeSize(a), TreeSize(b), node);
            let _ = Frontier::from_roots(TreeSize(a), path.clone());
            let _ = (tile_width(level, a, TreeSize(b)), partial_width(level, TreeSize(b)));
            let span = tile_of(level, a);
            prop_assert!(span.first + span.count <= usize::from(TILE_WIDTH));
            let _ = subtree_from_tile(&path, span.first, span.count);
            if let Some(tile) = Tile::parse(&text) {
                prop_assert_eq!(tile.path(), text.clone());
            }
            if let Some((n, width)) = parse_entries_path(&text) {
                prop_assert_eq!(entries_path(n, width), text);
            }
        }

        #[test]
        fn every_tile_path_parses_back(level in 0..=TILE_LEVEL_MAX, n: u64, width in 1_u16..=256) {
            for n in [n, n >> 40, n >> 56] {
                let tile = Tile { level, n, width };
                prop_assert_eq!(Tile::parse(&tile.path()), Some(tile));
                prop_assert_eq!(parse_entries_path(&entries_path(n, width)), Some((n, width)));
            }
        }
    }

    /// All leaves alike, so that a tree of any size can be had: level hashes are all there is.
    #[test]
    fn paths_hold_at_the_largest_sizes() {
        let mut levels = vec![leaf_hash(b"same")];
        while levels.len() < 64 {
            let last = levels[levels.len() - 1];
            levels.push(node_hash(&last, &last));
        }
        let node = |level: u8, _: u64| Ok::<_, TreeError>(levels[usize::from(level)]);
        let tree = |count: u64| {
            let roots = perfect_subtrees(TreeSize(count)).map(|(level, _)| levels[level as usize]);
            Frontier::from_roots(TreeSize(count), roots.collect()).unwrap()
        };
        let sizes = [1, 2, 3, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX];
        for to in sizes {
            for index in [0, to / 2, to - 1].map(Index) {
                let path = inclusion_path(index, TreeSize(to), node).unwrap();
                let root = root_from_path(&levels[0], index, TreeSize(to), &path);
                assert_eq!(root, Ok(tree(to).root()));
            }
            for from in sizes.into_iter().filter(|from| *from <= to).map(TreeSize) {
                let path = consistency_path(from, TreeSize(to), node).unwrap();
                let older = tree(from.0).root();
                let newer = root_from_consistency(from, &older, TreeSize(to), &path);
                assert_eq!(newer, Ok(tree(to).root()));
            }
        }
        let mut full = tree(u64::MAX);
        assert_eq!(full.push(levels[0]), Err(TreeError::Full));
        assert_eq!(full, tree(u64::MAX));
        let mut almost = tree(u64::MAX - 1);
        almost.push(levels[0]).unwrap();
        assert_eq!(almost, full);
    }

    #[test]
    fn refusals_name_their_reason() {
        let tree = leaves(3);
        let root = naive_root(&tree);
        let path = naive_path(0, &tree);
        let beyond = TreeError::Beyond { index: Index(3), size: TreeSize(3) };
        let node = from_leaves(&tree);
        assert_eq!(inclusion_path(Index(3), TreeSize(3), &node), Err(beyond));
        assert_eq!(root_from_path(&tree[0], Index(3), TreeSize(3), &path), Err(beyond));
        let short = root_from_path(&tree[0], Index(0), TreeSize(3), &path[..1]);
        assert_eq!(short, Err(TreeError::PathLength { len: 1 }));
        let other = verify_inclusion(&tree[0], Index(0), TreeSize(3), &path, &TreeHash::ZERO);
        let expected = TreeHash::ZERO;
        assert_eq!(other, Err(TreeError::Root { computed: root, expected }));

        let shrunk = TreeError::Shrunk { from: TreeSize(3), to: TreeSize(2) };
        assert_eq!(consistency_path(TreeSize(3), TreeSize(2), &node), Err(shrunk));
        let checked = root_from_consistency(TreeSize(3), &root, TreeSize(2), &[]);
        assert_eq!(checked, Err(shrunk));
        let checked = root_from_consistency(TreeSize(0), &empty_root(), TreeSize(2), &[]);
        assert_eq!(checked, Err(TreeError::FromEmpty { to: TreeSize(2) }));
        let checked = root_from_consistency(TreeSize(2), &root, TreeSize(3), &[]);
        assert_eq!(checked, Err(TreeError::PathLength { len: 0 }));
        let path = naive_subproof(2, &tree, true);
        let checked = root_from_consistency(TreeSize(2), &root, TreeSize(3), &path);
        // The older size is a power of two: its root is the first hash, so only the newer root tells.
        assert_ne!(checked, Ok(root));
        let four = leaves(4);
        let path = naive_subproof(3, &four, true);
        let checked = root_from_consistency(TreeSize(3), &expected, TreeSize(4), &path);
        assert_eq!(checked, Err(TreeError::FromRoot { computed: root, expected }));
        let unequal = verify_consistency(TreeSize(3), &root, TreeSize(3), &expected, &[]);
        assert_eq!(unequal, Err(TreeError::Root { computed: root, expected }));
        let from_nothing = verify_consistency(TreeSize(0), &expected, TreeSize(3), &root, &[]);
        assert_eq!(from_nothing, Err(TreeError::FromRoot { computed: empty_root(), expected }));
    }

    #[test]
    fn a_frontier_is_rebuilt_from_its_roots() {
        let whole = frontier(&leaves(77));
        let again = Frontier::from_roots(whole.size(), whole.roots().to_vec());
        assert_eq!(again, Some(whole.clone()));
        assert_eq!(Frontier::from_roots(TreeSize(78), whole.roots()[1..].to_vec()), None);
        assert_eq!(Frontier::from_roots(TreeSize(0), vec![]), Some(Frontier::default()));
    }

    #[test]
    fn tile_paths_are_the_standard_ones() {
        for (level, n, width, path) in [
            (0, 0, 256, "tile/0/000"),
            (1, 255, 17, "tile/1/255.p/17"),
            (0, 1000, 256, "tile/0/x001/000"),
            (2, 1_234_067, 256, "tile/2/x001/x234/067"),
            (63, 1_234_067, 1, "tile/63/x001/x234/067.p/1"),
        ] {
            let tile = Tile { level, n, width };
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse(path), Some(tile));
        }
        assert_eq!(entries_path(1_234_067, 256), "tile/entries/x001/x234/067");
        assert_eq!(entries_path(3, 7), "tile/entries/003.p/7");
        for path in [
            "tile/64/000",
            "tile/00/000",
            "tile/+1/000",
            "tile/-1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/1000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/000/",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/1/",
            "tile/0/000.p/",
            "tile/0/../000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/",
            "tile/entries/000",
            "/tile/0/000",
            "",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
        for path in ["tile/entries/0", "tile/0/000", "tile/entries/000.p/0"] {
            assert_eq!(parse_entries_path(path), None, "{path}");
        }
        let last = Tile { level: 0, n: u64::MAX, width: 256 };
        assert_eq!(last.path(), "tile/0/x018/x446/x744/x073/x709/x551/615");
        assert_eq!(Tile::parse(&last.path()), Some(last));
    }

    #[test]
    fn widths_at_seventy_thousand() {
        let size = TreeSize(70_000);
        assert_eq!([0, 1, 2, 3, 8, 255].map(|l| partial_width(l, size)), [112, 17, 1, 0, 0, 0]);
        assert_eq!(tile_width(0, 272, size), 256);
        assert_eq!(tile_width(0, 273, size), 112);
        assert_eq!(Tile::of(0, 274, size), None);
        assert_eq!(Tile::of(2, 0, size), Some(Tile { level: 2, n: 0, width: 1 }));
        assert_eq!(tile_width(7, 0, TreeSize(u64::MAX)), 255);
        assert_eq!(tile_width(0, u64::MAX, TreeSize(u64::MAX)), 0);
        assert_eq!(tile_width(0, u64::MAX >> 8, TreeSize(u64::MAX)), 255);
    }

    /// What a writer of tiles does, and what a reader of proofs does with them.
    #[test]
    fn proofs_come_from_tiles_alone() {
        let count = 70_000;
        let mut tiles = BTreeMap::<(u8, u64), Vec<TreeHash>>::new();
        let mut tree = Frontier::default();
        for leaf in leaves(count) {
            tree.push_with(leaf, |level, n, root| {
                if level.is_multiple_of(TILE_HEIGHT) {
                    tiles.entry((level / TILE_HEIGHT, n / 256)).or_default().push(root);
                }
            })
            .unwrap();
        }
        for ((level, n), hashes) in &tiles {
            assert_eq!(hashes.len(), usize::from(tile_width(*level, *n, tree.size())));
        }
        let node = |level: u8, n: u64| {
            let span = tile_of(level, n);
            let hashes = &tiles[&(span.level, span.n)];
            Ok::<_, TreeError>(subtree_from_tile(hashes, span.first, span.count).unwrap())
        };
        let roots = perfect_subtrees(tree.size()).map(|(level, n)| node(level, n).unwrap());
        assert_eq!(Frontier::from_roots(tree.size(), roots.collect()), Some(tree.clone()));
        for at in [0, 255, 256, 65_535, 65_536, 69_887, 69_999] {
            let leaf = leaf_hash(&(at as usize).to_be_bytes());
            let path = inclusion_path(Index(at), tree.size(), node).unwrap();
            verify_inclusion(&leaf, Index(at), tree.size(), &path, &tree.root()).unwrap();
        }
        for from in [1, 256, 300, 65_536, 66_000, 69_999] {
            let older = frontier(&leaves(from)).root();
            let path = consistency_path(size(from), tree.size(), node).unwrap();
            verify_consistency(size(from), &older, tree.size(), &tree.root(), &path).unwrap();
        }
    }

    #[test]
    fn a_span_outside_the_tile_has_no_root() {
        let hashes = leaves(6);
        assert_eq!(subtree_from_tile(&hashes, 4, 2), Some(node_hash(&hashes[4], &hashes[5])));
        for (first, count) in [(4, 4), (0, 0), (0, 3), (usize::MAX, 2), (7, 1)] {
            assert_eq!(subtree_from_tile(&hashes, first, count), None);
        }
    }
}
