//! The committed vectors are what this code makes, and it gives each of them its verdict.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "../examples/vectors/generate/mod.rs"]
mod generate;

use std::collections::BTreeSet;
use std::path::Path;

use schemas::body::{self, Body};
use schemas::checkpoint::{Note, NoteKey, WitnessKey};
use schemas::claim::Claim;
use schemas::detail::Detail;
use schemas::id::{Digest, Index, Kid, TreeHash, TreeSize, hex, sha256, unhex};
use schemas::key::{KeyError, PublicKey};
use schemas::kind::Kind;
use schemas::leaf::{Leaf, chain_hash};
use schemas::reject::Reject;
use schemas::reply::Reply;
use schemas::residue::Residue;
use schemas::tree::{Frontier, empty_root, leaf_hash, verify_consistency, verify_inclusion};
use schemas::{json, receipt, shape, submission};
use serde_json::Value as Json;

/// Largest committed file, so that it can be read in a review.
const FILE_BYTES_MAX: usize = 1 << 20;

fn committed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn document(name: &str) -> Json {
    serde_json::from_str(&committed(name)).unwrap()
}

fn list<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json[name].as_array().unwrap_or_else(|| panic!("{name} is a list"))
}

fn text<'j>(json: &'j Json, name: &str) -> &'j str {
    json[name].as_str().unwrap_or_else(|| panic!("{name} is a text in {json}"))
}

fn bytes(json: &Json, name: &str) -> Vec<u8> {
    unpacked(&json[name])
}

fn number(json: &Json, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_else(|| panic!("{name} is a number in {json}"))
}

/// Hex, or parts that are hex or `[hex of one byte, times]`.
fn unpacked(json: &Json) -> Vec<u8> {
    match json {
        Json::String(text) => unhex(text).unwrap(),
        Json::Array(parts) => parts.iter().flat_map(part).collect(),
        other => panic!("{other} is no bytes"),
    }
}

fn part(json: &Json) -> Vec<u8> {
    match json.as_array() {
        Some(run) => unpacked(&run[0]).repeat(run[1].as_u64().unwrap() as usize),
        None => unpacked(json),
    }
}

fn key(json: &Json) -> PublicKey {
    PublicKey::from_bytes(&bytes(json, "public_key")).unwrap()
}

fn tree_hash(text: &str) -> TreeHash {
    TreeHash::from_hex(text).unwrap()
}

fn path(json: &Json) -> Vec<TreeHash> {
    list(json, "path").iter().map(|hash| tree_hash(hash.as_str().unwrap())).collect()
}

#[test]
fn committed_files_are_what_is_generated() {
    for (name, text) in generate::files() {
        let again = "cargo run -p schemas --example vectors";
        assert!(committed(name) == text, "{name} differs; if that is meant: {again}");
        assert!(text.len() < FILE_BYTES_MAX, "{name} has {} bytes", text.len());
    }
}

#[test]
fn good_submissions_verify() {
    let good = document("good.json");
    for one in list(&good, "submissions") {
        let message = bytes(one, "submission");
        let public = key(one);
        assert_eq!(public.kid(), Kid::from_hex(text(one, "kid")).unwrap());
        assert_eq!(sha256(&message).to_vec(), bytes(one, "message_digest"));
        let opened = submission::open(&message).unwrap();
        assert_eq!(opened.statement().bytes(), bytes(one, "statement"));
        assert_eq!(
            opened.statement().digest(),
            Digest::from_hex(text(one, "statement_digest")).unwrap()
        );
        assert_eq!(opened.statement().payload(), bytes(one, "payload"));
        assert_eq!(opened.statement().signer.as_str(), text(one, "signer"));
        let verified = opened.verify(&public).unwrap();
        assert_eq!(verified.manifest().map(hex).map_or(Json::Null, Json::from), one["manifest"]);
        assert_eq!(verified.items().len(), list(one, "items").len());
        for (item, json) in verified.items().iter().zip(list(one, "items")) {
            assert_eq!(item.raw.body, bytes(json, "body"));
            assert_eq!(item.digest.to_string(), text(json, "digest"));
            check_body(item.body.as_ref().unwrap(), json);
            check_detail(item.raw.detail, json);
            check_leaf(&json["leaf"]);
        }
    }
}

