//! One reader's way through the log: every entry once, in order, each either said or skipped.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{ChainHash, Index, Micros};
use schemas::limits::{TAIL_CHUNK_BYTES, TAIL_SKIP_MAX};

use crate::chunks::Chunk;
use crate::cursor::{Position, Token};
use crate::filter::Filter;
use crate::frames::Frame;
use crate::sse;

/// Where a reader is and what it is about to be told.
#[derive(Clone)]
pub(crate) struct Walk {
    filter: Arc<Filter>,
    genesis: ChainHash,
    position: Position,
    /// Entries passed over since the reader was last told an id.
    unsaid: u64,
    out: Vec<u8>,
    ended: bool,
}

/// What ties an entry to its neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) index: Index,
    pub(crate) previous: ChainHash,
    pub(crate) chain: ChainHash,
    pub(crate) received_at: Micros,
}

impl Link {
    pub(crate) fn of(entry: &Entry) -> Self {
        let leaf = &entry.leaf;
        Self {
            index: leaf.index,
            previous: leaf.previous,
            chain: entry.chain,
            received_at: leaf.received_at,
        }
    }
}

impl Walk {
    pub(crate) fn new(filter: Arc<Filter>, genesis: ChainHash, position: Position) -> Self {
        Self { filter, genesis, position, unsaid: 0, out: Vec::new(), ended: false }
    }

    /// Chain hash of the log's first entry.
    pub(crate) fn genesis(&self) -> ChainHash {
        self.genesis
    }

    /// The entry to be considered next.
    pub(crate) fn next(&self) -> Index {
        self.position.next
    }

    /// The token that stands for everything considered so far, which then counts as said.
    pub(crate) fn said(&mut self) -> Option<Token> {
        self.unsaid = 0;
        self.position.token(&self.genesis)
    }

    /// Whether the window has ended: no later entry is said.
    pub(crate) fn has_ended(&self) -> bool {
        // Times past the head are unknown, but the entry after it cannot have a lower index.
        self.ended || self.filter.ends_before(self.position.next, Micros(0))
    }

