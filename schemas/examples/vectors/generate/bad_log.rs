//! Leaves that are none, receipts that prove nothing, signatures that only some would take.

use ed25519_dalek::Signer as _;
use schemas::body::LEDGER_SIGNER;
use schemas::encode::Encoder;
use schemas::id::{Index, TreeHash, TreeSize, hex};
use schemas::key::PublicKey;
use schemas::receipt::{ReceiptAlg, ReceiptSigner};
use schemas::tree::{leaf_hash, node_hash};
use serde_json::{Value as Json, json};

use super::cast::{ORIGIN, key};
use super::forge::{bytes, cbor, headers, int};

/// The order of the base point, L, in little-endian bytes.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature with S + L for S, which verifiers that do not insist on canonical S take.
pub(crate) fn plus_order(signature: &[u8; 64]) -> [u8; 64] {
    let mut sum = *signature;
    let mut carry = 0;
    for (byte, order) in sum[32..].iter_mut().zip(ORDER) {
        let wide = u16::from(*byte) + u16::from(order) + carry;
        *byte = wide.to_be_bytes()[1];
        carry = wide >> 8;
    }
    sum
}

/// A leaf of which each part can be replaced, already encoded.
fn leaf(replace: &[(usize, &[u8])]) -> Vec<u8> {
    let hash = |byte: u8| bytes(&[byte; 32]);
    let mut parts: Vec<Vec<u8>> = vec![
        int(1),
        int(7),
        hash(1),
        int(1_775_619_600_000_000),
        int(0),
        hash(2),
        hash(3),
        int(0),
        vec![0xf6],
        vec![0x83, 0x01, 0x01, 0x01],
        vec![0xf6],
    ];
    for (at, part) in replace {
        parts[*at] = part.to_vec();
    }
    let mut leaf = Encoder::new();
    leaf.array(parts.len());
    for part in &parts {
        leaf.raw(part);
    }
    leaf.finish()
}

/// Bytes that are no leaf.
pub(crate) fn leaves() -> Json {
    let good = leaf(&[]);
    let short = bytes(&[1; 31]);
    let version_4 = bytes(&[0x40; 16]);
    let cases = [
        ("empty", Vec::new()),
        ("trailing byte", [&good[..], &[0]].concat()),
        ("truncated", good[..good.len() - 1].to_vec()),
        ("version 2", leaf(&[(0, &[0x02])])),
        ("index in two bytes", leaf(&[(1, &[0x18, 0x07])])),
        ("previous of 31 bytes", leaf(&[(2, &short)])),
        ("unknown status", leaf(&[(4, &[0x18, 0x63])])),
        ("negative status", leaf(&[(4, &[0x20])])),
        ("statement missing", leaf(&[(5, &[0xf6])])),
        ("id that is no UUIDv7", leaf(&[(8, &version_4)])),
        ("two counts", leaf(&[(9, &[0x82, 0x01, 0x01])])),
        ("source without a sequence", leaf(&[(10, &[0x81, 0x40])])),
        ("twelve parts", [&[0x8c], &good[1..], &[0xf6]].concat()),
    ];
    cases.map(|(name, bytes)| json!({ "name": name, "bytes": hex(&bytes) })).to_vec().into()
}

