//! What logs and witnesses say to each other, and how a witness judges.
//!
//! Source: C2SP `tlog-witness`, `add-checkpoint`.

use std::fmt;

use crate::checkpoint::{Checkpoint, Note, NoteError, NoteKey};
use crate::id::{TreeHash, TreeSize};
use crate::limits::WITNESS_PROOF_LINES_MAX;
use crate::proof::{hash_line, parse_hash};
use crate::tree::{empty_root, verify_consistency};

/// Media type of the answer that names the witness's own size.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A checkpoint with the proof that it extends the tree of `old` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the witness is believed to have.
    pub old: TreeSize,
    /// Consistency path from there.
    pub proof: Vec<TreeHash>,
    /// The checkpoint, signed by its log.
    pub note: Note,
}

/// Why a body is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The first line is not `old <size>`.
    #[error("line 1: expected \"old \" and a decimal size")]
    Old,
    /// More lines of proof than any tree needs.
    #[error("more than {WITNESS_PROOF_LINES_MAX} lines of proof")]
    TooLong,
    /// A line of the proof is not one hash in base64.
    #[error("line {line}: expected a SHA-256 hash in base64")]
    Hash {
        /// Number of the line, from 1.
        line: usize,
    },
    /// No blank line parts proof and checkpoint.
    #[error("no checkpoint after the proof")]
    NoCheckpoint,
    /// The checkpoint cannot be read.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
}

impl AddCheckpoint {
    /// The request in a body, exactly as the specification writes it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(body: &str) -> Result<Self, RequestError> {
        let (head, note) = body.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let first = lines.next().unwrap_or_default();
        let old = first.strip_prefix("old ").and_then(|size| size.parse::<u64>().ok());
        let old = old.filter(|old| first == format!("old {old}")).ok_or(RequestError::Old)?;
        let mut proof = Vec::new();
        for (line, text) in (2..).zip(lines) {
            if proof.len() == WITNESS_PROOF_LINES_MAX {
                return Err(RequestError::TooLong);
            }
            proof.push(parse_hash(text).ok_or(RequestError::Hash { line })?);
        }
        Ok(Self { old: TreeSize(old), proof, note: Note::parse(note)? })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old.0)?;
        for hash in &self.proof {
            writeln!(f, "{}", hash_line(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not signed by the origin's key, or badly (403).
    #[error("the checkpoint is not signed by its log")]
    Unsigned,
    /// The old size is beyond the checkpoint (400).
    #[error("the old size is larger than the checkpoint's")]
    OldBeyond,
    /// The witness stands elsewhere (409).
    #[error("the last checkpoint cosigned has {0} entries")]
    OtherSize(TreeSize),
    /// The proof does not hold (422).
    #[error("the proof does not show that the log only grew")]
    Inconsistent,
    /// Two signed checkpoints of one log that no tree satisfies both (422): proof of fraud.
    #[error("another root for a tree that was cosigned: the log is forked")]
    Forked,
}

impl Refusal {
    /// The answer's HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::OldBeyond => 400,
            Self::Unsigned => 403,
            Self::OtherSize(_) => 409,
            Self::Inconsistent | Self::Forked => 422,
        }
    }
}

