//! History in chunks: what was read from the store for one reader that sees everything is kept for the others. Those who
//! were cut off together come back together, and stand at the same place.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger::{Ledger, ReadError};
use schemas::id::{ChainHash, Index, TreeSize};

use crate::chunks::{Chunk, Chunks, end_after};
use crate::frames::Frame;

/// The chunks that were read last.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// They were read after everything that had been erased by then.
    erased: TreeSize,
    chunks: Chunks,
}

impl Kept {
    /// Forgets what was read before the last erasure.
    fn as_of(&mut self, erased: TreeSize) -> &mut Chunks {
        if self.erased < erased {
            self.erased = erased;
            self.chunks.clear();
        }
        &mut self.chunks
    }
}

impl Past {
    /// The chunk that begins with the entry at `next`, if it is kept.
    pub(crate) fn get(&self, ledger: &Ledger, next: Index) -> Option<Chunk> {
        self.kept().as_of(ledger.head().erased).get(next)
    }

    /// The same, read from a log of `size` entries where it is not kept; `None` where the log ends before it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn read(
        &self,
        ledger: &Ledger,
        genesis: &ChainHash,
        next: Index,
        size: u64,
    ) -> Result<Option<Chunk>, ReadError> {
        // Others may have read it while this one waited for its turn.
        if let Some(chunk) = self.get(ledger, next) {
            return Ok(Some(chunk));
        }
        // Before the store: what is erased meanwhile is not kept.
        let erased = ledger.head().erased;
        let entries = ledger.entries(next.0..end_after(next).0.min(size))?;
        let frames: Vec<_> = entries.iter().map(|entry| Frame::bare(entry, genesis)).collect();
        let chunk = Chunk::join(&frames);
        if let Some(chunk) = chunk.as_ref().filter(|chunk| chunk.is_full) {
            let mut kept = self.kept();
            if kept.erased <= erased {
                kept.as_of(erased).keep(chunk.clone());
            }
        }
        Ok(chunk)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::tests::World;

    #[test]
    fn history_is_read_once_for_all_and_again_after_an_erasure() {
        let mut world = World::new(1);
        world.append(40, 1);
        let index = world.act();
        let (ledger, past) = (world.ledger(), Past::default());
        let genesis = ledger.chain(Index(0)).unwrap();
        let read = |next, size| past.read(&ledger, &genesis, Index(next), size).unwrap();
        let whole = read(3, index + 1).unwrap();
        assert_eq!((whole.first.index, whole.last.index), (Index(3), Index(31)));
        let again = read(3, index + 1).unwrap();
        assert_eq!(again.bytes.as_ptr(), whole.bytes.as_ptr());
        // One that grows is not kept.
        assert!(!read(32, index + 1).unwrap().is_full);
        assert!(past.get(&ledger, Index(32)).is_none());
        assert!(read(index + 1, index + 1).is_none());
        world.redact(index);
        assert!(past.get(&ledger, Index(3)).is_none());
        let after = read(3, index + 1).unwrap();
        assert_ne!(after.bytes.as_ptr(), whole.bytes.as_ptr());
        assert_eq!(after.bytes, whole.bytes, "it was another one that went");
    }
}
