//! Submissions: what travels on the broker, `[statement, [+ [body, ?detail]], ?manifest]`.
//!
//! [`open`] takes one apart; [`Opened::verify`] is the only maker of [`Verified`], which is all that
//! admission accepts.

use ed25519_dalek::SigningKey;

use crate::body::Body;
use crate::detail::Detail;
use crate::deterministic::{Bounds, Item, decode};
use crate::encode::Encoder;
use crate::id::{BodyDigest, SignerId, Tenant, sha256};
use crate::key::PublicKey;
use crate::limits::{ITEMS_MAX, SUBMISSION_BYTES_MAX};
use crate::reject::{Reason, Reject};
use crate::statement::{self, Preimage, Statement};

/// One body with what lies beside it, as received.
#[derive(Clone, Copy, Debug)]
pub struct RawItem<'a> {
    /// Body bytes.
    pub body: &'a [u8],
    /// Detail bytes.
    pub detail: Option<&'a [u8]>,
}

/// A submission taken apart, its signature not yet checked.
#[derive(Debug)]
pub struct Opened<'a> {
    statement: Statement<'a>,
    items: Vec<RawItem<'a>>,
    manifest: Option<&'a [u8]>,
}

/// One item of a verified submission.
#[derive(Debug)]
pub struct VerifiedItem<'a> {
    /// Digest of the body bytes received.
    pub digest: BodyDigest,
    /// The bytes.
    pub raw: RawItem<'a>,
    /// The body, or why the item is refused whatever the registry says.
    pub body: Result<Body<'a>, Reject>,
}

/// A submission whose statement was signed by the key that it names. Only [`Opened::verify`] makes one.
#[derive(Debug)]
pub struct Verified<'a> {
    statement: Statement<'a>,
    manifest: Option<&'a [u8]>,
    items: Vec<VerifiedItem<'a>>,
}

/// Takes a submission apart, without looking into bodies or at the signature.
///
/// # Errors
/// `too_large` or `malformed`, of the whole message.
pub fn open(message: &[u8]) -> Result<Opened<'_>, Reject> {
    if message.len() > SUBMISSION_BYTES_MAX {
        let expected = format!("at most {SUBMISSION_BYTES_MAX} bytes");
        return Err(Reject::new(Reason::TooLarge, "submission", expected));
    }
    let malformed = |path, expected: String| Reject::new(Reason::Malformed, path, expected);
    let root = decode(message, Bounds::WIRE)
        .map_err(|fault| malformed("submission", format!("deterministic CBOR, not {fault}")))?;
    let (statement, items, manifest) = match root.array() {
        Some([Item::Bytes(statement), Item::Array(items)]) => (*statement, items, None),
        Some([Item::Bytes(statement), Item::Array(items), Item::Bytes(manifest)]) => {
            (*statement, items, Some(*manifest))
        }
        _ => return Err(malformed("submission", "[statement, items, ?manifest]".to_owned())),
    };
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(Reject::new(Reason::TooLarge, "items", format!("1 to {ITEMS_MAX} items")));
    }
    let statement = Statement::parse(statement)?;
    let items = items.iter().map(raw_item).collect::<Option<Vec<_>>>();
    let items = items.ok_or_else(|| malformed("items", "[body, ?detail] each".to_owned()))?;
    let fits = match statement.preimage {
        Preimage::Event => manifest.is_none() && items.len() == 1,
        Preimage::Manifest => manifest.is_some(),
    };
    if !fits {
        let expected = "one item without a manifest, or items with the manifest that was signed";
        return Err(malformed("manifest", expected.to_owned()));
    }
    Ok(Opened { statement, items, manifest })
}

fn raw_item<'a>(item: &Item<'a>) -> Option<RawItem<'a>> {
    match item.array()? {
        [Item::Bytes(body)] => Some(RawItem { body, detail: None }),
        [Item::Bytes(body), Item::Bytes(detail)] => Some(RawItem { body, detail: Some(detail) }),
        _ => None,
    }
}

