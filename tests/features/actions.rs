//! What actions and sessions have to say, and what is kept of it.

use schemas::id::{hex, sha256};
use serde_json::json;

use super::stage::{OPERATOR, Stage, intent, outcome, start};

#[test]
fn feature_13_a_session_declares_what_it_is_for() {
    let mut stage = Stage::new();
    stage.agent("a");
    for field in ["task", "model", "contract", "attestation", "previous"] {
        let mut event = start("a", "w", "t");
        event.as_object_mut().unwrap().remove(field);
        let (reason, path, _) = stage.refused("a", event);
        assert_eq!((reason.as_str(), path.as_str()), ("missing_field", field));
    }
    for field in ["name", "version", "build"] {
        let mut event = start("a", "w", "t");
        event["agent"].as_object_mut().unwrap().remove(field);
        let (reason, path, _) = stage.refused("a", event);
        assert_eq!((reason, path), ("missing_field".to_owned(), format!("agent.{field}")));
    }
    // What came before the declaration is recorded all the same.
    stage.say("a", intent("a", "w", "x", "t"));
    let declared = stage.say("a", start("a", "w", "pay invoices"));
    let why = stage.get(&format!("/entries/{}/why", declared.index));
    assert_eq!(why["session"]["task"]["summary"], "pay invoices");
}

#[test]
fn feature_30_what_was_said_and_done_is_kept_by_digest() {
    let mut stage = Stage::new();
    stage.agent("a");
    let prompt = "Pay the invoice.";
    let mut event = intent("a", "w", "pay", "iban:DE1");
    event["prompt"] = json!({ "digest": hex(&sha256(prompt.as_bytes())), "size": prompt.len() });
    event["detail"] = json!({ "prompt": prompt });
    let said = stage.say("a", event);
    let found = stage.find(&format!("digest:{}", hex(&sha256(prompt.as_bytes()))));
    assert_eq!(found, [said.index], "the original leads to the entry");
    let mut without = intent("a", "w", "pay", "t");
    without.as_object_mut().unwrap().remove("prompt");
    let (reason, path, _) = stage.refused("a", without);
    assert_eq!((reason.as_str(), path.as_str()), ("missing_field", "prompt"));
    stage.say("a", intent("a", "w", "pay", "t"));
    let key = stage.key_file(OPERATOR);
    let entry = said.index.to_string();
    stage.run(&[
        "admin",
        "redact",
        "--entries",
        &entry,
        "--part",
        "detail",
        "--basis",
        "gdpr-17",
        "--key",
        &key,
    ]);
    let trust = stage.get("/status")["verifier_key"].as_str().unwrap().to_owned();
    let verified = stage.world.sworn(&["verify", "--trust", &trust]);
    let shown = crate::harness::text(&verified);
    assert!(verified.status.success() && shown.contains("1 redacted"), "{shown}");
}

#[test]
fn feature_31_what_a_session_attests_is_shown_with_what_is_expected() {
    let mut stage = Stage::new();
    stage.say(
        OPERATOR,
        json!({
            "kind": "agent.registered", "agent": { "id": "a" }, "owner": super::stage::OWNER,
            "registry": { "build": "aa".repeat(32), "environment": "production" },
        }),
    );
    stage.enrol("a");
    let mut event = start("a", "w", "t");
    event["attestation"] =
        json!({ "type": "slsa", "build": "bb".repeat(32), "environment": "staging" });
    let said = stage.say("a", event);
    let why = stage.get(&format!("/entries/{}/why", said.index));
    assert_eq!(why["session"]["attestation"]["build"], "bb".repeat(32));
    assert_eq!(why["agent"]["build"], "aa".repeat(32));
    assert_eq!(why["agent"]["environment"], "production");
}

#[test]
fn feature_38_a_credential_is_known_with_its_life_and_its_end() {
    let mut stage = Stage::new();
    stage.agent("a");
    let key = stage.key_file(OPERATOR);
    let register = [
        "credential",
        "register",
        "cred-7",
        "--agent",
        "a",
        "--type",
        "oauth",
        "--scope",
        "x",
        "--lifetime",
        "90d",
        "--key",
        &key,
    ];
    stage.run(&register);
    let holder = stage.get("/credentials/cred-7")["holders"][0].clone();
    let time = |name: &str| holder[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let life = time("expires").duration_since(time("issued"));
    assert_eq!(life.as_hours(), 90 * 24);
    stage.run(&["credential", "revoke", "cred-7", "--reason", "leaked", "--key", &key]);
    assert!(stage.get("/credentials/cred-7")["holders"][0]["revoked"].is_u64());
    stage.fails(6, &["credential", "revoke", "cred-7", "--key", &key]);
    assert_eq!(stage.find("cred:cred-7 -status:rejected").len(), 2);
}

#[test]
fn feature_41_a_verdicts_risk_and_policy_are_kept() {
    let mut stage = Stage::new();
    stage.agent("a");
    stage.principal("gate", &["gate"]);
    let said = stage.say("a", intent("a", "w", "x", "t"));
    stage.say("gate", json!({
        "kind": "gate.verdict", "agent": { "id": "a" }, "correlation": "w", "causes": [said.id],
        "verdicts": [{ "gate": "g", "decision": "allow", "reason": "low", "risk": 12, "policy_digest": "cc".repeat(32) }],
    }));
    stage.say("a", outcome("a", "w", &said, "confirmed"));
    let why = stage.get(&format!("/entries/{}/why", said.index));
    assert_eq!(why["verdicts"][0]["risk"], 12);
    assert_eq!(why["verdicts"][0]["policy"]["digest"], "cc".repeat(32));
    assert_eq!(why["outcomes"][0]["status"], "confirmed");
}

#[test]
fn feature_43_from_nothing_to_a_receipt_takes_three_commands() {
    let stage = Stage::new();
    let operator = stage.key_file(OPERATOR);
    let began = std::time::Instant::now();
    stage.run(&[
        "agent",
        "register",
        "new-agent",
        "--owner",
        super::stage::OWNER,
        "--purpose",
        "try it",
        "--enroll",
        "new.key",
        "--key",
        &operator,
    ]);
    std::fs::write(
        stage.world.path("event.json"),
        start("new-agent", "w", "first steps").to_string(),
    )
    .unwrap();
    let published = stage.run(&["publish", "event.json", "--key", "new.key"]);
    assert!(published.contains("committed #"), "{published}");
    assert!(began.elapsed().as_secs() < 60);
    assert_eq!(stage.get("/agents/new-agent")["agent"]["purpose"], "try it");
}

#[test]
fn feature_59_what_a_publisher_lost_is_said_by_itself() {
    let mut stage = Stage::new();
    stage.agent("a");
    stage.say("a", start("a", "w", "t"));
    let mut later = intent("a", "w", "x", "t");
    later["seq"] = json!({ "n": 5, "prev": "11".repeat(32) });
    stage.say("a", later);
    let chain = stage.run(&["chain", "w"]);
    assert!(chain.contains("numbers 2 to 4 of a never reached the ledger"), "{chain}");
    let mut lost = json!({ "kind": "gap.declared", "correlation": "w", "agent": { "id": "a" }, "gap": { "from": 2, "to": 4 } });
    lost["seq"] = json!({ "n": 6, "prev": "11".repeat(32) });
    stage.say("a", lost);
    let chain = stage.run(&["chain", "w"]);
    assert!(chain.contains("numbers 2 to 4 of a are lost, as it declares itself"), "{chain}");
}
