//! What the ledger itself says of what went wrong, each rule on the entry that it flags.

use schemas::limits::FINDINGS_PER_HOUR_MAX;
use serde_json::{Value as Json, json};

use super::stage::{
    ONCALL, OPERATOR, OWNER, Said, Stage, contract, grant_id, intent, outcome, start,
};

impl Stage {
    /// A declared agent with a credential and a contract, so that nothing it does is flagged by itself.
    pub(crate) fn clean_agent(&mut self, id: &str, more: &Json) {
        self.agent(id);
        let permissions = json!({ "postgres": ["db:migrate"], "voice": ["voice.call"] });
        self.say(OWNER, contract(id, &permissions, more));
        self.say(
            OPERATOR,
            json!({
                "kind": "credential.registered", "agent": { "id": id },
                "credential": { "id": format!("cred-{id}"), "scopes": ["db:migrate"] },
            }),
        );
        let shown = self.get(&format!("/contracts/{id}"));
        let mut begin = start(id, "w", "t");
        begin["contract"] = shown["digest"].clone();
        self.say(id, begin);
    }

    /// Rules, with what of them, of the findings that flag an entry.
    fn flags(&self, said: &Said) -> Vec<String> {
        let page = self.get("/findings?limit=1000");
        let mut rules: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["flags"] == said.index)
            .map(|finding| match finding["detail"].as_str() {
                Some(detail) => format!("{} {detail}", finding["rule"].as_str().unwrap()),
                None => finding["rule"].as_str().unwrap().to_owned(),
            })
            .collect();
        rules.sort();
        rules
    }
}

const NONE: [&str; 0] = [];

#[test]
fn features_13_24_an_undeclared_session_and_a_breach_of_contract_are_flagged_at_once() {
    let mut stage = Stage::finding();
    stage.clean_agent("clean", &json!({}));
    let fine = stage.say("clean", intent("clean", "w", "ALTER TABLE", "postgres:staging/a"));
    assert_eq!(stage.flags(&fine), NONE);
    let mut push = intent("clean", "w", "repo.push", "github:x");
    push["action"]["system"] = "github".into();
    push["scope"] = json!(["repo:push"]);
    let pushed = stage.say("clean", push);
    assert_eq!(stage.flags(&pushed), ["out_of_contract system"]);
    let found = stage.find("finding:out_of_contract");
    let entry = stage.get(&format!("/entries/{}", found[0]));
    let digest = stage.get("/contracts/clean")["digest"].clone();
    assert_eq!(entry["body"]["contract"], digest, "it cites the contract");
    assert_eq!(entry["body"]["agent"]["id"], "clean");
    assert_eq!(entry["body"]["correlation"], "w", "so the workflow holds it");
    stage.agent("silent");
    let first = stage.say("silent", intent("silent", "w2", "a", "t"));
    let expected =
        ["out_of_contract none", "undeclared_session", "unregistered_credential unknown"];
    assert_eq!(stage.flags(&first), expected);
    let chain = stage.run(&["chain", "w"]);
    assert!(chain.contains("1 finding"), "{chain}");
}

#[test]
fn feature_2_a_credential_of_two_agents_is_flagged_and_a_mere_claim_is_not_sharing() {
    let mut stage = Stage::finding();
    stage.principal("proxy", &["witness"]);
    stage.clean_agent("a", &json!({}));
    stage.clean_agent("b", &json!({}));
    let mut claim = intent("b", "w", "ALTER TABLE", "postgres:staging/a");
    claim["credential"]["id"] = "cred-a".into();
    let claimed = stage.say("b", claim);
    assert_eq!(stage.flags(&claimed), ["unregistered_credential another"]);
    let seen = stage.say("proxy", json!({
        "kind": "witness.observed", "agent": { "id": "b" }, "correlation": "w", "causes": [claimed.id],
        "action": { "name": "ALTER TABLE", "class": "write", "system": "postgres", "target": "postgres:staging/a" },
        "credential": { "id": "cred-a" }, "outcome": { "external_ref": "q-1" },
    }));
    assert_eq!(stage.flags(&seen), ["shared_credential a"]);
}

