//! Receipts: a signed root and the path to it from one leaf, or from an older root.
//!
//! What is signed is the root under constant headers, so that a checkpoint is signed once and every
//! leaf below it gets its receipt from that one [`SignedRoot`].
//!
//! IMPORTANT: the signature binds the root and the headers. A leaf's index and the tree's size steer
//! the path but are bound by nothing else: the path of the last of 5 leaves is also one for the last of
//! 2. An index is therefore to be believed for the leaf's own bytes, which name it, and a size for a
//! signed checkpoint.
//!
//! Sources: RFC 9942 (COSE Receipts), RFC 9052 §4 (`COSE_Sign1`), RFC 9597 (CWT claims in headers).

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::deterministic::{Bounds, COSE_SIGN1_TAG, Item, Malformed, decode};
use crate::encode::Encoder;
use crate::id::{Index, Kid, TreeHash, TreeSize};
use crate::statement::{ALG_ED25519, ALG_EDDSA, to_be_signed};
use crate::tree::{TreeError, leaf_hash, root_from_consistency, root_from_path};

/// Header: algorithm (RFC 9052 §3.1).
const ALG: i64 = 1;
/// Header: labels that a reader must understand (RFC 9052 §3.1).
const CRIT: i64 = 2;
/// Header: key id (RFC 9052 §3.1).
const KID: i64 = 4;
/// Header: CWT claims (RFC 9597 §2).
const CWT_CLAIMS: i64 = 15;
/// Header: verifiable data structure (RFC 9942).
const VDS: i64 = 395;
/// Header: verifiable data structure proofs (RFC 9942).
const VDP: i64 = 396;
/// The one verifiable data structure there is: `RFC9162_SHA256`.
const RFC9162_SHA256: i64 = 1;
/// Proofs of inclusion in [`VDP`].
const INCLUSION: i64 = -1;
/// Proofs of consistency in [`VDP`].
const CONSISTENCY: i64 = -2;

/// Which of a receipt's three CBOR items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The receipt itself.
    Receipt,
    /// The protected header.
    Protected,
    /// The proof in the unprotected header.
    Proof,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Receipt => "receipt",
            Self::Protected => "protected header",
            Self::Proof => "proof",
        })
    }
}

/// Why bytes are no receipt, or not one for this leaf and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not deterministic CBOR.
    #[error("{part}: {fault}")]
    Malformed {
        /// Which item.
        part: Part,
        /// What is wrong with it.
        #[source]
        fault: Malformed,
    },
    /// CBOR, but not a tagged `COSE_Sign1` with a detached payload.
    #[error("not a tagged COSE_Sign1 with a nil payload")]
    NotSign1,
    /// A protected header is missing or of the wrong type.
    #[error("protected header {label} is missing or of the wrong type")]
    Header {
        /// Label of the header.
        label: i64,
    },
    /// The receipt has headers that must be understood (label 2), and none is.
    #[error("critical headers, which are not understood")]
    Critical,
    /// Neither -19 nor -8.
    #[error("algorithm {alg}, expected -19 or -8")]
    Algorithm {
        /// The algorithm named.
        alg: i64,
    },
    /// Not `RFC9162_SHA256`.
    #[error("verifiable data structure {vds}, expected 1")]
    Structure {
        /// The verifiable data structure named.
        vds: i64,
    },
    /// The unprotected header is not exactly one proof of the kind asked for.
    #[error("not exactly one proof of kind {kind}")]
    Proof {
        /// -1 inclusion, -2 consistency.
        kind: i64,
    },
    /// The proof is not two numbers and hashes of 32 bytes.
    #[error("the proof is not two numbers and a list of 32-byte hashes")]
    ProofShape,
    /// A path without a hash, which the format cannot carry: no receipt exists in a tree of one leaf,
    /// nor between equal sizes.
    #[error("the path is empty")]
    EmptyPath,
    /// The path does not fit its numbers, or starts from another older root.
    #[error("path: {0}")]
    Path(#[from] TreeError),
    /// A consistency receipt from another size than that of the older tree at hand.
    #[error("a receipt from size {found}, not from {expected}")]
    FromSize {
        /// Size that the receipt names.
        found: TreeSize,
        /// Size of the older tree at hand.
        expected: TreeSize,
    },
    /// The key did not sign this root under these headers: other leaf, other path, other key.
    #[error("bad signature")]
    Signature,
}

