//! Attempts to get round the rules, and what they lead to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value as Json, json};

use super::testing::*;
use crate::body::Body;
use crate::id::{BodyDigest, Micros};
use crate::leaf::Status;
use crate::rules::Engine;

fn drop_table(class: &str) -> Json {
    json!({ "action": action("DROP TABLE", class, "sys:prod/sessions") })
}

fn confirmed(reference: &str) -> Json {
    json!({ "outcome": { "status": "confirmed", "external_ref": reference } })
}

#[test]
fn a_late_intent_claims_nothing() {
    let mut world = World::new();
    world.witness("a", "r", &json!({}));
    world.intent("a", &json!({}));
    let intent = world.id.clone();
    assert_eq!(world.outcome("a", &intent, &confirmed("r")), NONE);
    assert_eq!(world.due_in(300), ["unclaimed_action"], "witness 40, intent 41");
}

#[test]
fn an_old_harmless_intent_does_not_cover_what_was_seen() {
    let mut world = World::new();
    world.intent("a", &json!({}));
    let intent = world.id.clone();
    assert_eq!(world.witness("a", "r", &drop_table("destructive")), ["unapproved_destructive"]);
    let told = world.outcome("a", &intent, &confirmed("r"));
    assert_eq!(told, ["claim_mismatch class,target"]);
}

#[test]
fn many_outcomes_of_one_intent_are_many_executions() {
    let mut world = World::new();
    let limits =
        json!({ "limits": { "caps": [{ "action": "DROP TABLE", "per": "hour", "max": 2 }] } });
    world.contract("a", "owner", &with(limits, &json!({ "witnessed": ["sys"] })));
    let drop = drop_table("destructive");
    world.intent("a", &drop);
    let intent = world.id.clone();
    for n in 1..=3 {
        let mut expected = vec!["unapproved_destructive"];
        if n == 3 {
            expected.insert(0, "cap_exceeded 3 of 2");
        }
        assert_eq!(world.outcome("a", &intent, &drop), expected);
    }
    assert_eq!(world.witness("a", "r", &with(drop, &json!({ "causes": [intent] }))), NONE);
    assert_eq!(world.due_in(300), ["unwitnessed"; 2], "one witness is for one of them");
}

#[test]
fn an_intent_is_for_one_execution() {
    let mut world = World::new();
    let hours = json!([{ "action": "do", "from": "00:00", "to": "04:00", "zone": "UTC" }]);
    world.contract("a", "owner", &json!({ "hours": hours }));
    world.intent("a", &json!({}));
    let intent = world.id.clone();
    assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
    world.now = time("2026-04-08T04:00:00Z");
    let revoked = json!({ "credential": { "id": "cred-a" }, "agent": { "id": "a" } });
    world.entry("credential.revoked", "op", revoked);
    let seen = json!({ "causes": [intent] });
    assert_eq!(world.witness("a", "r", &seen), NONE, "what was told already");
    let again = world.outcome("a", &intent, &json!({}));
    assert_eq!(again, ["out_of_contract hours", "revoked_credential_use"]);
    assert_eq!(world.witness("a", "s", &seen), NONE, "the same once more");
    let again = world.witness("a", "t", &seen);
    assert_eq!(again, ["out_of_contract hours", "revoked_credential_use"]);
}

#[test]
fn what_is_done_again_under_one_intent_counts_for_volume() {
    let mut world = World::new();
    world.contract("a", "owner", &json!({ "thresholds": { "volume": 3 } }));
    world.intent("a", &json!({}));
    let intent = world.id.clone();
    for _ in 0..3 {
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
    }
    assert_eq!(world.outcome("a", &intent, &json!({})), ["volume"]);
}

