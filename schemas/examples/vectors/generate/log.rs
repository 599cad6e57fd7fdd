//! The log over the leaves: roots, paths, checkpoint, receipts, replies.

use std::collections::HashMap;

use schemas::checkpoint::{Checkpoint, NoteKey, WitnessKey, sign_checkpoint};
use schemas::claim::Claim;
use schemas::id::{Digest, Index, Micros, TreeHash, TreeSize, hex, sha256};
use schemas::key::PublicKey;
use schemas::receipt::{ReceiptAlg, ReceiptSigner, SignedRoot};
use schemas::reject::{Reason, Reject};
use schemas::reply::{Fate, Outcome, Reply};
use schemas::terms::Key;
use schemas::tree::{Frontier, Tile, TreeError, consistency_path, inclusion_path, leaf_hash};
use schemas::{body::LEDGER_SIGNER, leaf::Leaf};
use serde_json::{Value as Json, json};

use super::cast::{ORIGIN, START_US, key};
use super::good::hashes;

const SIZES: &[u64] = &[1, 2, 3, 4, 7, 8, 9, 64, 100, 255, 256, 257, 300];
const PROVEN: &[(u64, u64)] = &[
    (0, 1),
    (0, 2),
    (1, 2),
    (2, 3),
    (6, 7),
    (5, 8),
    (100, 257),
    (256, 257),
    (0, 300),
    (255, 300),
    (256, 300),
    (299, 300),
];
const GROWTHS: &[(u64, u64)] = &[
    (1, 2),
    (2, 3),
    (3, 7),
    (4, 8),
    (6, 8),
    (7, 8),
    (64, 100),
    (255, 256),
    (256, 257),
    (100, 300),
    (256, 300),
    (299, 300),
    (300, 300),
];
const RECEIPTS: &[(u64, u64)] = &[(0, 2), (1, 2), (5, 9), (20, 64), (255, 257), (299, 300)];
const WITNESS: &str = "witness.example/w1";

/// Every part of the document that concerns the log.
pub(crate) fn document(leaves: &[Vec<u8>]) -> Vec<(&'static str, Json)> {
    let tree = Tree::over(leaves);
    vec![
        ("log", tree.log(leaves)),
        ("checkpoint", tree.checkpoint()),
        (
            "receipts",
            RECEIPTS.iter().map(|(index, size)| tree.receipt(leaves, *index, *size)).collect(),
        ),
        ("consistency_receipts", vec![tree.growth_receipt(100, 300)].into()),
        ("claim", tree.claim()),
        ("replies", tree.replies(leaves)),
    ]
}

/// The roots of all perfect subtrees, and the root at every size.
struct Tree {
    nodes: HashMap<(u8, u64), TreeHash>,
    roots: Vec<TreeHash>,
}

impl Tree {
    fn over(leaves: &[Vec<u8>]) -> Self {
        let mut frontier = Frontier::default();
        let mut nodes = HashMap::new();
        let mut roots = vec![frontier.root()];
        for leaf in leaves {
            let named = |level, n, root| {
                nodes.insert((level, n), root);
            };
            frontier.push_with(leaf_hash(leaf), named).unwrap();
            roots.push(frontier.root());
        }
        Self { nodes, roots }
    }

    fn node(&self) -> impl Fn(u8, u64) -> Result<TreeHash, TreeError> {
        |level, n| Ok(self.nodes[&(level, n)])
    }

