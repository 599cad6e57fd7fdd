//! An older copy of the ledger put back in place: refused, and whoever saw more notices the new epoch.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use schemas::kind::Stream;
use serde_json::{Value, json};

use crate::harness::{World, copy_directory, published, text, until};
use crate::signer::{Signer, intent};

const EVENTS: usize = 1000;

fn publish(world: &World, agent: &mut Signer, events: usize) {
    let publisher = world.connect(&agent.id);
    let mut left = events;
    while left > 0 {
        let many = left.min(100);
        let bodies: Vec<_> = (0..many)
            .map(|_| {
                let event = intent(agent.id.as_str(), "workflow-lost");
                agent.body(event)
            })
            .collect();
        world.submit(&publisher, &agent.sign(&bodies), Stream::In);
        left -= many;
    }
}

/// The resume token of a tail that stands at the last entry.
fn last_token(world: &World) -> String {
    let size = world.get("/api/v1/status")["size"].as_u64().unwrap();
    let chain = |index: u64| {
        let leaf = world.get(&format!("/api/v1/entries/{index}/leaf"));
        leaf["chain"].as_str().unwrap()[..8].to_owned()
    };
    format!("{}.{}.{}", chain(0), size - 1, chain(size - 1))
}

#[test]
fn an_older_copy_is_refused_and_a_new_epoch_is_noticed() {
    let mut world = World::new();
    let mut agent = world.agent("witnessed-agent");
    publish(&world, &mut agent, 10);
    world.stop();
    copy_directory(&world.path("data"), &world.path("older"));
    world.serve();
    publish(&world, &mut agent, EVENTS);
    let size = world.get("/api/v1/status")["size"].as_u64().unwrap();
    assert!(world.sworn(&["agent", "ls"]).status.success(), "the command line pins what it saw");
    let token = last_token(&world);
    world.stop();
    copy_directory(&world.path("older"), &world.path("data"));

    assert_eq!(world.refused(), Some(13), "{}", world.log());
    assert!(world.log().contains(&format!("but {size} were acknowledged")), "{}", world.log());
    assert!(world.log().contains("serve --new-epoch"), "the way on is named: {}", world.log());

    world.serve_with(&["--new-epoch"]);
    let status = world.get("/api/v1/status");
    assert_eq!(status["origin"], "ledger.example/test/2");
    let lost = world.get("/api/v1/entries?q=code%3Anew_epoch");
    let incident = &lost["items"][0];
    assert_eq!(incident["body"]["registry"]["origin"], "ledger.example/test/2", "{lost}");
    let named = incident["body"]["registry"]["lost"].as_str().unwrap();
    assert!(named.starts_with(&format!("ledger.example/test\n{size}\n")), "{named}");

    let noticed = world.sworn(&["agent", "ls"]);
    assert_eq!(noticed.status.code(), Some(13), "{}", text(&noticed));
    assert!(text(&noticed).contains("goes on in a new epoch"), "{}", text(&noticed));
    let root = world.get("/api/v1/status")["root"].as_str().unwrap().to_owned();
    // The log grows on; what was shown is accepted all the same.
    world.agent("busy-agent");
    let wrong = world.sworn(&["checkpoint", "pin", "--expect-root", &"00".repeat(32)]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong));
    let accepted = world.sworn(&["checkpoint", "pin", "--expect-root", &root]);
    assert!(accepted.status.success(), "{}", text(&accepted));
    assert!(world.sworn(&["agent", "ls"]).status.success());

    let mut response = ureq::get(world.url("/api/v1/tail"))
        .header("Accept", "text/event-stream")
        .header("Last-Event-ID", &token)
        .call()
        .unwrap();
    let stream = response.body_mut().read_to_string().unwrap();
    assert!(stream.contains("event: reset") || stream.contains("event:reset"), "{stream}");

    // The ledger goes on, and nothing of its own history is wrong.
    let mut later = world.agent("later-agent");
    publish(&world, &mut later, 5);
    world.stop();
    world.serve();
    world.stop();
    assert_eq!(world.audit().divergences, []);
}

fn signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

/// It stands before the loss, so that what it is sent extends what it saw.
#[test]
fn a_tail_that_saw_nothing_of_what_was_lost_ends_with_the_epoch_all_the_same() {
    let mut world = World::new();
    let mut tail = world.start(&["tail", "-o", "jsonl", "--since", "#0"]);
    let last = published(&world) - 1;
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let index = |line: String| serde_json::from_str::<Value>(&line).unwrap()["index"].clone();
    assert!(lines.any(|line| index(line.unwrap()) == last), "it ended before #{last}");
    world.stop();
    signal(&tail, "-STOP");
    copy_directory(&world.path("data"), &world.path("older"));
    world.serve();
    world.agent("lost");
    world.stop();
    copy_directory(&world.path("older"), &world.path("data"));
    world.serve_with(&["--new-epoch"]);
    signal(&tail, "-CONT");
    until("the tail's end", || tail.try_wait().unwrap());
    let ended = tail.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(13), "{}", text(&ended));
    assert!(text(&ended).contains("goes on in a new epoch"), "{}", text(&ended));
    world.stop();
}

