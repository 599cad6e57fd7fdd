//! Verification of a whole ledger: everything is re-derived and compared, and the first entry or derived
//! row that is wrong is named.
//!
//! First the ground, in parallel: leaves, chain, statements, signatures, bodies, details. Then, if the
//! ground holds, admission, counts and all derived rows, by folding the log into a scratch store.

mod derived;
mod ground;

pub(crate) use ground::range_is_sound;

use std::fmt;
use std::path::Path;

use rocksdb::Direction;
use schemas::checkpoint::{Checkpoint, Note};
use schemas::era::Eras;
use schemas::id::{Index, Kid, TreeHash, TreeSize};
use schemas::key::PublicKey;
use schemas::tree;

use crate::check::KeySet;
use crate::cosignatures::is_line;
use crate::eras::{eras, identity_in};
use crate::error::{OpenError, ReadError};
use crate::open::{check_format, identity, last_index};
use crate::records;
use crate::replay;
use crate::seal::Identity;
use crate::store::{ColumnFamily, Store};

/// What to verify, and against what.
pub struct Audit<'a> {
    /// Directory of the store: a copy, or one that nobody has open.
    pub store: &'a Path,
    /// The ledger key that the auditor trusts; without one the store's own word is taken for it.
    pub trust: Option<PublicKey>,
    /// The high-water mark's note, which the log must reach.
    pub mark: Option<&'a str>,
}

/// How far a verification is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Entries done, each counted once in either half.
    pub done: u64,
    /// Entries to do: twice the log's size.
    pub total: u64,
}

/// In what way something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There is no row.
    Missing,
    /// There is a row that nothing accounts for.
    Extra,
    /// The bytes cannot be what was written.
    Damaged,
    /// The bytes do not have the digest that was committed to.
    Digest,
    /// The leaf does not continue the chain, or time ran backwards.
    Chain,
    /// The tree does not have the root that was signed.
    Root,
    /// The statement's signature does not verify.
    Signature,
    /// The statement's key is not in the registry's rows.
    UnknownKey(Kid),
    /// A note is not signed by the trusted key.
    Note,
    /// The ordinals are not the ones that the log gives.
    Counts,
    /// It was accepted although it should have been refused, or the other way round.
    Admission(String),
    /// A derived row is not what the log gives.
    Derived,
    /// The log is shorter than its mark.
    Short {
        /// Entries that were acknowledged.
        marked: TreeSize,
    },
    /// The ledger is not the one that is trusted.
    Untrusted,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Missing => "the row is missing",
            Self::Extra => "there is a row that nothing accounts for",
            Self::Damaged => "the row cannot be what was written",
            Self::Digest => "the bytes do not have the digest that was committed to",
            Self::Chain => "the leaf does not fit the chain",
            Self::Root => "the tree does not have the root that was signed",
            Self::Signature => "the signature does not verify",
            Self::UnknownKey(kid) => return write!(f, "its key {kid} is nowhere"),
            Self::Note => "the note is not signed by the trusted key",
            Self::Counts => "the ordinals are not the ones that the log gives",
            Self::Admission(why) => return write!(f, "the verdict does not follow: {why}"),
            Self::Derived => "the row is not what the log gives",
            Self::Short { marked } => {
                return write!(f, "the log ends before {marked}, which was acknowledged");
            }
            Self::Untrusted => "the ledger's key is not the trusted one",
        };
        f.write_str(text)
    }
}

/// Something that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// In which part of the store.
    pub family: ColumnFamily,
    /// The entry, where the row is filed under one.
    pub index: Option<Index>,
    /// The row's key, in hex.
    pub key: String,
    /// In what way.
    pub fault: Fault,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index}, {}: {}", self.family, self.fault),
            None => write!(f, "{} row {}: {}", self.family, self.key, self.fault),
        }
    }
}

