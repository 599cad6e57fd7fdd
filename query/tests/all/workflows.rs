//! What a workflow lacks or who tampered with it, seen through the API.

use schemas::tree::TILE_WIDTH;
use serde_json::{Value as Json, json};

use crate::world::{OPERATOR, SECOND, World, confirmed, encoded, intent, start};

fn gaps(world: &World, correlation: &str) -> Vec<serde_json::Value> {
    let chain = world.json(&format!("/workflows/{}", encoded(correlation)));
    chain["gaps"].as_array().unwrap().clone()
}

#[test]
fn unknown_workflows_are_not_found_and_odd_names_are() {
    let mut world = World::new();
    world.agent("a");
    world.accept("a", start("a", "odd/ name?%"));
    assert_eq!(world.problem("/workflows/none").0, 404);
    let chain = world.json(&format!("/workflows/{}", encoded("odd/ name?%")));
    assert_eq!(chain["correlation"], "odd/ name?%");
    assert_eq!(
        world.problem("/workflows/none?x=1"),
        (400, "unknown-parameter".into(), Some("x".into()))
    );
    assert_eq!(world.problem("/workflows/%ff").0, 400);
}

#[test]
fn numbers_missing_between_two_are_a_gap_unless_another_workflow_has_them() {
    let mut world = World::new();
    world.agent("a");
    world.accept("a", start("a", "w"));
    world.accept("a", start("a", "other"));
    world.accept("a", start("a", "w"));
    assert_eq!(gaps(&world, "w"), Vec::<serde_json::Value>::new());
    world.lose("a");
    world.accept("a", start("a", "w"));
    let found = gaps(&world, "w");
    assert_eq!((found.len(), &found[0]["kind"]), (1, &json!("sequence")));
    assert_eq!([&found[0]["from"], &found[0]["to"]], [4, 4]);
    assert_eq!([&found[0]["declared"], &found[0]["checked"]], [false, true]);
    let lost = json!({
        "kind": "gap.declared", "agent": { "id": "a" }, "correlation": "z", "gap": { "from": 4, "to": 4 },
    });
    world.accept("a", lost);
    assert_eq!(gaps(&world, "w")[0]["declared"], true);
}

#[test]
fn numbers_are_not_declared_lost_before_they_are_missing() {
    let mut world = World::new();
    world.agent("a");
    world.accept("a", start("a", "w"));
    let ahead = json!({
        "kind": "gap.declared", "agent": { "id": "a" }, "correlation": "w",
        "gap": { "from": 2, "to": 99 },
    });
    world.accept("a", ahead);
    world.lose("a");
    world.accept("a", start("a", "w"));
    let found = gaps(&world, "w");
    assert_eq!(found.len(), 1);
    assert_eq!([&found[0]["from"], &found[0]["declared"]], [&json!(3), &json!(false)]);
    let listed = world.json("/gaps?q=agent%3Aa")["items"].clone();
    assert_eq!([&listed[0]["from"], &listed[0]["state"]], [&json!(3), &json!("open")]);
}

#[test]
fn a_missing_number_is_a_gap_whatever_has_its_ordinal() {
    let ranges = |world: &World, correlation: &str| -> Vec<(u64, u64)> {
        let range = |gap: &serde_json::Value| {
            assert_eq!([&gap["kind"], &gap["checked"]], [&json!("sequence"), &json!(true)]);
            (gap["from"].as_u64().unwrap(), gap["to"].as_u64().unwrap())
        };
        gaps(world, correlation).iter().map(range).collect()
    };
    let mut world = World::new();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    for _ in 0..2 {
        world.accept("a", start("a", "w"));
    }
    world.lose("a");
    let mut filler = start("b", "of-b");
    filler["session"] = world.session("a").into();
    world.accept("b", filler);
    world.accept("a", start("a", "w"));
    assert_eq!(ranges(&world, "w"), [(3, 3)], "another signer's entry is in its place");

    for _ in 0..2 {
        world.lose("a");
    }
    let late = world.sign_all("a", vec![start("a", "w")]);
    for _ in 0..2 {
        world.accept("a", start("a", "other"));
    }
    world.send_raw(&late);
    assert_eq!(ranges(&world, "w"), [(3, 3), (5, 6)], "its own later ones are in their places");
    assert_eq!(ranges(&world, "other"), Vec::new(), "they are far from the others'");

    world.lose("a");
    world.accept("a", start("a", "next"));
    assert_eq!(ranges(&world, "next"), [(10, 10)], "right before the first");
}

