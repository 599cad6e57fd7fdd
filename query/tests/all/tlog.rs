//! The public tree: a monitor's walk over it, the proofs beside it, and what they never tell.

use std::io::Read as _;

use axum::http::{StatusCode, header};
use schemas::checkpoint::{Checkpoint, Note, NoteKey};
use schemas::id::{Index, Micros, TreeHash, TreeSize, hex, sha256};
use schemas::key::PublicKey;
use schemas::leaf::Leaf;
use schemas::proof::LogProof;
use schemas::tree::{self, Frontier, Tile, entries_path, leaf_hash, tile_width};
use schemas::{receipt, tree::verify_consistency};
use serde_json::Value as Json;

use crate::world::{Answer, SECOND, World, config, intent, start};

/// Every text in the world that somebody chose.
const MARKER: &str = "marker";

fn world(entries: u64) -> World {
    let mut world = World::new();
    world.agent("marker-agent");
    world.accept("marker-agent", start("marker-agent", "marker-workflow"));
    let fields = intent("marker-agent", "marker-workflow", "email.send", "marker@example.com");
    world.submit_detail("marker-agent", fields, "marker detail");
    while world.head() < entries {
        let many = (entries - world.head()).min(200);
        let fields = || intent("marker-agent", "marker-workflow", "email.send", "marker@b.example");
        world.submit_all("marker-agent", (0..many).map(|_| fields()).collect());
    }
    world.wait(2 * SECOND);
    world.writer.as_mut().unwrap().publish().unwrap();
    world
}

fn key(world: &World) -> NoteKey {
    NoteKey { name: "ledger.example/acme".to_owned(), public: world.key.verifying_key() }
}

fn checkpoint(world: &World) -> (Checkpoint, String) {
    let answer = world.get("/log/acme/checkpoint");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let checkpoint = Note::parse(&text).unwrap().verify_checkpoint(&key(world)).unwrap();
    (checkpoint, text)
}

fn fetch(world: &World, path: &str) -> Answer {
    let answer = world.get(&format!("/log/acme/{path}"));
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    answer
}

/// Leaves of a bundle: lengths are big-endian `u16`.
fn unbundle(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (leaf, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        leaves.push(leaf.to_vec());
        bytes = rest;
    }
    leaves
}

fn bundles(world: &World, size: TreeSize) -> Vec<Vec<u8>> {
    (0..size.0.div_ceil(256))
        .flat_map(|n| unbundle(&fetch(world, &entries_path(n, tile_width(0, n, size))).body))
        .collect()
}

#[test]
fn a_monitor_rebuilds_the_signed_root_from_bundles_and_from_tiles() {
    let world = world(700);
    let (checkpoint, _) = checkpoint(&world);
    assert_eq!(checkpoint.size.0, world.head());
    let leaves = bundles(&world, checkpoint.size);
    let mut grown = Frontier::default();
    for (place, leaf) in (0..).zip(&leaves) {
        assert_eq!(Leaf::decode(leaf).unwrap().index, Index(place));
        grown.push(leaf_hash(leaf)).unwrap();
    }
    assert_eq!((grown.size(), grown.root()), (checkpoint.size, checkpoint.root));
    let mut tiled = Frontier::default();
    for n in 0..checkpoint.size.0.div_ceil(256) {
        let tile = Tile::of(0, n, checkpoint.size).unwrap();
        for hash in fetch(&world, &tile.path()).body.chunks(32) {
            tiled.push(TreeHash::from_slice(hash).unwrap()).unwrap();
        }
    }
    assert_eq!(tiled.root(), checkpoint.root);
    let above = fetch(&world, &Tile::of(1, 0, checkpoint.size).unwrap().path()).body;
    let below = fetch(&world, "tile/0/000").body;
    let below: Vec<_> = below.chunks(32).map(|hash| TreeHash::from_slice(hash).unwrap()).collect();
    assert_eq!(above[..32], tree::subtree_from_tile(&below, 0, 256).unwrap().0);
}

#[test]
fn tiles_of_a_log_that_began_a_new_epoch_are_asked_for_again() {
    let mut world = world(20);
    let (checkpoint, _) = checkpoint(&world);
    let paths = [
        Tile::of(0, 0, checkpoint.size).unwrap().path(),
        entries_path(0, tile_width(0, 0, checkpoint.size)),
    ];
    for path in &paths {
        fetch(&world, path);
    }
    world.close();
    let config = config(&world.dir);
    std::fs::remove_file(&config.mark).unwrap();
    let now = Micros(world.now());
    drop(ledger::open_new_epoch(&config, world.key.clone(), now, &[]).unwrap());
    world.open();
    world.wait(2 * SECOND);
    world.writer.as_mut().unwrap().publish().unwrap();
    for path in &paths {
        let answer = world.get(&format!("/log/acme/{path}"));
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-cache", "{path}");
    }
}

#[test]
fn a_mirror_learns_no_name_and_no_content() {
    let world = world(300);
    let (checkpoint, text) = checkpoint(&world);
    let mut mirrored = text.into_bytes();
    mirrored.extend(bundles(&world, checkpoint.size).concat());
    for (level, n) in [(0, 0), (0, 1), (1, 0)] {
        let tile = Tile::of(level, n, checkpoint.size).unwrap();
        mirrored.extend_from_slice(&fetch(&world, &tile.path()).body);
    }
    let holds = |needle: &[u8]| mirrored.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"ledger.example/acme"), "the search finds what is there");
    assert!(!holds(MARKER.as_bytes()));
    let unsalted = ["marker-agent", "marker@example.com", "marker-workflow"];
    assert!(unsalted.iter().all(|name| !holds(&sha256(name.as_bytes())[..16])));
}

