//! Answers that end at a limit: they hold as much as they may, and say that there is more.

use schemas::id::{hex, sha256};
use schemas::limits::{
    ACTIONS_ENTRIES_MAX, AGENT_HISTORY_MAX, BUNDLE_ENTRIES_MAX, CAUSAL_ENTRIES_MAX,
    CONTROL_ENTRIES_MAX, GAP_SESSIONS_MAX, HISTOGRAM_BUCKETS_MAX, LINEAGE_ENTRIES_MAX,
    LINKED_WORKFLOWS_MAX, MODELS_MAX, QUERY_PREFIX_VALUES_MAX, REACH_ENTRIES_MAX,
    SAMPLE_POPULATION_MAX, SESSION_SCAN_MAX, STATS_ENTRIES_MAX, WHY_ENTRIES_MAX,
    WORKFLOW_ENTRIES_MAX,
};
use serde_json::{Value as Json, json};

use crate::bundle::{opened, publish};
use crate::world::{OPERATOR, SECOND, World, confirmed, intent, start};

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
    // The session declared its model before what is asked for.
    world.accept("a", of_model(MODELS_MAX));
    let late = world.json(&format!("/reports/models?agent=a&since=%23{}", last + 1));
    let items: Vec<_> = late["items"].as_array().unwrap().iter().collect();
    assert_eq!((items.len(), &late["incomplete"]), (2, &json!(null)));
}

#[test]
fn what_others_say_leaves_room_for_an_agents_own_models() {
    let mut world = world();
    world.principal("svc", &["runtime"]);
    let said = |n: usize| {
        let mut event = start("a", "w");
        event["model"] =
            json!({ "provider": "p", "name": "m", "version": format!("{n} of others") });
        event
    };
    let ended = world.submit_all("svc", (0..MODELS_MAX).map(said).collect());
    assert!(ended.iter().all(|ended| ended.refused.is_none()));
    world.accept("a", start("a", "w"));
    world.accept("a", intent("a", "w", "email.send", "x"));
    let report = world.json("/reports/models?agent=a");
    let items = report["items"].as_array().unwrap();
    assert_eq!((items.len(), &report["others"]), (MODELS_MAX / 2 + 1, &json!(MODELS_MAX / 2)));
    let own = items.last().unwrap();
    assert_eq!((&own["version"], &own["intents"]), (&json!("1"), &json!(1)));
    assert_eq!(report["incomplete"], json!(null));
}

#[test]
fn what_its_session_declares_too_late_to_be_found_counts_under_nothing_and_is_told() {
    let mut world = world();
    world.agent("b");
    let shared = |mut event: Json| {
        event["session"] = "07".repeat(16).into();
        event
    };
    // Of two that take turns, one here and one elsewhere, each is looked at.
    for _ in 0..SESSION_SCAN_MAX / 2 {
        world.accept("a", shared(start("a", "w")));
        world.accept("b", start("b", "w"));
    }
    world.accept("b", shared(start("b", "w")));
    for agent in ["a", "b"] {
        world.accept(agent, shared(intent(agent, "w", "email.send", "x")));
    }
    let stats = world.json("/stats?by=model&q=kind:action.intent");
    assert_eq!((&stats["entries"], &stats["unknown"]), (&json!(2), &json!(1)));
    assert_eq!((len(&stats["items"]), &stats["items"][0]["entries"]), (1, &json!(1)));
}

#[test]
fn of_an_agent_as_many_changes_are_told_as_there_is_room_for() {
    let mut world = world();
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "a" }, "registry": names });
    let known = |world: &World| world.json("/agents/a");
    let before = len(&known(&world)["history"]);
    for _ in before..AGENT_HISTORY_MAX {
        world.accept(OPERATOR, update.clone());
    }
    let whole = known(&world);
    assert_eq!((len(&whole["history"]), &whole["incomplete"]), (AGENT_HISTORY_MAX, &json!(false)));
    let last = world.accept(OPERATOR, update);
    let cut = known(&world);
    assert_eq!((len(&cut["history"]), &cut["incomplete"]), (AGENT_HISTORY_MAX, &json!(true)));
    assert_eq!(cut["history"][0]["index"], last);
}

#[test]
fn a_lineage_is_folded_from_so_many_entries_and_no_more() {
    let mut world = world();
    let lineage = |world: &World| world.json("/principals/a/lineage");
    let counted = |lineage: &Json| lineage["by_agent"][0]["entries"].clone();
    let event = |_| intent("a", "w", "email.send", "x");
    // Finding that there are no more takes one look.
    let most = LINEAGE_ENTRIES_MAX - 1;
    accept_all(&mut world, most, event);
    let whole = lineage(&world);
    assert_eq!((counted(&whole), &whole["incomplete"]), (json!(most), &json!(null)));
    accept_all(&mut world, 2, event);
    let cut = lineage(&world);
    assert_eq!(counted(&cut), json!(LINEAGE_ENTRIES_MAX));
    assert!(cut["incomplete"]["scanned_to"].is_u64(), "{cut}");
}

#[test]
fn around_an_action_so_much_is_looked_at_and_no_more() {
    let mut world = world();
    let cause = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x"));
    let outcome = |_| confirmed("a", "w", "email.send", "x", "@I");
    let why = |world: &World| world.json(&format!("/entries/{cause}/why"));
    accept_all(&mut world, WHY_ENTRIES_MAX, outcome);
    let whole = why(&world);
    assert_eq!((len(&whole["outcomes"]), &whole["incomplete"]), (WHY_ENTRIES_MAX, &json!(false)));
    accept_all(&mut world, 1, outcome);
    let cut = why(&world);
    assert_eq!((len(&cut["outcomes"]), &cut["incomplete"]), (WHY_ENTRIES_MAX, &json!(true)));
}

