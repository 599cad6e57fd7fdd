//! Checking what is read: link of the chain, digest of the body, signature, place in a signed tree.
//!
//! What was proven once is remembered by the hash of its leaf, together with the tree that it was proven
//! in. Reading it again proves only that the newer tree extends that one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{Entry, KeySet, Ledger, ReadError, StatementRow, TileProof};
use schemas::checkpoint::Note;
use schemas::id::{BodyDigest, ChainHash, Digest, Index, SignerId, TreeHash, TreeSize, sha256};
use schemas::leaf::{Leaf, Status};
use schemas::limits::PROOFS_KEPT_MAX;
use schemas::map::Map;
use schemas::reject::Reason;
use schemas::statement::{Preimage, Statement};
use schemas::submission::parse_manifest;
use schemas::tree::{self, TILE_WIDTH};
use serde::Serialize;

use crate::error::sound;
use crate::node::Node;

/// Tiles that are read in one go, 8 KiB each.
const TILES_TOGETHER: usize = 64;

/// Statements that runs have in common, up to 8 KiB of digests each.
const STATEMENTS_TOGETHER: usize = 64;

/// What is kept of an entry's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// Bytes that have the digest in the leaf.
    Whole,
    /// Nothing: erased.
    Erased,
    /// Nothing as a body: the entry was refused.
    Refused,
    /// Neither its bytes nor what a redaction leaves.
    Damaged,
}

impl Held {
    /// What is kept of this entry.
    pub(crate) fn of(entry: &Entry) -> Self {
        match &entry.body {
            _ if entry.leaf.status != Status::Accepted => Self::Refused,
            _ if entry.is_damaged() => Self::Damaged,
            None => Self::Erased,
            Some(_) => Self::Whole,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "verified",
            Self::Erased => "redacted",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
        }
    }
}

/// What was checked of one entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Proof {
    /// It continues the entry before, and the next one continues it.
    pub(crate) chain: bool,
    pub(crate) held: Held,
    /// Its statement verifies under an enrolled key and covers its body; `None` if it has none.
    pub(crate) signature: Option<bool>,
    /// Its leaf is in the checkpoint's tree.
    pub(crate) inclusion: bool,
}

impl Proof {
    /// Of an entry whose rows cannot be read.
    pub(crate) const BROKEN: Self =
        Self { chain: false, held: Held::Damaged, signature: Some(false), inclusion: false };

    pub(crate) fn holds(&self) -> bool {
        self.chain && self.inclusion && self.held != Held::Damaged && self.signature != Some(false)
    }

    /// The proof as the API shows it, against the checkpoint of this size.
    pub(crate) fn view(&self, checkpoint: TreeSize) -> ProofView {
        ProofView {
            chain: self.chain,
            body: self.held.as_str(),
            signature: self.signature,
            inclusion: self.inclusion,
            checkpoint: checkpoint.0,
        }
    }
}

/// A proof as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ProofView {
    chain: bool,
    body: &'static str,
    signature: Option<bool>,
    inclusion: bool,
    checkpoint: u64,
}

/// A signed tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tree {
    size: TreeSize,
    root: TreeHash,
}

struct Kept {
    leaf: TreeHash,
    signature: Option<bool>,
    tree: Tree,
}

/// Parts that proofs are kept in, so that whoever keeps one never waits until all of them have moved to a larger table.
const PARTS: usize = 32;

/// Proofs that held, by index, in parts: those of a tile in one, for they are mostly asked for one after the other.
#[derive(Default)]
pub(crate) struct Proofs([Mutex<Map<Index, Kept>>; PARTS]);

impl Proofs {
    fn get(&self, index: Index, leaf: &TreeHash) -> Option<(Option<bool>, Tree)> {
        let kept = self.part(index)?;
        let found = kept.get(&index).filter(|kept| kept.leaf == *leaf);
        found.map(|kept| (kept.signature, kept.tree))
    }

    /// Whether there may be one: whether it is of the same leaf is seen when it is asked for.
    fn has(&self, index: Index) -> bool {
        self.part(index).is_some_and(|kept| kept.contains_key(&index))
    }

