//! What a witness remembers: every checkpoint that it cosigned, and whatever contradicts one.
//!
//! ```text
//! <data>/<origin's hash>/
//!   origin                        its name
//!   latest.note                   the last checkpoint cosigned
//!   checkpoints/<size>.note       each checkpoint cosigned
//!   forks/<size>-<root>.note      two notes of which one tree can satisfy only one
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemas::checkpoint::{Checkpoint, Note, NoteKey};
use schemas::id::{TreeSize, hex, sha256};

use crate::pin::replace;

/// A witness's memory.
pub(crate) struct Store {
    directory: PathBuf,
}

/// A checkpoint that was cosigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    /// The note as it was cosigned.
    pub(crate) note: String,
    /// The checkpoint in it.
    pub(crate) checkpoint: Checkpoint,
}

/// Why the memory fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file system.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that was altered.
    #[error("{}: not a checkpoint that its log signed", path.display())]
    Altered {
        /// Which file.
        path: PathBuf,
    },
}

impl Store {
    /// The memory in this directory, which need not exist yet.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn of(&self, origin: &str) -> PathBuf {
        let name: String = hex(&sha256(origin.as_bytes())).chars().take(32).collect();
        self.directory.join(name)
    }

    /// The last checkpoint cosigned for a log.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing may be cosigned.
    pub(crate) fn latest(&self, log: &NoteKey) -> Result<Option<Kept>, StoreError> {
        read(&self.of(&log.name).join("latest.note"), log)
    }

    /// The checkpoint of this size, if one was cosigned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn at(&self, log: &NoteKey, size: TreeSize) -> Result<Option<Kept>, StoreError> {
        read(&self.of(&log.name).join("checkpoints").join(file_name(size)), log)
    }

    /// Every size that was cosigned for a log, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn sizes(&self, log: &NoteKey) -> Result<Vec<TreeSize>, StoreError> {
        let size = |name: &str| name.strip_suffix(".note")?.parse().ok().map(TreeSize);
        let names = names(&self.of(&log.name).join("checkpoints"))?;
        let mut sizes: Vec<_> = names.iter().filter_map(|name| size(name)).collect();
        sizes.sort_unstable();
        Ok(sizes)
    }

    /// Remembers a checkpoint, on disk before this returns.
    ///
    /// # Errors
    /// [`StoreError`]: then it may not be cosigned.
    pub(crate) fn keep(&self, checkpoint: &Checkpoint, note: &str) -> Result<(), StoreError> {
        let place = self.of(&checkpoint.origin);
        let origin = place.join("origin");
        if !origin.exists() {
            write(&origin, &format!("{}\n", checkpoint.origin))?;
        }
        write(&place.join("checkpoints").join(file_name(checkpoint.size)), note)?;
        write(&place.join("latest.note"), note)
    }

    /// Keeps what contradicts a checkpoint that was cosigned, with that one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn keep_fork(&self, kept: &Kept, found: &Kept) -> Result<PathBuf, StoreError> {
        let Checkpoint { origin, size, root } = &found.checkpoint;
        let root: String = root.to_string().chars().take(16).collect();
        let path = self.of(origin).join("forks").join(format!("{:020}-{root}.note", size.0));
        write(&path, &format!("{}\n{}", kept.note, found.note))?;
        Ok(path)
    }

    /// Files of contradictions of a log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn forks(&self, log: &NoteKey) -> Result<Vec<PathBuf>, StoreError> {
        let directory = self.of(&log.name).join("forks");
        Ok(names(&directory)?.into_iter().map(|name| directory.join(name)).collect())
    }
}

fn file_name(size: TreeSize) -> String {
    format!("{:020}.note", size.0)
}

fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let files = match fs::read_dir(directory) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::File { path: directory.to_owned(), source }),
    };
    let mut names: Vec<_> =
        files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

fn read(path: &Path, log: &NoteKey) -> Result<Option<Kept>, StoreError> {
    let note = match fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::File { path: path.to_owned(), source }),
    };
    let checkpoint = Note::parse(&note).and_then(|note| note.verify_checkpoint(log));
    let checkpoint =
        checkpoint.map_err(|_altered| StoreError::Altered { path: path.to_owned() })?;
    Ok(Some(Kept { note, checkpoint }))
}

fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    replace(path, text).map_err(|source| StoreError::File { path: path.to_owned(), source })
}
