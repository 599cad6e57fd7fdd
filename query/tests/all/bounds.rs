//! Answers that end at a limit: they hold as much as they may, and say that there is more.

use schemas::limits::{
    ACTIONS_ENTRIES_MAX, CAUSAL_ENTRIES_MAX, LINKED_WORKFLOWS_MAX, MODELS_MAX, STATS_ENTRIES_MAX,
    WORKFLOW_ENTRIES_MAX,
};
use serde_json::{Value as Json, json};

use crate::world::{World, confirmed, intent, start};

/// Bodies that one message has room for.
const TOGETHER: usize = 200;

fn world() -> World {
    let mut world = World::new();
    world.agent("a");
    world
}

/// Submits so many events, each of which has to be accepted.
fn accept_all(world: &mut World, count: usize, fields: impl Fn(usize) -> Json) {
    for from in (0..count).step_by(TOGETHER) {
        let bodies = (from..count.min(from + TOGETHER)).map(&fields).collect();
        assert!(world.submit_all("a", bodies).iter().all(|ended| ended.refused.is_none()));
    }
}

fn len(list: &Json) -> usize {
    list.as_array().unwrap().len()
}

#[test]
fn a_workflow_of_more_entries_than_one_answer_holds_is_open() {
    let mut world = world();
    let event = |_| start("a", "w");
    accept_all(&mut world, WORKFLOW_ENTRIES_MAX, event);
    let whole = world.json("/workflows/w");
    assert_eq!(whole["completeness"], "complete");
    accept_all(&mut world, 1, event);
    let cut = world.json("/workflows/w");
    assert_eq!(cut["completeness"], "open");
    for chain in [whole, cut] {
        assert_eq!(len(&chain["entries"]), WORKFLOW_ENTRIES_MAX);
        assert_eq!(chain["verified"]["ok"], true);
    }
}

#[test]
fn what_is_counted_by_value_ends_at_its_limit() {
    let mut world = world();
    let most = usize::try_from(STATS_ENTRIES_MAX).unwrap();
    accept_all(&mut world, most + 1, |_| start("a", "w"));
    let stats = world.json("/stats?by=agent&q=kind:session.start");
    assert_eq!(stats["entries"], most);
    let first = world.indexes("q=kind:session.start&order=oldest&limit=1")[0];
    assert_eq!(stats["incomplete"]["scanned_to"], first + STATS_ENTRIES_MAX);
}

#[test]
fn actions_are_folded_from_so_many_entries_and_no_more() {
    let mut world = world();
    let event = |n: usize| intent("a", "w", "email.send", &format!("{n}@example.com"));
    accept_all(&mut world, ACTIONS_ENTRIES_MAX, event);
    let actions = |world: &World| world.json("/actions?q=kind:action.intent");
    let whole = actions(&world);
    assert_eq!((len(&whole["items"]), &whole["incomplete"]), (ACTIONS_ENTRIES_MAX, &json!(null)));
    accept_all(&mut world, 1, event);
    let cut = actions(&world);
    assert_eq!(len(&cut["items"]), ACTIONS_ENTRIES_MAX);
    assert!(cut["incomplete"]["scanned_to"].is_u64(), "{}", cut["incomplete"]);
}

#[test]
fn of_what_an_entry_set_off_as_much_is_told_as_there_is_room_for() {
    let mut world = world();
    let cause = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x"));
    let effect = |_| confirmed("a", "w", "email.send", "x", "@I");
    let effects = |world: &World| world.json(&format!("/entries/{cause}/effects"));
    // The entry itself is among them.
    accept_all(&mut world, CAUSAL_ENTRIES_MAX - 1, effect);
    let whole = effects(&world);
    assert_eq!((len(&whole["items"]), &whole["incomplete"]), (CAUSAL_ENTRIES_MAX, &json!(false)));
    accept_all(&mut world, 1, effect);
    let cut = effects(&world);
    assert_eq!((len(&cut["items"]), &cut["incomplete"]), (CAUSAL_ENTRIES_MAX, &json!(true)));
}

#[test]
fn a_workflow_is_linked_with_so_many_others_and_no_more() {
    let mut world = world();
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x"));
    let other = |n: usize| confirmed("a", &format!("other-{n}"), "email.send", "x", "@I");
    let linked = |world: &World| world.json("/workflows/w?linked=true")["linked"].clone();
    accept_all(&mut world, LINKED_WORKFLOWS_MAX, other);
    let whole = linked(&world);
    assert_eq!(
        (len(&whole["workflows"]), &whole["incomplete"]),
        (LINKED_WORKFLOWS_MAX, &json!(false))
    );
    accept_all(&mut world, 1, |_| other(LINKED_WORKFLOWS_MAX));
    let cut = linked(&world);
    assert_eq!((len(&cut["workflows"]), &cut["incomplete"]), (LINKED_WORKFLOWS_MAX, &json!(true)));
}

#[test]
fn a_model_beyond_those_that_are_told_apart_counts_for_no_other() {
    let mut world = world();
    world.accept("a", start("a", "w"));
    let of_model = |n: usize| {
        let mut event = intent("a", "w", "email.send", "x");
        event["model"] = json!({ "provider": "p", "name": "m", "version": (n + 1).to_string() });
        event
    };
    accept_all(&mut world, MODELS_MAX, of_model);
    let report = |world: &World| world.json("/reports/models?agent=a");
    let whole = report(&world);
    assert_eq!((len(&whole["items"]), &whole["incomplete"]), (MODELS_MAX, &json!(null)));
    let last = world.accept("a", of_model(MODELS_MAX));
    world.accept("a", intent("a", "w", "email.send", "x"));
    let cut = report(&world);
    assert_eq!(cut["items"], whole["items"]);
    assert_eq!(cut["incomplete"]["scanned_to"], last);
}