    fn keep(&self, index: Index, proof: Kept) {
        let Some(mut kept) = self.part(index) else { return };
        if kept.len() >= PROOFS_KEPT_MAX / PARTS {
            kept.clear();
        }
        kept.insert(index, proof);
    }

    fn part(&self, index: Index) -> Option<MutexGuard<'_, Map<Index, Kept>>> {
        let place = usize::try_from(tile_of(index)).ok()?.checked_rem(PARTS)?;
        Some(self.0.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Proves entries in one signed tree.
pub(crate) struct Prover<'l> {
    ledger: &'l Ledger,
    proofs: &'l Proofs,
    keys: Arc<KeySet>,
    size: TreeSize,
    /// `None` if the checkpoint is not signed by the ledger's key: then nothing is in it.
    tree: Option<Tree>,
    /// What the entries that are to be proven continue, and what continues them; by index.
    links: Vec<(Index, Link)>,
    /// What runs have in common: tiles, where these are few, and some statements. By its digest a statement is the same,
    /// whichever row it was read from.
    tiles: Tiles,
    statements: Mutex<Map<Digest, Arc<Signed>>>,
}

/// Leaf hashes of tiles by their numbers; no hashes of a tile that is not in the tree.
type Tiles = Map<u64, Vec<TreeHash>>;

/// A run over some of them, one after the other: what is remembered from one to the next.
pub(crate) struct Run<'p> {
    prover: &'p Prover<'p>,
    /// Whether the tree extends these earlier ones, or is extended by these later ones.
    related: BTreeMap<TreeSize, (TreeHash, bool)>,
    /// The statement looked at last: entries side by side often share one.
    last: Option<Arc<Signed>>,
    /// Tiles that the entries are in and that were not looked at yet.
    places: BTreeSet<u64>,
    tiles: Tiles,
}

/// A link of the chain.
#[derive(Clone, Copy, Debug)]
struct Link {
    previous: ChainHash,
    chain: ChainHash,
}

impl Link {
    fn of(entry: &Entry) -> (Index, Self) {
        (entry.leaf.index, Self { previous: entry.leaf.previous, chain: entry.chain })
    }
}

/// What a statement signs.
struct Signed {
    statement: Digest,
    verifies: bool,
    signer: SignerId,
    /// By position.
    bodies: Vec<BodyDigest>,
}

impl Signed {
    fn of(row: &StatementRow, digest: Digest, keys: &KeySet) -> Option<Self> {
        let statement = Statement::parse(&row.statement).ok()?;
        let bodies = match (statement.preimage, &row.manifest) {
            (Preimage::Event, _) => {
                BodyDigest::from_slice(statement.payload()).into_iter().collect()
            }
            (Preimage::Manifest, Some(manifest)) if sha256(manifest) == statement.payload() => {
                parse_manifest(manifest)?
            }
            (Preimage::Manifest, _) => return None,
        };
        let key = keys.get(&statement.kid);
        let verifies = key.is_some_and(|key| statement.verifies(key));
        Some(Self { statement: digest, verifies, signer: statement.signer, bodies })
    }

    /// Whether it signs the body of the entry with this leaf, by the signer that the body names.
    fn covers(&self, leaf: &Leaf, named: Option<&str>) -> bool {
        let place = usize::try_from(leaf.position).ok();
        let signed = place.and_then(|place| self.bodies.get(place)) == Some(&leaf.body);
        // A refusal for its digest holds other bytes than those that were signed.
        let other = leaf.status == Status::Rejected(Reason::DigestMismatch);
        let is_named = named.is_none_or(|named| named == self.signer.as_str());
        self.verifies && is_named && (signed || other)
    }
}

