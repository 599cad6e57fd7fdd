//! The hot end of the log: the newest entries, each serialised once for all readers.
//!
//! One task follows the head, reads what is new from the store and pushes it into a bounded ring. Whoever
//! is too late for the ring reads the store. So the ring is only a cache, and nothing waits in it for a
//! reader.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{ChainHash, Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{
    TAIL_READ_ENTRIES, TAIL_READS_MAX, TAIL_RING_BEGINS, TAIL_RING_BYTES_MAX, TAIL_RING_FRAMES,
};
use schemas::terms::{Key, Term};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::checkpoint::Published;
use crate::chunks::{Chunk, Chunks};
use crate::cursor::{Position, Token};
use crate::past::Past;
use crate::sse::{self, Name};
use crate::walk::{Link, Walk};

/// Frames that a reader takes from the ring at a time.
const TAKE_FRAMES: usize = 64;
/// Entries that are read from the store before it is looked whether the chunk is full.
const READ_STEP: u64 = 32;

/// Why a reader is served no longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The store cannot be read, or what it holds is not what was written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The runtime shuts down.
    #[error("reading was interrupted: {0}")]
    Interrupted(#[from] JoinError),
}

/// What is read for a reader in its turn. It is a task, for nobody asks a reader whose client takes nothing: a turn that
/// came to it meanwhile would be kept from all others.
pub(crate) type Reading<T> = AbortOnDropHandle<Result<T, ServeError>>;

/// An entry as every reader gets it, with the terms that filters look at.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) link: Link,
    pub(crate) terms: Vec<Term<'static>>,
    pub(crate) bytes: Bytes,
}

impl Frame {
    fn of(ledger: &Ledger, entry: &Entry, genesis: &ChainHash) -> Result<Self, ReadError> {
        let owned =
            |term: &Term<'_>| Term { key: term.key, value: term.value.clone().into_owned().into() };
        Ok(Self {
            link: Link::of(entry),
            terms: entry.terms(ledger, |terms| terms.iter().map(owned).collect())?,
            bytes: Self::encode(entry, genesis),
        })
    }

    /// The same for readers that see everything and look at no terms.
    pub(crate) fn bare(entry: &Entry, genesis: &ChainHash) -> Arc<Self> {
        let bytes = Self::encode(entry, genesis);
        Arc::new(Self { link: Link::of(entry), terms: Vec::new(), bytes })
    }

    /// The `entry` event.
    pub(crate) fn encode(entry: &Entry, genesis: &ChainHash) -> Bytes {
        let id = Token::new(genesis, entry.leaf.index, &entry.chain);
        sse::event(Some(id), Name::Entry, &entry.view(&entry.shown()))
    }

    fn size_bytes(&self) -> usize {
        let term = |term: &Term<'_>| term.value.len().saturating_add(size_of::<Term<'_>>());
        self.terms.iter().map(term).fold(self.bytes.len(), usize::saturating_add)
    }

    fn is_redaction(&self) -> bool {
        let is = |term: &Term<'_>| term.key == Key::Kind && term.value == Kind::Redaction.as_str();
        self.terms.iter().any(is)
    }
}

/// The newest frames, without a gap between them.
#[derive(Debug, Default)]
struct Ring {
    /// Chain hash of the log's first entry, once anything was read.
    genesis: Option<ChainHash>,
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    chunks: Chunks,
}

