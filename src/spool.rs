//! The spool: submissions on disk until their receipt has been verified.
//!
//! One file each in one directory, named `<order>-<sha256 of the bytes>.cbor`. A submission is on disk
//! before it is sent, and leaves only through [`Spool::remove`] (its receipt was verified) or
//! [`Spool::set_aside`] (the ledger refused it). A crash anywhere in between is a resend at the next run,
//! which the ledger answers with the original receipt.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use schemas::id::{Digest, sha256};
use schemas::limits::SPOOL_SUBMISSIONS_MAX;

const LOCK: &str = "lock";
const REFUSED: &str = "refused";
const EXTENSION: &str = "cbor";
/// Ending of a file that is still being written; what a crash leaves of it was never sent.
pub(crate) const UNFINISHED: &str = "part";

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// Another process publishes from this directory.
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// As many submissions wait as may.
    #[error("{} holds {SPOOL_SUBMISSIONS_MAX} submissions without a receipt", .0.display())]
    Full(PathBuf),
    /// A file's bytes are not those that were written.
    #[error("{} does not hold the submission that its name says", .0.display())]
    Damaged(PathBuf),
    /// Somebody else's submission: sent in another signer's name it would only be refused.
    #[error("{} is the submission of another signer or tenant", .0.display())]
    Foreign(PathBuf),
    /// A line of the numbers beside the spool is none.
    #[error("{} has a line that numbers no session: see what it is, and remove it", .0.display())]
    Numbers(PathBuf),
    /// A file or the directory could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A submission in the spool.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Kept {
    order: u64,
    digest: Digest,
}

impl Kept {
    fn name(&self) -> String {
        format!("{:016x}-{}.{EXTENSION}", self.order, self.digest)
    }

    fn parse(name: &str) -> Option<Self> {
        let (order, digest) = name.strip_suffix(".cbor")?.split_once('-')?;
        let order = u64::from_str_radix(order, 16).ok().filter(|_| order.len() == 16)?;
        Some(Self { order, digest: Digest::from_hex(digest)? })
    }
}

/// A directory of submissions, held by one process at a time.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    next: u64,
    count: usize,
    /// Released by the operating system when the process ends, however it ends.
    _lock: File,
}

impl Spool {
    /// Opens the directory, creating it with mode 0700 if it is not there.
    ///
    /// # Errors
    /// [`SpoolError::Locked`] while another process has it open, [`SpoolError::File`].
    pub(crate) fn open(dir: &Path) -> Result<Self, SpoolError> {
        let refused = dir.join(REFUSED);
        DirBuilder::new().recursive(true).mode(0o700).create(&refused).map_err(at(&refused))?;
        let path = dir.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Locked(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(at(&path)(source)),
        }
        let mut spool = Self { dir: dir.to_owned(), next: 0, count: 0, _lock: lock };
        spool.clear_unfinished()?;
        let pending = spool.pending()?;
        spool.count = pending.len();
        spool.next = pending.last().map_or(0, |last| last.order + 1);
        Ok(spool)
    }

    /// What waits for a receipt, in the order in which it was added.
    ///
    /// # Errors
    /// [`SpoolError::File`].
    pub(crate) fn pending(&self) -> Result<Vec<Kept>, SpoolError> {
        let names = self.names()?;
        let mut pending: Vec<_> = names.iter().filter_map(|name| Kept::parse(name)).collect();
        pending.sort_unstable();
        Ok(pending)
    }

