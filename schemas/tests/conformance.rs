//! Agreement with what others published and wrote: C2SP's examples, the tree vectors of Certificate
//! Transparency, and `ct-merkle` as an oracle over random trees.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use schemas::checkpoint::{Checkpoint, Note, NoteError, NoteKey, NoteSignature};
use schemas::deterministic::{Bounds, Item, decode};
use schemas::id::{Index, TreeHash, TreeSize, unhex};
use schemas::proof::{LogProof, LogProofError};
use schemas::receipt::{ReceiptAlg, ReceiptSigner};
use schemas::tree::{
    Frontier, TreeError, consistency_path, empty_root, inclusion_path, leaf_hash, node_hash,
    verify_consistency, verify_inclusion,
};
use sha2::Sha256;

/// C2SP `signed-note`, "Example".
const NOTE_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const NOTE: &str = "This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
";
/// C2SP `tlog-cosignature`, first example: a checkpoint with its log's signature and a witness's.
const CHECKPOINT: &str = "example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
";

#[test]
fn the_published_note_verifies_and_an_altered_one_does_not() {
    let key = NoteKey::parse(NOTE_VKEY).unwrap();
    assert_eq!(key.vkey(), NOTE_VKEY);
    let note = Note::parse(NOTE).unwrap();
    note.verify(&key).unwrap();
    assert_eq!(note.to_string(), NOTE);
    let altered = Note::parse(&NOTE.replace("example message", "exemplary message")).unwrap();
    assert!(matches!(altered.verify(&key), Err(NoteError::Signature { .. })));
}

#[test]
fn the_published_checkpoint_is_read_and_written_byte_for_byte() {
    let note = Note::parse(CHECKPOINT).unwrap();
    assert_eq!(note.to_string(), CHECKPOINT);
    let checkpoint = note.checkpoint().unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, TreeSize(20_852_163));
    assert_eq!(checkpoint.text(), note.text);
    let [log, witness] = note.signatures.as_slice() else { panic!("two signatures") };
    assert_eq!((log.signature.len(), witness.signature.len()), (64, 8 + 64));
    let time = u64::from_be_bytes(witness.signature[..8].try_into().unwrap());
    assert_eq!(time, 1_679_315_147, "seconds since 1970, big-endian");
    let line = CHECKPOINT.lines().last().unwrap();
    assert_eq!(NoteSignature::parse(line).unwrap().to_string(), line);
}

#[test]
fn a_proof_text_as_the_specification_draws_it_is_read() {
    let text = format!(
        "c2sp.org/tlog-proof@v1\nextra YWdlLXYxLjIuMQ==\nindex 73894\n\
         gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n\
         B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\n{CHECKPOINT}"
    );
    let proof = LogProof::parse(&text).unwrap();
    assert_eq!((proof.index, proof.path.len()), (Index(73_894), 2));
    assert_eq!(proof.note.to_string(), CHECKPOINT);
    let other = NoteKey::parse(NOTE_VKEY).unwrap();
    assert!(matches!(proof.verify(b"leaf", &other), Err(LogProofError::Note(_))));
}

/// Leaves and roots of the tree tests of Certificate Transparency (RFC 6962).
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
/// Siblings of the first leaf in the tree of all eight, and the path from the tree of one to it.
const FIRST_PATH: [&str; 3] = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
];
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn hash(text: &str) -> TreeHash {
    TreeHash::from_hex(text).unwrap()
}

/// A tree of which every hash is recomputed from its leaves.
struct Plain(Vec<TreeHash>);

impl Plain {
    fn node(&self, level: u8, n: u64) -> Result<TreeHash, TreeError> {
        Ok(match level {
            0 => self.0[usize::try_from(n).unwrap()],
            _ => node_hash(&self.node(level - 1, 2 * n)?, &self.node(level - 1, 2 * n + 1)?),
        })
    }

