//! One reader: history from its cursor, then what happens, without a gap or a repetition between them.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use ledger::{Ledger, ReadError};
use schemas::id::{Index, TreeSize};
use schemas::limits::{TAIL_HEARTBEAT_S, TAIL_LIFE_S_MIN, TAIL_WRITE_S_MAX};
use schemas::shape::time_json;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::checkpoint::Published;
use crate::chunks::Chunk;
use crate::cursor::Reset;
use crate::frames::{Frames, Reading, ServeError, Tip, walk_store};
use crate::permit::Permit;
use crate::place::Place;
use crate::sse::{self, Name};
use crate::walk::Walk;

/// Readers come back after this long, and as much again at random so that they do not come together.
const RETRY_MS: u64 = 1_000;
/// The same after a reset, which a reader cannot get past on its own.
const RESET_RETRY_MS: u64 = 30_000;

fn retry(least_ms: u64) -> Bytes {
    sse::retry(spread(least_ms))
}

/// Between `least` and twice that, at random.
fn spread(least: u64) -> u64 {
    let random = RandomState::new().hash_one(least).checked_rem(least).unwrap_or_default();
    least.saturating_add(random)
}

/// What a reader with another history's token gets, and nothing after it.
pub(crate) fn reset(reason: Reset, origin: &str) -> Bytes {
    let data = json!({ "reason": reason.as_str(), "origin": origin });
    [retry(RESET_RETRY_MS), sse::event(None, Name::Reset, &data)].concat().into()
}

/// What a connection is opened with.
pub(crate) struct Opened {
    pub(crate) walk: Walk,
    /// Where its history ended when it connected; the shared frames may be short of that for a moment.
    pub(crate) head: Index,
    /// Size of the checkpoint that the reader verified last.
    pub(crate) checkpoint: Option<TreeSize>,
}

/// A reader that is connected.
pub(crate) struct Tail {
    frames: Arc<Frames>,
    tip: watch::Receiver<Tip>,
    walk: Walk,
    /// Kept from one chunk to the next, and with it the place in the queue.
    reading: Option<Reading<Read>>,
    head: Index,
    phase: Phase,
    /// Size of the last checkpoint that it has.
    checkpoint: Option<TreeSize>,
    /// Whether that came over this connection.
    witnessed: bool,
    /// When it was handed the last chunk.
    given: Option<Instant>,
    permit: Permit,
    /// When the connection has lived long enough.
    life: Instant,
    /// Its place among the open tails.
    _place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing was said yet.
    Opening,
    /// Reading what happened before.
    History,
    /// Reading what happens.
    Live,
    /// Nothing more is said.
    Closed,
}

/// What there is to do for a reader.
enum Step {
    Say(Bytes),
    /// Entries were passed over; there are more.
    More,
    /// Everything was considered, or something is being read.
    Wait,
    /// The reader's window has ended.
    End,
}

/// What was read from the store for a reader.
enum Read {
    /// Its way, taken on.
    Walk(Walk),
    /// A chunk of history, if there is more.
    Past(Option<Chunk>),
    /// The event of a checkpoint of this size.
    Checkpoint(TreeSize, Bytes),
}

/// What was read, once it is; `None` where nothing is being read.
async fn answer(reading: &mut Option<Reading<Read>>) -> Option<Result<Read, ServeError>> {
    let answer = reading.as_mut()?.await;
    *reading = None;
    Some(answer.unwrap_or_else(|error| Err(error.into())))
}

impl Tail {
    pub(crate) fn new(frames: Arc<Frames>, opened: Opened, permit: Permit, place: Place) -> Self {
        let Opened { walk, head, checkpoint } = opened;
        Self {
            tip: frames.tip(),
            frames,
            walk,
            reading: None,
            head,
            phase: Phase::Opening,
            checkpoint,
            witnessed: false,
            given: None,
            permit,
            life: Instant::now() + Duration::from_secs(spread(TAIL_LIFE_S_MIN)),
            _place: place,
        }
    }

