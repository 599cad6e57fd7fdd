//! The public tree on a real server, read as a monitor reads any other log of its kind: with nothing but the
//! paths of C2SP `tlog-tiles` and the log's verifier key.

use std::cell::RefCell;
use std::collections::BTreeMap;

use schemas::checkpoint::{Checkpoint, Note, NoteKey};
use schemas::encode::{Value, map};
use schemas::id::{TreeHash, TreeSize, hex, sha256};
use schemas::kind::Stream;
use schemas::submission;
use schemas::tree::{
    Frontier, Tile, consistency_path, entries_path, leaf_hash, subtree_from_tile, tile_of,
    tile_width, verify_consistency,
};

use crate::harness::{World, published};
use crate::signer::{Signer, intent, tenant};

/// In every name and content that somebody chose.
const MARKER: &str = "marker";
/// Enough for full tiles and for one on the second level.
const EVENTS: usize = 600;

/// A standard client with a memory of what it fetched.
struct Monitor<'w> {
    world: &'w World,
    key: NoteKey,
    fetched: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl<'w> Monitor<'w> {
    fn new(world: &'w World) -> Self {
        let name = format!("ledger.example/{}", tenant());
        let key = NoteKey { name, public: *world.ledger_public().verifying_key() };
        Self { world, key, fetched: RefCell::default() }
    }

    fn get(&self, path: &str, media: &str, cache: &str) -> Vec<u8> {
        let url = self.world.url(&format!("/log/{}/{path}", tenant()));
        let mut response = ureq::get(url).header("Accept-Encoding", "identity").call().unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (header("content-type").as_str(), header("cache-control").as_str()),
            (media, cache)
        );
        let body = response.body_mut().read_to_vec().unwrap();
        self.fetched.borrow_mut().insert(path.to_owned(), body.clone());
        body
    }

    fn checkpoint(&self) -> Checkpoint {
        let text = self.get("checkpoint", "text/plain; charset=utf-8", "public, max-age=1");
        let note = Note::parse(std::str::from_utf8(&text).unwrap()).unwrap();
        note.verify_checkpoint(&self.key).unwrap()
    }

    fn immutable(&self, path: &str) -> Vec<u8> {
        if let Some(known) = self.fetched.borrow().get(path) {
            return known.clone();
        }
        self.get(path, "application/octet-stream", "public, max-age=31536000, immutable")
    }

    fn tile(&self, level: u8, n: u64, size: TreeSize) -> Vec<TreeHash> {
        let bytes = self.immutable(&Tile::of(level, n, size).unwrap().path());
        bytes.chunks(32).map(|hash| TreeHash::from_slice(hash).unwrap()).collect()
    }

    fn leaves(&self, size: TreeSize) -> Vec<Vec<u8>> {
        let mut leaves = Vec::new();
        for n in 0..size.0.div_ceil(256) {
            let bundle = self.immutable(&entries_path(n, tile_width(0, n, size)));
            let mut rest = bundle.as_slice();
            while let Some((length, after)) = rest.split_first_chunk::<2>() {
                let (leaf, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
                leaves.push(leaf.to_vec());
                rest = after;
            }
        }
        leaves
    }

    /// Root over all leaves, each of which is compared with its hash in the tiles.
    fn rebuild(&self, size: TreeSize) -> TreeHash {
        let hashes: Vec<_> =
            (0..size.0.div_ceil(256)).flat_map(|n| self.tile(0, n, size)).collect();
        let leaves: Vec<_> = self.leaves(size).iter().map(|leaf| leaf_hash(leaf)).collect();
        assert_eq!(leaves, hashes);
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf).unwrap());
        assert_eq!(tree.size(), size);
        tree.root()
    }

    /// Proves the growth from tiles alone, as witnesses' feeders do.
    fn grows(&self, old: &Checkpoint, new: &Checkpoint) {
        let node = |level: u8, n: u64| {
            let span = tile_of(level, n);
            let tile = self.tile(span.level, span.n, new.size);
            Ok::<_, schemas::tree::TreeError>(
                subtree_from_tile(&tile, span.first, span.count).unwrap(),
            )
        };
        let path = consistency_path(old.size, new.size, node).unwrap();
        verify_consistency(old.size, &old.root, new.size, &new.root, &path).unwrap();
    }
}

/// Publishes `EVENTS` events, the first with a detail.
fn publish(world: &World, agent: &mut Signer) {
    let publisher = world.connect(&agent.id);
    let content = map([("text", Value::from("marker detail"))]);
    let detail = schemas::detail::Detail::encode(&[3; 16], &content);
    let mut event = intent(agent.id.as_str(), "marker-workflow");
    event["detail"] = serde_json::json!(hex(&sha256(&detail)));
    let body = agent.body(event);
    let first = submission::sign(&agent.key, &agent.id, &tenant(), &[(body, Some(detail))]);
    world.submit(&publisher, &first, Stream::In);
    for _ in 0..EVENTS / 100 {
        let event = || intent("marker-agent", "marker-workflow");
        let bodies: Vec<_> = (0..100).map(|_| agent.body(event())).collect();
        world.submit(&publisher, &agent.sign(&bodies), Stream::In);
    }
}

#[test]
fn a_standard_monitor_follows_the_log() {
    let mut world = World::new();
    let mut agent = world.agent("marker-agent");
    published(&world);
    let before = Monitor::new(&world).checkpoint();
    publish(&world, &mut agent);
    published(&world);
    let monitor = Monitor::new(&world);
    let after = monitor.checkpoint();
    assert!(after.size.0 > 512, "{after:?}");
    assert_eq!(monitor.rebuild(before.size), before.root);
    assert_eq!(monitor.rebuild(after.size), after.root);
    monitor.grows(&before, &after);
    for n in 0..after.size.0 / 256 {
        let full = subtree_from_tile(&monitor.tile(0, n, after.size), 0, 256).unwrap();
        assert_eq!(monitor.tile(1, 0, after.size)[usize::try_from(n).unwrap()], full);
    }
    // What a mirror has now is everything that these paths ever tell.
    let mirrored: Vec<u8> = monitor.fetched.into_inner().into_values().flatten().collect();
    let holds = |needle: &[u8]| mirrored.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"ledger.example/test"), "the search finds what is there");
    assert!(!holds(MARKER.as_bytes()));
    let entries = world.get("/api/v1/entries?q=agent%3Amarker-agent&limit=1").to_string();
    assert!(entries.contains(MARKER), "the ledger itself holds it");
}

#[test]
fn bundles_come_compressed_and_absent_resources_look_alike() {
    let world = World::new();
    let size = TreeSize(published(&world));
    let url = |path: &str| world.url(&format!("/log/{path}"));
    let bundle = url(&format!("test/{}", entries_path(0, tile_width(0, 0, size))));
    let packed = ureq::get(bundle).header("Accept-Encoding", "gzip").call().unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let absent = |path: &str| {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(url(path)).call().unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        let uncached = answer.headers()["cache-control"].to_str().unwrap().to_owned();
        assert_eq!(uncached, "no-store", "{path}: it may be there a second later");
        answer.body_mut().read_to_string().unwrap()
    };
    let unknown = absent("nobody/checkpoint");
    for path in ["nobody/tile/0/000", "test/tile/0/001", "test/tile/entries/001", "test/x"] {
        assert_eq!(absent(path), unknown, "{path}");
    }
}
