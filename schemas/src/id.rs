//! Names and numbers that must not be mixed up, each its own type.

use std::fmt;

use crate::limits::{SIGNER_BYTES_MAX, TENANT_BYTES_MAX};

/// Lower-case hexadecimal of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len() * 2];
    write_hex(&mut text, bytes);
    String::from_utf8(text).expect(DIGITS)
}

/// The same in `place`; `None` if there is no room.
pub(crate) fn hex_in<'p>(place: &'p mut [u8], bytes: &[u8]) -> Option<&'p str> {
    let text = place.get_mut(..bytes.len() * 2)?;
    write_hex(text, bytes);
    Some(str::from_utf8(text).expect(DIGITS))
}

const DIGITS: &str = "digits are ASCII";

fn write_hex(text: &mut [u8], bytes: &[u8]) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Bytes of hexadecimal text of either case; `None` if it is anything else.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
            }
            _ => None,
        })
        .collect()
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All bytes zero: "none" where the format has no null.
            pub const ZERO: Self = Self([0; $len]);

            /// From a slice of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// From hexadecimal text of exactly the right length.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                Self::from_slice(&unhex(text)?)
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex(&self.0))
            }
        }
    };
}

hash_type!(
    /// A SHA-256 digest of bytes as received: of a statement, a message, content.
    Digest, 32);
hash_type!(
    /// SHA-256 of a body's bytes; what statements and manifests list.
    BodyDigest, 32);
hash_type!(
    /// Link of the blake3 chain, over leaf bytes.
    ChainHash, 32);
hash_type!(
    /// Node of the SHA-256 Merkle tree: a leaf hash, an inner node or a root (RFC 9162 §2.1.1).
    TreeHash, 32);
hash_type!(
    /// Key thumbprint: SHA-256 of the deterministic `COSE_Key` (RFC 9679).
    Kid, 32);
hash_type!(
    /// Session id, one per process of a signer.
    SessionId, 16);

/// Event id: a UUIDv7, unique per signer and tenant for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// From 16 bytes that are a UUID of version 7 and the RFC 9562 variant.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let id = uuid::Uuid::from_slice(bytes).ok()?;
        let v7 = id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122;
        v7.then(|| Self(id.into_bytes()))
    }

    /// From the usual text with hyphens, or 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_slice(uuid::Uuid::try_parse(text).ok()?.as_bytes())
    }

    /// Made of a time in milliseconds and ten bytes that the caller drew at random.
    #[must_use]
    pub fn new(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid().into_bytes())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// Place of an entry in the log, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Index(pub u64);

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Number of leaves in a tree; the next entry's [`Index`] has the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TreeSize(pub u64);

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Micros(pub u64);

impl fmt::Display for Micros {
    /// RFC 3339 in UTC with milliseconds, or the bare number where the calendar ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()) {
            Some(time) => write!(f, "{time:.3}"),
            None => self.0.fmt(f),
        }
    }
}

/// A tenant's name: `[a-z0-9-]{1,63}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tenant(String);

impl Tenant {
    /// The name, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=TENANT_BYTES_MAX).contains(&text.len());
        (fits && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Id of a signer: an agent or another principal; 1 to 256 bytes without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SignerId(String);

impl SignerId {
    /// The id, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=SIGNER_BYTES_MAX).contains(&text.len());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Last token of this signer's subjects: 32 hex digits of SHA-256 of the id, so that broker
    /// permissions outlive key rotation.
    #[must_use]
    pub fn token(&self) -> String {
        use sha2::Digest as _;
        let mut text = hex(&sha2::Sha256::digest(self.0.as_bytes()));
        text.truncate(32);
        text
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