#[test]
fn refused_entries_with_a_valid_signature_are_part_of_the_chain() {
    let mut world = World::new();
    world.agent("a");
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    world.accept("a", confirmed("a", "w", "email.send", "x@example.com", "@I"));
    world.accept(
        OPERATOR,
        json!({ "kind": "agent.disabled", "agent": { "id": "a" }, "reason": "case-42" }),
    );
    let refused = world.submit("a", intent("a", "w", "email.send", "y@example.com"), None);
    assert_eq!(refused.refused, Some("disabled_agent"));
    let chain = world.json("/workflows/w");
    assert_eq!(chain["counts"], json!({ "entries": 2, "counted": 2, "joined": 0, "rejected": 1 }));
    assert_eq!(chain["completeness"], "complete");
    assert_eq!(chain["verified"]["ok"], true);
    assert_eq!(chain["steps"][1]["status"], "rejected");
    assert_eq!(chain["steps"][1]["reason"], "disabled_agent");
    assert_eq!(chain["entries"][2]["proof"]["body"], "refused");
    assert_eq!(chain["entries"][2]["proof"]["signature"], true);
}

#[test]
fn a_grant_of_another_workflow_is_known_and_a_later_one_is_late() {
    let mut world = World::new();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    world.principal("boss@example.com", &["human"]);
    let grant = json!({
        "kind": "delegation.granted", "grant": { "id": "@G", "to": "a", "scope": ["email.send"] },
    });
    let mut act = intent("a", "w", "email.send", "x@example.com");
    act["principals"] = json!([
        { "id": "boss@example.com", "type": "human" },
        { "id": "a", "type": "agent", "grant_id": "@G" },
    ]);
    let index = world.accept("a", act.clone());
    let found = gaps(&world, "w");
    let label = world.label("G").to_string();
    let expected =
        json!({ "kind": "undeclared_delegation", "index": index, "grant": label, "granted": null });
    assert_eq!(found, [expected]);
    let child = json!({
        "kind": "delegation.granted", "agent": { "id": "a" },
        "grant": { "id": "@H", "to": "b", "parent": "@G" },
    });
    world.accept("a", child);
    // However often it was tried in vain before.
    for _ in 0..40 {
        let mut ended = grant.clone();
        ended["grant"]["expires"] = "2026-01-01T00:00:00Z".into();
        assert!(world.submit("boss@example.com", ended, None).refused.is_some());
    }
    let granted = world.accept("boss@example.com", grant);
    assert_eq!(gaps(&world, "w")[0]["granted"], granted);
    act["correlation"] = "v".into();
    world.accept("a", act);
    assert_eq!(gaps(&world, "v"), Vec::<serde_json::Value>::new());
}

#[test]
fn a_cause_of_a_cause_is_joined_and_an_unknown_one_is_a_gap() {
    let mut world = World::new();
    world.agent("a");
    world.accept_as("a", Some("X"), start("a", "first"));
    let mut second = start("a", "second");
    second["causes"] = json!(["@X"]);
    world.accept_as("a", Some("Y"), second);
    let mut third = start("a", "third");
    third["causes"] = json!(["@Y", "@nowhere"]);
    let index = world.accept("a", third);
    let chain = world.json("/workflows/third");
    assert_eq!(chain["counts"], json!({ "entries": 3, "counted": 1, "joined": 2, "rejected": 0 }));
    let cause = world.label("nowhere").to_string();
    assert_eq!(chain["gaps"], json!([{ "kind": "unknown_cause", "index": index, "cause": cause }]));
    assert_eq!(
        chain["completeness"], "complete",
        "a cause that never came is no hole of the ledger's"
    );
}