    /// The response's body. Nothing is read before it is asked for, so a slow reader costs only time.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut tail| async move {
            let chunk = tail.chunk().await?;
            Some((Ok(chunk), tail))
        })
    }

    async fn chunk(&mut self) -> Option<Bytes> {
        let chunk = match self.phase {
            Phase::Closed => return None,
            Phase::Opening => {
                self.phase = Phase::History;
                retry(RETRY_MS)
            }
            // NOTE: the connection asks for the next chunk once it could pass on the last one. One that
            // never could is not seen here: whoever listens has to end it.
            _ if self.given.is_some_and(is_late) => self.bye("slow"),
            _ => self.serve().await,
        };
        self.given = Some(Instant::now());
        Some(chunk)
    }

    async fn serve(&mut self) -> Bytes {
        let silence = Instant::now() + Duration::from_secs(TAIL_HEARTBEAT_S);
        let until = self.permit.until.map_or(self.life, |until| until.min(self.life));
        let alarm = tokio::time::sleep_until(silence.min(until));
        tokio::pin!(alarm);
        loop {
            if let Some(reason) = self.over() {
                return self.bye(reason);
            }
            let mut step = self.step();
            if let Ok(Step::Wait) = step {
                step = tokio::select! {
                    biased;
                    () = self.permit.revoked.cancelled() => continue,
                    Some(read) = answer(&mut self.reading) => read.and_then(|read| self.take_in(read)),
                    _rung = self.tip.changed() => continue,
                    () = &mut alarm => match self.over() {
                        Some(reason) => return self.bye(reason),
                        None => return self.heartbeat(),
                    },
                };
            }
            match step {
                Ok(Step::Say(bytes)) => return bytes,
                // Passing over entries of the ring waits for nothing, and others have to run here too.
                Ok(Step::More) => tokio::task::yield_now().await,
                Ok(Step::Wait) => {}
                Ok(Step::End) => return self.bye("until"),
                Err(error) => return self.failed(&error),
            }
        }
    }

    /// Why the stream must end, whatever there is to say.
    fn over(&self) -> Option<&'static str> {
        // The bell is taken down by whoever shuts down.
        if self.tip.is_closed() {
            return Some("shutdown");
        }
        let life = || (self.life <= Instant::now()).then_some("life");
        self.permit.ended().or_else(life)
    }

    fn step(&mut self) -> Result<Step, ServeError> {
        if self.reading.is_some() {
            return Ok(Step::Wait);
        }
        let tip = self.tip.borrow_and_update().clone();
        if let Some(published) = &tip.published
            && self.wants(published.size)
        {
            return Ok(self.checkpoint(published));
        }
        if self.walk.has_ended() {
            return Ok(Step::End);
        }
        if self.walk.next().0 < tip.size {
            return self.advance(tip.size);
        }
        if self.phase == Phase::Live || self.walk.next() < self.head {
            return Ok(Step::Wait);
        }
        self.phase = Phase::Live;
        Ok(Step::Say(self.caught_up(&tip)))
    }

    /// Whether a published checkpoint is news. The one that a reader comes with is said once more, so that
    /// it sees that this log has the same.
    fn wants(&self, size: TreeSize) -> bool {
        self.checkpoint.is_none_or(|has| if self.witnessed { has < size } else { has <= size })
    }

    fn checkpoint(&mut self, published: &Arc<Published>) -> Step {
        match (published.made(self.checkpoint), self.checkpoint) {
            (None, Some(sent)) => {
                let published = Arc::clone(published);
                self.read(move |ledger| {
                    let event = published.extending(ledger, sent)?;
                    Ok(Read::Checkpoint(published.size, event))
                })
            }
            (made, _) => self.witness(published.size, made.unwrap_or_default()),
        }
    }

    fn witness(&mut self, size: TreeSize, event: Bytes) -> Step {
        self.checkpoint = Some(size);
        self.witnessed = true;
        Step::Say(event)
    }

    fn advance(&mut self, size: u64) -> Result<Step, ServeError> {
        let next = self.walk.next();
        if self.walk.sees_all()
            && let Some(chunk) = self.frames.chunk(next)
            && let Some(bytes) = self.walk.offer_chunk(&chunk)?
        {
            return Ok(Step::Say(bytes));
        }
        if let Some(frames) = self.frames.hot(next) {
            // A copy, so that an error leaves the cursor at what the reader was really sent.
            let mut walk = self.walk.clone();
            for frame in frames {
                if let ControlFlow::Break(()) = walk.offer(&frame)? {
                    break;
                }
            }
            return Ok(self.walked(walk));
        }
        if self.phase == Phase::Live {
            self.phase = Phase::History;
            return Ok(Step::Say(self.fell_behind(size)));
        }
        if !self.walk.sees_all() {
            return Ok(self.walk_on(size));
        }
        if let Some(chunk) = self.frames.kept(next) {
            return self.pass_on(&chunk, size);
        }
        let (past, genesis) = (self.frames.past(), self.walk.genesis());
        Ok(self.read(move |ledger| Ok(Read::Past(past.read(ledger, &genesis, next, size)?))))
    }

    /// Says a chunk of history; where that begins too early, goes through it.
    fn pass_on(&mut self, chunk: &Chunk, size: u64) -> Result<Step, ServeError> {
        Ok(match self.walk.offer_chunk(chunk)? {
            Some(bytes) => Step::Say(bytes),
            None => self.walk_on(size),
        })
    }

    fn walk_on(&mut self, size: u64) -> Step {
        let walk = self.walk.clone();
        self.read(move |ledger| Ok(Read::Walk(walk_store(ledger, walk, size)?)))
    }

    fn walked(&mut self, walk: Walk) -> Step {
        self.walk = walk;
        self.walk.take().map_or(Step::More, Step::Say)
    }

    fn read(
        &mut self,
        job: impl FnOnce(&Ledger) -> Result<Read, ReadError> + Send + 'static,
    ) -> Step {
        self.reading = Some(self.frames.read(job));
        Step::Wait
    }

    fn take_in(&mut self, read: Read) -> Result<Step, ServeError> {
        match read {
            Read::Walk(walk) => Ok(self.walked(walk)),
            Read::Past(Some(chunk)) => {
                let size = self.tip.borrow().size;
                self.pass_on(&chunk, size)
            }
            Read::Past(None) => Ok(Step::More),
            Read::Checkpoint(size, event) => Ok(self.witness(size, event)),
        }
    }

    fn caught_up(&mut self, tip: &Tip) -> Bytes {
        let last = self.walk.next().0.saturating_sub(1);
        let data = json!({ "index": last, "time": time_json(tip.received_at) });
        sse::event(self.walk.said(), Name::CaughtUp, &data)
    }

    fn fell_behind(&self, size: u64) -> Bytes {
        let next = self.walk.next().0;
        let data = json!({ "index": next, "distance": size.saturating_sub(next) });
        sse::event(None, Name::FellBehind, &data)
    }

    /// A comment, with the id of what was passed over in silence.
    fn heartbeat(&mut self) -> Bytes {
        let id = self.walk.unsaid_id().unwrap_or_default();
        [id, sse::comment()].concat().into()
    }

    fn failed(&mut self, error: &ServeError) -> Bytes {
        match error {
            ServeError::Interrupted(_) => self.bye("shutdown"),
            ServeError::Read(error) => {
                tracing::error!(index = self.walk.next().0, %error, "a tail ends");
                self.bye("unreadable")
            }
        }
    }

    /// The last event, after the id of what was passed over: whoever comes back with it after `until` is
    /// told that there is nothing more.
    fn bye(&mut self, reason: &str) -> Bytes {
        self.phase = Phase::Closed;
        let id = self.walk.unsaid_id().unwrap_or_default();
        [id, sse::event(None, Name::Bye, &json!({ "reason": reason }))].concat().into()
    }
}

