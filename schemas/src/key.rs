//! Ed25519 keys and their ids.

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use crate::encode::Encoder;
use crate::id::{Kid, sha256};

/// Why 32 bytes are not an acceptable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point on the curve, or not 32 bytes.
    #[error("not an Ed25519 public key")]
    NotAPoint,
    /// A point of small order, under which signatures prove nothing.
    #[error("weak Ed25519 public key of small order")]
    Weak,
}

/// An Ed25519 public key that is not weak, with its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kid: Kid,
    key: VerifyingKey,
}

impl PublicKey {
    /// From 32 bytes.
    ///
    /// # Errors
    /// [`KeyError`] when they are no point or a weak one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_wrong_length| KeyError::NotAPoint)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_invalid| KeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self { kid: thumbprint(&bytes), key })
    }

    /// Of a signing key.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        let key = key.verifying_key();
        Self { kid: thumbprint(key.as_bytes()), key }
    }

    /// The key's thumbprint.
    #[must_use]
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key as the signature library has it.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Whether `signature` over `message` verifies, strictly: canonical S, no small-order R.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// `SHA-256({1: 1, -1: 6, -2: x})`, the key's COSE thumbprint.
///
/// Source: RFC 9679 §4, for an OKP key on Ed25519 (RFC 9053 §7.2).
fn thumbprint(x: &[u8; 32]) -> Kid {
    let mut key = Encoder::with_capacity(40);
    key.map(3).int(1).int(1).int(-1).int(6).int(-2).bytes(x);
    Kid(sha256(&key.finish()))
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

    use ed25519_dalek::Signer as _;

    use super::*;
    use crate::id::hex;

    #[test]
    fn the_thumbprint_is_over_the_drawn_bytes() {
        let key = PublicKey::of(&SigningKey::from_bytes(&[7; 32]));
        let drawn =
            [&[0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20], &key.as_bytes()[..]].concat();
        assert_eq!(key.kid().0, sha256(&drawn), "{}", hex(&drawn));
        assert_eq!(PublicKey::from_bytes(key.as_bytes()), Ok(key));
    }

    #[test]
    fn signatures_hold_for_key_and_message() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let signature = signing.sign(b"message").to_bytes();
        let key = PublicKey::of(&signing);
        assert!(key.verifies(b"message", &signature));
        assert!(!key.verifies(b"massage", &signature));
        assert!(!PublicKey::of(&SigningKey::from_bytes(&[8; 32])).verifies(b"message", &signature));
    }
}
