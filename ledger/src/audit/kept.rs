//! What a verification leaves behind for the next one: the rows that it derived itself, and how far it came.
//!
//! One mechanism serves an interrupted verification and a later one of a longer log. Rows and distance are written
//! in one batch per commit, so that they agree whenever the process ends.

use std::path::PathBuf;

use rocksdb::Direction;
use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::{ChainHash, Digest, Index, Micros, TreeHash, TreeSize, sha256};

use super::derived::first_erased;
use super::{AuditError, State, Tally};
use crate::error::{OpenError, ReadError};
use crate::keys;
use crate::meta::FORMAT;
use crate::refusal::{sealed, unsealed};
use crate::store::{ColumnFamily, Row, Store};

const KEY: &[u8] = b"verified";
/// What the kept store has no other use for: the derived rows that changed since they were compared with the
/// ledger's, each its family's place in [`ColumnFamily::DERIVED`] and its key.
const TOUCHED: ColumnFamily = ColumnFamily::Checkpoints;
/// Version of the row at [`KEY`]. The derived rows beside it have the store's [`FORMAT`], which it names as well.
const VERSION: u64 = 4;

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
    /// When that was reached, if anything was.
    pub(super) reached_at: Option<Micros>,
    /// What was kept here is another build's, and everything is verified anew.
    pub(super) is_anew: bool,
    /// Hash of the genesis leaf: whose log it is.
    log: Digest,
    path: PathBuf,
    /// The time, if it is kept for a later verification; else it is gone with the value.
    now: Option<Micros>,
    _temporary: Option<tempfile::TempDir>,
}

impl Scratch {
    /// For the log in `store`: what an earlier verification kept in `directory`, or nothing yet.
    pub(super) fn open(store: &Store, state: Option<State<'_>>) -> Result<Self, AuditError> {
        let genesis = store.get(ColumnFamily::Leaves, &keys::index(Index(0)))?;
        let log = Digest(sha256(&genesis.unwrap_or_default()));
        let (temporary, path) = match state {
            // Each ledger has a place of its own there.
            Some(state) => (None, state.directory.join(schemas::id::hex(&keys::short(log.0)))),
            None => {
                let temporary = tempfile::tempdir().map_err(AuditError::Scratch)?;
                let path = temporary.path().to_owned();
                (Some(temporary), path)
            }
        };
        std::fs::create_dir_all(&path).map_err(AuditError::Scratch)?;
        let scratch = Store::open_scratch(&path).map_err(|error| match error {
            locked @ OpenError::Locked(_) => locked.into(),
            _ => AuditError::DamagedState(path.clone()),
        })?;
        let mut opened = Self {
            store: scratch,
            reached: Reached::nothing(),
            compared: TreeSize(0),
            reached_at: None,
            is_anew: false,
            log,
            path,
            now: state.map(|state| state.now),
            _temporary: temporary,
        };
        let damaged = || AuditError::DamagedState(opened.path.clone());
        let row = opened.store.get(ColumnFamily::Meta, KEY).map_err(|_unreadable| damaged())?;
        if let Some(row) = row {
            match Noted::decode(&row).ok_or_else(damaged)? {
                Noted::Kept(kept) if kept.log != log => return Err(AuditError::OtherState),
                Noted::Kept(kept) => {
                    (opened.reached, opened.compared) = (kept.reached, kept.compared);
                    opened.reached_at = Some(kept.at);
                }
                Noted::OtherBuild => {
                    opened.forget()?;
                    opened.is_anew = true;
                }
            }
        }
        if opened.reached.size.0 > 0 && first_erased(store, opened.reached.size)?.is_some() {
            // What was derived of erased bodies is not what the log gives any more.
            opened.forget()?;
        }
        Ok(opened)
    }

    fn forget(&mut self) -> Result<(), ReadError> {
        for family in ColumnFamily::DERIVED.into_iter().chain([ColumnFamily::Meta, TOUCHED]) {
            self.store.clear(family)?;
        }
        (self.reached, self.compared) = (Reached::nothing(), TreeSize(0));
        self.reached_at = None;
        Ok(())
    }

    /// The state as of the last entry that was verified before.
    pub(super) fn load(&self) -> Result<crate::state::State, AuditError> {
        let loaded = crate::state::State::load(&self.store);
        loaded.map_err(|_unreadable| AuditError::DamagedState(self.path.clone()))
    }

    /// An error by its cause: damage here says nothing about the log.
    pub(super) fn blamed(&self, error: AuditError) -> AuditError {
        // NOTE: the store's own checksums name the file in words only.
        let is_ours = |text: &str| text.contains(&*self.path.to_string_lossy());
        match error {
            AuditError::Open(OpenError::Read(ReadError::Store(error)))
                if self.now.is_some() && is_ours(error.as_ref()) =>
            {
                AuditError::DamagedState(self.path.clone())
            }
            error => error,
        }
    }