#[test]
fn what_is_not_published_or_not_a_path_is_not_there() {
    let world = world(300);
    let (checkpoint, _) = checkpoint(&world);
    assert_eq!(checkpoint.size.0, 300);
    let absent = [
        "tile/0/001.p/45", // wider than the tree
        "tile/0/001",      // not full
        "tile/0/002.p/1",  // empty
        "tile/0/000.p/256",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/64/000",
        "tile/2/000",
        "tile/entries/001",
        "tile/entries/001.p/45",
        "tile/entries/001.p/0",
        "tile/entries/000.p/044",
        "checkpoint/",
        "tile/data/000",
        "checkpoint?size=1",
    ];
    for path in absent {
        assert_eq!(world.problem(&format!("/log/acme/{path}")).0, 404, "{path}");
    }
    assert_eq!(fetch(&world, "tile/0/001.p/44").body.len(), 44 * 32);
    assert_eq!(fetch(&world, "tile/0/000.p/7").body.len(), 7 * 32, "a partial tile of a full one");
    let foreign = world.get("/log/other/checkpoint");
    let unknown = world.get("/log/acme/nothing");
    assert_eq!((foreign.status, foreign.body), (unknown.status, unknown.body));
}

#[test]
fn entries_beyond_the_published_checkpoint_wait_for_the_next() {
    let mut world = world(300);
    let fields = intent("marker-agent", "marker-workflow", "email.send", "x@example.com");
    world.accept("marker-agent", fields.clone());
    let newest = world.accept("marker-agent", fields);
    let (checkpoint, _) = checkpoint(&world);
    assert_eq!(checkpoint.size.0, newest, "published less than a second ago");
    assert_eq!(world.problem("/log/acme/tile/entries/001.p/46").0, 404);
    assert_eq!(world.problem(&format!("/entries/{newest}/proof")).1, "no-such-part");
    world.writer.as_mut().unwrap().publish().unwrap();
    assert_eq!(fetch(&world, "tile/entries/001.p/46").status, StatusCode::OK);
}

#[test]
fn bundles_are_compressed_for_whoever_takes_gzip() {
    let world = world(300);
    let plain = fetch(&world, "tile/entries/000").body;
    let packed =
        world.get_as("/log/acme/tile/entries/000", &[(header::ACCEPT_ENCODING, "gzip, br")]);
    assert_eq!(packed.headers[header::CONTENT_ENCODING], "gzip");
    assert_eq!(packed.headers[header::VARY], "accept-encoding");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert!(packed.body.len() < plain.len());
}

#[test]
fn a_text_proof_binds_the_leaf_to_the_published_checkpoint() {
    let world = world(40);
    let leaf = |index: u64| {
        let leaf = world.json(&format!("/entries/{index}/leaf"));
        schemas::id::unhex(leaf["bytes"].as_str().unwrap()).unwrap()
    };
    for index in [0, 3, 39] {
        let answer = world.get(&format!("/entries/{index}/proof"));
        assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        let proof = LogProof::parse(std::str::from_utf8(&answer.body).unwrap()).unwrap();
        assert_eq!(proof.index, Index(index));
        assert_eq!(proof.verify(&leaf(index), &key(&world)).unwrap().size, TreeSize(40));
        proof.verify(&leaf((index + 1) % 40), &key(&world)).unwrap_err();
    }
    assert_eq!(world.problem("/entries/40/proof"), (404, "not-found".to_owned(), None));
}

#[test]
fn consistency_is_proved_as_json_and_as_a_receipt() {
    let world = world(300);
    let hash = |json: &Json| TreeHash::from_hex(json.as_str().unwrap()).unwrap();
    for (from, to) in [(1, 300), (7, 8), (256, 257), (299, 300), (300, 300)] {
        let proof = world.json(&format!("/consistency?from={from}&to={to}"));
        let path: Vec<_> = proof["path"].as_array().unwrap().iter().map(hash).collect();
        let (old, new) = (hash(&proof["from"]["root"]), hash(&proof["to"]["root"]));
        verify_consistency(TreeSize(from), &old, TreeSize(to), &new, &path).unwrap();
        if from == to {
            continue;
        }
        let wanted = [(header::ACCEPT, "application/scitt-receipt+cose")];
        let answer = world.get_as(&format!("/consistency?from={from}&to={to}"), &wanted);
        let public = PublicKey::of(&world.key);
        let verified =
            receipt::verify_consistency(&answer.body, TreeSize(from), &old, public.verifying_key());
        assert_eq!(verified.unwrap().root, new, "{}", hex(&answer.body));
    }
    let problem = |query: &str| world.problem(&format!("/consistency{query}"));
    assert_eq!(problem("").2.as_deref(), Some("from"));
    assert_eq!(problem("?from=1").2.as_deref(), Some("to"));
    assert_eq!(problem("?from=0&to=5").2.as_deref(), Some("from"));
    assert_eq!(problem("?from=6&to=5").2.as_deref(), Some("from"));
    assert_eq!(problem("?from=-1&to=5").2.as_deref(), Some("from"));
    assert_eq!(problem("?from=1&to=301").0, 404);
    assert_eq!(problem("?from=1&to=2&size=3").1, "unknown-parameter");
}
