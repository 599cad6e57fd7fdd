//! Findings follow from the log: in their place, over restarts, on another machine, after a rebuild.

use std::collections::HashMap;

use ledger::{Audit, Report};
use schemas::id::{Index, TreeSize};
use schemas::leaf::Status;
use serde_json::json;

use crate::bench::{Bench, Signer, intent};

const MINUTE: u64 = 60_000_000;

/// Rule and cited event of each finding, with its index.
fn findings(bench: &mut Bench) -> Vec<(u64, String, String)> {
    let ledger = bench.ledger();
    let mut found = Vec::new();
    for index in 0..ledger.head().size.0 {
        let entry = ledger.entry(Index(index)).unwrap().unwrap();
        let Some(body) = entry.body() else { continue };
        if body.kind().as_str() == "finding" {
            assert_eq!((entry.leaf.status, body.signer()), (Status::Accepted, "ledger"));
            let rule = body.text("rule.name").unwrap().to_owned();
            found.push((index, rule, body.causes()[0].to_string()));
        }
    }
    found
}

fn rules(bench: &mut Bench) -> Vec<String> {
    findings(bench).into_iter().map(|(_, rule, _)| rule).collect()
}

fn audit(bench: &mut Bench) -> Report {
    bench.writer().publish().unwrap();
    bench.writer = None;
    let config = bench.config();
    let mark = ledger::read_mark(&config.mark).unwrap();
    let audit = Audit { store: &config.store, trust: None, mark: mark.as_deref(), state: None };
    let report = ledger::audit(&audit, &|_| ()).unwrap();
    bench.reopen();
    report
}

/// What a witness saw of an agent.
fn seen(agent: &str, reference: &str) -> serde_json::Value {
    json!({
        "kind": "witness.observed", "agent": { "id": agent }, "correlation": "w",
        "action": { "name": "SELECT", "class": "read", "system": "postgres", "target": "postgres:prod/a" },
        "credential": { "id": "cred-1" }, "outcome": { "external_ref": reference },
    })
}

fn witness(bench: &mut Bench) -> Signer {
    let witness = Signer::new("proxy", 77);
    let key = schemas::id::hex(schemas::key::PublicKey::of(&witness.key).as_bytes());
    let registered = json!({ "kind": "principal.registered", "registry": { "id": "proxy", "roles": ["witness"] } });
    let enrolled = json!({ "kind": "key.enrolled", "registry": { "signer": "proxy", "key": key } });
    for event in [registered, enrolled] {
        let message = bench.operator.event(event);
        bench.one(&message);
    }
    witness
}

/// An agent without a contract, a witness, deadlines; in one sitting, or with a restart after each commit.
fn play(restarts: bool) -> Bench {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("worker", 10);
    let mut proxy = witness(&mut bench);
    let step = |bench: &mut Bench, message: Vec<u8>| {
        bench.one(&message);
        if restarts {
            bench.reopen();
        }
    };
    for n in 0..4 {
        let message = agent.event(intent("worker", "w"));
        step(&mut bench, message);
        let message = proxy.event(seen("worker", &format!("ref-{n}")));
        step(&mut bench, message);
        bench.now.0 += 2 * MINUTE;
    }
    for _ in 0..4 {
        bench.now.0 += 5 * MINUTE;
        bench.commit(&[]);
        if restarts {
            bench.reopen();
        }
    }
    bench
}

