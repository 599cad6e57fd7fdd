//! What was changed in the store is shown as damaged, and nothing else is.

use ledger::{ColumnFamily, plant, tamper};
use serde_json::{Value as Json, json};

use crate::world::{World, config, confirmed, indexes, intent, start};

/// Ten entries of one workflow in a tile that is full, so that opening does not read them again;
/// returns the index of the first.
fn workflow() -> (World, u64) {
    let mut world = World::new();
    world.agent("a");
    let first = world.accept("a", start("a", "w"));
    for n in 1..10 {
        world.accept("a", intent("a", "w", "email.send", &format!("{n}@example.com")));
    }
    let others = (0..250).map(|_| intent("a", "other", "email.send", "x@example.com")).collect();
    world.submit_all("a", others);
    (world, first)
}

fn proof(world: &World, index: u64) -> Json {
    world.json(&format!("/entries/{index}"))["proof"].clone()
}

#[test]
fn one_changed_byte_shows_where_it_is() {
    for (family, byte, field) in [
        (ColumnFamily::Bodies, 40, "body"),
        (ColumnFamily::Statements, 9, "signature"),
        (ColumnFamily::Leaves, 60, "chain"),
    ] {
        let (mut world, first) = workflow();
        let broken = first + 4;
        let good = proof(&world, broken);
        assert_eq!(world.json("/workflows/w")["verified"]["ok"], true);
        world.close();
        let nth = usize::try_from(broken).unwrap();
        let tampered = tamper(&config(&world.dir).store, family, nth, byte).unwrap().unwrap();
        assert_eq!(tampered.index.unwrap().0, broken, "{family}");
        world.open();
        assert_eq!(world.json("/workflows/w")["verified"]["ok"], false, "{family}");
        let bad = proof(&world, broken);
        assert_ne!(bad[field], good[field], "{family}: {bad}");
        assert_eq!(proof(&world, first + 7), good, "{family}");
        let page = world.json("/entries?corr=w");
        assert_eq!(indexes(&page).len(), 10, "{family}");
    }
}

#[test]
fn a_damaged_body_does_not_pass_for_an_erased_one() {
    let (mut world, first) = workflow();
    world.close();
    let (changed, replaced) = (first + 4, first + 5);
    let store = config(&world.dir).store;
    let nth = usize::try_from(changed).unwrap();
    tamper(&store, ColumnFamily::Bodies, nth, 40).unwrap().unwrap();
    // An array, as what a redaction leaves is one, and nothing in it.
    plant(&store, ColumnFamily::Bodies, &replaced.to_be_bytes(), &[0x80]).unwrap();
    world.open();
    for index in [changed, replaced] {
        let entry = world.json(&format!("/entries/{index}"));
        assert_eq!((entry.get("redacted"), &entry["damaged"]), (None, &json!(true)));
        assert_eq!(entry["proof"]["body"], "damaged");
        let path = format!("/entries/{index}/body");
        assert_eq!(world.problem(&path), (500, "digest-mismatch".into(), None));
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_named_and_the_others_are_served() {
    let (mut world, first) = workflow();
    world.close();
    let nth = usize::try_from(first + 4).unwrap();
    tamper(&config(&world.dir).store, ColumnFamily::Leaves, nth, 0).unwrap().unwrap();
    world.open();
    let path = format!("/entries/{}", first + 4);
    assert_eq!(world.problem(&path), (500, "damaged".into(), None));
    let page = world.json("/entries?corr=w");
    let item = &page["items"][5];
    assert_eq!(*item, json!({ "index": first + 4, "status": "damaged", "body": null }));
    let chain = world.json("/workflows/w");
    assert_eq!((&chain["completeness"], &chain["verified"]["ok"]), (&json!("gap"), &json!(false)));
    assert_eq!(chain["entries"].as_array().unwrap().len(), 10);
}

#[test]
fn a_long_page_names_the_entry_that_cannot_be_read_and_no_other() {
    let mut world = World::new();
    world.agent("a");
    // More than one core takes alone, and a tile behind them that is full.
    let mut first = 0;
    for targets in [200, 200, 150] {
        let event = |n: usize| intent("a", "w", "email.send", &format!("{n}@example.com"));
        let ended = world.submit_all("a", (0..targets).map(event).collect());
        first = if first == 0 { ended[0].index } else { first };
    }
    let broken = first + 150;
    world.close();
    let nth = usize::try_from(broken).unwrap();
    tamper(&config(&world.dir).store, ColumnFamily::Leaves, nth, 0).unwrap().unwrap();
    world.open();
    let mut expected: Vec<_> = (first..first + 550).collect();
    for order in ["oldest", "newest"] {
        // By what the index tells, and by what the entries say.
        for query in ["corr:w", "corr:w+time:2026-04-01.."] {
            let page = world.json(&format!("/entries?q={query}&order={order}&limit=1000"));
            assert_eq!(indexes(&page), expected, "{query} {order}");
            let items = page["items"].as_array().unwrap().iter();
            let damaged: Vec<_> = items.filter(|item| item["status"] == "damaged").collect();
            let named = json!({ "index": broken, "status": "damaged", "body": null });
            assert_eq!(damaged, [&named], "{query} {order}");
        }
        expected.reverse();
    }
}

#[test]
fn what_lies_beyond_damage_is_said_not_to_be_known() {
    for (family, byte) in [(ColumnFamily::Bodies, 40), (ColumnFamily::Leaves, 0)] {
        let mut world = World::new();
        world.agent("a");
        world.accept_as("a", Some("S"), start("a", "w"));
        let mut asked = intent("a", "w", "email.send", "x@example.com");
        asked["causes"] = json!(["@S"]);
        let asked = world.accept_as("a", Some("I"), asked);
        let told = world.accept("a", confirmed("a", "w", "email.send", "x@example.com", "@I"));
        // Opening looks at the last commit, and at the leaves of the tile that it begins in.
        for _ in 0..3 {
            let others = (0..130).map(|_| intent("a", "other", "email.send", "x@example.com"));
            let ended = world.submit_all("a", others.collect());
            assert!(ended.iter().all(|ended| ended.refused.is_none()));
        }
        let up = format!("/entries/{told}/causes");
        assert_eq!(world.json(&up)["damaged"], json!([]), "{family}");
        assert_eq!(world.json("/actions?q=corr%3Aw")["damaged"], 0, "{family}");
        assert_eq!(world.json("/gaps?q=corr%3Aw")["damaged"], 0, "{family}");
        world.close();
        let nth = usize::try_from(asked).unwrap();
        tamper(&config(&world.dir).store, family, nth, byte).unwrap().unwrap();
        world.open();
        let found = world.json(&up);
        assert_eq!(found["damaged"], json!([{ "index": asked, "from": told }]), "{family}");
        let actions = world.json("/actions?q=corr%3Aw");
        assert_eq!((&actions["items"], &actions["damaged"]), (&json!([]), &json!(2)), "{family}");
        let gaps = world.json("/gaps?q=corr%3Aw");
        assert_eq!((&gaps["sessions"], &gaps["damaged"]), (&json!(1), &json!(1)), "{family}");
    }
}