#[test]
fn features_15_16_39_47_authority_that_is_missing_is_flagged_and_stays_so() {
    let mut stage = Stage::finding();
    stage.principal(ONCALL, &["human"]);
    stage.clean_agent("worker", &json!({}));
    let grant = grant_id(1);
    let act = |stage: &mut Stage, evidence: bool| {
        let mut event = intent("worker", "w", "ALTER TABLE", "postgres:staging/a");
        let mut human = json!({ "type": "human", "id": ONCALL });
        if evidence {
            human["evidence"] = "11".repeat(32).into();
        }
        event["principals"] =
            json!([human, { "type": "agent", "id": "worker", "grant_id": grant }]);
        stage.say("worker", event)
    };
    let early = act(&mut stage, true);
    assert_eq!(stage.flags(&early), ["grant_missing unknown"]);
    stage.say(ONCALL, json!({
        "kind": "delegation.granted",
        "grant": { "id": grant, "to": "worker", "scope": ["db:migrate"], "environment": "staging" },
    }));
    // What falls due comes with the next commit.
    let unproven = act(&mut stage, false);
    assert_eq!(stage.flags(&unproven), ["intent_unproven"]);
    let flags = stage.flags(&early);
    assert_eq!(flags, ["grant_late", "grant_missing unknown"]);
    let child = stage.say("worker", json!({
        "kind": "delegation.granted",
        "grant": { "id": grant_id(2), "parent": grant, "to": "x", "scope": ["db:drop"], "environment": "staging" },
    }));
    assert_eq!(stage.flags(&child), ["scope_widened scope"]);
    stage.say(OPERATOR, json!({ "kind": "principal.disabled", "registry": { "id": ONCALL } }));
    let late = act(&mut stage, true);
    assert_eq!(stage.flags(&late), ["grantor_inactive"]);
}

#[test]
fn features_33_41_42_what_ran_unapproved_unchecked_denied_or_frozen_is_flagged() {
    let mut stage = Stage::finding();
    stage.principal("gate", &["gate"]);
    stage.clean_agent("a", &json!({ "gates": { "ALTER TABLE": ["window"] } }));
    let mut delete = intent("a", "w", "DELETE", "postgres:staging/a");
    delete["action"]["class"] = "destructive".into();
    let said = stage.say("a", delete);
    let mut done = outcome("a", "w", &said, "confirmed");
    done["action"] = json!({ "name": "DELETE", "class": "destructive", "system": "postgres", "target": "postgres:staging/a" });
    let done = stage.say("a", done);
    assert_eq!(stage.flags(&done), ["unapproved_destructive"]);
    let act = |stage: &mut Stage| {
        let said = stage.say("a", intent("a", "w", "ALTER TABLE", "postgres:staging/a"));
        let mut done = outcome("a", "w", &said, "confirmed");
        done["action"] = json!({ "name": "ALTER TABLE", "class": "write", "system": "postgres", "target": "postgres:staging/a" });
        (said, done)
    };
    let (_, unchecked) = act(&mut stage);
    let unchecked = stage.say("a", unchecked);
    assert_eq!(stage.flags(&unchecked), ["unchecked_action window"]);
    let (said, denied) = act(&mut stage);
    stage.say(
        "gate",
        json!({
            "kind": "gate.verdict", "agent": { "id": "a" }, "correlation": "w", "causes": [said.id],
            "verdicts": [{ "gate": "window", "decision": "deny", "reason": "closed" }],
        }),
    );
    let denied = stage.say("a", denied);
    assert_eq!(stage.flags(&denied), ["ran_after_deny"]);
    let key = stage.key_file(OPERATOR);
    stage.run(&["freeze", "on", "env:staging class:write", "--key", &key]);
    let frozen = stage.say("a", intent("a", "w", "ALTER TABLE", "postgres:staging/a"));
    assert_eq!(stage.flags(&frozen), ["during_freeze env:staging class:write"]);
}