    /// Whether rows are compared only where they changed: all were compared once.
    pub(super) fn compares_touched(&self) -> bool {
        self.compared.0 > 0
    }

    /// The derived rows that changed since they were compared.
    pub(super) fn touched(&self) -> impl Iterator<Item = Result<Touched, AuditError>> + '_ {
        self.store.scan(TOUCHED, &[], Direction::Forward).map(|row| {
            let (key, _) = row?;
            parse_touched(&key).ok_or_else(|| AuditError::DamagedState(self.path.clone()))
        })
    }

    /// Writes the rows of a commit, and that everything held up to its end.
    pub(super) fn advance(&self, mut rows: Vec<Row>, reached: Reached) -> Result<(), ReadError> {
        let Some(now) = self.now else { return Ok(self.store.write_scratch(&rows)?) };
        if self.compares_touched() {
            let touched: Vec<_> = rows.iter().filter_map(touched_row).collect();
            rows.extend(touched);
        }
        rows.push(self.row(reached, self.compared, now));
        Ok(self.store.write_unsynced(&rows)?)
    }

    /// Notes that the ledger's own rows were compared up to the end of the log.
    pub(super) fn complete(&self, reached: Reached) -> Result<(), OpenError> {
        if let Some(now) = self.now {
            let row = self.row(reached, reached.size, now);
            self.store.write_synced(&[row]).map_err(ReadError::from)?;
            // In this order: what is compared once more after a crash does no harm.
            self.store.clear(TOUCHED).map_err(ReadError::from)?;
            // Else the next verification would begin with reading the WAL, and compete with compactions.
            self.store.settle().map_err(ReadError::from)?;
        }
        Ok(())
    }

    fn row(&self, reached: Reached, compared: TreeSize, at: Micros) -> Row {
        let kept = Kept { log: self.log, reached, compared, at };
        Row::new(ColumnFamily::Meta, KEY, kept.encode())
    }
}

/// A derived row's family and key.
pub(super) type Touched = (ColumnFamily, Vec<u8>);

fn touched_row(row: &Row) -> Option<Row> {
    let place = ColumnFamily::DERIVED.iter().position(|family| *family == row.family)?;
    let key = [&[u8::try_from(place).ok()?], row.key.as_slice()].concat();
    Some(Row::new(TOUCHED, key, Vec::new()))
}

fn parse_touched(key: &[u8]) -> Option<Touched> {
    let (place, key) = key.split_first()?;
    Some((*ColumnFamily::DERIVED.get(usize::from(*place))?, key.to_vec()))
}

struct Kept {
    log: Digest,
    reached: Reached,
    compared: TreeSize,
    at: Micros,
}

/// What a verification noted last.
enum Noted {
    Kept(Kept),
    /// In another version or for rows of another format: nothing to go on from.
    OtherBuild,
}

impl Kept {
    fn encode(&self) -> Vec<u8> {
        let Reached { size, root, chain, received_at, tally } = &self.reached;
        let mut row = Encoder::new();
        row.array(14).uint(VERSION).uint(FORMAT);
        row.bytes(self.log.as_bytes()).uint(self.compared.0);
        row.uint(size.0).bytes(root.as_bytes()).bytes(chain.as_bytes()).uint(received_at.0);
        row.uint(self.at.0);
        for count in tally.counts() {
            row.uint(count);
        }
        sealed(row.finish())
    }
}

impl Noted {
    /// `None` if the row is damaged.
    fn decode(row: &[u8]) -> Option<Self> {
        let root = decode(unsealed(row)?, Bounds::WIRE).ok()?;
        let (version, rest) = root.array()?.split_first()?;
        if version.uint()? != VERSION {
            return Some(Self::OtherBuild);
        }
        let (head, counts) = rest.split_at_checked(8)?;
        let [format, log, compared, size, tree, chain, received_at, at] =
            <&[Item<'_>; 8]>::try_from(head).ok()?;
        if format.uint()? != FORMAT {
            return Some(Self::OtherBuild);
        }
        let counts: Vec<u64> = counts.iter().map(Item::uint).collect::<Option<_>>()?;
        Some(Self::Kept(Kept {
            log: Digest::from_slice(log.bytes()?)?,
            compared: TreeSize(compared.uint()?),
            at: Micros(at.uint()?),
            reached: Reached {
                size: TreeSize(size.uint()?),
                root: TreeHash::from_slice(tree.bytes()?)?,
                chain: ChainHash::from_slice(chain.bytes()?)?,
                received_at: Micros(received_at.uint()?),
                tally: Tally::of(counts.try_into().ok()?),
            },
        }))
    }
}
