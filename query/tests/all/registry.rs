//! Agents, keys, lineage, checkpoints and the ledger's own identity.

use schemas::checkpoint::{Note, NoteKey};
use schemas::id::Micros;
use schemas::key::PublicKey;
use serde_json::{Value as Json, json};

use crate::world::{OPERATOR, SECOND, World, intent, start};

#[test]
fn agents_are_paged_and_shown_with_keys_and_counts() {
    let mut world = World::new();
    for agent in ["c", "a", "b"] {
        world.agent(agent);
    }
    let first = world.json("/agents?limit=2");
    let ids = |page: &Json| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids(&first), &first["next_after"]), (vec!["a".into(), "b".into()], &json!("b")));
    let second = world.json("/agents?limit=2&after=b");
    assert_eq!((ids(&second), &second["next_after"]), (vec!["c".into()], &Json::Null));
    let last = world.accept("a", start("a", "w"));
    let agent = world.json("/agents/a");
    assert_eq!(agent["agent"]["owner"], "owner@example.com");
    assert_eq!(agent["agent"]["state"], "active");
    assert_eq!(agent["keys"].as_array().unwrap().len(), 1);
    assert_eq!(agent["counts"]["last"], last);
    let brief = agent["last_entry"].as_object().unwrap();
    let names: Vec<_> = brief.keys().map(String::as_str).collect();
    assert_eq!(names, ["index", "kind", "received_at"], "and nothing of what it says");
    assert_eq!((&brief["index"], &brief["kind"]), (&json!(last), &json!("session.start")));
    assert_eq!(world.problem("/agents/nobody"), (404, "not-found".into(), None));
    assert_eq!(world.problem("/agents?colour=x").1, "unknown-parameter");
}

#[test]
fn another_name_of_a_registered_agent_is_no_shadow() {
    let mut world = World::new();
    world.agent("a");
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "a" }, "registry": names });
    world.accept(OPERATOR, update);
    let named = world.accept("a", intent("entra:7", "w", "email.send", "x@example.com"));
    assert_eq!(world.indexes("q=agent:entra:7"), [named]);
    assert_eq!(world.json("/agents?shadow=true")["items"], json!([]));
    // And it is asked about by that name as by its id.
    let credential = json!({
        "kind": "credential.registered", "agent": { "id": "a" }, "credential": { "id": "cred-a" },
    });
    world.accept(OPERATOR, credential);
    for path in ["/credentials?agent=", "/access?from=0&agent="] {
        let [by_id, by_name] =
            ["a", "entra:7"].map(|name| world.json(&format!("{path}{name}"))["items"].clone());
        assert_ne!(by_id, json!([]), "{path}");
        assert_eq!(by_name, by_id, "{path}");
    }
}

#[test]
fn keys_are_listed_with_their_revocation() {
    let mut world = World::new();
    world.agent("a");
    let kid = world.json("/agents/a")["keys"][0]["kid"].clone();
    let registry = json!({ "signer": "a", "kid": kid });
    let revoked = world.accept(OPERATOR, json!({ "kind": "key.revoked", "registry": registry }));
    let keys = world.json("/keys?signer=a");
    assert_eq!(keys["items"][0]["revoked"], revoked);
    let all = world.json("/keys?limit=2");
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let after = all["next_after"].as_str().unwrap();
    let rest = world.json(&format!("/keys?after={after}"));
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_after"]), (1, &Json::Null));
    assert_eq!(
        world.problem("/keys?after=zz"),
        (400, "invalid-parameter".into(), Some("after".into()))
    );
}

#[test]
fn lineage_leads_from_a_human_to_all_that_was_done() {
    let mut world = World::new();
    for agent in ["lead", "worker"] {
        world.agent(agent);
    }
    let human = "oncall@example.com";
    world.principal(human, &["human"]);
    let grant = |id: &str, to: &str, parent: Option<&str>| {
        let mut grant = json!({ "id": id, "to": to, "scope": ["deploy"] });
        if let Some(parent) = parent {
            grant["parent"] = parent.into();
        }
        json!({ "kind": "delegation.granted", "correlation": "w", "grant": grant })
    };
    let given = world.accept(human, grant("@G1", "lead", None));
    let mut child = grant("@G2", "worker", Some("@G1"));
    child["agent"] = json!({ "id": "lead" });
    let passed = world.accept("lead", child);
    let mut act = intent("worker", "w", "db.migrate", "t");
    act["principals"] = json!([
        { "id": human, "type": "human" },
        { "id": "lead", "type": "agent", "grant_id": "@G1" },
        { "id": "worker", "type": "agent", "grant_id": "@G2" },
    ]);
    let first = world.accept("worker", act.clone());
    let last = world.accept("worker", act);
    let lineage = world.json("/principals/oncall%40example.com/lineage");
    let tally = json!([{ "agent": "worker", "entries": 2, "first": first, "last": last }]);
    assert_eq!(lineage["by_agent"], tally);
    assert_eq!(lineage["chains"][0]["path"], json!([human, "lead", "worker"]));
    assert_eq!(lineage["grants"]["given"][0]["index"], given);
    assert_eq!(lineage["grants"]["received"], json!([]));
    assert_eq!(lineage["principal"]["roles"], json!(["human"]));
    let lead = world.json("/principals/lead/lineage");
    assert_eq!(lead["grants"]["received"][0]["index"], given);
    assert_eq!(lead["grants"]["given"][0]["index"], passed);
    assert_eq!(lead["agent"]["id"], "lead");
    assert_eq!(world.problem("/principals/nobody/lineage"), (404, "not-found".into(), None));
}

