//! Statements: `COSE_Sign1` over the digest of a body or of a manifest.
//!
//! Source: RFC 9052 §4.2 (`COSE_Sign1`), RFC 9995 (hash envelope), RFC 9597 (CWT claims in headers).

use ed25519_dalek::{Signer as _, SigningKey};

use crate::deterministic::{Bounds, COSE_SIGN1_TAG, Item, decode};
use crate::encode::Encoder;
use crate::id::{Digest, Kid, SignerId, Tenant, sha256};
use crate::key::PublicKey;
use crate::limits::STATEMENT_BYTES_MAX;
use crate::reject::{Reason, Reject};

/// Algorithm Ed25519 (RFC 9864).
pub const ALG_ED25519: i64 = -19;
/// Algorithm `EdDSA` (RFC 9053), which older libraries write; the kid pins the key to Ed25519.
pub const ALG_EDDSA: i64 = -8;
/// Algorithm SHA-256 of the hash envelope's header 258.
const ALG_SHA256: i64 = -16;

/// What the payload is the digest of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preimage {
    /// One event body.
    Event,
    /// A manifest: an array of body digests.
    Manifest,
}

impl Preimage {
    /// The preimage content type (header 259).
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Event => "application/vnd.sworn.event+cbor",
            Self::Manifest => "application/vnd.sworn.manifest+cbor",
        }
    }
}

/// A statement as received, taken apart, its signature not yet looked at.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    bytes: &'a [u8],
    protected: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8; 64],
    /// The key that is said to have signed.
    pub kid: Kid,
    /// CWT claim 1: who is said to have signed.
    pub signer: SignerId,
    /// CWT claim 2.
    pub tenant: Tenant,
    /// What the payload is the digest of.
    pub preimage: Preimage,
}

fn malformed(path: &str, expected: &str) -> Reject {
    Reject::new(Reason::Malformed, path, expected)
}

impl<'a> Statement<'a> {
    /// Takes a statement apart.
    ///
    /// # Errors
    /// `too_large` beyond [`STATEMENT_BYTES_MAX`], else `malformed` with the header that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            let expected = format!("at most {STATEMENT_BYTES_MAX} bytes");
            return Err(Reject::new(Reason::TooLarge, "statement", expected));
        }
        let item = decode(bytes, Bounds::WIRE)
            .map_err(|fault| malformed("statement", &format!("deterministic CBOR, not {fault}")))?;
        let Item::Tag(COSE_SIGN1_TAG, sign1) = item else {
            return Err(malformed("statement", "COSE_Sign1 with tag 18"));
        };
        let Some(
            [Item::Bytes(protected), unprotected, Item::Bytes(payload), Item::Bytes(signature)],
        ) = sign1.array()
        else {
            return Err(malformed("statement", "[protected, {}, payload, signature]"));
        };
        if unprotected.map().is_none_or(|map| !map.is_empty()) {
            return Err(malformed("statement.unprotected", "an empty map"));
        }
        if payload.len() != 32 {
            return Err(malformed("statement.payload", "a SHA-256 digest of 32 bytes"));
        }
        let signature = <&[u8; 64]>::try_from(*signature)
            .map_err(|_length| malformed("statement.signature", "64 bytes"))?;
        let headers = Headers::parse(protected)?;
        Ok(Self {
            bytes,
            protected,
            payload,
            signature,
            kid: headers.kid,
            signer: headers.signer,
            tenant: headers.tenant,
            preimage: headers.preimage,
        })
    }

    /// The bytes as received.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// SHA-256 of the bytes as received.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(sha256(self.bytes))
    }

    /// SHA-256 of the preimage, as signed.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether `key` is the one that the statement names and signed it.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey) -> bool {
        key.kid() == self.kid
            && key.verifies(&to_be_signed(self.protected, self.payload), self.signature)
    }
}

struct Headers {
    kid: Kid,
    signer: SignerId,
    tenant: Tenant,
    preimage: Preimage,
}