fn check_body(body: &Body<'_>, json: &Json) {
    assert_eq!(body.to_json(), json["json"]);
    assert_eq!(hex(&body::from_json(&json["json"]).unwrap()), text(json, "body"));
    assert_eq!(body.kind().as_str(), text(json, "kind"));
}

fn check_detail(detail: Option<&[u8]>, json: &Json) {
    let Some(detail) = detail else { return assert!(json.get("detail").is_none()) };
    assert_eq!(hex(detail), text(json, "detail"));
    assert_eq!(shape::open_json(&Detail::parse(detail).unwrap().content), json["content"]);
    assert_eq!(hex(&sha256(detail)), text(&json["json"], "detail"));
}

fn check_leaf(json: &Json) {
    let bytes = bytes(json, "bytes");
    let leaf = Leaf::decode(&bytes).unwrap();
    assert_eq!(leaf.encode(), bytes);
    let mut again = json::leaf(&leaf, &bytes, &chain_hash(&bytes));
    again["received_at"] = leaf.received_at.0.into();
    again["tree"] = leaf_hash(&bytes).to_string().into();
    assert_eq!(&again, json);
}

#[test]
fn every_kind_and_every_field_is_there() {
    let good = document("good.json");
    let items = list(&good, "submissions").iter().flat_map(|one| list(one, "items"));
    let bodies: Vec<_> = items.map(|item| bytes(item, "body")).collect();
    let bodies: Vec<_> = bodies.iter().map(|body| Body::parse(body).unwrap()).collect();
    let kinds: BTreeSet<_> = bodies.iter().map(Body::kind).collect();
    assert_eq!(kinds, Kind::ALL.iter().copied().collect());
    for path in paths(body::FIELDS, "") {
        let listed = path
            .split('.')
            .next()
            .is_some_and(|field| matches!(field, "sources" | "verdicts" | "principals"));
        let there = |body: &&Body<'_>| match path.split_once('.').filter(|_| listed) {
            Some((list, rest)) => {
                let items = body.field(list).and_then(|list| list.array()).unwrap_or_default();
                items.iter().any(|item| item.path(rest).is_some())
            }
            None => body.field(&path).is_some(),
        };
        assert!(bodies.iter().any(|body| there(&body)), "no vector has {path}");
    }
}

fn paths(fields: &[shape::Field], above: &str) -> Vec<String> {
    let deeper = |field: &shape::Field| {
        let path = format!("{above}{}", field.name);
        let mut shape = &field.shape;
        while let shape::Shape::OrNone(of) | shape::Shape::List { of, .. } = shape {
            shape = of;
        }
        match shape {
            shape::Shape::Record(inner) => paths(inner, &format!("{path}.")),
            _ => vec![path],
        }
    };
    fields.iter().flat_map(deeper).collect()
}

#[test]
fn the_log_is_chained_and_proven() {
    let good = document("good.json");
    let log = &good["log"];
    let leaves: Vec<_> = list(log, "leaves").iter().map(unpacked).collect();
    let mut tree = Frontier::default();
    let mut roots = vec![empty_root()];
    let mut previous = schemas::id::ChainHash::ZERO;
    for (index, bytes) in leaves.iter().enumerate() {
        let leaf = Leaf::decode(bytes).unwrap();
        assert_eq!((leaf.index.0 as usize, leaf.previous), (index, previous));
        previous = chain_hash(bytes);
        tree.push(leaf_hash(bytes)).unwrap();
        roots.push(tree.root());
    }
    let in_submissions = list(&good, "submissions").iter().flat_map(|one| list(one, "items"));
    for (item, leaf) in in_submissions.zip(&leaves) {
        assert_eq!(&bytes(&item["leaf"], "bytes"), leaf);
    }
    assert_eq!(tree_hash(text(log, "empty_root")), empty_root());
    for one in list(log, "roots") {
        assert_eq!(tree_hash(text(one, "root")), roots[number(one, "size") as usize]);
    }
    for one in list(log, "inclusion") {
        let (index, size) = (number(one, "index"), number(one, "size"));
        let hash = leaf_hash(&leaves[index as usize]);
        let root = &roots[size as usize];
        verify_inclusion(&hash, Index(index), TreeSize(size), &path(one), root).unwrap();
    }
    for one in list(log, "consistency") {
        let (from, to) = (number(one, "from"), number(one, "to"));
        let (old, new) = (&roots[from as usize], &roots[to as usize]);
        verify_consistency(TreeSize(from), old, TreeSize(to), new, &path(one)).unwrap();
    }
}

