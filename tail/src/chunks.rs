//! Chunks: frames that follow each other, joined once for all readers that see everything.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use schemas::id::Index;
use schemas::limits::{TAIL_CHUNK_BYTES, TAIL_CHUNKS};

use crate::frames::Frame;
use crate::walk::Link;

/// A chunk ends where the index is a multiple of this, so that readers who came in anywhere soon share theirs.
const FRAMES: u64 = 32;

/// Where a chunk that begins with this entry ends at the latest.
pub(crate) fn end_after(first: Index) -> Index {
    Index((first.0 / FRAMES).saturating_add(1).saturating_mul(FRAMES))
}

/// Frames in one piece.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) first: Link,
    pub(crate) last: Link,
    /// Whether it ends for another reason than that there was no frame more.
    pub(crate) is_full: bool,
    pub(crate) bytes: Bytes,
}

impl Chunk {
    /// The first of these frames, as many as make a chunk; `None` where there are none.
    pub(crate) fn join(frames: &[Arc<Frame>]) -> Option<Self> {
        let first = frames.first()?;
        let end = end_after(first.link.index).0;
        let mut bytes = 0_usize;
        let fits = frames.iter().take_while(|frame| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(frame.bytes.len());
            frame.link.index.0 < end && (is_first || bytes <= TAIL_CHUNK_BYTES)
        });
        let (frames, rest) = frames.split_at_checked(fits.count())?;
        let last = frames.last()?.link;
        let is_full = !rest.is_empty() || last.index.0.saturating_add(1) == end;
        let parts: Vec<_> = frames.iter().map(|frame| frame.bytes.as_ref()).collect();
        let bytes = if let [one] = frames { one.bytes.clone() } else { parts.concat().into() };
        Some(Self { first: first.link, last, is_full, bytes })
    }
}

/// The chunks that were asked for last.
#[derive(Debug, Default)]
pub(crate) struct Chunks(VecDeque<Chunk>);

impl Chunks {
    /// The newest that begins with the entry at `next`.
    pub(crate) fn get(&self, next: Index) -> Option<Chunk> {
        self.0.iter().rev().find(|chunk| chunk.first.index == next).cloned()
    }

    /// Keeps one, and forgets the oldest where there are too many.
    pub(crate) fn keep(&mut self, chunk: Chunk) {
        if self.0.len() >= TAIL_CHUNKS {
            self.0.pop_front();
        }
        self.0.push_back(chunk);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