impl Ring {
    fn push(&mut self, frame: Frame) {
        let follows = self.frames.back().is_none_or(|last| last.link.chain == frame.link.previous);
        // What a redaction erases must not be served from memory either; the store knows what is left.
        if !follows || frame.is_redaction() {
            self.clear();
        }
        self.bytes = self.bytes.saturating_add(frame.size_bytes());
        self.frames.push_back(Arc::new(frame));
        while self.frames.len() > TAIL_RING_FRAMES || self.bytes > TAIL_RING_BYTES_MAX {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size_bytes());
        }
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.chunks.clear();
        self.bytes = 0;
    }

    /// Size of the log as of the last frame.
    fn end(&self) -> TreeSize {
        TreeSize(self.frames.back().map_or(0, |last| last.link.index.0.saturating_add(1)))
    }

    /// Up to [`TAKE_FRAMES`] frames from `next` on; `None` if that one is not here.
    fn take(&self, next: Index) -> Option<Vec<Arc<Frame>>> {
        let skip = self.place(next)?;
        let frames: Vec<_> = self.frames.iter().skip(skip).take(TAKE_FRAMES).cloned().collect();
        (!frames.is_empty()).then_some(frames)
    }

    /// The place behind a token's entry and the log's genesis, if that entry is here and in this history.
    fn resume(&self, token: &Token) -> Option<(ChainHash, Position)> {
        let genesis = self.genesis?;
        let link = self.frames.get(self.place(token.index())?)?.link;
        let position = Position::after(link.index, link.chain);
        (position.token(&genesis)? == *token).then_some((genesis, position))
    }

    /// Where the entry at `index` stands, if it is here at all.
    fn place(&self, index: Index) -> Option<usize> {
        let first = self.frames.front()?.link.index;
        usize::try_from(index.0.checked_sub(first.0)?).ok()
    }

    /// The chunk that begins with `next`, if it was made and there is nothing more for it: whoever comes late would be
    /// handed what came live frame by frame.
    fn chunk(&self, next: Index) -> Option<Chunk> {
        let is_last = |chunk: &Chunk| {
            self.frames.back().is_some_and(|last| last.link.index == chunk.last.index)
        };
        self.chunks.get(next).filter(|chunk| chunk.is_full || is_last(chunk))
    }

    /// Keeps a chunk of its frames, unless they have left it meanwhile.
    fn keep(&mut self, chunk: &Chunk) {
        let is_held =
            self.frames.front().is_some_and(|first| first.link.index <= chunk.first.index);
        if is_held && self.chunk(chunk.first.index).is_none() {
            self.chunks.keep(chunk.clone());
        }
    }
}

/// How far the log can be served. Readers wait for it to move instead of for the head, so that they find
/// the ring filled.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    /// Number of entries.
    pub(crate) size: u64,
    /// When the last one was received.
    pub(crate) received_at: Micros,
    /// The newest published checkpoint.
    pub(crate) published: Option<Arc<Published>>,
}

/// What readers share.
pub(crate) struct Frames {
    ledger: Ledger,
    ring: Arc<RwLock<Ring>>,
    past: Arc<Past>,
    tip: watch::Receiver<Tip>,
    reads: Arc<Semaphore>,
    openings: Arc<Semaphore>,
    /// `None` where the shutdown ended it.
    _filler: AbortOnDropHandle<Option<()>>,
}

impl Frames {
    /// Starts the task that fills the ring. It ends with `shutdown`, or when this is dropped.
    pub(crate) fn start(ledger: Ledger, shutdown: CancellationToken) -> Self {
        let head = ledger.head();
        // Whoever was cut off by a restart comes back at once, and most have missed little.
        let next = head.size.0.saturating_sub(TAIL_RING_BEGINS);
        let tip = Tip { size: next, received_at: head.received_at, published: None };
        let (sender, receiver) = watch::channel(tip);
        let ring = Arc::new(RwLock::new(Ring::default()));
        let filler = Filler {
            head: ledger.watch(),
            ledger: ledger.clone(),
            ring: Arc::clone(&ring),
            next,
            tip: sender,
        };
        let task = tokio::spawn(shutdown.run_until_cancelled_owned(filler.run()));
        Self {
            ledger,
            ring,
            past: Arc::default(),
            tip: receiver,
            reads: Arc::new(Semaphore::new(reads())),
            openings: Arc::new(Semaphore::new(reads())),
            _filler: AbortOnDropHandle::new(task),
        }
    }

    /// A doorbell that rings when there is more to serve.
    pub(crate) fn tip(&self) -> watch::Receiver<Tip> {
        self.tip.clone()
    }

