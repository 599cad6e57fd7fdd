//! Proofs that another implementation of RFC 6962 takes and refuses: here the same are taken, and the same are
//! refused. The proofs and their source are in `fixtures/merkle.json`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::id::{Index, TreeHash, TreeSize, sha256};
use schemas::tree::{empty_root, verify_consistency, verify_inclusion};
use serde_json::Value;

const PROBES: &str = include_str!("fixtures/merkle.json");

/// `None` for what is no hash, which is a refusal too.
fn hash(json: &Value) -> Option<TreeHash> {
    TreeHash::from_slice(&STANDARD.decode(json.as_str()?).ok()?)
}

/// A root; where the probe has other bytes in its place, a hash that stands for them.
fn root(json: &Value) -> Option<TreeHash> {
    let bytes = STANDARD.decode(json.as_str()?).ok()?;
    Some(TreeHash::from_slice(&bytes).unwrap_or_else(|| TreeHash(sha256(&bytes))))
}

/// An absent path is an empty one.
fn path(json: &Value) -> Option<Vec<TreeHash>> {
    json.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(hash).collect()
}

fn includes(probe: &Value) -> Option<()> {
    let (index, size) = (probe["leafIdx"].as_u64()?, probe["treeSize"].as_u64()?);
    let (leaf, root) = (hash(&probe["leafHash"])?, root(&probe["root"])?);
    let path = path(&probe["proof"])?;
    verify_inclusion(&leaf, Index(index), TreeSize(size), &path, &root).ok()
}

fn extends(probe: &Value) -> Option<()> {
    let (from, to) = (probe["size1"].as_u64()?, probe["size2"].as_u64()?);
    let (old, new) = (root(&probe["root1"])?, root(&probe["root2"])?);
    let path = path(&probe["proof"])?;
    verify_consistency(TreeSize(from), &old, TreeSize(to), &new, &path).ok()
}

/// Whether it asks, without a path, for the growth of the empty tree, under its right root.
fn grows_from_nothing(probe: &Value) -> bool {
    let path = path(&probe["proof"]).unwrap_or_default();
    probe["size1"] == 0
        && probe["size2"] != 0
        && path.is_empty()
        && hash(&probe["root1"]) == Some(empty_root())
}

#[test]
fn what_others_take_and_refuse_is_taken_and_refused_here() {
    let probes: Value = serde_json::from_str(PROBES).unwrap();
    let mut verdicts = [0, 0];
    let checks: [(_, fn(&Value) -> _); 2] = [("inclusion", includes), ("consistency", extends)];
    for (kind, check) in checks {
        for probe in probes[kind].as_array().unwrap() {
            let mut refused = probe["wantErr"].as_bool().unwrap();
            if grows_from_nothing(probe) {
                // The other one calls it meaningless to ask. Here every tree extends the empty one.
                refused = false;
            }
            assert_eq!(check(probe).is_none(), refused, "{kind}: {probe}");
            verdicts[usize::from(refused)] += 1;
        }
    }
    assert_eq!(verdicts, [13, 183]);
}
