//! Pages of entries: filters, windows, cursors, and what is refused.

use schemas::limits::PAGE_BYTES_MAX;
use serde_json::json;

use crate::world::{SECOND, World, encoded, indexes, intent, start};

const DAY: u64 = 86_400 * SECOND;

/// Agents `pay-0` to `pay-2`, each with entries of workflows `w0` to `w4`; returns their indexes.
fn busy(rounds: u64) -> (World, Vec<u64>) {
    let mut world = World::new();
    for n in 0..3 {
        world.agent(&format!("pay-{n}"));
    }
    let mut all = Vec::new();
    for round in 0..rounds {
        let agent = format!("pay-{}", round % 3);
        let action = if round % 2 == 0 { "email.send" } else { "voice.call" };
        all.push(world.accept(&agent, intent(&agent, &format!("w{}", round % 5), action, "x")));
        world.wait(SECOND);
    }
    (world, all)
}

fn q(world: &World, query: &str) -> Vec<u64> {
    world.indexes(&format!("q={}", encoded(query)))
}

#[test]
fn conditions_meet_as_the_language_says() {
    let (world, all) = busy(30);
    let picked = |fits: &dyn Fn(usize) -> bool| -> Vec<u64> {
        let hits = all.iter().enumerate().filter(|(round, _)| fits(*round));
        hits.map(|(_, index)| *index).rev().collect()
    };
    assert_eq!(q(&world, "kind:action.intent agent:pay-1"), picked(&|n| n % 3 == 1));
    assert_eq!(q(&world, "kind:action.* agent:pay-*"), picked(&|_| true));
    assert_eq!(q(&world, "agent:pay-0 agent:pay-2 action:*"), picked(&|n| n % 3 != 1));
    assert_eq!(q(&world, "corr:w3 action:voice.call"), picked(&|n| n % 5 == 3 && n % 2 == 1));
    assert_eq!(q(&world, "corr:w3 -action:voice.call"), picked(&|n| n % 5 == 3 && n % 2 == 0));
    assert_eq!(
        q(&world, "-kind:key.enrolled -kind:agent.registered -kind:ledger.genesis"),
        picked(&|_| true)
    );
    let either = picked(&|n| (n % 3 == 1 && n % 2 == 0) || n % 5 == 4);
    assert_eq!(q(&world, "(agent:pay-1 action:email.send | corr:w4)"), either);
    let excluded = picked(&|n| (n % 3 == 1 && n % 2 == 1) || n % 5 == 4);
    assert_eq!(
        q(&world, "(agent:pay-1 -action:email.send | corr:w4) kind:action.intent"),
        excluded
    );
    assert_eq!(q(&world, "agent:nobody"), Vec::<u64>::new());
    assert_eq!(q(&world, "owner:owner@example.com action:*"), picked(&|_| true));
    let mut oldest = picked(&|n| n % 3 == 1);
    oldest.reverse();
    assert_eq!(world.indexes("agent=pay-1&kind=action.intent&order=oldest"), oldest);
    assert_eq!(world.indexes("agent=pay-1&q=corr:w1"), picked(&|n| n % 3 == 1 && n % 5 == 1));
}

#[test]
fn an_id_finds_its_entry_however_it_is_spelled() {
    let mut world = World::new();
    world.agent("a");
    let index = world.accept_as("a", Some("S"), start("a", "w"));
    let id = world.label("S").to_string();
    world.wait(3 * DAY);
    for spelled in [id.clone(), id.to_uppercase(), id.replace('-', "")] {
        assert_eq!(q(&world, &format!("id:{spelled}")), [index]);
        assert_eq!(indexes(&world.json(&format!("/entries/by-id/{spelled}"))), [index]);
    }
    assert_eq!(q(&world, &format!("id:{id} agent:b")), Vec::<u64>::new());
    assert_eq!(q(&world, &format!("-id:{id} corr:w")), Vec::<u64>::new());
    assert_eq!(
        world.problem("/entries/by-id/7"),
        (400, "invalid-parameter".into(), Some("id".into()))
    );
    let other = id.replace("-7", "-4");
    assert_eq!(world.problem(&format!("/entries/by-id/{other}")).0, 400, "no UUIDv7");
    let unknown = format!("{}-0000-7000-8000-000000000000", &id[..8]);
    assert_eq!(
        world.problem(&format!("/entries/by-id/{unknown}")),
        (404, "not-found".into(), None)
    );
}

