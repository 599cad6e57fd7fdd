//! Leaves: what the chain and the tree commit to. No personal data, so they can be published.

use std::sync::LazyLock;

use blake3::Hasher;
use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};

use crate::cursor::{Cursor, Lead};
use crate::encode::Encoder;
use crate::id::{BodyDigest, ChainHash, Digest, EventId, Index, Micros};
use crate::reject::Reason;

/// Version of the leaf layout.
pub const LEAF_VERSION: u64 = 1;
const CHAIN_CONTEXT: &str = "sworn 2026-11 chain v1";

/// Whether an entry was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// Status 0.
    Accepted,
    /// The reason's code.
    Rejected(Reason),
}

impl Status {
    /// The number in the leaf.
    #[must_use]
    pub fn code(self) -> u64 {
        match self {
            Self::Accepted => 0,
            Self::Rejected(reason) => reason.code(),
        }
    }

    /// `accepted` or the reason's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected(reason) => reason.as_str(),
        }
    }
}

/// This entry is the n-th accepted one of its agent, session and correlation; 0 where it has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Of the agent.
    pub agent: u64,
    /// Of the session.
    pub session: u64,
    /// Of the correlation.
    pub correlation: u64,
}

/// Where the broker delivered it: our random id for the stream's life, and the sequence there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// Renewed when the broker's sequence regresses.
    pub epoch: [u8; 16],
    /// The broker's stream sequence.
    pub sequence: u64,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Place in the log.
    pub index: Index,
    /// Chain hash of the leaf before; zero for genesis.
    pub previous: ChainHash,
    /// When the ledger took it, by the ledger's clock; never decreases.
    pub received_at: Micros,
    /// Accepted, or the reason.
    pub status: Status,
    /// SHA-256 of the statement; of the whole message where that was refused as a whole.
    pub statement: Digest,
    /// SHA-256 of the body; zero where the message was refused as a whole.
    pub body: BodyDigest,
    /// Position in the manifest, 0 if single.
    pub position: u64,
    /// The event's id, kept so that erasure never reopens it; `None` where it could not be read.
    pub id: Option<EventId>,
    /// Ordinals that prove completeness.
    pub counts: Counts,
    /// Where the broker delivered it; `None` for the ledger's own and for direct submissions.
    pub source: Option<Source>,
}

impl Leaf {
    /// The bytes that chain and tree commit to.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut leaf = Encoder::with_capacity(224);
        leaf.array(11).uint(LEAF_VERSION).uint(self.index.0).bytes(self.previous.as_bytes());
        leaf.uint(self.received_at.0).uint(self.status.code());
        leaf.bytes(self.statement.as_bytes()).bytes(self.body.as_bytes()).uint(self.position);
        match &self.id {
            Some(id) => leaf.bytes(&id.0),
            None => leaf.null(),
        };
        let Counts { agent, session, correlation } = self.counts;
        leaf.array(3).uint(agent).uint(session).uint(correlation);
        match &self.source {
            Some(Source { epoch, sequence }) => leaf.array(2).bytes(epoch).uint(*sequence),
            None => leaf.null(),
        };
        leaf.finish()
    }

    /// Reads leaf bytes; `None` if they are not exactly what [`Leaf::encode`] writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let at = Cursor::new(bytes);
        let list = |len| (at.pass() == Lead::Array(len)).then_some(());
        let uint = || if let Lead::Uint(uint) = at.pass() { Some(uint) } else { None };
        let hash = || if let Lead::Bytes(hash) = at.pass() { Some(hash) } else { None };
        list(11)?;
        (uint()? == LEAF_VERSION).then_some(())?;
        let leaf = Self {
            index: Index(uint()?),
            previous: ChainHash::from_slice(hash()?)?,
            received_at: Micros(uint()?),
            status: match uint()? {
                0 => Status::Accepted,
                code => Status::Rejected(Reason::from_code(code)?),
            },
            statement: Digest::from_slice(hash()?)?,
            body: BodyDigest::from_slice(hash()?)?,
            position: uint()?,
            id: match at.pass() {
                Lead::Null => None,
                Lead::Bytes(id) => Some(EventId::from_slice(id)?),
                _ => return None,
            },
            counts: {
                list(3)?;
                Counts { agent: uint()?, session: uint()?, correlation: uint()? }
            },
            source: match at.pass() {
                Lead::Null => None,
                Lead::Array(2) => {
                    Some(Source { epoch: hash()?.try_into().ok()?, sequence: uint()? })
                }
                _ => return None,
            },
        };
        // The cursor lets other encodings pass, and what is behind the leaf.
        (leaf.encode() == bytes).then_some(leaf)
    }

    /// Whether the message was refused as a whole, so that there is no statement row.
    #[must_use]
    pub fn refused_whole(&self) -> bool {
        self.status != Status::Accepted && self.body == BodyDigest::ZERO
    }
}