    fn root(&self, size: usize) -> TreeHash {
        let mut tree = Frontier::default();
        self.0[..size].iter().for_each(|leaf| tree.push(*leaf).unwrap());
        tree.root()
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<TreeHash> {
        inclusion_path(Index(index), TreeSize(size), |level, n| self.node(level, n)).unwrap()
    }

    fn consistency(&self, from: u64, to: u64) -> Vec<TreeHash> {
        consistency_path(TreeSize(from), TreeSize(to), |level, n| self.node(level, n)).unwrap()
    }
}

#[test]
fn the_trees_of_certificate_transparency_have_their_roots_and_paths() {
    assert_eq!(empty_root(), hash(EMPTY));
    let tree = Plain(LEAVES.iter().map(|leaf| leaf_hash(&unhex(leaf).unwrap())).collect());
    for (size, root) in (1..).zip(ROOTS) {
        assert_eq!(tree.root(size), hash(root), "{size}");
    }
    let path: Vec<_> = FIRST_PATH.iter().map(|text| hash(text)).collect();
    assert_eq!(tree.inclusion(0, 8), path);
    assert_eq!(tree.consistency(1, 8), path);
    verify_inclusion(&tree.0[0], Index(0), TreeSize(8), &path, &hash(ROOTS[7])).unwrap();
    let (old, new) = (hash(ROOTS[0]), hash(ROOTS[7]));
    verify_consistency(TreeSize(1), &old, TreeSize(8), &new, &path).unwrap();
    assert_eq!(tree.consistency(6, 8).len(), 3);
    assert_eq!(tree.inclusion(5, 8).len(), 3);
    assert_eq!(tree.inclusion(2, 3), [hash(ROOTS[1])]);
}

#[test]
fn a_receipt_has_the_structure_of_rfc_9942() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let public = schemas::key::PublicKey::of(&key);
    let signer = ReceiptSigner {
        alg: ReceiptAlg::default(),
        kid: public.kid(),
        iss: "ledger.example/acme".to_owned(),
        sub: "sworn".to_owned(),
    };
    let (leaf, sibling) = (leaf_hash(b"leaf"), leaf_hash(b"sibling"));
    let signed = signer.sign_root(TreeSize(2), &node_hash(&leaf, &sibling), &key);
    let receipt = signed.receipt(Index(0), &[sibling]).unwrap();
    let Item::Tag(18, sign1) = decode(&receipt, Bounds::WIRE).unwrap() else {
        panic!("a tagged COSE_Sign1");
    };
    let [Item::Bytes(protected), unprotected, Item::Null, Item::Bytes(signature)] =
        sign1.array().unwrap()
    else {
        panic!("protected, unprotected, a detached payload, signature");
    };
    assert_eq!(signature.len(), 64);
    let shown = |item: &Item<'_>| format!("{item:?}");
    let protected = shown(&decode(protected, Bounds::WIRE).unwrap());
    assert!(protected.contains("395"), "the verifiable data structure: {protected}");
    assert!(shown(unprotected).contains("396"), "its proofs: {unprotected:?}");
    // Diagnostic form of [[size, index, [+ hash]]], encoded by hand.
    let mut proof = vec![0x83, 0x02, 0x00, 0x81, 0x58, 0x20];
    proof.extend(sibling.0);
    assert!(receipt.windows(proof.len()).any(|window| window == proof));
}

/// Trees of the oracle test, each with a proof of either kind.
const TREES: u32 = 10_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: TREES, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_are_those_of_another_implementation(
        size in 1_usize..200,
        salt: u64,
        place: prop::sample::Index,
        older: prop::sample::Index,
    ) {
        let leaves: Vec<_> = (0..size).map(|n| format!("{salt} {n}").into_bytes()).collect();
        let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        leaves.iter().for_each(|leaf| oracle.push(leaf.clone()));
        let ours = Plain(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
        let root = ours.root(size);
        let theirs = oracle.root();
        prop_assert_eq!(theirs.as_bytes().as_slice(), root.0.as_slice());
        let (count, index) = (u64::try_from(size).unwrap(), place.index(size));
        let path = ours.inclusion(u64::try_from(index).unwrap(), count);
        let flat: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
        let theirs = oracle.prove_inclusion(index);
        prop_assert_eq!(theirs.as_bytes(), flat.as_slice());
        let old = older.index(size) + 1;
        if old < size {
            let path = ours.consistency(u64::try_from(old).unwrap(), count);
            let flat: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
            let theirs = oracle.prove_consistency(size - old);
            prop_assert_eq!(theirs.as_bytes(), flat.as_slice());
        }
    }
}

#[test]
fn a_checkpoint_text_is_three_lines() {
    let root = TreeHash([0; 32]);
    let checkpoint = Checkpoint { origin: "example.com/log".into(), size: TreeSize(1), root };
    let encoded = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(checkpoint.text(), format!("example.com/log\n1\n{encoded}\n"));
}
