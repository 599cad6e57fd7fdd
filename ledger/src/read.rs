//! Reading: by index, by id, by term, by time.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, RwLock};

use rocksdb::Direction;
use schemas::body::Body;
use schemas::id::{ChainHash, EventId, Index, Micros, TreeSize};
use schemas::leaf::{Leaf, chain_hash};
use schemas::reject::Reason;
use schemas::residue::Residue;
use schemas::terms::Key;
use tokio::sync::watch;

use crate::check::KeySet;
use crate::entry::Entry;
use crate::error::ReadError;
use crate::fold::family_beside;
use crate::head::Head;
use crate::ids::Ids;
use crate::keys;
use crate::postings::Postings;
use crate::refusal::Refusal;
use crate::refusals::Refusals;
use crate::seal::{Identity, Seal};
use crate::snapshots::Snapshots;
use crate::store::{ColumnFamily, Store};
use crate::term_row::parse_term_row;

/// A handle for reading; cheap to clone. Readers never wait for the writer.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) store: Arc<Store>,
    pub(crate) head: watch::Receiver<Arc<Head>>,
    pub(crate) keys: Arc<RwLock<Arc<KeySet>>>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) refusals: Arc<Refusals>,
}

/// A row as it was read, if it is there.
type Row = Result<Option<Vec<u8>>, ReadError>;

/// A statement as it is kept, with the place of the entry in its manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementRow {
    /// `COSE_Sign1` bytes.
    pub statement: Vec<u8>,
    /// Manifest bytes, if several bodies were signed at once.
    pub manifest: Option<Vec<u8>>,
}

/// A term that occurs in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TermRow {
    /// Its value.
    pub value: String,
    /// First entry that carries it.
    pub first: Index,
    /// Last one.
    pub last: Index,
    /// Number of entries that carry it.
    pub count: u64,
}

