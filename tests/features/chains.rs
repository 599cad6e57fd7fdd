//! Who acted for whom: chains of principals held against the grants as of their index.

use schemas::id::{hex, sha256};
use serde_json::{Value as Json, json};

use super::stage::{
    ONCALL, OPERATOR, OWNER, Said, Stage, contract, grant_id, intent, outcome, start,
};

/// A person, an orchestrator and a worker, each with authority from the one before.
fn release(stage: &mut Stage) -> [String; 2] {
    stage.principal(ONCALL, &["human"]);
    stage.agent("orchestrator-v2");
    stage.agent("db-migration-agent");
    let [g1, g2] = [grant_id(1), grant_id(2)];
    stage.say(
        ONCALL,
        json!({
            "kind": "delegation.granted", "correlation": "release",
            "grant": { "id": g1, "to": "orchestrator-v2", "scope": ["deploy", "db:migrate"],
                       "environment": "staging" },
        }),
    );
    stage.say(
        "orchestrator-v2",
        json!({
            "kind": "delegation.granted", "correlation": "release",
            "grant": { "id": g2, "parent": g1, "to": "db-migration-agent", "scope": ["db:migrate"],
                       "targets": ["postgres:staging/*"], "environment": "staging" },
        }),
    );
    [g1, g2]
}

fn hops([g1, g2]: &[String; 2]) -> Json {
    json!([
        { "type": "human", "id": ONCALL, "evidence": "11".repeat(32) },
        { "type": "agent", "id": "orchestrator-v2", "grant_id": g1 },
        { "type": "agent", "id": "db-migration-agent", "grant_id": g2 },
    ])
}

fn act(stage: &mut Stage, principals: Json, target: &str) -> Said {
    let mut event = intent("db-migration-agent", "release", "ALTER TABLE", target);
    event["principals"] = principals;
    stage.say("db-migration-agent", event)
}

/// What is wrong with each hop, as `rule` or `rule/detail`.
fn faults(stage: &Stage, said: &Said) -> Vec<Vec<String>> {
    let why = stage.get(&format!("/entries/{}/why", said.index));
    let name = |fault: &Json| match fault["detail"].as_str() {
        Some(detail) => format!("{}/{detail}", fault["rule"].as_str().unwrap()),
        None => fault["rule"].as_str().unwrap().to_owned(),
    };
    let hop = |hop: &Json| hop["faults"].as_array().unwrap().iter().map(name).collect();
    why["chain"].as_array().unwrap().iter().map(hop).collect()
}

#[test]
fn feature_14_a_principal_chain_is_found_by_each_hop_and_in_its_order() {
    let mut stage = Stage::new();
    let grants = release(&mut stage);
    let said = act(&mut stage, hops(&grants), "postgres:staging/sessions");
    assert_eq!(faults(&stage, &said), [[""; 0]; 3]);
    let found = |stage: &Stage, query: &str| stage.find(&format!("{query} kind:action.intent"));
    assert_eq!(found(&stage, &format!("principal:{ONCALL}")), [said.index]);
    assert_eq!(found(&stage, &format!("path:\"{ONCALL}>db-migration-agent\"")), [said.index]);
    assert_eq!(found(&stage, &format!("path:\"db-migration-agent>{ONCALL}\"")), [0; 0]);
    let lineage = stage.run(&["lineage", ONCALL]);
    assert!(
        lineage.contains(&format!("{ONCALL} → orchestrator-v2 → db-migration-agent")),
        "{lineage}"
    );
}