impl Headers {
    fn parse(protected: &[u8]) -> Result<Self, Reject> {
        let at = |label: &str| format!("statement.protected{label}");
        let item = decode(protected, Bounds::WIRE)
            .map_err(|fault| malformed(&at(""), &format!("deterministic CBOR, not {fault}")))?;
        let wrong = |label, expected: &str| Err(malformed(&at(label), expected));
        if item.map().is_none_or(|map| map.len() != 5) {
            return wrong("", "exactly the headers 1, 4, 15, 258 and 259");
        }
        if !matches!(item.label(1).and_then(Item::int), Some(ALG_ED25519 | ALG_EDDSA)) {
            return wrong(".1", "algorithm -19 or -8");
        }
        let Some(kid) = item.label(4).and_then(Item::bytes).and_then(Kid::from_slice) else {
            return wrong(".4", "a key thumbprint of 32 bytes");
        };
        if item.label(258).and_then(Item::int) != Some(ALG_SHA256) {
            return wrong(".258", "-16, SHA-256");
        }
        let preimage = match item.label(259).and_then(Item::text) {
            Some(text) if text == Preimage::Event.content_type() => Preimage::Event,
            Some(text) if text == Preimage::Manifest.content_type() => Preimage::Manifest,
            _ => return wrong(".259", "the content type of an event or a manifest"),
        };
        let claims = item.label(15).filter(|claims| claims.map().is_some_and(|m| m.len() == 2));
        let claim = |label| claims.and_then(|c| c.label(label)).and_then(Item::text);
        let Some(signer) = claim(1).and_then(SignerId::parse) else {
            return wrong(".15.1", "the signer's id, 1 to 256 bytes");
        };
        let Some(tenant) = claim(2).and_then(Tenant::parse) else {
            return wrong(".15.2", "a tenant, [a-z0-9-]{1,63}");
        };
        Ok(Self { kid, signer, tenant, preimage })
    }
}

/// `["Signature1", protected, h'', payload]`: the bytes under the signature (RFC 9052 §4.4).
pub(crate) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut structure = Encoder::with_capacity(protected.len() + payload.len() + 24);
    structure.array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(payload);
    structure.finish()
}

/// Signs the digest of a preimage: the statement's bytes.
#[must_use]
pub fn sign(
    key: &SigningKey,
    signer: &SignerId,
    tenant: &Tenant,
    preimage: Preimage,
    payload: &[u8; 32],
) -> Vec<u8> {
    let mut protected = Encoder::with_capacity(160);
    protected.map(5).int(1).int(ALG_ED25519).int(4).bytes(PublicKey::of(key).kid().as_bytes());
    protected.int(15).map(2).int(1).text(signer.as_str()).int(2).text(tenant.as_str());
    protected.int(258).int(ALG_SHA256).int(259).text(preimage.content_type());
    let protected = protected.finish();
    let signature = key.sign(&to_be_signed(&protected, payload));
    let mut statement = Encoder::with_capacity(protected.len() + 112);
    statement.tag(COSE_SIGN1_TAG).array(4).bytes(&protected).map(0);
    statement.bytes(payload).bytes(&signature.to_bytes());
    statement.finish()
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

    use super::*;

    fn sign_with(signer: &str) -> Vec<u8> {
        let (signer, tenant) = (SignerId::parse(signer).unwrap(), Tenant::parse("acme").unwrap());
        sign(&SigningKey::from_bytes(&[7; 32]), &signer, &tenant, Preimage::Manifest, &[5; 32])
    }

    #[test]
    fn what_is_signed_verifies() {
        let bytes = sign_with("agent-1");
        let statement = Statement::parse(&bytes).unwrap();
        assert_eq!((statement.bytes(), statement.payload()), (&bytes[..], &[5; 32][..]));
        assert_eq!((statement.signer.as_str(), statement.tenant.as_str()), ("agent-1", "acme"));
        assert_eq!(statement.preimage, Preimage::Manifest);
        assert!(statement.verifies(&PublicKey::of(&SigningKey::from_bytes(&[7; 32]))));
        assert!(!statement.verifies(&PublicKey::of(&SigningKey::from_bytes(&[8; 32]))));
    }

    #[test]
    fn no_changed_bit_verifies() {
        let bytes = sign_with("agent-1");
        let key = PublicKey::of(&SigningKey::from_bytes(&[7; 32]));
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let verifies =
                Statement::parse(&changed).is_ok_and(|statement| statement.verifies(&key));
            assert!(!verifies, "bit {at}");
        }
    }

    /// The longest names leave room below the limit.
    #[test]
    fn the_largest_statement_fits() {
        let bytes = sign_with(&"é".repeat(128));
        assert!(bytes.len() < STATEMENT_BYTES_MAX / 4);
        assert!(Statement::parse(&bytes).is_ok());
    }
}