#[test]
fn what_is_done_again_need_not_say_again_what_its_intent_said() {
    let mut world = World::new();
    let agent = json!({
        "name": "a", "owner": "owner", "permissions": { "sys": ["repo:read"] },
        "execution_mode": "on_behalf_of",
    });
    world.contract("a", "owner", &json!({ "agent": agent }));
    let for_user = json!({
        "mode": "on_behalf_of", "on_behalf_of": "u@example.com", "scope": ["repo:read"],
    });
    assert_eq!(world.intent("a", &for_user), NONE);
    let intent = world.id.clone();
    for _ in 0..2 {
        assert_eq!(world.outcome("a", &intent, &json!({})), NONE);
    }
}

#[test]
fn what_is_told_as_reverted_alone_was_done() {
    let reverted = json!({ "outcome": { "status": "reverted" }, "output": null });
    let begin = || {
        let mut world = World::new();
        let caps = json!([{ "action": "do", "per": "hour", "max": 2 }]);
        let terms = json!({ "approval_required": ["do"], "limits": { "caps": caps } });
        world.contract("a", "owner", &terms);
        world.intent("a", &json!({}));
        world
    };
    let mut world = begin();
    let intent = world.id.clone();
    for _ in 0..2 {
        assert_eq!(world.outcome("a", &intent, &reverted), ["approval_missing"]);
    }
    let third = world.outcome("a", &intent, &reverted);
    assert_eq!(third, ["approval_missing", "cap_exceeded 3 of 2"]);
    let mut world = begin();
    let intent = world.id.clone();
    assert_eq!(world.outcome("a", &intent, &json!({})), ["approval_missing"]);
    assert_eq!(world.outcome("a", &intent, &reverted), NONE, "the same, taken back");
    assert_eq!(world.outcome("a", &intent, &reverted), ["approval_missing"], "another");
}

#[test]
fn growing_day_by_day_lifts_no_bound_in_time() {
    let mut world = World::empty("2026-03-01T00:00:00Z");
    world.principal("owner", &["owner"]);
    world.agent("a", "owner");
    world.contract("a", "owner", &json!({}));
    world.start("a", &json!({}));
    let mut flagged = Vec::new();
    for day in 0..4_u32 {
        let found = (0..60 << day).map(|_| world.intent("a", &json!({}))).filter(|f| !f.is_empty());
        flagged.push(found.count());
        world.now.0 += 24 * 3_600_000_000;
    }
    // The second day's 120 stand against 60, for the day before is too near; the third's 240 against 180.
    assert_eq!(flagged, [0, 60, 60, 100], "bounded at a hundred in an hour");
    let due = world.due_in(0);
    assert!(due.contains(&"volume x20".to_owned()), "480 are 120 beyond 360");
}

#[test]
fn a_harmless_label_hides_nothing_that_the_contract_knows() {
    let mut world = World::new();
    let actions = json!({ "DROP TABLE": { "class": "destructive", "scope": "db:drop" } });
    world.contract("a", "owner", &json!({ "actions": actions }));
    assert_eq!(world.intent("a", &drop_table("read")), ["claim_mismatch class"]);
    let intent = world.id.clone();
    let told = world.outcome("a", &intent, &drop_table("read"));
    assert_eq!(told, ["unapproved_destructive"]);
    let renamed = json!({ "action": action("drop table", "read", "sys:prod/sessions") });
    assert_eq!(world.intent("a", &renamed), ["claim_mismatch class"]);
}

#[test]
fn a_harmless_outcome_does_not_undo_a_dangerous_intent_or_witness() {
    let mut world = World::new();
    let drop = drop_table("destructive");
    world.intent("a", &drop);
    let intent = world.id.clone();
    let mild = world.outcome("a", &intent, &drop_table("read"));
    assert_eq!(mild, ["claim_mismatch class", "unapproved_destructive"]);
    world.intent("a", &drop_table("read"));
    let intent = world.id.clone();
    assert_eq!(world.outcome("a", &intent, &drop_table("read")), NONE);
    let seen = world.witness("a", "r", &with(drop, &json!({ "causes": [intent] })));
    assert_eq!(seen, ["claim_mismatch class", "unapproved_destructive"]);
}

