//! Queries against a scan: random ones over a random ledger of 50,000 entries that grows meanwhile, page by
//! page in both orders, beside what a naive reading of the language says of the entries' JSON.

mod ask;
mod facts;
mod random;

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use ask::{Ask, Asked};
use facts::{Facts, micros};
use random::Random;
use schemas::id::Micros;
use serde_json::{Value as Json, json};

use crate::world::{OPERATOR, SECOND, World, append, encoded, indexes, intent, start};

const ENTRIES: u64 = 50_000;
const QUERIES: usize = 2000;
/// Results of one query that are compared, but for every 40th, which is read to its end.
const COMPARED: usize = 120;
const AGENTS: u64 = 12;

fn agent(n: u64) -> String {
    format!("agent {n}")
}

/// An event that carries most keys, each of few values, so that conditions meet.
fn event(random: &mut Random, name: &str) -> Json {
    let actions = ["email.send", "voice.call", "db.query", "db.drop", "pay out"];
    let action = *random.pick(&actions);
    let workflow = format!("w{}", random.skewed(300));
    let mut event = intent(name, &workflow, action, &format!("t:{}", random.skewed(4000)));
    let mut set = |key: &str, value: Json| event[key] = value;
    if random.one_in(2) {
        set("environment", json!(random.pick(&["production", "staging", "a \"quoted\" one"])));
    }
    if random.one_in(3) {
        let human = format!("human-{}", random.below(20));
        let hops = json!([
            { "type": "human", "id": human },
            { "type": "agent", "id": agent(random.below(AGENTS)) },
            { "type": "agent", "id": name },
        ]);
        set("principals", hops);
    }
    if random.one_in(4) {
        set("data_class", json!(["pii", random.pick(&["health", "card"])]));
    }
    if random.one_in(4) {
        let (kind, n) = (random.pick(&["ticket", "mail (old)"]).to_string(), random.below(50));
        set("trigger", json!({ "type": "mail", "ref": format!("m{n}@x") }));
        set("sources", json!([{ "type": "ticket", "ref": format!("{kind}|{n}") }]));
    }
    if random.one_in(4) {
        set("assertions", json!({ "consent": random.pick(&["yes", "no"]), "é": "*" }));
    }
    if random.one_in(5) {
        set("tool", json!({ "name": random.pick(&["psql", "curl"]), "digest": "ab".repeat(32) }));
        set(
            "model",
            json!({ "provider": "p", "name": random.pick(&["m-1", "m-2"]), "version": "1" }),
        );
    }
    if random.one_in(6) {
        set(
            "input",
            json!({ "alg": "sha-256", "digest": format!("{:02x}", random.below(9)).repeat(32), "size": 1 }),
        );
    }
    if random.one_in(6) {
        set("causes", json!([format!("@L{}", random.below(40))]));
    }
    event
}

/// A random ledger, and random messages to append to it.
fn ledger(random: &mut Random) -> (World, Vec<Vec<u8>>) {
    let mut world = World::new();
    for n in 0..AGENTS {
        world.agent(&agent(n));
        world.accept(&agent(n), start(&agent(n), "w0"));
    }
    for n in 0..40 {
        let name = agent(n % AGENTS);
        let event = event(random, &name);
        world.submit(&name, event, Some(&format!("L{n}")));
    }
    while world.head() < ENTRIES {
        let name = agent(random.skewed(AGENTS));
        let count = 1 + random.below(255);
        let events = (0..count).map(|_| event(random, &name)).collect();
        world.submit_all(&name, events);
        world.wait(random.below(60) * SECOND);
        if random.one_in(20) {
            world.send_raw(format!("junk {}", world.head()).as_bytes());
        }
        if random.one_in(60) {
            let stopped = agent(AGENTS - 1);
            let disable =
                json!({ "kind": "agent.disabled", "agent": { "id": stopped }, "reason": "odd" });
            world.submit(OPERATOR, disable, None);
        }
    }
    let later = (0..QUERIES).map(|_| {
        let name = agent(random.below(AGENTS));
        let events = (0..=random.below(3)).map(|_| event(random, &name)).collect();
        world.sign_all(&name, events)
    });
    let later = later.collect();
    (world, later)
}

/// Takes in the entries up to `size`, as the API shows them.
fn learn(world: &World, facts: &mut Facts, size: u64) {
    while facts.len() < size {
        let (from, to) = (facts.len(), size.min(facts.len() + 1000));
        let page = world.json(&format!("/entries?order=oldest&limit=1000&since={from}&until={to}"));
        for entry in page["items"].as_array().unwrap() {
            facts.learn(entry);
        }
    }
}

/// What was read of an answer: entries, the tree that it speaks of, and whether that was all.
struct Answer {
    found: Vec<u64>,
    size: u64,
    whole: bool,
}

