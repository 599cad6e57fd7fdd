//! What several operators agree to: redactions that a hold comes in between, and operators who remain.

use schemas::id::Index;
use schemas::reply::Fate;
use serde_json::{Value, json};

use crate::bench::{Bench, Signer, intent};

/// An entry of an agent, and the submission that decides on its redaction.
fn proposed(bench: &mut Bench) -> (Index, Value) {
    let mut agent = bench.agent("worker", 10);
    let said = bench.one(&agent.event(intent("worker", "w")));
    let ranges = json!([[said.index.0, said.index.0]]);
    let redact = json!({ "ranges": ranges, "parts": ["body"], "basis": "gdpr-17" });
    let operation = json!({ "kind": "redaction", "redact": redact });
    let proposal = json!({ "kind": "proposal", "registry": { "m": 1, "operation": operation } });
    let message = bench.operator.event(proposal);
    let id = bench.one(&message).id.unwrap().to_string();
    (said.index, json!({ "kind": "proposal.approved", "causes": [id] }))
}

fn hold() -> Value {
    json!({ "kind": "hold.placed", "hold": { "query": "agent:worker" } })
}

fn is_there(bench: &mut Bench, index: Index) -> bool {
    bench.ledger().entry(index).unwrap().unwrap().body.is_some()
}

/// Kinds of the last entries.
fn last(bench: &mut Bench, entries: u64) -> Vec<String> {
    let ledger = bench.ledger();
    let size = ledger.head().size.0;
    let kind = |index| {
        let entry = ledger.entry(Index(index)).unwrap().unwrap();
        entry.body().unwrap().kind().to_string()
    };
    (size - entries..size).map(kind).collect()
}

#[test]
fn what_was_agreed_before_a_hold_is_erased_before_it() {
    let mut bench = Bench::new();
    let (index, approval) = proposed(&mut bench);
    let approval = bench.operator.event(approval);
    let hold = bench.operator.event(hold());
    bench.commit(&[approval, hold]);
    assert_eq!(last(&mut bench, 3), ["proposal.approved", "redaction", "hold.placed"]);
    assert!(!is_there(&mut bench, index));
}

#[test]
fn a_hold_of_the_same_submission_keeps_what_was_agreed_before_it() {
    let mut bench = Bench::new();
    let (index, approval) = proposed(&mut bench);
    let approval = bench.operator.body(approval);
    let hold = bench.operator.body(hold());
    let message = bench.operator.sign(&[(approval, None), (hold, None)]);
    bench.commit(&[message]);
    assert_eq!(last(&mut bench, 3), ["proposal.approved", "hold.placed", "ledger.incident"]);
    assert!(is_there(&mut bench, index), "it is held");
    bench.reopen();
    assert!(is_there(&mut bench, index));
}

#[test]
fn an_operator_counts_while_he_can_sign() {
    let mut bench = Bench::new();
    let registered = json!({ "kind": "principal.registered", "registry": { "id": "second", "roles": ["operator"] } });
    let message = bench.operator.event(registered);
    assert!(matches!(bench.one(&message).fate, Fate::Committed(_)));
    let leave = json!({ "kind": "principal.disabled", "registry": { "id": "operator" } });
    let message = bench.operator.event(leave.clone());
    assert!(matches!(bench.one(&message).fate, Fate::Rejected(_)), "nobody could sign");
    let second = Signer::new("second", 9);
    let public = |signer: &Signer| schemas::key::PublicKey::of(&signer.key);
    let enrolled = json!({ "kind": "key.enrolled", "registry": {
        "signer": "second", "key": schemas::id::hex(public(&second).as_bytes()),
    }});
    let message = bench.operator.event(enrolled);
    assert!(matches!(bench.one(&message).fate, Fate::Committed(_)));
    let revoke = |signer: &Signer| {
        json!({ "kind": "key.revoked", "registry": {
            "signer": signer.id.as_str(), "kid": public(signer).kid().to_string(),
        }})
    };
    let message = bench.operator.event(revoke(&second));
    assert!(matches!(bench.one(&message).fate, Fate::Committed(_)));
    let own = revoke(&bench.operator);
    let message = bench.operator.event(own);
    assert!(matches!(bench.one(&message).fate, Fate::Rejected(_)), "the last key of the last one");
}
