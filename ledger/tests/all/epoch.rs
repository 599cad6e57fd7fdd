//! What happens when the store is put back to an older state, and when the ledger's key changes.

use std::path::Path;

use ledger::{Audit, Config, Fault, OpenError, Report, open, open_new_epoch, read_mark};
use schemas::checkpoint::Note;
use schemas::id::{Digest, Index, TreeSize, sha256};
use schemas::key::PublicKey;
use schemas::registry::{EPOCH, Epoch};
use serde_json::json;

use crate::bench::{Bench, Signer, intent, key};

const ORIGIN: &str = "ledger.example/test";

pub(crate) fn audit(config: &Config, trust: u8) -> Report {
    let mark = read_mark(&config.mark).unwrap();
    let trust = Some(PublicKey::of(&key(trust)));
    ledger::audit(
        &Audit { store: &config.store, trust, mark: mark.as_deref(), state: None },
        &|_| (),
    )
    .unwrap()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(
        std::process::Command::new("cp").arg("-r").args([from, to]).status().unwrap().success()
    );
}

/// A ledger of which an older copy was put back after 1,000 more entries were acknowledged.
fn rolled_back() -> (Bench, TreeSize, TreeSize) {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let event = agent.event(intent("agent-1", "w"));
    bench.one(&event);
    let older = bench.ledger().head().size;
    bench.writer = None;
    let (config, kept) = (bench.config(), bench.directory.path().join("older"));
    copy(&config.store, &kept);
    bench.writer = Some(open(&config, key(1)).unwrap());
    for _ in 0..20 {
        let events: Vec<_> = (0..50).map(|_| agent.event(intent("agent-1", "w"))).collect();
        bench.commit(&events);
    }
    let lost = bench.ledger().head().size;
    assert_eq!(lost.0, older.0 + 1000);
    bench.writer = None;
    copy(&kept, &config.store);
    (bench, older, lost)
}

#[test]
fn an_older_copy_is_refused_and_goes_on_only_in_a_new_epoch() {
    let (bench, older, lost) = rolled_back();
    let config = bench.config();
    let mark = read_mark(&config.mark).unwrap().unwrap();
    match open(&config, key(1)).map(|_| ()) {
        Err(OpenError::RolledBack { found, marked }) => assert_eq!((found, marked), (older, lost)),
        other => panic!("{other:?}"),
    }
    let writer = open_new_epoch(&config, key(1), bench.now, &[]).unwrap();
    let ledger = writer.ledger();
    assert_eq!(ledger.identity().origin, format!("{ORIGIN}/2"));
    let entry = ledger.entry(Index(older.0)).unwrap().unwrap();
    let body = entry.body().unwrap();
    assert_eq!(body.text("code"), Some("new_epoch"));
    assert_eq!(body.text("registry.lost"), Some(mark.as_str()), "the lost mark is named");
    assert_eq!(body.text("registry.origin"), Some(format!("{ORIGIN}/2").as_str()));
    let kept = config.mark.with_extension("lost-in-epoch-1.note");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), mark);
    let noted = Note::parse(&ledger.head().note).unwrap().checkpoint().unwrap();
    assert_eq!((noted.origin, noted.size.0), (format!("{ORIGIN}/2"), older.0 + 1));
    drop((writer, ledger));
    let report = audit(&config, 1);
    assert_eq!(report.divergences, []);
    assert_eq!(report.eras.iter().count(), 2);
    open(&config, key(1)).unwrap();
}

/// A ledger beside a mark of another history of the same size.
fn forked() -> Bench {
    let mut bench = Bench::new();
    bench.writer = None;
    let (config, kept) = (bench.config(), bench.directory.path().join("older"));
    copy(&config.store, &kept);
    let older = std::fs::read(&config.mark).unwrap();
    bench.reopen();
    bench.agent("one", 10);
    bench.writer = None;
    let mark = std::fs::read(&config.mark).unwrap();
    copy(&kept, &config.store);
    std::fs::write(&config.mark, older).unwrap();
    bench.reopen();
    bench.agent("another", 11);
    bench.writer = None;
    std::fs::write(&config.mark, mark).unwrap();
    bench
}

