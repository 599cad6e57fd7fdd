//! One byte changed anywhere in a stopped ledger is found, and the entry or derived row is named.

use std::fs;
use std::path::Path;

use crate::bench::{Bench, intent, key};
use ledger::{Audit, ColumnFamily, Report, Tampered};
use schemas::key::PublicKey;

const TRIALS: usize = 550;

fn copy_directory(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn audit(store: &Path, mark: &str) -> Report {
    let audit = Audit { store, trust: Some(PublicKey::of(&key(1))), mark: Some(mark), state: None };
    ledger::audit(&audit, &|_| ()).unwrap()
}

/// A small ledger with rows in every column family, a full tile among them.
fn sample() -> (Bench, String) {
    let mut bench = Bench::new();
    let mut agents: Vec<_> = (0..3).map(|n| bench.agent(&format!("agent-{n}"), 10 + n)).collect();
    for round in 0..22u8 {
        let mut messages = Vec::new();
        for agent in &mut agents {
            let id = agent.id.to_string();
            let workflow = format!("workflow-{}", round % 7);
            let content = schemas::encode::map([("n", schemas::encode::Value::from(round))]);
            let detail = schemas::detail::Detail::encode(&[round; 16], &content);
            let mut event = intent(&id, &workflow);
            event["detail"] = schemas::id::hex(&schemas::id::sha256(&detail)).into();
            let items = [
                (agent.body(event), Some(detail)),
                (agent.body(intent(&id, &workflow)), None),
                (agent.body(intent(&id, &workflow)), None),
                (agent.body(intent(&id, &workflow)), None),
            ];
            messages.push(agent.sign(&items));
        }
        messages.push(vec![round; 40]);
        let mut forged = agents[0].event(intent("agent-0", "workflow-0"));
        let signature = forged.windows(2).position(|w| w == [0x58, 0x40]).unwrap() + 2;
        forged[signature] ^= 1;
        messages.push(forged);
        let other = agents[1].event(serde_json::json!({
            "kind": "agent.enabled", "agent": {"id": "agent-0"}, "signer": "agent-1",
        }));
        messages.push(other.clone());
        bench.commit(&messages);
        bench.commit(&[other]);
    }
    let cursor = ledger::Cursor { stream: "in".into(), epoch: [1; 16], created_ns: 5, sequence: 6 };
    let now = bench.now;
    bench.writer().append(Vec::new(), now, &[cursor]).unwrap();
    bench.writer().publish().unwrap();
    let mark = bench.ledger().head().note.clone();
    bench.writer = None;
    (bench, mark)
}

/// Whether the report names what was changed: the entry where the row is an entry's own, else the row.
fn names(report: &Report, tampered: &Tampered) -> bool {
    report.divergences.iter().any(|divergence| match tampered.index {
        // A statement is filed under its first entry and covers up to 256.
        Some(index) => divergence.index == Some(index),
        None => divergence.family == tampered.family && divergence.key == tampered.key,
    })
}

#[test]
fn every_changed_byte_is_found_and_named() {
    let (bench, mark) = sample();
    let store = bench.config().store;
    assert_eq!(audit(&store, &mark).divergences, [], "the untouched ledger verifies");
    let copy = bench.directory.path().join("copy");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 16).unwrap()
    };
    let mut missed = Vec::new();
    for trial in 0..TRIALS {
        let family = ColumnFamily::ALL[trial % ColumnFamily::ALL.len()];
        copy_directory(&store, &copy);
        let tampered = ledger::tamper(&copy, family, draw(), draw()).unwrap();
        let tampered = tampered.unwrap_or_else(|| panic!("{family} is empty"));
        let report = match ledger::audit(
            &Audit {
                store: &copy,
                trust: Some(PublicKey::of(&key(1))),
                mark: Some(&mark),
                state: None,
            },
            &|_| (),
        ) {
            Ok(report) => report,
            // A damaged format row or genesis is refused by name before anything else is read.
            Err(error) if error.to_string().contains(&tampered.key) => continue,
            Err(error) => panic!("{tampered:?}: {error}"),
        };
        if !names(&report, &tampered) {
            missed.push((tampered, report.divergences));
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {TRIALS} not named, first: {:#?}",
        missed.len(),
        missed.first()
    );
    assert_eq!(audit(&store, &mark).divergences, [], "the untouched ledger still verifies");
}