/// Receipts that do not verify for their leaf and key.
pub(crate) fn receipts() -> Json {
    let ledger = key(LEDGER_SIGNER);
    let public = PublicKey::of(&ledger);
    let (mine, sibling) = (leaf(&[]), leaf(&[(1, &[0x08])]));
    let (left, right) = (leaf_hash(&mine), leaf_hash(&sibling));
    let signer = ReceiptSigner {
        alg: ReceiptAlg::Ed25519,
        kid: public.kid(),
        iss: ORIGIN.to_owned(),
        sub: "sworn".to_owned(),
    };
    let signed = signer.sign_root(TreeSize(2), &node_hash(&left, &right), &ledger);
    let good = signed.receipt(Index(0), &[right]).unwrap();
    let flipped = |at: usize| {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        flipped
    };
    let last = good.len() - 1;
    let unsigned = signer.sign_root(TreeSize(2), &TreeHash::ZERO, &ledger);
    let wrong_root = unsigned.receipt(Index(0), &[right]).unwrap();
    let long = signed.receipt(Index(0), &[right, right]).unwrap();
    let beyond = signed.receipt(Index(2), &[right]).unwrap();
    let bare = cbor(|receipt| {
        let protected = headers(&[(1, int(-19)), (395, int(1))]);
        receipt.tag(18).array(4).bytes(&protected).map(0).null().bytes(&signed.signature);
    });
    let cases = [
        ("another leaf", good.clone(), &sibling),
        ("signature flipped", flipped(last), &mine),
        ("path flipped", flipped(last - 70), &mine),
        ("another root signed", wrong_root, &mine),
        ("path too long", long, &mine),
        ("index beyond the tree", beyond, &mine),
        ("no tag", good[1..].to_vec(), &mine),
        ("no proof", bare, &mine),
        ("trailing byte", [&good[..], &[0]].concat(), &mine),
    ];
    let case = |(name, receipt, leaf): (&str, Vec<u8>, &Vec<u8>)| {
        json!({
            "name": name, "receipt": hex(&receipt), "leaf": hex(leaf),
            "public_key": hex(public.as_bytes()),
        })
    };
    cases.map(case).to_vec().into()
}

/// Signatures made with points of small or mixed order: name, key, signature, verdict. Lenient
/// verifiers differ on every one of them but the valid one.
const EDGES: &[(&str, &str, &str, bool)] = &[
    (
        "R is the identity, the equation holds",
        "64d4f59a6ac8be16787a36b258fd95eae20ccdca62519ba6eac221e0ba189dbd",
        "0100000000000000000000000000000000000000000000000000000000000000\
         82277cb52aa2873bc93a4db58bab2cda758ffd413bf839caaed28675e5875d06",
        false,
    ),
    (
        "R is the identity in an encoding that is not canonical",
        "64d4f59a6ac8be16787a36b258fd95eae20ccdca62519ba6eac221e0ba189dbd",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
         19e5ea796d1b704660d455c2124dd61f0e521d7cf301e148380929151e942203",
        false,
    ),
    (
        "the key has a small component that cancels out",
        "142a39e2e65570a8d310410a75fedf49fbdd9aaaa809ffc4f5c314a826d43331",
        "334e4a789a954eed5d845b6ccc99c31b0d09012aa5044c3d0c3ada1ef87d968f\
         e777b098c8aa8d33ebea05b42b8dc0d63f2724cacefb9346acb63eaa6e66960b",
        true,
    ),
    (
        "the key has a small component, only the equation times 8 holds",
        "142a39e2e65570a8d310410a75fedf49fbdd9aaaa809ffc4f5c314a826d43331",
        "87d0ecc825b76bb2b57c7bb70b8a05d4f41ef3698018bc09fb5bc76a56a8e60b\
         3bfa999501c149f0beee7872d46faa0aa903de52d6333b6c63e240c394955c05",
        false,
    ),
    (
        "R has a small component, only the equation times 8 holds",
        "64d4f59a6ac8be16787a36b258fd95eae20ccdca62519ba6eac221e0ba189dbd",
        "5a0bf69d6ee5e5326f3a2594d751386d41aa4b5a9104fc3902e66d8891fb058e\
         f3a882eff8590107f8f5e8280d957d7d7ee0557241669a7039fe92abddd3110e",
        false,
    ),
];

/// Signatures and the strict verdict on each.
pub(crate) fn signatures() -> Json {
    let signing = key("signatures");
    let public = hex(PublicKey::of(&signing).as_bytes());
    let good = signing.sign(b"sworn").to_bytes();
    let case = |name: &str, public: &str, message: &[u8], signature: &str, valid: bool| {
        json!({
            "name": name, "public_key": public, "message": hex(message), "signature": signature,
            "valid": valid,
        })
    };
    let mut cases = vec![
        case("good", &public, b"sworn", &hex(&good), true),
        case("another message", &public, b"sworm", &hex(&good), false),
        case("S + L for S", &public, b"sworn", &hex(&plus_order(&good)), false),
        case(
            "a weak key, under which nothing and everything is signed",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            b"sworn2",
            &format!("01{}", "00".repeat(63)),
            false,
        ),
    ];
    let edge = |(name, public, signature, valid): &(&str, &str, &str, bool)| {
        case(name, public, b"sworn", signature, *valid)
    };
    cases.extend(EDGES.iter().map(edge));
    cases.into()
}
