//! The evidence of a refusal, as it is kept beside its leaf.

use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::sha256;
use schemas::limits::REFUSED_BYTES_MAX;
use schemas::reject::Cause;

/// Why something was refused, and its bytes where they may be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Place and expectation, as the publisher was told.
    pub(crate) cause: Cause,
    /// Number of bytes refused.
    pub(crate) size: u64,
    /// The bytes: none beyond [`REFUSED_BYTES_MAX`] and none that hold a secret.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Refusal {
    pub(crate) fn new(cause: &Cause, bytes: &[u8], secret: bool) -> Self {
        let keep = !secret && bytes.len() <= REFUSED_BYTES_MAX;
        Self {
            cause: cause.clone(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            bytes: keep.then(|| bytes.to_vec()),
        }
    }

    /// The row: CBOR and its SHA-256, because the leaf commits to the bytes but not to the cause.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::new();
        row.array(4).text(&self.cause.path).text(&self.cause.expected).uint(self.size);
        match &self.bytes {
            Some(bytes) => row.bytes(bytes),
            None => row.null(),
        };
        sealed(row.finish())
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let root = decode(unsealed(row)?, Bounds::WIRE).ok()?;
        let [path, expected, size, bytes] = <&[Item<'_>; 4]>::try_from(root.array()?).ok()?;
        let cause = Cause { path: path.text()?.into(), expected: expected.text()?.into() };
        let bytes = match bytes {
            Item::Null => None,
            bytes => Some(bytes.bytes()?.to_vec()),
        };
        Some(Self { cause, size: size.uint()?, bytes })
    }
}

/// `content` followed by its SHA-256.
pub(crate) fn sealed(mut content: Vec<u8>) -> Vec<u8> {
    let digest = sha256(&content);
    content.extend(digest);
    content
}

/// The content of a sealed row; `None` if the digest does not fit.
pub(crate) fn unsealed(row: &[u8]) -> Option<&[u8]> {
    let (content, digest) = row.split_last_chunk::<32>()?;
    (sha256(content) == *digest).then_some(content)
}