#[test]
fn a_cause_that_came_after_the_checkpoint_of_what_cites_it_is_proven_with_that_in_a_newer_one() {
    let mut world = World::new();
    world.agent("a");
    let mut early = start("a", "w");
    early["causes"] = json!(["@late"]);
    world.accept("a", early);
    world.writer.as_mut().unwrap().publish().unwrap();
    let published = world.head();
    assert_eq!(gaps(&world, "w")[0]["kind"], "unknown_cause");
    let late = world.accept_as("a", Some("late"), start("a", "other"));
    assert!(late >= published);
    for _ in 0..2 {
        let chain = world.json("/workflows/w");
        assert_eq!(chain["verified"], json!({ "checkpoint": world.head(), "ok": true }));
        let entries = chain["entries"].as_array().unwrap();
        let proofs: Vec<_> = entries.iter().map(|entry| &entry["proof"]["checkpoint"]).collect();
        assert_eq!(proofs, [world.head(); 2], "each against the same tree");
        assert_eq!((&entries[1]["index"], &entries[1]["joined"]), (&json!(late), &json!(true)));
        assert_eq!(gaps(&world, "w"), Vec::<serde_json::Value>::new());
    }
}

#[test]
fn many_causes_are_joined_where_they_stand_between_its_own() {
    let mut world = World::new();
    world.agent("a");
    let first = world.accept("a", start("a", "w"));
    let mut label = None;
    for n in 0..300 {
        let mut other = start("a", "other");
        other["causes"] = label.iter().map(|label| json!(format!("@{label}"))).collect();
        label = Some(format!("other {n}"));
        world.accept_as("a", label.as_deref(), other);
    }
    let mut last = start("a", "w");
    last["causes"] = json!([format!("@{}", label.unwrap())]);
    let last = world.accept("a", last);
    let chain = world.json("/workflows/w");
    let counts = json!({ "entries": 302, "counted": 2, "joined": 300, "rejected": 0 });
    assert_eq!(chain["counts"], counts);
    let indexes = |entry: &serde_json::Value| entry["index"].as_u64().unwrap();
    let found: Vec<_> = chain["entries"].as_array().unwrap().iter().map(indexes).collect();
    assert_eq!(found, (first..=last).collect::<Vec<_>>());
    assert_eq!(chain["verified"]["ok"], true);
}

#[test]
fn many_bodies_under_one_signature_are_each_verified() {
    let mut world = World::new();
    world.agent("a");
    let bodies =
        (0..40).map(|n| intent("a", "w", "email.send", &format!("{n}@example.com"))).collect();
    assert!(world.submit_all("a", bodies).iter().all(|ended| ended.refused.is_none()));
    for _ in 0..2 {
        let chain = world.json("/workflows/w");
        assert_eq!(chain["verified"]["ok"], true);
        assert_eq!(chain["entries"].as_array().unwrap().len(), 40);
        // The tree has grown when it is read again.
        world.accept("a", start("a", "x"));
        world.wait(10_000_000);
        world.accept("a", start("a", "x"));
    }
}