#[test]
fn the_checkpoint_is_signed_and_witnessed() {
    let good = document("good.json");
    let json = &good["checkpoint"];
    let ledger = NoteKey::parse(text(json, "vkey")).unwrap();
    for name in ["note", "cosigned"] {
        let note = Note::parse(text(json, name)).unwrap();
        assert_eq!(note.text, text(json, "text"));
        let checkpoint = note.verify_checkpoint(&ledger).unwrap();
        assert_eq!(checkpoint.size.0, number(json, "size"));
        assert_eq!(checkpoint.root, tree_hash(text(json, "root")));
    }
    let witness = WitnessKey::parse(text(&json["witness"], "vkey")).unwrap();
    let cosigned = Note::parse(text(json, "cosigned")).unwrap();
    assert_eq!(cosigned.verify_cosignature(&witness), Ok(number(&json["witness"], "time")));
}

#[test]
fn the_claim_and_the_residue_are_the_ledgers() {
    let good = document("good.json");
    let json = &good["claim"];
    let key = PublicKey::from_bytes(&bytes(json, "public_key")).unwrap();
    let claim = Claim::verify(&bytes(json, "claim"), &key).unwrap();
    let last = claim.last.map(|index| index.0);
    assert_eq!((claim.count, last), (number(json, "count"), json["last"].as_u64()));
    assert_eq!((claim.size.0, claim.root), (number(json, "size"), tree_hash(text(json, "root"))));
    let terms: Vec<_> = claim.terms.iter().map(|(key, value)| [key.as_str(), value]).collect();
    assert_eq!(serde_json::json!(terms), json["terms"]);

    let json = &good["residue"];
    let (row, leaf) = (bytes(json, "residue"), bytes(json, "leaf"));
    let residue = Residue::parse(&row).unwrap();
    assert!(residue.is_left_by(&key, &leaf) && !residue.is_left_by(&key, &row));
    let body = bytes(json, "body");
    let body = Body::parse(&body).unwrap();
    assert_eq!(residue.fields, schemas::residue::fields(&body));
    assert_eq!(Body::residue(residue.fields).unwrap().id(), body.id());
}

#[test]
fn receipts_and_replies_hold() {
    let good = document("good.json");
    for one in list(&good, "receipts") {
        let (receipt, leaf) = (bytes(one, "receipt"), bytes(one, "leaf"));
        let verified = receipt::verify(&receipt, &leaf, key(one).verifying_key()).unwrap();
        assert_eq!(
            (verified.index.0, verified.size.0),
            (number(one, "index"), number(one, "size"))
        );
        assert_eq!(verified.root, tree_hash(text(one, "root")));
        assert_eq!(Leaf::decode(&leaf).unwrap().index, verified.index);
    }
    for one in list(&good, "consistency_receipts") {
        let (from, root) = (TreeSize(number(one, "from")), tree_hash(text(one, "from_root")));
        let key = key(one);
        let receipt = bytes(one, "receipt");
        let verified =
            receipt::verify_consistency(&receipt, from, &root, key.verifying_key()).unwrap();
        assert_eq!(
            (verified.to.0, verified.root),
            (number(one, "to"), tree_hash(text(one, "root")))
        );
    }
    for one in list(&good, "replies") {
        let reply = Reply::decode(&bytes(one, "bytes")).unwrap();
        assert_eq!(reply.encode(), bytes(one, "bytes"));
        assert_eq!(json::reply(&reply), one["json"]);
    }
}

