//! A crash at each step of a commit, with rules on: what was not committed is sent again, what was is a duplicate, and
//! the log is the same byte for byte, findings and all.

use std::path::{Path, PathBuf};

use ledger::Audit;
use schemas::id::Index;
use schemas::key::PublicKey;
use schemas::reply::Fate;
use serde_json::json;

use crate::bench::{Bench, Signer, intent, key};

const MINUTE: u64 = 60_000_000;

/// Where the process dies, in the order of a commit's steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Crash {
    /// Nowhere.
    Never,
    /// While the batch is written: a part of it is on the disk.
    InBatch,
    /// The batch is synced, the mark is that of the commit before.
    BeforeMark,
    /// The mark is raised; nobody was told of it.
    BeforeHead,
}

/// The write-ahead log that commits go to.
fn newest_log(store: &Path) -> PathBuf {
    let files = std::fs::read_dir(store).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "log")).max().unwrap()
}

/// Commits, dies, opens again, and commits again what nobody was told of.
fn commit(bench: &mut Bench, messages: &[Vec<u8>], crash: Crash) {
    if crash == Crash::Never {
        bench.commit(messages);
        return;
    }
    let config = bench.config();
    let (log, mark) = (newest_log(&config.store), std::fs::read(&config.mark).unwrap());
    let (before, size) = (std::fs::metadata(&log).unwrap().len(), bench.ledger().head().size);
    let now = bench.now;
    bench.commit(messages);
    let grew = bench.ledger().head().size > size;
    bench.writer = None;
    if crash == Crash::InBatch {
        let after = std::fs::metadata(&log).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(&log).unwrap();
        file.set_len(before + (after - before) / 2).unwrap();
    }
    if matches!(crash, Crash::InBatch | Crash::BeforeMark) {
        std::fs::write(&config.mark, mark).unwrap();
    }
    bench.reopen();
    if crash == Crash::InBatch {
        assert_eq!(bench.ledger().head().size, size, "nothing of a torn batch is left");
        bench.now = now;
    }
    let again = bench.commit(messages);
    let is_duplicate = |fate: &Fate| matches!(fate, Fate::Duplicate(_));
    let mut fates = again.replies.iter().flat_map(|reply| &reply.outcomes).map(|end| &end.fate);
    let expected = crash != Crash::InBatch && grew;
    assert!(fates.all(|fate| is_duplicate(fate) == expected), "{crash:?}");
    if crash != Crash::InBatch {
        // Nothing but duplicates makes no commit, so the clock is where it was.
        bench.now.0 = now.0 + 10_000;
    }
}

/// A day in which entries are flagged at once, late, and by the hundred.
fn play(crash: Crash) -> Bench {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("worker", 10);
    let mut proxy = Signer::new("proxy", 77);
    let public = schemas::id::hex(PublicKey::of(&proxy.key).as_bytes());
    let registered = json!({ "kind": "principal.registered", "registry": { "id": "proxy", "roles": ["witness"] } });
    let enrolled =
        json!({ "kind": "key.enrolled", "registry": { "signer": "proxy", "key": public } });
    let messages = [registered, enrolled].map(|event| bench.operator.event(event));
    commit(&mut bench, &messages, crash);
    for n in 0..6 {
        let mut messages = vec![agent.event(intent("worker", "w"))];
        let seen = json!({
            "kind": "witness.observed", "agent": { "id": format!("stranger-{n}") },
            "action": { "name": "SELECT", "class": "read", "system": "s", "target": "s:t" },
            "credential": { "id": "cred-1" }, "outcome": { "external_ref": format!("ref-{n}") },
        });
        messages.push(proxy.event(seen));
        commit(&mut bench, &messages, crash);
        bench.now.0 += 4 * MINUTE;
    }
    let flood: Vec<_> = (0..120).map(|_| agent.event(intent("worker", "w"))).collect();
    commit(&mut bench, &flood, crash);
    for minutes in [5, 11, 60, 60, 24 * 60] {
        bench.now.0 += minutes * MINUTE;
        commit(&mut bench, &[], crash);
    }
    let message = agent.event(intent("worker", "w"));
    commit(&mut bench, &[message], crash);
    bench
}

/// Bytes of all leaves and bodies.
fn bytes(bench: &mut Bench) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let ledger = bench.ledger();
    let entry = |index| ledger.entry(Index(index)).unwrap().unwrap();
    let size = ledger.head().size.0;
    (0..size)
        .map(entry)
        .map(|entry| (entry.bytes.to_vec(), entry.body.map(|b| b.to_vec())))
        .collect()
}

#[test]
fn the_findings_are_the_same_wherever_it_crashed() {
    let mut sound = play(Crash::Never);
    let expected = bytes(&mut sound);
    let ledger = sound.ledger();
    let count = |rule: &str| {
        let named = |index: &u64| {
            let entry = ledger.entry(Index(*index)).unwrap().unwrap();
            entry.body().is_some_and(|body| body.text("rule.name") == Some(rule))
        };
        (0..ledger.head().size.0).filter(named).count()
    };
    assert_eq!((count("shadow_agent"), count("unclaimed_action")), (6, 6));
    // Of the agent a hundred in an hour, and one for the rest; of strangers six, of the next day one.
    assert_eq!((count("no_outcome"), count("out_of_contract")), (101, 108));
    for crash in [Crash::InBatch, Crash::BeforeMark, Crash::BeforeHead] {
        let mut crashed = play(crash);
        assert!(bytes(&mut crashed) == expected, "{crash:?}");
        crashed.writer().publish().unwrap();
        crashed.writer = None;
        let config = crashed.config();
        let mark = ledger::read_mark(&config.mark).unwrap();
        let trust = Some(PublicKey::of(&key(1)));
        let audit = Audit { store: &config.store, trust, mark: mark.as_deref(), state: None };
        assert_eq!(ledger::audit(&audit, &|_| ()).unwrap().divergences, [], "{crash:?}");
    }
}

#[test]
fn the_same_submissions_give_the_same_bytes_in_another_ledger() {
    let (mut one, mut other) = (play(Crash::Never), play(Crash::Never));
    assert!(bytes(&mut one) == bytes(&mut other));
    assert_eq!(one.ledger().head().note, other.ledger().head().note);
}