/// Whether a client that was handed a chunk at `given` took too long to pass it on.
fn is_late(given: Instant) -> bool {
    given.elapsed() > Duration::from_secs(TAIL_WRITE_S_MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Mutex;

    use schemas::id::Micros;
    use schemas::query::Query;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cursor::Position;
    use crate::filter::Filter;
    use crate::frames::reads;
    use crate::place::Places;
    use crate::sieve::Sieves;
    use crate::tests::World;

    fn tail(world: &World, query: &str) -> Tail {
        let ledger = world.ledger();
        let query = Query::parse(query).unwrap();
        let filter = Filter::new(query, Micros(0), &Sieves::default(), None);
        let position = Position::before(&ledger, Index(0)).unwrap();
        let walk = Walk::new(Arc::new(filter), ledger.chain(Index(0)).unwrap(), position);
        let place = Arc::new(Places::default()).take(None).unwrap();
        let frames = Arc::new(Frames::start(ledger, CancellationToken::new()));
        let opened = Opened { walk, head: Index(0), checkpoint: None };
        Tail::new(frames, opened, Permit::default(), place)
    }

    #[tokio::test]
    async fn thousands_can_listen() {
        let stream = tail(&World::new(1), "").into_stream();
        let kept = size_of_val(&stream);
        assert!(kept <= 1024, "{kept} bytes of each reader");
    }

    #[tokio::test]
    async fn a_client_that_takes_too_long_is_let_go() {
        let mut tail = tail(&World::new(1), "");
        assert!(tail.chunk().await.unwrap().starts_with(b"retry: "));
        let limit = Duration::from_secs(TAIL_WRITE_S_MAX + 1);
        tail.given = tail.given.and_then(|given| given.checked_sub(limit));
        assert_eq!(tail.chunk().await.unwrap(), b"event: bye\ndata: {\"reason\":\"slow\"}\n\n"[..]);
        assert_eq!(tail.chunk().await, None);
    }

    #[tokio::test]
    async fn a_connection_that_lived_long_enough_ends() {
        let mut tail = tail(&World::new(1), "");
        let lives = tail.life.saturating_duration_since(Instant::now()).as_secs();
        assert!((TAIL_LIFE_S_MIN - 1..TAIL_LIFE_S_MIN * 2).contains(&lives), "{lives}");
        assert!(tail.chunk().await.unwrap().starts_with(b"retry: "));
        tail.life = Instant::now();
        assert_eq!(tail.chunk().await.unwrap(), b"event: bye\ndata: {\"reason\":\"life\"}\n\n"[..]);
        assert_eq!(tail.chunk().await, None);
    }

    #[tokio::test]
    async fn whoever_waits_for_its_turn_is_told_of_its_end() {
        let mut world = World::new(1);
        for _ in 0..5 {
            world.append(500, 1);
        }
        let mut tail = tail(&world, "");
        let (begun, mut begins) = tokio::sync::mpsc::channel(reads());
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        // Others have all the turns, for as long as they like.
        for _ in 0..reads() {
            let (begun, ended) = (begun.clone(), Arc::clone(&ended));
            tokio::spawn(tail.frames.read(move |_ledger| {
                begun.blocking_send(()).unwrap();
                ended.lock().unwrap().recv().ok();
                Ok(())
            }));
        }
        for _ in 0..reads() {
            begins.recv().await.unwrap();
        }
        let revoked = tail.permit.revoked.clone();
        let bye = async {
            while !matches!(tail.phase, Phase::Closed) {
                let chunk = tail.chunk().await.unwrap();
                assert!(!chunk.starts_with(b"id: "), "{chunk:?}");
            }
        };
        // First it waits for its turn, and then it learns of it.
        let both = async { tokio::join!(bye, async { revoked.cancel() }) };
        tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        drop(end);
    }

    #[tokio::test]
    async fn a_heartbeat_tells_what_was_passed_over() {
        let world = World::new(1);
        let mut tail = tail(&world, "agent:nobody");
        let size = world.ledger().head().size.0;
        assert!(matches!(tail.advance(size).unwrap(), Step::Wait));
        let read = answer(&mut tail.reading).await.unwrap().unwrap();
        assert!(matches!(tail.take_in(read).unwrap(), Step::More));
        let heartbeat = tail.heartbeat();
        assert!(heartbeat.starts_with(b"id: ") && heartbeat.ends_with(b"\ndata:\n\n:\n\n"));
        assert_eq!(tail.heartbeat(), sse::comment());
    }
}
