//! A rotation of the ledger's key, met by a client that knows the old one; and one that only one of the two keys signed.

use std::io::{BufRead as _, BufReader, Write as _};

use ed25519_dalek::SigningKey;
use schemas::body::{Body, LEDGER_SIGNER};
use schemas::era::Eras;
use schemas::id::{SignerId, unhex};
use schemas::submission;

use crate::harness::{World, published, text};
use crate::liar::{Forged, between};
use crate::signer::{intent, tenant};

fn key_in(world: &World, name: &str) -> SigningKey {
    let file = std::fs::read_to_string(world.path(name)).unwrap();
    let seed = file.lines().find_map(|line| line.strip_prefix("seed = \"")).unwrap();
    let seed = unhex(seed.trim_end_matches('"')).unwrap();
    SigningKey::from_bytes(&seed.try_into().unwrap())
}

fn bytes(world: &World, path: &str, accept: &str) -> Vec<u8> {
    let mut answer = ureq::get(world.url(path)).header("Accept", accept).call().unwrap();
    answer.body_mut().read_to_vec().unwrap()
}

/// The statement over this body, signed by `key` in the ledger's name.
fn statement(key: &SigningKey, body: &[u8]) -> Vec<u8> {
    let signer = SignerId::parse(LEDGER_SIGNER).unwrap();
    let message = submission::sign(key, &signer, &tenant(), &[(body.to_vec(), None)]);
    submission::open(&message).unwrap().statement().bytes().to_vec()
}

/// A world whose ledger's key was rotated, its TRUST of before, and the path of the rotation's entry.
fn rotated() -> (World, String, String) {
    let mut world = World::new();
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    rotate(&mut world);
    let from = world.get("/api/v1/status")["eras"][1]["from"].as_u64().unwrap();
    (world, trust, format!("/api/v1/entries/{from}"))
}

/// Stops the server and serves again under another key.
fn rotate(world: &mut World) {
    world.stop();
    world.rotate_key();
    world.set_key("new.key");
    world.serve();
}

#[test]
fn a_tail_goes_on_over_a_rotation() {
    let mut world = World::new();
    let mut tail = world.start(&["tail", "-o", "jsonl", "--since", "#0"]);
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut read_to = |last: u64| {
        let entry = |line: String| serde_json::from_str::<serde_json::Value>(&line).unwrap();
        assert!(
            lines.by_ref().any(|line| entry(line.unwrap())["index"] == last),
            "it ended before #{last}"
        );
    };
    read_to(published(&world) - 1);
    rotate(&mut world);
    // Between these entries come checkpoints under the new key.
    for name in ["one", "two", "three"] {
        world.agent(name);
        read_to(published(&world) - 1);
    }
    assert!(tail.try_wait().unwrap().is_none());
    tail.kill().unwrap();
    tail.wait().unwrap();
    world.stop();
}

#[test]
fn a_publisher_goes_on_over_a_rotation() {
    let mut world = World::new();
    let agent = world.agent("a");
    agent.save(&world.path("agent.key"));
    let mut publish = world.start(&["publish", "--key", "agent.key"]);
    let mut input = publish.stdin.take().unwrap();
    let mut lines = BufReader::new(publish.stdout.take().unwrap()).lines();
    let mut send = || {
        writeln!(input, "{}", intent("a", "w")).unwrap();
        let said = lines.next().expect("it goes on").unwrap();
        assert!(said.starts_with("committed"), "{said}");
    };
    send();
    rotate(&mut world);
    send();
    send();
    drop(input);
    assert!(publish.wait().unwrap().success());
    world.stop();
}

#[test]
fn a_rotation_that_one_key_alone_signed_is_refused_by_a_context_of_the_old_key() {
    let (world, trust, entry) = rotated();
    let index = entry.rsplit('/').next().unwrap();
    let [statement_at, body_at] = ["statement", "body"].map(|part| format!("{entry}/{part}"));
    let [old, new] = ["ledger.key", "new.key"].map(|name| key_in(&world, name));
    let body = bytes(&world, &body_at, "application/cbor");

    // The new key alone: whoever made one says that it follows the old one.
    let by_new = Forged::from([(statement_at.clone(), statement(&new, &body))]);
    // The old key alone, over a body that the new one did not sign.
    let genesis = bytes(&world, "/api/v1/entries/0/body", "application/cbor");
    let eras = Eras::genesis(&Body::parse(&genesis).unwrap()).unwrap();
    let [by_both, by_one] = [&new, &old].map(|key| eras.sign_rotation(key));
    let place = body.windows(by_both.len()).position(|window| *window == by_both).unwrap();
    let mut unsigned = body;
    unsigned[place..place + by_one.len()].copy_from_slice(&by_one);
    let by_old = Forged::from([(statement_at, statement(&old, &unsigned)), (body_at, unsigned)]);

    let unproved = format!("entry #{index} is not signed by the key before it");
    let no_change =
        format!("entry #{index} is no change: the rotation is not signed by the new key");
    for (name, forged, refusal) in [
        ("sound", Forged::new(), None),
        ("by-new", by_new, Some(unproved)),
        ("by-old", by_old, Some(no_change)),
    ] {
        let url = between(world.url(""), forged);
        let added = world.sworn(&["context", "add", name, "--url", &url, "--trust", &trust]);
        assert!(added.status.success(), "{}", text(&added));
        assert!(world.sworn(&["context", "select", name]).status.success());
        let shown = world.sworn(&["agent", "ls", "--url", &url]);
        let Some(refusal) = refusal else {
            assert_eq!(shown.status.code(), Some(0), "{name}: {}", text(&shown));
            continue;
        };
        assert_eq!(shown.status.code(), Some(11), "{name}: {}", text(&shown));
        let expected = format!("error[SW0411]: {refusal}");
        assert!(text(&shown).contains(&expected), "{name}: {}", text(&shown));
    }
}
