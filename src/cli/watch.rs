//! Each call that reaches a server proves that its newest checkpoint extends the last one verified here.

use schemas::checkpoint::{Checkpoint, NoteKey};
use schemas::id::TreeHash;
use schemas::tree::verify_consistency;
use serde_json::Value as Json;

use crate::cli::failure::Failure;
use crate::cli::out;
use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::pin::{Pin, Pinned};

/// Proves that the server's `note`, signed by the last of `keys`, extends what is pinned, and pins it. The
/// other keys are the ledger's earlier ones, already linked to the last.
///
/// # Errors
/// [`Failure::Verdict`]: badly signed, or another history; [`Failure::Pin`]; failures of the server.
pub(crate) fn watch(
    client: &Client,
    note: &str,
    keys: &[NoteKey],
    pin: &Pin,
) -> Result<(), Failure> {
    let Some(found) = keys.last().and_then(|key| Pinned::verified(note, key)) else {
        let what = "the server's checkpoint is not signed by the ledger's key".to_owned();
        return Err(Failure::Verdict { exit: Exit::BadSignature, what, details: Vec::new() });
    };
    if let Some(pinned) = pin.read(keys)? {
        if pinned.checkpoint.origin != found.checkpoint.origin {
            return Err(new_epoch(pin, &pinned, &found));
        }
        if !extends(client, &pinned.checkpoint, &found.checkpoint)? {
            return Err(conflict(pin, &pinned, &found));
        }
        if pinned.checkpoint == found.checkpoint {
            return Ok(());
        }
    }
    if let Err(error) = pin.write(note) {
        // What was proved holds all the same; only the next call will know less.
        out::note(&format!("the verified checkpoint is not kept: {error}"));
    }
    Ok(())
}

/// Whether the server proves that `new` continues `old`.
fn extends(client: &Client, old: &Checkpoint, new: &Checkpoint) -> Result<bool, Failure> {
    if new.size <= old.size {
        return Ok(new == old);
    }
    let path = "/api/v1/consistency";
    let (from, to) = (old.size.to_string(), new.size.to_string());
    let proof = client.json(path, &[("from", &from), ("to", &to)])?;
    let hash = |json: &Json| TreeHash::from_hex(json.as_str()?);
    let hashes = proof.get("path").and_then(Json::as_array);
    let hashes = hashes.and_then(|path| path.iter().map(hash).collect::<Option<Vec<_>>>());
    let unreadable = ClientError::Answer { path: path.to_owned(), expected: "a consistency proof" };
    let hashes = hashes.ok_or(unreadable)?;
    Ok(verify_consistency(old.size, &old.root, new.size, &new.root, &hashes).is_ok())
}

/// The ledger says itself that it lost something. Whether that can be accepted is for people.
fn new_epoch(pin: &Pin, pinned: &Pinned, found: &Pinned) -> Failure {
    let (old, new) = (&pinned.checkpoint, &found.checkpoint);
    let what =
        format!("the ledger goes on in a new epoch, {}: its store was rolled back", new.origin);
    let mut details = vec![
        format!("pinned  {} entries of {}, root {}", old.size.0, old.origin, old.root),
        format!("server  {} entries of {}, root {}", new.size.0, new.origin, new.root),
        "lost    see: sworn query code:new_epoch, once the epoch is accepted".to_owned(),
        "accept  sworn checkpoint pin --expect-root ROOT".to_owned(),
    ];
    if let Ok(path) = pin.keep_conflict(&pinned.note, &found.note) {
        details.push(format!("kept    both, in {}", path.display()));
    }
    Failure::Verdict { exit: Exit::Conflict, what, details }
}

