//! What is committed stays: once, in order, provable, and the same after a restart and a rebuild.

use crate::bench::{Bench, Signer, intent, key};
use ledger::{Audit, OpenError, ReadError};
use schemas::encode::{Value, map};
use schemas::id::{Index, sha256};
use schemas::key::PublicKey;
use schemas::leaf::Leaf;
use schemas::reject::Reason;
use schemas::reply::{Fate, Outcome};
use schemas::terms::{Key, Term};
use serde_json::json;

fn receipt(outcome: &Outcome) -> Vec<u8> {
    match &outcome.fate {
        Fate::Committed(receipt) | Fate::Duplicate(receipt) => receipt.clone(),
        Fate::Rejected(reject) => panic!("rejected: {reject}"),
    }
}

fn reason(outcome: &Outcome) -> Reason {
    match &outcome.fate {
        Fate::Rejected(reject) => reject.reason,
        fate => panic!("not rejected: {fate:?}"),
    }
}

/// A ledger with accepted events, batches, details, duplicates and refusals of several kinds.
fn varied() -> Bench {
    let mut bench = Bench::new();
    let mut agents: Vec<_> = (0..4).map(|n| bench.agent(&format!("agent-{n}"), 10 + n)).collect();
    for round in 0..20 {
        let mut messages = Vec::new();
        for (n, agent) in agents.iter_mut().enumerate() {
            let id = agent.id.to_string();
            let workflow = format!("workflow-{}", round % 5);
            let content = map([("prompt", Value::from("write to finance"))]);
            let detail = schemas::detail::Detail::encode(&[7; 16], &content);
            let mut event = intent(&id, &workflow);
            event["detail"] = json!(schemas::id::hex(&sha256(&detail)));
            let first = (agent.body(event), Some(detail));
            let second = (agent.body(intent(&id, &workflow)), None);
            messages.push(match n {
                0 => agent.sign(&[first, second]),
                _ => agent.sign(&[first]),
            });
        }
        messages.push(format!("not cbor {}", round % 3).into_bytes());
        let mut forged = agents[1].event(intent("agent-1", "workflow-0"));
        let last = forged.iter().rposition(|byte| *byte == 0x58).unwrap();
        forged[last - 1] ^= 1;
        messages.push(forged);
        messages.push(messages[0].clone());
        bench.commit(&messages);
    }
    bench
}

#[test]
fn a_ledgers_directories_are_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::new();
    let config = bench.config();
    for directory in [config.store.as_path(), config.mark.parent().unwrap()] {
        let mode = std::fs::metadata(directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", directory.display());
    }
}

#[test]
fn genesis_gets_its_receipt_with_the_entry_after_it() {
    let mut bench = Bench::new();
    let alone = bench.ledger().receipt(Index(0));
    assert!(matches!(alone, Err(ReadError::Alone(Index(0)))), "{alone:?}");
    bench.agent("agent-1", 10);
    let ledger = bench.ledger();
    let (receipt, leaf) = (ledger.receipt(Index(0)).unwrap(), ledger.leaf_bytes(Index(0)).unwrap());
    schemas::receipt::verify(&receipt, &leaf, &key(1).verifying_key()).unwrap();
}

#[test]
fn receipts_verify_and_a_duplicate_gets_the_same_one() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let message = agent.event(intent("agent-1", "w"));
    let first = bench.one(&message);
    let verified = schemas::receipt::verify(&receipt(&first), &first.leaf, &key(1).verifying_key());
    let verified = verified.unwrap();
    let leaf = Leaf::decode(&first.leaf).unwrap();
    assert_eq!((verified.index, leaf.index), (first.index, first.index));
    for _ in 0..300 {
        let other = agent.event(intent("agent-1", "w"));
        bench.one(&other);
    }
    bench.reopen();
    let again = bench.one(&message);
    assert!(matches!(again.fate, Fate::Duplicate(_)));
    assert_eq!(
        (receipt(&again), again.leaf, again.index),
        (receipt(&first), first.leaf, first.index)
    );
}

#[test]
fn a_key_enrolled_earlier_in_the_batch_counts() {
    let mut bench = Bench::new();
    let mut agent = Signer::new("late", 30);
    let event = agent.event(intent("late", "w"));
    assert_eq!(reason(&bench.one(&event)), Reason::UnregisteredKey);
    let registered = bench.operator.event(json!({
        "kind": "agent.registered", "agent": {"id": "late"}, "owner": "team@example.com",
    }));
    let enrolled = bench.operator.event(json!({
        "kind": "key.enrolled",
        "registry": {"signer": "late", "key": schemas::id::hex(PublicKey::of(&agent.key).as_bytes())},
    }));
    let replies = bench.commit(&[registered, enrolled, event]).replies;
    assert!(replies.iter().all(|reply| matches!(reply.outcomes[0].fate, Fate::Committed(_))));
}