#[test]
fn feature_58_a_rotated_ledger_key_is_accepted_by_who_trusts_the_old_one() {
    let mut world = World::new();
    world.agent("witnessed-agent");
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    let trusted = |world: &World, arguments: &[&str]| {
        world.sworn(&[arguments, &["--trust", &trust]].concat())
    };
    assert!(trusted(&world, &["get", "1"]).status.success());
    let before = published(&world).to_string();
    world.stop();
    let rotated = world.rotate_key();
    assert!(text(&rotated).contains("TRUST"), "{}", text(&rotated));
    assert_eq!(world.refused(), Some(1), "the old key serves no longer");
    assert!(world.log().contains("it may have been rotated"), "{}", world.log());
    world.set_key("new.key");
    world.serve();
    let proved = trusted(&world, &["prove", "1"]);
    assert!(proved.status.success(), "{}", text(&proved));
    let after = published(&world).to_string();
    let grown = trusted(&world, &["prove", "--from", &before, "--to", &after]);
    assert!(grown.status.success(), "each checkpoint under its own key: {}", text(&grown));
    assert!(trusted(&world, &["checkpoint", "show", &before]).status.success());
    let verified = trusted(&world, &["verify"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    let stranger = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    assert_ne!(stranger, trust);
}

/// A second operator, and that both have to agree.
fn quorum_of_two(world: &mut World) {
    let second = Signer::new("second");
    second.save(&world.path("second.key"));
    let publisher = world.connect(&world.operator.id);
    let key = schemas::id::hex(second.public().as_bytes());
    let submit = |world: &mut World, event: Value| {
        let message = world.operator.event(event);
        world.submit(&publisher, &message, Stream::Op);
    };
    for event in [
        json!({ "kind": "principal.registered", "registry": { "id": "second", "roles": ["operator"] } }),
        json!({ "kind": "key.enrolled", "registry": { "signer": "second", "key": key } }),
        json!({ "kind": "proposal", "registry": { "m": 1, "operation": { "kind": "quorum", "m": 2 } } }),
    ] {
        submit(world, event);
    }
    let id = world.get("/api/v1/proposals")["items"][0]["id"].clone();
    submit(world, json!({ "kind": "proposal.approved", "causes": [id] }));
    assert_eq!(world.get("/api/v1/proposals")["quorum"], 2);
}

#[test]
fn operators_who_have_to_agree_agree_to_a_new_epoch_without_a_server() {
    let mut world = World::new();
    quorum_of_two(&mut world);
    world.stop();
    copy_directory(&world.path("data"), &world.path("older"));
    world.serve();
    world.agent("lost-agent");
    world.stop();
    copy_directory(&world.path("older"), &world.path("data"));
    assert_ne!(world.refused_with(&["--new-epoch"]), Some(0));
    let log = world.log();
    let (_, named) = log.split_once("2 operators, and 0 agree: let each sign `sworn ").unwrap();
    let (named, _) = named.split_once('`').unwrap();
    for name in ["operator", "second"] {
        let (key, out) = (format!("{name}.key"), format!("{name}.agreed"));
        let arguments = named.split(' ').chain(["--key", &key, "--out", &out]);
        let signed = world.sworn(&arguments.collect::<Vec<_>>());
        assert!(signed.status.success(), "{}", text(&signed));
    }
    let files = ["operator.agreed", "second.agreed"]
        .map(|name| world.path(name).to_str().unwrap().to_owned());
    let one = ["--new-epoch", "--agreed", &files[0]];
    assert_ne!(world.refused_with(&one), Some(0));
    assert!(world.log().contains("2 operators, and 1 agree"), "{}", world.log());
    world.serve_with(&["--new-epoch", "--agreed", &files[0], "--agreed", &files[1]]);
    assert_eq!(world.get("/api/v1/status")["origin"], "ledger.example/test/2");
    let agreed = world.get("/api/v1/entries?q=kind%3Aproposal&order=newest&limit=2");
    let by: Vec<_> = [1, 0].map(|n| agreed["items"][n]["body"]["signer"].clone()).into();
    assert_eq!(by, ["operator", "second"], "{agreed}");
    world.stop();
    assert_eq!(world.audit().divergences, []);
}
