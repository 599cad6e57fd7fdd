//! Reading deterministic CBOR where it lies, item after item, without a tree of it.

use std::cell::Cell;

/// What the next item is; of an array or a map only how many items or pairs follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lead<'a, T = &'a str> {
    Uint(u64),
    /// The value is `-1 - n`.
    Negative(u64),
    Bytes(&'a [u8]),
    Text(T),
    Array(usize),
    Map(usize),
    Bool(bool),
    Null,
}

/// A place in bytes that are one deterministic item. In others everything is null from the first fault on
/// that is met.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: Cell<&'a [u8]>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: Cell::new(bytes) }
    }

    /// The next item, and on past it; into an array or a map.
    pub(crate) fn next(&self) -> Lead<'a> {
        let lead = self.pass().checked();
        if lead.is_none() {
            self.rest.set(&[]);
        }
        lead.unwrap_or(Lead::Null)
    }

    /// The same without a look at whether a text is one, which takes longer than all the rest.
    #[inline]
    pub(crate) fn pass(&self) -> Raw<'a> {
        let (lead, rest) = read(self.rest.get()).unwrap_or((Lead::Null, &[]));
        self.rest.set(rest);
        lead
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.get().is_empty()
    }

    /// On past what `lead` holds, which was read last.
    pub(crate) fn skip<T: Copy>(&self, lead: Lead<'a, T>) {
        let (mut inside, mut rest) = (items(lead), self.rest.get());
        // What faulty bytes declare may be far more than they hold.
        while inside > 0 && !rest.is_empty() {
            let (lead, behind) = read(rest).unwrap_or((Lead::Null, &[]));
            inside = (inside - 1).saturating_add(items(lead));
            rest = behind;
        }
        self.rest.set(rest);
    }
}

/// What the next item is, its text as it lies there.
pub(crate) type Raw<'a> = Lead<'a, &'a [u8]>;

impl<'a> Raw<'a> {
    /// With its text as such; `None` if it is none.
    fn checked(self) -> Option<Lead<'a>> {
        Some(match self {
            Self::Uint(uint) => Lead::Uint(uint),
            Self::Negative(negative) => Lead::Negative(negative),
            Self::Bytes(bytes) => Lead::Bytes(bytes),
            Self::Text(text) => Lead::Text(std::str::from_utf8(text).ok()?),
            Self::Array(len) => Lead::Array(len),
            Self::Map(len) => Lead::Map(len),
            Self::Bool(bool) => Lead::Bool(bool),
            Self::Null => Lead::Null,
        })
    }
}

/// Items directly inside.
fn items<T: Copy>(lead: Lead<'_, T>) -> usize {
    match lead {
        Lead::Array(len) => len,
        Lead::Map(len) => len.saturating_mul(2),
        _ => 0,
    }
}

#[inline]
fn read(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let (lead, rest) = bytes.split_first()?;
    let (argument, rest) = match lead & 31 {
        info @ 0..24 => (u64::from(info), rest),
        24 => rest.split_first().map(|(byte, rest)| (u64::from(*byte), rest))?,
        25 => rest.split_first_chunk().map(|(b, rest)| (u16::from_be_bytes(*b).into(), rest))?,
        26 => rest.split_first_chunk().map(|(b, rest)| (u32::from_be_bytes(*b).into(), rest))?,
        27 => rest.split_first_chunk().map(|(b, rest)| (u64::from_be_bytes(*b), rest))?,
        _ => return None,
    };
    // Every item takes a byte, so that no length leads further than the bytes reach.
    let len = usize::try_from(argument).unwrap_or(usize::MAX);
    let lead = match lead >> 5 {
        0 => Lead::Uint(argument),
        1 => Lead::Negative(argument),
        2 => {
            let (bytes, rest) = rest.split_at_checked(len)?;
            return Some((Lead::Bytes(bytes), rest));
        }
        3 => {
            let (text, rest) = rest.split_at_checked(len)?;
            return Some((Lead::Text(text), rest));
        }
        4 => Lead::Array(len.min(rest.len())),
        5 => Lead::Map(len.min(rest.len())),
        7 => match argument {
            20 => Lead::Bool(false),
            21 => Lead::Bool(true),
            _ => Lead::Null,
        },
        _ => return None,
    };
    Some((lead, rest))
}