#[test]
fn refusals_name_their_reason_and_repeat_without_a_second_leaf() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let stranger = Signer::new("stranger", 40).event(intent("stranger", "w"));
    let wrong = {
        let body = Signer::new("agent-2", 50).body(intent("agent-2", "w"));
        agent.sign(&[(body, None)])
    };
    let conflicting = {
        let first = agent.body(intent("agent-1", "w"));
        let id = schemas::body::Body::parse(&first).unwrap().id().to_string();
        bench.one(&agent.sign(&[(first, None)]));
        let mut event = intent("agent-1", "other");
        event["id"] = json!(id);
        agent.event(event)
    };
    let forbidden = agent.event(json!({
        "kind": "agent.disabled", "agent": {"id": "agent-1"}, "signer": "agent-1",
    }));
    let mut secret = intent("agent-1", "w");
    secret["assertions"] = json!({"token": "sk-live-0123456789abcdef"});
    let secret = agent.event(secret);
    let cases = [
        (b"junk".to_vec(), Reason::Malformed),
        (stranger, Reason::UnregisteredKey),
        (wrong, Reason::WrongSigner),
        (conflicting, Reason::IdConflict),
        (forbidden, Reason::RoleNotAllowed),
        (secret, Reason::SecretInBody),
    ];
    for (message, expected) in cases {
        let first = bench.one(&message);
        assert_eq!(reason(&first), expected);
        let size = bench.ledger().head().size;
        for _ in 0..3 {
            assert_eq!(bench.one(&message), first);
        }
        assert_eq!(bench.ledger().head().size, size, "{expected}: no second leaf");
        assert_eq!(bench.ledger().repeats(first.index).unwrap(), 3);
    }
    audited(&mut bench, 0);
}

#[test]
fn a_disabled_agent_is_refused_from_the_next_entry_and_its_old_events_stay_duplicates() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let before = agent.event(intent("agent-1", "w"));
    let first = bench.one(&before);
    let disable =
        bench.operator.event(json!({"kind": "agent.disabled", "agent": {"id": "agent-1"}}));
    let after = agent.event(intent("agent-1", "w"));
    let replies = bench.commit(&[disable, after.clone(), before]).replies;
    assert_eq!(reason(&replies[1].outcomes[0]), Reason::DisabledAgent);
    assert_eq!(receipt(&replies[2].outcomes[0]), receipt(&first));
    let enable = bench.operator.event(json!({"kind": "agent.enabled", "agent": {"id": "agent-1"}}));
    bench.one(&enable);
    assert!(
        matches!(bench.one(&after).fate, Fate::Committed(_)),
        "allowed again, and not a repeat"
    );
}

#[test]
fn one_altered_body_in_a_batch_leaves_its_neighbours_alone() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let items: Vec<_> = (0..256).map(|_| (agent.body(intent("agent-1", "w")), None)).collect();
    let mut message = agent.sign(&items);
    let body = &items[100].0;
    let at = message.windows(body.len()).position(|window| window == body.as_slice()).unwrap();
    message[at + body.len() - 1] ^= 1;
    let replies = bench.commit(&[message]).replies;
    for (place, outcome) in replies[0].outcomes.iter().enumerate() {
        match place {
            100 => assert_eq!(reason(outcome), Reason::DigestMismatch),
            _ => assert!(matches!(outcome.fate, Fate::Committed(_)), "{place}"),
        }
    }
    audited(&mut bench, 0);
}

fn audited(bench: &mut Bench, wrong: usize) {
    let copy = bench.directory.path().join("copy");
    let _ = std::fs::remove_dir_all(&copy);
    bench.ledger().copy_to(&copy).unwrap();
    let mark = bench.ledger().head().note.clone();
    let audit =
        Audit { store: &copy, trust: Some(PublicKey::of(&key(1))), mark: Some(&mark), state: None };
    let report = ledger::audit(&audit, &|_| ()).unwrap();
    assert_eq!(report.divergences.len(), wrong, "{:?}", report.divergences);
    assert_eq!(report.root, bench.ledger().head().root);
    std::fs::remove_dir_all(&copy).unwrap();
}

#[test]
fn everything_survives_a_restart_and_verifies() {
    let mut bench = varied();
    let before = bench.ledger().head();
    audited(&mut bench, 0);
    bench.reopen();
    let after = bench.ledger().head();
    assert_eq!((before.size, before.root, before.chain), (after.size, after.root, after.chain));
    let mut agent = bench.agent("agent-9", 90);
    let event = agent.event(intent("agent-9", "workflow-1"));
    assert!(matches!(bench.one(&event).fate, Fate::Committed(_)));
    audited(&mut bench, 0);
}