#[test]
fn a_stranger_says_nothing_of_what_came_of_anothers_action() {
    let mut world = World::new();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    world.principal("mailer", &["witness"]);
    world.principal("boss@example.com", &["approver"]);
    let asked = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let reverted = |named: &str| {
        let mut fields = confirmed(named, "w", "email.send", "x@example.com", "@I");
        fields["outcome"] = json!({ "status": "reverted", "external_ref": "r" });
        fields
    };
    world.accept("b", reverted("a"));
    world.accept("b", reverted("b"));
    let mut seen = reverted("b");
    seen["kind"] = "witness.observed".into();
    seen["outcome"] = json!({ "external_ref": "r" });
    for field in ["output", "principals"] {
        seen.as_object_mut().unwrap().shift_remove(field);
    }
    world.accept("mailer", seen);
    let allowed = json!({
        "kind": "approval.decided", "agent": { "id": "b" }, "correlation": "w", "causes": ["@I"],
        "approval": { "request": "@Q", "decision": "allow" },
    });
    world.accept("boss@example.com", allowed);
    world.wait(3_600_000_000);
    let found = gaps(&world, "w");
    assert_eq!(
        (found.len(), &found[0]["kind"], &found[0]["index"]),
        (1, &json!("no_outcome"), &json!(asked))
    );
    let why = |world: &World| world.json(&format!("/entries/{asked}/why"));
    for others in ["outcomes", "witnesses", "approvals"] {
        assert_eq!(why(&world)[others], json!([]), "{others}");
    }
    let own = world.accept("a", confirmed("a", "w", "email.send", "x@example.com", "@I"));
    world.accept("b", reverted("a"));

    let chain = world.json("/workflows/w");
    let steps = chain["steps"].as_array().unwrap();
    assert_eq!(
        [&steps[0]["status"], &steps[0]["entries"]],
        [&json!("confirmed"), &json!([asked, own])]
    );
    assert_eq!(steps.len(), 5, "{steps:?}");
    assert!(steps[1..].iter().all(|step| step["agent"] == "b"), "{steps:?}");
    let outcomes = why(&world)["outcomes"].clone();
    assert_eq!((outcomes.as_array().unwrap().len(), &outcomes[0]["index"]), (1, &json!(own)));
    let actions = world.json("/actions?q=corr%3Aw");
    let rows = actions["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["index"] == asked).unwrap();
    assert_eq!([&row["outcome"], &row["entries"]], [&json!("confirmed"), &json!([asked, own])]);
    assert!(
        rows.iter().filter(|row| row["index"] != asked).all(|row| row["agent"] == "b"),
        "{rows:?}"
    );
}

/// Fields of what a witness saw of the action that `@I` announced.
fn seen(name: &str, reference: &str) -> Json {
    let mut seen = confirmed(name, "w", "email.send", "x@example.com", "@I");
    seen["kind"] = "witness.observed".into();
    seen["outcome"] = json!({ "external_ref": reference });
    for field in ["output", "principals"] {
        seen.as_object_mut().unwrap().shift_remove(field);
    }
    seen
}

#[test]
fn who_names_an_agent_otherwise_than_by_its_id_is_heard() {
    let mut world = World::new();
    world.agent("a");
    world.principal("mailer", &["witness"]);
    world.principal("boss@example.com", &["approver"]);
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "a" }, "registry": names });
    world.accept(OPERATOR, update);
    let asked = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let allowed = json!({
        "kind": "approval.decided", "agent": { "id": "entra:7" }, "correlation": "w",
        "causes": ["@I"], "approval": { "request": "@Q", "decision": "allow" },
    });
    let allowed = world.accept("boss@example.com", allowed);
    let mut told = confirmed("a", "w", "email.send", "x@example.com", "@I");
    told["outcome"] = json!({ "status": "confirmed", "external_ref": "r" });
    let told = world.accept("a", told);
    let cited = world.accept("mailer", seen("entra:7", "other"));
    let mut by_reference = seen("entra:7", "r");
    by_reference.as_object_mut().unwrap().shift_remove("causes");
    let by_reference = world.accept("mailer", by_reference);
    let stranger = world.accept("mailer", seen("entra:8", "r"));

    let own = json!([asked, allowed, told, cited, by_reference]);
    let chain = world.json("/workflows/w");
    assert_eq!(chain["steps"][0]["entries"], own, "{}", chain["steps"]);
    let why = world.json(&format!("/entries/{cited}/why"));
    assert_eq!(why["entry"]["index"], asked);
    assert_eq!(why["approvals"][0]["index"], allowed, "{}", why["approvals"]);
    let witnesses: Vec<_> = list(&why["witnesses"], "index");
    assert_eq!(witnesses, [cited, by_reference]);
    let actions = world.json("/actions?q=corr%3Aw");
    let rows = actions["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["index"] == asked).unwrap();
    assert_eq!(row["entries"], json!([asked, allowed, told, cited]), "{rows:?}");
    assert!(rows.iter().any(|row| row["entries"] == json!([stranger])), "{rows:?}");
}

