//! The last checkpoint of a ledger that was verified here, kept between calls: each command line is a
//! small witness of its own.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use schemas::checkpoint::{Checkpoint, Note, NoteKey};

/// A file with a signed note in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pin {
    path: PathBuf,
}

/// What a pin's file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pinned {
    /// The note as it was signed.
    pub(crate) note: String,
    /// The checkpoint in it.
    pub(crate) checkpoint: Checkpoint,
}

/// Why a pin cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    /// The file system.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its signature is not the key's.
    #[error("{} holds no checkpoint signed by the trusted key", path.display())]
    Unsigned {
        /// Which file.
        path: PathBuf,
    },
}

impl Pinned {
    /// A note that `key` signed.
    pub(crate) fn verified(note: &str, key: &NoteKey) -> Option<Self> {
        let checkpoint = Note::parse(note).and_then(|note| note.verify_checkpoint(key)).ok()?;
        Some(Self { note: note.to_owned(), checkpoint })
    }
}

impl Pin {
    /// The pin in this file, which need not exist yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is kept.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was pinned, if anything was. The file is local but not believed without the signature of one
    /// of the ledger's keys, present or past.
    ///
    /// # Errors
    /// [`PinError`].
    pub(crate) fn read(&self, keys: &[NoteKey]) -> Result<Option<Pinned>, PinError> {
        let Some(note) = self.text()? else { return Ok(None) };
        let unsigned = PinError::Unsigned { path: self.path.clone() };
        keys.iter().find_map(|key| Pinned::verified(&note, key)).map(Some).ok_or(unsigned)
    }

    /// The file's text, believed or not; `None` if there is none.
    ///
    /// # Errors
    /// [`PinError::File`].
    pub(crate) fn text(&self) -> Result<Option<String>, PinError> {
        match fs::read_to_string(&self.path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.file(source)),
        }
    }

    /// Replaces what was pinned, at once or not at all.
    ///
    /// # Errors
    /// [`PinError::File`].
    pub(crate) fn write(&self, note: &str) -> Result<(), PinError> {
        replace(&self.path, note).map_err(|source| self.file(source))
    }

    /// Replaces what was pinned, unless another process did so since `before` was read; says whether.
    ///
    /// # Errors
    /// [`PinError::File`].
    pub(crate) fn swap(&self, before: Option<&str>, note: &str) -> Result<bool, PinError> {
        let _held = self.lock().map_err(|source| self.file(source))?;
        if self.text()?.as_deref() != before {
            return Ok(false);
        }
        self.write(note).map(|()| true)
    }

    /// Held until the file is dropped.
    fn lock(&self) -> io::Result<fs::File> {
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        let lock = self.path.with_extension("lock");
        let file = fs::File::options().create(true).truncate(false).write(true).open(lock)?;
        file.lock()?;
        Ok(file)
    }

    /// Keeps two notes of which one tree can satisfy only one. Returns the file.
    ///
    /// # Errors
    /// [`PinError::File`].
    pub(crate) fn keep_conflict(&self, pinned: &str, found: &str) -> Result<PathBuf, PinError> {
        let path = self.conflict_path();
        let text = format!("{pinned}\n{found}");
        replace(&path, &text).map_err(|source| PinError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// The server's note of the conflict that was kept last.
    ///
    /// # Errors
    /// [`PinError::File`].
    pub(crate) fn kept_conflict(&self) -> Result<Option<String>, PinError> {
        let kept = Self::at(self.conflict_path()).text()?.unwrap_or_default();
        // Neither the text of a checkpoint nor its signature lines have a blank line.
        let parts: Vec<_> = kept.split("\n\n").collect();
        Ok(match parts.as_slice() {
            [_, _, text, lines] => Some(format!("{text}\n\n{lines}")),
            _ => None,
        })
    }

    fn conflict_path(&self) -> PathBuf {
        self.path.with_extension("conflict")
    }

    fn file(&self, source: io::Error) -> PinError {
        PinError::File { path: self.path.clone(), source }
    }
}

/// Replaces a file, at once or not at all.
///
/// # Errors
/// Those of the file system.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_data()?;
    file.persist(path).map(|_file| ()).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use schemas::checkpoint::sign_checkpoint;
    use schemas::id::{TreeHash, TreeSize};

    use super::*;

    fn note(seed: u8) -> (String, NoteKey) {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let origin = "localhost/acme".to_owned();
        let checkpoint =
            Checkpoint { origin: origin.clone(), size: TreeSize(3), root: TreeHash([9; 32]) };
        let note = sign_checkpoint(&checkpoint, &key).unwrap().to_string();
        (note, NoteKey { name: origin, public: key.verifying_key() })
    }

    #[test]
    fn a_pin_is_read_back_only_under_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let pin = Pin::at(directory.path().join("pins/acme.note"));
        let ((text, key), (_, other)) = (note(1), note(2));
        assert_eq!(pin.read(std::slice::from_ref(&key)).unwrap(), None);
        pin.write(&text).unwrap();
        assert_eq!(
            pin.read(std::slice::from_ref(&key)).unwrap().unwrap().checkpoint.size,
            TreeSize(3)
        );
        assert!(matches!(pin.read(&[other]), Err(PinError::Unsigned { .. })));
        let kept = pin.keep_conflict(&text, "other").unwrap();
        assert_eq!(fs::read_to_string(kept).unwrap(), format!("{text}\nother"));
    }
}