/// How a receipt names its algorithm; the signature is Ed25519's either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReceiptAlg {
    /// -19 (RFC 9864), the default.
    #[default]
    Ed25519,
    /// -8 (RFC 9053 §2.2), for verifiers that know no other.
    EdDsa,
}

impl ReceiptAlg {
    /// The COSE algorithm number.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Ed25519 => ALG_ED25519,
            Self::EdDsa => ALG_EDDSA,
        }
    }
}

/// Whose receipts: the constant headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptSigner {
    /// How the algorithm is named.
    pub alg: ReceiptAlg,
    /// Thumbprint of the ledger's key.
    pub kid: Kid,
    /// CWT claim 1: the ledger.
    pub iss: String,
    /// CWT claim 2: the log.
    pub sub: String,
}

impl ReceiptSigner {
    /// Signs the root of the tree of `size` leaves for all its receipts.
    ///
    /// IMPORTANT: `key` is the key that `kid` names, which is not checked here.
    ///
    /// Source: RFC 9942, "Receipt of Inclusion"; RFC 9052 §4.4.
    #[must_use]
    pub fn sign_root(&self, size: TreeSize, root: &TreeHash, key: &SigningKey) -> SignedRoot {
        let protected = self.protected();
        let signature = key.sign(&to_be_signed(&protected, root.as_bytes())).to_bytes();
        SignedRoot { protected, signature, size }
    }

    /// `{1: alg, 4: kid, 15: {1: iss, 2: sub}, 395: 1}`.
    fn protected(&self) -> Vec<u8> {
        let mut header = Encoder::with_capacity(64 + self.iss.len() + self.sub.len());
        header.map(4).int(ALG).int(self.alg.number()).int(KID).bytes(self.kid.as_bytes());
        header.int(CWT_CLAIMS).map(2).int(1).text(&self.iss).int(2).text(&self.sub);
        header.int(VDS).int(RFC9162_SHA256);
        header.finish()
    }
}

/// A root's signature, which serves every receipt of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRoot {
    /// The protected header as signed.
    pub protected: Vec<u8>,
    /// Ed25519 signature over header and root.
    pub signature: [u8; 64],
    /// Number of leaves under the root.
    pub size: TreeSize,
}

impl SignedRoot {
    /// Receipt for the leaf at `index`, whose inclusion path this is.
    ///
    /// # Errors
    /// [`ReceiptError::EmptyPath`], as in a tree of one leaf.
    /// Source: RFC 9942, "Receipt of Inclusion".
    pub fn receipt(&self, index: Index, path: &[TreeHash]) -> Result<Vec<u8>, ReceiptError> {
        self.assemble(INCLUSION, [self.size.0, index.0], path)
    }

    /// Receipt that this tree extends the one of `from` leaves, whose consistency path this is.
    ///
    /// # Errors
    /// [`ReceiptError::EmptyPath`], as between equal sizes and from the empty tree.
    /// Source: RFC 9942, "Receipt of Consistency".
    pub fn consistency_receipt(
        &self,
        from: TreeSize,
        path: &[TreeHash],
    ) -> Result<Vec<u8>, ReceiptError> {
        self.assemble(CONSISTENCY, [from.0, self.size.0], path)
    }

