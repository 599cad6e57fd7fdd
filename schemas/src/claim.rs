//! Claims of completeness: the ledger signs how many entries carry some terms, up to a checkpoint, and which
//! is the last. A leaf shown later that contradicts it proves fraud.
//!
//! Source: RFC 9052 §4.2 (`COSE_Sign1`); drawn in `claim.cddl`.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::deterministic::{Bounds, COSE_SIGN1_TAG, Item, Malformed, decode};
use crate::encode::{Encoder, Value, bytes, encode, map};
use crate::id::{Index, Kid, Micros, TreeHash, TreeSize};
use crate::key::PublicKey;
use crate::limits::CLAIM_TERMS_MAX;
use crate::statement::{ALG_ED25519, to_be_signed};
use crate::terms::{Key, Term};

/// Content type in the protected header.
pub const CONTENT_TYPE: &str = "application/vnd.sworn.claim+cbor";
const VERSION: u64 = 1;
// Headers: algorithm, content type, key id (RFC 9052 §3.1).
const ALG: i64 = 1;
const TYPE: i64 = 3;
const KID: i64 = 4;

/// That exactly `count` entries of the tree fit the terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The ledger's name.
    pub origin: String,
    /// Entries of the tree that it speaks of.
    pub size: TreeSize,
    /// Root of that tree.
    pub root: TreeHash,
    /// The terms, 1 to [`CLAIM_TERMS_MAX`]: as in a query, an entry carries one of those with the same key,
    /// for each key.
    pub terms: Vec<(Key, String)>,
    /// How many entries do.
    pub count: u64,
    /// The last of them.
    pub last: Option<Index>,
    /// When it was made.
    pub time: Micros,
}