impl<'a> Opened<'a> {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement<'a> {
        &self.statement
    }

    /// The items as received: names in them are claims.
    #[must_use]
    pub fn items(&self) -> &[RawItem<'a>] {
        &self.items
    }

    /// Checks signature, manifest and each item's bytes.
    ///
    /// # Errors
    /// `bad_signature`, or `digest_mismatch` of the manifest: the whole message is refused. A fault of
    /// one item is in that item's `body`.
    pub fn verify(self, key: &PublicKey) -> Result<Verified<'a>, Reject> {
        if !self.statement.verifies(key) {
            let expected = format!("a signature by key {}", self.statement.kid);
            return Err(Reject::new(Reason::BadSignature, "statement.signature", expected));
        }
        let signed = self.signed_digests()?;
        let check = |(raw, signed): (RawItem<'a>, BodyDigest)| {
            let digest = Body::digest(raw.body);
            VerifiedItem { digest, raw, body: check_item(&raw, digest, signed) }
        };
        let items = self.items.into_iter().zip(signed).map(check).collect();
        Ok(Verified { statement: self.statement, manifest: self.manifest, items })
    }

    fn signed_digests(&self) -> Result<Vec<BodyDigest>, Reject> {
        let mismatch = |expected: &str| Reject::new(Reason::DigestMismatch, "manifest", expected);
        let Some(manifest) = self.manifest else {
            return Ok(BodyDigest::from_slice(self.statement.payload()).into_iter().collect());
        };
        if sha256(manifest) != *self.statement.payload() {
            return Err(mismatch("the manifest whose digest was signed"));
        }
        let digests = parse_manifest(manifest).ok_or_else(|| {
            Reject::new(Reason::Malformed, "manifest", "an array of body digests of 32 bytes")
        })?;
        if digests.len() != self.items.len() {
            return Err(mismatch("one digest for each item"));
        }
        Ok(digests)
    }
}

fn check_item<'a>(
    raw: &RawItem<'a>,
    digest: BodyDigest,
    signed: BodyDigest,
) -> Result<Body<'a>, Reject> {
    if digest != signed {
        let expected = format!("the body with digest {signed}");
        return Err(Reject::new(Reason::DigestMismatch, "body", expected));
    }
    let body = Body::parse(raw.body)?;
    if let Some(bytes) = raw.detail {
        Detail::parse(bytes)?;
        let committed = body.detail().ok_or_else(|| {
            Reject::new(Reason::MissingField, "detail", "the digest of the detail beside the body")
        })?;
        if sha256(bytes) != committed.0 {
            let expected = format!("the detail with digest {committed}");
            return Err(Reject::new(Reason::DigestMismatch, "detail", expected));
        }
    }
    Ok(body)
}

impl<'a> Verified<'a> {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement<'a> {
        &self.statement
    }

    /// The manifest's bytes, if one was signed.
    #[must_use]
    pub fn manifest(&self) -> Option<&'a [u8]> {
        self.manifest
    }

    /// The items in manifest order.
    #[must_use]
    pub fn items(&self) -> &[VerifiedItem<'a>] {
        &self.items
    }
}

/// The digests of a manifest, 1 to [`ITEMS_MAX`]; `None` if it is anything else.
#[must_use]
pub fn parse_manifest(bytes: &[u8]) -> Option<Vec<BodyDigest>> {
    let root = decode(bytes, Bounds::WIRE).ok()?;
    let digests = root.array().filter(|items| (1..=ITEMS_MAX).contains(&items.len()))?;
    digests.iter().map(|digest| BodyDigest::from_slice(digest.bytes()?)).collect()
}

