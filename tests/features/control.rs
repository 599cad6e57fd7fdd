//! The kill switch: what it stops, who hears of it, and by which ways it is reached.

use schemas::id::hex;
use serde_json::{Value as Json, json};

use super::stage::{ONCALL, OPERATOR, Stage, grant_id, intent, start};
use crate::harness::text;

#[test]
fn features_22_56_what_a_kill_stops_is_shown_before_and_stopped_at_once() {
    let mut stage = Stage::new();
    stage.principal(ONCALL, &["human"]);
    stage.agent("orchestrator-v2");
    stage.agent("db-migration-agent");
    stage.agent("bystander");
    let [g1, g2] = [grant_id(1), grant_id(2)];
    stage.say(
        ONCALL,
        json!({
            "kind": "delegation.granted", "grant": { "id": g1, "to": "orchestrator-v2" },
        }),
    );
    stage.say("orchestrator-v2", start("orchestrator-v2", "release", "deploy staging release"));
    stage.say("orchestrator-v2", json!({
        "kind": "delegation.granted", "grant": { "id": g2, "parent": g1, "to": "db-migration-agent" },
    }));
    let dry = stage.run(&["agent", "disable", "orchestrator-v2", "--dry-run"]);
    assert!(dry.starts_with("1 live session, 1 child grant, 0 sharers\n"), "{dry}");
    assert!(dry.contains("deploy staging release") && dry.contains(&g2), "{dry}");
    assert_eq!(stage.get("/agents/orchestrator-v2")["agent"]["state"], "active");
    for agent in ["db-migration-agent", "bystander"] {
        stage.say(OPERATOR, json!({
            "kind": "credential.registered", "agent": { "id": agent }, "credential": { "id": "cred-7" },
        }));
    }
    let dry = stage.run(&["agent", "disable", "db-migration-agent", "--dry-run"]);
    assert!(dry.starts_with("0 live sessions, 0 child grants, 1 sharer\n"), "{dry}");
    assert!(dry.contains("sharer   bystander  of cred-7"), "{dry}");
    stage.fails(3, &["agent", "disable", "nobody", "--dry-run"]);
    let key = stage.key_file(OPERATOR);
    let disabled = stage.run(&[
        "agent",
        "disable",
        "db-migration-agent",
        "--reason",
        "case-42",
        "--key",
        &key,
    ]);
    assert!(disabled.starts_with("committed #"), "{disabled}");
    let (reason, ..) =
        stage.refused("db-migration-agent", intent("db-migration-agent", "w", "a", "t"));
    assert_eq!(reason, "disabled_agent");
    assert_eq!(stage.find("status:rejected agent:db-migration-agent").len(), 1);
    stage.say("orchestrator-v2", intent("orchestrator-v2", "w", "a", "t"));
    stage.say("bystander", start("bystander", "w", "goes on"));
}

#[test]
fn feature_22_a_gateway_that_was_away_catches_up() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let before = stage.get("/status")["size"].as_u64().unwrap() - 1;
    stage.say("worker", start("worker", "w", "t"));
    let about = |kind: &str| json!({ "kind": kind, "agent": { "id": "worker" } });
    let stopped = stage.say(OPERATOR, about("agent.disabled"));
    let again = stage.say(OPERATOR, about("agent.enabled"));
    let page = stage.get(&format!("/control?after={before}"));
    let items = page["items"].as_array().unwrap();
    let indexes: Vec<_> = items.iter().map(|item| item["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [stopped.index, again.index], "changes of state and nothing else");
    assert_eq!(items[0]["entry"]["body"]["kind"], "agent.disabled");
    // Each comes with the proof that the announcement on the broker has.
    let receipt = schemas::id::unhex(items[0]["receipt"].as_str().unwrap()).unwrap();
    let ledger = stage.world.ledger_public();
    let mut response =
        ureq::get(stage.world.url(&format!("/api/v1/entries/{}/leaf", stopped.index)))
            .header("Accept", "application/cbor")
            .call()
            .unwrap();
    let leaf = response.body_mut().read_to_vec().unwrap();
    let proved = schemas::receipt::verify(&receipt, &leaf, ledger.verifying_key()).unwrap();
    assert_eq!(proved.index.0, stopped.index);
    let next = page["next_after"].as_u64().unwrap();
    assert_eq!(stage.get(&format!("/control?after={next}"))["items"], json!([]));
}

fn post(stage: &Stage, path: &str, message: &[u8]) -> (u16, Json) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.post(stage.world.url(path)).send(message).unwrap();
    (response.status().as_u16(), response.body_mut().read_json().unwrap())
}