#[test]
fn a_crash_between_a_new_epochs_commit_and_its_mark_is_made_up_for() {
    let (rolled_back, ..) = rolled_back();
    for mut bench in [rolled_back, forked()] {
        let config = bench.config();
        let lost = std::fs::read(&config.mark).unwrap();
        let refused = open(&config, key(1)).map(|_| ());
        assert!(matches!(refused, Err(OpenError::RolledBack { .. } | OpenError::Forked(_))));
        let writer = open_new_epoch(&config, key(1), bench.now, &[]).unwrap();
        let (size, marked) = (writer.ledger().head().size, std::fs::read(&config.mark).unwrap());
        drop(writer);
        std::fs::write(&config.mark, &lost).unwrap();
        let again = open_new_epoch(&config, key(1), bench.now, &[]).map(|_| ());
        assert!(matches!(again, Err(OpenError::NothingLost(at)) if at == size), "{again:?}");
        bench.reopen();
        assert_eq!(bench.ledger().head().size, size);
        assert_eq!(std::fs::read(&config.mark).unwrap(), marked, "it is raised");
        bench.agent("later", 12);
        bench.writer = None;
        // Another commit lies between: no crash left this behind.
        std::fs::write(&config.mark, &lost).unwrap();
        let refused = open(&config, key(1)).map(|_| ());
        assert!(matches!(refused, Err(OpenError::MarkSuperseded(_) | OpenError::Forked(_))));
    }
}

#[test]
fn a_ledger_that_lost_nothing_opens_no_epoch() {
    let mut bench = Bench::new();
    bench.writer = None;
    let opened = open_new_epoch(&bench.config(), key(1), bench.now, &[]).map(|_| ());
    assert!(matches!(opened, Err(OpenError::NothingLost(TreeSize(1)))), "{opened:?}");
    assert!(matches!(
        open_new_epoch(&bench.config(), key(3), bench.now, &[]).map(|_| ()),
        Err(OpenError::NothingLost(_) | OpenError::WrongKey { .. })
    ));
}

#[test]
fn a_copy_from_before_an_epoch_is_older_too_and_epochs_never_share_a_name() {
    let (bench, older, _) = rolled_back();
    let (config, kept) = (bench.config(), bench.directory.path().join("older"));
    drop(open_new_epoch(&config, key(1), bench.now, &[]).unwrap());
    copy(&kept, &config.store);
    let refused = open(&config, key(1)).map(|_| ());
    assert!(matches!(refused, Err(OpenError::RolledBack { found, .. }) if found == older));
    let writer = open_new_epoch(&config, key(1), bench.now, &[]).unwrap();
    assert_eq!(writer.ledger().identity().origin, format!("{ORIGIN}/3"), "2 was in use");
    drop(writer);
    assert_eq!(audit(&config, 1).divergences, []);
}

#[test]
fn a_store_without_its_mark_goes_on_in_a_new_epoch_as_well() {
    let mut bench = Bench::new();
    bench.writer = None;
    let config = bench.config();
    std::fs::remove_file(&config.mark).unwrap();
    assert!(matches!(open(&config, key(1)).map(|_| ()), Err(OpenError::MarkMissing(_))));
    let writer = open_new_epoch(&config, key(1), bench.now, &[]).unwrap();
    let entry = writer.ledger().entry(Index(1)).unwrap().unwrap();
    assert_eq!(entry.body().unwrap().text("registry.lost"), Some("none"));
    drop(writer);
    assert_eq!(audit(&config, 1).divergences, []);
}

#[test]
fn a_mark_that_somebody_else_changed_stops_the_next_commit() {
    let mut bench = Bench::new();
    let config = bench.config();
    let older = read_mark(&config.mark).unwrap().unwrap();
    let mut agent = bench.agent("agent-1", 10);
    std::fs::write(&config.mark, older).unwrap();
    let now = bench.now;
    let message = agent.event(intent("agent-1", "w"));
    let keys = bench.ledger().key_set();
    let submission = ledger::Submission {
        message: &message,
        via: ledger::Via::default(),
        checked: ledger::check(&message, &keys),
    };
    let refused = bench.writer().append(vec![submission], now, &[]);
    assert!(matches!(refused, Err(ledger::AppendError::MarkChanged(_))), "{refused:?}");
}