/// Signs bodies (with their details) of one signer: the submission's bytes.
///
/// One body is signed directly, several through a manifest. The caller keeps to
/// [`ITEMS_MAX`] items and [`SUBMISSION_BYTES_MAX`].
#[must_use]
pub fn sign(
    key: &SigningKey,
    signer: &SignerId,
    tenant: &Tenant,
    items: &[(Vec<u8>, Option<Vec<u8>>)],
) -> Vec<u8> {
    let manifest = (items.len() > 1).then(|| {
        let mut manifest = Encoder::with_capacity(items.len() * 34 + 3);
        manifest.array(items.len());
        for (body, _) in items {
            manifest.bytes(&sha256(body));
        }
        manifest.finish()
    });
    let (preimage, payload) = match (&manifest, items.first()) {
        (None, Some((body, _))) => (Preimage::Event, sha256(body)),
        (manifest, _) => (Preimage::Manifest, sha256(manifest.as_deref().unwrap_or_default())),
    };
    let statement = statement::sign(key, signer, tenant, preimage, &payload);
    let mut submission = Encoder::new();
    submission.array(if manifest.is_some() { 3 } else { 2 }).bytes(&statement).array(items.len());
    for (body, detail) in items {
        submission.array(1 + usize::from(detail.is_some())).bytes(body);
        if let Some(detail) = detail {
            submission.bytes(detail);
        }
    }
    if let Some(manifest) = manifest {
        submission.bytes(&manifest);
    }
    submission.finish()
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
    use crate::body;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn note(n: u64, detail: Option<&[u8]>) -> Vec<u8> {
        let detail = detail.map(|bytes| crate::id::hex(&sha256(bytes)));
        let mut json = serde_json::json!({
            "v": 1, "kind": "annotation", "id": "019d6b2c-ee80-7001-8002-030405060708",
            "salt": "00".repeat(16), "tenant": "acme", "time": n, "signer": "auditor-1",
            "session": "00".repeat(16), "seq": { "n": n, "prev": "00".repeat(32) },
            "causes": ["019d6b2c-ee80-7001-8002-030405060708"], "note": "Seen.",
        });
        if let Some(digest) = detail {
            json["detail"] = digest.into();
        }
        body::from_json(&json).unwrap()
    }

    fn signed(items: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<u8> {
        let (signer, tenant) = (SignerId::parse("auditor-1"), Tenant::parse("acme"));
        sign(&key(), &signer.unwrap(), &tenant.unwrap(), items)
    }

    #[test]
    fn what_is_signed_verifies() {
        let detail = Detail::encode(&[1; 16], &crate::encode::map([]));
        let lone = vec![(note(1, None), None)];
        let detailed = vec![(note(1, Some(&detail)), Some(detail.clone())), (note(2, None), None)];
        let most = vec![(note(1, None), None); ITEMS_MAX];
        for items in [lone, detailed, most] {
            let bytes = signed(&items);
            let opened = open(&bytes).unwrap();
            assert_eq!(opened.items().len(), items.len());
            let verified = opened.verify(&PublicKey::of(&key())).unwrap();
            assert_eq!(verified.manifest().is_some(), items.len() > 1);
            for (item, (body, detail)) in verified.items().iter().zip(&items) {
                assert_eq!((item.raw.body, item.raw.detail), (&body[..], detail.as_deref()));
                assert_eq!(item.digest, Body::digest(body));
                assert_eq!(item.body.as_ref().unwrap().signer(), "auditor-1");
            }
        }
    }

    #[test]
    fn another_key_does_not_verify() {
        let bytes = signed(&[(note(1, None), None)]);
        let other = PublicKey::of(&SigningKey::from_bytes(&[8; 32]));
        let refused = open(&bytes).unwrap().verify(&other).unwrap_err();
        assert_eq!(refused.reason, Reason::BadSignature);
    }

    #[test]
    fn manifests_list_digests() {
        let list = |len: usize, digest: usize| {
            let mut manifest = Encoder::new();
            manifest.array(len);
            for _ in 0..len {
                manifest.bytes(&vec![1; digest]);
            }
            parse_manifest(&manifest.finish()).map(|digests| digests.len())
        };
        assert_eq!((list(1, 32), list(ITEMS_MAX, 32)), (Some(1), Some(ITEMS_MAX)));
        assert_eq!((list(0, 32), list(ITEMS_MAX + 1, 32), list(1, 31)), (None, None, None));
    }
}