impl Ledger {
    /// The durable head.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        Arc::clone(&self.head.borrow())
    }

    /// The same with a head of its own, which stays.
    pub(crate) fn with_head(&self, head: &Arc<Head>) -> Self {
        Self { head: watch::channel(Arc::clone(head)).1, ..self.clone() }
    }

    /// A doorbell that rings when the head moves.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Head>> {
        self.head.clone()
    }

    /// How often the writer refused something since it was opened, by every reason there is; repeats and floods count,
    /// too, though they make no leaf.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        self.refusals.by_reason()
    }

    /// The keys under which statements verify, as of the last commit.
    #[must_use]
    pub fn key_set(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Tenant, origin and public key.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.seal.identity()
    }

    /// The entry at `index`; `None` beyond the head.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or its rows are damaged.
    pub fn entry(&self, index: Index) -> Result<Option<Entry>, ReadError> {
        if index.0 >= self.head().size.0 {
            return Ok(None);
        }
        self.entry_of(index, self.leaf_bytes(index)?).map(Some)
    }

    /// The entries at these indexes below the head, each as [`Ledger::entry`] reads it.
    ///
    /// Reading many at once is much cheaper than one after the other, most of all where they ascend.
    #[must_use]
    pub fn entries_at(&self, indexes: &[Index]) -> Vec<Result<Entry, ReadError>> {
        let leaves = self.store.rows_at(ColumnFamily::Leaves, indexes);
        let bodies = self.store.rows_at(ColumnFamily::Bodies, indexes);
        let rows = indexes.iter().zip(leaves).zip(bodies);
        let entry = |((index, leaf), body): ((&Index, Row), Row)| {
            let missing = ReadError::Missing { family: ColumnFamily::Leaves, index: *index };
            let bytes = leaf?.ok_or(missing)?;
            let leaf = parse_leaf(*index, &bytes)?;
            let beside = match family_beside(&leaf) {
                ColumnFamily::Bodies => body?,
                family => self.store.get(family, &keys::index(*index))?,
            };
            assemble(leaf, bytes, beside)
        };
        rows.map(entry).collect()
    }

    /// The entries of `range` below the head, their chain checked link by link.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::BrokenChain`] at the first entry that does not continue the chain.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Entry>, ReadError> {
        let end = range.end.min(self.head().size.0);
        let mut entries: Vec<Entry> = Vec::new();
        if range.start >= end {
            return Ok(entries);
        }
        let start = keys::index(Index(range.start));
        for (at, row) in (range.start..end).zip(self.store.scan(
            ColumnFamily::Leaves,
            &start,
            Direction::Forward,
        )) {
            let (key, bytes) = row?;
            if keys::parse_index(&key) != Some(Index(at)) {
                return Err(ReadError::Missing { family: ColumnFamily::Leaves, index: Index(at) });
            }
            let entry = self.entry_of(Index(at), bytes.into_vec())?;
            if entries.last().is_some_and(|before| before.chain != entry.leaf.previous) {
                return Err(ReadError::BrokenChain(Index(at)));
            }
            entries.push(entry);
        }
        match entries.last() {
            Some(last) if last.leaf.index.0 + 1 == end => Ok(entries),
            _ => Err(ReadError::Missing { family: ColumnFamily::Leaves, index: Index(end - 1) }),
        }
    }

    fn entry_of(&self, index: Index, bytes: Vec<u8>) -> Result<Entry, ReadError> {
        let leaf = parse_leaf(index, &bytes)?;
        let beside = self.store.get(family_beside(&leaf), &keys::index(index))?;
        assemble(leaf, bytes, beside)
    }

    /// The leaf at `index`, without what lies beside it.
    ///
    /// # Errors
    /// [`ReadError`] when it is missing or damaged.
    pub fn leaf(&self, index: Index) -> Result<Leaf, ReadError> {
        parse_leaf(index, &self.leaf_bytes(index)?)
    }

    /// The leaf's bytes.
    ///
    /// # Errors
    /// [`ReadError`] when they are missing.
    pub fn leaf_bytes(&self, index: Index) -> Result<Vec<u8>, ReadError> {
        self.store.row_at(ColumnFamily::Leaves, index)
    }

    /// Chain hash of the entry at `index`.
    ///
    /// # Errors
    /// [`ReadError`] when the leaf is missing.
    pub fn chain(&self, index: Index) -> Result<ChainHash, ReadError> {
        Ok(chain_hash(&self.leaf_bytes(index)?))
    }

    /// The statement over the entry at `index`; `None` for a message refused as a whole.
    ///
    /// # Errors
    /// [`ReadError`] when it is missing or damaged.
    pub fn statement(&self, index: Index) -> Result<Option<StatementRow>, ReadError> {
        let leaf = self.leaf(index)?;
        if leaf.refused_whole() {
            return Ok(None);
        }
        // Items of one statement stand side by side, less those that made no leaf of their own.
        let rows =
            self.store.scan(ColumnFamily::Statements, &keys::index(index), Direction::Reverse);
        for row in rows.take(schemas::limits::ITEMS_MAX) {
            let (_, value) = row?;
            if let Some(row) = parse_statement(&value)
                && schemas::id::sha256(&row.statement) == leaf.statement.0
            {
                return Ok(Some(row));
            }
        }
        Err(ReadError::Missing { family: ColumnFamily::Statements, index })
    }

    /// The detail beside the body at `index`.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails.
    pub fn detail(&self, index: Index) -> Result<Option<Vec<u8>>, ReadError> {
        self.store.get(ColumnFamily::Details, &keys::index(index))
    }

    /// The accepted entries with this event id, one for each signer that used it.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails.
    pub fn find(&self, id: EventId) -> Result<Vec<Index>, ReadError> {
        self.ids().find(id)
    }

    /// The same for many of them, as a cursor.
    #[must_use]
    pub fn ids(&self) -> Ids<'_> {
        Ids::new(&self.store, self.head().size)
    }

    /// First entry received at or after `time`, by binary search: times never decrease.
    ///
    /// # Errors
    /// [`ReadError`] when a leaf is missing.
    pub fn index_at(&self, time: Micros) -> Result<Index, ReadError> {
        let (mut low, mut high) = (0, self.head().size.0);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.leaf(Index(middle))?.received_at < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Index(low))
    }

    /// Entries that carry the term, as a cursor that can seek both ways.
    #[must_use]
    pub fn postings(&self, key: Key, value: &str) -> Postings<'_> {
        self.postings_below(key, value, self.head().size)
    }

    /// The same below a size, be that beyond the head: a term's row may tell of entries that are stored and not told of
    /// yet.
    pub fn postings_below(&self, key: Key, value: &str, size: TreeSize) -> Postings<'_> {
        Postings::new(&self.store, keys::term_hash(key, value), size)
    }

    /// Terms of `key` whose value begins with `prefix`, in order of value, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn terms(&self, key: Key, prefix: &str, limit: usize) -> Result<Vec<TermRow>, ReadError> {
        let from = keys::term(key, prefix);
        let mut found = Vec::new();
        for row in self.store.scan_prefix(ColumnFamily::Terms, &from).take(limit) {
            let (row_key, value) = row?;
            let parsed = keys::parse_term(&row_key).zip(parse_term_row(&value));
            let ((_, text), [first, last, count]) =
                parsed.ok_or_else(|| damaged(ColumnFamily::Terms, &row_key))?;
            let (first, last) = (Index(first), Index(last));
            found.push(TermRow { value: text.to_owned(), first, last, count });
        }
        Ok(found)
    }

    /// How often the refusal at `index` came again.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or the row is damaged.
    pub fn repeats(&self, index: Index) -> Result<u64, ReadError> {
        crate::meta::read_repeats(&self.store, &keys::refusal(&self.leaf(index)?))
    }

    /// How far the broker's stream was taken in.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or the row is damaged.
    pub fn cursor(&self, stream: &str) -> Result<Option<crate::meta::Cursor>, ReadError> {
        crate::meta::Cursor::read(&self.store, stream)
    }

    /// Writes a copy of the store as it is now into `path`, which must not exist.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn copy_to(&self, path: &Path) -> Result<(), ReadError> {
        Ok(self.store.checkpoint(path)?)
    }
}