impl<'l> Prover<'l> {
    /// In the newest published checkpoint if that holds these entries, else in the head's, which every commit signs
    /// too.
    pub(crate) fn over<'e>(
        ledger: &'l Ledger,
        proofs: &'l Proofs,
        entries: impl IntoIterator<Item = &'e Entry>,
    ) -> Result<Self, ReadError> {
        let mut links: Vec<_> = entries.into_iter().map(Link::of).collect();
        links.sort_unstable_by_key(|(index, _)| *index);
        let index = links.last().map(|(index, _)| *index).unwrap_or_default();
        let head = ledger.head();
        let (size, note) = match &head.published {
            (size, note) if size.0 > index.0 => (*size, note.as_str()),
            _ => (head.size, head.note.as_str()),
        };
        let era = ledger.eras().ok().map(|eras| eras.at(size).note_key());
        let key = era.unwrap_or_else(|| ledger.identity().note_key());
        let checkpoint = Note::parse(note).and_then(|note| note.verify_checkpoint(&key)).ok();
        let tree = checkpoint
            .filter(|checkpoint| checkpoint.size == size)
            .map(|checkpoint| Tree { size, root: checkpoint.root });
        let keys = ledger.key_set();
        let new = links.iter().filter(|(index, _)| !proofs.has(*index));
        let mut asked: Vec<_> = new.map(|(index, _)| tile_of(*index)).collect();
        asked.dedup();
        let tiles = match tree.filter(|_| asked.len() <= TILES_TOGETHER) {
            Some(tree) => read_tiles(ledger, &asked, tree)?,
            None => Tiles::default(),
        };
        let statements = Mutex::default();
        Ok(Self { ledger, proofs, keys, size, tree, links, tiles, statements })
    }

    /// Takes in others that are to be proven, too.
    pub(crate) fn follow<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) {
        self.links.extend(entries.into_iter().map(Link::of));
        self.links.sort_unstable_by_key(|(index, _)| *index);
    }

    /// Proves these of the entries; each run is its own, so that several may go on at the same time.
    pub(crate) fn run(&self, nodes: &[Node<'_>]) -> Run<'_> {
        let places = nodes.iter().map(|node| tile_of(node.index)).collect();
        Run { prover: self, related: BTreeMap::new(), last: None, places, tiles: Tiles::default() }
    }

    /// The checkpoint's size.
    pub(crate) fn size(&self) -> TreeSize {
        self.size
    }

    fn extends(&self, old: Tree, new: Tree) -> Result<bool, ReadError> {
        if old.size == new.size {
            return Ok(old.root == new.root);
        }
        let path = self.ledger.consistency(old.size, new.size)?;
        Ok(tree::verify_consistency(old.size, &old.root, new.size, &new.root, &path).is_ok())
    }

    /// The statement over the entry with this leaf; `None` where it signs nothing.
    fn signed(&self, leaf: &Leaf) -> Result<Option<Arc<Signed>>, ReadError> {
        let statements = || self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = statements().get(&leaf.statement) {
            return Ok(Some(Arc::clone(known)));
        }
        let row = self.ledger.statement(leaf.index)?;
        let signed = row.and_then(|row| Signed::of(&row, leaf.statement, &self.keys)).map(Arc::new);
        if let Some(signed) = &signed {
            let mut statements = statements();
            if statements.len() >= STATEMENTS_TOGETHER {
                statements.clear();
            }
            statements.insert(leaf.statement, Arc::clone(signed));
        }
        Ok(signed)
    }

    fn link(&self, index: Index) -> Option<&Link> {
        let place = self.links.binary_search_by_key(&index, |(at, _)| *at).ok()?;
        self.links.get(place).map(|(_, link)| link)
    }

    fn is_linked(&self, entry: &Entry) -> Result<bool, ReadError> {
        let index = entry.leaf.index.0;
        let before = match index.checked_sub(1).map(Index) {
            Some(before) => match self.link(before) {
                Some(link) => link.chain,
                None => self.ledger.chain(before)?,
            },
            None => ChainHash::ZERO,
        };
        let (head, next) = (self.ledger.head(), Index(index.saturating_add(1)));
        let after = match self.link(next) {
            Some(link) => link.previous,
            None if next.0 == head.size.0 => head.chain,
            None => self.ledger.leaf(next)?.previous,
        };
        Ok(before == entry.leaf.previous && after == entry.chain)
    }
}

impl Run<'_> {
    /// Checks what a node was made of. Damage is an answer; only a failing store is an error.
    pub(crate) fn prove(&mut self, node: &Node<'_>) -> Result<Proof, ReadError> {
        let Some(entry) = node.entry else { return Ok(Proof::BROKEN) };
        let (index, leaf) = (entry.leaf.index, tree::leaf_hash(&entry.bytes));
        let held = Held::of(entry);
        if let Some((signature, tree)) = self.prover.proofs.get(index, &leaf)
            && self.is_related(tree)?
        {
            return Ok(Proof { chain: true, held, signature, inclusion: true });
        }
        let proof = Proof {
            chain: sound(self.prover.is_linked(entry))?,
            held,
            signature: self.signature(&entry.leaf, node.named())?,
            inclusion: self.includes(index, &leaf)?,
        };
        if let (Some(tree), true) = (self.prover.tree, proof.holds()) {
            self.prover.proofs.keep(index, Kept { leaf, signature: proof.signature, tree });
        }
        Ok(proof)
    }

    /// Whether `other` and this tree are two ages of one history.
    fn is_related(&mut self, other: Tree) -> Result<bool, ReadError> {
        let Some(tree) = self.prover.tree else { return Ok(false) };
        if let Some((root, related)) = self.related.get(&other.size) {
            return Ok(*related && *root == other.root);
        }
        let (old, new) = if other.size <= tree.size { (other, tree) } else { (tree, other) };
        let related = sound(self.prover.extends(old, new))?;
        self.related.insert(other.size, (other.root, related));
        Ok(related)
    }

    fn includes(&mut self, index: Index, leaf: &TreeHash) -> Result<bool, ReadError> {
        let Some(tree) = self.prover.tree else { return Ok(false) };
        let n = tile_of(index);
        if !self.prover.tiles.contains_key(&n) && !self.tiles.contains_key(&n) {
            self.load_tiles(n, tree)?;
        }
        let place = usize::try_from(index.0 % u64::from(TILE_WIDTH)).ok();
        let leaves = self.prover.tiles.get(&n).or_else(|| self.tiles.get(&n));
        if leaves.zip(place).and_then(|(leaves, place)| leaves.get(place)) == Some(leaf) {
            return Ok(true);
        }
        // The tile as it is kept does not hold, but the leaf itself still may.
        let path = sound(self.prover.ledger.inclusion(index, tree.size))?;
        Ok(tree::verify_inclusion(leaf, index, tree.size, &path, &tree.root).is_ok())
    }

    /// Takes in tile `n`, and those after it that will be asked for.
    fn load_tiles(&mut self, n: u64, tree: Tree) -> Result<(), ReadError> {
        let mut next: Vec<_> = self.places.range(n..).take(TILES_TOGETHER).copied().collect();
        next.iter().for_each(|n| _ = self.places.remove(n));
        if next.first() != Some(&n) {
            next = vec![n];
        }
        self.tiles = read_tiles(self.prover.ledger, &next, tree)?;
        // Where one of them is damaged, each entry is looked at for itself.
        self.tiles.entry(n).or_default();
        Ok(())
    }

    fn signature(&mut self, leaf: &Leaf, named: Option<&str>) -> Result<Option<bool>, ReadError> {
        if leaf.refused_whole() {
            return Ok(None);
        }
        if self.last.as_ref().is_none_or(|last| last.statement != leaf.statement) {
            self.last = sound(self.prover.signed(leaf))?;
        }
        Ok(Some(self.last.as_ref().is_some_and(|signed| signed.covers(leaf, named))))
    }
}

/// The tile that an entry is in.
fn tile_of(index: Index) -> u64 {
    index.0 / u64::from(TILE_WIDTH)
}

/// The tiles with these numbers, in one go: they share most of what is above them. None where one of them is damaged.
fn read_tiles(ledger: &Ledger, numbers: &[u64], tree: Tree) -> Result<Tiles, ReadError> {
    let proven = sound(ledger.inclusion_of_tiles(numbers, tree.size))?;
    let checked = |(n, TileProof { leaves, path }): (&u64, TileProof)| {
        let first = Index(n.saturating_mul(u64::from(TILE_WIDTH)));
        let holds = leaves.first().is_some_and(|leaf| {
            tree::verify_inclusion(leaf, first, tree.size, &path, &tree.root).is_ok()
        });
        (*n, if holds { leaves } else { Vec::new() })
    };
    Ok(numbers.iter().zip(proven).map(checked).collect())
}
