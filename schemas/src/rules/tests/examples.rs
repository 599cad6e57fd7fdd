//! The four worked examples, entry by entry, with every finding that they lead to and no other.

#![allow(clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value as Json, json};

use super::testing::*;

const WORKFLOW: &str = "workflow-abc-123";
const RELEASE: &str = "release-2026-04-08";
const G1: &str = "019d6b2c-ee80-7001-8002-030405060701";
const G2: &str = "019d6b2c-ee80-7001-8002-030405060702";
const HUMAN: &str = "oncall@example.com";

fn contract(name: &str, permissions: &Json, more: &Json) -> Json {
    let agent = json!({
        "name": name, "owner": "platform", "permissions": permissions,
        "execution_mode": "autonomous", "expiry": "2026-12-31",
    });
    with(json!({ "agent": agent }), more)
}

/// All that is registered before.
fn world() -> World {
    let mut world = World::empty("2026-04-07T21:00:00Z");
    for (id, roles) in [
        ("platform", ["owner"]),
        ("mail-boundary", ["boundary"]),
        ("webhook-boundary", ["boundary"]),
        ("voice-gate", ["gate"]),
        ("telephony", ["witness"]),
        ("db-proxy", ["witness"]),
        (HUMAN, ["human"]),
    ] {
        world.principal(id, &roles);
    }
    let mail = json!({ "mail": ["email.send"], "voice": ["voice.call"] });
    let billing = json!({
        "domains": ["example.com"], "witnessed": ["voice"],
        "hours": [{ "action": "voice.call", "from": "09:00", "to": "18:00", "zone": "destination" }],
        "limits": { "caps": [{ "action": "voice.call", "per": "day", "max": 50 }] },
        "gates": { "voice.call": ["local_hours", "reassigned_number", "tcpa_consent"] },
    });
    let deploy = json!({ "deploy": ["deploy"], "postgres": ["db:migrate"] });
    let worker = json!({
        "environments": ["staging"], "targets": ["postgres:staging/*"],
        "actions": {
            "ALTER TABLE": { "class": "write", "system": "postgres", "scope": "db:migrate" },
            "DROP TABLE": { "class": "destructive", "system": "postgres", "scope": "db:drop" },
        },
    });
    let migrate = json!({ "postgres": ["db:migrate"] });
    let review = json!({
        "github": ["repo:read", "pull_request:comment"], "jira": ["issue:read", "issue:transition"],
    });
    for (agent, permissions, more) in [
        ("billing-ops-agent", mail, billing),
        ("orchestrator-v2", deploy, json!({ "environments": ["staging"] })),
        ("db-migration-agent", migrate, worker),
        ("pr-review-agent", review, json!({})),
    ] {
        world.agent(agent, "platform");
        let registered = contract(agent, &permissions, &more);
        assert_eq!(world.contract(agent, "platform", &registered), NONE);
    }
    let scoped = json!({ "id": "cred-db-07", "scopes": ["db:migrate"] });
    let registered = json!({ "agent": { "id": "db-migration-agent" }, "credential": scoped });
    assert_eq!(world.entry("credential.registered", "op", registered), NONE);
    world
}

/// An action of the billing agent.
fn billing(system: &str, name: &str, target: &str) -> Json {
    json!({
        "correlation": WORKFLOW,
        "action": { "name": name, "class": "communication", "system": system, "target": target },
    })
}

