//! `sworn publish` run again: sessions are numbered on, and what stayed in the spool is sent once.

use crate::harness::{World, text};
use crate::signer::intent;

/// A world with an agent, its key in `agent.key`, and in `event.json` an event that names its session.
fn world() -> World {
    let mut world = World::new();
    let agent = world.agent("a");
    agent.save(&world.path("agent.key"));
    let mut event = intent("a", "w");
    event["session"] = "22".repeat(16).into();
    std::fs::write(world.path("event.json"), event.to_string()).unwrap();
    world
}

/// The numbers that the agent gave to its events, in their order in the log.
fn numbers(world: &World) -> Vec<u64> {
    let page = world.get("/api/v1/entries?q=corr%3Aw%20since%3A0&order=oldest");
    let number = |item: &serde_json::Value| {
        let entry = world.get(&format!("/api/v1/entries/{}", item["index"]));
        entry["body"]["seq"]["n"].as_u64().unwrap()
    };
    page["items"].as_array().unwrap().iter().map(number).collect()
}

#[test]
fn the_next_run_numbers_a_session_on() {
    let mut world = world();
    for _ in 0..3 {
        let output = world.sworn(&["publish", "event.json", "--key", "agent.key"]);
        assert!(output.status.success(), "{}", text(&output));
    }
    assert_eq!(numbers(&world), [1, 2, 3]);
    world.stop();
}

#[test]
fn events_before_a_mistake_in_the_input_are_reported_and_not_kept() {
    let mut world = world();
    let event = std::fs::read_to_string(world.path("event.json")).unwrap();
    std::fs::write(world.path("events.jsonl"), format!("{event}\n{event}\n{{\n")).unwrap();
    let output = world.sworn(&["publish", "events.jsonl", "--key", "agent.key"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2, "{}", text(&output));
    let nothing = world.sworn(&["publish", "--flush", "--key", "agent.key"]);
    assert!(nothing.status.success() && nothing.stdout.is_empty(), "{}", text(&nothing));
    assert_eq!(numbers(&world), [1, 2]);
    world.stop();
}

#[test]
fn what_stayed_in_the_spool_is_sent_without_the_input() {
    let mut world = world();
    let trust = world.get("/api/v1/status")["verifier_key"].as_str().unwrap().to_owned();
    world.stop();
    let publish = ["publish", "event.json", "--key", "agent.key"];
    let output =
        world.sworn(&[&publish[..], &["--trust", trust.as_str(), "--timeout", "5s"]].concat());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("1 submissions stay in the spool; `sworn publish --flush`"), "{said}");
    world.serve();
    let flush = ["publish", "--flush", "--key", "agent.key"];
    let sent = world.sworn(&flush);
    assert!(sent.status.success(), "{}", text(&sent));
    assert_eq!(String::from_utf8_lossy(&sent.stdout).lines().count(), 1, "{}", text(&sent));
    assert_eq!(numbers(&world), [1]);
    let nothing = world.sworn(&flush);
    assert!(nothing.status.success() && nothing.stdout.is_empty(), "{}", text(&nothing));
    let next = world.sworn(&publish);
    assert!(next.status.success(), "{}", text(&next));
    assert_eq!(numbers(&world), [1, 2]);
    let both = world.sworn(&["publish", "event.json", "--flush", "--key", "agent.key"]);
    assert_eq!(both.status.code(), Some(2), "{}", text(&both));
    world.stop();
}

#[test]
fn the_events_of_the_guide_are_committed() {
    let guide = include_str!("../docs/publish.md");
    let (_, events) = guide.split_once("```jsonl events\n").unwrap();
    let (events, _) = events.split_once("```").unwrap();
    let mut world = World::new();
    world.agent("billing-ops-agent").save(&world.path("billing.key"));
    std::fs::write(world.path("events.jsonl"), events).unwrap();
    let publish = ["publish", "events.jsonl", "--key", "billing.key"];
    let checked = world.sworn(&[&publish[..], &["--dry-run"]].concat());
    assert!(checked.status.success(), "{}", text(&checked));
    let output = world.sworn(&publish);
    assert!(output.status.success(), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.matches("committed #").count(), events.lines().count(), "{said}");
    // An event that names its id is another one with another time.
    let again = world.sworn(&publish);
    assert_eq!(again.status.code(), Some(6), "{}", text(&again));
    assert!(text(&again).contains("id_conflict"), "{}", text(&again));
    world.stop();
}
