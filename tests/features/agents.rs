//! Agents: one id over sessions, states, names, owners, shadows.

use serde_json::json;

use super::stage::{ONCALL, OPERATOR, OWNER, Stage, intent, start};

#[test]
fn feature_1_an_agent_is_known_by_one_id_over_its_sessions() {
    let mut stage = Stage::new();
    stage.agent("pr-review-agent");
    let first = stage.say("pr-review-agent", start("pr-review-agent", "w-1", "review"));
    let mut again = start("pr-review-agent", "w-2", "review");
    again["session"] = "ab".repeat(16).into();
    again["seq"] = json!({ "n": 1, "prev": "00".repeat(32) });
    let second = stage.say("pr-review-agent", again);
    let found = stage.find("agent:pr-review-agent kind:session.start");
    assert_eq!(found, [first.index, second.index]);
    let mut nameless = intent("pr-review-agent", "w-1", "a", "t");
    nameless.as_object_mut().unwrap().remove("agent");
    let (reason, path, _) = stage.refused("pr-review-agent", nameless);
    assert_eq!((reason.as_str(), path.as_str()), ("missing_field", "agent"));
}

#[test]
fn feature_60_suspension_ends_and_retirement_does_not() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let about = |kind: &str| json!({ "kind": kind, "agent": { "id": "worker" } });
    stage.say(OPERATOR, about("agent.suspended"));
    let (reason, path, expected) = stage.refused("worker", start("worker", "w", "t"));
    assert_eq!((reason.as_str(), path.as_str()), ("disabled_agent", "signer"));
    assert!(expected.contains("suspended"), "{expected}");
    stage.say(OPERATOR, about("agent.enabled"));
    stage.say("worker", start("worker", "w", "t"));
    stage.say(OPERATOR, about("agent.retired"));
    let (reason, path, _) = stage.refused(OPERATOR, about("agent.enabled"));
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "agent.id"));
    let (reason, ..) = stage.refused("worker", intent("worker", "w", "a", "t"));
    assert_eq!(reason, "disabled_agent");
}

#[test]
fn feature_63_each_of_an_agents_names_leads_to_it_and_to_no_other() {
    let mut stage = Stage::new();
    let names = [
        "mailto:billing@example.com",
        "tel:+14155550142",
        "entra:5f0c9b6e",
        "okta:00u1",
        "spiffe://example.com/billing",
    ];
    stage.say(
        OPERATOR,
        json!({
            "kind": "agent.registered", "agent": { "id": "billing" }, "owner": OWNER,
            "registry": { "addresses": &names[..2], "external": &names[2..] },
        }),
    );
    for name in names {
        let shown = stage.run(&["agent", "show", name, "-o", "json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["agent"]["id"], "billing", "{name}");
    }
    for (field, name) in [("addresses", names[1]), ("external", names[4])] {
        let (reason, path, expected) = stage.refused(
            OPERATOR,
            json!({
                "kind": "agent.registered", "agent": { "id": "other" }, "owner": OWNER,
                "registry": { field: [name] },
            }),
        );
        assert_eq!((reason.as_str(), path), ("invalid_field", format!("registry.{field}")));
        assert!(expected.contains("billing"), "{expected}");
    }
    // A name that is given up is free.
    stage.say(OPERATOR, json!({
        "kind": "agent.updated", "agent": { "id": "billing" }, "registry": { "addresses": [names[0]] },
    }));
    stage.say(
        OPERATOR,
        json!({
            "kind": "agent.registered", "agent": { "id": "other" }, "owner": OWNER,
            "registry": { "addresses": [names[1]] },
        }),
    );
}

#[test]
fn feature_47_who_leaves_leaves_no_authority_behind() {
    let mut stage = Stage::new();
    stage.principal(ONCALL, &["human", "owner"]);
    stage.say(
        OPERATOR,
        json!({
            "kind": "agent.registered", "agent": { "id": "worker" }, "owner": ONCALL,
        }),
    );
    stage.enrol("worker");
    let grant = super::stage::grant_id(1);
    stage.say(
        ONCALL,
        json!({
            "kind": "delegation.granted",
            "grant": { "id": grant, "to": "worker", "scope": ["db:migrate"] },
        }),
    );
    let mut act = intent("worker", "w", "ALTER TABLE", "postgres:staging/a");
    act["principals"] = json!([
        { "type": "human", "id": ONCALL, "evidence": "11".repeat(32) },
        { "type": "agent", "id": "worker", "grant_id": grant },
    ]);
    let before = stage.say("worker", act.clone());
    let shown = stage.get(&format!("/entries/{}/why", before.index));
    assert_eq!(shown["chain"][1]["faults"], json!([]));
    assert_eq!(stage.run(&["agent", "ls", "--ownerless"]).lines().count(), 1);
    stage.say(OPERATOR, json!({ "kind": "principal.disabled", "registry": { "id": ONCALL } }));
    let after = stage.say("worker", act);
    let shown = stage.get(&format!("/entries/{}/why", after.index));
    assert_eq!(
        shown["chain"][1]["faults"],
        json!([{ "rule": "grantor_inactive", "detail": null }])
    );
    assert!(stage.run(&["agent", "ls", "--ownerless"]).contains("worker"));
    assert_eq!(stage.get(&format!("/grants/{grant}"))["active"], false);
    let revoked = json!({ "kind": "delegation.revoked", "grant": { "id": grant } });
    let (reason, _, expected) = stage.refused(ONCALL, revoked);
    assert_eq!(reason, "disabled_agent", "{expected}");
}

#[test]
fn feature_32_who_acts_and_was_never_registered_is_listed() {
    let mut stage = Stage::new();
    stage.principal("gateway", &["witness"]);
    stage.say("gateway", json!({
        "kind": "witness.observed", "agent": { "id": "agent-x" }, "correlation": "w",
        "action": { "name": "SELECT", "class": "read", "system": "postgres", "target": "postgres:prod/a" },
        "credential": { "id": "cred-7" }, "outcome": { "external_ref": "q-1" },
    }));
    let shadows = stage.run(&["agent", "ls", "--shadow"]);
    let row = shadows.lines().nth(1).unwrap();
    assert!(row.contains("agent-x") && row.contains("shadow"), "{shadows}");
    assert_eq!(shadows.lines().count(), 2);
}