#[test]
fn findings_follow_their_entry_and_come_first_when_they_fall_due() {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("worker", 10);
    let mut proxy = witness(&mut bench);
    assert_eq!(rules(&mut bench), [""; 0], "nobody broke anything yet");
    let said = bench.one(&agent.event(intent("worker", "w")));
    let first = findings(&mut bench);
    let cited = said.id.unwrap().to_string();
    assert!(first.iter().all(|(index, _, of)| *index > said.index.0 && *of == cited), "{first:?}");
    let names: Vec<_> = first.iter().map(|(_, rule, _)| rule.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    for rule in ["out_of_contract", "undeclared_session", "unregistered_credential"] {
        assert!(names.contains(&rule), "{rule} of {names:?}");
    }
    let witnessed = bench.one(&proxy.event(seen("worker", "ref-1")));
    let before = findings(&mut bench).len();
    bench.now.0 += 5 * MINUTE;
    let size = bench.ledger().head().size;
    let later = bench.one(&agent.event(intent("worker", "w")));
    let all = findings(&mut bench);
    let due = &all[before];
    assert_eq!((due.0, due.1.as_str()), (size.0, "unclaimed_action"), "first in its commit");
    assert_eq!(due.2, witnessed.id.unwrap().to_string());
    assert!(later.index.0 > due.0);
    // Of itself, without anything else that happens.
    bench.now.0 += 15 * MINUTE;
    let now = bench.now;
    assert!(bench.writer().findings_are_due(now).unwrap());
    bench.commit(&[]);
    assert!(rules(&mut bench).contains(&"no_outcome".to_owned()));
    assert_eq!(audit(&mut bench).divergences, []);
}

#[test]
fn findings_stand_right_behind_their_submission_by_entry_and_rule() {
    let mut bench = Bench::finding();
    let (mut one, mut two) = (bench.agent("one", 10), bench.agent("two", 11));
    let both = [(one.body(intent("one", "w")), None), (one.body(intent("one", "w")), None)];
    let messages = [one.sign(&both), two.event(intent("two", "w"))];
    let begins = bench.ledger().head().size.0;
    bench.commit(&messages);
    let ledger = bench.ledger();
    let mut places = HashMap::new();
    // Each entry as the one that it is or flags, and the rule.
    let mut told = Vec::new();
    for index in begins..ledger.head().size.0 {
        let entry = ledger.entry(Index(index)).unwrap().unwrap();
        let body = entry.body().unwrap();
        let rule = body.text("rule.name").unwrap_or_default().to_owned();
        let place = match rule.as_str() {
            "" => *places.entry(body.id()).or_insert(index),
            _ => places[&body.causes()[0]],
        };
        told.push((place, rule));
    }
    assert_eq!(told[..2], [(begins, String::new()), (begins + 1, String::new())]);
    let (behind, rest) = told[2..].split_at(told[2..].partition_point(|(of, _)| *of < begins + 2));
    let flagged = |of: u64| behind.iter().filter(|(place, _)| *place == of).count();
    assert!(flagged(begins) > 2 && flagged(begins + 1) > 1, "{behind:?}");
    assert!(behind.is_sorted() && behind.iter().all(|(_, rule)| !rule.is_empty()), "{behind:?}");
    assert!(rest.is_sorted() && rest.len() > 3, "{rest:?}");
    assert!(rest.iter().all(|(of, _)| *of == rest[0].0) && rest[0].1.is_empty(), "{rest:?}");
}

#[test]
fn the_same_log_gives_the_same_findings_byte_for_byte() {
    let (mut one, mut two) = (play(false), play(true));
    assert!(findings(&mut one).len() > 10);
    let (here, there) = (one.ledger().head(), two.ledger().head());
    let size = here.size;
    assert_eq!((size, here.root), (there.size, there.root), "leaf by leaf");
    for report in [audit(&mut one), audit(&mut two)] {
        assert_eq!(report.divergences, []);
    }
    one.writer = None;
    let rebuilt = ledger::rebuild(&one.config(), |_, _| ()).unwrap();
    assert_eq!(rebuilt, TreeSize(size.0));
    one.reopen();
    assert_eq!(audit(&mut one).divergences, [], "a rebuild makes the same rows");
    // And goes on the same way.
    for bench in [&mut one, &mut two] {
        bench.now.0 += 24 * 60 * MINUTE;
        bench.commit(&[]);
    }
    assert_eq!(one.ledger().head().root, two.ledger().head().root);
}

#[test]
fn what_falls_due_and_gives_no_finding_changes_nothing() {
    let mut bench = play(false);
    // Rows of the rules end a day later, of themselves. Once all findings are told, that makes no entry.
    bench.now.0 += 48 * 60 * MINUTE;
    bench.commit(&[]);
    let size = bench.ledger().head().size;
    for _ in 0..3 {
        bench.now.0 += 60 * MINUTE;
        bench.commit(&[]);
    }
    assert_eq!(bench.ledger().head().size, size);
    bench.now.0 += 40 * 24 * 60 * MINUTE;
    let mut agent = bench.agent("late", 12);
    bench.one(&agent.event(intent("late", "w")));
    assert_eq!(audit(&mut bench).divergences, []);
}

#[test]
fn what_is_erased_makes_findings_not_recomputable_and_no_fault() {
    let mut bench = play(false);
    let covered = findings(&mut bench).first().map(|(index, ..)| index - 1).unwrap();
    let redact = json!({ "ranges": [[covered, covered]], "parts": ["body"], "basis": "gdpr-17" });
    let message = bench.operator.event(json!({ "kind": "redaction", "redact": redact }));
    bench.one(&message);
    let before = findings(&mut bench).len();
    bench.now.0 += 5 * MINUTE;
    bench.commit(&[]);
    let report = audit(&mut bench);
    assert_eq!((report.divergences.len(), report.redacted), (0, 1), "{:?}", report.divergences);
    bench.writer = None;
    ledger::rebuild(&bench.config(), |_, _| ()).unwrap();
    bench.reopen();
    assert!(findings(&mut bench).len() >= before, "the findings themselves stay");
    assert_eq!(audit(&mut bench).divergences, []);
}

#[test]
fn a_ledger_that_was_made_without_rules_never_finds_anything() {
    let mut bench = Bench::new();
    let mut agent = bench.agent("worker", 10);
    bench.one(&agent.event(intent("worker", "w")));
    let now = bench.now;
    assert!(!bench.writer().findings_are_due(now).unwrap());
    assert_eq!(rules(&mut bench), [""; 0]);
    let genesis = bench.ledger().entry(Index(0)).unwrap().unwrap();
    let body = genesis.body().unwrap();
    assert!(body.field("registry.rules").is_none());
}

#[test]
fn what_fell_due_comes_before_a_rotation_of_the_ledgers_key() {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("worker", 10);
    bench.one(&agent.event(intent("worker", "w")));
    bench.now.0 += 60 * MINUTE;
    let now = bench.now;
    let before = rules(&mut bench).len();
    bench.writer().rotate_key(crate::bench::key(9), now).unwrap();
    assert!(rules(&mut bench).len() > before, "no_outcome at least");
    bench.writer().publish().unwrap();
    bench.writer = None;
    let config = bench.config();
    let mark = ledger::read_mark(&config.mark).unwrap();
    let audit = Audit { store: &config.store, trust: None, mark: mark.as_deref(), state: None };
    assert_eq!(ledger::audit(&audit, &|_| ()).unwrap().divergences, []);
}

#[test]
fn what_falls_due_and_says_nothing_hides_no_finding_behind_it() {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("worker", 10);
    let outcome = |of: &str| {
        let mut event = intent("worker", "w");
        let fields = event.as_object_mut().unwrap();
        for gone in ["mode", "scope", "environment", "prompt", "input"] {
            fields.remove(gone);
        }
        let output = json!({ "alg": "sha-256", "size": 1, "digest": "06".repeat(32) });
        fields.insert("kind".to_owned(), json!("action.outcome"));
        fields.insert("causes".to_owned(), json!([of]));
        fields.insert("outcome".to_owned(), json!({ "status": "confirmed" }));
        fields.insert("output".to_owned(), output);
        event
    };
    for _ in 0..9 {
        let mut messages = Vec::new();
        for _ in 0..250 {
            let body = agent.body(intent("worker", "w"));
            let id = schemas::body::Body::parse(&body).unwrap().id().to_string();
            let told = agent.body(outcome(&id));
            messages.push(agent.sign(&[(body, None), (told, None)]));
            let body = agent.body(intent("worker", "w"));
            let id = schemas::body::Body::parse(&body).unwrap().id().to_string();
            let told = agent.body(outcome(&id));
            messages.push(agent.sign(&[(body, None), (told, None)]));
        }
        bench.commit(&messages);
    }
    bench.one(&agent.event(intent("worker", "w")));
    // 4,500 intents had their outcomes; the last one has none, and nothing else happens.
    bench.now.0 += 16 * MINUTE;
    let now = bench.now;
    assert!(bench.writer().findings_are_due(now).unwrap());
    bench.commit(&[]);
    assert_eq!(rules(&mut bench).iter().filter(|rule| *rule == "no_outcome").count(), 1);
    // Once all of it was looked at, it is not looked at again before something is due.
    bench.now.0 += 60 * MINUTE;
    bench.commit(&[]);
    bench.now.0 += 24 * 60 * MINUTE;
    for _ in 0..3 {
        bench.commit(&[]);
    }
    let now = bench.now;
    assert!(!bench.writer().findings_are_due(now).unwrap());
    assert_eq!(audit(&mut bench).divergences, []);
}

#[test]
fn many_rows_that_fall_due_while_nothing_happens_change_nothing() {
    let mut bench = Bench::finding();
    let mut agent = bench.agent("worker", 10);
    for _ in 0..6 {
        let events: Vec<_> = (0..250).map(|_| agent.event(intent("worker", "w"))).collect();
        bench.commit(&events);
    }
    // A day later more rows end than one commit looks at; three times nobody says anything.
    bench.now.0 += 25 * 60 * MINUTE;
    for _ in 0..3 {
        bench.commit(&[]);
    }
    bench.one(&agent.event(intent("worker", "w")));
    bench.one(&agent.event(intent("worker", "w")));
    assert_eq!(audit(&mut bench).divergences, []);
}