#[test]
fn what_was_said_under_a_name_stays_whose_it_was_when_another_agent_has_that() {
    let mut world = World::new();
    world.principal("mailer", &["witness"]);
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    let call = |world: &mut World, agent: &str, names: Json| {
        let registry = json!({ "external": names });
        let update =
            json!({ "kind": "agent.updated", "agent": { "id": agent }, "registry": registry });
        world.accept(OPERATOR, update)
    };
    let given = call(&mut world, "a", json!(["entra:7"]));
    let asked = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let witnessed = world.accept("mailer", seen("entra:7", "r"));
    let mut hop = intent("a", "w", "email.send", "y@example.com");
    hop["principals"] = json!([{ "id": "entra:7", "type": "agent" }]);
    let hop = world.accept("a", hop);
    world.principal("runtime", &["runtime"]);
    let opened = json!({
        "kind": "epoch.opened", "agent": { "id": "entra:7" },
        "model": { "provider": "p", "name": "m", "version": "2" },
    });
    let opened = world.accept("runtime", opened);
    let told = |world: &World| {
        let [chain, why, actions] =
            ["/workflows/w", &format!("/entries/{witnessed}/why"), "/actions?q=corr%3Aw"]
                .map(|path| world.json(path));
        (chain["steps"].clone(), why["witnesses"].clone(), actions["items"].clone())
    };
    let before = told(&world);
    assert_eq!(before.0[0]["entries"], json!([asked, witnessed]));
    assert_eq!(list(&before.1, "index"), [witnessed]);

    let taken = call(&mut world, "a", json!([]));
    call(&mut world, "b", json!(["entra:7"]));
    let now = world.accept("mailer", seen("entra:7", "later"));
    assert_eq!((told(&world).0[0].clone(), told(&world).1), (before.0[0].clone(), before.1));
    let count = |path: &str, part: &str| world.json(path)[part].clone();
    let reach = ["a", "b"].map(|id| count(&format!("/impact?principal={id}"), "entries"));
    assert_eq!(reach, [json!(2), json!(0)]);
    let lineage = ["a", "b"].map(|id| count(&format!("/principals/{id}/lineage"), "by_agent"));
    assert_eq!((&lineage[0][0]["last"], &lineage[1]), (&json!(hop), &json!([])));
    let found = |id: &str| world.indexes(&format!("q={}", encoded(&format!("agent:{id} corr:w"))));
    assert_eq!((found("a"), found("b")), (vec![hop, witnessed, asked], vec![now]));
    assert_eq!(found("entra:7"), [now, witnessed], "as the entry names it");
    let models = ["a", "b"].map(|id| count(&format!("/reports/models?agent={id}"), "items"));
    assert_eq!((&models[0][0]["version"], &models[1]), (&json!("2"), &json!([])));
    let names = |id: &str| world.json(&format!("/agents/{id}"))["names"].clone();
    let row = |(from, until): (u64, Option<u64>), n: u64, (first, last): (u64, u64)| {
        json!([{
            "name": "entra:7", "from": from, "until": until, "entries": n, "first": first,
            "last": last,
        }])
    };
    assert_eq!(names("a"), row((given, Some(taken)), 2, (witnessed, opened)));
    assert_eq!(names("b"), row((taken + 1, None), 1, (now, now)));
}

