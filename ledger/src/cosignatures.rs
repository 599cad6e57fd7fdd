//! What witnesses say of published checkpoints. Nothing of the log depends on it.

use schemas::checkpoint::{NOTE_SIGNATURES_MAX, NoteSignature};
use schemas::id::TreeSize;

use crate::error::ReadError;
use crate::keys;
use crate::read::{Ledger, damaged};
use crate::store::{ColumnFamily, Row};

impl Ledger {
    /// Keeps a witness's cosignature of the checkpoint of this size, in place of its last one.
    ///
    /// The caller has verified it.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn add_cosignature(&self, size: TreeSize, line: &NoteSignature) -> Result<(), ReadError> {
        let key = keys::cosignature(size, line.key_id);
        let row = Row::new(ColumnFamily::Checkpoints, key, line.to_string().into_bytes());
        Ok(self.store.write_synced(&[row])?)
    }

    /// The published note of this size with the cosignatures there are; `None` if none was published.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn cosigned(&self, size: TreeSize) -> Result<Option<String>, ReadError> {
        let published = self.published(size)?.filter(|(found, _)| *found == size);
        let Some((_, mut note)) = published else { return Ok(None) };
        // The log's own signature is one of those that a note may have.
        let prefix = keys::cosignatures(size);
        let rows = self.store.scan_prefix(ColumnFamily::Checkpoints, &prefix);
        for row in rows.take(NOTE_SIGNATURES_MAX - 1) {
            let (key, line) = row?;
            let line = std::str::from_utf8(&line).ok().filter(|line| is_line(line));
            note.push_str(line.ok_or_else(|| damaged(ColumnFamily::Checkpoints, &key))?);
            note.push('\n');
        }
        Ok(Some(note))
    }
}

/// Whether a row can be what was kept: one signature line.
pub(crate) fn is_line(line: &str) -> bool {
    NoteSignature::parse(line).is_some_and(|parsed| parsed.to_string() == line)
}