/// What a verification found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who the ledger says it is.
    pub identity: Identity,
    /// Its names and keys over time.
    pub eras: Eras,
    /// Entries verified.
    pub size: TreeSize,
    /// Root over them.
    pub root: TreeHash,
    /// Of them accepted.
    pub accepted: u64,
    /// Of them rejected.
    pub rejected: u64,
    /// Of them accepted and erased since.
    pub redacted: u64,
    /// Signatures verified.
    pub signatures: u64,
    /// Published notes verified.
    pub notes: u64,
    /// Everything that is wrong, first entries first, at most [`DIVERGENCES_MAX`]; empty if all is well.
    pub divergences: Vec<Divergence>,
}

/// Most divergences that a report lists.
pub const DIVERGENCES_MAX: usize = 100;

/// Why a verification could not be carried out at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store cannot be opened, or reading it fails.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The scratch store for re-derived rows failed.
    #[error("the scratch store failed: {0}")]
    Scratch(std::io::Error),
}

impl From<ReadError> for AuditError {
    fn from(error: ReadError) -> Self {
        Self::Open(OpenError::Read(error))
    }
}

/// Entries checked in parallel at a time.
const CHUNK: u64 = 4096;

/// Verifies everything. `progress` is called as entries are done.
///
/// # Errors
/// [`AuditError`] when it could not be carried out; what is wrong with the log is in the report.
pub fn audit(
    audit: &Audit<'_>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, AuditError> {
    let store = Store::open_read_only(audit.store)?;
    check_format(&store)?;
    let last = last_index(&store)?.ok_or_else(|| OpenError::Absent(audit.store.to_owned()))?;
    let mut verifier = Verifier::new(&store, audit, TreeSize(last.0.saturating_add(1)))?;
    verifier.ground(progress)?;
    if verifier.divergences.is_empty() {
        verifier.notes(audit.mark)?;
    }
    if verifier.divergences.is_empty() {
        verifier.derived(progress)?;
    }
    Ok(verifier.report())
}

struct Verifier<'s> {
    store: &'s Store,
    identity: Identity,
    eras: Eras,
    keys: KeySet,
    size: TreeSize,
    tree: tree::Frontier,
    marked: Option<Checkpoint>,
    roots: Vec<(TreeSize, TreeHash)>,
    tally: Tally,
    divergences: Vec<Divergence>,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    redacted: u64,
    signatures: u64,
    notes: u64,
}

impl<'s> Verifier<'s> {
    fn new(store: &'s Store, audit: &Audit<'_>, size: TreeSize) -> Result<Self, AuditError> {
        let (eras, fault) = eras(store, size)?;
        let identity = identity_in(eras.current(), &identity(store)?);
        let mut verifier = Self {
            store,
            eras,
            keys: KeySet::default(),
            size,
            tree: tree::Frontier::default(),
            marked: audit
                .mark
                .and_then(|text| Note::parse(text).ok())
                .and_then(|note| note.checkpoint().ok()),
            roots: Vec::new(),
            tally: Tally::default(),
            divergences: Vec::new(),
            identity,
        };
        verifier.load_keys()?;
        if let Some((index, _fault)) = fault {
            verifier.entry(ColumnFamily::Bodies, index, Fault::Signature);
        }
        if audit.trust.is_some_and(|trusted| !verifier.eras.trusts(&trusted)) {
            verifier.entry(ColumnFamily::Bodies, Index(0), Fault::Untrusted);
        }
        Ok(verifier)
    }

    /// Keys under which statements may verify. The rows are derived, but a key cannot be forged: its id
    /// is its hash. Whether it was valid at an entry's place is settled when the log is folded.
    fn load_keys(&mut self) -> Result<(), ReadError> {
        let prefix = [crate::keys::KEY];
        let mut found = Vec::new();
        for row in self.store.scan(ColumnFamily::State, &prefix, Direction::Forward) {
            let (key, value) = row?;
            if key.first() != prefix.first() {
                break;
            }
            match records::key(&value) {
                Some(record) if crate::keys::key(&record.key.kid()) == *key => {
                    found.push(record.key)
                }
                _ => self.row(ColumnFamily::State, &key, Fault::Derived),
            }
        }
        self.keys = found.into_iter().collect();
        Ok(())
    }