#[test]
fn feature_15_a_grant_counts_from_its_own_index_on() {
    let mut stage = Stage::new();
    stage.principal(ONCALL, &["human"]);
    stage.agent("db-migration-agent");
    let grant = grant_id(1);
    let hops = json!([
        { "type": "human", "id": ONCALL, "evidence": "11".repeat(32) },
        { "type": "agent", "id": "db-migration-agent", "grant_id": grant },
    ]);
    let early = act(&mut stage, hops.clone(), "t");
    stage.say(
        ONCALL,
        json!({
            "kind": "delegation.granted", "grant": { "id": grant, "to": "db-migration-agent" },
        }),
    );
    let late = act(&mut stage, hops.clone(), "t");
    stage.say(ONCALL, json!({ "kind": "delegation.revoked", "grant": { "id": grant } }));
    let after = act(&mut stage, hops, "t");
    assert_eq!(faults(&stage, &early)[1], ["grant_missing/unknown"], "it stays so for ever");
    assert_eq!(faults(&stage, &late)[1], [""; 0]);
    assert_eq!(faults(&stage, &after)[1], ["grant_missing/revoked"]);
    // Whoever did not give it cannot take it back; whoever stands above can.
    stage.principal("somebody", &["human"]);
    stage.say(ONCALL, json!({
        "kind": "delegation.granted", "grant": { "id": grant_id(2), "to": "db-migration-agent" },
    }));
    let foreign = json!({ "kind": "delegation.revoked", "grant": { "id": grant_id(2) } });
    let (reason, path, _) = stage.refused("somebody", foreign);
    assert_eq!((reason.as_str(), path.as_str()), ("role_not_allowed", "signer"));
}

#[test]
fn feature_16_what_goes_beyond_a_grant_is_said_hop_by_hop() {
    let mut stage = Stage::new();
    let grants = release(&mut stage);
    let prod = act(&mut stage, hops(&grants), "postgres:prod/sessions");
    assert_eq!(faults(&stage, &prod)[2], ["out_of_scope/target"]);
    stage.say(
        "orchestrator-v2",
        json!({
            "kind": "delegation.granted",
            "grant": { "id": grant_id(3), "parent": grants[0], "to": "db-migration-agent",
                       "scope": ["db:migrate", "repo:delete"], "environment": "staging" },
        }),
    );
    let wide = act(&mut stage, hops(&[grants[0].clone(), grant_id(3)]), "postgres:staging/a");
    assert_eq!(faults(&stage, &wide)[2], ["scope_widened/scope"]);
    let shown = stage.get(&format!("/grants/{}", grant_id(3)));
    assert_eq!(shown["widens"], json!(["scope"]));
    let unproven = json!([
        { "type": "human", "id": "nobody@example.com" },
        { "type": "agent", "id": "db-migration-agent", "grant_id": grants[1] },
    ]);
    let said = act(&mut stage, unproven, "postgres:staging/a");
    let found = faults(&stage, &said);
    assert_eq!(found[0], ["root_unregistered", "intent_unproven"], "feature 39 as well");
    assert_eq!(found[1], ["principal_mismatch"], "somebody else gave that grant");
}

#[test]
fn feature_4_which_agent_and_what_was_it_allowed_is_one_command() {
    let mut stage = Stage::new();
    let grants = release(&mut stage);
    let more = json!({ "environments": ["staging"], "targets": ["postgres:staging/*"] });
    stage.say(OWNER, contract("db-migration-agent", &json!({ "postgres": ["db:migrate"] }), &more));
    stage.say(
        "db-migration-agent",
        start("db-migration-agent", "release", "run pending migrations"),
    );
    let mut event = intent("db-migration-agent", "release", "DROP TABLE", "postgres:prod/sessions");
    event["principals"] = hops(&grants);
    event["action"]["class"] = "destructive".into();
    event["scope"] = json!(["db:drop"]);
    event["environment"] = "production".into();
    event["sources"] = json!([{ "type": "ticket", "ref": "OPS-77" }]);
    let dropped = stage.say("db-migration-agent", event);
    let ended = stage
        .say("db-migration-agent", outcome("db-migration-agent", "release", &dropped, "confirmed"));
    // Asked of what came of it, the answer is about the intent.
    let why = stage.run(&["why", &ended.index.to_string()]);
    for line in [
        "DROP TABLE postgres:prod/sessions (destructive)",
        "agent     db-migration-agent (version 2.3), active then",
        &format!("owner     {OWNER}"),
        &format!("for       {ONCALL}"),
        &format!("chain     {ONCALL} → orchestrator-v2 → db-migration-agent"),
        "out_of_scope (scope), out_of_scope (target), out_of_scope (environment)",
        "permits postgres: db:migrate in staging",
        "used      db:drop · production",
        "task      run pending migrations",
        "model     example-ai example-small 2026-03-01",
        "read      ticket OPS-77",
        &format!("outcome   #{} confirmed", ended.index),
    ] {
        assert!(why.contains(line), "{line}\n{why}");
    }
    assert!(why.lines().count() <= 24, "one screen:\n{why}");
}

