//! What is erased still answers for what came of it.

use schemas::id::{Index, hex, sha256};
use serde_json::json;

use crate::world::{OPERATOR, World, confirmed, intent, start};

#[test]
fn an_erased_intent_still_answers_for_its_action() {
    let mut world = World::new();
    world.agent("a");
    let asked = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let told = world.accept("a", confirmed("a", "w", "email.send", "x@example.com", "@I"));
    let row = |world: &World| {
        let actions = world.json("/actions?q=corr%3Aw");
        assert_eq!(actions["items"].as_array().unwrap().len(), 1, "{actions}");
        actions["items"][0].clone()
    };
    let whole = row(&world);
    assert_eq!((&whole["redacted"], &whole["target"]), (&json!(false), &json!("x@example.com")));
    let redact = json!({ "ranges": [[asked, asked]], "parts": ["body"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    let left = row(&world);
    assert_eq!((&left["redacted"], &left["target"]), (&json!(true), &json!(null)));
    for member in ["index", "entries", "action", "outcome", "agent", "owner"] {
        assert_eq!(left[member], whole[member], "{member}: {left}");
    }
    let why = world.json(&format!("/entries/{told}/why"));
    assert_eq!((&why["redacted"], &why["outcomes"][0]["index"]), (&json!(true), &json!(told)));
}

#[test]
fn a_finding_flags_its_own_agents_entry_by_whichever_name_and_erased_too() {
    let mut world = World::finding();
    for name in ["a", "b"] {
        world.agent(name);
    }
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "b" }, "registry": names });
    world.accept(OPERATOR, update);
    world.accept_as("a", Some("X"), intent("a", "w", "email.send", "x@example.com"));
    let named = intent("entra:7", "w", "email.send", "x@example.com");
    let other = world.accept_as("b", Some("X"), named);
    let path = format!("/reports/sessions/{}", hex(&sha256(b"b")[..16]));
    let check = |world: &World| {
        let found = world.json("/findings?rule=id_reused");
        assert_eq!(found["items"][0]["flags"], other, "{found}");
        for name in ["b", "entra:7"] {
            let of_agent = world.json(&format!("/findings?rule=id_reused&agent={name}"));
            assert_eq!(of_agent["items"], found["items"], "{name}");
        }
        // What is sent to its owner says the same.
        let ledger = world.writer.as_ref().unwrap().ledger();
        let finding = Index(found["items"][0]["index"].as_u64().unwrap());
        let finding = ledger.entry(finding).unwrap().unwrap();
        assert_eq!(query::flagged(&ledger, &finding).unwrap(), Some(Index(other)));
        let report = world.json(&path);
        let entries = report["entries"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["index"] == other).unwrap();
        let marks = entry["findings"].as_array().unwrap();
        assert!(marks.iter().any(|mark| mark["rule"] == "id_reused"), "{report}");
    };
    check(&world);
    let redact = json!({ "ranges": [[other, other]], "parts": ["body"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    check(&world);
    let report = world.json(&path);
    let entries = report["entries"].as_array().unwrap().iter();
    let erased: Vec<_> = entries.filter(|entry| entry["redacted"] == true).collect();
    assert_eq!(erased.len(), 1, "{report}");
    assert_eq!(erased[0]["index"], other);
}

#[test]
fn an_erased_outcome_is_not_called_absent() {
    let mut world = World::new();
    world.agent("a");
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let told = world.accept("a", confirmed("a", "w", "email.send", "x@example.com", "@I"));
    world.wait(3_600_000_000);
    let gaps = |world: &World| world.json("/workflows/w")["gaps"].clone();
    assert_eq!(gaps(&world), json!([]));
    let redact = json!({ "ranges": [[told, told]], "parts": ["body"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    let left = gaps(&world);
    assert_eq!([&left[0]["kind"], &left[0]["checked"]], [&json!("no_outcome"), &json!(false)]);
    world.accept("a", intent("a", "w", "email.send", "y@example.com"));
    world.wait(3_600_000_000);
    let after = gaps(&world);
    assert_eq!(after[1]["checked"], true, "what was erased came before: {after}");
}

#[test]
fn an_erased_request_may_be_one_that_somebody_decided() {
    let mut world = World::new();
    world.agent("a");
    world.principal("lead@example.com", &["human", "approver"]);
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let request = json!({
        "kind": "approval.requested", "agent": { "id": "a" }, "correlation": "w",
        "causes": ["@I"], "approval": { "request": "@I" },
    });
    let asked = world.accept_as("a", Some("R"), request);
    let decision = json!({
        "kind": "approval.decided", "causes": ["@R", "@I"],
        "approval": { "request": "@R", "decision": "allow" },
    });
    world.accept("lead@example.com", decision);
    let of = |world: &World, who: &str| {
        world.json(&format!("/approvals?approver={who}"))["items"].clone()
    };
    assert_eq!(of(&world, "lead@example.com")[0]["index"], asked);
    assert_eq!(of(&world, "nobody@example.com"), json!([]));
    let redact = json!({ "ranges": [[asked, asked]], "parts": ["body"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    let left = json!([{ "index": asked, "redacted": true }]);
    assert_eq!(of(&world, "lead@example.com"), left);
    assert_eq!(of(&world, "nobody@example.com"), left, "nobody can tell any more");
}

#[test]
fn what_is_erased_is_missing_from_a_comparison_of_models_and_it_says_so() {
    let mut world = World::new();
    world.agent("a");
    world.accept("a", start("a", "w"));
    let first = world.accept("a", intent("a", "w", "email.send", "x@example.com"));
    world.accept("a", intent("a", "w", "email.send", "y@example.com"));
    let told = |world: &World| {
        let report = world.json("/reports/models?agent=a");
        (report["items"][0]["intents"].as_u64().unwrap(), report["erased"].as_u64().unwrap())
    };
    assert_eq!(told(&world), (2, 0));
    let redact = json!({ "ranges": [[first, first]], "parts": ["body"], "basis": "gdpr-17" });
    world.accept(OPERATOR, json!({ "kind": "redaction", "redact": redact }));
    assert_eq!(told(&world), (1, 1));
}
