//! Statements and submissions of which every part can be chosen, right or wrong.

use ed25519_dalek::{Signer as _, SigningKey};
use schemas::encode::Encoder;
use schemas::id::sha256;
use schemas::key::PublicKey;

use super::cast::{TENANT, key};

/// The signer of forged submissions.
pub(crate) const FORGER: &str = "db-migration-agent";

pub(crate) const EVENT: &str = "application/vnd.sworn.event+cbor";
pub(crate) const MANIFEST: &str = "application/vnd.sworn.manifest+cbor";

/// CBOR written by hand.
pub(crate) fn cbor(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::new();
    write(&mut encoder);
    encoder.finish()
}

/// Protected headers as pairs, each value already encoded.
pub(crate) fn headers(pairs: &[(i64, Vec<u8>)]) -> Vec<u8> {
    cbor(|header| {
        header.map(pairs.len());
        for (label, value) in pairs {
            header.int(*label).raw(value);
        }
    })
}

pub(crate) fn int(value: i64) -> Vec<u8> {
    cbor(|header| {
        header.int(value);
    })
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    cbor(|header| {
        header.text(value);
    })
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    cbor(|header| {
        header.bytes(value);
    })
}

pub(crate) fn claims(signer: &str, tenant: &str) -> Vec<u8> {
    cbor(|header| {
        header.map(2).int(1).text(signer).int(2).text(tenant);
    })
}

/// The five headers, right for `signer`'s key.
pub(crate) fn right_headers(signer: &str, alg: i64, preimage: &str) -> Vec<(i64, Vec<u8>)> {
    let kid = PublicKey::of(&key(signer)).kid();
    vec![
        (1, int(alg)),
        (4, bytes(kid.as_bytes())),
        (15, claims(signer, TENANT)),
        (258, int(-16)),
        (259, text(preimage)),
    ]
}

/// The bytes under the signature (RFC 9052 §4.4).
pub(crate) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    cbor(|structure| {
        structure.array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(payload);
    })
}

pub(crate) fn sign1(
    protected: &[u8],
    unprotected: &[u8],
    payload: &[u8],
    signature: &[u8],
) -> Vec<u8> {
    cbor(|statement| {
        statement.tag(18).array(4).bytes(protected).raw(unprotected);
        statement.bytes(payload).bytes(signature);
    })
}

/// A statement with these headers over the digest of `preimage`.
pub(crate) fn statement(signing: &SigningKey, headers: &[u8], preimage: &[u8]) -> Vec<u8> {
    let payload = sha256(preimage);
    let signature = signing.sign(&to_be_signed(headers, &payload)).to_bytes();
    sign1(headers, &[0xa0], &payload, &signature)
}

/// One item: a body, and a detail if there is one.
pub(crate) type Parts = (Vec<u8>, Option<Vec<u8>>);

pub(crate) fn manifest(bodies: &[&[u8]]) -> Vec<u8> {
    cbor(|manifest| {
        manifest.array(bodies.len());
        for body in bodies {
            manifest.bytes(&sha256(body));
        }
    })
}

pub(crate) fn submission(statement: &[u8], items: &[Parts], manifest: Option<&[u8]>) -> Vec<u8> {
    cbor(|message| {
        message.array(2 + usize::from(manifest.is_some())).bytes(statement).array(items.len());
        for (body, detail) in items {
            message.array(1 + usize::from(detail.is_some())).bytes(body);
            if let Some(detail) = detail {
                message.bytes(detail);
            }
        }
        if let Some(manifest) = manifest {
            message.bytes(manifest);
        }
    })
}

/// A submission of one body, signed as it should be with `headers`.
pub(crate) fn single(headers: &[u8], body: &[u8], detail: Option<&[u8]>) -> Vec<u8> {
    let statement = statement(&key(FORGER), headers, body);
    submission(&statement, &[(body.to_vec(), detail.map(<[u8]>::to_vec))], None)
}

/// A submission of one body, right in everything but perhaps the body.
pub(crate) fn signed(body: &[u8], detail: Option<&[u8]>) -> Vec<u8> {
    single(&headers(&right_headers(FORGER, -19, EVENT)), body, detail)
}
