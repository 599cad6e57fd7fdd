//! Several operators: what one alone may not do, and what a hold keeps.

use serde_json::{Value as Json, json};

use crate::harness::until;

use super::stage::{OPERATOR, Said, Stage, intent, start};

const SECOND: &str = "second-operator";
const THIRD: &str = "third-operator";

fn quorum_of_two() -> Stage {
    let mut stage = Stage::new();
    stage.principal(SECOND, &["operator"]);
    stage.principal(THIRD, &["operator"]);
    let raise = proposal(&json!({ "kind": "quorum", "m": 2 }), 1);
    let raise = stage.say(OPERATOR, raise);
    approve(&mut stage, OPERATOR, &raise);
    assert_eq!(stage.get("/proposals")["quorum"], 2);
    stage
}

fn proposal(operation: &Json, needs: u64) -> Json {
    json!({ "kind": "proposal", "registry": { "m": needs, "operation": operation } })
}

fn approve(stage: &mut Stage, who: &str, proposal: &Said) -> Said {
    stage.say(who, json!({ "kind": "proposal.approved", "causes": [proposal.id] }))
}

#[test]
fn feature_51_a_change_of_operators_needs_as_many_as_were_agreed() {
    let mut stage = quorum_of_two();
    let leave = json!({ "kind": "principal.disabled", "registry": { "id": THIRD } });
    let (reason, path, expected) = stage.refused(OPERATOR, leave.clone());
    assert_eq!((reason.as_str(), path.as_str()), ("role_not_allowed", "kind"));
    assert!(expected.contains("2 operators"), "{expected}");
    let (reason, path, _) = stage.refused(OPERATOR, proposal(&leave, 1));
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "registry.m"));
    let proposed = stage.say(OPERATOR, proposal(&leave, 2));
    let enabled =
        |stage: &Stage| stage.run(&["principal", "ls", "--disabled"]).lines().count() == 1;
    approve(&mut stage, OPERATOR, &proposed);
    approve(&mut stage, OPERATOR, &proposed);
    assert!(enabled(&stage), "one operator, twice: nothing changes");
    let key = stage.key_file(SECOND);
    stage.run(&["proposal", "approve", &proposed.id, "--key", &key]);
    assert!(!enabled(&stage), "in force from the second operator on");
    let listed = stage.get("/proposals");
    let entry = listed["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(entry["approvals"].as_array().unwrap().len(), 2);
    let (reason, ..) = stage.refused(
        THIRD,
        json!({ "kind": "agent.registered", "agent": { "id": "x" }, "owner": "o" }),
    );
    assert_eq!(reason, "disabled_agent");
    let late = json!({ "kind": "proposal.approved", "causes": [proposed.id] });
    let (reason, path, _) = stage.refused(SECOND, late);
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "causes"), "it is decided");
    let alone = json!({ "kind": "principal.disabled", "registry": { "id": SECOND } });
    let (reason, path, _) = stage.refused(OPERATOR, proposal(&alone, 2));
    assert_eq!(
        (reason.as_str(), path.as_str()),
        ("invalid_field", "registry.id"),
        "two have to be left"
    );
    stage.agent("harmless-changes-need-one");
}

#[test]
fn feature_51_a_redaction_needs_them_too() {
    let mut stage = quorum_of_two();
    stage.agent("worker");
    let mut personal = intent("worker", "w", "a", "t");
    personal["on_behalf_of"] = "jane@example.com".into();
    let said = stage.say("worker", personal);
    let redact = json!({
        "kind": "redaction",
        "redact": { "basis": "gdpr-17", "parts": ["body"], "ranges": [[said.index, said.index]] },
    });
    let (reason, ..) = stage.refused(OPERATOR, redact.clone());
    assert_eq!(reason, "role_not_allowed");
    let proposed = stage.say(OPERATOR, proposal(&redact, 2));
    approve(&mut stage, THIRD, &proposed);
    assert_eq!(stage.find("user:jane@example.com"), [said.index]);
    let last = approve(&mut stage, SECOND, &proposed);
    assert_eq!(stage.find("user:jane@example.com"), [0; 0]);
    let entry = stage.get(&format!("/entries/{}", last.index + 1));
    assert_eq!(entry["body"]["kind"], "redaction");
    assert_eq!(
        entry["body"]["signer"], "ledger",
        "the ledger carries it out, citing the last approval"
    );
    assert_eq!(entry["body"]["causes"][0], last.id.as_str());
    stage.world.stop();
    let report = stage.world.audit();
    assert!(report.divergences.is_empty(), "{:?}", report.divergences);
}

#[test]
fn feature_50_a_hold_keeps_what_it_covers() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let said = stage.say("worker", start("worker", "workflow-abc-123", "t"));
    let hold = stage.say(
        OPERATOR,
        json!({
            "kind": "hold.placed", "hold": { "query": "corr:workflow-abc-123" },
        }),
    );
    let redact = json!({
        "kind": "redaction",
        "redact": { "basis": "gdpr-17", "parts": ["body"], "ranges": [[said.index, said.index]] },
    });
    let (reason, path, expected) = stage.refused(OPERATOR, redact.clone());
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "redact.ranges"));
    assert!(expected.contains(&format!("hold #{}", hold.index)), "{expected}");
    stage.say(OPERATOR, json!({ "kind": "hold.lifted", "causes": [hold.id] }));
    stage.say(OPERATOR, redact);
    assert_eq!(stage.get(&format!("/entries/{}", said.index))["redacted"], true);
}

#[test]
fn feature_51_an_operator_whose_key_has_ended_counts_no_more() {
    let mut stage = Stage::new();
    let registry = json!({ "id": SECOND, "roles": ["operator"] });
    stage.say(OPERATOR, json!({ "kind": "principal.registered", "registry": registry }));
    let ended = schemas::id::hex(crate::signer::Signer::new(SECOND).public().as_bytes());
    let enrolled = |not_after: jiff::Timestamp| {
        let registry =
            json!({ "signer": SECOND, "key": ended, "not_after": not_after.to_string() });
        json!({ "kind": "key.enrolled", "registry": registry })
    };
    let now = jiff::Timestamp::now();
    let (reason, path, expected) = stage.refused(OPERATOR, enrolled(now));
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "registry.not_after"));
    assert_eq!(expected, "a time that is still to come");
    stage.say(OPERATOR, enrolled(now + jiff::SignedDuration::from_secs(8)));
    until("the key has ended", || (stage.get("/proposals")["operators"] == 1).then_some(()));
    let leave = json!({ "kind": "principal.disabled", "registry": { "id": OPERATOR } });
    let (reason, path, expected) = stage.refused(OPERATOR, leave.clone());
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "registry.id"));
    assert_eq!(expected, "a change that leaves 1 operators; 0 would be left");
    stage.enrol(SECOND);
    assert_eq!(stage.get("/proposals")["operators"], 2);
    stage.say(OPERATOR, leave);
}