#[test]
fn a_rebuild_gives_identical_rows() {
    let mut bench = varied();
    let copy = bench.directory.path().join("copy");
    bench.ledger().copy_to(&copy).unwrap();
    let config = ledger::Config { store: copy.clone(), mark: bench.config().mark };
    let size = ledger::rebuild(&config, |_, _| ()).unwrap();
    assert_eq!(size, bench.ledger().head().size);
    let audit = Audit { store: &copy, trust: None, mark: None, state: None };
    assert_eq!(ledger::audit(&audit, &|_| ()).unwrap().divergences, []);
}

#[test]
fn postings_agree_with_a_scan() {
    let mut bench = varied();
    let ledger = bench.ledger();
    let entries = ledger.entries(0..ledger.head().size.0).unwrap();
    for key in Key::ALL.iter().filter(|key| key.is_indexed()) {
        for row in ledger.terms(*key, "", 1000).unwrap() {
            let naive: Vec<_> = entries
                .iter()
                .filter(|entry| {
                    let carries = |term: &Term<'_>| term.key == *key && term.value == row.value;
                    entry.terms(&ledger, |terms| terms.iter().any(carries)).unwrap()
                })
                .map(|entry| entry.leaf.index)
                .collect();
            let mut postings = ledger.postings(*key, &row.value);
            let mut found = Vec::new();
            let mut next = postings.at_or_after(0).unwrap();
            while let Some(index) = next {
                found.push(index);
                next = postings.at_or_after(index.0 + 1).unwrap();
            }
            assert_eq!(found, naive, "{}:{}", key.as_str(), row.value);
            let mut backwards = Vec::new();
            let mut last = postings.at_or_before(u64::MAX).unwrap();
            while let Some(index) = last {
                backwards.insert(0, index);
                last = index.0.checked_sub(1).and_then(|at| postings.at_or_before(at).unwrap());
            }
            assert_eq!(backwards, naive);
            assert_eq!((row.first, row.last), (naive[0], *naive.last().unwrap()));
            assert_eq!(row.count, naive.len() as u64);
        }
    }
}

#[test]
fn an_older_copy_a_lost_mark_and_a_foreign_key_are_refused() {
    let mut bench = varied();
    let old = bench.directory.path().join("old");
    bench.ledger().copy_to(&old).unwrap();
    let config = bench.config();
    let mut agent = bench.agent("agent-9", 90);
    for _ in 0..3 {
        let event = agent.event(intent("agent-9", "w"));
        bench.one(&event);
    }
    bench.writer = None;
    let rolled_back = ledger::Config { store: old, mark: config.mark.clone() };
    let opened = |config: &ledger::Config, seed| ledger::open(config, key(seed)).map(|_| ());
    assert!(matches!(opened(&rolled_back, 1), Err(OpenError::RolledBack { .. })));
    assert!(matches!(opened(&config, 3), Err(OpenError::WrongKey { .. })));
    let kept = std::fs::read(&config.mark).unwrap();
    std::fs::remove_file(&config.mark).unwrap();
    assert!(matches!(opened(&config, 1), Err(OpenError::MarkMissing(_))));
    std::fs::write(&config.mark, b"forged").unwrap();
    assert!(matches!(opened(&config, 1), Err(OpenError::MarkForged(_))));
    std::fs::write(&config.mark, kept).unwrap();
    opened(&config, 1).unwrap();
}

#[test]
fn time_never_decreases_and_finds_its_index() {
    let mut bench = varied();
    let ledger = bench.ledger();
    let entries = ledger.entries(0..ledger.head().size.0).unwrap();
    assert!(entries.windows(2).all(|two| two[0].leaf.received_at <= two[1].leaf.received_at));
    for entry in &entries {
        let found = ledger.index_at(entry.leaf.received_at).unwrap();
        let naive = entries.iter().position(|e| e.leaf.received_at >= entry.leaf.received_at);
        assert_eq!(found, Index(naive.unwrap() as u64));
    }
}

#[test]
fn what_is_held_or_proposed_is_not_announced() {
    let mut bench = Bench::new();
    bench.agent("agent-1", 10);
    let held =
        bench.operator.event(json!({ "kind": "hold.placed", "hold": { "query": "corr:w" } }));
    let committed = bench.commit(&[held]);
    assert_eq!(committed.replies.len(), 1);
    assert!(committed.control.is_empty());
    let about = json!({ "kind": "agent.disabled", "agent": { "id": "agent-1" } });
    let disabled = bench.operator.event(about);
    let committed = bench.commit(&[disabled]);
    assert_eq!(committed.control, [Index(committed.head.size.0 - 1)]);
}
