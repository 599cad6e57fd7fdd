//! What can go wrong with the log. A refusal of a submission is none of it: that is a commit.

use std::path::PathBuf;

use schemas::era::EraFault;
use schemas::id::{Index, Kid, TreeSize};
use schemas::registry::Epoch;

use crate::store::ColumnFamily;

/// A row, a file or the store could not be read, or holds what was never written.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] rocksdb::Error),
    /// A row that must be there is not.
    #[error("{family} has no row for {index}")]
    Missing {
        /// Where.
        family: ColumnFamily,
        /// For which entry.
        index: Index,
    },
    /// A row is not what the format says.
    #[error("{family} holds a damaged row {key}")]
    Damaged {
        /// Where.
        family: ColumnFamily,
        /// Its key, in hex.
        key: String,
    },
    /// A leaf does not continue the chain.
    #[error("entry {0} does not continue the chain")]
    BrokenChain(Index),
    /// A proof was asked for that the tree cannot give.
    #[error(transparent)]
    Tree(#[from] schemas::tree::TreeError),
    /// Genesis is alone in its tree, whose path is empty: it gets its receipt with the entry after it.
    #[error("entry {0} is alone in the log: it has a receipt once there is another")]
    Alone(Index),
    /// A tree node was asked for that the log does not have yet.
    #[error("the tree of {size} leaves has no such node")]
    BeyondTree {
        /// The tree's size.
        size: TreeSize,
    },
}

/// The ledger refuses to be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Writing failed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Another process has it open.
    #[error("{0} is in use by another process; stop it, or read through its API")]
    Locked(PathBuf),
    /// There is no ledger there.
    #[error("{0} holds no ledger; create one with: sworn init")]
    Absent(PathBuf),
    /// There is one already.
    #[error("{0} holds a ledger already")]
    Exists(PathBuf),
    /// Written by another version.
    #[error("the store has format {found}, this program knows {known}")]
    Format {
        /// In the store.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// A rebuild was cut short.
    #[error("a rebuild of the indexes was interrupted; run it again: sworn admin rebuild")]
    Rebuilding,
    /// Host and tenant make no name for notes.
    #[error("{0:?} is no origin: it must have neither spaces nor plus signs")]
    Origin(String),
    /// The signed mark outside the store is gone.
    #[error(
        "the high-water mark {0} is missing beside a store that is not empty: refusing to serve, because a rollback could not be noticed"
    )]
    MarkMissing(PathBuf),
    /// The mark does not verify.
    #[error("the high-water mark {0} is not signed by this ledger's key")]
    MarkForged(PathBuf),
    /// The mark is of an epoch that the store's own one took the place of.
    #[error(
        "the high-water mark {0} is of an epoch that was given up for the store's: an older mark was put back"
    )]
    MarkSuperseded(PathBuf),
    /// The store is an older copy.
    #[error(
        "the store has {found} entries, but {marked} were acknowledged: it is an older copy; restore the newest one"
    )]
    RolledBack {
        /// In the store.
        found: TreeSize,
        /// By the mark.
        marked: TreeSize,
    },
    /// The store holds another history.
    #[error("the store's first {0} entries are not the ones that were acknowledged")]
    Forked(TreeSize),
    /// Entries that were never acknowledged, and that are not one whole, sound commit.
    #[error(
        "entries {marked} to {size} were never acknowledged and are not the commit that a crash leaves behind: an older mark was put back, or the store was written to"
    )]
    Unmarked {
        /// Entries that were acknowledged.
        marked: TreeSize,
        /// Entries in the store.
        size: TreeSize,
    },
    /// The key is another ledger's, or one that was rotated.
    #[error("the signing key is {given}, the ledger's is {wanted}: it may have been rotated")]
    WrongKey {
        /// The ledger's.
        wanted: Kid,
        /// The one at hand.
        given: Kid,
    },
    /// A new epoch was asked for without need.
    #[error(
        "the store of {0} entries reaches its mark: nothing is lost, and no new epoch is opened"
    )]
    NothingLost(TreeSize),
    /// A new epoch to which too few operators agree.
    #[error(
        "a new epoch needs {needed} operators, and {found} agree: let each sign `sworn proposal new-epoch --origin {origin} --size {size} --lost {lost} --needs {needed}`, and give the files with --agreed",
        origin = epoch.origin, size = epoch.size, lost = epoch.lost
    )]
    NotAgreed {
        /// So many have to agree.
        needed: u64,
        /// So many do.
        found: u64,
        /// To this.
        epoch: Box<Epoch>,
    },
    /// An entry claims to change the ledger's name or key, and proves nothing.
    #[error("entry {index} is no change of the ledger's name or key: {fault}")]
    Era {
        /// Which.
        index: Index,
        /// Why.
        fault: EraFault,
    },
    /// A line of the journal of redactions is not this ledger's.
    #[error(
        "line {line} of the journal {path} is not signed by this ledger: see what it is, and remove it"
    )]
    Journal {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A commit failed. The writer is poisoned: nothing is acknowledged any more and the process must end,
/// because what reached the disk is unknown. Opening again finds out.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] rocksdb::Error),
    /// The log could not be read while a commit was staged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The mark could not be written.
    #[error("the high-water mark {path}: {source}")]
    Mark {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal of redactions could not be written.
    #[error("the journal of redactions {path}: {source}")]
    Journal {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The mark is not the one that this writer left there.
    #[error(
        "the high-water mark {0} was changed by somebody else: another writer, or an older copy put back"
    )]
    MarkChanged(PathBuf),
    /// An entry of the ledger's own does not fit its format.
    #[error("the ledger's own {0} entry does not fit the format")]
    OwnEntry(schemas::kind::Kind),
    /// An earlier commit failed.
    #[error("an earlier commit failed; restart the process")]
    Poisoned,
}
