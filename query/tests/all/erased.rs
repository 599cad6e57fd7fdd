//! What is erased still answers for what came of it.

use serde_json::json;

use crate::world::{OPERATOR, World, confirmed, intent};

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