    /// Keeps a submission: when this returns, it is synced and may be sent.
    ///
    /// # Errors
    /// [`SpoolError::Full`] at [`SPOOL_SUBMISSIONS_MAX`], [`SpoolError::File`].
    pub(crate) fn add(&mut self, message: &[u8]) -> Result<Kept, SpoolError> {
        if self.count >= SPOOL_SUBMISSIONS_MAX {
            return Err(SpoolError::Full(self.dir.clone()));
        }
        let kept = Kept { order: self.next, digest: Digest(sha256(message)) };
        let part = self.path(&kept).with_extension(UNFINISHED);
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all(message)?;
            file.sync_all()
        };
        write().map_err(at(&part))?;
        let path = self.path(&kept);
        fs::rename(&part, &path).map_err(at(&path))?;
        self.sync_dir()?;
        self.next += 1;
        self.count += 1;
        Ok(kept)
    }

    /// The submission's bytes.
    ///
    /// # Errors
    /// [`SpoolError::Damaged`] when they are not those that were added, [`SpoolError::File`].
    pub(crate) fn message(&self, kept: &Kept) -> Result<Vec<u8>, SpoolError> {
        let path = self.path(kept);
        let message = fs::read(&path).map_err(at(&path))?;
        if sha256(&message) == kept.digest.0 { Ok(message) } else { Err(SpoolError::Damaged(path)) }
    }

    /// Forgets a submission. The caller has verified every receipt in the reply to it.
    ///
    /// # Errors
    /// [`SpoolError::File`].
    pub(crate) fn remove(&mut self, kept: &Kept) -> Result<(), SpoolError> {
        let path = self.path(kept);
        fs::remove_file(&path).map_err(at(&path))?;
        // Not synced: after a power cut it is sent once more, and answered as a duplicate.
        self.count = self.count.saturating_sub(1);
        Ok(())
    }

    /// Moves a submission that the ledger refused to the directory `refused`; returns where it lies.
    ///
    /// # Errors
    /// [`SpoolError::File`].
    pub(crate) fn set_aside(&mut self, kept: &Kept) -> Result<PathBuf, SpoolError> {
        let (from, to) = (self.path(kept), self.dir.join(REFUSED).join(kept.name()));
        fs::rename(&from, &to).map_err(at(&from))?;
        self.count = self.count.saturating_sub(1);
        Ok(to)
    }

    /// The submission's file.
    pub(crate) fn path(&self, kept: &Kept) -> PathBuf {
        self.dir.join(kept.name())
    }

    fn names(&self) -> Result<Vec<String>, SpoolError> {
        let entries = fs::read_dir(&self.dir).map_err(at(&self.dir))?;
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().into_string().ok()).map_err(at(&self.dir))
        };
        entries.map(name).filter_map(Result::transpose).collect()
    }

    fn clear_unfinished(&self) -> Result<(), SpoolError> {
        for name in self.names()? {
            let path = self.dir.join(&name);
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), SpoolError> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(at(&self.dir))
    }
}

/// The error of a file.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> SpoolError {
    move |source| SpoolError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use super::*;
    use crate::patience::soon;

    fn messages(spool: &Spool) -> Vec<Vec<u8>> {
        spool.pending().unwrap().iter().map(|kept| spool.message(kept).unwrap()).collect()
    }

    #[test]
    fn what_has_no_receipt_survives_a_crash_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        let kept: Vec<_> = (0..20u8).map(|n| spool.add(&[n; 100]).unwrap()).collect();
        spool.remove(&kept[0]).unwrap();
        spool.remove(&kept[7]).unwrap();
        // A crash while one more was being written.
        fs::write(dir.path().join("0000000000000014-00.part"), [1, 2]).unwrap();
        drop(spool);

        let mut spool = soon(|| Spool::open(dir.path()));
        let left: Vec<_> = (0..20u8).filter(|n| ![0, 7].contains(n)).collect();
        assert_eq!(messages(&spool), left.iter().map(|n| vec![*n; 100]).collect::<Vec<_>>());
        assert!(!dir.path().join("0000000000000014-00.part").exists());
        let last = spool.add(b"later").unwrap();
        assert_eq!(spool.pending().unwrap().last(), Some(&last));
        for kept in spool.pending().unwrap() {
            spool.remove(&kept).unwrap();
        }
        drop(spool);
        assert_eq!(messages(&soon(|| Spool::open(dir.path()))), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = Spool::open(dir.path()).unwrap();
        assert!(matches!(Spool::open(dir.path()), Err(SpoolError::Locked(_))));
        drop(held);
        soon(|| Spool::open(dir.path()));
    }

    #[test]
    fn a_damaged_file_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        let kept = spool.add(b"submission").unwrap();
        fs::write(dir.path().join(kept.name()), b"submissiom").unwrap();
        assert!(matches!(spool.message(&kept), Err(SpoolError::Damaged(_))));
        assert_eq!(spool.pending().unwrap(), [kept]);
    }

    #[test]
    fn a_refused_submission_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        let kept = spool.add(b"refused").unwrap();
        let place = spool.set_aside(&kept).unwrap();
        assert_eq!(fs::read(place).unwrap(), b"refused");
        assert!(spool.pending().unwrap().is_empty());
    }

    #[test]
    fn a_full_spool_takes_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path()).unwrap();
        spool.count = SPOOL_SUBMISSIONS_MAX;
        assert!(matches!(spool.add(b"one more"), Err(SpoolError::Full(_))));
    }

    #[test]
    fn foreign_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("README"), b"mine").unwrap();
        fs::write(dir.path().join("0-0.cbor"), b"mine").unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        assert!(spool.pending().unwrap().is_empty());
        assert!(dir.path().join("README").exists() && dir.path().join("0-0.cbor").exists());
    }
}
