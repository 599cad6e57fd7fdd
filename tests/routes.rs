//! Each finding comes to its owner, signed; how that ended is in the ledger, exactly once, whatever happens between.

mod receiver;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value as Json, json};

use crate::features::stage::{OPERATOR, OWNER, Stage, intent};
use crate::harness::until;
use receiver::{Answer, Receiver, SECRET};

/// A receiver's lines in the configuration file.
fn route(stage: &Stage, name: &str, url: &str, more: &str) -> String {
    let file = stage.world.path("route.secret");
    std::fs::write(&file, SECRET).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.display();
    format!("[[routes]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"{file}\"\n{more}\n")
}

/// Starts the server anew with this configuration.
fn configure(stage: &mut Stage, text: &str) {
    std::fs::write(stage.world.path("sworn.toml"), text).unwrap();
    stage.world.stop();
    stage.world.serve();
}

/// Lets a registered agent do what its contract does not allow; gives id and index of the one finding.
fn breach(stage: &mut Stage, agent: &str) -> (String, u64) {
    let mut event = intent(agent, "w", "VACUUM", "postgres:staging/a");
    event["scope"] = json!(["db:vacuum"]);
    let said = stage.say(agent, event);
    let page = stage.get("/findings?limit=1000");
    let found: Vec<_> = items(&page).filter(|finding| finding["flags"] == said.index).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["rule"], "out_of_contract");
    (found[0]["id"].as_str().unwrap().to_owned(), found[0]["index"].as_u64().unwrap())
}

fn items(page: &Json) -> impl Iterator<Item = &Json> {
    page["items"].as_array().unwrap().iter()
}

/// The delivery of a finding, once it is in the ledger.
fn delivery(stage: &Stage, id: &str) -> Json {
    let settled = until("the delivery", || {
        let page = stage.get("/findings?limit=1000");
        let of = items(&page).find(|finding| finding["id"] == id).unwrap()["delivery"].clone();
        of.is_object().then_some(of)
    });
    let entries = stage.find(&format!("kind:delivery cause:{id} not:status:rejected"));
    assert_eq!(entries, [settled["index"].as_u64().unwrap()], "exactly one entry");
    settled
}

fn scene() -> Stage {
    let mut stage = Stage::finding();
    stage.clean_agent("a", &json!({}));
    stage
}

#[test]
fn feature_25_a_finding_comes_once_to_its_owner_signed_and_is_recorded() {
    let mut stage = scene();
    let (old, _) = breach(&mut stage, "a");
    let (owners, others) = (Receiver::start(Answer::ok), Receiver::start(Answer::ok));
    let text =
        route(&stage, OWNER, &owners.url("/in"), "") + &route(&stage, "*", &others.url("/"), "");
    configure(&mut stage, &text);
    let (id, index) = breach(&mut stage, "a");
    let told = delivery(&stage, &id);
    assert_eq!(
        (&told["code"], &told["note"]),
        (&json!("delivered"), &json!(format!("route {OWNER}: 200 after 1 attempt")),)
    );
    let request = owners.request(0);
    assert!(request.is_signed() && request.path == "/in");
    assert_eq!(request.header("sworn-id"), id);
    let body = request.json();
    assert_eq!(
        (&body["type"], &body["id"], &body["index"]),
        (&json!("finding"), &json!(id), &json!(index))
    );
    assert_eq!(
        (&body["owner"], &body["agent"], &body["rule"]),
        (&json!(OWNER), &json!("a"), &json!("out_of_contract"))
    );
    assert_eq!(body["entry"]["body"]["kind"], "finding");
    assert_eq!(body["chain"], stage.get(&format!("/entries/{index}"))["chain"]);
    let [leaf, receipt] =
        ["leaf", "receipt"].map(|name| schemas::id::unhex(body[name].as_str().unwrap()).unwrap());
    let key = stage.world.ledger_public();
    let proven = schemas::receipt::verify(&receipt, &leaf, key.verifying_key()).unwrap();
    assert_eq!(proven.index.0, index);
    assert!(stage.find(&format!("kind:delivery cause:{old}")).is_empty(), "older than routing");
    let listed = stage.run(&["finding", "ls"]);
    assert_eq!(listed.matches("  delivered").count(), 1, "{listed}");
    assert!(!listed.contains("pending"), "{listed}");
    // What no owner is known of goes to the route for all others.
    stage.principal("proxy", &["witness"]);
    let seen = stage.say("proxy", json!({
        "kind": "witness.observed", "agent": { "id": "agent-x" }, "correlation": "w2",
        "action": { "name": "SELECT", "class": "read", "system": "postgres", "target": "postgres:staging/a" },
        "credential": { "id": "cred-x" }, "outcome": { "external_ref": "q-1" },
    }));
    let page = stage.get("/findings?limit=1000");
    let shadows: Vec<_> = items(&page).filter(|finding| finding["flags"] == seen.index).collect();
    assert!(!shadows.is_empty());
    for finding in &shadows {
        assert_eq!(delivery(&stage, finding["id"].as_str().unwrap())["code"], "delivered");
    }
    assert_eq!((owners.count(), others.count()), (1, shadows.len()));
    stage.world.stop();
    assert_eq!(stage.world.audit().divergences, []);
}