#[test]
fn why_is_told_of_ones_own_event_where_two_signers_share_an_id() {
    let mut world = World::finding();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    let first = world.accept_as("a", Some("X"), intent("a", "w", "email.send", "x@example.com"));
    let own = world.accept_as("b", Some("X"), intent("b", "w", "email.send", "y@example.com"));
    world.accept_as("b", Some("B"), start("b", "w"));
    let mut told = confirmed("b", "w", "email.send", "y@example.com", "@B");
    told["causes"] = json!(["@B", "@X"]);
    let told = world.accept("b", told);
    let edges = world.json("/workflows/w")["edges"].as_array().unwrap().clone();
    let into = |index: u64| edges.iter().filter(move |edge| edge["to"] == index);
    assert!(into(told).any(|edge| edge["from"] == own), "{edges:?}");
    assert!(into(told).all(|edge| edge["from"] != first), "{edges:?}");
    let causes = world.json(&format!("/entries/{told}/causes"));
    let reached = |answer: &serde_json::Value, index: u64| {
        let mut items = answer["items"].as_array().unwrap().iter();
        items.any(|item| item["entry"]["index"] == index)
    };
    assert_eq!([first, own].map(|index| reached(&causes, index)), [false, true], "{causes}");
    let effects = |index: u64| world.json(&format!("/entries/{index}/effects"));
    assert_eq!([first, own].map(|index| reached(&effects(index), told)), [false, true]);
    let finding = world.json("/findings?rule=id_reused")["items"][0]["index"].as_u64().unwrap();
    let why = |index: u64| world.json(&format!("/entries/{index}/why"));
    for asked in [told, finding] {
        assert_eq!(why(asked)["entry"]["index"], own, "{asked}");
    }
    let is_flagged = |index: u64| list(&why(index)["findings"], "index").contains(&finding);
    assert_eq!([is_flagged(first), is_flagged(own)], [false, true]);
}

#[test]
fn a_workflow_is_joined_and_linked_with_ones_own_event_where_two_signers_share_an_id() {
    let mut world = World::new();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    world.accept_as("a", Some("X"), start("a", "first"));
    let own = world.accept_as("b", Some("X"), start("b", "own"));
    // Another's event of that id is of the workflow itself.
    let other = world.accept_as("a", Some("Y"), start("a", "w"));
    let meant = world.accept_as("b", Some("Y"), start("b", "own"));
    let mut citing = start("b", "w");
    citing["causes"] = json!(["@X", "@Y"]);
    let citing = world.accept("b", citing);

    let chain = world.json("/workflows/w?linked=true");
    assert_eq!(list(&chain["entries"], "index"), [own, other, meant, citing]);
    let edge = |from: u64| json!({ "from": from, "to": citing, "kind": "cause" });
    assert_eq!(chain["edges"], json!([edge(own), edge(meant)]));
    let link =
        |at: u64| json!({ "from": "w", "to": "own", "by": "cause", "index": citing, "at": at });
    let links = json!([link(own), link(meant)]);
    assert_eq!(chain["linked"]["links"], links);
    let linked = |correlation: &str| {
        world.json(&format!("/workflows/{correlation}?linked=true"))["linked"]["links"].clone()
    };
    assert_eq!(linked("own"), links);
    assert_eq!(linked("first"), json!([]));
}

#[test]
fn a_trigger_and_a_count_are_of_ones_own_event_where_two_signers_share_an_id() {
    let mut world = World::new();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    world.principal("mail", &["boundary"]);
    let arrived = json!({
        "kind": "trigger.observed", "correlation": "w", "input": "none",
        "trigger": { "type": "mail", "ref": "m1@x" },
    });
    let set_off = world.accept_as("mail", Some("T"), arrived);
    world.accept_as("a", Some("X"), intent("a", "w", "email.send", "x@example.com"));
    let mut own = intent("b", "w", "email.send", "y@example.com");
    own["causes"] = json!(["@T"]);
    own["environment"] = "staging".into();
    world.accept_as("b", Some("X"), own);
    let mut next = intent("b", "w", "email.send", "z@example.com");
    next["causes"] = json!(["@X"]);
    let next = world.accept("b", next);
    assert_eq!(world.json(&format!("/entries/{next}/why"))["trigger"]["index"], set_off);

    for agent in ["a", "b"] {
        world.accept(agent, confirmed(agent, "w", "email.send", "x@example.com", "@X"));
    }
    let stats = world.json("/stats?by=env&q=kind%3Aaction.outcome");
    let mut counted: Vec<_> =
        stats["items"].as_array().unwrap().iter().map(|item| item["value"].clone()).collect();
    counted.sort_by_key(ToString::to_string);
    assert_eq!(counted, ["production", "staging"]);
}