#[test]
fn a_rotated_key_is_linked_to_the_old_one_by_an_entry_that_both_signed() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let now = bench.now;
    bench.writer().rotate_key(key(50), now).unwrap();
    let event = agent.event(intent("agent-1", "w"));
    bench.one(&event);
    bench.writer().incident("tested", "signed by the new key", now).unwrap();
    let ledger = bench.ledger();
    assert_eq!(ledger.identity().key, PublicKey::of(&key(50)));
    let eras = ledger.eras().unwrap();
    let rotated = eras.current().from;
    let [before, after] = [TreeSize(rotated.0), TreeSize(rotated.0 + 1)];
    assert_eq!(eras.at(before).key, PublicKey::of(&key(1)));
    assert_eq!(eras.at(after).key, PublicKey::of(&key(50)));
    Note::parse(&ledger.head().note).unwrap().verify(&eras.current().note_key()).unwrap();
    let receipt = ledger.receipt(Index(1)).unwrap();
    let leaf = ledger.leaf_bytes(Index(1)).unwrap();
    schemas::receipt::verify(&receipt, &leaf, eras.current().key.verifying_key()).unwrap();
    drop(ledger);
    bench.writer = None;
    let config = bench.config();
    for trust in [1, 50] {
        assert_eq!(audit(&config, trust).divergences, [], "either key is trust enough");
    }
    let foreign = audit(&config, 77).divergences;
    assert!(foreign.iter().any(|found| found.fault == Fault::Untrusted), "{foreign:?}");
    match open(&config, key(1)).map(|_| ()) {
        Err(OpenError::WrongKey { wanted, given }) => {
            assert_eq!(wanted, PublicKey::of(&key(50)).kid());
            assert_eq!(given, PublicKey::of(&key(1)).kid());
        }
        other => panic!("{other:?}"),
    }
    ledger::rebuild(&config, |_, _| ()).unwrap();
    assert_eq!(audit(&config, 1).divergences, [], "a rebuild gives the same rows");
    drop(open(&config, key(50)).unwrap());
}

#[test]
fn nobody_else_can_write_what_would_begin_an_era() {
    let mut bench = Bench::new();
    for kind in ["ledger.key_rotated", "ledger.incident"] {
        let message = bench.operator.event(json!({
            "kind": kind, "code": "new_epoch", "registry": {"origin": "ledger.example/test/2"},
        }));
        let outcome = bench.one(&message);
        assert!(matches!(outcome.fate, schemas::reply::Fate::Rejected(_)), "{kind}: {outcome:?}");
    }
    assert_eq!(bench.ledger().eras().unwrap().iter().count(), 1);
}

#[test]
fn an_era_is_found_among_entries_of_others_with_the_same_code() {
    let (mut bench, _, _) = rolled_back();
    let now = bench.now;
    bench.writer = Some(open_new_epoch(&bench.config(), key(1), now, &[]).unwrap());
    let mut agent = crate::bench::Signer::new("agent-1", 10);
    agent.n = 5000;
    agent.session = [99; 16];
    for _ in 0..3 {
        let mut event = intent("agent-1", "w");
        event["code"] = "new_epoch".into();
        let message = agent.event(event);
        bench.one(&message);
        bench.writer().incident("other", "between", now).unwrap();
    }
    assert_eq!(bench.ledger().eras().unwrap().iter().count(), 2);
    bench.writer = None;
    drop(open(&bench.config(), key(1)).unwrap());
}