/// Why bytes are no claim, or not one by this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Not deterministic CBOR.
    #[error("not deterministic CBOR: {0}")]
    Malformed(#[from] Malformed),
    /// Not a tagged `COSE_Sign1` with a payload.
    #[error("not a tagged COSE_Sign1 with a payload")]
    NotSign1,
    /// The protected header is not that of a claim.
    #[error("the protected header is not a claim's")]
    Header,
    /// The payload is not a claim.
    #[error("{0} is missing or not what it must be")]
    Field(&'static str),
    /// Another key.
    #[error("signed by key {0}")]
    OtherKey(Kid),
    /// The key did not sign this.
    #[error("bad signature")]
    Signature,
}

impl Claim {
    /// Whether an entry with these terms is counted.
    #[must_use]
    pub fn fits(&self, terms: &[Term<'_>]) -> bool {
        let carries =
            |key: Key, value: &str| terms.iter().any(|term| term.key == key && term.value == value);
        self.terms.iter().all(|(key, _)| {
            self.terms.iter().any(|(other, value)| other == key && carries(*key, value))
        })
    }

    /// The claim, signed by the ledger.
    ///
    /// IMPORTANT: two claims of one ledger that no log satisfies both are proof of fraud for ever.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let kid = PublicKey::of(key).kid();
        let protected = protected(&kid);
        let payload = self.payload();
        let signature = key.sign(&to_be_signed(&protected, &payload)).to_bytes();
        let mut claim = Encoder::with_capacity(protected.len() + payload.len() + 80);
        claim.tag(COSE_SIGN1_TAG).array(4).bytes(&protected).map(0);
        claim.bytes(&payload).bytes(&signature);
        claim.finish()
    }

    fn payload(&self) -> Vec<u8> {
        let term = |(key, value): &(Key, String)| {
            Value::Array(vec![Value::from(key.as_str()), Value::from(value.as_str())])
        };
        encode(&map([
            ("v", Value::from(VERSION)),
            ("last", self.last.map_or(Value::Null, |index| Value::from(index.0))),
            ("root", bytes(self.root.as_bytes())),
            ("size", Value::from(self.size.0)),
            ("time", Value::from(self.time.0)),
            ("count", Value::from(self.count)),
            ("terms", Value::Array(self.terms.iter().map(term).collect())),
            ("origin", Value::from(self.origin.as_str())),
        ]))
    }

    /// The claim in these bytes, if `key` signed it.
    ///
    /// # Errors
    /// The first [`ClaimError`] in the order CBOR, header, key, signature, payload.
    pub fn verify(claim: &[u8], key: &PublicKey) -> Result<Self, ClaimError> {
        let item = decode(claim, Bounds::WIRE)?;
        let Item::Tag(COSE_SIGN1_TAG, inner) = &item else { return Err(ClaimError::NotSign1) };
        let Some([Item::Bytes(header), unprotected, Item::Bytes(payload), Item::Bytes(signature)]) =
            inner.array()
        else {
            return Err(ClaimError::NotSign1);
        };
        if unprotected.map().is_none_or(|map| !map.is_empty()) {
            return Err(ClaimError::NotSign1);
        }
        let kid = named_kid(header).ok_or(ClaimError::Header)?;
        if *header != protected(&kid) {
            return Err(ClaimError::Header);
        }
        if kid != key.kid() {
            return Err(ClaimError::OtherKey(kid));
        }
        let signature = <&[u8; 64]>::try_from(*signature).map_err(|_len| ClaimError::Signature)?;
        if !key.verifies(&to_be_signed(header, payload), signature) {
            return Err(ClaimError::Signature);
        }
        Self::parse(payload)
    }

    fn parse(payload: &[u8]) -> Result<Self, ClaimError> {
        let item = decode(payload, Bounds::WIRE)?;
        let uint =
            |name: &'static str| item.get(name).and_then(Item::uint).ok_or(ClaimError::Field(name));
        if uint("v")? != VERSION {
            return Err(ClaimError::Field("v"));
        }
        let root = item.get("root").and_then(Item::bytes).and_then(TreeHash::from_slice);
        let origin = item.get("origin").and_then(Item::text).ok_or(ClaimError::Field("origin"))?;
        let last = match item.get("last") {
            Some(Item::Null) => None,
            Some(last) => Some(Index(last.uint().ok_or(ClaimError::Field("last"))?)),
            None => return Err(ClaimError::Field("last")),
        };
        let terms = item.get("terms").and_then(Item::array).and_then(parse_terms);
        let claim = Self {
            origin: origin.to_owned(),
            size: TreeSize(uint("size")?),
            root: root.ok_or(ClaimError::Field("root"))?,
            terms: terms.ok_or(ClaimError::Field("terms"))?,
            count: uint("count")?,
            last,
            time: Micros(uint("time")?),
        };
        // Whatever else stands in the payload makes it another claim than the one read.
        if claim.payload() != payload || (claim.count == 0) != claim.last.is_none() {
            return Err(ClaimError::Field("payload"));
        }
        Ok(claim)
    }
}

fn protected(kid: &Kid) -> Vec<u8> {
    let mut header = Encoder::with_capacity(80);
    header.map(3).int(ALG).int(ALG_ED25519).int(TYPE).text(CONTENT_TYPE);
    header.int(KID).bytes(kid.as_bytes());
    header.finish()
}

fn named_kid(header: &[u8]) -> Option<Kid> {
    let item = decode(header, Bounds::WIRE).ok()?;
    let pairs = item.map()?;
    let (_, kid) = pairs.iter().find(|(label, _)| label.int() == Some(KID))?;
    Kid::from_slice(kid.bytes()?)
}

fn parse_terms(items: &[Item<'_>]) -> Option<Vec<(Key, String)>> {
    let term = |item: &Item<'_>| match item.array()? {
        [key, value] => Some((Key::parse(key.text()?)?, value.text()?.to_owned())),
        _ => None,
    };
    let terms: Vec<_> = items.iter().map(term).collect::<Option<_>>()?;
    (1..=CLAIM_TERMS_MAX).contains(&terms.len()).then_some(terms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn claim() -> Claim {
        Claim {
            origin: "ledger.example/acme".to_owned(),
            size: TreeSize(10),
            root: TreeHash([4; 32]),
            terms: vec![(Key::Corr, "workflow-abc-123".to_owned())],
            count: 3,
            last: Some(Index(8)),
            time: Micros(1),
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn a_claim_is_read_back_under_its_key_only() {
        let signed = claim().sign(&key(1));
        assert_eq!(Claim::verify(&signed, &PublicKey::of(&key(1))), Ok(claim()));
        let other = Claim::verify(&signed, &PublicKey::of(&key(2)));
        assert_eq!(other, Err(ClaimError::OtherKey(PublicKey::of(&key(1)).kid())));
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let (signed, key) = (claim().sign(&key(1)), PublicKey::of(&key(1)));
        for place in 0..signed.len() {
            let mut altered = signed.clone();
            altered[place] ^= 1;
            assert!(Claim::verify(&altered, &key).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_signed_payload_that_is_no_claim_is_refused() {
        let wrong = [
            Claim { terms: Vec::new(), ..claim() },
            Claim { terms: vec![(Key::Corr, "w".into()); CLAIM_TERMS_MAX + 1], ..claim() },
            Claim { last: None, ..claim() },
            Claim { count: 0, ..claim() },
        ];
        for wrong in wrong {
            let refused = Claim::verify(&wrong.sign(&key(1)), &PublicKey::of(&key(1)));
            assert!(matches!(refused, Err(ClaimError::Field(_))), "{wrong:?}");
        }
        let nothing = Claim { count: 0, last: None, ..claim() };
        assert!(Claim::verify(&nothing.sign(&key(1)), &PublicKey::of(&key(1))).is_ok());
    }
}
