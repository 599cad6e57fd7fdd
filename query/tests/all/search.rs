//! Answers to a query other than its entries: counts, histograms, groups, plans, gaps; and what is refused.

use serde_json::{Value as Json, json};

use crate::world::{SECOND, START, World, encoded, intent, start};

/// Two agents, one of whom acts `entries` times, a minute apart.
fn world(entries: u64) -> World {
    let mut world = World::new();
    world.agent("a");
    world.agent("b");
    for n in 0..entries {
        let action = if n % 2 == 0 { "email.send" } else { "voice.call" };
        world.accept("a", intent("a", &format!("w{}", n % 3), action, "x"));
        world.wait(60 * SECOND);
    }
    world
}

fn at(us: u64) -> String {
    let stamp = jiff::Timestamp::from_microsecond(i64::try_from(us).unwrap()).unwrap();
    format!("{stamp:.6}")
}

#[test]
fn a_bad_query_says_where_and_what_was_meant() {
    let world = world(0);
    let paths =
        ["/entries?", "/count?", "/histogram?step=1h&", "/stats?by=agent&", "/gaps?", "/bundles?"];
    for (q, position, suggestion) in [
        ("agent:a agnet:b", json!(8), json!("agent")),
        ("correlation:w", json!(0), json!("corr")),
        ("agent:a pay", json!(8), json!("key:value, for example agent:pay")),
        ("agent:a id:7", json!(8), json!("an event id, a UUIDv7")),
        ("agent:a target:", json!(8), json!("target:*")),
        ("agent:a since:yesterday", json!(8), Json::Null),
        ("(agent:a since:1h)", json!(9), Json::Null),
        ("agent:a (", json!(8), Json::Null),
        ("agent:\"a", json!(0), Json::Null),
    ] {
        for path in paths {
            let answer = world.get(&format!("{path}q={}", encoded(q)));
            let problem = answer.json();
            let found = (answer.status.as_u16(), &problem["code"], &problem["param"]);
            assert_eq!(found, (400, &json!("bad-query"), &json!("q")), "{path}{q}");
            assert_eq!(
                (&problem["position"], &problem["suggestion"]),
                (&position, &suggestion),
                "{q}"
            );
        }
    }
    for (path, param) in [
        ("/histogram", "step"),
        ("/histogram?step=0s", "step"),
        ("/histogram?step=often", "step"),
        ("/stats?by=colour", "by"),
        ("/count?explain=perhaps", "explain"),
    ] {
        let expected = (400, "invalid-parameter".to_owned(), Some(param.to_owned()));
        assert_eq!(world.problem(path), expected, "{path}");
    }
    assert_eq!(world.problem("/count?limit=3").1, "unknown-parameter");
}

#[test]
fn a_cursor_of_another_answer_or_of_a_lost_history_is_refused() {
    let (whole, restored) = (world(9), world(4));
    let page = whole.json("/entries?q=agent:a&limit=2");
    let cursor = page["next_cursor"].as_str().unwrap();
    let named = |code: &str| (400, code.to_owned(), Some("cursor".to_owned()));
    let problem = |world: &World, path: &str| world.problem(&format!("{path}&cursor={cursor}"));
    for path in [
        "/count?q=agent:a",
        "/gaps?q=agent:a",
        "/histogram?q=agent:a&step=1h",
        "/stats?q=agent:a&by=corr",
    ] {
        assert_eq!(problem(&whole, path), named("cursor-of-another-filter"), "{path}");
    }
    assert_eq!(problem(&whole, "/entries?q=agent:b"), named("cursor-of-another-filter"));
    assert_eq!(problem(&restored, "/entries?q=agent:a"), named("cursor-of-another-history"));
    let explained = format!("/entries?q=agent:a&limit=2&explain=true&cursor={cursor}");
    assert!(whole.json(&explained)["explain"].is_object());
    // Another place in it is still within the filter; another tree is not.
    let forged = cursor.replacen(&cursor[8..12], "ffff", 1);
    assert_eq!(whole.get(&format!("/entries?q=agent:a&cursor={forged}")).status.as_u16(), 400);
}

#[test]
fn entries_are_counted_by_time_and_by_key() {
    let world = world(10);
    let count = |q: &str| world.json(&format!("/count?explain=true&q={}", encoded(q)));
    for (q, expected) in [
        ("agent:a kind:action.intent", 10),
        ("agent:a kind:action.intent -action:voice.call", 5),
        ("action:*", 10),
        ("corr:w0", 4),
        ("corr:w0 until:0", 0),
        ("since:0 kind:agent.registered", 2),
        ("agent:nobody", 0),
    ] {
        let answer = count(q);
        assert_eq!(
            (&answer["count"], &answer["next_cursor"]),
            (&json!(expected), &Json::Null),
            "{q}"
        );
    }
    assert_eq!(count("since:0")["count"], world.head());
    // What one row of the index says needs no walk.
    assert_eq!(count("corr:w0")["explain"]["postings_read"], 0);
    let half = world.json(&format!("/histogram?step=5m&q={}", encoded("action:*")));
    let bucket = |n: u64| json!({ "start": at(START + n * 300 * SECOND), "entries": 5 });
    assert_eq!(half["items"], json!([bucket(0), bucket(1)]));
    assert_eq!((&half["step_s"], &half["damaged"]), (&json!(300), &json!(0)));
    let stats = world.json(&format!("/stats?by=corr&q={}", encoded("action:*")));
    let rows = stats["items"].as_array().unwrap().iter();
    let rows: Vec<_> = rows
        .map(|row| (row["value"].as_str().unwrap(), row["entries"].as_u64().unwrap()))
        .collect();
    assert_eq!(rows, [("w0", 4), ("w1", 3), ("w2", 3)]);
    assert_eq!((&stats["entries"], &stats["others"]), (&json!(10), &json!(0)));
}

