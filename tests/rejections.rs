//! Bad input gets a recorded rejection with a reason and a cause of its own, and its neighbours are
//! committed as if it had not been there.

use ingest::Publisher;
use schemas::encode::{Encoder, Value, encode, map};
use schemas::id::{EventId, SignerId, Tenant, hex, sha256};
use schemas::kind::Stream;
use schemas::limits::{BODY_BYTES_MAX, DETAIL_BYTES_MAX, ITEMS_MAX};
use schemas::reject::Reason;
use schemas::reply::Fate;
use schemas::submission;
use serde_json::{Value as Json, json};

use crate::harness::{World, until};
use crate::signer::{Signer, intent, tenant};

/// A submission that must be refused.
struct Case {
    name: &'static str,
    message: Vec<u8>,
    reason: &'static str,
    path: &'static str,
}

fn case(name: &'static str, message: Vec<u8>, reason: &'static str, path: &'static str) -> Case {
    Case { name, message, reason, path }
}

/// Signs raw body bytes, whatever they are.
fn signed(agent: &Signer, body: Vec<u8>) -> Vec<u8> {
    agent.sign(&[body])
}

/// An event with a change made to its JSON.
fn changed(agent: &mut Signer, change: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut event = intent(agent.id.clone().as_str(), "workflow-bad");
    change(&mut event);
    agent.event(event)
}

/// An event with a change made to its CBOR map, past the JSON form's own checks.
fn rebuilt(agent: &mut Signer, change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
    let body = agent.body(intent(agent.id.clone().as_str(), "workflow-bad"));
    let Value::Map(mut pairs) = ciborium::from_reader(body.as_slice()).unwrap() else {
        panic!("a body is a map");
    };
    change(&mut pairs);
    signed(agent, encode(&Value::Map(pairs)))
}

/// A valid body, to be damaged.
fn body(agent: &mut Signer) -> Vec<u8> {
    agent.body(intent(agent.id.clone().as_str(), "workflow-bad"))
}

