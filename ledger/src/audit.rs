//! Verification of a whole ledger: everything is re-derived and compared, and the first entry or derived
//! row that is wrong is named.
//!
//! Two halves run side by side. The ground, on every core: leaves, chain, statements, signatures, bodies, details,
//! notes. And behind it, commit by commit as the ground holds, admission, counts and all derived rows, by folding
//! the log into a scratch store. That store can be kept, so that the next verification goes on where this one
//! ended; then its rows are compared with the ledger's where the new entries touch them.

mod counter;
mod derived;
mod ends;
mod epoch;
mod erased;
mod fault;
mod ground;
mod kept;
#[cfg(test)]
mod tests;

pub use fault::{Divergence, Fault};
pub(crate) use ground::range_is_sound;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use counter::Counter;
use derived::Derivation;
use ends::Notes;
use kept::{Reached, Scratch};

use schemas::checkpoint::{Checkpoint, Note};
use schemas::era::Eras;
use schemas::id::{ChainHash, Index, Micros, TreeHash, TreeSize};
use schemas::key::PublicKey;
use schemas::limits::VERIFY_COMMITS_AHEAD_MAX;
use schemas::registry::Record;
use schemas::tree;

use crate::check::KeySet;
use crate::eras::{eras, identity_in};
use crate::error::{OpenError, ReadError};
use crate::open::{check_format, identity, last_index};
use crate::records;
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
    /// Where what was verified is kept; without it everything is verified and nothing kept.
    pub state: Option<State<'a>>,
}

/// Where it is kept what was verified of each ledger: an interrupted verification goes on there, and a later one
/// checks only what came since. Whoever can write there decides what counts as verified.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// The directory; it is made.
    pub directory: &'a Path,
    /// The time, to be kept beside what is verified.
    pub now: Micros,
}

/// How far a verification is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Entries done, each counted once in either half.
    pub done: u64,
    /// Entries to do: twice as many as came since the last verification.
    pub total: u64,
    /// The log's first entries that held in both halves, now or in an earlier verification.
    pub held: TreeSize,
}

/// What a verification found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who the ledger says it is.
    pub identity: Identity,
    /// Its names and keys over time.
    pub eras: Eras,
    /// Entries of the log.
    pub size: TreeSize,
    /// Of them verified before, and not read again: their leaves are pinned by the root that was reached then,
    /// what lies beside them and the rows derived from them alone are not.
    pub before: TreeSize,
    /// When the last of these were verified; `None` if there are none.
    pub before_at: Option<Micros>,
    /// What an earlier verification kept is of another build of this program: it was not gone on from.
    pub is_anew: bool,
    /// Root over all entries.
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
    /// The log is not the one that was verified before: it was rolled back or rewritten.
    #[error(
        "the log does not continue the one that was verified before: it was rolled back or rewritten"
    )]
    OtherState,
    /// The kept state cannot be read. It says nothing about the log.
    #[error("what was kept in {} is damaged; remove it to verify everything anew", .0.display())]
    DamagedState(PathBuf),
    /// The scratch store for re-derived rows failed.
    #[error("the scratch store failed: {0}")]
    Scratch(std::io::Error),
}

impl From<ReadError> for AuditError {
    fn from(error: ReadError) -> Self {
        Self::Open(OpenError::Read(error))
    }
}

/// Verifies everything, or what came since the kept state. `progress` is called as entries are done, from two
/// threads.
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
    let size = TreeSize(last.0.saturating_add(1));
    let scratch = Scratch::open(&store, audit.state)?;
    let report = verify(audit, &store, size, &scratch, progress);
    report.map_err(|error| scratch.blamed(error))
}

