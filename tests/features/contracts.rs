//! Contracts and policies: text, fields and digest say the same, and what is in force is known at any index.

use schemas::id::{hex, sha256};
use serde_json::json;

use super::stage::{OPERATOR, OWNER, Stage, contract};

const YAML: &str = "\
agent:
  name: pr-review-agent
  owner: owner@example.com
  purpose: Review pull requests for security and code quality
  permissions:
    github: [repo:read, pull_request:comment]
    jira: [issue:read, issue:transition]
  execution_mode: autonomous
  expiry: 2099-07-01
  kill_switch: /agents/pr-review-agent/disable
";

#[test]
fn feature_24_a_contract_is_registered_from_its_yaml_and_cited_by_its_digest() {
    let mut stage = Stage::new();
    stage.agent("pr-review-agent");
    let file = stage.world.path("contract.yaml");
    std::fs::write(&file, YAML).unwrap();
    let key = stage.key_file(OWNER);
    let file = file.to_str().unwrap();
    let said = stage.run(&["contract", "register", file, "--key", &key]);
    assert!(said.starts_with("committed #"), "{said}");
    let digest = hex(&sha256(YAML.as_bytes()));
    let shown = stage.run(&["contract", "pr-review-agent"]);
    assert!(shown.contains(&format!("# digest {digest}")) && shown.contains("in force"), "{shown}");
    assert!(shown.ends_with(YAML), "{shown}");
    let found = stage.find(&format!("contract:{digest}"));
    assert_eq!(found.len(), 1, "an entry is found by the contract's digest");
    assert_eq!(stage.find(&format!("contract:{digest} kind:contract.registered")), found);
    let before = (found[0] - 1).to_string();
    stage.fails(3, &["contract", "pr-review-agent", "--at", &before]);
    let second = YAML.replace("jira: [issue:read, issue:transition]", "jira: [issue:read]");
    std::fs::write(file, &second).unwrap();
    stage.run(&["contract", "register", file, "--key", &key]);
    assert!(stage.run(&["contract", "pr-review-agent"]).ends_with(&second));
    let then = stage.run(&["contract", "pr-review-agent", "--at", &found[0].to_string()]);
    assert!(then.ends_with(YAML), "the one in force then: {then}");
    stage.run(&["contract", "review", "pr-review-agent", "--key", &key]);
    stage.run(&["contract", "withdraw", "pr-review-agent", "--key", &key]);
    assert!(stage.run(&["contract", "pr-review-agent"]).contains("not in force"));
}

#[test]
fn feature_25_a_contract_without_an_owner_is_refused_with_its_line() {
    let mut stage = Stage::new();
    stage.agent("pr-review-agent");
    let key = stage.key_file(OWNER);
    let file = stage.world.path("contract.yaml");
    let path = file.to_str().unwrap().to_owned();
    let refuse = |yaml: &str, words: &[&str]| {
        std::fs::write(&file, yaml).unwrap();
        let said = stage.fails(2, &["contract", "register", &path, "--key", &key]);
        assert!(said.contains("SW0108"), "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word}: {said}"));
    };
    refuse(&YAML.replace("  owner: owner@example.com\n", ""), &["line 1", "missing_field"]);
    refuse(&format!("{YAML}colour: blue\n"), &["line 11", "colour", "unknown_field"]);
    refuse(&YAML.replace("2099-07-01", "2020-07-01"), &["line 9", "is over"]);
    let hours = "hours: {action: a, from: 18:00, to: 09:00, zone: Europe/Berlin}\n";
    refuse(&format!("{YAML}{hours}"), &["line 11", "after from"]);
    // The ledger says the same to whoever does not ask the command first.
    let mut event = contract("pr-review-agent", &json!({ "github": ["repo:read"] }), &json!({}));
    event["registry"]["agent"].as_object_mut().unwrap().remove("owner");
    let (reason, place, _) = stage.refused(OWNER, event);
    assert_eq!((reason.as_str(), place.as_str()), ("missing_field", "registry.agent.owner"));
    let mut event = contract("pr-review-agent", &json!({ "github": ["repo:read"] }), &json!({}));
    event["registry"]["agent"]["expiry"] = "2020-07-01".into();
    let (reason, place, _) = stage.refused(OWNER, event);
    assert_eq!((reason.as_str(), place.as_str()), ("invalid_field", "registry.agent.expiry"));
    let mut event = contract("pr-review-agent", &json!({ "github": ["repo:read"] }), &json!({}));
    event["registry"]["digest"] = "00".repeat(32).into();
    let (reason, place, _) = stage.refused(OWNER, event);
    assert_eq!((reason.as_str(), place.as_str()), ("digest_mismatch", "registry.digest"));
}