/// Reads page after page, each of another size, until the end or `enough`.
fn read(world: &World, random: &mut Random, q: &str, order: &str, enough: usize) -> Answer {
    let path = format!("/entries?order={order}&q={}", encoded(q));
    let (mut found, mut cursor, mut as_of) = (Vec::new(), String::new(), None);
    loop {
        let limit = 1 + random.skewed(1000);
        let page = world.json(&format!("{path}&limit={limit}{cursor}"));
        let limit = usize::try_from(limit).unwrap();
        let items = indexes(&page);
        // A page whose budget ended may be short, and says where the next one begins.
        let ended = page.get("incomplete").is_some();
        assert!(items.len() <= limit && (!ended || page["next_cursor"].is_string()), "{q}");
        found.extend(items);
        let of = as_of.get_or_insert_with(|| page["as_of"].clone());
        assert_eq!(*of, page["as_of"], "{q}");
        match page["next_cursor"].as_str() {
            Some(next) if found.len() < enough => cursor = format!("&cursor={next}"),
            next => {
                let size = of["size"].as_u64().unwrap();
                return Answer { found, size, whole: next.is_none() };
            }
        }
    }
}

#[test]
fn every_query_finds_what_a_scan_finds() {
    let mut random = Random(7);
    let (mut world, later) = ledger(&mut random);
    let mut writer = world.writer.take().unwrap();
    let now = world.now();
    let mut facts = Facts::default();
    let (bell, rung) = sync_channel(1);
    let appending = thread::spawn(move || {
        for (message, ()) in later.iter().zip(rung) {
            append(&mut writer, message, Micros(now));
        }
        writer
    });
    learn(&world, &mut facts, ENTRIES);
    let (mut hits, mut some) = (0, 0);
    for n in 0..QUERIES {
        let asked = Asked::random(&mut random, &facts, now);
        let (q, enough) = (asked.to_string(), if n % 40 == 0 { usize::MAX } else { COMPARED });
        bell.send(()).unwrap();
        for order in ["newest", "oldest"] {
            let Answer { found, size, whole } = read(&world, &mut random, &q, order, enough);
            learn(&world, &mut facts, size);
            let mut expected = asked.scan(&facts, size);
            if order == "newest" {
                expected.reverse();
            }
            if !whole {
                expected.truncate(found.len());
            }
            assert_eq!(found, expected, "query {n}, {order} first: {q}");
            hits += found.len();
            some += usize::from(!found.is_empty());
        }
        if n % 5 == 0 {
            counted(&world, &asked, &q, &mut facts);
        }

        if n % 25 == 0 {
            by_time(&world, &asked, &q, &mut facts);
        }
    }
    drop(bell);
    world.writer = Some(appending.join().unwrap());
    assert!(some > QUERIES / 2 && hits > QUERIES, "{some} answers with {hits} entries test little");
}

/// Each page of an answer that one page may not hold.
fn pages(world: &World, path: &str) -> Vec<Json> {
    let mut pages = vec![world.json(path)];
    while let Some(cursor) = pages.last().and_then(|page| page["next_cursor"].as_str()) {
        pages.push(world.json(&format!("{path}&cursor={cursor}")));
    }
    assert!(pages.iter().all(|page| page["as_of"] == pages[0]["as_of"]), "{path}");
    pages
}

/// `count` agrees, too.
fn counted(world: &World, asked: &Asked, q: &str, facts: &mut Facts) {
    let pages = pages(world, &format!("/count?q={}", encoded(q)));
    let size = pages[0]["as_of"]["size"].as_u64().unwrap();
    learn(world, facts, size);
    let count: u64 = pages.iter().map(|page| page["count"].as_u64().unwrap()).sum();
    assert_eq!(usize::try_from(count).unwrap(), asked.scan(facts, size).len(), "{q}");
}

/// So does the histogram, whose steps begin where the clock says.
fn by_time(world: &World, asked: &Asked, q: &str, facts: &mut Facts) {
    let pages = pages(world, &format!("/histogram?step=7m&q={}", encoded(q)));
    let size = pages[0]["as_of"]["size"].as_u64().unwrap();
    learn(world, facts, size);
    let step = 7 * 60 * SECOND;
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    let mut expected = found.clone();
    for index in asked.scan(facts, size) {
        *expected.entry(facts.received_at(index) / step * step).or_default() += 1;
    }
    for bucket in pages.iter().flat_map(|page| page["items"].as_array().unwrap()) {
        let start = micros(&bucket["start"]);
        *found.entry(start).or_default() += bucket["entries"].as_u64().unwrap();
    }
    assert_eq!(found, expected, "{q}");
}

/// What a lone word is worth: nothing else of the test needs a ledger.
#[test]
fn the_scan_reads_the_language_as_it_is_told() {
    let mut facts = Facts::default();
    facts.learn(&json!({
        "index": 0, "status": "accepted", "received_at": "2026-04-07T22:00:00.000000Z", "id": "i",
        "body": { "kind": "note", "signer": "a", "session": "00", "time": "2026-04-07T22:00:00.000000Z" },
    }));
    let word = |negated, value: &str| Ask::word(negated, "signer", value);
    let scan = |asks: Vec<Ask>| Asked::of(vec![asks]).scan(&facts, 1).len();
    assert_eq!(scan(vec![word(false, "a"), word(false, "b")]), 1);
    assert_eq!(scan(vec![word(false, "b")]), 0);
    assert_eq!(scan(vec![word(true, "b")]), 1);
    assert_eq!(scan(vec![word(false, "a"), word(true, "a")]), 0);
}