#[test]
fn an_agent_is_not_out_of_its_lineage_and_reach_by_another_of_its_names() {
    let mut world = World::new();
    world.agent("worker");
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "worker" }, "registry": names });
    world.accept(OPERATOR, update);
    world.accept("worker", intent("worker", "w", "db.migrate", "s"));
    let mut act = intent("worker", "w", "db.drop", "t");
    act["agent"]["id"] = "entra:7".into();
    act["signer"] = "worker".into();
    act["principals"] = json!([{ "id": "entra:7", "type": "agent" }]);
    world.accept("worker", act);
    let lineage = world.json("/principals/worker/lineage");
    let paths: Vec<_> =
        lineage["chains"].as_array().unwrap().iter().map(|chain| &chain["path"][0]).collect();
    assert_eq!(paths, ["entra:7", "worker"]);
    assert_eq!(lineage["by_agent"][0]["agent"], "worker");
    assert_eq!(lineage["by_agent"][0]["entries"], 2);
    let impact = world.json("/impact?principal=worker");
    assert_eq!(impact["entries"], 2, "{impact}");
}

#[test]
fn status_and_checkpoints_are_signed_by_the_key_that_they_name() {
    let mut world = World::new();
    world.agent("a");
    let status = world.json("/status");
    assert_eq!(status["origin"], "ledger.example/acme");
    assert_eq!(status["size"], world.head());
    assert_eq!(status["now"], "2026-04-07T22:00:00.000000Z");
    let key = PublicKey::of(&world.key);
    assert_eq!(status["fingerprint"], format!("SHA256:{}", key.kid()));
    let note_key = NoteKey { name: "ledger.example/acme".into(), public: *key.verifying_key() };
    assert_eq!(status["verifier_key"], note_key.vkey());
    let verified = |note: &Json| {
        Note::parse(note.as_str().unwrap()).unwrap().verify_checkpoint(&note_key).unwrap()
    };
    assert_eq!(verified(&status["note"]).size.0, world.head());
    let newest = world.json("/checkpoints");
    assert_eq!(verified(&newest["note"]).size.0, newest["size"].as_u64().unwrap());
    world.wait(5_000_000);
    world.accept("a", start("a", "w"));
    assert_eq!(world.json("/checkpoints")["size"], world.head());
    let old = newest["size"].as_u64().unwrap();
    assert_eq!(world.json(&format!("/checkpoints/{old}")), newest);
    assert_eq!(world.problem(&format!("/checkpoints/{}", old + 1)).0, 404);
    assert_eq!(
        world.problem("/checkpoints/x"),
        (400, "invalid-parameter".into(), Some("size".into()))
    );
}

#[test]
fn announcements_tell_nothing_of_a_case() {
    let mut world = World::new();
    world.agent("a");
    world.principal("aud@example.com", &["auditor"]);
    world.accept_as("a", Some("I"), intent("a", "w", "email.send", "x@example.com"));
    let after = world.head() - 1;
    let note = json!({ "kind": "annotation", "causes": ["@I"], "note": "is he the leak?" });
    world.accept("aud@example.com", note);
    world
        .accept("aud@example.com", json!({ "kind": "hold.placed", "hold": { "query": "corr:w" } }));
    let about = json!({ "kind": "agent.disabled", "agent": { "id": "a" } });
    let disabled = world.accept(OPERATOR, about);
    let page = world.json(&format!("/control?after={after}"));
    let indexes: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| &item["index"]).collect();
    assert_eq!(indexes, [disabled]);
    assert_eq!(page["next_after"], world.head() - 1);
    assert_eq!([&page["incomplete"], &page["as_of"]["size"]], [&Json::Null, &json!(world.head())]);
}