    /// `18([protected, {396: {kind: [bstr .cbor [number, number, [+ bstr]]]}}, nil, signature])`.
    fn assemble(
        &self,
        kind: i64,
        [first, second]: [u64; 2],
        path: &[TreeHash],
    ) -> Result<Vec<u8>, ReceiptError> {
        if path.is_empty() {
            return Err(ReceiptError::EmptyPath);
        }
        let mut proof = Encoder::with_capacity(24 + path.len() * 34);
        proof.array(3).uint(first).uint(second).array(path.len());
        for hash in path {
            proof.bytes(hash.as_bytes());
        }
        let proof = proof.finish();
        let mut receipt = Encoder::with_capacity(96 + self.protected.len() + proof.len());
        receipt.tag(COSE_SIGN1_TAG).array(4).bytes(&self.protected);
        receipt.map(1).int(VDP).map(1).int(kind).array(1).bytes(&proof);
        receipt.null().bytes(&self.signature);
        Ok(receipt.finish())
    }
}

/// What a receipt that verifies says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// Place of the leaf, as the receipt has it: compare with the leaf's own bytes.
    pub index: Index,
    /// Number of leaves, as the receipt has it: compare with a checkpoint of this root.
    pub size: TreeSize,
    /// The root that was signed.
    pub root: TreeHash,
    /// CWT claim 1: the ledger.
    pub iss: String,
    /// CWT claim 2: the log.
    pub sub: String,
    /// The key that the receipt names.
    pub kid: Kid,
}

/// What a consistency receipt that verifies says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedConsistency {
    /// Size of the older tree.
    pub from: TreeSize,
    /// Size of the newer tree, as the receipt has it: compare with a checkpoint of this root.
    pub to: TreeSize,
    /// Root of the newer tree, which was signed.
    pub root: TreeHash,
    /// CWT claim 1: the ledger.
    pub iss: String,
    /// CWT claim 2: the log.
    pub sub: String,
    /// The key that the receipt names.
    pub kid: Kid,
}

/// The key that a receipt of either kind names, so that it can be looked up; nothing is verified.
///
/// # Errors
/// Any but those about the proof, the path and the signature.
pub fn named_kid(receipt: &[u8]) -> Result<Kid, ReceiptError> {
    let item = decode_part(Part::Receipt, receipt)?;
    let (protected, _, _) = sign1(&item)?;
    Ok(Header::read(protected)?.kid)
}

/// Checks a receipt for the leaf with these bytes, under this key.
///
/// # Errors
/// The first [`ReceiptError`] in the order CBOR, headers, proof, path, signature.
/// Source: RFC 9942, "Receipt of Inclusion".
pub fn verify(
    receipt: &[u8],
    leaf: &[u8],
    key: &VerifyingKey,
) -> Result<VerifiedReceipt, ReceiptError> {
    let item = decode_part(Part::Receipt, receipt)?;
    let envelope = Envelope::read(&item, INCLUSION)?;
    let Proof { numbers: [size, index], path } = Proof::read(envelope.proof)?;
    let (index, size) = (Index(index), TreeSize(size));
    let root = root_from_path(&leaf_hash(leaf), index, size, &path)?;
    envelope.check_signature(&root, key)?;
    let Header { kid, iss, sub } = envelope.header;
    Ok(VerifiedReceipt { index, size, root, iss, sub, kid })
}

/// Checks a receipt that a newer tree extends the tree of `from` leaves with root `from_root`.
///
/// # Errors
/// As for [`verify`], and [`ReceiptError::FromSize`] when it is about another older tree.
/// Source: RFC 9942, "Receipt of Consistency".
pub fn verify_consistency(
    receipt: &[u8],
    from: TreeSize,
    from_root: &TreeHash,
    key: &VerifyingKey,
) -> Result<VerifiedConsistency, ReceiptError> {
    let item = decode_part(Part::Receipt, receipt)?;
    let envelope = Envelope::read(&item, CONSISTENCY)?;
    let Proof { numbers: [found, to], path } = Proof::read(envelope.proof)?;
    let (found, to) = (TreeSize(found), TreeSize(to));
    if found != from {
        return Err(ReceiptError::FromSize { found, expected: from });
    }
    let root = root_from_consistency(from, from_root, to, &path)?;
    envelope.check_signature(&root, key)?;
    let Header { kid, iss, sub } = envelope.header;
    Ok(VerifiedConsistency { from, to, root, iss, sub, kid })
}