    fn entry(&mut self, family: ColumnFamily, index: Index, fault: Fault) {
        self.note(Divergence {
            family,
            index: Some(index),
            key: schemas::id::hex(&crate::keys::index(index)),
            fault,
        });
    }

    fn row(&mut self, family: ColumnFamily, key: &[u8], fault: Fault) {
        self.note(Divergence { family, index: None, key: schemas::id::hex(key), fault });
    }

    fn note(&mut self, divergence: Divergence) {
        if self.divergences.len() < DIVERGENCES_MAX {
            self.divergences.push(divergence);
        }
    }

    /// Every published note and the mark must be signed, and over the tree that the leaves give.
    fn notes(&mut self, mark: Option<&str>) -> Result<(), AuditError> {
        let eras = self.eras.clone();
        let verified = |text: &str| -> Option<Checkpoint> {
            let note = Note::parse(text).ok()?;
            let era = eras.at(note.checkpoint().ok()?.size);
            note.verify_checkpoint(&era.note_key()).ok()
        };
        for row in replay::notes(self.store) {
            let (size, text) = row?;
            let noted = std::str::from_utf8(&text).ok().and_then(verified);
            let row_key = crate::keys::note(size);
            if self.root_at(size).is_none() {
                self.row(ColumnFamily::Checkpoints, &crate::keys::boundary(size), Fault::Missing);
                continue;
            }
            match noted {
                Some(noted) if noted.size == size && self.root_at(size) == Some(noted.root) => {
                    self.tally.notes += 1;
                }
                Some(_) => self.row(ColumnFamily::Checkpoints, &row_key, Fault::Root),
                None => self.row(ColumnFamily::Checkpoints, &row_key, Fault::Note),
            }
        }
        self.cosignatures()?;
        let Some(mark) = mark else { return Ok(()) };
        match verified(mark) {
            None => self.row(ColumnFamily::Checkpoints, b"mark", Fault::Note),
            Some(marked) if marked.size > self.size => {
                let fault = Fault::Short { marked: marked.size };
                self.row(ColumnFamily::Checkpoints, b"mark", fault);
            }
            Some(marked) if self.root_at(marked.size).is_none() => {
                let key = crate::keys::boundary(marked.size);
                self.row(ColumnFamily::Checkpoints, &key, Fault::Missing);
            }
            Some(marked) if self.root_at(marked.size) != Some(marked.root) => {
                // The chain holds, so nothing before the last entry can have changed.
                self.entry(ColumnFamily::Leaves, Index(self.size.0 - 1), Fault::Root);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Cosignatures are of published notes. Whose they are is for a reader's own policy.
    fn cosignatures(&mut self) -> Result<(), ReadError> {
        let family = ColumnFamily::Checkpoints;
        let store = self.store;
        for row in store.scan(family, b"w", Direction::Forward) {
            let (key, line) = row?;
            let size = crate::keys::parse_cosignature(&key);
            let noted = match size {
                Some(size) => store.get(family, &crate::keys::note(size))?.is_some(),
                None => false,
            };
            if !noted {
                self.row(family, &key, Fault::Extra);
            } else if !std::str::from_utf8(&line).is_ok_and(is_line) {
                self.row(family, &key, Fault::Damaged);
            }
        }
        Ok(())
    }

    /// Root at a commit boundary.
    fn root_at(&self, size: TreeSize) -> Option<TreeHash> {
        let place = self.roots.binary_search_by_key(&size, |(size, _)| *size).ok()?;
        self.roots.get(place).map(|(_, root)| *root)
    }

    fn report(mut self) -> Report {
        self.divergences.sort_by_key(|divergence| divergence.index.unwrap_or(Index(u64::MAX)));
        Report {
            size: self.size,
            root: self.tree.root(),
            accepted: self.tally.accepted,
            rejected: self.tally.rejected,
            redacted: self.tally.redacted,
            signatures: self.tally.signatures,
            notes: self.tally.notes,
            divergences: self.divergences,
            identity: self.identity,
            eras: self.eras,
        }
    }
}
