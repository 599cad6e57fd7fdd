//! Reading deterministic CBOR where it lies, item after item, without a tree of it.

use std::cell::Cell;

/// What the next item is; of an array or a map only how many items or pairs follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lead<'a> {
    Uint(u64),
    /// The value is `-1 - n`.
    Negative(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(usize),
    Map(usize),
    Bool(bool),
    Null,
}

/// A place in bytes that are one deterministic item. In others everything is null from the first fault on.
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
        let (lead, rest) = read(self.rest.get()).unwrap_or((Lead::Null, &[]));
        self.rest.set(rest);
        lead
    }

    /// On past what `lead` holds, which was read last.
    pub(crate) fn skip(&self, lead: Lead<'a>) {
        let mut inside = items(lead);
        // What faulty bytes declare may be far more than they hold.
        while inside > 0 && !self.rest.get().is_empty() {
            inside = (inside - 1).saturating_add(items(self.next()));
        }
    }

    /// Calls `take` with the name and the value of each of the next `len` pairs, and a place inside that value, until
    /// it wants no more. What is not named by a text is passed over.
    pub(crate) fn pairs(&self, len: usize, mut take: impl FnMut(&'a str, Lead<'a>, &Self) -> bool) {
        for _ in 0..len {
            let name = self.next();
            self.skip(name);
            let value = self.next();
            if let Lead::Text(name) = name
                && !take(name, value, &self.clone())
            {
                return;
            }
            self.skip(value);
        }
    }

    /// The text called `name` among the next `len` pairs.
    pub(crate) fn text(&self, name: &str, len: usize) -> Option<&'a str> {
        let mut found = None;
        self.pairs(len, |key, value, _| {
            if let (true, Lead::Text(text)) = (key == name, value) {
                found = Some(text);
            }
            key != name
        });
        found
    }
}

/// Items directly inside.
fn items(lead: Lead<'_>) -> usize {
    match lead {
        Lead::Array(len) => len,
        Lead::Map(len) => len.saturating_mul(2),
        _ => 0,
    }
}

fn read(bytes: &[u8]) -> Option<(Lead<'_>, &[u8])> {
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
            return Some((Lead::Text(std::str::from_utf8(text).ok()?), rest));
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