fn decode_part(part: Part, bytes: &[u8]) -> Result<Item<'_>, ReceiptError> {
    decode(bytes, Bounds::WIRE).map_err(|fault| ReceiptError::Malformed { part, fault })
}

/// Protected header, unprotected header and signature.
fn sign1<'i, 'a>(item: &'i Item<'a>) -> Result<(&'a [u8], &'i Item<'a>, &'a [u8]), ReceiptError> {
    match item {
        Item::Tag(COSE_SIGN1_TAG, inner) => match inner.array() {
            Some([Item::Bytes(protected), unprotected, Item::Null, Item::Bytes(signature)]) => {
                Ok((protected, unprotected, signature))
            }
            _ => Err(ReceiptError::NotSign1),
        },
        _ => Err(ReceiptError::NotSign1),
    }
}

/// What the protected header says beyond its constants.
struct Header {
    kid: Kid,
    iss: String,
    sub: String,
}

impl Header {
    /// Labels beyond ours are left alone, for they are signed; only critical ones refuse the receipt.
    fn read(protected: &[u8]) -> Result<Self, ReceiptError> {
        let header = decode_part(Part::Protected, protected)?;
        let field = |label| header.label(label).ok_or(ReceiptError::Header { label });
        let number = |label| field(label)?.int().ok_or(ReceiptError::Header { label });
        if header.label(CRIT).is_some() {
            return Err(ReceiptError::Critical);
        }
        let alg = number(ALG)?;
        if alg != ALG_ED25519 && alg != ALG_EDDSA {
            return Err(ReceiptError::Algorithm { alg });
        }
        let vds = number(VDS)?;
        if vds != RFC9162_SHA256 {
            return Err(ReceiptError::Structure { vds });
        }
        let kid = field(KID)?.bytes().and_then(Kid::from_slice);
        let claims = field(CWT_CLAIMS)?;
        let claim = |claim| {
            let text = claims.label(claim).and_then(Item::text);
            text.map(str::to_owned).ok_or(ReceiptError::Header { label: CWT_CLAIMS })
        };
        let kid = kid.ok_or(ReceiptError::Header { label: KID })?;
        Ok(Self { kid, iss: claim(1)?, sub: claim(2)? })
    }
}

/// A receipt taken apart, nothing in it verified.
struct Envelope<'a> {
    protected: &'a [u8],
    header: Header,
    proof: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The unprotected header is signed by nobody, so exactly one form of it is taken.
    fn read(item: &Item<'a>, kind: i64) -> Result<Self, ReceiptError> {
        let (protected, unprotected, signature) = sign1(item)?;
        let header = Header::read(protected)?;
        let proofs = only(unprotected, VDP).and_then(|proofs| only(proofs, kind));
        match proofs.and_then(Item::array) {
            Some([Item::Bytes(proof)]) => Ok(Self { protected, header, proof, signature }),
            Some([]) => Err(ReceiptError::EmptyPath),
            _ => Err(ReceiptError::Proof { kind }),
        }
    }

    fn check_signature(&self, root: &TreeHash, key: &VerifyingKey) -> Result<(), ReceiptError> {
        let message = to_be_signed(self.protected, root.as_bytes());
        Signature::from_slice(self.signature)
            .and_then(|signature| key.verify_strict(&message, &signature))
            .map_err(|_opaque| ReceiptError::Signature)
    }
}

/// The value under `label` of a map that has no other.
fn only<'i, 'a>(map: &'i Item<'a>, label: i64) -> Option<&'i Item<'a>> {
    let [(key, value)] = map.map()? else { return None };
    (key.int() == Some(label)).then_some(value)
}

/// `[number, number, [+ bstr .size 32]]`.
struct Proof {
    numbers: [u64; 2],
    path: Vec<TreeHash>,
}

