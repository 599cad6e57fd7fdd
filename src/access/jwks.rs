//! The public keys of an issuer, as a JSON Web Key Set (RFC 7517), and for which algorithm each is used.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value as Json;

/// Most keys of one set.
const KEYS_MAX: usize = 64;

/// Algorithms that may be configured: signatures alone, for a key that verifies must not be one that signs.
pub(crate) const ALGORITHMS: [(&str, Algorithm); 3] =
    [("EdDSA", Algorithm::EdDSA), ("RS256", Algorithm::RS256), ("ES256", Algorithm::ES256)];

/// Why a key set is not used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum JwksError {
    /// Not JSON, or without `keys`.
    #[error("it is no JSON Web Key Set")]
    Syntax,
    /// More than [`KEYS_MAX`].
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
    /// A symmetric key: whoever can verify with it can sign.
    #[error("key {number} is symmetric: it would let whoever reads this file make tokens")]
    Symmetric {
        /// Which, from 1.
        number: usize,
    },
    /// A private key.
    #[error("key {number} is private: the set must hold public keys alone")]
    Private {
        /// Which, from 1.
        number: usize,
    },
    /// A key that cannot be read.
    #[error("key {number} cannot be read")]
    Key {
        /// Which, from 1.
        number: usize,
    },
    /// No key is left for the algorithms that are configured.
    #[error("it has no key for any of the algorithms configured")]
    None,
}

/// A key and what it verifies.
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {:?})", self.id, self.algorithm)
    }
}

/// The keys in `text` for one of `allowed`.
///
/// # Errors
/// [`JwksError`].
pub(crate) fn read(text: &[u8], allowed: &[Algorithm]) -> Result<Vec<Key>, JwksError> {
    let set: Json = serde_json::from_slice(text).map_err(|_syntax| JwksError::Syntax)?;
    let listed = set.get("keys").and_then(Json::as_array).ok_or(JwksError::Syntax)?;
    if listed.len() > KEYS_MAX {
        return Err(JwksError::TooMany);
    }
    let mut keys = Vec::new();
    for (place, json) in listed.iter().enumerate() {
        keys.extend(key(json, place + 1)?.filter(|key| allowed.contains(&key.algorithm)));
    }
    if keys.is_empty() { Err(JwksError::None) } else { Ok(keys) }
}

/// `None` for a key that is for something else: encryption, another curve, a kind that is not known.
fn key(json: &Json, number: usize) -> Result<Option<Key>, JwksError> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    if text("kty") == Some("oct") {
        return Err(JwksError::Symmetric { number });
    }
    if json.get("d").is_some() {
        return Err(JwksError::Private { number });
    }
    let part = |name| text(name).ok_or(JwksError::Key { number });
    let (algorithm, key) = match (text("kty"), text("crv")) {
        _ if text("use").is_some_and(|of| of != "sig") => return Ok(None),
        (Some("RSA"), _) => {
            (Algorithm::RS256, DecodingKey::from_rsa_components(part("n")?, part("e")?))
        }
        (Some("EC"), Some("P-256")) => {
            (Algorithm::ES256, DecodingKey::from_ec_components(part("x")?, part("y")?))
        }
        (Some("OKP"), Some("Ed25519")) => {
            (Algorithm::EdDSA, DecodingKey::from_ed_components(part("x")?))
        }
        _ => return Ok(None),
    };
    let named = ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map(|(name, _)| *name);
    if text("alg").is_some_and(|alg| Some(alg) != named) {
        return Ok(None);
    }
    let key = key.map_err(|_malformed| JwksError::Key { number })?;
    Ok(Some(Key { id: text("kid").map(str::to_owned), algorithm, key }))
}