#[test]
fn the_registry_names_a_route_and_an_owner_is_the_one_of_the_findings_index() {
    let mut stage = scene();
    let pager = Receiver::start(Answer::ok);
    let registry = json!({ "id": "team-b", "roles": ["owner"], "route": "pager/b" });
    // Operators agree to it, which is as good as saying it.
    let operation = json!({ "kind": "principal.registered", "registry": registry });
    let proposal = json!({ "kind": "proposal", "registry": { "m": 1, "operation": operation } });
    let proposed = stage.say(OPERATOR, proposal);
    stage.say(OPERATOR, json!({ "kind": "proposal.approved", "causes": [proposed.id] }));
    let text = route(&stage, "pager/b", &pager.url("/"), "");
    configure(&mut stage, &text);
    let (before, _) = breach(&mut stage, "a");
    assert_eq!(delivery(&stage, &before)["code"], "no_route");
    // While nothing is delivered, the agent changes hands, and back; each finding keeps to its own time.
    stage.say(
        OPERATOR,
        json!({ "kind": "agent.updated", "agent": { "id": "a" }, "owner": "team-b", "registry": { "purpose": "p" } }),
    );
    pager.answer(|_| Answer::Status(500));
    let (during, _) = breach(&mut stage, "a");
    pager.wait(1);
    stage.say(OPERATOR, json!({ "kind": "agent.updated", "agent": { "id": "a" }, "owner": OWNER, "registry": { "purpose": "p" } }));
    let registry = json!({ "id": "team-b", "roles": ["owner"], "route": "elsewhere" });
    stage.say(OPERATOR, json!({ "kind": "principal.registered", "registry": registry }));
    pager.answer(Answer::ok);
    stage.world.stop();
    stage.world.serve();
    assert_eq!(delivery(&stage, &during)["code"], "delivered");
    let (after, _) = breach(&mut stage, "a");
    assert_eq!(delivery(&stage, &after)["code"], "no_route");
    assert_eq!(pager.ids().iter().filter(|id| **id != during).count(), 0);
}

#[test]
fn feature_25_a_dead_route_is_tried_again_and_then_recorded_as_failed() {
    let mut stage = scene();
    let failing = Receiver::start(|_| Answer::Status(503));
    let text = route(&stage, "*", &failing.url("/"), "attempts = 3\npause_ms = 1");
    configure(&mut stage, &text);
    let (id, _) = breach(&mut stage, "a");
    let told = delivery(&stage, &id);
    assert_eq!(told["code"], "failed");
    assert_eq!(told["note"], "route *: it answers 503, after 3 attempts");
    assert_eq!(failing.ids(), [id.as_str(); 3], "the same id in each attempt");
    // Nobody listens there at all.
    let url = failing.url("/");
    drop(failing);
    let text = route(&stage, "*", &url, "attempts = 2\npause_ms = 1");
    configure(&mut stage, &text);
    let (id, _) = breach(&mut stage, "a");
    let told = delivery(&stage, &id);
    assert_eq!(
        (&told["code"], &told["note"]),
        (&json!("failed"), &json!("route *: no answer: connection refused, after 2 attempts"),)
    );
    let routes = stage.get("/routes");
    assert_eq!(
        (&routes["items"][0]["failed"], &routes["items"][0]["waiting"]),
        (&json!(1), &json!(0))
    );
    let listed = stage.run(&["finding", "ls"]);
    assert!(listed.contains("  failed"), "{listed}");
}

