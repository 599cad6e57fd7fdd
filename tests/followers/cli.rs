//! `sworn tail` over connections that break: what it missed it says, and what cannot be it refuses.

use std::process::{Child, Command, Output, Stdio};

use super::road::{Fate, Road};
use super::{BUSY, CUTS, Course, HALF};
use crate::harness::{SWORN, World, text};

/// In the first events, and in the middle of history. A first connection without an answer is a failure.
const PASSABLE: &[Fate] =
    &[Fate::Cut(700), BUSY, Fate::Cut(9_000), Fate::Cut(9_000), Fate::Cut(20_000)];

fn tail(road: &Road, world: &World, arguments: &[&str]) -> Child {
    Command::new(SWORN)
        .args(["tail", "-o", "jsonl", "--since", "0"])
        .args(arguments)
        .env("SWORN_URL", road.url(""))
        .env("HOME", world.directory.path())
        .current_dir(world.directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn indexes(output: &Output) -> Vec<u64> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let entries = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    entries.map(|entry| entry["index"].as_u64().unwrap()).collect()
}

/// Follows a query over a road that breaks; gives what was said of each lost connection after which something was known.
fn resumed(query: &str) -> (Course, Vec<u64>, Vec<String>) {
    let mut course = Course::new();
    let road = Road::new(&course.world, PASSABLE);
    let end = course.end.to_string();
    // Of the agent's alone there are fewer.
    let limit = if query.is_empty() { end } else { (2 * HALF).to_string() };
    let child = tail(&road, &course.world, &["--limit", &limit, query]);
    assert_eq!(PASSABLE.len(), CUTS.len());
    course.go_on(&road);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = said.lines().filter(|line| line.contains("resumed after")).map(str::to_owned);
    let seen = indexes(&output);
    (course, seen, said.collect())
}

#[test]
fn a_tail_of_everything_proves_that_it_missed_nothing() {
    let (course, seen, said) = resumed("");
    assert!(said.len() >= 3, "{said:?}");
    assert!(said.iter().all(|line| line.ends_with(", 0 missed")), "{said:?}");
    course.finish(&seen);
}

#[test]
fn a_tail_of_one_agent_proves_it_by_its_numbers_and_another_says_that_it_cannot() {
    for (query, proof) in [
        ("agent:agent-1 kind:action.intent", ", not provable with this filter"),
        ("agent:agent-1", ", 0 missed"),
    ] {
        let (mut course, seen, said) = resumed(query);
        assert!(said.len() >= 3, "{said:?}");
        assert!(said.iter().all(|line| line.ends_with(proof)), "{said:?}");
        assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
        assert_eq!(seen.len(), 2 * HALF);
        course.world.stop();
    }
}

/// What it ends with where a later connection is forged.
fn forged(fates: &'static [Fate], exit: i32, says: &str) {
    let mut course = Course::new();
    let road = Road::new(&course.world, fates);
    let output = tail(&road, &course.world, &[]).wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(said.contains(says), "{said}");
    let seen = indexes(&output);
    assert!(seen.iter().copied().eq(0..seen.len() as u64), "{seen:?}");
    assert!((1..course.end - HALF as u64).contains(&(seen.len() as u64)), "{seen:?}");
    course.world.stop();
}

/// Another chain hash stands for the one before the last entry.
fn other_chain(past: &str) -> String {
    let name = "\"previous\":\"";
    let at = past.rfind(name).unwrap() + name.len();
    let (before, after) = past.split_at(at);
    let digit = if after.starts_with('0') { "1" } else { "0" };
    [before, digit, &after[1..]].concat()
}

/// The last entry but one is none.
fn one_less(past: &str) -> String {
    let last = past.rfind("event: entry").unwrap();
    let (before, after) = past.split_at(past[..last].rfind("event: entry").unwrap());
    [before, &after.replacen("event: entry", "event: other", 1)].concat()
}

#[test]
fn a_broken_link_behind_a_lost_connection_stops_it() {
    forged(&[Fate::Cut(9_000), Fate::Forged(other_chain)], 13, "does not continue the chain");
}

#[test]
fn a_missing_entry_behind_a_lost_connection_stops_it() {
    forged(&[Fate::Cut(9_000), Fate::Forged(one_less)], 12, "1 entries are missing between");
}

#[test]
fn another_ledger_behind_a_lost_connection_stops_it() {
    let (mut course, mut other) = (Course::new(), World::new());
    let road = Road::new(&course.world, &[Fate::Cut(9_000), Fate::Cut(9_000)]);
    let child = tail(&road, &course.world, &[]);
    road.wait_for(1);
    road.lead_to(&other);
    let output = child.wait_with_output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(13), "{said}");
    assert!(said.contains("the log is not the one that was being read: foreign"), "{said}");
    assert!(!indexes(&output).is_empty());
    course.world.stop();
    other.stop();
}