#[test]
fn silence_instead_of_an_outcome_is_heard() {
    let mut world = World::new();
    let gated = json!({ "gates": { "DROP TABLE": ["g"] }, "approval_required": ["DROP TABLE"] });
    world.contract("a", "owner", &gated);
    let drop = drop_table("destructive");
    world.intent("a", &drop);
    let intent = world.id.clone();
    let seen = world.witness("a", "r", &with(drop, &json!({ "causes": [intent] })));
    assert_eq!(seen, ["approval_missing", "unapproved_destructive", "unchecked_action g"]);
    world.intent("a", &json!({}));
    assert_eq!(world.due_in(900), ["no_outcome"]);
}

#[test]
fn the_credential_of_another_is_told_wherever_it_is_named() {
    let mut world = World::new();
    let of_b = json!({ "credential": { "id": "cred-b" } });
    assert_eq!(world.intent("a", &of_b), ["unregistered_credential another"]);
    world.intent("a", &json!({}));
    let intent = world.id.clone();
    let joined = with(of_b, &json!({ "causes": [intent] }));
    assert_eq!(world.witness("a", "r", &joined), ["shared_credential b"]);
}

#[test]
fn nobody_hides_behind_anothers_intent_reference_or_approval() {
    let mut world = World::new();
    let drop = drop_table("destructive");
    world.intent("b", &drop);
    let intent = world.id.clone();
    world.decide("human", &intent, "allow", None);
    world.outcome("b", &intent, &with(drop.clone(), &confirmed("r")));
    let told = world.outcome("a", &intent, &with(drop.clone(), &confirmed("r")));
    assert_eq!(told, ["unapproved_destructive"]);
    assert_eq!(world.witness("a", "r", &drop), ["unapproved_destructive"]);
    assert_eq!(world.due_in(300), ["unclaimed_action"]);
    assert_eq!(world.found[0].agent.as_deref(), Some("a"));
}

#[test]
fn who_is_shown_a_harmless_intent_allows_no_other() {
    let drop = drop_table("destructive");
    let ask = |meant: &str, shown: &str| json!({ "correlation": "w", "causes": [meant], "approval": { "request": shown } });
    for (who, copies, expected) in
        [("a", false, vec![]), ("b", false, vec![]), ("b", true, vec!["id_reused"])]
    {
        let mut world = World::new();
        world.intent("a", &json!({}));
        let shown = world.id.clone();
        world.intent(who, &drop);
        let meant = world.id.clone();
        let mut asked = ask(&meant, &shown);
        if copies {
            asked["id"] = json!(shown);
        }
        assert_eq!(world.entry("approval.requested", who, asked), expected);
        assert_eq!(world.decide("human", &shown, "allow", None), NONE);
        assert_eq!(world.outcome(who, &meant, &drop), ["unapproved_destructive"], "{who}");
    }
}

#[test]
fn a_copied_id_takes_no_intent_over() {
    let mut world = World::new();
    let drop = drop_table("destructive");
    world.intent("a", &drop);
    let id = world.id.clone();
    assert_eq!(world.intent("b", &with(drop.clone(), &json!({ "id": id }))), ["id_reused"]);
    world.decide("human", &id, "allow", None);
    assert_eq!(world.outcome("b", &id, &drop), ["unapproved_destructive"]);
    assert_eq!(world.outcome("a", &id, &drop), NONE, "it was allowed to a");
}

#[test]
fn a_suppressed_session_shows_in_the_next_one() {
    let mut world = World::new();
    let previous = json!({ "session": session("a"), "n": 9, "digest": "03".repeat(32) });
    let next = json!({ "session": "0b".repeat(16), "previous": previous });
    world.start("a", &next);
    assert_eq!(world.due_in(300), ["seq_gap previous"], "its tail");
    let previous = json!({ "session": "0d".repeat(16), "n": 9, "digest": "03".repeat(32) });
    let next = json!({ "session": "0e".repeat(16), "previous": previous });
    world.start("a", &next);
    assert_eq!(world.due_in(300), ["seq_gap previous"], "all of it");
}

