//! The billing workflow of the worked example: three steps, nine entries, printed to the letter.

use serde_json::{Value as Json, json};

use crate::world::{World, confirmed, intent, start};

const AGENT: &str = "billing-ops-agent";
const WORKFLOW: &str = "workflow-abc-123";
const PHONE: &str = "+14155550142";

fn gate_verdict() -> Json {
    let verdict = |gate: &str, source: &str| {
        json!({
            "gate": gate, "decision": "allow", "reason": "ok", "policy_digest": "33".repeat(32),
            "basis": { "source": source, "as_of": "2026-04-07T22:00:00Z" },
        })
    };
    json!({
        "kind": "gate.verdict",
        "agent": { "id": AGENT },
        "correlation": WORKFLOW,
        "causes": ["@A5"],
        "verdicts": [
            verdict("local_hours", "numbering-plan"),
            verdict("reassigned_number", "fcc-reassigned-numbers"),
            verdict("tcpa_consent", "consent_source"),
        ],
    })
}

/// A1 to A9: label, signer, fields.
fn events() -> Vec<(&'static str, &'static str, Json)> {
    let mut call = intent(AGENT, WORKFLOW, "voice.call", PHONE);
    call["assertions"] = json!({ "consent_source": "business-relationship" });
    let mut called = confirmed(AGENT, WORKFLOW, "voice.call", PHONE, "@A5");
    called["outcome"]["external_ref"] = "call-4471".into();
    let mut begun = start(AGENT, WORKFLOW);
    begun["causes"] = json!(["@A1"]);
    let witness = json!({
        "kind": "witness.observed",
        "agent": { "id": AGENT },
        "correlation": WORKFLOW,
        "action": {
            "name": "voice.call", "class": "communication", "system": "voice", "target": PHONE,
        },
        "credential": { "id": "cred-billing-ops-agent" },
        "outcome": { "external_ref": "call-4471" },
    });
    let trigger = json!({
        "kind": "trigger.observed",
        "correlation": "mail-a1ee17c948c506a6",
        "trigger": { "type": "mail", "ref": "inv4471@vendor.example" },
        "input": "none",
    });
    let end = json!({
        "kind": "session.end", "agent": { "id": AGENT }, "correlation": WORKFLOW,
        "outcome": { "status": "confirmed" },
    });
    let mail = |cause| confirmed(AGENT, WORKFLOW, "email.send", "finance@example.com", cause);
    vec![
        ("A1", "mail-boundary", trigger),
        ("A2", AGENT, begun),
        ("A3", AGENT, intent(AGENT, WORKFLOW, "email.send", "finance@example.com")),
        ("A4", AGENT, mail("@A3")),
        ("A5", AGENT, call),
        ("A6", "voice-gate", gate_verdict()),
        ("A7", AGENT, called),
        ("A8", "telephony", witness),
        ("A9", AGENT, end),
    ]
}

fn registered() -> World {
    let mut world = World::new();
    world.agent(AGENT);
    for (id, role) in
        [("mail-boundary", "boundary"), ("voice-gate", "gate"), ("telephony", "witness")]
    {
        world.principal(id, &[role]);
    }
    world
}

fn billed() -> World {
    let mut world = registered();
    for (label, signer, fields) in events() {
        world.wait(2_000_000);
        world.accept_as(signer, Some(label), fields);
    }
    world
}

#[test]
fn the_chain_prints_to_the_letter() {
    let mut world = billed();
    for _ in ["written", "remembered", "opened again"] {
        let chain = world.json(&format!("/workflows/{WORKFLOW}"));
        let expected = format!(
            "\
1 mail in     mail-boundary      inv4471@vendor.example            joined by cause
2 email.send  billing-ops-agent  finance@example.com     confirmed
3 voice.call  billing-ops-agent  +14155550142            confirmed, witnessed
              local_hours allow · reassigned_number allow · tcpa_consent allow (business-relationship)
9 entries (8 counted, 1 joined), 0 gaps, 0 findings, complete, verified at checkpoint {}
",
            world.head()
        );
        assert_eq!(query::render_chain(&chain), expected);
        world.reopen();
    }
}

#[test]
fn the_graph_holds_every_entry_once_with_its_proof() {
    let world = billed();
    let chain = world.json(&format!("/workflows/{WORKFLOW}"));
    let first = world.head() - 9;
    let members: Vec<_> =
        chain["steps"].as_array().unwrap().iter().map(|s| s["entries"].clone()).collect();
    let at = |places: &[u64]| -> Json { places.iter().map(|place| first + place - 1).collect() };
    assert_eq!(members, [at(&[1]), at(&[3, 4]), at(&[5, 6, 7, 8])]);
    let entries = chain["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 9);
    for entry in entries {
        let proof = json!({
            "chain": true, "body": "verified", "signature": true, "inclusion": true,
            "checkpoint": world.head(),
        });
        assert_eq!(entry["proof"], proof);
    }
    assert_eq!(entries[0]["joined"], true);
    let edge = |from: u64, to: u64| json!({ "from": first + from - 1, "to": first + to - 1, "kind": "cause" });
    assert_eq!(chain["edges"], json!([edge(1, 2), edge(3, 4), edge(5, 6), edge(5, 7)]));
    assert_eq!(chain["as_of"]["size"], world.head());
}

#[test]
fn a_call_without_consent_shows_the_denial_and_no_outcome() {
    let mut world = registered();
    let mut events = events();
    let denied = &mut events[5].2["verdicts"][2];
    denied["decision"] = "deny".into();
    denied["reason"] = "consent_source_missing".into();
    events[4].2.as_object_mut().unwrap().shift_remove("assertions");
    for (label, signer, fields) in events.into_iter().take(6) {
        world.accept_as(signer, Some(label), fields);
    }
    world.wait(3_600_000_000);
    let chain = world.json(&format!("/workflows/{WORKFLOW}"));
    let expected = format!(
        "\
1 mail in     mail-boundary      inv4471@vendor.example            joined by cause
2 email.send  billing-ops-agent  finance@example.com     confirmed
3 voice.call  billing-ops-agent  +14155550142            denied
              local_hours allow · reassigned_number allow · tcpa_consent deny (consent_source_missing)
6 entries (5 counted, 1 joined), 0 gaps, 0 findings, complete, verified at checkpoint {}
",
        world.head()
    );
    assert_eq!(query::render_chain(&chain), expected);
}