fn example_a(world: &mut World) {
    world.at("2026-04-07T22:00:00Z");
    let trigger = json!({ "type": "mail", "ref": "inv4471@vendor.example" });
    let mail = json!({
        "correlation": "mail-a1ee17c948c506a6", "trigger": trigger, "input": "none",
    });
    assert_eq!(world.entry("trigger.observed", "mail-boundary", mail), NONE);
    let cause = world.id.clone();
    let start = json!({ "correlation": WORKFLOW, "causes": [cause] });
    assert_eq!(world.start("billing-ops-agent", &start), NONE);
    let mail = billing("mail", "email.send", "finance@example.com");
    assert_eq!(world.intent("billing-ops-agent", &mail), NONE);
    let intent = world.id.clone();
    assert_eq!(world.outcome("billing-ops-agent", &intent, &mail), NONE);
    let call = billing("voice", "voice.call", "+14155550142");
    let consent = json!({ "assertions": { "consent_source": "business-relationship" } });
    assert_eq!(world.intent("billing-ops-agent", &with(call.clone(), &consent)), NONE);
    let intent = world.id.clone();
    let gates =
        [("local_hours", "allow"), ("reassigned_number", "allow"), ("tcpa_consent", "allow")];
    let verdicts = gates.map(|(gate, decision)| {
        json!({ "gate": gate, "decision": decision, "reason": "ok", "basis": { "source": "crm" } })
    });
    let verdict = json!({
        "agent": { "id": "billing-ops-agent" }, "correlation": WORKFLOW, "causes": [intent],
        "verdicts": verdicts,
    });
    assert_eq!(world.entry("gate.verdict", "voice-gate", verdict), NONE);
    let reference = json!({ "outcome": { "status": "confirmed", "external_ref": "call-4471" } });
    let told = with(call.clone(), &reference);
    assert_eq!(world.outcome("billing-ops-agent", &intent, &told), NONE);
    let mut seen = call;
    seen["agent"] = json!({ "id": "billing-ops-agent" });
    seen["credential"] = json!({ "id": "cred-billing-ops-agent" });
    seen["outcome"] = json!({ "external_ref": "call-4471" });
    assert_eq!(world.entry("witness.observed", "telephony", seen), NONE);
    let end = json!({ "correlation": WORKFLOW, "outcome": { "code": "done" } });
    assert_eq!(world.entry("session.end", "billing-ops-agent", end), NONE);
}

fn human() -> Json {
    json!({
        "type": "human", "id": HUMAN, "authorized_at": "2026-04-08T03:40:00Z",
        "evidence": "0e".repeat(32),
    })
}

/// An action of the worker under both grants.
fn worker(name: &str, class: &str, target: &str, scope: &str, environment: &str) -> Json {
    json!({
        "correlation": RELEASE, "credential": { "id": "cred-db-07" }, "scope": [scope],
        "environment": environment,
        "action": { "name": name, "class": class, "system": "postgres", "target": target },
        "principals": [
            human(), { "type": "agent", "id": "orchestrator-v2", "grant_id": G1 },
            { "type": "agent", "id": "db-migration-agent", "grant_id": G2 },
        ],
    })
}

fn example_b(world: &mut World) {
    world.at("2026-04-08T03:40:00Z");
    let g1 = json!({
        "id": G1, "to": "orchestrator-v2", "scope": ["deploy", "db:migrate"],
        "environment": "staging",
    });
    let given = json!({ "correlation": RELEASE, "grant": g1, "principals": [human()] });
    assert_eq!(world.entry("delegation.granted", HUMAN, given), NONE);
    let start = json!({ "correlation": RELEASE });
    assert_eq!(world.start("orchestrator-v2", &start), NONE);
    let g2 = json!({
        "id": G2, "to": "db-migration-agent", "scope": ["db:migrate"], "parent": G1,
        "targets": ["postgres:staging/*"], "environment": "staging",
    });
    let given = json!({ "correlation": RELEASE, "grant": g2 });
    assert_eq!(world.entry("delegation.granted", "orchestrator-v2", given), NONE);
    world.at("2026-04-08T03:44:00Z");
    let start = json!({ "correlation": RELEASE, "parent_session": session("orchestrator-v2") });
    assert_eq!(world.start("db-migration-agent", &start), NONE);
    let staging = "postgres:staging/sessions";
    let alter = worker("ALTER TABLE", "write", staging, "db:migrate", "staging");
    assert_eq!(world.intent("db-migration-agent", &alter), NONE);
    let intent = world.id.clone();
    assert_eq!(world.outcome("db-migration-agent", &intent, &alter), NONE);
    world.at("2026-04-08T03:47:00Z");
    let production = "postgres:prod/sessions";
    let drop = worker("DROP TABLE", "destructive", production, "db:drop", "production");
    let found = world.intent("db-migration-agent", &drop);
    let expected =
        ["out_of_contract operation,target,environment", "out_of_scope scope,target,environment"];
    assert_eq!(found, expected);
    let intent = world.id.clone();
    world.at("2026-04-08T03:47:12Z");
    let found = world.outcome("db-migration-agent", &intent, &drop);
    assert_eq!(found, ["unapproved_destructive"]);
    assert_eq!(world.found[0].correlation.as_deref(), Some(RELEASE));
}