#[test]
fn the_window_is_a_day_unless_the_query_names_one_thing() {
    let mut world = World::new();
    world.agent("a");
    let old = world.accept("a", start("a", "w"));
    world.wait(2 * DAY);
    let new = world.accept("a", start("a", "w"));
    world.wait(60 * SECOND);
    assert_eq!(world.indexes("agent=a"), [new]);
    assert_eq!(world.indexes("corr=w"), [new, old]);
    assert_eq!(q(&world, "agent:a since:3d kind:session.start"), [new, old]);
    assert_eq!(world.indexes("agent=a&kind=session.start&since=3d&until=1d"), [old]);
    assert_eq!(world.indexes(&format!("agent=a&kind=session.start&until={new}")), [old]);
    assert_eq!(world.indexes(&format!("agent=a&after={old}")), [new]);
    assert_eq!(world.indexes(&format!("agent=a&since={old}&until={new}")), [old]);
    assert_eq!(world.indexes(&format!("agent=a&since=%23{new}")), [new]);
    assert_eq!(world.indexes("agent=a&since=2026-04-09T22:00:00Z"), [new]);
    assert_eq!(world.indexes("q=agent:a+on:2026-04-09&since=22:00&until=22:01"), [new]);
    assert_eq!(world.indexes("q=agent:a+on:2026-04-09&since=22:01"), Vec::<u64>::new());
    assert_eq!(
        q(&world, "agent:a after:2026-04-09T22:00:00Z"),
        Vec::<u64>::new(),
        "after is exclusive"
    );
    let page = world.json("/entries?agent=a");
    let expected = json!({ "from": new, "to": new + 1, "since": "2026-04-08T22:01:00.000000Z", "until": null });
    assert_eq!(page["window"], expected);
    assert_eq!(world.json("/entries?corr=w")["window"]["from"], 0);
}

#[test]
fn paging_is_stable_while_entries_arrive() {
    for order in ["newest", "oldest"] {
        let (mut world, mut all) = busy(25);
        if order == "newest" {
            all.reverse();
        }
        let path = format!("/entries?q=action:*&order={order}&limit=4");
        let mut page = world.json(&path);
        let as_of = page["as_of"].clone();
        let mut seen = Vec::new();
        loop {
            seen.extend(indexes(&page));
            assert_eq!(
                (&page["as_of"], page["items"].as_array().unwrap().len() <= 4),
                (&as_of, true)
            );
            world.accept("pay-0", intent("pay-0", "w", "email.send", "late"));
            world.wait(DAY);
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            page = world.json(&format!("{path}&cursor={cursor}"));
        }
        assert_eq!(seen, all, "{order}");
    }
}