#[test]
fn feature_22_the_switch_works_over_http_while_the_broker_is_down() {
    let mut stage = Stage::new();
    stage.agent("worker");
    stage.agent("other");
    let path = "/api/v1/agents/worker/disable";
    let impact = post(&stage, &format!("{path}?dry_run=true"), &[]);
    assert_eq!((impact.0, impact.1["agent"].as_str()), (200, Some("worker")));
    let (status, problem) = post(&stage, path, b"nonsense");
    assert_eq!((status, problem["code"].as_str()), (400, Some("other-statement")));
    let about = |agent: &str| json!({ "kind": "agent.disabled", "agent": { "id": agent } });
    let (foreign, _) = stage.sign(OPERATOR, about("other"));
    assert_eq!(post(&stage, path, &foreign).0, 400, "another agent than the path's");
    let (last, stream) = stage.sign("worker", start("worker", "w", "t"));
    stage.submit("worker", &last, stream);
    let (message, _) = stage.sign(OPERATOR, about("worker"));
    assert_eq!(post(&stage, &format!("{path}?dry_run=maybe"), &message).0, 400);
    stage.world.stop_nats();
    // As the description of the API has it, a flag may be false.
    let (status, answer) = post(&stage, &format!("{path}?dry_run=false"), &message);
    assert_eq!(
        (status, answer["outcomes"][0]["fate"].as_str()),
        (200, Some("committed")),
        "{answer}"
    );
    let index = answer["outcomes"][0]["index"].as_u64().unwrap();
    assert_eq!(stage.get("/agents/worker")["agent"]["state"], "disabled");
    let (status, again) = post(&stage, "/api/v1/submissions", &message);
    assert_eq!((status, again["outcomes"][0]["fate"].as_str()), (200, Some("duplicate")));
    assert_eq!(again["outcomes"][0]["index"].as_u64(), Some(index));
    let (next, _) = stage.sign("worker", intent("worker", "w", "a", "t"));
    let (status, problem) = post(&stage, "/api/v1/submissions", &next);
    assert_eq!((status, problem["reason"].as_str()), (422, Some("disabled_agent")), "{problem}");
    assert_eq!(problem["cause"]["path"], "signer");
    let (fine, _) = stage.sign("other", start("other", "w", "goes on"));
    assert_eq!(post(&stage, "/api/v1/submissions", &fine).0, 200);
    let mut conflict = start("other", "w", "another");
    conflict["id"] = EVENT.into();
    let (one, _) = stage.sign("other", conflict.clone());
    post(&stage, "/api/v1/submissions", &one);
    let (two, _) = stage.sign("other", conflict);
    let (status, problem) = post(&stage, "/api/v1/submissions", &two);
    assert_eq!((status, problem["reason"].as_str()), (409, Some("id_conflict")));
    let (status, problem) = post(&stage, "/api/v1/submissions", &[0xff; 20]);
    assert_eq!(
        (status, problem["reason"].as_str()),
        (422, Some("malformed")),
        "{}",
        hex(&message[..4])
    );
}

#[test]
fn feature_22_the_commands_reach_the_server_while_the_broker_is_down() {
    let mut stage = Stage::new();
    stage.agent("worker");
    let key = stage.key_file(OPERATOR);
    stage.world.stop_nats();
    // On the switch's own path, and on that of every submission.
    for (command, state) in [("disable", "disabled"), ("enable", "active")] {
        let arguments = ["agent", command, "worker", "--key", key.as_str(), "--timeout", "2s"];
        let output = stage.world.sworn(&arguments);
        let said = text(&output);
        assert!(output.status.success() && said.contains("committed #"), "{said}");
        assert!(said.contains("sending the same to the server instead"), "{said}");
        assert_eq!(stage.get("/agents/worker")["agent"]["state"], state);
    }
}

const EVENT: &str = "019d6b2c-ee80-7001-8002-030405060708";