#[test]
fn a_redirection_is_not_followed() {
    let mut stage = scene();
    let elsewhere = Receiver::start(Answer::ok);
    let target = elsewhere.url("/");
    let first = Receiver::start(move |_| Answer::Redirect(target.clone()));
    let text = route(&stage, "*", &first.url("/"), "attempts = 2\npause_ms = 1");
    configure(&mut stage, &text);
    let (id, _) = breach(&mut stage, "a");
    let told = delivery(&stage, &id);
    assert_eq!(
        told["note"],
        "route *: it answers 307: redirections are not followed, after 2 attempts"
    );
    assert_eq!((first.count(), elsewhere.count()), (2, 0));
}

#[test]
fn a_route_that_hangs_holds_up_neither_another_nor_a_commit() {
    let mut stage = scene();
    stage.clean_agent("b", &json!({}));
    stage.principal("team-b", &["owner"]);
    stage.say(
        OPERATOR,
        json!({ "kind": "agent.updated", "agent": { "id": "b" }, "owner": "team-b", "registry": { "purpose": "p" } }),
    );
    let (hanging, quick) = (Receiver::start(|_| Answer::Hang), Receiver::start(Answer::ok));
    let text =
        route(&stage, OWNER, &hanging.url("/"), "") + &route(&stage, "team-b", &quick.url("/"), "");
    configure(&mut stage, &text);
    let held: Vec<_> = (0..4).map(|_| breach(&mut stage, "a").0).collect();
    hanging.wait(1);
    for _finding in 0..4 {
        let (id, _) = breach(&mut stage, "b");
        assert_eq!(delivery(&stage, &id)["code"], "delivered");
    }
    let page = stage.get("/findings?limit=1000");
    let is_held = |finding: &&Json| held.iter().any(|id| finding["id"] == *id);
    let open = items(&page).filter(is_held).filter(|finding| finding["delivery"].is_null());
    assert_eq!(open.count(), 4);
    let listed = stage.run(&["finding", "ls", "--agent", "a"]);
    assert_eq!(listed.matches("  pending").count(), 4, "{listed}");
    stage.world.stop();
    assert_eq!(stage.world.audit().divergences, []);
}

#[test]
fn a_crash_between_answer_and_entry_repeats_the_message_under_the_same_id() {
    let mut stage = scene();
    let receiver = Receiver::start(|_| Answer::Hang);
    let text = route(&stage, "*", &receiver.url("/"), "");
    configure(&mut stage, &text);
    let (id, _) = breach(&mut stage, "a");
    // The receiver has the message; the server never hears of it.
    receiver.wait(1);
    stage.world.kill();
    receiver.answer(Answer::ok);
    stage.world.serve();
    assert_eq!(delivery(&stage, &id)["code"], "delivered");
    assert_eq!(receiver.ids(), [id.as_str(), id.as_str()]);
    // What is settled stays so, even where the position is lost.
    stage.world.stop();
    std::fs::remove_file(stage.world.path("data/routes.position")).unwrap();
    stage.world.serve();
    let (next, _) = breach(&mut stage, "a");
    assert_eq!(delivery(&stage, &next)["code"], "delivered");
    delivery(&stage, &id);
    assert_eq!(receiver.ids(), [id.as_str(), id.as_str(), next.as_str()]);
    stage.world.stop();
    assert_eq!(stage.world.audit().divergences, []);
}

#[test]
fn a_restart_goes_on_and_nobody_can_pretend_that_a_finding_was_delivered() {
    let mut stage = scene();
    let receiver = Receiver::start(|_| Answer::Status(500));
    let text = route(&stage, "*", &receiver.url("/"), "pause_ms = 900000");
    configure(&mut stage, &text);
    let ids: Vec<_> = (0..3).map(|_| breach(&mut stage, "a").0).collect();
    receiver.wait(3);
    for id in &ids {
        let pretended = json!({ "kind": "delivery", "causes": [id], "code": "delivered" });
        let (message, _) = stage.sign("a", pretended);
        let reply = stage.submit("a", &message, schemas::kind::Stream::In);
        let fate = &reply.outcomes[0].fate;
        assert!(matches!(fate, schemas::reply::Fate::Rejected(_)), "{fate:?}");
    }
    receiver.answer(Answer::ok);
    stage.world.stop();
    stage.world.serve();
    for id in &ids {
        assert_eq!(delivery(&stage, id)["code"], "delivered");
    }
    assert_eq!(receiver.count(), 6);
}