#[test]
fn a_page_of_long_bodies_ends_early_and_its_cursor_goes_on() {
    const LONG: usize = 60_000;
    let mut world = World::new();
    world.agent("a");
    let mut long = |n: usize| {
        let mut body = vec![0; LONG];
        body[..8].copy_from_slice(&n.to_be_bytes());
        world.submit_bytes("a", body)
    };
    let all: Vec<_> = (0..2 * PAGE_BYTES_MAX / LONG).map(&mut long).collect();
    assert_eq!(all[0].refused, Some("too_large"));
    let mut all: Vec<_> = all.into_iter().map(|ended| ended.index).collect();
    for order in ["oldest", "newest"] {
        let path = format!("/entries?q=status:rejected&order={order}&limit=1000");
        let (mut cursor, mut pages) = (String::new(), Vec::new());
        loop {
            let page = world.json(&format!("{path}{cursor}"));
            pages.push(indexes(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((pages.len(), pages.concat()), (2, all.clone()), "{order}");
        for full in &pages[..pages.len() - 1] {
            assert_eq!(full.len(), PAGE_BYTES_MAX / LONG + 1, "{order}");
        }
        all.reverse();
    }
}

#[test]
fn a_cursor_serves_one_filter_and_one_history() {
    let (world, _) = busy(10);
    let mut other = World::new();
    other.principal("somebody else", &["human"]);
    for _ in 0..20 {
        other.accept(
            "somebody else",
            json!({ "kind": "gap.declared", "gap": { "from": 1, "to": 1 } }),
        );
    }
    let page = world.json("/entries?agent=pay-1&limit=1");
    let cursor = page["next_cursor"].as_str().unwrap();
    let problem = |world: &World, path: &str| world.problem(&format!("{path}&cursor={cursor}"));
    let named = |code: &str| (400, code.to_owned(), Some("cursor".to_owned()));
    assert_eq!(
        world.json(&format!("/entries?limit=9&cursor={cursor}&agent=pay-1"))["next_cursor"],
        json!(null)
    );
    assert_eq!(problem(&world, "/entries?agent=pay-2"), named("cursor-of-another-filter"));
    assert_eq!(
        problem(&world, "/entries?agent=pay-1&order=oldest"),
        named("cursor-of-another-filter")
    );
    assert_eq!(problem(&other, "/entries?agent=pay-1&limit=1"), named("cursor-of-another-history"));
    for bad in ["x", "00", ""] {
        assert_eq!(world.problem(&format!("/entries?cursor={bad}")), named("bad-cursor"));
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let (world, _) = busy(1);
    for (query, code, param) in [
        ("colour=red", "unknown-parameter", "colour"),
        ("agent=a&agent=b", "repeated-parameter", "agent"),
        ("limit=0", "invalid-parameter", "limit"),
        ("limit=1001", "invalid-parameter", "limit"),
        ("limit=many", "invalid-parameter", "limit"),
        ("order=random", "invalid-parameter", "order"),
        ("q=agnet:x", "bad-query", "q"),
        ("q=pay", "bad-query", "q"),
        ("q=since:yesterday", "bad-query", "q"),
        ("since=yesterday", "bad-query", "since"),
        ("until=15m+agent:x", "bad-query", "until"),
        ("after=", "bad-query", "after"),
        ("q=id:7", "bad-query", "q"),
        ("explain=perhaps", "invalid-parameter", "explain"),
    ] {
        let expected = (400, code.to_owned(), Some(param.to_owned()));
        assert_eq!(world.problem(&format!("/entries?{query}")), expected, "{query}");
    }
    assert_eq!(world.problem("/entries?q=%ff").0, 400);
    for index in ["x", "-1", "+1", "1.0", "99999999999999999999999"] {
        let expected = (400, "invalid-parameter".to_owned(), Some("index".to_owned()));
        assert_eq!(world.problem(&format!("/entries/{index}")), expected);
    }
    assert_eq!(world.problem("/entries/999"), (404, "not-found".into(), None));
    assert_eq!(world.problem("/entries/999/leaf"), (404, "not-found".into(), None));
}

#[test]
fn one_entry_comes_with_what_was_checked() {
    let (mut world, all) = busy(3);
    let entry = world.json(&format!("/entries/{}", all[1]));
    assert_eq!(entry["index"], all[1]);
    assert_eq!(entry["body"]["agent"]["id"], "pay-1");
    let size = world.head();
    let proof = json!({
        "chain": true, "body": "verified", "signature": true, "inclusion": true, "checkpoint": size,
    });
    assert_eq!(entry["proof"], proof);
    let refused = world.send_raw(b"junk")[0].index;
    let entry = world.json(&format!("/entries/{refused}"));
    assert_eq!(entry["status"], "malformed");
    assert_eq!(entry["proof"]["signature"], json!(null));
    assert_eq!(entry["proof"]["inclusion"], true);
    assert_eq!(q(&world, "status:rejected"), [refused]);
    assert_eq!(q(&world, "reason:malformed"), [refused]);
}

#[test]
fn what_was_accepted_is_all_that_was_not_rejected() {
    let (mut world, all) = busy(3);
    let refused = world.send_raw(b"junk")[0].index;
    let newest: Vec<_> = (0..world.head()).rev().filter(|index| *index != refused).collect();
    assert_eq!(q(&world, "status:accepted"), newest);
    assert_eq!(q(&world, "status:accepted action:*").len(), all.len());
    assert_eq!(q(&world, "-status:accepted"), [refused]);
    let asked = |path: &str| world.json(&format!("{path}?explain=true&q=status:accepted"));
    let page = asked("/entries");
    let not = json!({ "not": { "term": "status:rejected", "postings": 1 } });
    assert_eq!(page["explain"]["plan"], json!({ "read": not, "check": [] }));
    assert_eq!(page["explain"]["entries_checked"], 0);
    let count = asked("/count");
    assert_eq!(count["count"], newest.len());
    assert_eq!(count["explain"]["postings_read"], 0, "it is known without a walk");
}

#[test]
fn a_value_that_no_entry_can_carry_is_refused_with_what_to_write() {
    let (world, _) = busy(1);
    for (path, place, instead) in [
        ("entries?q=agent:a+status:ok", Some(8), Some("one of accepted, rejected")),
        ("entries?q=kind:intent", Some(0), Some("action.intent")),
        ("entries?kind=intent", Some(0), Some("action.intent")),
        ("entries?outcome=success*", Some(0), None),
        ("count?q=verdict:denied", Some(0), Some("one of allow, deny")),
        ("stats?by=agent&q=finding:volumes", Some(0), Some("volume")),
        ("claims?term=status:accepted", None, None),
        ("claims?term=kind:intent", None, None),
        ("findings?rule=volumes", None, None),
        ("agents?state=off", None, None),
        ("principals?role=boss", None, None),
    ] {
        let answer = world.get(&format!("/{path}"));
        let problem = answer.json();
        let found = (answer.status.as_u16(), problem["position"].as_u64());
        assert_eq!(found, (400, place), "{path}: {problem}");
        if let Some(instead) = instead {
            assert_eq!(problem["suggestion"], instead, "{path}");
        }
    }
}

#[test]
fn a_prefix_of_too_many_values_is_checked_on_each_entry() {
    let mut world = World::new();
    world.agent("a");
    let mut all = Vec::new();
    for round in 0..5 {
        let target = |n: u64| format!("t{}", round * 250 + n);
        let bodies = (0..250).map(|n| intent("a", "w", "email.send", &target(n))).collect();
        all.extend(world.submit_all("a", bodies).iter().map(|ended| ended.index));
    }
    all.reverse();
    let page =
        |query: &str| world.json(&format!("/entries?limit=1000&explain=true&q={}", encoded(query)));
    for query in ["target:t*", "(target:*|agent:b)", "target:t* agent:a"] {
        assert_eq!(indexes(&page(query)), all[..1000], "{query}");
    }
    let plan = |query: &str| page(query)["explain"]["plan"].clone();
    assert_eq!(
        plan("target:t* agent:a"),
        json!({
            "read": { "term": "agent:a", "postings": 1252 },
            "check": ["target:t*"],
        })
    );
    assert_eq!(plan("target:t*")["read"], json!({ "every": "entry of the window" }));
    assert_eq!(plan("target:t12*")["read"]["any"].as_array().unwrap().len(), 61);
    assert_eq!(q(&world, "target:t* target:t1249 agent:a").len(), 100);
    assert_eq!(q(&world, "target:t12* agent:a since:1h").len(), 61);
    let page = page("target:t1* corr:w");
    assert_eq!((indexes(&page).len(), &page["next_cursor"]), (361, &json!(null)));
}
