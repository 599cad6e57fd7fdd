//! Cursors of pages: opaque, bound to the filter and to the tree that the first page spoke of.
//!
//! A cursor keeps the window too, so that `since:15m` means the same on every page.

use ledger::{Ledger, ReadError};
use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::{Digest, Micros, TreeHash, TreeSize, hex, unhex};

use crate::error::{CursorFault, Error};
use crate::window::Window;

const VERSION: u64 = 1;

/// Where the next page begins, and what it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageCursor {
    pub(crate) filter: Digest,
    pub(crate) size: TreeSize,
    pub(crate) root: TreeHash,
    pub(crate) window: Window,
    pub(crate) start: u64,
}

impl PageCursor {
    pub(crate) fn encode(&self) -> String {
        let mut text = Encoder::with_capacity(128);
        text.array(9).uint(VERSION).bytes(self.filter.as_bytes());
        text.uint(self.size.0).bytes(self.root.as_bytes());
        text.uint(self.window.from).uint(self.window.to).uint(self.start);
        for time in [self.window.since, self.window.until] {
            match time {
                Some(time) => text.uint(time.0),
                None => text.null(),
            };
        }
        hex(&text.finish())
    }

    /// Reads a cursor that must belong to `filter` and to this ledger's history.
    pub(crate) fn read(text: &str, filter: &Digest, ledger: &Ledger) -> Result<Self, Error> {
        let cursor = Self::parse(text).ok_or(Error::Cursor(CursorFault::Malformed))?;
        if cursor.filter != *filter {
            return Err(Error::Cursor(CursorFault::OtherFilter));
        }
        if !cursor.is_of(ledger)? {
            return Err(Error::Cursor(CursorFault::OtherHistory));
        }
        Ok(cursor)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = unhex(text)?;
        let root = decode(&bytes, Bounds::WIRE).ok()?;
        let [version, filter, size, hash, from, to, start, since, until] =
            <&[Item<'_>; 9]>::try_from(root.array()?).ok()?;
        (version.uint()? == VERSION).then_some(())?;
        let window = Window {
            from: from.uint()?,
            to: to.uint()?,
            since: since.uint().map(Micros),
            until: until.uint().map(Micros),
        };
        let cursor = Self {
            filter: Digest::from_slice(filter.bytes()?)?,
            size: TreeSize(size.uint()?),
            root: TreeHash::from_slice(hash.bytes()?)?,
            window,
            start: start.uint()?,
        };
        let inside = (window.from..window.to).contains(&cursor.start);
        (inside && window.to <= cursor.size.0).then_some(cursor)
    }

    fn is_of(&self, ledger: &Ledger) -> Result<bool, ReadError> {
        Ok(self.size <= ledger.head().size && ledger.root(self.size)? == self.root)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nothing_else_does() {
        let cursor = PageCursor {
            filter: Digest([1; 32]),
            size: TreeSize(900),
            root: TreeHash([2; 32]),
            window: Window { from: 10, to: 800, since: Some(Micros(7)), until: None },
            start: 400,
        };
        let text = cursor.encode();
        assert_eq!(PageCursor::parse(&text), Some(cursor));
        let outside = PageCursor { start: 800, ..cursor };
        let beyond = PageCursor { size: TreeSize(700), ..cursor };
        for bad in ["", "zz", "00", &text[2..], &outside.encode(), &beyond.encode()] {
            assert_eq!(PageCursor::parse(bad), None, "{bad}");
        }
    }
}