#[test]
fn what_is_beyond_a_routes_rate_waits_and_is_not_dropped() {
    let mut stage = scene();
    let receiver = Receiver::start(Answer::ok);
    let text = route(&stage, "*", &receiver.url("/"), "rate_per_minute = 2");
    configure(&mut stage, &text);
    let ids: Vec<_> = (0..3).map(|_| breach(&mut stage, "a").0).collect();
    for id in ids.get(..2).unwrap() {
        assert_eq!(delivery(&stage, id)["code"], "delivered");
    }
    until("the third to wait", || (stage.get("/routes")["items"][0]["waiting"] == 1).then_some(()));
    assert_eq!(receiver.count(), 2);
    // A server that starts anew has sent nothing in this minute.
    stage.world.stop();
    stage.world.serve();
    assert_eq!(delivery(&stage, &ids[2])["code"], "delivered");
    // Two may be under way at a time, so the first two may change places.
    let (mut came, mut told) = (receiver.ids(), ids);
    came.sort();
    told.sort();
    assert_eq!(came, told);
}

#[test]
fn a_route_is_listed_without_its_secrets_and_tested() {
    let mut stage = scene();
    let receiver = Receiver::start(Answer::ok);
    let text = route(&stage, OWNER, &receiver.url("/T0/token"), "");
    configure(&mut stage, &text);
    let listed = stage.run(&["route", "ls"]);
    assert!(listed.contains(OWNER) && listed.contains("http://127.0.0.1:"), "{listed}");
    assert!(!listed.contains("token") && !stage.get("/routes").to_string().contains("token"));
    let tested = stage.run(&["route", "test", OWNER]);
    assert!(
        tested.starts_with("✓ delivered  200  route owner@example.com at http://127.0.0.1:"),
        "{tested}"
    );
    let request = receiver.request(0);
    assert!(request.is_signed() && tested.contains(&request.header("sworn-signature")), "{tested}");
    assert_eq!(
        (&request.json()["type"], &request.json()["owner"]),
        (&json!("test"), &json!(OWNER))
    );
    receiver.answer(|_| Answer::Status(401));
    let tested = stage.fails(1, &["route", "test", OWNER]);
    assert!(tested.starts_with("✗ not delivered  it answers 401"), "{tested}");
    stage.fails(3, &["route", "test", "nobody@example.com"]);
    assert_eq!(stage.find("kind:delivery"), [0; 0], "a test is no delivery");
}

#[test]
fn a_route_that_is_not_sound_keeps_the_server_from_starting() {
    let mut stage = scene();
    stage.world.stop();
    let sound = route(&stage, "*", "https://alerts.example/x", "");
    let exposed = stage.world.path("exposed.secret");
    std::fs::write(&exposed, SECRET).unwrap();
    std::fs::set_permissions(&exposed, std::fs::Permissions::from_mode(0o644)).unwrap();
    let secret = stage.world.path("route.secret").display().to_string();
    for (text, said) in [
        (sound.replace("https", "http"), "`url` must be https://"),
        (sound.replace("url", "ulr"), "unknown key `ulr`"),
        (sound.replace(&secret, &exposed.display().to_string()), "mode 0644"),
        (sound.replace(&secret, "nowhere.secret"), "nowhere.secret"),
        (format!("{sound}{sound}"), "there is one of the name \"*\" already"),
    ] {
        std::fs::write(stage.world.path("sworn.toml"), text).unwrap();
        assert_eq!(stage.world.refused(), Some(2), "{said}");
        assert!(stage.world.log().contains(said), "{said}: {}", stage.world.log());
    }
}

/// The receiver that the documentation shows.
#[test]
fn the_documented_receiver_verifies_a_finding_and_refuses_a_forgery() {
    let mut stage = scene();
    let text = include_str!("../docs/routes.md");
    let code = text.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let python = receiver::Python::start(&stage.world, code);
    let text = route(&stage, "*", &python.url, "attempts = 1");
    configure(&mut stage, &text);
    let (id, _) = breach(&mut stage, "a");
    assert_eq!(python.line(), id);
    assert_eq!(delivery(&stage, &id)["code"], "delivered");
    let forged = ureq::post(&python.url)
        .header("Sworn-Signature", &format!("t=1,v1={}", "0".repeat(64)))
        .send("{}");
    assert!(matches!(forged, Err(ureq::Error::StatusCode(401))), "{forged:?}");
    assert_eq!(python.line(), "forged");
}
