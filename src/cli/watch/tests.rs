#![allow(clippy::unwrap_used, reason = "tests")]

use ed25519_dalek::SigningKey;
use schemas::checkpoint::sign_checkpoint;
use schemas::id::TreeSize;
use schemas::tree::{Frontier, TreeError, consistency_path, leaf_hash, node_hash};
use serde_json::json;

use super::*;
use crate::scripted::server;

const ORIGIN: &str = "ledger.example/acme";

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
            _ => node_hash(&self.subtree(level - 1, 2 * n), &self.subtree(level - 1, 2 * n + 1)),
        }
    }

    fn note(&self, seed: u8, origin: &str) -> String {
        let mut tree = Frontier::default();
        self.leaves.iter().for_each(|leaf| tree.push(*leaf).unwrap());
        let origin = origin.to_owned();
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
        sign_checkpoint(&checkpoint, &SigningKey::from_bytes(&[seed; 32])).unwrap().to_string()
    }

    fn proof(&self, from: u64) -> String {
        let size = TreeSize(u64::try_from(self.leaves.len()).unwrap());
        let path = consistency_path(TreeSize(from), size, |level, n| {
            Ok::<_, TreeError>(self.subtree(level, n))
        });
        let path: Vec<_> = path.unwrap().iter().map(TreeHash::to_string).collect();
        answer("200 OK", &json!({ "path": path }))
    }
}

fn answer(status: &str, body: &Json) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn key(seed: u8, origin: &str) -> NoteKey {
    let public = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    NoteKey { name: origin.into(), public }
}

/// A user with one pin.
struct User {
    directory: tempfile::TempDir,
    pin: Pin,
    basis: Basis,
}

impl User {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pin = Pin::at(directory.path().join("acme.note"));
        Self { directory, pin, basis: Basis::Address("http://ledger.example".into()) }
    }

    /// Exit code of a call to a server that shows this note by this key, and answers so.
    fn call(&self, note: &str, key: &NoteKey, answers: Vec<String>) -> u8 {
        let (url, server) = server(answers);
        let client = Client::new(&url).unwrap();
        let keys = std::slice::from_ref(key);
        let watch = Watch { client: &client, keys, pin: &self.pin, basis: self.basis.clone() };
        let seen = watch.see(note);
        server.join().unwrap();
        seen.map_or_else(|failure| failure.exit().code(), |()| 0)
    }

    fn sees(&self, log: &Log, answers: Vec<String>) -> u8 {
        self.call(&log.note(1, ORIGIN), &key(1, ORIGIN), answers)
    }

    fn pinned(&self) -> u64 {
        self.pin.read(&[key(1, ORIGIN)]).unwrap().unwrap().checkpoint.size.0
    }
}

#[test]
fn a_growing_log_raises_the_pin_and_a_lying_server_does_not() {
    let user = User::new();
    assert_eq!(user.sees(&Log::new(4, 0), vec![]), 0, "the first is pinned");
    assert_eq!(user.sees(&Log::new(7, 0), vec![Log::new(7, 0).proof(4)]), 0);
    assert_eq!(user.sees(&Log::new(7, 0), vec![]), 0);
    assert_eq!(user.pinned(), 7);
    let shorter = Log::new(6, 0);
    let still = answer("200 OK", &json!({ "note": shorter.note(1, ORIGIN) }));
    assert_eq!(user.sees(&shorter, vec![still]), 13, "shorter, asked again");
    assert_eq!(user.sees(&Log::new(7, 1), vec![]), 13, "another root");
    let forked = Log::new(9, 1);
    assert_eq!(user.sees(&forked, vec![forked.proof(7)]), 13, "another history");
    let kept = std::fs::read_to_string(user.directory.path().join("acme.conflict")).unwrap();
    let (pinned, found) = (Log::new(7, 0).note(1, ORIGIN), forked.note(1, ORIGIN));
    assert_eq!(kept, format!("{pinned}\n{found}"));
    assert_eq!(user.pin.kept_conflict().unwrap(), Some(found));
    assert_eq!(user.pinned(), 7, "the pin stays");
}

#[test]
fn a_server_that_gives_no_proof_has_none() {
    let user = User::new();
    assert_eq!(user.sees(&Log::new(4, 0), vec![]), 0);
    let refusals = [
        answer("404 Not Found", &json!({})),
        answer("400 Bad Request", &json!({})),
        answer("200 OK", &json!({ "path": ["00"] })),
        answer("200 OK", &json!({ "path": [] })),
        answer("200 OK", &json!({})),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n<".to_owned(),
    ];
    for refusal in refusals {
        assert_eq!(user.sees(&Log::new(9, 0), vec![refusal.clone()]), 13, "{refusal}");
    }
    let busy = answer("503 Service Unavailable", &json!({}));
    assert_eq!(user.sees(&Log::new(9, 0), vec![busy]), 1, "a busy server has not lied");
    assert_eq!(user.pinned(), 4);
}

#[test]
fn what_another_process_pinned_meanwhile_is_no_conflict() {
    let user = User::new();
    user.pin.write(&Log::new(9, 0).note(1, ORIGIN)).unwrap();
    let newer = Log::new(12, 0);
    let status = answer("200 OK", &json!({ "note": newer.note(1, ORIGIN) }));
    assert_eq!(user.sees(&Log::new(7, 0), vec![status, newer.proof(9)]), 0);
    assert_eq!(user.pinned(), 12);
    assert!(!user.pin.swap(None, "late").unwrap(), "who read before the other one wrote");
    assert_eq!(user.pinned(), 12);
}

#[test]
fn a_checkpoint_of_another_key_is_a_bad_signature() {
    let user = User::new();
    assert_eq!(user.call(&Log::new(4, 0).note(2, ORIGIN), &key(1, ORIGIN), vec![]), 11);
    assert_eq!(user.call("", &key(1, ORIGIN), vec![]), 11);
    assert_eq!(user.pin.text().unwrap(), None);
}

#[test]
fn a_server_does_not_escape_its_pin_by_another_key() {
    let user = User::new();
    assert_eq!(user.sees(&Log::new(4, 0), vec![]), 0);
    for origin in [ORIGIN, "other.example/acme", "localhost/acme"] {
        let other = Log::new(9, 1).note(2, origin);
        assert_eq!(user.call(&other, &key(2, origin), vec![]), 13, "{origin}");
        assert_eq!(user.pin.kept_conflict().unwrap(), Some(other));
    }
    assert_eq!(user.pinned(), 4);
}

#[test]
fn development_ledgers_follow_each_other_at_one_address_but_not_in_a_context() {
    let mut user = User::new();
    let dev = "localhost/acme";
    let start =
        |user: &User, seed| user.call(&Log::new(4, seed).note(seed, dev), &key(seed, dev), vec![]);
    assert_eq!((start(&user, 1), start(&user, 2)), (0, 0));
    user.basis = Basis::Chosen;
    assert_eq!((start(&user, 2), start(&user, 3)), (0, 13));
}