/// Compares a refusal with the vector's verdict.
fn check<T>(vector: &Json, result: Result<T, Reject>) {
    let expected = (text(vector, "reason"), text(vector, "path"));
    match result {
        Ok(_) => panic!("{}: accepted, not {expected:?}", vector["name"]),
        Err(reject) => {
            let found = (reject.reason.as_str(), reject.cause.path.as_str());
            assert_eq!(found, expected, "{}: {reject}", vector["name"]);
        }
    }
}

#[test]
fn bad_bodies_and_details_are_refused() {
    let bad = document("bad.json");
    for vector in list(&bad, "bodies") {
        check(vector, Body::parse(&bytes(vector, "bytes")).map(drop));
    }
    for vector in list(&bad, "details") {
        check(vector, Detail::parse(&bytes(vector, "bytes")).map(drop));
    }
}

#[test]
fn bad_submissions_are_refused() {
    for vector in list(&document("bad.json"), "submissions") {
        let message = bytes(vector, "bytes");
        let verified = submission::open(&message).and_then(|opened| opened.verify(&key(vector)));
        let Some(items) = vector.get("items").and_then(Json::as_array) else {
            check(vector, verified);
            continue;
        };
        let verified = verified.unwrap_or_else(|reject| panic!("{}: {reject}", vector["name"]));
        assert_eq!(verified.items().len(), items.len());
        for (item, expected) in verified.items().iter().zip(items) {
            let found = item.body.as_ref().err().map(|reject| {
                serde_json::json!({ "reason": reject.reason.as_str(), "path": reject.cause.path })
            });
            assert_eq!(&found.unwrap_or_default(), expected, "{}", vector["name"]);
        }
    }
}

#[test]
fn bad_leaves_receipts_keys_and_signatures_are_refused() {
    let bad = document("bad.json");
    for vector in list(&bad, "leaves") {
        assert_eq!(Leaf::decode(&bytes(vector, "bytes")), None, "{}", vector["name"]);
    }
    for vector in list(&bad, "receipts") {
        let (receipt, leaf) = (bytes(vector, "receipt"), bytes(vector, "leaf"));
        let result = receipt::verify(&receipt, &leaf, key(vector).verifying_key());
        assert!(result.is_err(), "{}", vector["name"]);
    }
    for vector in list(&bad, "public_keys") {
        let expected = match text(vector, "fault") {
            "weak" => KeyError::Weak,
            _ => KeyError::NotAPoint,
        };
        assert_eq!(PublicKey::from_bytes(&bytes(vector, "bytes")), Err(expected), "{vector}");
    }
    for vector in list(&bad, "signatures") {
        let signature: [u8; 64] = bytes(vector, "signature").try_into().unwrap();
        let valid = PublicKey::from_bytes(&bytes(vector, "public_key"))
            .is_ok_and(|key| key.verifies(&bytes(vector, "message"), &signature));
        assert_eq!(Json::from(valid), vector["valid"], "{}", vector["name"]);
    }
}

#[test]
fn every_reason_that_bytes_alone_can_give_is_given() {
    let bad = document("bad.json");
    let mut reasons = BTreeSet::new();
    for vector in ["submissions", "bodies", "details"].iter().flat_map(|name| list(&bad, name)) {
        let items = vector.get("items").and_then(Json::as_array).into_iter().flatten();
        for verdict in items.chain([vector]) {
            reasons.extend(verdict.get("reason").and_then(Json::as_str).map(str::to_owned));
        }
    }
    let expected = [
        "bad_signature",
        "digest_mismatch",
        "invalid_field",
        "malformed",
        "missing_field",
        "secret_in_body",
        "too_large",
        "unknown_field",
        "unsupported_version",
    ];
    assert_eq!(reasons, expected.map(str::to_owned).into());
}