/// The entry of a leaf and the row beside it.
fn assemble(leaf: Leaf, bytes: Vec<u8>, beside: Option<Vec<u8>>) -> Result<Entry, ReadError> {
    let chain = chain_hash(&bytes);
    let (index, family) = (leaf.index, family_beside(&leaf));
    let refused = leaf.status != schemas::leaf::Status::Accepted;
    let (body, left, refusal) = (None, None, None);
    let mut entry = Entry { leaf, bytes, chain, body, is_whole: false, left, refusal };
    if refused {
        let row = beside.ok_or(ReadError::Missing { family, index })?;
        let refusal = Refusal::decode(&row);
        entry.refusal = Some(refusal.ok_or_else(|| damaged(family, &keys::index(index)))?);
    } else if beside.as_deref().is_some_and(Residue::is_one) {
        entry.left = beside;
    } else {
        let digest = beside.as_deref().map(Body::digest);
        entry.is_whole = digest == Some(entry.leaf.body);
        entry.body = beside;
    }
    Ok(entry)
}

pub(crate) fn damaged(family: ColumnFamily, key: &[u8]) -> ReadError {
    ReadError::Damaged { family, key: schemas::id::hex(key) }
}

pub(crate) fn parse_leaf(index: Index, bytes: &[u8]) -> Result<Leaf, ReadError> {
    Leaf::decode(bytes)
        .filter(|leaf| leaf.index == index)
        .ok_or_else(|| damaged(ColumnFamily::Leaves, &keys::index(index)))
}

pub(crate) fn statement_row(statement: &[u8], manifest: Option<&[u8]>) -> Vec<u8> {
    let mut row = schemas::encode::Encoder::new();
    row.array(1 + usize::from(manifest.is_some())).bytes(statement);
    if let Some(manifest) = manifest {
        row.bytes(manifest);
    }
    row.finish()
}

pub(crate) fn parse_statement(row: &[u8]) -> Option<StatementRow> {
    use schemas::deterministic::{Bounds, Item, decode};
    let root = decode(row, Bounds::WIRE).ok()?;
    match root.array()? {
        [Item::Bytes(statement)] => {
            Some(StatementRow { statement: statement.to_vec(), manifest: None })
        }
        [Item::Bytes(statement), Item::Bytes(manifest)] => {
            Some(StatementRow { statement: statement.to_vec(), manifest: Some(manifest.to_vec()) })
        }
        _ => None,
    }
}

/// Value of an accepted event's row in `ids`: where it is and which body it has.
pub(crate) fn id_row(index: Index, digest: &schemas::id::BodyDigest) -> Vec<u8> {
    [index.0.to_be_bytes().as_slice(), digest.as_bytes()].concat()
}