/// Link of the chain: the next leaf's `previous`.
///
/// `BLAKE3-derive_key("sworn 2026-11 chain v1", leaf bytes)`.
#[must_use]
pub fn chain_hash(leaf: &[u8]) -> ChainHash {
    /// The derivation context's key, hashed once.
    static CONTEXT: LazyLock<ContextKey> = LazyLock::new(|| hash_derive_key_context(CHAIN_CONTEXT));
    ChainHash(*Hasher::new_from_context_key(&CONTEXT).update(leaf).finalize().as_bytes())
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
    use crate::id::hex;

    fn leaf() -> Leaf {
        Leaf {
            index: Index(7),
            previous: ChainHash([1; 32]),
            received_at: Micros(24),
            status: Status::Accepted,
            statement: Digest([2; 32]),
            body: BodyDigest([3; 32]),
            position: 1,
            id: EventId::parse("019d6b2c-ee80-7001-8002-030405060708"),
            counts: Counts { agent: 4, session: 5, correlation: 6 },
            source: Some(Source { epoch: [9; 16], sequence: 256 }),
        }
    }

    #[test]
    fn the_bytes_are_the_drawn_ones() {
        let expected = format!(
            "8b01075820{}18180058 20{}5820{}0150019d6b2cee80700180020304050607088304050682 50{}190100",
            "01".repeat(32),
            "02".repeat(32),
            "03".repeat(32),
            "09".repeat(16),
        );
        assert_eq!(hex(&leaf().encode()), expected.replace(' ', ""));
    }

    #[test]
    fn what_is_written_is_read() {
        let refused = |body| Leaf {
            status: Status::Rejected(Reason::Malformed),
            body,
            id: None,
            source: None,
            ..leaf()
        };
        for (leaf, whole) in [
            (leaf(), false),
            (refused(BodyDigest([3; 32])), false),
            (refused(BodyDigest::ZERO), true),
        ] {
            assert_eq!(Leaf::decode(&leaf.encode()), Some(leaf.clone()));
            assert_eq!(leaf.refused_whole(), whole);
        }
    }

    #[test]
    fn what_is_not_written_so_is_not_read() {
        let bytes = leaf().encode();
        for end in 0..bytes.len() {
            assert_eq!(Leaf::decode(&bytes[..end]), None);
        }
        assert_eq!(Leaf::decode(&[&bytes[..], &[0]].concat()), None, "a byte behind");
        // The index 7 in two bytes.
        let longer = [&bytes[..2], &[0x18], &bytes[2..]].concat();
        assert_eq!(Leaf::decode(&longer), None);
        // Hashes, ids and the numbers behind heads of their own may be others; every head stands for itself.
        let contents = [5..37, 38..39, 42..74, 76..108, 110..126, 132..148, 149..151];
        let fits = |place, byte: u8| match place {
            116 => byte >> 4 == 7,    // The event id's version.
            118 => byte >> 6 == 0b10, // Its variant.
            _ => contents.iter().any(|content| content.contains(&place)),
        };
        let mut changed = bytes.clone();
        for place in 0..bytes.len() {
            for byte in [0x40, 0x61, 0x80, 0xa0, 0xf6, 0xff] {
                changed[place] = byte;
                let read = Leaf::decode(&changed);
                assert_eq!(read.is_some(), fits(place, byte), "{byte:#x} at {place}");
                assert_eq!(read == Some(leaf()), changed == bytes, "{byte:#x} at {place}");
            }
            changed[place] = bytes[place];
        }
    }

    #[test]
    fn the_chain_has_its_own_context() {
        let bytes = leaf().encode();
        assert_ne!(chain_hash(&bytes).0, *blake3::hash(&bytes).as_bytes());
        assert_ne!(chain_hash(&bytes), chain_hash(&bytes[1..]));
    }
}