/// All pages of `list`, and the items of each.
fn pages(world: &World, list: &str) -> Vec<Vec<Json>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.json(&format!("{list}{cursor}"));
        pages.push(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { return pages };
        cursor = format!("&cursor={next}");
    }
}

#[test]
fn a_histogram_goes_on_where_a_page_of_it_is_full() {
    let mut world = world();
    for _ in 0..=HISTOGRAM_BUCKETS_MAX {
        world.accept("a", start("a", "w"));
        world.wait(SECOND);
    }
    let pages = pages(&world, "/histogram?step=1s&q=kind:session.start");
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [HISTOGRAM_BUCKETS_MAX, 1]);
    assert!(pages.iter().flatten().all(|bucket| bucket["entries"] == 1));
}

#[test]
fn missing_numbers_of_many_sessions_come_page_by_page() {
    let mut world = world();
    let count = GAP_SESSIONS_MAX * 2 + 1;
    world.lose("a");
    let alone = |n: usize| {
        let mut event = start("a", "w");
        event["session"] = hex(&sha256(&n.to_be_bytes())[..16]).into();
        event
    };
    accept_all(&mut world, count, alone);
    let pages = pages(&world, "/gaps?q=kind:session.start");
    assert!(pages.len() > 1);
    let mut sessions: Vec<_> =
        pages.iter().flatten().map(|gap| gap["session"].to_string()).collect();
    // A page ends behind the look in which it is full.
    assert!(pages.iter().all(|page| page.len() < GAP_SESSIONS_MAX + 256));
    assert_eq!(sessions.len(), count);
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), count);
}

#[test]
fn a_prefix_of_more_values_than_are_opened_finds_the_same() {
    let mut world = world();
    let of_target = |n: usize| intent("a", "w", "email.send", &format!("t{n}"));
    let count = |world: &World| world.json("/count?q=target:t*&explain=true");
    for (more, is_checked) in [(QUERY_PREFIX_VALUES_MAX, false), (1, true)] {
        let before = count(&world)["count"].as_u64().unwrap();
        let first = usize::try_from(before).unwrap();
        accept_all(&mut world, more, |n| of_target(first + n));
        accept_all(&mut world, 1, |_| intent("a", "w", "email.send", "u"));
        let counted = count(&world);
        assert_eq!(counted["count"], first + more);
        let checked = &counted["explain"]["plan"]["check"];
        assert_eq!(len(checked) > 0, is_checked, "{checked}");
    }
}

#[test]
fn a_bundle_of_more_entries_than_it_holds_is_refused_by_name() {
    let mut world = world();
    let query = "kind:session.start";
    let accept_more = |world: &mut World, count: usize| {
        accept_all(world, count, |_| start("a", "w"));
        publish(world);
    };
    accept_more(&mut world, 1);
    let before = opened(&world, query).bundle.leaves.len();
    accept_more(&mut world, BUNDLE_ENTRIES_MAX - before);
    assert_eq!(opened(&world, query).bundle.leaves.len(), BUNDLE_ENTRIES_MAX);
    accept_more(&mut world, 1);
    let refused = world.problem(&format!("/bundles?q={query}&since=%230"));
    assert_eq!((refused.0, refused.1.as_str()), (422, "bundle-too-large"));
}

#[test]
fn a_reach_and_a_sample_are_of_so_many_entries_and_no_more() {
    let mut world = world();
    let most = usize::try_from(SAMPLE_POPULATION_MAX).unwrap();
    assert_eq!(most, REACH_ENTRIES_MAX);
    let accept_more = |world: &mut World, count: usize| {
        accept_all(world, count, |_| intent("a", "w", "email.send", "x"));
        publish(world);
        let reach = world.json("/impact?principal=a");
        let sample = world.json("/reports/sample?q=corr:w&sample=5&seed=s");
        [(&reach, "/entries"), (&sample, "/population/count")].map(|(answer, pointer)| {
            (answer.pointer(pointer).unwrap().as_u64(), answer["incomplete"]["scanned_to"].as_u64())
        })
    };
    // Finding that there are no more takes one look.
    let all = u64::try_from(most - 1).unwrap();
    assert_eq!(accept_more(&mut world, most - 1), [(Some(all), None); 2]);
    for (count, reached) in accept_more(&mut world, 2) {
        assert_eq!(count, Some(all + 1));
        assert!(reached.is_some());
    }
}

#[test]
fn of_the_decisions_on_a_request_as_many_are_told_as_there_is_room_for() {
    let mut world = world();
    world.principal("lead@example.com", &["human", "approver"]);
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x"));
    let request = json!({
        "kind": "approval.requested", "agent": { "id": "a" }, "correlation": "w",
        "causes": ["@I"], "approval": { "request": "@I" },
    });
    world.accept_as("a", Some("R"), request);
    let decision = json!({
        "kind": "approval.decided", "causes": ["@R", "@I"],
        "approval": { "request": "@R", "decision": "allow" },
    });
    let approval = |world: &World| world.json("/approvals")["items"][0].clone();
    for _ in 0..CONTROL_ENTRIES_MAX {
        world.accept("lead@example.com", decision.clone());
    }
    let whole = approval(&world);
    assert_eq!(
        (len(&whole["decisions"]), &whole["incomplete"]),
        (CONTROL_ENTRIES_MAX, &json!(false))
    );
    let last = world.accept("lead@example.com", decision);
    let cut = approval(&world);
    assert_eq!((len(&cut["decisions"]), &cut["incomplete"]), (CONTROL_ENTRIES_MAX, &json!(true)));
    assert_eq!(cut["decisions"][CONTROL_ENTRIES_MAX - 1]["index"], last);
}
