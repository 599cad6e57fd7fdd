//! Replies: what the ledger tells a publisher about one submission.
//!
//! Their layout is in `reply.cddl`.

use crate::deterministic::{Bounds, Item, decode};
use crate::encode::Encoder;
use crate::id::{Digest, EventId, Index};
use crate::reject::{Cause, Reason, Reject};

/// How a submission's item ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// In the log; COSE Receipt.
    Committed(Vec<u8>),
    /// Was in the log already; the original's receipt.
    Duplicate(Vec<u8>),
    /// Refused.
    Rejected(Reject),
}

/// The end of one item, or of a submission that was refused as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How it ended.
    pub fate: Fate,
    /// The leaf's index.
    pub index: Index,
    /// The leaf's bytes, which the receipt proves.
    pub leaf: Vec<u8>,
    /// The event id, where it could be read.
    pub id: Option<EventId>,
}

/// The answer to one submission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// SHA-256 of the submission's bytes, by which the publisher knows it again.
    pub message: Digest,
    /// One outcome an item, in order; one only where the whole was refused.
    pub outcomes: Vec<Outcome>,
}

impl Reply {
    /// The reply's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut reply = Encoder::with_capacity(128 + self.outcomes.len() * 1024);
        reply.array(3).uint(1).bytes(self.message.as_bytes()).array(self.outcomes.len());
        for outcome in &self.outcomes {
            outcome.encode(&mut reply);
        }
        reply.finish()
    }

    /// Reads a reply; `None` if it is not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let root = decode(bytes, Bounds::WIRE).ok()?;
        let [Item::Uint(1), Item::Bytes(message), Item::Array(results)] = root.array()? else {
            return None;
        };
        let outcomes = results.iter().map(Outcome::decode).collect::<Option<_>>()?;
        Some(Self { message: Digest::from_slice(message)?, outcomes })
    }
}

impl Outcome {
    fn encode(&self, reply: &mut Encoder) {
        let (fate, receipt, reject) = match &self.fate {
            Fate::Committed(receipt) => (0, Some(receipt), None),
            Fate::Duplicate(receipt) => (1, Some(receipt), None),
            Fate::Rejected(reject) => (2, None, Some(reject)),
        };
        reply.array(8).uint(fate).uint(self.index.0).bytes(&self.leaf);
        match receipt {
            Some(receipt) => reply.bytes(receipt),
            None => reply.null(),
        };
        match &self.id {
            Some(id) => reply.bytes(&id.0),
            None => reply.null(),
        };
        let cause = reject.map(|reject| &reject.cause);
        reply.uint(reject.map_or(0, |reject| reject.reason.code()));
        reply.text(cause.map_or("", |cause| &cause.path));
        reply.text(cause.map_or("", |cause| &cause.expected));
    }

    fn decode(item: &Item<'_>) -> Option<Self> {
        let [fate, index, leaf, receipt, id, reason, path, expected] =
            <&[Item<'_>; 8]>::try_from(item.array()?).ok()?;
        let fate = match fate.uint()? {
            0 => Fate::Committed(receipt.bytes()?.to_vec()),
            1 => Fate::Duplicate(receipt.bytes()?.to_vec()),
            2 => Fate::Rejected(Reject {
                reason: Reason::from_code(reason.uint()?)?,
                cause: Cause { path: path.text()?.into(), expected: expected.text()?.into() },
            }),
            _ => return None,
        };
        let id = match id {
            Item::Null => None,
            id => Some(EventId::from_slice(id.bytes()?)?),
        };
        Some(Self { fate, index: Index(index.uint()?), leaf: leaf.bytes()?.to_vec(), id })
    }
}