fn example_d(world: &mut World) {
    world.at("2026-04-08T03:52:00Z");
    let stop = json!({ "agent": { "id": "db-migration-agent" }, "reason": "case-42" });
    assert_eq!(world.entry("agent.disabled", "op", stop), NONE);
    let staging = "postgres:staging/sessions";
    let alter = worker("ALTER TABLE", "write", staging, "db:migrate", "staging");
    let more = json!({ "mode": "self", "prompt": "none", "input": "none" });
    let refused = with(alter, &more);
    assert_eq!(world.refused("action.intent", "db-migration-agent", refused), NONE);
    world.at("2026-04-08T03:53:00Z");
    let select = json!({
        "agent": { "id": "db-migration-agent" }, "correlation": "proxy-77",
        "credential": { "id": "cred-db-07" }, "environment": "production",
        "action": {
            "name": "SELECT", "class": "read", "system": "postgres",
            "target": "postgres:prod/accounts",
        },
        "outcome": { "external_ref": "pg-81" },
    });
    let found = world.entry("witness.observed", "db-proxy", select);
    let expected = ["acted_after_disable", "out_of_contract operation,target,environment"];
    assert_eq!(found, expected);
    let end = json!({ "correlation": RELEASE, "outcome": { "code": "stopped" } });
    assert_eq!(world.entry("session.end", "orchestrator-v2", end), NONE);
    assert_eq!(world.due("2026-04-08T03:57:59Z"), NONE);
    assert_eq!(world.due("2026-04-08T03:58:00Z"), ["unclaimed_action"]);
    assert_eq!(world.found[0].correlation.as_deref(), Some("proxy-77"));
}

fn example_c(world: &mut World) {
    world.at("2026-04-08T16:00:00Z");
    let trigger = json!({ "type": "webhook", "ref": "pr-opened/4521" });
    let hook = json!({ "correlation": "pr-4521", "trigger": trigger, "input": "none" });
    assert_eq!(world.entry("trigger.observed", "webhook-boundary", hook), NONE);
    let (agent, corr) = ("pr-review-agent", json!({ "correlation": "pr-4521" }));
    assert_eq!(world.start(agent, &corr), NONE);
    let comment = json!({
        "correlation": "pr-4521", "trigger": trigger, "on_behalf_of": "requester@company.com",
        "scope": ["repo:read", "pull_request:comment"],
        "action": {
            "name": "pull_request.comment", "class": "communication", "system": "github",
            "target": "github:acme/app/4521",
        },
    });
    assert_eq!(world.intent(agent, &comment), NONE);
    let intent = world.id.clone();
    assert_eq!(world.outcome(agent, &intent, &comment), NONE);
    let push = json!({
        "correlation": "pr-4521", "scope": ["repo:push"],
        "action": {
            "name": "repo.push", "class": "write", "system": "github",
            "target": "github:acme/app",
        },
    });
    assert_eq!(world.intent(agent, &push), ["out_of_contract operation"]);
    let intent = world.id.clone();
    let failed = json!({ "outcome": { "status": "failed", "code": "403" }, "output": null });
    assert_eq!(world.outcome(agent, &intent, &with(push, &failed)), NONE);
    let end = json!({ "correlation": "pr-4521", "outcome": { "code": "done" } });
    assert_eq!(world.entry("session.end", agent, end), NONE);
}

#[test]
fn the_worked_examples_have_these_findings_and_no_other() {
    let mut world = world();
    example_a(&mut world);
    example_b(&mut world);
    example_d(&mut world);
    example_c(&mut world);
    assert_eq!(world.due("2026-04-09T03:47:11Z"), NONE);
    assert_eq!(world.due("2026-04-09T03:52:00Z"), ["session_unended"]);
    assert_eq!(world.found[0].agent.as_deref(), Some("db-migration-agent"));
    assert_eq!(world.found[0].correlation.as_deref(), Some(RELEASE));
    assert_eq!(world.due("2026-06-01T00:00:00Z"), NONE);
}

#[test]
fn what_is_remembered_ends() {
    let mut world = world();
    example_a(&mut world);
    example_b(&mut world);
    world.due("2026-06-01T00:00:00Z");
    world.due("2026-06-01T02:00:00Z");
    let left = world.rows.rows.keys().map(|key| char::from(key[0]));
    let left: std::collections::BTreeSet<_> = left.collect();
    assert!(left.iter().all(|letter| "ABNOTVX".contains(*letter)), "{left:?}");
}
