//! The engine's rows: what is kept from one entry to the next.
//!
//! ```text
//! 'S' session:16 signer:8     a signer's session                     35 days after its last entry
//! 'I' event:16                an intent, and what came of it         24 hours, or its contract's latest deadline
//! 'R' agent+reference:16      a vendor's reference                   24 hours
//! 'C' agent+call:16           a call id, and its intent              24 hours
//! 'Q' event:16 ?'='           a request for approval, and what it calls itself   24 hours
//! 'G' grant:16                uses of a grant that nobody gave yet   7 days
//! 'K' credential:16           who an unregistered credential was witnessed with   30 days
//! 'X' agent:16                when an agent was stopped              until it is enabled
//! 'A' agent+action:16 per:1   actions of this hour or day that have a cap
//! 'B' 'V' 'O' 'T' 'N' agent:16  habits
//! 'F' agent+rule:16           findings of this hour                 an hour longer
//! 'D' deadline:8 rule:* 0 index:8 n:1       what falls due
//! 'D' deadline:8 0 index:8 key:*            a row that ends
//! ```
//!
//! Names are hashed: rows hold no text of an event but agents, correlations and environments, so that a forged name
//! costs no more than a true one.

use std::borrow::Cow;

use crate::id::EventId;

/// First byte of the keys of deadlines, which are found in their order and never asked for by their keys; all other
/// rows are asked for by their keys alone.
pub const DEADLINE: u8 = b'D';

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Where the engine's rows are: small, keyed, in order. A row that is put is read back at once.
pub trait Rows {
    /// Why they cannot be read.
    type Error;

    /// The row with this key, borrowed where it is in memory: one has up to 5,568 bytes.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn get(&mut self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Self::Error>;

    /// Writes a row.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);

    /// Removes a row.
    fn delete(&mut self, key: Vec<u8>);

    /// The deadline with the smallest key. They are removed from the front, so that an implementation may remember
    /// where it stopped.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn first_deadline(&mut self) -> Result<Option<Row>, Self::Error>;

    /// Whether an event with this id by another signer was accepted before.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, Self::Error>;
}

/// Hash of a text that is only ever compared.
pub(crate) type Mark = [u8; 8];
/// No text.
pub(crate) const NOTHING: Mark = [0; 8];

/// The mark of a text. Eight bytes of blake3: nobody finds another text with the same mark.
pub(crate) fn mark(text: &str) -> Mark {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(text.as_bytes()).as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// The mark of a text that may be absent.
pub(crate) fn mark_of(text: Option<&str>) -> Mark {
    text.map_or(NOTHING, mark)
}

/// Sixteen bytes of the hash of two texts.
pub(crate) fn hash(first: &str, second: &str) -> [u8; 16] {
    let mut text = Vec::with_capacity(8 + first.len() + second.len());
    text.extend_from_slice(&u64::try_from(first.len()).unwrap_or(u64::MAX).to_be_bytes());
    text.extend_from_slice(first.as_bytes());
    text.extend_from_slice(second.as_bytes());
    let mut short = [0; 16];
    short.iter_mut().zip(blake3::hash(&text).as_bytes()).for_each(|(to, from)| *to = *from);
    short
}

/// A key: its letter and the rest.
pub(crate) fn key(letter: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(letter);
    key.extend_from_slice(rest);
    key
}
