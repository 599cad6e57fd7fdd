//! Approvals: bound to what they allow, marked by who really decided.

use serde_json::{Value as Json, json};

use super::stage::{Said, Stage, intent};

fn asked(stage: &mut Stage) -> (Said, Said) {
    let said = stage.say("payer", intent("payer", "w", "payment", "iban:DE1"));
    let request = stage.say("payer", json!({
        "kind": "approval.requested", "agent": { "id": "payer" }, "correlation": "w", "causes": [said.id],
        "approval": { "request": said.id },
    }));
    (said, request)
}

fn decision(request: &Said, intent: &Said, decision: &str) -> Json {
    json!({
        "kind": "approval.decided", "causes": [request.id, intent.id],
        "approval": { "request": request.id, "decision": decision },
    })
}

#[test]
fn feature_21_the_mark_says_whether_a_human_decided() {
    let mut stage = Stage::new();
    stage.agent("payer");
    stage.principal("lead@example.com", &["human", "approver"]);
    stage.principal("api", &["api", "approver"]);
    stage.principal("bot", &["service", "approver"]);
    let mut marks = Vec::new();
    for (who, login) in [("lead@example.com", false), ("api", true), ("bot", false), ("bot", true)]
    {
        let (said, request) = asked(&mut stage);
        let mut event = decision(&request, &said, "allow");
        if login {
            event["on_behalf_of"] = "jane@example.com".into();
            event["subject"] = json!({ "issuer": "https://login.example.com", "sub": "jane" });
        }
        stage.say(who, event);
        let why = stage.get(&format!("/entries/{}/why", said.index));
        marks.push(why["approvals"][0]["human"].as_str().unwrap().to_owned());
        if login && who == "api" {
            assert_eq!(why["approvals"][0]["subject"], "jane");
            let screen = stage.run(&["why", &said.index.to_string()]);
            assert!(screen.contains("allow by api for jane@example.com [human:oidc]"), "{screen}");
        }
    }
    assert_eq!(marks, ["human:key", "human:oidc", "human:no", "human:no"]);
    let (said, request) = asked(&mut stage);
    let mut claimed = decision(&request, &said, "allow");
    claimed["human"] = true.into();
    // Nobody can say so of himself: there is no such field.
    let refused = schemas::body::from_json(&claimed).unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.cause.path.as_str()), ("unknown_field", "human"));
    assert_eq!(stage.run(&["approval", "ls", "--open"]).lines().count(), 1);
    let key = stage.key_file("lead@example.com");
    let decided = stage.run(&[
        "approval",
        "decide",
        &request.id,
        "deny",
        "--reason",
        "no order",
        "--key",
        &key,
    ]);
    assert!(decided.starts_with("committed #"), "{decided}");
    assert_eq!(stage.run(&["approval", "ls", "--open"]).lines().count(), 0);
    let listed = stage.run(&["approval", "ls", "--approver", "lead@example.com"]);
    assert!(listed.contains("deny by lead@example.com [human:key]"), "{listed}");
    assert_eq!(stage.find("approver:lead@example.com").len(), 2);
}

#[test]
fn feature_26_who_may_not_decide_is_refused() {
    let mut stage = Stage::new();
    stage.agent("payer");
    let (said, request) = asked(&mut stage);
    let (reason, path, _) = stage.refused("payer", decision(&request, &said, "allow"));
    assert_eq!(
        (reason.as_str(), path.as_str()),
        ("role_not_allowed", "kind"),
        "no agent approves itself"
    );
}

#[test]
fn feature_9_a_denied_call_leaves_its_intent_and_the_denial_alone() {
    let mut stage = Stage::new();
    stage.agent("caller");
    stage.principal("gate", &["gate"]);
    let said = stage.say("caller", intent("caller", "w", "voice.call", "+14155550142"));
    let denied = stage.say("gate", json!({
        "kind": "gate.verdict", "agent": { "id": "caller" }, "correlation": "w", "causes": [said.id],
        "verdicts": [{ "gate": "tcpa_consent", "decision": "deny", "reason": "consent_source_missing" }],
    }));
    assert_eq!(stage.find("outcome:denied corr:w"), [denied.index]);
    assert_eq!(stage.find("reason:consent_source_missing"), [denied.index]);
    let why = stage.run(&["why", &said.index.to_string()]);
    assert!(why.contains("tcpa_consent deny consent_source_missing"), "{why}");
    assert!(why.contains("outcome   none is known"), "{why}");
    let chain = stage.run(&["chain", "w"]);
    assert!(chain.contains("denied") && chain.contains("2 entries"), "{chain}");
}