    /// The place behind a token's entry and the log's genesis, if the ring can tell.
    pub(crate) fn resume(&self, token: &Token) -> Option<(ChainHash, Position)> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).resume(token)
    }

    /// Frames from `next` on, if the ring still holds that one.
    pub(crate) fn hot(&self, next: Index) -> Option<Vec<Arc<Frame>>> {
        self.clean()?.take(next)
    }

    /// The same frames joined, as many as make a chunk, for a reader that sees everything.
    pub(crate) fn chunk(&self, next: Index) -> Option<Chunk> {
        let ring = self.clean()?;
        if let Some(chunk) = ring.chunk(next) {
            return Some(chunk);
        }
        let frames = ring.take(next);
        drop(ring);
        let chunk = Chunk::join(&frames?)?;
        self.ring.write().unwrap_or_else(PoisonError::into_inner).keep(&chunk);
        Some(chunk)
    }

    /// The ring, unless it holds what was erased since: its task may not have heard of that yet.
    fn clean(&self) -> Option<RwLockReadGuard<'_, Ring>> {
        let erased = self.ledger.head().erased;
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        (erased <= ring.end()).then_some(ring)
    }

    /// A chunk of history that is kept, for a reader that sees everything.
    pub(crate) fn kept(&self, next: Index) -> Option<Chunk> {
        self.past.get(&self.ledger, next)
    }

    /// What is kept of history.
    pub(crate) fn past(&self) -> Arc<Past> {
        Arc::clone(&self.past)
    }

    /// Runs a job that reads history from the store where it may block. Only so many run at once; the
    /// rest queue up in order, one of each reader.
    ///
    /// Gives [`ServeError`] of the job, or because the runtime ends.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Ledger) -> Result<T, ReadError> + Send + 'static,
    ) -> Reading<T> {
        let reading = in_turn(Arc::clone(&self.reads), self.ledger.clone(), job);
        AbortOnDropHandle::new(tokio::spawn(reading))
    }

    /// The same for a job that finds a new reader's place, which nobody's history delays.
    ///
    /// # Errors
    /// [`ServeError`] of the job, or because the runtime ends.
    pub(crate) async fn open<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Ledger) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ServeError> {
        in_turn(Arc::clone(&self.openings), self.ledger.clone(), job).await
    }

    /// The same at once, for a job that reads nothing.
    ///
    /// # Errors
    /// [`ServeError`] of the job.
    pub(crate) fn at_once<T>(
        &self,
        job: impl FnOnce(&Ledger) -> Result<T, ReadError>,
    ) -> Result<T, ServeError> {
        Ok(job(&self.ledger)?)
    }
}

async fn in_turn<T: Send + 'static>(
    turns: Arc<Semaphore>,
    ledger: Ledger,
    job: impl FnOnce(&Ledger) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ServeError> {
    let turn = turns.acquire_owned().await.ok();
    let job = move || {
        let result = job(&ledger);
        drop(turn);
        result
    };
    Ok(tokio::task::spawn_blocking(job).await??)
}

/// Reads at once: more than there are cores would only take time from those who write. Two at least, so that one goes on
/// while the other's turn passes to the next reader.
pub(crate) fn reads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).clamp(2, TAIL_READS_MAX)
}

/// Takes `walk` on through the store: until a chunk is full, [`TAIL_READ_ENTRIES`] are considered, or
/// `size` is reached.
///
/// # Errors
/// [`ReadError`] when the store cannot be read or the chain is broken.
pub(crate) fn walk_store(ledger: &Ledger, mut walk: Walk, size: u64) -> Result<Walk, ReadError> {
    let stop = step_from(walk.next().0, size);
    while walk.next().0 < stop {
        let from = walk.next().0;
        for entry in ledger.entries(from..stop.min(from.saturating_add(READ_STEP)))? {
            if let ControlFlow::Break(()) = walk.offer_entry(ledger, &entry)? {
                return Ok(walk);
            }
        }
    }
    Ok(walk)
}

fn step_from(next: u64, size: u64) -> u64 {
    let step = u64::try_from(TAIL_READ_ENTRIES).unwrap_or(u64::MAX);
    size.min(next.saturating_add(step))
}

/// The task that fills the ring.
struct Filler {
    ledger: Ledger,
    head: watch::Receiver<Arc<ledger::Head>>,
    ring: Arc<RwLock<Ring>>,
    next: u64,
    tip: watch::Sender<Tip>,
}