#[test]
fn feature_61_a_finding_is_resolved_with_a_reason_and_stays() {
    let mut stage = Stage::finding();
    stage.principal("auditor@example.com", &["auditor"]);
    stage.agent("silent");
    let said = stage.say("silent", intent("silent", "w", "a", "t"));
    let found = stage.find("finding:undeclared_session");
    assert_eq!(found.len(), 1);
    let id = stage.get(&format!("/entries/{}", found[0]))["id"].clone();
    let event = json!({ "kind": "finding.resolved", "causes": [id], "note": "known" });
    let (reason, ..) = stage.refused("silent", event);
    assert_eq!(reason, "role_not_allowed");
    let key = stage.key_file("auditor@example.com");
    let index = format!("#{}", found[0]);
    stage.run(&[
        "finding",
        "resolve",
        &index,
        "--reason",
        "the agent was restarted",
        "--key",
        &key,
    ]);
    let shown = stage.run(&["finding", "ls", "--rule", "undeclared_session"]);
    assert!(
        shown.contains("resolved by auditor@example.com")
            && shown.contains("the agent was restarted"),
        "{shown}"
    );
    assert_eq!(stage.run(&["finding", "ls", "--rule", "undeclared_session", "--open"]), "");
    assert_eq!(stage.find("finding:undeclared_session"), found, "it still counts");
    let flagged = said.index.to_string();
    let other = stage.world.sworn(&[
        "finding",
        "resolve",
        &flagged,
        "--reason",
        "no finding",
        "--key",
        &key,
    ]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    stage.run(&["annotate", &flagged, "--reason", "case-42: asked the team", "--key", &key]);
    let notes = stage.find(&format!("kind:annotation cause:{}", said.id));
    let note = stage.get(&format!("/entries/{}", notes[0]));
    assert_eq!((notes.len(), &note["body"]["note"]), (1, &json!("case-42: asked the team")));
    let explained = stage.run(&["explain", "undeclared_session"]);
    assert!(explained.starts_with("undeclared_session (version 1"), "{explained}");
    let baseline = stage.run(&["baseline", "silent"]);
    assert!(baseline.contains("actions") && baseline.contains("volume"), "{baseline}");
    let why = stage.run(&["why", &said.index.to_string()]);
    assert!(why.contains("undeclared_session"), "{why}");
    stage.world.stop();
    assert_eq!(stage.world.audit().divergences, []);
}

#[test]
fn features_17_18_34_models_sessions_and_unused_rights_are_told_apart() {
    let mut stage = Stage::finding();
    stage.principal("gate", &["gate"]);
    stage.clean_agent("a", &json!({}));
    let session = stage.find("agent:a kind:session.start");
    let session = stage.get(&format!("/entries/{}", session[0]))["body"]["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let model = |name: &str| json!({ "provider": "p", "name": name, "version": "1" });
    for (name, decisions) in [("m1", ["allow", "allow"]), ("m2", ["allow", "deny"])] {
        for decision in decisions {
            let mut event = intent("a", "w", "ALTER TABLE", "postgres:staging/a");
            event["model"] = model(name);
            let said = stage.say("a", event);
            stage.say("gate", json!({
                "kind": "gate.verdict", "agent": { "id": "a" }, "correlation": "w", "causes": [said.id],
                "verdicts": [{ "gate": "g", "decision": decision, "reason": "r" }],
            }));
        }
    }
    let mut push = intent("a", "w", "repo.push", "github:x");
    push["action"]["system"] = "github".into();
    push["scope"] = json!(["repo:push"]);
    let pushed = stage.say("a", push);
    let asked = stage.say(
        "a",
        json!({
            "kind": "scope.requested", "agent": { "id": "a" }, "correlation": "w",
            "scope": ["repo:push"], "task": { "digest": "05".repeat(32) },
        }),
    );
    stage.principal("lead@example.com", &["human", "approver"]);
    let decision = json!({ "request": asked.id, "decision": "deny" });
    stage.say(
        "lead@example.com",
        json!({ "kind": "approval.decided", "causes": [asked.id], "approval": decision }),
    );
    let m2 = stage.find(&format!("session:{session} model:m2"));
    assert_eq!(m2.len(), 2, "only that model's");
    let stats = stage.run(&["stats", "agent:a", "kind:gate.verdict", "--by", "model"]);
    let row = |name: &str| stats.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("m1").contains("0 (0 %)") && row("m2").contains("1 (50 %)"), "{stats}");
    let report = stage.run(&["report", "postmortem", "--session", &session]);
    assert!(report.contains("asked    t"), "{report}");
    let marked: Vec<_> = report.lines().filter(|line| line.starts_with('!')).collect();
    assert!(
        marked.iter().any(|line| line.contains(&format!("#{} repo.push", pushed.index))),
        "{report}"
    );
    assert!(report.contains("out_of_contract"), "{report}");
    let scopes = stage.run(&["report", "scopes", "--agent", "a"]);
    let expected = format!(
        "a  2 granted, 1 used\n  unused  voice: voice.call\n  asked   repo:push at #{}: deny by lead@example.com\n",
        asked.index
    );
    assert_eq!(scopes, expected);
}

#[test]
fn what_others_say_of_an_agent_uses_up_nothing_of_its_own_findings() {
    let mut stage = Stage::finding();
    stage.principal("proxy", &["witness"]);
    stage.clean_agent("a", &json!({}));
    let push = json!({
        "name": "repo.push", "class": "write", "system": "github", "target": "github:x",
    });
    let bound = u64::from(FINDINGS_PER_HOUR_MAX);
    let seen: Vec<_> = (0..=bound)
        .map(|n| {
            let event = json!({
                "kind": "witness.observed", "agent": { "id": "a" }, "correlation": "w",
                "action": push, "credential": { "id": "cred-a" },
                "outcome": { "external_ref": format!("push-{n}") },
            });
            stage.say("proxy", event).index
        })
        .collect();
    let found = |stage: &Stage| {
        stage.get("/count?q=finding:out_of_contract+agent:a+since:0")["count"].as_u64().unwrap()
    };
    let hour = |index: &u64| {
        let entry = stage.get(&format!("/entries/{index}"));
        entry["received_at"].as_str().unwrap()[..13].to_owned()
    };
    // The bound is of the hour that the clock shows.
    let is_one_hour = hour(&seen[0]) == hour(seen.last().unwrap());
    let told = found(&stage);
    assert!(told == bound || (told == bound + 1 && !is_one_hour), "{told}");
    let mut own = intent("a", "w", "repo.push", "github:x");
    own["action"] = push.clone();
    let own = stage.say("a", own);
    let flags = stage.flags(&own);
    assert!(flags.iter().any(|flag| flag.starts_with("out_of_contract")), "{flags:?}");
    assert!(found(&stage) > told);
}