#[test]
fn more_gaps_than_are_remembered_are_told_all_the_same() {
    let mut world = World::new();
    for n in 0..20_u64 {
        let seq = json!({ "seq": { "n": 10 + 2 * n, "prev": "01".repeat(32) } });
        world.intent("a", &with(seq, &json!({ "mode": "approval" })));
    }
    assert_eq!(world.due_in(300).len(), 20);
}

#[test]
fn a_flood_is_bounded_and_counted_and_mutes_nobody_else() {
    let mut world = World::new();
    let found = (0..250)
        .map(|_| world.intent("a", &json!({ "environment": "test", "credential": { "id": "c" } })));
    let told = found.flatten().filter(|name| name.starts_with("unregistered")).count();
    assert_eq!(told, 100);
    let other = world.intent("b", &json!({ "credential": { "id": "c" } }));
    assert_eq!(other, ["unregistered_credential unknown"]);
    let due = world.due("2026-04-08T04:00:00Z");
    assert!(due.contains(&"unregistered_credential x150".to_owned()), "{due:?}");
    let again = world.intent("a", &json!({ "credential": { "id": "c" } }));
    assert_eq!(again, ["unregistered_credential unknown"], "another hour");
}

#[test]
fn who_signs_in_anothers_name_mutes_nothing_of_that_one() {
    let mut world = World::new();
    let stolen = json!({ "credential": { "id": "c" } });
    let forged = with(
        stolen.clone(),
        &json!({
            "agent": { "id": "b" }, "signer": "a", "principals": [{ "type": "agent", "id": "b" }],
        }),
    );
    let mut told = [0, 0];
    for n in 0..150 {
        let found = world.intent("a", &forged);
        told[0] += found.iter().filter(|name| name.starts_with("unregistered")).count();
        let found = world.witness("b", &format!("r{n}"), &stolen);
        told[1] += found.iter().filter(|name| name.starts_with("unregistered")).count();
    }
    assert_eq!(told, [100, 100], "the forger's bound, and the witness's");
    for agent in ["a", "b"] {
        let own = world.intent(agent, &stolen);
        assert_eq!(own[0], "unregistered_credential unknown", "{agent}");
    }
    let due = world.due("2026-04-08T04:00:00Z");
    let held = due.iter().filter(|name| *name == "unregistered_credential x50").count();
    assert_eq!(held, 2, "{due:?}");
}

#[test]
fn names_that_nobody_has_share_one_bound() {
    let mut world = World::new();
    let seen =
        (0..150).map(|n| world.witness(&format!("stranger-{n}"), &format!("r{n}"), &json!({})));
    let told = seen.flatten().filter(|name| name == "shadow_agent").count();
    assert_eq!(told, 100);
    // It mutes no agent that there is, by whichever of its names.
    let of_b = json!({ "credential": { "id": "cred-b" } });
    assert_eq!(world.intent("a", &of_b), ["unregistered_credential another"]);
    // Who registers one of the names meanwhile changes nothing about what was held back.
    world.agent("stranger-100", "owner");
    let due = world.due("2026-04-08T04:00:00Z");
    assert!(due.contains(&"shadow_agent x50".to_owned()), "{due:?}");
    let finding = world.found.iter().find(|finding| finding.count == Some(50)).unwrap();
    assert_eq!(finding.agent.as_deref(), Some("stranger-100"), "the first that was held back");
}

#[test]
fn the_bound_leaves_nothing_behind() {
    let mut world = World::new();
    for n in 0..30 {
        world.witness(&format!("stranger-{n}"), &format!("r{n}"), &json!({}));
        world.intent("a", &json!({ "environment": "test", "credential": { "id": "c" } }));
    }
    let tallies = |world: &World| world.rows.rows.keys().filter(|key| key[0] == b'F').count();
    assert!(tallies(&world) > 3);
    world.due_in(24 * 3600);
    world.due_in(3 * 3600);
    assert_eq!(tallies(&world), 0);
}