    fn root(&self, size: u64) -> TreeHash {
        self.roots[size as usize]
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<TreeHash> {
        inclusion_path(Index(index), TreeSize(size), self.node()).unwrap()
    }

    fn consistency(&self, from: u64, to: u64) -> Vec<TreeHash> {
        consistency_path(TreeSize(from), TreeSize(to), self.node()).unwrap()
    }

    fn log(&self, leaves: &[Vec<u8>]) -> Json {
        let roots =
            SIZES.iter().map(|size| json!({ "size": size, "root": self.root(*size).to_string() }));
        let inclusion = PROVEN.iter().map(|(index, size)| {
            json!({ "index": index, "size": size, "path": hashes(&self.inclusion(*index, *size)) })
        });
        let consistency = GROWTHS.iter().map(|(from, to)| {
            json!({ "from": from, "to": to, "path": hashes(&self.consistency(*from, *to)) })
        });
        json!({
            "leaves": leaves.iter().map(|leaf| hex(leaf)).collect::<Vec<_>>(),
            "empty_root": self.root(0).to_string(),
            "roots": roots.collect::<Vec<_>>(),
            "inclusion": inclusion.collect::<Vec<_>>(),
            "consistency": consistency.collect::<Vec<_>>(),
            "tiles": self.tiles(leaves.len() as u64),
        })
    }

    /// The tiles of the whole log, each by the SHA-256 of its bytes.
    fn tiles(&self, size: u64) -> Json {
        let tile = |(level, n): (u8, u64)| {
            let tile = Tile::of(level, n, TreeSize(size)).unwrap();
            let hash = |i: u16| self.nodes[&(level * 8, n * 256 + u64::from(i))].0;
            let bytes: Vec<u8> = (0..tile.width).flat_map(hash).collect();
            json!({ "path": tile.path(), "sha256": hex(&sha256(&bytes)) })
        };
        [(0, 0), (0, 1), (1, 0)].map(tile).to_vec().into()
    }

    fn checkpoint(&self) -> Json {
        let ledger = key(LEDGER_SIGNER);
        let size = self.roots.len() as u64 - 1;
        let checkpoint =
            Checkpoint { origin: ORIGIN.to_owned(), size: TreeSize(size), root: self.root(size) };
        let mut note = sign_checkpoint(&checkpoint, &ledger).unwrap();
        let alone = note.to_string();
        let witness = key(WITNESS);
        let unix_s = START_US / 1_000_000 + 90;
        note.signatures.push(note.cosign(WITNESS, unix_s, &witness).unwrap());
        let name = NoteKey { name: ORIGIN.to_owned(), public: ledger.verifying_key() };
        let by = WitnessKey { name: WITNESS.to_owned(), public: witness.verifying_key() };
        json!({
            "origin": ORIGIN,
            "size": size,
            "root": checkpoint.root.to_string(),
            "seed": hex(ledger.as_bytes()),
            "vkey": name.vkey(),
            "text": checkpoint.text(),
            "note": alone,
            "witness": { "seed": hex(witness.as_bytes()), "vkey": by.vkey(), "time": unix_s },
            "cosigned": note.to_string(),
        })
    }

    /// What the ledger claims of two agents' intents in the whole log.
    fn claim(&self) -> Json {
        let ledger = key(LEDGER_SIGNER);
        let size = TreeSize(self.roots.len() as u64 - 1);
        let terms = [(Key::Kind, "action.intent"), (Key::Agent, "a"), (Key::Agent, "b")];
        let claim = Claim {
            origin: ORIGIN.to_owned(),
            size,
            root: self.root(size.0),
            terms: terms.map(|(key, value)| (key, value.to_owned())).to_vec(),
            count: 7,
            last: Some(Index(size.0 - 1)),
            time: Micros(START_US),
        };
        json!({
            "public_key": hex(PublicKey::of(&ledger).as_bytes()),
            "origin": claim.origin,
            "size": size.0,
            "root": claim.root.to_string(),
            "terms": terms.map(|(key, value)| [key.as_str(), value]),
            "count": claim.count,
            "last": size.0 - 1,
            "time": START_US,
            "claim": hex(&claim.sign(&ledger)),
        })
    }

    fn signed(&self, alg: ReceiptAlg, size: u64) -> SignedRoot {
        let ledger = key(LEDGER_SIGNER);
        let kid = PublicKey::of(&ledger).kid();
        let signer = ReceiptSigner { alg, kid, iss: ORIGIN.to_owned(), sub: "sworn".to_owned() };
        signer.sign_root(TreeSize(size), &self.root(size), &ledger)
    }

    fn receipt(&self, leaves: &[Vec<u8>], index: u64, size: u64) -> Json {
        let alg = if index == 5 { ReceiptAlg::EdDsa } else { ReceiptAlg::Ed25519 };
        let signed = self.signed(alg, size);
        let receipt = signed.receipt(Index(index), &self.inclusion(index, size)).unwrap();
        json!({
            "index": index,
            "size": size,
            "alg": alg.number(),
            "leaf": hex(&leaves[index as usize]),
            "root": self.root(size).to_string(),
            "public_key": hex(PublicKey::of(&key(LEDGER_SIGNER)).as_bytes()),
            "receipt": hex(&receipt),
        })
    }

    fn growth_receipt(&self, from: u64, to: u64) -> Json {
        let signed = self.signed(ReceiptAlg::Ed25519, to);
        let receipt =
            signed.consistency_receipt(TreeSize(from), &self.consistency(from, to)).unwrap();
        json!({
            "from": from,
            "from_root": self.root(from).to_string(),
            "to": to,
            "root": self.root(to).to_string(),
            "public_key": hex(PublicKey::of(&key(LEDGER_SIGNER)).as_bytes()),
            "receipt": hex(&receipt),
        })
    }

    /// Replies with each fate.
    fn replies(&self, leaves: &[Vec<u8>]) -> Json {
        let size = leaves.len() as u64;
        let signed = self.signed(ReceiptAlg::Ed25519, size);
        let taken = |index: u64, fate: fn(Vec<u8>) -> Fate| {
            let receipt = signed.receipt(Index(index), &self.inclusion(index, size)).unwrap();
            outcome(leaves, index, fate(receipt))
        };
        let refused = |index: u64| {
            let status = Leaf::decode(&leaves[index as usize]).unwrap().status;
            let reason = Reason::from_code(status.code())?;
            let reject = Reject::new(reason, "signer", "an agent that is not disabled");
            Some(outcome(leaves, index, Fate::Rejected(reject)))
        };
        let reply = |outcomes: Vec<Outcome>| {
            let reply = Reply { message: Digest(sha256(b"a submission")), outcomes };
            json!({ "json": schemas::json::reply(&reply), "bytes": hex(&reply.encode()) })
        };
        json!([
            reply(vec![taken(3, Fate::Committed)]),
            reply(vec![taken(4, Fate::Duplicate), taken(5, Fate::Committed)]),
            reply((0..size).find_map(refused).into_iter().collect()),
        ])
    }
}

fn outcome(leaves: &[Vec<u8>], index: u64, fate: Fate) -> Outcome {
    let leaf = leaves[index as usize].clone();
    let id = Leaf::decode(&leaf).unwrap().id;
    Outcome { fate, index: Index(index), leaf, id }
}