    /// What is to be said now, which then counts as said.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let out = std::mem::take(&mut self.out);
        (!out.is_empty()).then(|| Bytes::from(out))
    }

    /// A bare id, if entries were passed over since the last one.
    pub(crate) fn unsaid_id(&mut self) -> Option<Bytes> {
        if self.unsaid == 0 { None } else { self.said().map(sse::bare_id) }
    }

    /// Considers a frame of the ring. Breaks when the chunk is full or the window has ended.
    ///
    /// # Errors
    /// [`ReadError::BrokenChain`] when the frame is not the next entry of this history.
    pub(crate) fn offer(&mut self, frame: &Frame) -> Result<ControlFlow<()>, ReadError> {
        self.check(frame.link)?;
        let Link { index, received_at, .. } = frame.link;
        let fits = self.filter.matches_shared(index, received_at, &frame.terms);
        Ok(self.consider(frame.link, fits.then_some(frame.bytes.as_ref())))
    }

    /// Whether every entry from the next one on is said.
    pub(crate) fn sees_all(&self) -> bool {
        self.out.is_empty() && self.filter.is_open()
    }

    /// Says a whole chunk, for a reader that sees everything; `None` where that begins later.
    ///
    /// # Errors
    /// As for [`Walk::offer`].
    pub(crate) fn offer_chunk(&mut self, chunk: &Chunk) -> Result<Option<Bytes>, ReadError> {
        self.check(chunk.first)?;
        if !self.filter.has_begun(chunk.first.index, chunk.first.received_at) {
            return Ok(None);
        }
        self.advance(chunk.last);
        self.unsaid = 0;
        Ok(Some(chunk.bytes.clone()))
    }

    /// Considers an entry from the store, as [`Walk::offer`] does a frame.
    ///
    /// # Errors
    /// As for [`Walk::offer`].
    pub(crate) fn offer_entry(
        &mut self,
        ledger: &Ledger,
        entry: &Entry,
    ) -> Result<ControlFlow<()>, ReadError> {
        let link = Link::of(entry);
        self.check(link)?;
        let Link { index, received_at, .. } = link;
        let fits = entry.terms(ledger, |terms| self.filter.matches(index, received_at, terms))?;
        let event = fits.then(|| Frame::encode(entry, &self.genesis));
        Ok(self.consider(link, event.as_deref()))
    }

    /// Whatever an entry came from, it must continue what the reader has seen.
    fn check(&self, link: Link) -> Result<(), ReadError> {
        let follows = link.index == self.position.next && link.previous == self.position.chain;
        if follows { Ok(()) } else { Err(ReadError::BrokenChain(link.index)) }
    }

    fn consider(&mut self, link: Link, event: Option<&[u8]>) -> ControlFlow<()> {
        if self.filter.ends_before(link.index, link.received_at) {
            self.ended = true;
            return ControlFlow::Break(());
        }
        let Some(event) = event else {
            self.advance(link);
            return self.pass_over();
        };
        if !self.out.is_empty() && self.out.len().saturating_add(event.len()) > TAIL_CHUNK_BYTES {
            return ControlFlow::Break(());
        }
        // Who asks for everything and may not see everything learns that something lies between.
        if self.filter.is_limited() {
            let id = self.unsaid_id().unwrap_or_default();
            self.out.extend_from_slice(&id);
        }
        self.advance(link);
        self.unsaid = 0;
        self.out.extend_from_slice(event);
        ControlFlow::Continue(())
    }

    fn advance(&mut self, link: Link) {
        self.position = Position::after(link.index, link.chain);
    }

    fn pass_over(&mut self) -> ControlFlow<()> {
        self.unsaid = self.unsaid.saturating_add(1);
        if self.unsaid < TAIL_SKIP_MAX {
            return ControlFlow::Continue(());
        }
        let id = self.unsaid_id().unwrap_or_default();
        self.out.extend_from_slice(&id);
        if self.out.len() < TAIL_CHUNK_BYTES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use schemas::query::Query;
    use schemas::terms::{Key, Term};

    use super::*;
    use crate::sieve::Sieves;

    fn hash(n: u64) -> ChainHash {
        let mut hash = [0; 32];
        hash.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
        ChainHash(hash)
    }

    /// Entry `n`, with chain hash `n + 1` and an event of `bytes` bytes.
    fn frame(n: u64, bytes: usize) -> Frame {
        let link =
            Link { index: Index(n), previous: hash(n), chain: hash(n + 1), received_at: Micros(n) };
        let terms = vec![Term { key: Key::Agent, value: n.to_string().into() }];
        Frame { link, terms, bytes: vec![b'x'; bytes].into() }
    }

    fn walk(query: &str) -> Walk {
        let query = Query::parse(query).unwrap();
        let filter = Filter::new(query, Micros(0), &Sieves::default(), None);
        Walk::new(Arc::new(filter), hash(1), Position { next: Index(0), chain: hash(0) })
    }

    /// Offers entries until the walk breaks; how many it considered and how many bytes it says.
    fn check(query: &str, sizes: &[usize], considered: u64, said: usize) {
        let mut walk = walk(query);
        for (n, bytes) in (0..).zip(sizes) {
            if walk.offer(&frame(n, *bytes)).unwrap().is_break() {
                break;
            }
        }
        assert_eq!(walk.next(), Index(considered), "{query} {sizes:?}");
        assert_eq!(walk.take().map_or(0, |out| out.len()), said, "{query} {sizes:?}");
    }

    #[test]
    fn a_chunk_has_its_size_and_one_event_alone_may_be_larger() {
        check("", &[10, 10, 10], 3, 30);
        check("", &[TAIL_CHUNK_BYTES, 1], 1, TAIL_CHUNK_BYTES);
        check("", &[TAIL_CHUNK_BYTES - 1, 1, 1], 2, TAIL_CHUNK_BYTES);
        check("", &[TAIL_CHUNK_BYTES * 2, 1], 1, TAIL_CHUNK_BYTES * 2);
        check("", &[1, TAIL_CHUNK_BYTES], 1, 1);
        check("agent:1", &[TAIL_CHUNK_BYTES, 7, TAIL_CHUNK_BYTES], 3, 7);
        check("until:2", &[1, 1, 1, 1], 2, 2);
    }

    #[test]
    fn only_the_next_entry_of_this_history_is_taken() {
        for (offered, next) in [(0, 2), (3, 2), (1, 2)] {
            let mut walk = walk("");
            for n in 0..2 {
                assert!(walk.offer(&frame(n, 1)).unwrap().is_continue());
            }
            let refused = walk.offer(&frame(offered, 1));
            assert!(matches!(refused, Err(ReadError::BrokenChain(Index(n))) if n == offered));
            assert_eq!(walk.next(), Index(next));
        }
        let mut forged = frame(0, 1);
        forged.link.previous = hash(9);
        assert!(walk("").offer(&forged).is_err());
    }

    #[test]
    fn what_is_passed_over_is_told_by_a_bare_id() {
        let mut walk = walk("agent:0");
        assert!(walk.unsaid_id().is_none());
        for n in 0..=TAIL_SKIP_MAX {
            assert!(walk.take().is_none_or(|out| out.as_ref() == b"x"));
            assert!(walk.offer(&frame(n, 1)).unwrap().is_continue());
        }
        let id = Token::new(&hash(1), Index(TAIL_SKIP_MAX), &hash(TAIL_SKIP_MAX + 1));
        assert_eq!(walk.take(), Some(sse::bare_id(id)));
        assert!(walk.unsaid_id().is_none(), "it was said");
        assert!(walk.offer(&frame(TAIL_SKIP_MAX + 1, 1)).unwrap().is_continue());
        assert!(walk.unsaid_id().is_some());
    }
}