#[test]
fn feature_27_who_expires_soon_is_listed() {
    let mut stage = Stage::new();
    let day = |days: i64| {
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        date.to_string()[..10].to_owned()
    };
    for (agent, days) in [("soon", 20), ("later", 200)] {
        stage.agent(agent);
        let mut event = contract(agent, &json!({ "mail": ["email.send"] }), &json!({}));
        event["registry"]["agent"]["expiry"] = day(days).into();
        stage.say(OWNER, event);
    }
    let listed = stage.run(&["agent", "ls", "--expiring", "30d"]);
    assert!(listed.contains("soon") && !listed.contains("later"), "{listed}");
    assert_eq!(stage.run(&["agent", "ls", "--expired"]).lines().count(), 1);
}

#[test]
fn feature_48_a_verdicts_policy_leads_to_its_text() {
    let mut stage = Stage::new();
    stage.principal("gate", &["gate"]);
    stage.agent("caller");
    let file = stage.world.path("policy.txt");
    let text = "Call only who has agreed.";
    std::fs::write(&file, text).unwrap();
    let key = stage.key_file(OPERATOR);
    let path = file.to_str().unwrap();
    stage.run(&["policy", "register", path, "--name", "consent", "--key", &key]);
    let digest = hex(&sha256(text.as_bytes()));
    assert_eq!(stage.run(&["policy", "show", &digest]).trim(), text);
    let asked =
        stage.say("caller", super::stage::intent("caller", "w", "voice.call", "+14155550142"));
    let verdict = |policy: &str| {
        json!({
            "kind": "gate.verdict", "agent": { "id": "caller" }, "correlation": "w", "causes": [asked.id],
            "verdicts": [{ "gate": "consent", "decision": "allow", "reason": "agreed", "policy_digest": policy,
                           "basis": { "source": "crm" } }],
        })
    };
    stage.say("gate", verdict(&digest));
    stage.say("gate", verdict(&"00".repeat(32)));
    let why = stage.run(&["why", &asked.index.to_string()]);
    assert!(why.contains(&format!("policy: {text}")), "{why}");
    assert!(why.contains("policy text unknown"), "{why}");
    let (reason, place, _) = stage.refused(OPERATOR, json!({
        "kind": "policy.registered", "registry": { "digest": digest }, "detail": { "text": "Call anybody." },
    }));
    assert_eq!((reason.as_str(), place.as_str()), ("digest_mismatch", "registry.digest"));
}

#[test]
fn a_right_that_an_agent_used_under_another_of_its_names_is_not_called_unused() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let names = json!({ "external": ["entra:7"] });
    stage.say(
        OPERATOR,
        json!({
            "kind": "agent.updated", "agent": { "id": "worker" }, "registry": names,
        }),
    );
    let rights = json!({ "postgres": ["db:migrate", "db:read"] });
    stage.say(OWNER, contract("worker", &rights, &json!({})));
    stage.say("worker", super::stage::intent("entra:7", "w", "migrate", "postgres:prod/a"));
    let report = stage.get("/reports/scopes?agent=entra:7&since=90d");
    assert_eq!(report["items"][0]["unused"], json!({ "postgres": ["db:read"] }));
}

#[test]
fn a_right_that_an_erased_action_may_have_used_is_not_called_unused() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let rights = json!({ "postgres": ["db:migrate", "db:read"] });
    stage.say(OWNER, contract("worker", &rights, &json!({})));
    let acted =
        stage.say("worker", super::stage::intent("worker", "w", "migrate", "postgres:prod/a"));
    let unused = |stage: &Stage| {
        stage.get("/reports/scopes?agent=worker&since=90d")["items"][0]["unused"].clone()
    };
    assert_eq!(unused(&stage), json!({ "postgres": ["db:read"] }));
    let range = [acted.index, acted.index];
    stage.say(OPERATOR, json!({
        "kind": "redaction", "redact": { "ranges": [range], "parts": ["body"], "basis": "gdpr-17" },
    }));
    assert_eq!(unused(&stage), json!(null));
    stage.fails(14, &["report", "scopes", "--agent", "worker"]);
}