impl Filler {
    async fn run(mut self) {
        loop {
            self.follow().await;
            if self.head.changed().await.is_err() {
                // The writer is gone, so the head stays where it is; there is still history to serve.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn follow(&mut self) {
        let head = Arc::clone(&self.head.borrow_and_update());
        while self.next < head.size.0 {
            let next = step_from(self.next, head.size.0);
            match self.read(self.next..next).await {
                Ok((genesis, frames)) => self.push(genesis, frames),
                // Readers go to the store themselves and find out what they can have of it. What comes
                // after does not follow the ring's last frame, which empties the ring.
                Err(error) => {
                    tracing::error!(from = self.next, %error, "new entries cannot be read");
                }
            }
            self.next = next;
            self.tip.send_modify(|tip| {
                tip.size = next;
                tip.received_at = head.received_at;
            });
        }
        self.publish(&head).await;
    }

    async fn read(&self, range: Range<u64>) -> Result<(ChainHash, Vec<Frame>), ServeError> {
        let ledger = self.ledger.clone();
        let job = move || {
            let genesis = ledger.chain(Index(0))?;
            let entries = ledger.entries(range)?;
            let frames = entries.iter().map(|entry| Frame::of(&ledger, entry, &genesis));
            Ok::<_, ReadError>((genesis, frames.collect::<Result<_, ReadError>>()?))
        };
        Ok(tokio::task::spawn_blocking(job).await??)
    }

    fn push(&self, genesis: ChainHash, frames: Vec<Frame>) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.genesis = Some(genesis);
        for frame in frames {
            ring.push(frame);
        }
    }

    async fn publish(&mut self, head: &ledger::Head) {
        let from = self.tip.borrow().published.as_ref().map(|published| published.size);
        let (size, note) = head.published.clone();
        if size.0 == 0 || from == Some(size) {
            return;
        }
        let ledger = self.ledger.clone();
        let job = move || Published::read(&ledger, from, size, note);
        match tokio::task::spawn_blocking(job).await.map_err(ServeError::from) {
            Ok(Ok(published)) => {
                self.tip.send_modify(|tip| tip.published = Some(Arc::new(published)));
            }
            Ok(Err(error)) => tracing::error!(%error, %size, "a checkpoint cannot be proved"),
            Err(error) => tracing::error!(%error, %size, "a checkpoint was not read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::tests::World;

    fn frame(n: u64, kind: Kind) -> Frame {
        let hash = |n: u64| {
            let mut hash = [0; 32];
            hash.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
            ChainHash(hash)
        };
        let link =
            Link { index: Index(n), previous: hash(n), chain: hash(n + 1), received_at: Micros(n) };
        let terms = vec![Term { key: Key::Kind, value: kind.as_str().into() }];
        Frame { link, terms, bytes: Bytes::from_static(&[b'x'; 10_000]) }
    }

    fn ring(entries: impl IntoIterator<Item = u64>) -> Ring {
        let mut ring = Ring::default();
        entries.into_iter().for_each(|n| ring.push(frame(n, Kind::Annotation)));
        ring
    }

    fn check(ring: &Ring, next: u64, expected: Option<(u64, usize)>) {
        let taken = ring.take(Index(next));
        let found = taken.and_then(|frames| Some((frames.first()?.link.index.0, frames.len())));
        assert_eq!(found, expected, "from {next}");
    }

    #[test]
    fn the_ring_serves_what_it_holds_and_nothing_else() {
        let ring = ring(5..105);
        check(&ring, 4, None);
        check(&ring, 5, Some((5, TAKE_FRAMES)));
        check(&ring, 100, Some((100, 5)));
        check(&ring, 105, None);
        check(&ring, u64::MAX, None);
        check(&Ring::default(), 0, None);
    }

    #[test]
    fn only_tokens_of_this_history_go_on_from_the_ring() {
        let (genesis, other) = (ChainHash([1; 32]), ChainHash([2; 32]));
        let mut ring = ring(5..9);
        let chain = |n| frame(n, Kind::Annotation).link.chain;
        let token = |genesis, index, n| Token::new(genesis, Index(index), &chain(n));
        assert_eq!(ring.resume(&token(&genesis, 5, 5)), None, "nothing was read");
        ring.genesis = Some(genesis);
        for index in 5..9 {
            let place = Position { next: Index(index + 1), chain: chain(index) };
            assert_eq!(ring.resume(&token(&genesis, index, index)), Some((genesis, place)));
            assert_eq!(ring.resume(&token(&other, index, index)), None);
            assert_eq!(ring.resume(&token(&genesis, index, index + (1 << 32))), None);
        }
        for index in [0, 4, 9, u64::MAX - 1] {
            assert_eq!(ring.resume(&token(&genesis, index, index)), None, "{index}");
        }
    }

    #[test]
    fn the_ring_is_bounded_and_without_gaps() {
        let full = ring(0..20_000);
        let held = full.frames.len();
        assert!(held < TAIL_RING_FRAMES && full.bytes <= TAIL_RING_BYTES_MAX && held > 6000);
        assert_eq!(full.frames.iter().map(|frame| frame.size_bytes()).sum::<usize>(), full.bytes);
        check(&full, 20_000 - 1, Some((20_000 - 1, 1)));
        let gap = ring((0..9).chain(10..12));
        check(&gap, 8, None);
        check(&gap, 10, Some((10, 2)));
    }

    #[test]
    fn chunks_end_at_the_same_places_and_leave_with_their_frames() {
        let chunk = |ring: &Ring, next| {
            let chunk = ring.take(Index(next)).and_then(|frames| Chunk::join(&frames));
            chunk.map(|chunk| (chunk.first.index.0, chunk.last.index.0, chunk.bytes.len()))
        };
        let mut ring = ring(0..70);
        // Frames of 10,000 bytes: six fit, and none goes past a multiple of 32.
        assert_eq!(chunk(&ring, 0), Some((0, 5, 60_000)));
        assert_eq!(chunk(&ring, 29), Some((29, 31, 30_000)));
        assert_eq!(chunk(&ring, 69), Some((69, 69, 10_000)));
        assert_eq!(chunk(&ring, 70), None);
        let early = ring.take(Index(0)).and_then(|frames| Chunk::join(&frames));
        early.iter().for_each(|chunk| ring.keep(chunk));
        assert!(ring.chunk(Index(0)).is_some());
        ring.push(frame(70, Kind::Redaction));
        assert!(ring.chunk(Index(0)).is_none());
        early.iter().for_each(|chunk| ring.keep(chunk));
        assert!(ring.chunk(Index(0)).is_none(), "it was made before the redaction");
    }

    #[test]
    fn whoever_comes_late_is_not_handed_what_came_live_one_by_one() {
        let mut ring = ring(0..3);
        let last = |ring: &mut Ring, next| {
            let made = ring.take(Index(next)).and_then(|frames| Chunk::join(&frames));
            let chunk = ring.chunk(Index(next)).or(made)?;
            ring.keep(&chunk);
            Some(chunk.last.index.0)
        };
        assert_eq!((last(&mut ring, 0), last(&mut ring, 2)), (Some(2), Some(2)));
        ring.push(frame(3, Kind::Annotation));
        assert_eq!((last(&mut ring, 0), last(&mut ring, 2)), (Some(3), Some(3)));
        // As many as make a chunk.
        (4..20).for_each(|n| ring.push(frame(n, Kind::Annotation)));
        assert_eq!((last(&mut ring, 0), last(&mut ring, 2)), (Some(5), Some(7)));
    }

    #[test]
    fn what_a_redaction_may_have_erased_leaves_the_ring() {
        let mut ring = ring(0..9);
        ring.push(frame(9, Kind::Redaction));
        check(&ring, 8, None);
        check(&ring, 9, Some((9, 1)));
    }

    #[tokio::test]
    async fn whoever_is_not_there_for_its_turn_keeps_it_from_nobody() {
        let world = World::new(1);
        let frames = Frames::start(world.ledger(), CancellationToken::new());
        let turns = u32::try_from(reads()).unwrap_or(u32::MAX);
        let taken = Arc::clone(&frames.reads).acquire_many_owned(turns).await;
        let mut absent: Vec<_> = (0..reads()).map(|_| frames.read(|_ledger| Ok(()))).collect();
        for reading in &mut absent {
            assert!(reading.now_or_never().is_none(), "they wait");
        }
        // From here on nobody asks them.
        drop(taken);
        let next = frames.read(|_ledger| Ok(()));
        assert!(tokio::time::timeout(Duration::from_secs(60), next).await.is_ok());
    }
}
