//! Who may do what, as of any point, and what changed between two.

use serde_json::json;

use super::stage::{ONCALL, OPERATOR, OWNER, Stage, contract, grant_id};

#[test]
fn feature_40_who_has_access_is_folded_to_any_point() {
    let mut stage = Stage::new();
    stage.principal(ONCALL, &["human"]);
    stage.agent("orchestrator-v2");
    stage.agent("db-migration-agent");
    let agreed =
        stage.say(OWNER, contract("orchestrator-v2", &json!({ "deploy": ["deploy"] }), &json!({})));
    let g1 = stage.say(ONCALL, json!({
        "kind": "delegation.granted",
        "grant": { "id": grant_id(1), "to": "orchestrator-v2", "scope": ["deploy", "db:migrate"] },
    }));
    let g2 = stage.say("orchestrator-v2", json!({
        "kind": "delegation.granted",
        "grant": { "id": grant_id(2), "parent": grant_id(1), "to": "db-migration-agent", "scope": ["db:migrate"] },
    }));
    let rows = |stage: &Stage, at: u64| {
        let page = stage.get(&format!("/access?at={at}"));
        let row = |row: &serde_json::Value| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (row["index"].as_u64().unwrap(), text("principal"), text("agent"))
        };
        page["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let row = |index, principal: &str, agent: &str| (index, principal.to_owned(), agent.to_owned());
    let by_contract = row(agreed.index, OWNER, "orchestrator-v2");
    let by_grant = row(g1.index, ONCALL, "orchestrator-v2");
    let below = row(g2.index, ONCALL, "db-migration-agent");
    assert_eq!(rows(&stage, agreed.index), std::slice::from_ref(&by_contract));
    assert_eq!(rows(&stage, g2.index), [by_contract.clone(), by_grant, below]);
    let revoked = stage.say(
        ONCALL,
        json!({
            "kind": "delegation.revoked", "grant": { "id": grant_id(1) },
        }),
    );
    assert_eq!(rows(&stage, revoked.index), [by_contract], "what rests on it goes with it");
    let from = agreed.index.to_string();
    let to = g2.index.to_string();
    let changes = stage.run(&["access", "--from", &from, "--to", &to]);
    let lines: Vec<_> = changes.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{changes}");
    assert!(lines[0].starts_with('+') && lines[0].contains(&grant_id(1)), "{changes}");
    assert!(lines[1].starts_with('+') && lines[1].contains(&grant_id(2)), "{changes}");
    let changes = stage.run(&["access", "--from", &to]);
    assert!(changes.lines().nth(1).unwrap().starts_with('-'), "{changes}");
    stage.fails(2, &["access", "--at", "soon"]);
    stage.fails(2, &["access", "--at", "999999"]);
}

#[test]
fn feature_42_a_freeze_is_in_force_until_it_is_lifted() {
    let stage = Stage::new();
    let key = stage.key_file(OPERATOR);
    let applies = "env:production class:write";
    stage.run(&["freeze", "on", applies, "--reason", "release", "--key", &key]);
    let listed = stage.run(&["freeze", "ls"]);
    assert!(listed.contains(applies), "{listed}");
    let twice = stage.fails(6, &["freeze", "on", applies, "--key", &key]);
    assert!(twice.contains("transition.applies_to"), "{twice}");
    stage.run(&["freeze", "off", applies, "--key", &key]);
    assert_eq!(stage.run(&["freeze", "ls"]).lines().count(), 1);
    assert_eq!(stage.run(&["freeze", "ls", "--all"]).lines().count(), 2);
}

#[test]
fn the_state_of_an_agent_is_known_at_any_index_with_who_changed_it() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let about =
        |kind: &str| json!({ "kind": kind, "agent": { "id": "worker" }, "note": "case-42" });
    let stopped = stage.say(OPERATOR, about("agent.disabled"));
    let started = stage.say(OPERATOR, about("agent.enabled"));
    let at = |stage: &Stage, index: u64| {
        let shown =
            stage.run(&["agent", "show", "worker", "--at", &index.to_string(), "-o", "json"]);
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()
    };
    assert_eq!(at(&stage, stopped.index - 1)["agent"]["state"], "active");
    assert_eq!(at(&stage, stopped.index)["agent"]["state"], "disabled");
    let now = at(&stage, started.index);
    assert_eq!(now["agent"]["state"], "active");
    let change = &now["history"][1];
    assert_eq!(
        (&change["kind"], &change["signer"], &change["note"]),
        (&json!("agent.disabled"), &json!(OPERATOR), &json!("case-42"))
    );
    let registered = now["agent"]["registered"].as_u64().unwrap();
    stage.fails(3, &["agent", "show", "worker", "--at", &(registered - 1).to_string()]);
}

#[test]
fn what_is_granted_is_told_in_the_form_that_was_asked_for() {
    let mut stage = Stage::new();
    stage.principal(ONCALL, &["human"]);
    stage.agent("worker");
    let key = stage.key_file(ONCALL);
    let give = ["grant", "give", "worker", "--scope", "deploy", "--key", &key];
    let told = stage.run(&[&give[..], &["-o", "jsonl"]].concat());
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let id = told["event"].as_str().unwrap().rsplit(' ').next().unwrap();
    assert!(stage.run(&["grant", "ls"]).contains(id), "{told}");
    assert!(stage.run(&give).contains("\ngrant "));
}