#[test]
fn features_28_29_52_53_64_an_action_is_found_by_all_that_it_rests_on() {
    let mut stage = Stage::new();
    stage.agent("a");
    stage.principal("telephony", &["witness"]);
    let mut event = intent("a", "w", "voice.call", "+14155550142");
    event["mode"] = "on_behalf_of".into();
    event["on_behalf_of"] = "requester@company.com".into();
    event["trigger"] = json!({ "type": "webhook", "ref": "pr-opened/4521" });
    event["sources"] = json!([
        { "type": "ticket", "ref": "OPS-77" }, { "type": "page", "ref": "https://x", "digest": "ab".repeat(32) },
    ]);
    event["assertions"] = json!({ "consent_source": "business-relationship" });
    let said = stage.say("a", event.clone());
    let mut done = outcome("a", "w", &said, "confirmed");
    done["outcome"]["external_ref"] = "call-4471".into();
    let done = stage.say("a", done);
    let seen = stage.say("telephony", json!({
        "kind": "witness.observed", "agent": { "id": "a" }, "correlation": "w",
        "action": { "name": "voice.call", "class": "communication", "system": "voice", "target": "+14155550142" },
        "credential": { "id": "cred-a" }, "outcome": { "external_ref": "call-4471" },
    }));
    for query in [
        "user:requester@company.com",
        "agent:a kind:action.intent",
        "trigger:webhook/pr-opened/4521",
        "source:ticket/OPS-77",
        &format!("digest:{}", "ab".repeat(32)),
        "assertion:consent_source=business-relationship",
    ] {
        assert_eq!(stage.find(query), [said.index], "{query}");
    }
    assert_eq!(stage.find("ref:call-4471"), [done.index, seen.index]);
    let why = stage.run(&["why", &said.index.to_string()]);
    assert!(why.contains(&format!("witness   #{} call-4471 by telephony", seen.index)), "{why}");
    event["id"] = grant_id(9).into();
    event["sources"] =
        (0..17).map(|n| json!({ "type": "ticket", "ref": format!("T-{n}") })).collect();
    let (reason, path, _) = stage.refused("a", event);
    assert_eq!((reason.as_str(), path.as_str()), ("invalid_field", "sources"));
}

#[test]
fn feature_6_an_inbound_message_always_begins_or_joins_the_same_workflow() {
    let mut stage = Stage::new();
    stage.principal("mail-boundary", &["boundary"]);
    stage.agent("replier");
    let message = "inv4471@vendor.example";
    let thread = |stage: &Stage, arguments: &[&str]| {
        stage.run(&[&["thread"], arguments].concat()).trim().to_owned()
    };
    let first = thread(&stage, &[message]);
    assert_eq!(first, "mail-a1ee17c948c506a6");
    let key = stage.key_file("mail-boundary");
    let file = stage.world.path("mail.jsonl");
    let observed = json!({
        "kind": "trigger.observed", "trigger": { "type": "mail", "ref": message }, "input": "none",
    });
    for _ in 0..2 {
        std::fs::write(&file, observed.to_string()).unwrap();
        stage.run(&["publish", file.to_str().unwrap(), "--key", &key]);
    }
    assert_eq!(stage.find(&format!("corr:{first}")).len(), 2, "both times the same");
    let reply =
        thread(&stage, &["<r1@customer.example>", "--reference", "<inv4471@vendor.example>"]);
    assert_eq!(reply, first, "a reply joins it");
    // So does the answer to what an agent sent out itself.
    let sent = stage.say("replier", intent("replier", "workflow-abc", "email.send", "x@y"));
    let mut done = outcome("replier", "workflow-abc", &sent, "confirmed");
    done["outcome"]["external_ref"] = "out-1@example.com".into();
    stage.say("replier", done);
    assert_eq!(thread(&stage, &["r2@y", "--reference", "out-1@example.com"]), "workflow-abc");
    let unknown = thread(&stage, &["c@d", "--reference", "a@b", "--reference", "b@c"]);
    assert_eq!(unknown, thread(&stage, &["a@b"]), "a thread begins with its oldest message");
}