fn conflict(pin: &Pin, pinned: &Pinned, found: &Pinned) -> Failure {
    let told = |name: &str, checkpoint: &Checkpoint| {
        format!("{name:<8}{} entries, root {}", checkpoint.size.0, checkpoint.root)
    };
    let mut details = vec![told("pinned", &pinned.checkpoint), told("server", &found.checkpoint)];
    match pin.keep_conflict(&pinned.note, &found.note) {
        Ok(path) => details.push(format!("kept    both, in {}", path.display())),
        Err(error) => details.push(format!("kept    nothing: {error}")),
    }
    let shorter = found.checkpoint.size < pinned.checkpoint.size;
    let how = if shorter { "is shorter than" } else { "does not extend" };
    let what = format!("the server's log {how} the one that was verified here before");
    Failure::Verdict { exit: Exit::Conflict, what, details }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use schemas::checkpoint::sign_checkpoint;
    use schemas::id::TreeSize;
    use schemas::tree::{TreeError, consistency_path, leaf_hash, node_hash};
    use serde_json::json;

    use super::*;
    use crate::scripted::server;

    const ORIGIN: &str = "localhost/acme";

    /// A tree whose last leaves differ by salt.
    struct Log {
        leaves: Vec<TreeHash>,
    }

    impl Log {
        fn new(size: u8, salt: u8) -> Self {
            let leaf = |n: u8| leaf_hash(&[n, if n < 3 { 0 } else { salt }]);
            Self { leaves: (0..size).map(leaf).collect() }
        }

        fn subtree(&self, level: u8, n: u64) -> TreeHash {
            match level {
                0 => *self.leaves.get(usize::try_from(n).unwrap()).unwrap(),
                _ => {
                    node_hash(&self.subtree(level - 1, 2 * n), &self.subtree(level - 1, 2 * n + 1))
                }
            }
        }

        fn note(&self, seed: u8) -> String {
            let mut tree = schemas::tree::Frontier::default();
            self.leaves.iter().for_each(|leaf| tree.push(*leaf).unwrap());
            let checkpoint =
                Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() };
            sign_checkpoint(&checkpoint, &SigningKey::from_bytes(&[seed; 32])).unwrap().to_string()
        }

        fn answer(&self, from: u64) -> String {
            let size = TreeSize(u64::try_from(self.leaves.len()).unwrap());
            let path = consistency_path(TreeSize(from), size, |level, n| {
                Ok::<_, TreeError>(self.subtree(level, n))
            });
            let path: Vec<_> = path.unwrap().iter().map(TreeHash::to_string).collect();
            let body = json!({ "path": path }).to_string();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
            format!("{head} {}\r\n\r\n{body}", body.len())
        }
    }

    fn key() -> NoteKey {
        let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
        NoteKey { name: ORIGIN.into(), public }
    }

    fn exit(seen: Result<(), Failure>) -> u8 {
        seen.map_or_else(|failure| failure.exit().code(), |()| 0)
    }

    fn watched(pin: &Pin, log: &Log, answers: Vec<String>) -> u8 {
        let (url, server) = server(answers);
        let ended = exit(watch(&Client::new(&url).unwrap(), &log.note(1), &[key()], pin));
        server.join().unwrap();
        ended
    }

    #[test]
    fn a_growing_log_raises_the_pin_and_a_lying_server_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let pin = Pin::at(directory.path().join("acme.note"));
        let size = || pin.read(&[key()]).unwrap().unwrap().checkpoint.size.0;
        assert_eq!(watched(&pin, &Log::new(4, 0), vec![]), 0, "the first is pinned");
        assert_eq!(watched(&pin, &Log::new(7, 0), vec![Log::new(7, 0).answer(4)]), 0);
        assert_eq!(watched(&pin, &Log::new(7, 0), vec![]), 0);
        assert_eq!(size(), 7);
        assert_eq!(watched(&pin, &Log::new(6, 0), vec![]), 13, "shorter");
        assert_eq!(watched(&pin, &Log::new(7, 1), vec![]), 13, "another root");
        let forked = Log::new(9, 1);
        assert_eq!(watched(&pin, &forked, vec![forked.answer(7)]), 13, "another history");
        let kept = std::fs::read_to_string(directory.path().join("acme.conflict")).unwrap();
        assert_eq!(kept, format!("{}\n{}", Log::new(7, 0).note(1), forked.note(1)));
        assert_eq!(size(), 7, "the pin stays");
    }

    #[test]
    fn a_checkpoint_of_another_key_is_a_bad_signature() {
        let directory = tempfile::tempdir().unwrap();
        let pin = Pin::at(directory.path().join("acme.note"));
        let client = Client::new("http://127.0.0.1:1").unwrap();
        assert_eq!(exit(watch(&client, &Log::new(4, 0).note(2), &[key()], &pin)), 11);
        assert_eq!(exit(watch(&client, "", &[key()], &pin)), 11);
        assert_eq!(pin.read(&[key()]).unwrap(), None);
    }
}
