//! A reader's own watch over the log: each checkpoint that a tail brings must be signed, and extend the
//! one before.

use schemas::checkpoint::{Checkpoint, Note, NoteKey};
use schemas::id::{TreeHash, TreeSize};
use schemas::tree::verify_consistency;
use serde_json::Value as Json;

use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::exit::Exit;

/// What was seen so far.
pub(crate) struct Witness {
    /// The ledger's key; without one nothing can be checked.
    key: Option<NoteKey>,
    last: Option<Checkpoint>,
}

impl Witness {
    /// Watches the log of `key`.
    pub(crate) fn new(key: Option<NoteKey>) -> Self {
        Self { key, last: None }
    }

    /// Checks a `checkpoint` event. Where its key does not sign it, `successor` tells which key the ledger has now.
    ///
    /// # Errors
    /// [`Failure::Verdict`]: badly signed, or no continuation of what was seen before; those of `successor`.
    pub(crate) fn see(
        &mut self,
        event: &Json,
        successor: impl FnOnce(&NoteKey) -> Result<NoteKey, Failure>,
    ) -> Result<(), Failure> {
        let Some(key) = &mut self.key else { return Ok(()) };
        let note = text(event, "note").unwrap_or_default();
        let verified =
            |key: &NoteKey| Note::parse(note).and_then(|note| note.verify_checkpoint(key));
        let mut checkpoint = verified(key);
        if checkpoint.is_err() {
            *key = successor(key)?;
            checkpoint = verified(key);
        }
        let checkpoint = checkpoint.map_err(|fault| {
            let what = format!("the server sent a checkpoint that does not verify: {fault}");
            Failure::Verdict { exit: Exit::BadSignature, what, details: Vec::new() }
        })?;
        if let Some(last) = &self.last {
            match extends(last, &checkpoint, event) {
                Some(true) => {}
                Some(false) => return Err(conflict(last, &checkpoint)),
                None => return Err(unproved(last, &checkpoint)),
            }
        }
        self.last = Some(checkpoint);
        Ok(())
    }
}

/// Whether `new` continues `last`; `None` where the event proves something about another checkpoint.
fn extends(last: &Checkpoint, new: &Checkpoint, event: &Json) -> Option<bool> {
    if new.size == last.size {
        return Some(new.root == last.root);
    }
    if new.size < last.size {
        return Some(false);
    }
    match event.get("from").and_then(Json::as_u64) {
        Some(from) if TreeSize(from) == last.size => {
            let path = event.get("consistency").and_then(Json::as_array);
            let path: Option<Vec<_>> = path.and_then(|path| {
                path.iter().map(|hash| TreeHash::from_hex(hash.as_str()?)).collect()
            });
            let path = path.unwrap_or_default();
            Some(verify_consistency(last.size, &last.root, new.size, &new.root, &path).is_ok())
        }
        _ => None,
    }
}

fn unproved(last: &Checkpoint, new: &Checkpoint) -> Failure {
    let (from, to) = (last.size, new.size);
    Failure::Verdict {
        exit: Exit::Undecidable,
        what: format!(
            "the server does not prove that its log of {to} entries extends that of {from}"
        ),
        details: Vec::new(),
    }
}

