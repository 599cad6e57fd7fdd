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
    #[inline]
    pub(crate) fn next(&self) -> Lead<'a> {
        self.take(|text| str::from_utf8(text).ok())
    }

    /// The same without a look at whether a text is one, which takes longer than all the rest.
    #[inline]
    pub(crate) fn pass(&self) -> Raw<'a> {
        self.take(Some)
    }

    /// The next item; its text is what `text` makes of its bytes. Each is made where it is returned: one that is made
    /// elsewhere and moved waits for its parts to be written.
    #[inline]
    fn take<T>(&self, text: impl FnOnce(&'a [u8]) -> Option<T>) -> Lead<'a, T> {
        let Some((sort, argument)) = self.head() else { return self.fault() };
        let left = self.rest.get().len();
        // Every item takes a byte, so that no length leads further than the bytes reach.
        let len = usize::try_from(argument).unwrap_or(usize::MAX).min(left);
        match sort {
            0 => Lead::Uint(argument),
            1 => Lead::Negative(argument),
            2 => self.run(argument).map_or_else(|| self.fault(), Lead::Bytes),
            3 => self.run(argument).and_then(text).map_or_else(|| self.fault(), Lead::Text),
            4 => Lead::Array(len),
            5 => Lead::Map(len),
            7 => match argument {
                20 => Lead::Bool(false),
                21 => Lead::Bool(true),
                _ => Lead::Null,
            },
            _ => self.fault(),
        }
    }

    /// The sort and the argument of the next item, and on past them.
    #[inline]
    fn head(&self) -> Option<(u8, u64)> {
        let (lead, rest) = self.rest.get().split_first()?;
        let (argument, rest) = match lead & 31 {
            info @ 0..24 => (u64::from(info), rest),
            24 => rest.split_first().map(|(byte, rest)| (u64::from(*byte), rest))?,
            25 => {
                rest.split_first_chunk().map(|(b, rest)| (u16::from_be_bytes(*b).into(), rest))?
            }
            26 => {
                rest.split_first_chunk().map(|(b, rest)| (u32::from_be_bytes(*b).into(), rest))?
            }
            27 => rest.split_first_chunk().map(|(b, rest)| (u64::from_be_bytes(*b), rest))?,
            _ => return None,
        };
        self.rest.set(rest);
        Some((lead >> 5, argument))
    }

    /// So many bytes, and on past them.
    #[inline]
    fn run(&self, len: u64) -> Option<&'a [u8]> {
        let (run, rest) = self.rest.get().split_at_checked(usize::try_from(len).ok()?)?;
        self.rest.set(rest);
        Some(run)
    }

    /// Nothing is read behind a fault.
    #[cold]
    fn fault<T>(&self) -> Lead<'a, T> {
        self.rest.set(&[]);
        Lead::Null
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.get().is_empty()
    }

    /// On past what `lead` holds, which was read last.
    pub(crate) fn skip<T: Copy>(&self, lead: Lead<'a, T>) {
        let mut inside = items(lead);
        // What faulty bytes declare may be far more than they hold.
        while inside > 0 && !self.is_at_end() {
            inside = (inside - 1).saturating_add(items(self.pass()));
        }
    }
}

/// What the next item is, its text as it lies there.
pub(crate) type Raw<'a> = Lead<'a, &'a [u8]>;

/// Items directly inside.
fn items<T: Copy>(lead: Lead<'_, T>) -> usize {
    match lead {
        Lead::Array(len) => len,
        Lead::Map(len) => len.saturating_mul(2),
        _ => 0,
    }
}