fn verify(
    audit: &Audit<'_>,
    store: &Store,
    size: TreeSize,
    scratch: &Scratch,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, AuditError> {
    let derivation = Derivation::new(store, scratch, size)?;
    let counter = Counter::new(scratch.reached.size, size, progress);
    let mut verifier = Verifier::new(store, audit, size, scratch)?;
    let (commits, held) = std::sync::mpsc::sync_channel(VERIFY_COMMITS_AHEAD_MAX);
    let (ground, derived) = std::thread::scope(|scope| {
        let counter = &counter;
        let derived = scope.spawn(move || derivation.run(&held, counter));
        let ground = verifier.ground(commits, counter);
        (ground, derived.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    ground?;
    if verifier.divergences.is_empty() {
        verifier.check_mark(audit.mark, scratch)?;
    }
    // What rests on broken ground says nothing more.
    if verifier.divergences.is_empty() {
        verifier.derived(derived?, scratch)?;
    }
    if verifier.divergences.is_empty() {
        scratch.complete(verifier.reached())?;
    }
    Ok(Report { is_anew: scratch.is_anew, ..verifier.report() })
}

struct Verifier<'s> {
    store: &'s Store,
    identity: Identity,
    eras: Eras,
    keys: KeySet,
    size: TreeSize,
    /// Entries that were verified before.
    before: TreeSize,
    before_at: Option<Micros>,
    /// Where the last commit ended.
    committed: u64,
    tree: tree::Frontier,
    link: Link,
    marked: Option<Checkpoint>,
    /// The root at the mark's size, once the log has reached it.
    root_at_mark: Option<TreeHash>,
    /// Notes not met yet.
    notes: Notes<'s>,
    /// Erased bodies that no redaction explained yet.
    unexplained: BTreeSet<u64>,
    /// Entries that redactions name.
    redacted: BTreeSet<u64>,
    tally: Tally,
    divergences: Vec<Divergence>,
}

/// Where the leaf before ended.
#[derive(Clone, Copy)]
struct Link {
    chain: ChainHash,
    received_at: Micros,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tally {
    accepted: u64,
    rejected: u64,
    redacted: u64,
    signatures: u64,
    notes: u64,
}

impl Tally {
    fn counts(&self) -> [u64; 5] {
        [self.accepted, self.rejected, self.redacted, self.signatures, self.notes]
    }

    fn of([accepted, rejected, redacted, signatures, notes]: [u64; 5]) -> Self {
        Self { accepted, rejected, redacted, signatures, notes }
    }
}

impl<'s> Verifier<'s> {
    fn new(
        store: &'s Store,
        audit: &Audit<'_>,
        size: TreeSize,
        scratch: &Scratch,
    ) -> Result<Self, AuditError> {
        let (eras, fault) = eras(store, size)?;
        let identity = identity_in(eras.current(), &identity(store)?);
        let reached = scratch.reached;
        let mut verifier = Self {
            store,
            eras,
            keys: KeySet::default(),
            size,
            before: reached.size,
            before_at: scratch.reached_at.filter(|_| reached.size.0 > 0),
            committed: reached.size.0,
            tree: reached.tree(store, scratch)?,
            link: Link { chain: reached.chain, received_at: reached.received_at },
            marked: audit
                .mark
                .and_then(|text| Note::parse(text).ok())
                .and_then(|note| note.checkpoint().ok()),
            root_at_mark: None,
            notes: Notes::beyond(store, reached.size)?,
            unexplained: BTreeSet::new(),
            redacted: BTreeSet::new(),
            tally: reached.tally,
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

    /// How far everything held.
    fn reached(&self) -> Reached {
        Reached {
            size: self.tree.size(),
            root: self.tree.root(),
            chain: self.link.chain,
            received_at: self.link.received_at,
            tally: self.tally,
        }
    }

    /// Keys under which statements may verify. The rows are derived, but a key cannot be forged: its id
    /// is its hash. Whether it was valid at an entry's place is settled when the log is folded.
    fn load_keys(&mut self) -> Result<(), ReadError> {
        let mut found = Vec::new();
        for row in self.store.scan_prefix(ColumnFamily::State, &[crate::keys::KEY]) {
            let (key, value) = row?;
            match records::record(&key, &value) {
                Some(Record::Key(record)) if crate::keys::key(&record.key.kid()) == *key => {
                    found.push(record.key);
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

    fn report(mut self) -> Report {
        self.divergences.sort_by_key(|divergence| divergence.index.unwrap_or(Index(u64::MAX)));
        Report {
            size: self.size,
            before: self.before,
            before_at: self.before_at,
            is_anew: false,
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