#[test]
fn feature_5_a_workflow_holds_its_entries_and_what_caused_them() {
    let mut stage = Stage::new();
    stage.principal("mail-boundary", &["boundary"]);
    stage.agent("a");
    let root = stage.say("mail-boundary", json!({
        "kind": "trigger.observed", "correlation": "mail-1", "trigger": { "type": "mail", "ref": "m@x" },
        "input": "none",
    }));
    let mut begin = start("a", "workflow-1", "answer");
    begin["causes"] = json!([root.id]);
    stage.say("a", begin);
    let said = stage.say("a", intent("a", "workflow-1", "email.send", "x@y"));
    stage.say("a", outcome("a", "workflow-1", &said, "confirmed"));
    let chain = stage.run(&["chain", "workflow-1"]);
    assert!(
        chain.contains("joined by cause") && chain.contains("4 entries (3 counted, 1 joined)"),
        "{chain}"
    );
    let why = stage.run(&["why", &said.index.to_string()]);
    assert!(why.contains(&format!("trigger   mail m@x  #{}", root.index)), "{why}");
}

#[test]
fn feature_35_why_links_grant_policy_approval_and_outcome() {
    let mut stage = Stage::new();
    let grants = release(&mut stage);
    stage.principal("gate", &["gate"]);
    stage.principal("lead@example.com", &["human", "approver"]);
    let text = "Migrate only within the window.";
    let file = stage.world.path("policy.txt");
    std::fs::write(&file, text).unwrap();
    let key = stage.key_file(OPERATOR);
    stage.run(&["policy", "register", file.to_str().unwrap(), "--name", "window", "--key", &key]);
    let said = act(&mut stage, hops(&grants), "postgres:staging/orders");
    let about = |mut event: Json| {
        event["agent"] = json!({ "id": "db-migration-agent" });
        event["correlation"] = "release".into();
        event["causes"] = json!([said.id]);
        event
    };
    stage.say("gate", about(json!({
        "kind": "gate.verdict",
        "verdicts": [{ "gate": "window", "decision": "allow", "reason": "inside", "basis": { "source": "calendar" },
                       "policy_digest": hex(&sha256(text.as_bytes())) }],
    })));
    let request = stage.say(
        "db-migration-agent",
        about(json!({ "kind": "approval.requested", "approval": { "request": said.id } })),
    );
    stage.say(
        "lead@example.com",
        json!({
            "kind": "approval.decided", "causes": [request.id, said.id],
            "approval": { "request": request.id, "decision": "allow" },
        }),
    );
    let ended = stage
        .say("db-migration-agent", outcome("db-migration-agent", "release", &said, "confirmed"));
    let why = stage.run(&["why", &said.index.to_string()]);
    for line in [
        &format!("chain     {ONCALL} → orchestrator-v2 → db-migration-agent"),
        "window allow inside",
        &format!("policy: {text}"),
        "allow by lead@example.com [human:key]",
        &format!("outcome   #{} confirmed", ended.index),
    ] {
        assert!(why.contains(line), "{line}\n{why}");
    }
    let view = stage.get(&format!("/entries/{}/why", said.index)).to_string();
    assert!(grants.iter().all(|grant| view.contains(grant.as_str())), "{view}");
}
