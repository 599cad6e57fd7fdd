//! Proofs of logging as text: the path of one leaf together with the checkpoint that it leads to.
//!
//! Source: C2SP `tlog-proof` v1.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, Note, NoteError, NoteKey};
use crate::id::{Index, TreeHash};
use crate::limits::PROOF_HASHES_MAX;
use crate::tree::{TreeError, leaf_hash, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A leaf's place, its path, and the signed checkpoint at the path's end; nothing in it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// Place of the leaf.
    pub index: Index,
    /// Inclusion path, from the leaf's sibling up.
    pub path: Vec<TreeHash>,
    /// The checkpoint with its signatures.
    pub note: Note,
}

/// Why a text is no proof, or none for this leaf and key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// The first line is another.
    #[error("not a tlog-proof: the first line is not {HEADER}")]
    Header,
    /// No `index` line, or not a decimal number without leading zeros.
    #[error("line {line}: expected \"index \" and a decimal number")]
    Index {
        /// Number of the line, from 1.
        line: usize,
    },
    /// The opaque extra line is not base64.
    #[error("line 2: extra data that is not base64")]
    Extra,
    /// A line of the path is not one hash in base64.
    #[error("line {line}: expected a SHA-256 hash in base64")]
    Hash {
        /// Number of the line, from 1.
        line: usize,
    },
    /// More hashes than any tree has levels.
    #[error("more than {PROOF_HASHES_MAX} hashes")]
    TooLong,
    /// No blank line parts path and checkpoint.
    #[error("no checkpoint after the path")]
    NoCheckpoint,
    /// The checkpoint cannot be read, or is not signed by the key.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The path does not lead from the leaf to the checkpoint's root.
    #[error("path: {0}")]
    Path(#[from] TreeError),
}

impl LogProof {
    /// The proof in a text, exactly as the specification writes it; extra data is skipped, because
    /// nothing authenticates it.
    ///
    /// # Errors
    /// The first [`LogProofError`] but [`LogProofError::Path`].
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(LogProofError::NoCheckpoint)?;
        let mut lines = (1..).zip(head.split('\n')).peekable();
        if lines.next().is_none_or(|(_, first)| first != HEADER) {
            return Err(LogProofError::Header);
        }
        if let Some((_, extra)) = lines.next_if(|(_, line)| line.starts_with("extra ")) {
            let data = extra.strip_prefix("extra ").unwrap_or_default();
            STANDARD.decode(data).map_err(|_undecodable| LogProofError::Extra)?;
        }
        let (line, text) = lines.next().unwrap_or((2, ""));
        let index = text.strip_prefix("index ").and_then(|number| number.parse::<u64>().ok());
        let index = index.filter(|index| text == format!("index {index}"));
        let index = Index(index.ok_or(LogProofError::Index { line })?);
        let mut path = Vec::new();
        for (line, hash) in lines {
            if path.len() == PROOF_HASHES_MAX {
                return Err(LogProofError::TooLong);
            }
            path.push(parse_hash(hash).ok_or(LogProofError::Hash { line })?);
        }
        Ok(Self { index, path, note: Note::parse(note)? })
    }

    /// Checks that `key` signed the checkpoint and that the leaf with these bytes is in its tree.
    ///
    /// # Errors
    /// [`LogProofError::Note`] or [`LogProofError::Path`].
    pub fn verify(&self, leaf: &[u8], key: &NoteKey) -> Result<Checkpoint, LogProofError> {
        let checkpoint = self.note.verify_checkpoint(key)?;
        let Checkpoint { size, root, .. } = &checkpoint;
        verify_inclusion(&leaf_hash(leaf), self.index, *size, &self.path, root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index.0)?;
        for hash in &self.path {
            writeln!(f, "{}", hash_line(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// A hash as a line of a proof, without its newline.
pub(crate) fn hash_line(hash: &TreeHash) -> String {
    STANDARD.encode(hash.0)
}

/// The hash of a proof's line.
pub(crate) fn parse_hash(line: &str) -> Option<TreeHash> {
    STANDARD.decode(line).ok().and_then(|bytes| TreeHash::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::checkpoint::sign_checkpoint;
    use crate::id::TreeSize;
    use crate::tree::node_hash;

    fn proof() -> (LogProof, NoteKey) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let origin = "example.com/log".to_owned();
        let root = node_hash(&left, &right);
        let checkpoint = Checkpoint { origin: origin.clone(), size: TreeSize(2), root };
        let note = sign_checkpoint(&checkpoint, &key).unwrap();
        let public = NoteKey { name: origin, public: key.verifying_key() };
        (LogProof { index: Index(1), path: vec![left], note }, public)
    }

    #[test]
    fn a_proof_survives_its_text_and_binds_leaf_and_key() {
        let (proof, key) = proof();
        let read = LogProof::parse(&proof.to_string()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(b"right", &key).unwrap().size, TreeSize(2));
        assert!(matches!(read.verify(b"left", &key), Err(LogProofError::Path(_))));
        let other = NoteKey {
            name: key.name.clone(),
            public: SigningKey::from_bytes(&[8; 32]).verifying_key(),
        };
        assert!(matches!(read.verify(b"right", &other), Err(LogProofError::Note(_))));
    }

    #[test]
    fn extra_data_is_skipped_and_everything_else_is_exact() {
        let text = proof().0.to_string();
        let with = |from: &str, to: &str| LogProof::parse(&text.replacen(from, to, 1));
        assert_eq!(with("index", "extra YQ==\nindex").unwrap(), proof().0);
        assert_eq!(with("index", "extra ?\nindex"), Err(LogProofError::Extra));
        assert_eq!(with("@v1", "@v2"), Err(LogProofError::Header));
        assert_eq!(with("index 1", "index 01"), Err(LogProofError::Index { line: 2 }));
        assert_eq!(with("index 1", "index +1"), Err(LogProofError::Index { line: 2 }));
        assert_eq!(with("index 1\n", "index 1\nAAAA\n"), Err(LogProofError::Hash { line: 3 }));
        assert_eq!(with("\n\n", "\n"), Err(LogProofError::Hash { line: 4 }));
        assert_eq!(LogProof::parse("index 1\n"), Err(LogProofError::NoCheckpoint));
        let hash = hash_line(&TreeHash([0; 32])) + "\n";
        let long = format!("index 1\n{}", hash.repeat(PROOF_HASHES_MAX));
        assert_eq!(with("index 1\n", &long), Err(LogProofError::TooLong));
    }
}