#[test]
fn who_shares_a_busy_credential_is_known() {
    let mut world = World::new();
    for agent in ["a", "b", "c"] {
        world.agent(agent);
    }
    let registered = json!({
        "kind": "credential.registered", "agent": { "id": "a" }, "credential": { "id": "cred-a" },
    });
    world.accept(OPERATOR, registered);
    let mut borrowed = intent("b", "w", "email.send", "x@example.com");
    borrowed["credential"]["id"] = "cred-a".into();
    world.accept("b", borrowed);
    for _ in 0..17 {
        let busy = (0..250).map(|_| intent("a", "w", "email.send", "x@example.com"));
        world.submit_all("a", busy.collect());
    }
    let ledger = world.writer.as_ref().unwrap().ledger();
    let impact = query::impact(&ledger, "a", Micros(world.now())).unwrap().unwrap();
    assert_eq!(impact["sharers"], json!([{ "credential": "cred-a", "agent": "b" }]));
    assert_eq!(impact["incomplete"], false);
}

#[test]
fn a_session_is_live_while_somebody_writes_in_it() {
    let mut world = World::new();
    world.agent("a");
    let started = world.accept("a", start("a", "w"));
    let live = |world: &World| {
        let agent = world.json("/agents/a");
        assert_eq!(agent["incomplete"], false);
        let sessions = agent["sessions"].as_array().unwrap();
        sessions.iter().map(|session| session["started"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(live(&world), [json!(started)]);
    world.wait(36 * 86_400 * SECOND);
    assert_eq!(live(&world), Vec::<Json>::new());
    world.accept("a", intent("a", "w", "email.send", "x@example.com"));
    assert_eq!(live(&world), [json!(started)]);
}

/// Fields of what a service saw somebody do with a credential.
fn witnessed(agent: &str, credential: &str) -> Json {
    json!({
        "kind": "witness.observed", "agent": { "id": agent }, "credential": { "id": credential },
        "action": { "name": "email.send", "class": "communication", "system": "email", "target": "t" },
        "outcome": { "status": "confirmed", "external_ref": "r" },
    })
}

#[test]
fn what_is_counted_of_a_name_is_counted_as_of_the_point_that_is_asked_about() {
    let mut world = World::new();
    world.principal("mail", &["service"]);
    world.agent("a");
    let names = json!({ "external": ["entra:7"] });
    let update = json!({ "kind": "agent.updated", "agent": { "id": "a" }, "registry": names });
    let updated = world.accept(OPERATOR, update);
    let seen: Vec<_> =
        (0..3).map(|_| world.accept("mail", witnessed("stranger", "cred-x"))).collect();
    let named = [0, 1].map(|_| world.accept("mail", witnessed("entra:7", "cred-y")));
    let lists = [("/agents?shadow=true", "stranger"), ("/credentials?unregistered=true", "cred-x")];
    for (path, name) in lists {
        let row = |at: Option<u64>| {
            let at = at.map(|at| format!("&at={at}")).unwrap_or_default();
            let page = world.json(&format!("{path}{at}"));
            assert_eq!(page["incomplete"], false, "{path}");
            let mut rows = page["items"].as_array().unwrap().iter();
            let row = rows.find(|row| row["id"] == name)?;
            let [entries, first, last] =
                ["entries", "first", "last"].map(|name| row[name].as_u64().unwrap());
            Some((entries, first, last))
        };
        assert_eq!(row(None), Some((3, seen[0], seen[2])), "{path}");
        assert_eq!(row(Some(seen[1])), Some((2, seen[0], seen[1])), "{path}");
        assert_eq!(row(Some(seen[0] - 1)), None, "{path}");
    }
    let agent = |at: u64| world.json(&format!("/agents/a?at={at}"));
    let now = agent(named[1]);
    assert_eq!(now["counts"]["last"], named[1], "by whichever of its names");
    let by_name = |entries: u64, last: u64| {
        json!([{
            "name": "entra:7", "from": updated, "until": null, "entries": entries,
            "first": named[0], "last": last,
        }])
    };
    assert_eq!(
        (&now["names"], &now["last_entry"]["index"]),
        (&by_name(2, named[1]), &json!(named[1]))
    );
    let then = agent(named[0]);
    assert_eq!(
        (&then["names"], &then["last_entry"]["index"]),
        (&by_name(1, named[0]), &json!(named[0]))
    );
    let before = agent(updated - 1);
    let last = before["counts"]["last"].as_u64().unwrap();
    assert!(last < updated, "{before}");
    assert_eq!(before["last_entry"]["index"], last);
    assert_eq!(before["incomplete"], false);
}