impl Proof {
    fn read(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let item = decode_part(Part::Proof, bytes)?;
        let Some([Item::Uint(first), Item::Uint(second), Item::Array(hashes)]) = item.array()
        else {
            return Err(ReceiptError::ProofShape);
        };
        let path = hashes.iter().map(|hash| hash.bytes().and_then(TreeHash::from_slice));
        let path = path.collect::<Option<Vec<_>>>().ok_or(ReceiptError::ProofShape)?;
        if path.is_empty() {
            return Err(ReceiptError::EmptyPath);
        }
        Ok(Self { numbers: [*first, *second], path })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use proptest::prelude::*;

    use super::*;
    use crate::deterministic::Fault;
    use crate::key::PublicKey;
    use crate::tree::{Frontier, consistency_path, inclusion_path};

    const ISS: &str = "https://ledger.example.com";
    const SUB: &str = "ledger.example.com/acme";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn public() -> VerifyingKey {
        key().verifying_key()
    }

    fn signer(alg: ReceiptAlg) -> ReceiptSigner {
        let kid = PublicKey::of(&key()).kid();
        ReceiptSigner { alg, kid, iss: ISS.to_owned(), sub: SUB.to_owned() }
    }

    fn leaf(index: u64) -> Vec<u8> {
        index.to_be_bytes().to_vec()
    }

    fn frontier(size: u64) -> Frontier {
        let mut tree = Frontier::default();
        for index in 0..size {
            tree.push(leaf_hash(&leaf(index))).unwrap();
        }
        tree
    }

    fn node(level: u8, n: u64) -> Result<TreeHash, TreeError> {
        let mut tree = Frontier::default();
        for index in n << level..(n + 1) << level {
            tree.push(leaf_hash(&leaf(index)))?;
        }
        Ok(tree.root())
    }

    fn signed_root(size: u64) -> SignedRoot {
        let root = frontier(size).root();
        signer(ReceiptAlg::Ed25519).sign_root(TreeSize(size), &root, &key())
    }

    fn receipt(index: u64, size: u64) -> Vec<u8> {
        let path = inclusion_path(Index(index), TreeSize(size), node).unwrap();
        signed_root(size).receipt(Index(index), &path).unwrap()
    }

    fn consistency(from: u64, to: u64) -> Vec<u8> {
        let path = consistency_path(TreeSize(from), TreeSize(to), node).unwrap();
        signed_root(to).consistency_receipt(TreeSize(from), &path).unwrap()
    }

    #[test]
    fn one_signature_serves_every_leaf() {
        for alg in [ReceiptAlg::Ed25519, ReceiptAlg::EdDsa] {
            for size in 2..20 {
                let root = frontier(size).root();
                let signed = signer(alg).sign_root(TreeSize(size), &root, &key());
                for index in 0..size {
                    let path = inclusion_path(Index(index), TreeSize(size), node).unwrap();
                    let receipt = signed.receipt(Index(index), &path).unwrap();
                    let verified = verify(&receipt, &leaf(index), &public()).unwrap();
                    let (iss, sub) = (ISS.to_owned(), SUB.to_owned());
                    let kid = signer(alg).kid;
                    let (index, size) = (Index(index), TreeSize(size));
                    assert_eq!(verified, VerifiedReceipt { index, size, root, iss, sub, kid });
                    assert_eq!(named_kid(&receipt), Ok(kid));
                }
            }
        }
    }

    #[test]
    fn consistency_receipts_lead_from_the_older_root() {
        for to in 2..20 {
            for from in 1..to {
                let older = frontier(from).root();
                let receipt = consistency(from, to);
                let (from, to_size) = (TreeSize(from), TreeSize(to));
                let verified = verify_consistency(&receipt, from, &older, &public()).unwrap();
                assert_eq!((verified.from, verified.to), (from, to_size));
                assert_eq!(verified.root, frontier(to).root());
                assert_eq!((verified.iss.as_str(), verified.sub.as_str()), (ISS, SUB));
                assert_eq!(named_kid(&receipt), Ok(verified.kid));
            }
        }
    }

    /// Laid out by hand, so that no encoder of ours vouches for itself.
    #[test]
    fn the_bytes_are_the_specified_ones() {
        let kid = signer(ReceiptAlg::Ed25519).kid;
        let mut protected = vec![0xa4, 0x01, 0x32, 0x04, 0x58, 0x20];
        protected.extend(kid.0);
        protected.extend([0x0f, 0xa2, 0x01, 0x78, 26]);
        protected.extend(ISS.bytes());
        protected.extend([0x02, 0x77]);
        protected.extend(SUB.bytes());
        protected.extend([0x19, 0x01, 0x8b, 0x01]);
        let signed = signed_root(2);
        assert_eq!(signed.protected, protected);

        let mut message = vec![0x84, 0x6a];
        message.extend(b"Signature1");
        message.extend([0x58, u8::try_from(protected.len()).unwrap()]);
        message.extend(&protected);
        message.extend([0x40, 0x58, 0x20]);
        message.extend(frontier(2).root().0);
        assert_eq!(key().sign(&message).to_bytes(), signed.signature);

        let mut expected = vec![0xd2, 0x84, 0x58, u8::try_from(protected.len()).unwrap()];
        expected.extend(&protected);
        expected.extend([0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81, 0x58, 38]);
        expected.extend([0x83, 0x02, 0x01, 0x81, 0x58, 0x20]);
        expected.extend(leaf_hash(&leaf(0)).0);
        expected.extend([0xf6, 0x58, 0x40]);
        expected.extend(signed.signature);
        assert_eq!(receipt(1, 2), expected);
    }

    #[test]
    fn other_leaves_keys_and_roots_are_refused() {
        let bytes = receipt(3, 7);
        assert!(verify(&bytes, &leaf(3), &public()).is_ok());
        assert_eq!(verify(&bytes, &leaf(2), &public()), Err(ReceiptError::Signature));
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert_eq!(verify(&bytes, &leaf(3), &other), Err(ReceiptError::Signature));

        let bytes = consistency(3, 7);
        let older = frontier(3).root();
        let refused = |from, root: &TreeHash, key: &VerifyingKey| {
            verify_consistency(&bytes, TreeSize(from), root, key).unwrap_err()
        };
        assert!(verify_consistency(&bytes, TreeSize(3), &older, &public()).is_ok());
        assert_eq!(refused(3, &older, &other), ReceiptError::Signature);
        let sizes = ReceiptError::FromSize { found: TreeSize(3), expected: TreeSize(4) };
        assert_eq!(refused(4, &older, &public()), sizes);
        let from_root = TreeError::FromRoot { computed: older, expected: TreeHash::ZERO };
        assert_eq!(refused(3, &TreeHash::ZERO, &public()), ReceiptError::Path(from_root));
    }

    #[test]
    fn a_path_must_have_hashes_and_fit() {
        let signed = signed_root(7);
        assert_eq!(signed.receipt(Index(0), &[]), Err(ReceiptError::EmptyPath));
        let none = signed.consistency_receipt(TreeSize(7), &[]);
        assert_eq!(none, Err(ReceiptError::EmptyPath));
        let path = inclusion_path(Index(0), TreeSize(7), node).unwrap();
        let short = signed.receipt(Index(0), &path[1..]).unwrap();
        let length = ReceiptError::Path(TreeError::PathLength { len: 2 });
        assert_eq!(verify(&short, &leaf(0), &public()), Err(length));
        let beyond = signed.receipt(Index(7), &path).unwrap();
        let error = TreeError::Beyond { index: Index(7), size: TreeSize(7) };
        assert_eq!(verify(&beyond, &leaf(0), &public()), Err(ReceiptError::Path(error)));
        let bad = signed.receipt(Index(0), &[TreeHash::ZERO; 3]).unwrap();
        assert_eq!(verify(&bad, &leaf(0), &public()), Err(ReceiptError::Signature));
    }

    /// A receipt whose parts the caller chooses.
    fn forged(protected: &[u8], unprotected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut receipt = Encoder::new();
        receipt.tag(18).array(4).bytes(protected).raw(unprotected).raw(payload).bytes(signature);
        receipt.finish()
    }

    fn proofs(kind: i64, proofs: &[&[u8]]) -> Vec<u8> {
        let mut header = Encoder::new();
        header.map(1).int(VDP).map(1).int(kind).array(proofs.len());
        for proof in proofs {
            header.bytes(proof);
        }
        header.finish()
    }

    #[test]
    fn what_is_no_receipt_is_told_apart() {
        let SignedRoot { protected, signature, .. } = signed_root(2);
        let hash = leaf_hash(&leaf(0));
        let mut proof = Encoder::new();
        proof.array(3).uint(2).uint(1).array(1).bytes(hash.as_bytes());
        let proof = proof.finish();
        let good = proofs(INCLUSION, &[&proof]);
        let nil = [0xf6];
        let check = |bytes: &[u8], expected| {
            assert_eq!(verify(bytes, &leaf(1), &public()).unwrap_err(), expected);
        };
        let intact = forged(&protected, &good, &nil, &signature);
        assert_eq!(intact, receipt(1, 2));
        assert!(verify(&intact, &leaf(1), &public()).is_ok());

        let malformed = |part, at, fault| {
            let fault = Malformed { at, fault };
            ReceiptError::Malformed { part, fault }
        };
        check(&[], malformed(Part::Receipt, 0, Fault::Truncated));
        check(
            &[&intact[..], &[0]].concat(),
            malformed(Part::Receipt, intact.len(), Fault::Trailing),
        );
        let tagged = [&[0xd1], &intact[1..]].concat();
        check(&tagged, malformed(Part::Receipt, 0, Fault::Tag));
        check(&intact[1..], ReceiptError::NotSign1);
        check(&forged(&protected, &good, &[0x40], &signature), ReceiptError::NotSign1);
        let broken = forged(&[0xa1, 0x01], &good, &nil, &signature);
        check(&broken, malformed(Part::Protected, 0, Fault::Truncated));
        let broken = forged(&protected, &proofs(INCLUSION, &[&[0x83]]), &nil, &signature);
        check(&broken, malformed(Part::Proof, 0, Fault::Truncated));

        let no_proof = ReceiptError::Proof { kind: INCLUSION };
        check(&forged(&protected, &[0xa0], &nil, &signature), no_proof);
        let two = proofs(INCLUSION, &[&proof, &proof]);
        check(&forged(&protected, &two, &nil, &signature), no_proof);
        let other_kind = forged(&protected, &proofs(CONSISTENCY, &[&proof]), &nil, &signature);
        check(&other_kind, no_proof);
        let more = [&[0xa2, 0x01, 0x01], &good[1..]].concat();
        check(&forged(&protected, &more, &nil, &signature), no_proof);
        let none = proofs(INCLUSION, &[]);
        check(&forged(&protected, &none, &nil, &signature), ReceiptError::EmptyPath);
        let empty = proofs(INCLUSION, &[&[0x83, 0x02, 0x01, 0x80]]);
        check(&forged(&protected, &empty, &nil, &signature), ReceiptError::EmptyPath);
        for shape in [&[0x83, 0x02, 0x20, 0x80][..], &[0x82, 0x02, 0x01], &[0x83, 2, 1, 0x81, 0x40]]
        {
            let shaped = forged(&protected, &proofs(INCLUSION, &[shape]), &nil, &signature);
            check(&shaped, ReceiptError::ProofShape);
        }
        check(&forged(&protected, &good, &nil, &signature[1..]), ReceiptError::Signature);
        let consistent = verify_consistency(&intact, TreeSize(1), &hash, &public());
        assert_eq!(consistent, Err(ReceiptError::Proof { kind: CONSISTENCY }));
    }

    #[test]
    fn headers_are_what_they_must_be() {
        let header = |alg: Option<i64>, crit: bool, kid: &[u8], sub: &str, vds: Option<i64>| {
            let len = 2 + usize::from(alg.is_some()) + usize::from(crit);
            let mut protected = Encoder::new();
            protected.map(len + usize::from(vds.is_some()));
            if let Some(alg) = alg {
                protected.int(ALG).int(alg);
            }
            if crit {
                protected.int(CRIT).array(1).int(VDS);
            }
            protected.int(KID).bytes(kid).int(CWT_CLAIMS).map(2).int(1).text(ISS);
            protected.int(2).text(sub);
            if let Some(vds) = vds {
                protected.int(VDS).int(vds);
            }
            let protected = protected.finish();
            let message = to_be_signed(&protected, frontier(2).root().as_bytes());
            let signature = key().sign(&message).to_bytes();
            let signed = SignedRoot { protected, signature, size: TreeSize(2) };
            let bytes = signed.receipt(Index(0), &[leaf_hash(&leaf(1))]).unwrap();
            verify(&bytes, &leaf(0), &public()).map(|verified| verified.sub)
        };
        let kid = [3; 32];
        let missing = |label| Err(ReceiptError::Header { label });
        assert_eq!(header(Some(-19), false, &kid, "s", Some(1)), Ok("s".to_owned()));
        assert_eq!(header(Some(-8), false, &kid, "s", Some(1)), Ok("s".to_owned()));
        let alg = Err(ReceiptError::Algorithm { alg: -7 });
        assert_eq!(header(Some(-7), false, &kid, "s", Some(1)), alg);
        assert_eq!(header(None, false, &kid, "s", Some(1)), missing(ALG));
        let critical = Err(ReceiptError::Critical);
        assert_eq!(header(Some(-19), true, &kid, "s", Some(1)), critical);
        assert_eq!(header(Some(-19), false, &kid[1..], "s", Some(1)), missing(KID));
        assert_eq!(header(Some(-19), false, &kid, "s", None), missing(VDS));
        let structure = Err(ReceiptError::Structure { vds: 2 });
        assert_eq!(header(Some(-19), false, &kid, "s", Some(2)), structure);
        let bare = SignedRoot { protected: vec![0xa0], ..signed_root(2) };
        let bytes = bare.receipt(Index(0), &[TreeHash::ZERO]).unwrap();
        assert_eq!(named_kid(&bytes), Err(ReceiptError::Header { label: ALG }));
    }

    /// The hazard named on top of this file; the ledger's leaves name their own index.
    #[test]
    fn index_and_size_are_not_bound_by_the_signature() {
        let path = inclusion_path(Index(4), TreeSize(5), node).unwrap();
        let shifted = SignedRoot { size: TreeSize(2), ..signed_root(5) };
        let bytes = shifted.receipt(Index(1), &path).unwrap();
        let verified = verify(&bytes, &leaf(4), &public()).unwrap();
        assert_eq!((verified.index, verified.root), (Index(1), frontier(5).root()));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_never_changes_what_was_signed(
            size in 2_u64..70,
            index in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let index = index.index(size as usize) as u64;
            let mut bytes = receipt(index, size);
            let intact = verify(&bytes, &leaf(index), &public()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = verify(&bytes, &leaf(index), &public()) {
                let VerifiedReceipt { index, size, .. } = changed;
                prop_assert_eq!(changed, VerifiedReceipt { index, size, ..intact });
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut: usize) {
            let _ = verify(&bytes, b"", &public());
            let _ = verify_consistency(&bytes, TreeSize(1), &TreeHash::ZERO, &public());
            let whole = receipt(1, 3);
            let _ = verify(&whole[..cut % whole.len()], b"", &public());
            let _ = named_kid(&bytes);
        }
    }
}