#[test]
fn why_says_where_it_did_not_follow_all_causes_up_to_a_trigger() {
    let mut world = World::new();
    world.agent("a");
    world.principal("mail", &["boundary"]);
    let arrived = json!({
        "kind": "trigger.observed", "correlation": "w", "input": "none",
        "trigger": { "type": "mail", "ref": "m1@x" },
    });
    let set_off = world.accept_as("mail", Some("0"), arrived);
    let mut last = 0;
    for n in 1..=65 {
        let mut next = intent("a", "w", "email.send", "x@example.com");
        next["causes"] = json!([format!("@{}", n - 1)]);
        last = world.accept_as("a", Some(n.to_string().as_str()), next);
    }
    let why = |index: u64| world.json(&format!("/entries/{index}/why"));
    let (near, far) = (why(last - 1), why(last));
    assert_eq!([&near["trigger"]["index"], &near["incomplete"]], [&json!(set_off), &json!(false)]);
    assert_eq!([&far["trigger"], &far["incomplete"]], [&json!(null), &json!(true)]);
}

#[test]
fn nobody_agreed_to_an_action_that_was_not_there_yet() {
    let mut world = World::new();
    world.agent("a");
    world.principal("boss@example.com", &["approver"]);
    let request = json!({
        "kind": "approval.requested", "agent": { "id": "a" }, "correlation": "w",
        "causes": ["@I"], "approval": { "request": "@I" },
    });
    let requested = world.accept_as("a", Some("R"), request);
    let allow = json!({
        "kind": "approval.decided", "correlation": "w", "causes": ["@R"],
        "approval": { "request": "@R", "decision": "allow" },
    });
    let ahead = world.accept("boss@example.com", allow.clone());
    let asked = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let approvals =
        |world: &World| list(&world.json(&format!("/entries/{asked}/why"))["approvals"], "index");
    let entries = |world: &World| {
        let steps = world.json("/workflows/w")["steps"].as_array().unwrap().clone();
        steps.iter().map(|step| step["entries"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(approvals(&world), Vec::<u64>::new());
    assert!(entries(&world).contains(&json!([requested, asked])), "{:?}", entries(&world));
    let after = world.accept("boss@example.com", allow);
    assert_eq!(approvals(&world), [after]);
    let steps = entries(&world);
    assert!(steps.contains(&json!([requested, asked, after])), "{steps:?}");
    assert!(steps.contains(&json!([ahead])), "{steps:?}");
}

#[test]
fn a_session_that_is_declared_later_says_nothing_of_what_was_done_before() {
    let mut world = World::new();
    world.agent("a");
    let before = world.accept("a", intent("a", "w", "email.send", "x@example.com"));
    let declared = world.accept("a", start("a", "w"));
    let after = world.accept("a", intent("a", "w", "email.send", "y@example.com"));
    let session = |index: u64| world.json(&format!("/entries/{index}/why"))["session"].clone();
    assert_eq!(session(before), json!(null));
    assert_eq!(session(after)["index"], declared);
}

#[test]
fn nobody_acts_in_anothers_name() {
    let mut world = World::new();
    for agent in ["a", "b"] {
        world.agent(agent);
    }
    world.principal("gate", &["gate"]);
    let mut forged = intent("a", "w", "db.drop", "prod");
    forged["signer"] = "b".into();
    let forged = world.accept_as("b", Some("I"), forged);
    let verdict = json!({
        "kind": "gate.verdict", "agent": { "id": "a" }, "correlation": "w", "causes": ["@I"],
        "verdicts": [{ "gate": "g", "decision": "allow", "reason": "listed" }],
    });
    let verdict = world.accept("gate", verdict);
    let chain = world.json("/workflows/w");
    let step = |n: usize| [&chain["steps"][n]["agent"], &chain["steps"][n]["entries"]];
    assert_eq!(step(0), [&json!("b"), &json!([forged])]);
    assert_eq!(step(1), [&json!("a"), &json!([verdict])]);
    let why = world.json(&format!("/entries/{forged}/why"));
    assert_eq!(why["agent"]["id"], "b", "{why}");
    assert_eq!(why["verdicts"], json!([]));
    let actions = world.json("/actions?q=kind%3Aaction.intent")["items"].clone();
    assert_eq!([&actions[0]["agent"], &actions[0]["index"]], [&json!("b"), &json!(forged)]);
}

#[test]
fn what_a_witness_saw_is_the_first_action_of_its_reference() {
    let mut world = World::new();
    world.agent("a");
    world.principal("mailer", &["witness"]);
    let act = |world: &mut World, label: &str| {
        let intent = intent("a", "w", "email.send", "x@example.com");
        let asked = world.accept_as("a", Some(label), intent);
        let cause = format!("@{label}");
        let mut told = confirmed("a", "w", "email.send", "x@example.com", &cause);
        told["outcome"] = json!({ "status": "confirmed", "external_ref": "r" });
        world.accept("a", told);
        asked
    };
    let first = act(&mut world, "I");
    let mut seen = confirmed("a", "w", "email.send", "x@example.com", "@I");
    seen["kind"] = "witness.observed".into();
    seen["outcome"] = json!({ "external_ref": "r" });
    for field in ["output", "principals", "causes"] {
        seen.as_object_mut().unwrap().shift_remove(field);
    }
    let seen = world.accept("mailer", seen);
    let second = act(&mut world, "J");
    let witnesses =
        |index: u64| list(&world.json(&format!("/entries/{index}/why"))["witnesses"], "index");
    assert_eq!(witnesses(first), [seen]);
    assert_eq!(witnesses(second), Vec::<u64>::new());
}

#[test]
fn who_agreed_is_told_where_the_decision_cites_the_request_alone() {
    let mut world = World::new();
    world.agent("a");
    world.principal("boss@example.com", &["approver"]);
    let asked = world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let request = json!({
        "kind": "approval.requested", "agent": { "id": "a" }, "correlation": "w",
        "causes": ["@I"], "approval": { "request": "@I" },
    });
    world.wait(SECOND);
    world.accept_as("a", Some("R"), request);
    world.wait(SECOND);
    let allow = json!({
        "kind": "approval.decided", "causes": ["@R"],
        "approval": { "request": "@R", "decision": "allow" },
    });
    let allowed = world.accept("boss@example.com", allow);
    for index in [asked, allowed] {
        let why = world.json(&format!("/entries/{index}/why"));
        assert_eq!(list(&why["approvals"], "index"), [allowed], "{index}");
        assert_eq!(why["approvals"][0]["latency_us"], SECOND, "since the request");
    }
}

fn list(json: &serde_json::Value, member: &str) -> Vec<u64> {
    json.as_array().unwrap().iter().map(|item| item[member].as_u64().unwrap()).collect()
}

#[test]
fn entries_of_many_tiles_are_each_proven() {
    let mut world = World::new();
    world.agent("a");
    // More than the prover reads tiles of in one go.
    let tiles = 70;
    for _ in 0..tiles {
        world.accept("a", intent("a", "w", "email.send", "x"));
        for _ in 0..2 {
            world.submit_all("a", vec![start("a", "other"); usize::from(TILE_WIDTH) / 2]);
        }
    }
    let chain = world.json("/workflows/w");
    assert_eq!(chain["entries"].as_array().unwrap().len(), tiles);
    assert_eq!(chain["verified"]["ok"], true);
}
