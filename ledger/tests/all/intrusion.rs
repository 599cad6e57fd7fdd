//! Nobody gets into another's name, and nothing that was not acknowledged is vouched for.

use ledger::OpenError;
use schemas::id::{hex, sha256};
use schemas::key::PublicKey;
use schemas::reject::Reason;
use schemas::reply::Fate;
use schemas::terms::Key;
use serde_json::json;

use crate::bench::{Bench, Signer, intent, key};

fn reason(bench: &mut Bench, message: &[u8]) -> Reason {
    match bench.one(message).fate {
        Fate::Rejected(reject) => reject.reason,
        fate => panic!("not rejected: {fate:?}"),
    }
}

#[test]
fn a_fault_in_the_detail_does_not_file_a_refusal_under_the_name_in_the_body() {
    let mut bench = Bench::new();
    bench.agent("victim", 10);
    let intruder = bench.agent("intruder", 20);
    let body = Signer::new("victim", 10).body(intent("victim", "w"));
    let message = intruder.sign(&[(body, Some(b"junk".to_vec()))]);
    assert_eq!(reason(&mut bench, &message), Reason::WrongSigner);
    let ledger = bench.ledger();
    let rows = ledger.terms(Key::Signer, "victim", 1).unwrap();
    assert!(rows.is_empty(), "{rows:?}");
    assert_eq!(ledger.terms(Key::Claimed, "victim", 1).unwrap().len(), 1);
}

#[test]
fn nobody_touches_the_ledgers_own_name() {
    let mut bench = Bench::new();
    let ledger_kid = PublicKey::of(&key(1)).kid().to_string();
    let mine = hex(PublicKey::of(&key(77)).as_bytes());
    for event in [
        json!({"kind": "key.revoked", "registry": {"signer": "ledger", "kid": ledger_kid}}),
        json!({"kind": "key.enrolled", "registry": {"signer": "ledger", "key": mine}}),
        json!({"kind": "principal.disabled", "registry": {"id": "ledger"}}),
        json!({"kind": "agent.registered", "agent": {"id": "ledger"}, "owner": "me@example.com"}),
    ] {
        let message = bench.operator.event(event);
        assert_eq!(reason(&mut bench, &message), Reason::InvalidField);
    }
}

#[test]
fn one_name_has_one_standing() {
    let mut bench = Bench::new();
    bench.agent("agent-1", 10);
    for event in [
        json!({"kind": "agent.registered", "agent": {"id": "operator"}, "owner": "me@example.com"}),
        json!({"kind": "principal.registered",
               "registry": {"id": "agent-1", "roles": ["operator"]}}),
    ] {
        let message = bench.operator.event(event);
        assert_eq!(reason(&mut bench, &message), Reason::InvalidField);
    }
}

#[test]
fn a_detail_that_the_broker_left_out_comes_back_with_the_duplicate() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let content = schemas::encode::map([("n", schemas::encode::Value::from(1))]);
    let detail = schemas::detail::Detail::encode(&[9; 16], &content);
    let mut event = intent("agent-1", "w");
    event["detail"] = json!(hex(&sha256(&detail)));
    let body = agent.body(event);
    let bare = agent.sign(&[(body.clone(), None)]);
    let index = bench.one(&bare).index;
    assert_eq!(bench.ledger().detail(index).unwrap(), None);
    let whole = agent.sign(&[(body, Some(detail.clone()))]);
    assert!(matches!(bench.one(&whole).fate, Fate::Duplicate(_)));
    assert_eq!(bench.ledger().detail(index).unwrap(), Some(detail));
}

#[test]
fn only_the_commit_that_a_crash_cut_off_is_vouched_for() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("agent-1", 10);
    let config = bench.config();
    let mut marks = Vec::new();
    for _ in 0..3 {
        marks.push(std::fs::read(&config.mark).unwrap());
        let event = agent.event(intent("agent-1", "w"));
        bench.one(&event);
    }
    bench.writer = None;
    std::fs::write(&config.mark, &marks[1]).unwrap();
    let opened = ledger::open(&config, key(1)).map(|_| ());
    assert!(matches!(opened, Err(OpenError::Unmarked { .. })), "two commits are no crash");
    std::fs::write(&config.mark, &marks[2]).unwrap();
    assert!(ledger::open(&config, key(1)).is_ok(), "one is");
    std::fs::write(&config.mark, &marks[2]).unwrap();
    let elsewhere = bench.directory.path().join("copy");
    std::fs::rename(&config.store, &elsewhere).unwrap();
    let bodies = ledger::ColumnFamily::Bodies;
    let tampered = ledger::tamper(&elsewhere, bodies, last_row(&elsewhere), 40).unwrap().unwrap();
    assert!(tampered.index.is_some());
    let forged = ledger::Config { store: elsewhere, mark: config.mark };
    let opened = ledger::open(&forged, key(1)).map(|_| ());
    assert!(matches!(opened, Err(OpenError::Unmarked { .. })), "and only if it is sound");
}

/// Number of the last body, each entry here having one.
fn last_row(store: &std::path::Path) -> usize {
    let audit = ledger::Audit { store, trust: None, mark: None, state: None };
    let size = ledger::audit(&audit, &|_| ()).unwrap().size.0;
    usize::try_from(size).unwrap() - 1
}

#[test]
fn a_flooded_refusal_has_no_leaf_of_its_own() {
    let mut bench = Bench::new();
    let bound = usize::try_from(schemas::limits::REJECTIONS_PER_SUBJECT_SECOND_MAX).unwrap();
    let messages: Vec<_> = (0..bound + 5).map(|n| format!("junk {n}").into_bytes()).collect();
    let committed = bench.commit(&messages);
    let empty = committed.replies.iter().filter(|reply| reply.outcomes[0].leaf.is_empty());
    assert_eq!(empty.count(), 5);
    let ledger = bench.ledger();
    let floods = ledger.postings(Key::Kind, "ledger.flood").at_or_after(0).unwrap().unwrap();
    let entry = ledger.entry(floods).unwrap().unwrap();
    assert_eq!(entry.body().unwrap().field("count").unwrap().uint(), Some(5));
}