#[test]
fn a_plan_says_what_is_read_and_what_is_checked() {
    let world = world(10);
    let q = "agent:a (corr:w0 | corr:w1 -action:voice.call) -target:y* time:2026-04-07";
    let page = world.json(&format!("/entries?explain=true&q={}", encoded(q)));
    assert_eq!(page["items"].as_array().unwrap().len(), 5);
    let term = |term: &str, postings: u64| json!({ "term": term, "postings": postings });
    let expected = json!({
        "read": { "all": [
            term("agent:a", 12),
            { "any": [
                term("corr:w0", 4),
                { "all": [term("corr:w1", 3), { "not": term("action:voice.call", 5) }] },
            ] },
            { "not": { "any": [] } },
        ] },
        "check": [
            "time:2026-04-07T00:00:00.000000Z..2026-04-08T00:00:00.000000Z",
        ],
    });
    assert_eq!(page["explain"]["plan"], expected);
    assert_eq!(page["explain"]["entries_checked"], 5);
}

#[test]
fn missing_numbers_are_open_filled_or_declared() {
    let mut world = world(0);
    world.accept("a", start("a", "w"));
    let late = world.sign_all(
        "a",
        vec![intent("a", "w", "email.send", "x"), intent("a", "w", "email.send", "y")],
    );
    let shown = world.accept("a", intent("a", "w", "email.send", "z"));
    let gaps =
        |world: &World, q: &str| world.json(&format!("/gaps?q={}", encoded(q)))["items"].clone();
    let gap = |state: &str, from: u64, to: u64, by: (&str, u64)| {
        let mut gap = json!({ "state": state, "from": from, "to": to, "numbers": to - from + 1 });
        gap[by.0] = json!(by.1);
        gap
    };
    let plain = |gaps: Json| -> Vec<Json> {
        let strip = |gap: &Json| {
            let mut gap = gap.as_object().unwrap().clone();
            assert_eq!(gap.remove("signer"), Some(json!("a")));
            gap.remove("session");
            Json::Object(gap)
        };
        gaps.as_array().unwrap().iter().map(strip).collect()
    };
    assert_eq!(plain(gaps(&world, "agent:a")), [gap("open", 2, 3, ("shown_by", shown))]);
    let filled = world.send_raw(&late)[1].index;
    assert_eq!(plain(gaps(&world, "agent:a")), [gap("filled", 2, 3, ("filled_by", filled))]);
    world.lose("a");
    let said = world.accept(
        "a",
        json!({ "kind": "gap.declared", "agent": { "id": "a" }, "gap": { "from": 5, "to": 5 } }),
    );
    let mut declared = gap("declared", 5, 5, ("shown_by", said));
    declared["declared_by"] = json!(said);
    assert_eq!(
        plain(gaps(&world, "agent:a")),
        [declared, gap("filled", 2, 3, ("filled_by", filled))]
    );
    assert_eq!(gaps(&world, "agent:b"), json!([]));
    assert_eq!(plain(gaps(&world, "session:*")).len(), 2);
}

#[test]
fn findings_and_approvals_come_page_by_page_to_the_last() {
    let mut world = World::finding();
    world.agent("a");
    world.principal("lead@example.com", &["human", "approver"]);
    world.accept("a", start("a", "w"));
    for label in ["I1", "I2", "I3"] {
        world.accept_as("a", Some(label), intent("a", "w", "email.send", "x@example.com"));
        let asked = format!("R{label}");
        let request = json!({
            "kind": "approval.requested", "agent": { "id": "a" }, "correlation": "w",
            "causes": [format!("@{label}")], "approval": { "request": format!("@{label}") },
        });
        world.accept_as("a", Some(asked.as_str()), request);
    }
    let decision = json!({
        "kind": "approval.decided", "causes": ["@RI1", "@I1"],
        "approval": { "request": "@RI1", "decision": "allow" },
    });
    world.accept("lead@example.com", decision);
    for list in
        ["/findings?", "/findings?rule=out_of_contract&", "/approvals?", "/approvals?open=true&"]
    {
        let whole = world.json(&format!("{list}limit=1000"));
        assert!(whole["items"].as_array().unwrap().len() > 1, "{list}: {whole}");
        assert_eq!(whole["next_cursor"], json!(null), "{list}");
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.json(&format!("{list}limit=1{cursor}"));
            assert_eq!(page["as_of"], whole["as_of"], "{list}");
            paged.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(paged), whole["items"], "{list}");
    }
    let page = world.json("/findings?limit=1");
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(
        world.problem(&format!("/approvals?cursor={cursor}")).2,
        Some("cursor".into()),
        "a cursor serves the list that it came with"
    );
}