fn conflict(last: &Checkpoint, new: &Checkpoint) -> Failure {
    let line = |name: &str, c: &Checkpoint| format!("{name}  {} entries, root {}", c.size, c.root);
    Failure::Verdict {
        exit: Exit::Conflict,
        what: "the server sent checkpoints that contradict each other".to_owned(),
        details: vec![line("before", last), line("now   ", new)],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use schemas::checkpoint::sign_checkpoint;
    use schemas::tree::{Frontier, consistency_path, leaf_hash};
    use serde_json::json;

    use super::*;

    const ORIGIN: &str = "localhost/acme";

    fn root(size: u64, salt: u8) -> TreeHash {
        let mut frontier = Frontier::default();
        // Trees of different salts part after two leaves.
        let leaf = |n: u64| leaf_hash(&[if n < 2 { 0 } else { salt }, u8::try_from(n).unwrap()]);
        (0..size).for_each(|n| frontier.push(leaf(n)).unwrap());
        frontier.root()
    }

    fn subtree(level: u8, n: u64, salt: u8) -> TreeHash {
        let mut frontier = Frontier::default();
        let leaf = |n: u64| leaf_hash(&[if n < 2 { 0 } else { salt }, u8::try_from(n).unwrap()]);
        (n << level..(n + 1) << level).for_each(|n| frontier.push(leaf(n)).unwrap());
        frontier.root()
    }

    fn event(seed: u8, from: Option<u64>, size: u64, salt: u8) -> Json {
        let checkpoint =
            Checkpoint { origin: ORIGIN.into(), size: TreeSize(size), root: root(size, salt) };
        let note = sign_checkpoint(&checkpoint, &SigningKey::from_bytes(&[seed; 32])).unwrap();
        let path = from.map(|from| {
            let node =
                |level, n| -> Result<_, schemas::tree::TreeError> { Ok(subtree(level, n, salt)) };
            consistency_path(TreeSize(from), TreeSize(size), node).unwrap()
        });
        let path: Vec<_> = path.unwrap_or_default().iter().map(TreeHash::to_string).collect();
        json!({ "note": note.to_string(), "from": from, "consistency": path })
    }

    fn witness() -> Witness {
        let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
        Witness::new(Some(NoteKey { name: ORIGIN.into(), public }))
    }

    /// The ledger's key is the same as ever.
    fn see(witness: &mut Witness, event: &Json) -> Result<(), Failure> {
        witness.see(event, |key| Ok(key.clone()))
    }

    fn exit(seen: Result<(), Failure>) -> u8 {
        seen.map_or_else(|failure| failure.exit().code(), |()| 0)
    }

    #[test]
    fn a_growing_log_is_believed() {
        let mut witness = witness();
        for (from, size) in [(None, 3), (Some(3), 5), (Some(5), 9), (None, 9), (Some(9), 16)] {
            assert_eq!(exit(see(&mut witness, &event(1, from, size, 0))), 0, "{size}");
        }
    }

    #[test]
    fn a_rewritten_or_shorter_log_is_not() {
        for (from, size, salt) in [(Some(5), 9, 1), (None, 5, 1), (None, 4, 0)] {
            let mut witness = witness();
            see(&mut witness, &event(1, None, 5, 0)).unwrap();
            assert_eq!(exit(see(&mut witness, &event(1, from, size, salt))), 13, "{size} {salt}");
        }
    }

    #[test]
    fn a_larger_log_without_proof_is_undecided() {
        for from in [None, Some(4)] {
            let mut witness = witness();
            see(&mut witness, &event(1, None, 5, 0)).unwrap();
            assert_eq!(exit(see(&mut witness, &event(1, from, 9, 0))), 14);
        }
    }

    #[test]
    fn a_rotated_key_is_followed() {
        let mut witness = witness();
        see(&mut witness, &event(1, None, 3, 0)).unwrap();
        let public = SigningKey::from_bytes(&[2; 32]).verifying_key();
        let next = NoteKey { name: ORIGIN.into(), public };
        witness.see(&event(2, Some(3), 5, 0), |_old| Ok(next)).unwrap();
        see(&mut witness, &event(2, Some(5), 9, 0)).unwrap();
        assert_eq!(exit(see(&mut witness, &event(1, Some(9), 16, 0))), 11, "the old one is over");
    }

    #[test]
    fn another_key_is_a_bad_signature() {
        assert_eq!(exit(see(&mut witness(), &event(2, None, 5, 0))), 11);
        assert_eq!(exit(see(&mut witness(), &json!({}))), 11);
        assert_eq!(exit(see(&mut Witness::new(None), &json!({}))), 0);
    }
}