/// What a witness that last cosigned `last` says of a request by the log with this key.
///
/// # Errors
/// [`Refusal`], in the order of the specification.
pub fn judge(
    request: &AddCheckpoint,
    last: Option<&Checkpoint>,
    log: &NoteKey,
) -> Result<Checkpoint, Refusal> {
    let new = request.note.verify_checkpoint(log).map_err(|_fault| Refusal::Unsigned)?;
    let AddCheckpoint { old, proof, .. } = request;
    if *old > new.size {
        return Err(Refusal::OldBeyond);
    }
    let stands = last.map_or(TreeSize(0), |last| last.size);
    if let Some(last) = last
        && last.size == new.size
        && last.root != new.root
    {
        return Err(Refusal::Forked);
    }
    if *old != stands {
        return Err(Refusal::OtherSize(stands));
    }
    if new.size.0 == 0 && new.root != empty_root() {
        return Err(Refusal::Inconsistent);
    }
    let consistent = match last.filter(|last| last.size.0 > 0) {
        None => proof.is_empty(),
        Some(last) if last.size == new.size => proof.is_empty(),
        Some(last) => verify_consistency(last.size, &last.root, new.size, &new.root, proof).is_ok(),
    };
    if consistent { Ok(new) } else { Err(Refusal::Inconsistent) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::checkpoint::sign_checkpoint;
    use crate::tree::{leaf_hash, node_hash};

    const ORIGIN: &str = "example.com/log";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn log() -> NoteKey {
        NoteKey { name: ORIGIN.into(), public: key(1).verifying_key() }
    }

    fn leaves() -> (TreeHash, TreeHash) {
        (leaf_hash(b"a"), leaf_hash(b"b"))
    }

    fn checkpoint(size: u64) -> Checkpoint {
        let (a, b) = leaves();
        let root = match size {
            0 => empty_root(),
            1 => a,
            _ => node_hash(&a, &b),
        };
        Checkpoint { origin: ORIGIN.into(), size: TreeSize(size), root }
    }

    fn request(old: u64, new: &Checkpoint, proof: &[TreeHash]) -> AddCheckpoint {
        let note = sign_checkpoint(new, &key(1)).unwrap();
        AddCheckpoint { old: TreeSize(old), proof: proof.to_vec(), note }
    }

    #[test]
    fn a_request_survives_its_text_and_nothing_else_is_one() {
        let request = request(1, &checkpoint(2), &[leaves().1]);
        let text = request.to_string();
        assert_eq!(AddCheckpoint::parse(&text), Ok(request));
        let with = |from: &str, to: &str| AddCheckpoint::parse(&text.replacen(from, to, 1));
        assert_eq!(with("old 1", "old 01"), Err(RequestError::Old));
        assert_eq!(with("old 1", "old -1"), Err(RequestError::Old));
        assert_eq!(with("old 1\n", "old 1\nAAAA\n"), Err(RequestError::Hash { line: 2 }));
        assert_eq!(AddCheckpoint::parse("old 1\n"), Err(RequestError::NoCheckpoint));
        let many = format!("old 1\n{}", (hash_line(&leaves().0) + "\n").repeat(64));
        assert_eq!(with("old 1\n", &many), Err(RequestError::TooLong));
        assert!(matches!(AddCheckpoint::parse("old 0\n\nx"), Err(RequestError::Note(_))));
    }

    #[test]
    fn a_witness_cosigns_only_what_extends_what_it_cosigned() {
        let (one, two) = (checkpoint(1), checkpoint(2));
        let sibling = [leaves().1];
        assert_eq!(judge(&request(0, &one, &[]), None, &log()), Ok(one.clone()));
        assert_eq!(judge(&request(0, &checkpoint(0), &[]), None, &log()), Ok(checkpoint(0)));
        assert_eq!(judge(&request(1, &two, &sibling), Some(&one), &log()), Ok(two.clone()));
        assert_eq!(judge(&request(2, &two, &[]), Some(&two), &log()), Ok(two.clone()));
        assert_eq!(judge(&request(0, &two, &[]), Some(&checkpoint(0)), &log()), Ok(two));
    }

    #[test]
    fn every_refusal_has_its_status() {
        let (one, two) = (checkpoint(1), checkpoint(2));
        let sibling = [leaves().1];
        let refused = |request: &AddCheckpoint, last: Option<&Checkpoint>| {
            judge(request, last, &log()).unwrap_err().status()
        };
        let stranger = NoteKey { name: ORIGIN.into(), public: key(2).verifying_key() };
        assert_eq!(judge(&request(0, &one, &[]), None, &stranger).unwrap_err().status(), 403);
        assert_eq!(refused(&request(2, &one, &[]), Some(&two)), 400);
        assert_eq!(refused(&request(0, &two, &[]), Some(&one)), 409);
        assert_eq!(refused(&request(1, &two, &sibling), None), 409);
        assert_eq!(refused(&request(1, &two, &[]), Some(&one)), 422);
        assert_eq!(refused(&request(0, &one, &sibling), None), 422);
        let empty = Checkpoint { root: one.root, ..checkpoint(0) };
        assert_eq!(refused(&request(0, &empty, &[]), None), 422);
        let forked = Checkpoint { root: one.root, ..checkpoint(2) };
        let found = judge(&request(2, &forked, &[]), Some(&two), &log());
        assert_eq!(found, Err(Refusal::Forked));
    }
}
