//! What a verification leaves behind for the next one: the rows that it derived itself, and how far it came.
//!
//! One mechanism serves an interrupted verification and a later one of a longer log. Rows and distance are written
//! in one batch per commit, so that they agree whenever the process ends.

use std::path::Path;

use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::{ChainHash, Digest, Index, Micros, TreeHash, TreeSize, sha256};
use schemas::kind::Kind;
use schemas::terms::Key;

use super::{AuditError, Tally};
use crate::error::{OpenError, ReadError};
use crate::keys;
use crate::postings::Postings;
use crate::refusal::{sealed, unsealed};
use crate::store::{ColumnFamily, Row, Store};

const KEY: &[u8] = b"verified";
const VERSION: u64 = 1;

/// A place in the log up to which everything held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reached {
    pub(super) size: TreeSize,
    pub(super) root: TreeHash,
    pub(super) chain: ChainHash,
    pub(super) received_at: Micros,
    pub(super) tally: Tally,
}

impl Reached {
    /// The beginning.
    pub(super) fn nothing() -> Self {
        Self {
            size: TreeSize(0),
            root: schemas::tree::empty_root(),
            chain: ChainHash::ZERO,
            received_at: Micros(0),
            tally: Tally::default(),
        }
    }
}

/// The rows derived so far, in a store of their own.
pub(super) struct Scratch {
    pub(super) store: Store,
    pub(super) reached: Reached,
    /// Up to where the ledger's own derived rows were compared with these.
    pub(super) compared: TreeSize,
    /// Hash of the genesis leaf: whose log it is.
    log: Digest,
    /// Kept for a later verification, or gone with the value.
    is_kept: bool,
    _temporary: Option<tempfile::TempDir>,
}

impl Scratch {
    /// For the log in `store`: what an earlier verification kept in `directory`, or nothing yet.
    pub(super) fn open(store: &Store, directory: Option<&Path>) -> Result<Self, AuditError> {
        let genesis = store.get(ColumnFamily::Leaves, &keys::index(Index(0)))?;
        let log = Digest(sha256(&genesis.unwrap_or_default()));
        let (temporary, path) = match directory {
            // Each ledger has a place of its own there.
            Some(directory) => (None, directory.join(schemas::id::hex(&keys::short(log.0)))),
            None => {
                let temporary = tempfile::tempdir().map_err(AuditError::Scratch)?;
                let path = temporary.path().to_owned();
                (Some(temporary), path)
            }
        };
        std::fs::create_dir_all(&path).map_err(AuditError::Scratch)?;
        let scratch = Store::open(&path)?;
        let mut opened = Self {
            store: scratch,
            reached: Reached::nothing(),
            compared: TreeSize(0),
            log,
            is_kept: directory.is_some(),
            _temporary: temporary,
        };
        if let Some(row) = opened.store.get(ColumnFamily::Meta, KEY)? {
            let kept = Kept::decode(&row).ok_or(AuditError::DamagedState)?;
            if kept.log != log {
                return Err(AuditError::OtherState);
            }
            (opened.reached, opened.compared) = (kept.reached, kept.compared);
        }
        if opened.reached.size.0 > 0 && redacts_beyond(store, opened.reached.size)? {
            // What was derived of erased bodies is not what the log gives any more.
            opened.forget()?;
        }
        Ok(opened)
    }

    fn forget(&mut self) -> Result<(), ReadError> {
        for family in ColumnFamily::DERIVED.into_iter().chain([ColumnFamily::Meta]) {
            self.store.clear(family)?;
        }
        (self.reached, self.compared) = (Reached::nothing(), TreeSize(0));
        Ok(())
    }

    /// Writes the rows of a commit, and that everything held up to its end.
    pub(super) fn advance(&self, mut rows: Vec<Row>, reached: Reached) -> Result<(), ReadError> {
        if !self.is_kept {
            return Ok(self.store.write_scratch(&rows)?);
        }
        rows.push(self.row(reached, self.compared));
        Ok(self.store.write_unsynced(&rows)?)
    }

    /// Notes that the ledger's own rows were compared up to the end of the log.
    pub(super) fn complete(&self, reached: Reached) -> Result<(), OpenError> {
        if self.is_kept {
            let row = self.row(reached, reached.size);
            self.store.write_synced(&[row]).map_err(ReadError::from)?;
        }
        Ok(())
    }

    fn row(&self, reached: Reached, compared: TreeSize) -> Row {
        let kept = Kept { log: self.log, reached, compared };
        Row::new(ColumnFamily::Meta, KEY, kept.encode())
    }
}

/// Whether entries from `size` on erase something.
fn redacts_beyond(store: &Store, size: TreeSize) -> Result<bool, ReadError> {
    let term = keys::term_hash(Key::Kind, Kind::Redaction.as_str());
    let mut postings = Postings::new(store, term, TreeSize(u64::MAX));
    Ok(postings.at_or_after(size.0)?.is_some())
}

struct Kept {
    log: Digest,
    reached: Reached,
    compared: TreeSize,
}

impl Kept {
    fn encode(&self) -> Vec<u8> {
        let Reached { size, root, chain, received_at, tally } = &self.reached;
        let mut row = Encoder::new();
        row.array(12).uint(VERSION).bytes(self.log.as_bytes()).uint(self.compared.0);
        row.uint(size.0).bytes(root.as_bytes()).bytes(chain.as_bytes()).uint(received_at.0);
        for count in tally.counts() {
            row.uint(count);
        }
        sealed(row.finish())
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let root = decode(unsealed(row)?, Bounds::WIRE).ok()?;
        let (head, counts) = root.array()?.split_at_checked(7)?;
        let [version, log, compared, size, tree, chain, received_at] =
            <&[Item<'_>; 7]>::try_from(head).ok()?;
        (version.uint()? == VERSION).then_some(())?;
        let counts: Vec<u64> = counts.iter().map(Item::uint).collect::<Option<_>>()?;
        Some(Self {
            log: Digest::from_slice(log.bytes()?)?,
            compared: TreeSize(compared.uint()?),
            reached: Reached {
                size: TreeSize(size.uint()?),
                root: TreeHash::from_slice(tree.bytes()?)?,
                chain: ChainHash::from_slice(chain.bytes()?)?,
                received_at: Micros(received_at.uint()?),
                tally: Tally::of(counts.try_into().ok()?),
            },
        })
    }
}