#[test]
fn what_falls_due_and_says_nothing_hides_nothing_behind_it() {
    let mut world = World::new();
    for _ in 0..5_000 {
        world.intent("a", &json!({}));
        let intent = world.id.clone();
        world.outcome("a", &intent, &json!({}));
    }
    world.now.0 += 1;
    world.intent("b", &json!({}));
    // One look is enough, as where nothing else happens and a look without findings is taken back.
    let at = Micros(world.now.0 + 900_000_000);
    let Ok(found) = Engine::due(&mut world.rows, &world.registry, at, 1000);
    assert_eq!(names(&found), ["no_outcome"]);
}

#[test]
fn what_is_left_of_erased_bodies_says_less_and_breaks_nothing() {
    let mut world = World::new();
    let kinds = [
        ("action.intent", drop_table("destructive")),
        ("action.outcome", with(drop_table("destructive"), &confirmed("r"))),
    ];
    for (kind, more) in kinds {
        let action = json!({
            "correlation": "w", "mode": "self", "credential": { "id": "cred-a" }, "scope": [],
            "environment": "test", "prompt": "none", "input": "none",
            "principals": [{ "type": "agent", "id": "a" }],
            "causes": [world.id.clone()],
            "output": { "alg": "sha-256", "size": 1, "digest": "06".repeat(32) },
        });
        let bytes = world.bytes(kind, "a", &with(action, &more));
        let whole = Body::parse(&bytes).unwrap();
        let fields = crate::residue::fields(&whole);
        let left = Body::residue(&fields).unwrap();
        world.take(&left, Body::digest(&bytes), Status::Accepted);
    }
    for kind in crate::kind::Kind::ALL {
        let residue = crate::encode::encode(&crate::encode::map([
            (
                "id",
                crate::encode::Value::Bytes(vec![
                    0x01, 0x9d, 0x6b, 0x2c, 0xee, 0x80, 0x70, 1, 0x80, 2, 3, 4, 5, 6, 7, 8,
                ]),
            ),
            ("kind", crate::encode::Value::from(kind.as_str())),
            ("time", crate::encode::Value::from(1_u64)),
            ("signer", crate::encode::Value::from("a")),
        ]));
        let left = Body::residue(&residue).unwrap();
        world.take(&left, BodyDigest::ZERO, Status::Accepted);
    }
}

#[test]
fn rows_survive_a_restart_and_a_rebuild_finds_the_same() {
    let run = |restarts: bool| {
        let mut world = World::new();
        let mut found = Vec::new();
        for n in 0..20 {
            found.extend(world.intent("a", &drop_table("destructive")));
            let intent = world.id.clone();
            found.extend(world.outcome("a", &intent, &confirmed(&format!("r{n}"))));
            if restarts {
                world.rows.restart();
            }
            found.extend(world.due_in(100));
        }
        (found, world.rows.rows)
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn a_baseline_tells_each_bound() {
    let mut world = World::new();
    world.contract("a", "owner", &json!({ "thresholds": { "volume": 7 } }));
    world.intent("a", &json!({}));
    let contract = world.registry.contract("a").map(|record| &record.contract);
    let Ok(baseline) = Engine::baseline(&mut world.rows, contract, "a");
    assert_eq!((baseline.actions, baseline.usual), (1, 0));
    let bounds = [
        ("clock_skew", 120),
        ("new_target", 100),
        ("new_tool", 100),
        ("no_outcome", 900),
        ("odd_hour", 20),
        ("seq_gap", 300),
        ("session_unended", 86_400),
        ("unclaimed_action", 300),
        ("unwitnessed", 300),
        ("volume", 7),
    ];
    assert_eq!(baseline.thresholds, bounds);
}