fn encodings(agent: &mut Signer) -> Vec<Case> {
    let valid = body(agent);
    let pairs = valid[0] & 31;
    assert!(pairs < 23, "one more pair still fits the first byte");
    let mut twice = valid.clone();
    twice[0] += 1;
    twice.splice(1..1, [0x61, b'v', 0x01]);
    let mut long = valid.clone();
    long.splice(0..1, [0xb8, pairs]);
    let mut indefinite = valid.clone();
    indefinite[0] = 0xbf;
    indefinite.push(0xff);
    let with = |tail: &[u8]| {
        let mut bytes = valid.clone();
        bytes[0] += 1;
        bytes.extend([0x6f]);
        bytes.extend(b"zzzzzzzzzzzzzzz");
        bytes.extend(tail);
        bytes
    };
    let mut deep = vec![0x81; 40];
    deep.push(0);
    let mut trailing = valid.clone();
    trailing.push(0);
    [
        ("not CBOR", b"\xff\xfe what is this".to_vec()),
        ("an integer instead of a map", vec![0x01]),
        ("a duplicate key", twice),
        ("a length that is not the shortest", long),
        ("an indefinite length", indefinite),
        ("a float", with(&[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0])),
        ("a tag", with(&[0xc1, 0x01])),
        ("bad UTF-8", with(&[0x62, 0xc3, 0x28])),
        ("a length of 2^63", with(&[0x5b, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        ("nesting", with(&deep)),
        ("bytes behind the body", trailing),
    ]
    .into_iter()
    .map(|(name, body)| case(name, signed(agent, body), "malformed", "body"))
    .collect()
}

fn fields(agent: &mut Signer) -> Vec<Case> {
    let ids =
        |n: u64| -> Vec<String> { (0..n).map(|n| EventId::new(n, &[7; 10]).to_string()).collect() };
    let hop = json!({"type": "agent", "id": "x"});
    let many = vec![hop; 9];
    vec![
        case(
            "an unknown field",
            rebuilt(agent, |pairs| pairs.push((Value::from("human"), Value::from(true)))),
            "unknown_field",
            "human",
        ),
        case(
            "an unknown field inside a record",
            rebuilt(agent, |pairs| {
                let action = pairs.iter_mut().find(|(key, _)| key.as_text() == Some("action"));
                let Some((_, Value::Map(action))) = action else { panic!("an action") };
                action.push((Value::from("colour"), Value::from("red")));
            }),
            "unknown_field",
            "action.colour",
        ),
        case(
            "a missing field",
            changed(agent, |event| drop(event.as_object_mut().unwrap().remove("prompt"))),
            "missing_field",
            "prompt",
        ),
        case(
            "a class that does not exist",
            changed(agent, |event| event["action"]["class"] = json!("harmless")),
            "invalid_field",
            "action.class",
        ),
        case(
            "a version of the future",
            changed(agent, |event| event["v"] = json!(2)),
            "unsupported_version",
            "v",
        ),
        case(
            "a secret",
            changed(agent, |event| event["assertions"] = json!({"k": "sk-live-0123456789abcdef"})),
            "secret_in_body",
            "assertions.k",
        ),
        case(
            "too many principals",
            changed(agent, |event| event["principals"] = json!(many)),
            "invalid_field",
            "principals",
        ),
        case(
            "too many causes",
            changed(agent, |event| event["causes"] = json!(ids(9))),
            "invalid_field",
            "causes",
        ),
        case(
            "too many scopes",
            changed(agent, |event| event["scope"] = json!(vec!["s"; 33])),
            "invalid_field",
            "scope",
        ),
        case(
            "another tenant in the body",
            changed(agent, |event| event["tenant"] = json!("other")),
            "wrong_tenant",
            "tenant",
        ),
        case(
            "a body of another signer",
            changed(agent, |event| event["signer"] = json!("agent-b")),
            "wrong_signer",
            "signer",
        ),
        case(
            "a kind that is not the signer's to sign",
            changed(agent, |event| {
                *event = json!({
                    "kind": "approval.decided", "signer": "agent-a", "causes": ids(1),
                    "approval": {"request": ids(1)[0], "decision": "allow"},
                });
            }),
            "role_not_allowed",
            "kind",
        ),
        case(
            "a registry change on the agents' stream",
            changed(agent, |event| {
                *event = json!({"kind": "agent.disabled", "agent": {"id": "agent-b"}});
            }),
            "wrong_subject",
            "kind",
        ),
    ]
}

fn sizes(agent: &mut Signer) -> Vec<Case> {
    let big = rebuilt(agent, |pairs| {
        let note = Value::from("x".repeat(BODY_BYTES_MAX));
        pairs.push((Value::from("note"), note));
    });
    let content = map([("blob", Value::Bytes(vec![1; DETAIL_BYTES_MAX]))]);
    let detail = schemas::detail::Detail::encode(&[3; 16], &content);
    let mut event = intent("agent-a", "workflow-bad");
    event["detail"] = json!(hex(&sha256(&detail)));
    let body_of_detail = agent.body(event.clone());
    let oversize_detail =
        submission::sign(&agent.key, &agent.id, &tenant(), &[(body_of_detail, Some(detail))]);
    let other = schemas::detail::Detail::encode(&[4; 16], &map([("n", Value::from(1))]));
    let body_of_detail = agent.body(event);
    let wrong_detail =
        submission::sign(&agent.key, &agent.id, &tenant(), &[(body_of_detail, Some(other))]);
    let mut crowd = Encoder::new();
    crowd.array(2).bytes(&[0]).array(ITEMS_MAX + 1);
    for _ in 0..=ITEMS_MAX {
        crowd.array(1).bytes(&[0]);
    }
    vec![
        case("an oversize body", big, "too_large", "body"),
        case("an oversize detail", oversize_detail, "too_large", "detail"),
        case("another detail than was signed", wrong_detail, "digest_mismatch", "detail"),
        case("too many items", crowd.finish(), "too_large", "items"),
    ]
}

fn signatures(agent: &mut Signer) -> Vec<Case> {
    let mut flipped = agent.event(intent("agent-a", "workflow-bad"));
    let place = flipped.windows(2).position(|two| two == [0x58, 0x40]).unwrap() + 10;
    flipped[place] ^= 1;
    let body = agent.body(intent("agent-a", "workflow-bad"));
    let mut altered = agent.sign(std::slice::from_ref(&body));
    let end = altered.len() - 1;
    altered[end] ^= 1;
    let other = Tenant::parse("other").unwrap();
    let body = agent.body(intent("agent-a", "workflow-bad"));
    let foreign = submission::sign(&agent.key, &agent.id, &other, &[(body, None)]);
    let stranger = Signer::new("agent-a").event(intent("agent-a", "workflow-bad"));
    vec![
        case("a flipped signature", flipped, "bad_signature", "statement.signature"),
        case("a changed body", altered, "digest_mismatch", "body"),
        case("another tenant's claims", foreign, "wrong_tenant", "statement.protected.15.2"),
        case("an unknown key", stranger, "unregistered_key", "statement.protected.4"),
        case("no submission", b"hello".to_vec(), "malformed", "submission"),
    ]
}

fn reply(world: &World, publisher: &Publisher, message: &[u8]) -> (String, String, u64) {
    let reply = world.submit(publisher, message, Stream::In);
    let Fate::Rejected(reject) = &reply.outcomes[0].fate else { panic!("{reply:?}") };
    (reject.reason.to_string(), reject.cause.path.clone(), reply.outcomes[0].index.0)
}

#[test]
fn each_fault_has_its_reason_its_cause_one_leaf_and_no_effect_on_its_neighbours() {
    let mut world = World::new();
    let mut agent = world.agent("agent-a");
    let mut neighbour = world.agent("agent-b");
    let publisher = world.connect(&agent.id);
    let beside = world.connect(&neighbour.id);
    let mut cases = encodings(&mut agent);
    cases.extend(fields(&mut agent));
    cases.extend(sizes(&mut agent));
    cases.extend(signatures(&mut agent));
    for Case { name, message, reason, path } in &cases {
        let (found, at, index) = reply(&world, &publisher, message);
        assert_eq!((found.as_str(), at.as_str()), (*reason, *path), "{name}");
        let entry = world.get(&format!("/api/v1/entries/{index}"));
        assert_eq!(entry["status"], *reason, "{name}: {entry}");
        assert_eq!(entry["cause"]["path"], *path, "{name}: {entry}");
        let size = world.get("/api/v1/status")["size"].clone();
        assert_eq!(reply(&world, &publisher, message).2, index, "{name}: again, the same leaf");
        assert_eq!(world.get("/api/v1/status")["size"], size, "{name}: no second leaf");
        let good = neighbour.event(intent("agent-b", "workflow-good"));
        let reply = world.submit(&beside, &good, Stream::In);
        assert!(matches!(reply.outcomes[0].fate, Fate::Committed(_)), "{name}: the neighbour");
    }
    counted(&world, &cases);
    keys_and_agents(&mut world, &mut agent, &publisher);
    wrong_subject(&world, &mut neighbour);
    let listed = world.get("/api/v1/entries?q=status:rejected&limit=1000");
    assert!(listed["items"].as_array().unwrap().len() >= cases.len(), "queryable");
    world.stop();
    assert_eq!(world.audit().divergences, []);
}

/// `/metrics` counts each of these cases twice, for each was sent twice, and no other reason.
fn counted(world: &World, cases: &[Case]) {
    let text = ureq::get(world.url("/metrics")).call().unwrap().body_mut().read_to_string();
    let text = text.unwrap();
    for reason in Reason::ALL {
        let sample = format!("sworn_rejections_total{{reason=\"{reason}\"}} ");
        let counts: Vec<u64> =
            text.lines().filter_map(|line| line.strip_prefix(&sample)?.parse().ok()).collect();
        let sent = 2 * cases.iter().filter(|case| case.reason == reason.as_str()).count();
        // A publisher that waits too long for its reply sends again.
        let fits = |count: &u64| *count == 0 && sent == 0 || sent > 0 && *count >= sent as u64;
        assert!(counts.len() == 1 && counts.iter().all(fits), "{reason}: {sent}, {counts:?}");
    }
}

/// The refusals that depend on the registry.
fn keys_and_agents(world: &mut World, agent: &mut Signer, publisher: &Publisher) {
    let first = agent.body(intent("agent-a", "workflow-good"));
    let id = schemas::body::Body::parse(&first).unwrap().id().to_string();
    let committed = world.submit(publisher, &agent.sign(&[first]), Stream::In);
    assert!(matches!(committed.outcomes[0].fate, Fate::Committed(_)));
    let reused = changed(agent, |event| event["id"] = json!(id));
    assert_eq!(reply(world, publisher, &reused).0, "id_conflict");
    let operator = world.connect(&world.operator.id);
    let disable = json!({"kind": "agent.disabled", "agent": {"id": "agent-a"}, "note": "case-42"});
    let enable = json!({"kind": "agent.enabled", "agent": {"id": "agent-a"}});
    let revoke = json!({
        "kind": "key.revoked",
        "registry": {"signer": "agent-a", "kid": agent.public().kid().to_string()},
    });
    for (change, expected) in
        [(disable, Some("disabled_agent")), (enable, None), (revoke, Some("revoked_key"))]
    {
        let message = world.operator.event(change);
        let done = world.submit(&operator, &message, Stream::Op);
        assert!(matches!(done.outcomes[0].fate, Fate::Committed(_)), "{done:?}");
        let event = agent.event(intent("agent-a", "workflow-bad"));
        match expected {
            Some(reason) => assert_eq!(reply(world, publisher, &event).0, reason),
            None => {
                let done = world.submit(publisher, &event, Stream::In);
                assert!(matches!(done.outcomes[0].fate, Fate::Committed(_)), "{done:?}");
            }
        }
    }
}

/// A signer's statement on another's subject. The reply goes to that subject's owner, who sent it.
fn wrong_subject(world: &World, signer: &mut Signer) {
    let elsewhere = SignerId::parse("agent-a").unwrap();
    let publisher = world.connect(&elsewhere);
    let message = signer.event(intent("agent-b", "workflow-bad"));
    assert_eq!(reply(world, &publisher, &message).0, "wrong_subject");
}

#[test]
fn bad_requests_get_a_problem_that_names_the_parameter() {
    let world = World::new();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    until("the API", || agent.get(world.url("/readyz")).call().ok());
    for (path, status, param) in [
        ("/api/v1/entries?colour=red", 400, "colour"),
        ("/api/v1/entries?limit=0", 400, "limit"),
        ("/api/v1/entries?limit=many", 400, "limit"),
        ("/api/v1/entries?cursor=zzz", 400, "cursor"),
        ("/api/v1/entries?q=agnet:x", 400, "q"),
        ("/api/v1/entries/abc", 400, "index"),
        ("/api/v1/entries/999999", 404, ""),
        ("/api/v1/entries/by-id/nope", 400, "id"),
        ("/api/v1/agents/nobody", 404, ""),
        ("/api/v1/workflows/none", 404, ""),
        ("/api/v1/tail?colour=red", 400, "colour"),
        ("/api/v1/tail?q=%28", 400, "q"),
        ("/api/v1/tail?last_event_id=x", 400, "last_event_id"),
    ] {
        let mut response = agent.get(world.url(path)).call().unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        let media = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(media.starts_with("application/problem+json"), "{path}: {media}");
        let problem: Json = response.body_mut().read_json().unwrap();
        assert_eq!(problem["param"].as_str().unwrap_or_default(), param, "{path}: {problem}");
        assert_eq!(problem["status"], status, "{path}");
        assert!(problem["code"].is_string(), "{path}: {problem}");
    }
}
