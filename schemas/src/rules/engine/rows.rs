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
//! 'B' 'V' 'T' agent:8         habits
//! 'O' agent:8 class:1         habits of a class, by its bit
//! 'F' agent+rule:16           findings of this hour                 an hour longer
//! 'D' deadline:8 rule:* 0 index:8 n:1       what falls due
//! 'D' deadline:8 0 key:*                    a row that ends; another in its value
//! ```
//!
//! Names are hashed: rows hold no text of an event but agents and correlations, so that a forged name
//! costs no more than a true one.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::id::{EventId, Micros};

/// First byte of the keys of deadlines, which are found in their order and never asked for by their keys; all other
/// rows are asked for by their keys alone.
pub const DEADLINE: u8 = b'D';

/// Bytes of the longest name of a rule, which stands in the keys of its deadlines.
pub(crate) const NAME_BYTES_MAX: usize = 28;

/// Key of a row that is asked for: at most a letter, a session and a signer.
pub type Key = Short<{ 1 + 16 + 8 }>;

/// Key of a row that falls due: a letter, the time, a rule, zero, an index and a number.
pub type Deadline = Short<{ 1 + 8 + NAME_BYTES_MAX + 1 + 8 + 1 }>;

/// A few bytes in place: a key costs no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Short<N> {
    /// A key of a letter, to which the rest is added.
    pub(crate) const fn new(letter: u8) -> Self {
        let mut bytes = [0; N];
        if let Some(first) = bytes.first_mut() {
            *first = letter;
        }
        Self { bytes, len: 1 }
    }

    /// With more bytes behind.
    #[inline]
    pub(crate) fn with(mut self, more: &[u8]) -> Self {
        let from = usize::from(self.len);
        let to = from + more.len();
        let room = self.bytes.get_mut(from..to).expect("room for the longest key");
        room.copy_from_slice(more);
        self.len = u8::try_from(to).expect("room for the longest key");
        self
    }

    /// The key with these bytes, if they are no more than one has.
    #[must_use]
    #[inline]
    pub fn from_slice(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { bytes, len: u8::try_from(key.len()).ok()? })
    }

    /// Its bytes.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> Hash for Short<N> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_slice());
    }
}

/// The order of the bytes; mostly the time decides.
impl Ord for Deadline {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.time().cmp(&other.time()).then_with(|| self.as_slice().cmp(other.as_slice()))
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Deadline {
    /// The key of what falls due at a time.
    pub(crate) fn at(at: Micros) -> Self {
        Self::new(DEADLINE).with(&at.0.to_be_bytes())
    }

    /// When it falls due.
    #[must_use]
    #[inline]
    pub fn time(&self) -> Micros {
        let time = self.bytes.get(1..).and_then(<[u8]>::first_chunk);
        Micros(time.map_or(u64::MAX, |time| u64::from_be_bytes(*time)))
    }

    /// What stands behind the time.
    pub(crate) fn rest(&self) -> &[u8] {
        self.as_slice().get(9..).unwrap_or_default()
    }
}

/// Where the engine's rows are: small, keyed, in order. A row that is put is read back at once.
pub trait Rows {
    /// Why they cannot be read.
    type Error;

    /// The row with this key.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn get(&mut self, key: &Key) -> Result<Option<&[u8]>, Self::Error>;

    /// The row with this key, empty, to be written anew.
    fn put(&mut self, key: Key) -> &mut Vec<u8>;

    /// Removes a row.
    fn delete(&mut self, key: &Key);

    /// A row that falls due, empty, to be written.
    fn put_deadline(&mut self, key: Deadline) -> &mut Vec<u8>;

    /// When the first deadline is.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn next_deadline(&mut self) -> Result<Option<Micros>, Self::Error>;

    /// Takes out the deadline with the smallest key, if it is due by now. They are removed from the front alone, so
    /// that an implementation may remember where it stopped.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn take_deadline(&mut self, now: Micros) -> Result<Option<(Deadline, Vec<u8>)>, Self::Error>;

    /// Whether an event with this id by another signer was accepted before.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, Self::Error>;
}

/// A row to be written anew, for [`Rows::put`]: what was in it goes, its room stays.
#[inline]
pub fn emptied(row: &mut Vec<u8>) -> &mut Vec<u8> {
    row.clear();
    row
}

/// Sixteen bytes of the hash of two texts.
pub(crate) fn hash(first: &str, second: &str) -> [u8; 16] {
    let len = u64::try_from(first.len()).unwrap_or(u64::MAX).to_be_bytes();
    let parts = [&len, first.as_bytes(), second.as_bytes()];
    let mut place = [0; 256];
    let hash = match joined(&mut place, parts) {
        Some(text) => blake3::hash(text),
        None => blake3::hash(&parts.concat()),
    };
    let (short, _) = hash.as_bytes().split_first_chunk().expect("a hash is longer");
    *short
}

/// These parts one behind the other, if there is room.
fn joined<'p>(place: &'p mut [u8], parts: [&[u8]; 3]) -> Option<&'p [u8]> {
    let mut len = 0;
    for part in parts {
        place.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    place.get(..len)
}

/// A key: its letter and the rest.
#[inline]
pub(crate) fn key<const N: usize>(letter: u8, rest: &[u8; N]) -> Key {
    Key::new(letter).with(rest)
}