/// A ledger in which two operators have to agree, put back to before its last entry; with the other operator.
pub(crate) fn rolled_back_of_two() -> (Bench, Signer) {
    let mut bench = Bench::new();
    let second = Signer::new("second", 5);
    let public = schemas::id::hex(PublicKey::of(&second.key).as_bytes());
    for event in [
        json!({ "kind": "principal.registered", "registry": { "id": "second", "roles": ["operator"] } }),
        json!({ "kind": "key.enrolled", "registry": { "signer": "second", "key": public } }),
        json!({
            "kind": "proposal", "registry": { "m": 1, "operation": { "kind": "quorum", "m": 2 } },
        }),
    ] {
        let message = bench.operator.event(event);
        let outcome = bench.one(&message);
        if let Some(id) = outcome.id.filter(|_| outcome.index.0 == 3) {
            let event = json!({ "kind": "proposal.approved", "causes": [id.to_string()] });
            let message = bench.operator.event(event);
            bench.one(&message);
        }
    }
    assert_eq!(bench.ledger().registry().unwrap().quorum(), 2);
    bench.writer = None;
    let (config, kept) = (bench.config(), bench.directory.path().join("older"));
    copy(&config.store, &kept);
    bench.writer = Some(open(&config, key(1)).unwrap());
    bench.agent("lost-agent", 10);
    bench.writer = None;
    copy(&kept, &config.store);
    (bench, second)
}

pub(crate) fn epoch_proposal(epoch: &Epoch) -> serde_json::Value {
    let Epoch { origin, size, lost } = epoch;
    let lost = lost.to_string();
    let operation = json!({ "kind": EPOCH, "origin": origin, "size": size, "lost": lost });
    json!({ "kind": "proposal", "registry": { "m": 2, "operation": operation } })
}

#[test]
fn as_many_operators_as_have_to_agree_let_a_log_go_on() {
    let (mut bench, mut second) = rolled_back_of_two();
    let (config, now) = (bench.config(), bench.now);
    let refused = |agreed: &[Vec<u8>]| match open_new_epoch(&config, key(1), now, agreed) {
        Err(OpenError::NotAgreed { needed: 2, found, epoch }) => (found, *epoch),
        other => panic!("{:?}", other.map(|_| ())),
    };
    let mark = read_mark(&config.mark).unwrap().unwrap();
    let (found, epoch) = refused(&[]);
    assert_eq!((found, epoch.origin.as_str(), epoch.size), (0, "ledger.example/test/2", 5));
    assert_eq!(epoch.lost, Digest(sha256(mark.as_bytes())));
    let first = bench.operator.event(epoch_proposal(&epoch));
    let again = bench.operator.event(epoch_proposal(&epoch));
    let mut stranger = Signer::new("second", 66);
    for (what, agreed, expected) in [
        ("one of two", vec![first.clone()], 1),
        ("one twice", vec![first.clone(), again], 1),
        ("no submission", vec![first.clone(), b"junk".to_vec()], 1),
        ("another's key", vec![first.clone(), stranger.event(epoch_proposal(&epoch))], 1),
        (
            "another size",
            {
                let other = Epoch { size: 4, ..epoch.clone() };
                vec![first.clone(), second.event(epoch_proposal(&other))]
            },
            1,
        ),
        (
            "another loss",
            {
                let other = Epoch { lost: Digest([7; 32]), ..epoch.clone() };
                vec![first.clone(), second.event(epoch_proposal(&other))]
            },
            1,
        ),
        (
            "another log",
            {
                let other = Epoch { origin: "elsewhere/test/2".to_owned(), ..epoch.clone() };
                vec![first.clone(), second.event(epoch_proposal(&other))]
            },
            1,
        ),
    ] {
        assert_eq!(refused(&agreed), (expected, epoch.clone()), "{what}");
    }
    assert_eq!(read_mark(&config.mark).unwrap().unwrap(), mark, "nothing was begun");
    let agreed = [first, second.event(epoch_proposal(&epoch))];
    let writer = open_new_epoch(&config, key(1), now, &agreed).unwrap();
    let ledger = writer.ledger();
    assert_eq!(ledger.identity().origin, epoch.origin);
    let said = |index| {
        let entry = ledger.entry(Index(index)).unwrap().unwrap();
        let body = entry.body().unwrap();
        (body.kind().to_string(), body.signer().to_owned())
    };
    assert_eq!(said(5).0, "ledger.incident");
    assert_eq!(said(6), ("proposal".to_owned(), "operator".to_owned()));
    assert_eq!(said(7), ("proposal".to_owned(), "second".to_owned()));
    assert_eq!(ledger.head().size, TreeSize(8));
    drop((writer, ledger));
    assert_eq!(audit(&config, 1).divergences, []);
    drop(open(&config, key(1)).unwrap());
}
