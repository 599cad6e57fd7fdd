//! Whose a session is, seen through the API.

use schemas::id::{hex, sha256};
use serde_json::{Value as Json, json};

use crate::world::{World, intent, start};

#[test]
fn a_stranger_in_a_session_declares_nothing_of_it_and_ends_nothing() {
    let mut world = World::new();
    world.agent("a");
    world.agent("b");
    let own = world.accept("a", start("a", "w"));
    let session = world.json(&format!("/entries/{own}"))["body"]["session"].clone();
    let within = |mut fields: Json| {
        fields["session"] = session.clone();
        fields
    };
    let mut other = start("b", "w");
    other["task"]["summary"] = "nothing".into();
    let strange = world.accept("b", within(other));
    let end = json!({
        "kind": "session.end", "agent": { "id": "b" }, "correlation": "w",
        "outcome": { "status": "confirmed" },
    });
    let ended = world.accept("b", within(end));
    let act = world.accept("a", intent("a", "w", "email.send", "x@example.com"));
    let mut lacking = intent("a", "w", "db.drop", "postgres:prod/x");
    lacking.as_object_mut().unwrap().shift_remove("prompt");
    let refused = world.submit("a", lacking, None).index;
    let report = world.json(&format!("/reports/sessions/{}", session.as_str().unwrap()));
    assert_eq!([&report["signer"], &report["declared"]["signer"]], ["a", "a"]);
    assert_eq!(report["declared"]["task"]["summary"], "pay invoices");
    let row = |row: &Json| json!([row["index"], row["signer"], row["agent"], row["own"]]);
    let rows: Vec<_> = report["entries"].as_array().unwrap().iter().map(row).collect();
    let expected = [
        json!([own, "a", "a", true]),
        json!([strange, "b", "b", false]),
        json!([ended, "b", "b", false]),
        json!([act, "a", "a", true]),
        json!([refused, "a", "a", true]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn what_counts_by_model_counts_by_the_one_that_its_own_session_declared() {
    let mut world = World::new();
    world.agent("a");
    world.agent("b");
    let mut strange = start("b", "w");
    strange["session"] = hex(&sha256(b"a")[..16]).into();
    strange["model"]["version"] = "strange".into();
    world.accept("b", strange);
    let mut refused = start("a", "w");
    refused["model"]["version"] = "refused".into();
    refused.as_object_mut().unwrap().shift_remove("task");
    assert!(world.submit("a", refused, None).refused.is_some());
    let own = world.accept("a", start("a", "w"));
    let shown = world.json(&format!("/entries/{own}"))["body"]["session"].clone();
    assert_eq!(shown, hex(&sha256(b"a")[..16]));
    world.accept("a", intent("a", "w", "email.send", "x@example.com"));
    let stats = world.json("/stats?by=model&q=agent:a+kind:action.*");
    let rows = stats["items"].as_array().unwrap();
    let rows: Vec<_> = rows.iter().map(|row| json!([row["value"], row["entries"]])).collect();
    assert_eq!(rows, [json!(["m 1", 1])]);
}

#[test]
fn an_intent_counts_by_what_its_own_session_declared_whatever_it_follows() {
    let mut world = World::new();
    for (agent, version) in [("a", "1"), ("b", "2")] {
        world.agent(agent);
        let mut declared = start(agent, "w");
        declared["model"]["version"] = version.into();
        world.accept(agent, declared);
    }
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let mut follows = intent("b", "w", "email.send", "x@example.com");
    follows["causes"] = json!(["@I"]);
    world.accept("b", follows);
    let stats = world.json("/stats?by=model&q=kind:action.intent+agent:b");
    let rows = stats["items"].as_array().unwrap();
    let rows: Vec<_> = rows.iter().map(|row| json!([row["value"], row["entries"]])).collect();
    assert_eq!(rows, [json!(["m 2", 1])]);
}

#[test]
fn what_is_counted_under_a_cause_does_not_depend_on_who_asked_for_that_before() {
    let mut world = World::new();
    world.agent("a");
    world.principal("gate", &["gate"]);
    world.accept("a", start("a", "w"));
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let verdict = |cause: &str, reason: &str| {
        json!({
            "kind": "gate.verdict", "agent": { "id": "a" }, "correlation": "w", "causes": [cause],
            "verdicts": [{ "gate": "g", "decision": "allow", "reason": reason }],
        })
    };
    world.accept_as("gate", Some("V1"), verdict("@I", "early"));
    world.accept_as("gate", Some("V2"), verdict("@V1", "early"));
    // So far away from the intent that its session is not asked for.
    world.accept_as("gate", Some("V3"), verdict("@V2", "late"));
    world.accept_as("gate", Some("V4"), verdict("@I", "late"));
    let stats = world.json("/stats?by=model&q=reason:late");
    let rows = stats["items"].as_array().unwrap();
    let rows: Vec<_> = rows.iter().map(|row| json!([row["value"], row["entries"]])).collect();
    assert_eq!(rows, [json!(["m 1", 1])]);
}
