//! Messages of one stream as they come, in batches.

use std::time::Duration;

use async_nats::jetstream::consumer::{self, PullConsumer, pull};
use futures_util::StreamExt as _;
use schemas::kind::Stream;
use schemas::leaf::Source;
use schemas::limits::{
    BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, BATCH_WAIT_MS_MAX, OP_DRAIN_MS_MAX, PULL_BYTES_MAX,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Trouble;
use crate::incoming::Incoming;

/// The broker's sign of life on an idle pull; two missing ones end the session.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Life of one pull request.
const EXPIRES: Duration = Duration::from_secs(30);

/// A batch in the making. It is kept here and not in a future, so that waiting can be given up.
#[derive(Default)]
struct Gathered {
    messages: Vec<Incoming>,
    bytes: usize,
    deadline: Option<Instant>,
}

impl Gathered {
    fn fits(&self, next: &Incoming) -> bool {
        let bytes = self.bytes.saturating_add(next.bytes().len());
        self.messages.is_empty()
            || (bytes <= BATCH_BYTES_MAX && self.messages.len() < BATCH_MESSAGES_MAX)
    }

    fn push(&mut self, next: Incoming) {
        self.bytes = self.bytes.saturating_add(next.bytes().len());
        let wait = Duration::from_millis(BATCH_WAIT_MS_MAX);
        self.deadline.get_or_insert_with(|| Instant::now() + wait);
        self.messages.push(next);
    }
}

/// The pull on one stream.
pub(crate) struct Feed {
    name: &'static str,
    stream: Stream,
    epoch: [u8; 16],
    consumer: PullConsumer,
    pull: pull::Stream,
    held: Option<Incoming>,
    gathered: Gathered,
    /// Messages that the broker has for us beyond the last one that came, as it said then.
    pending: u64,
    received: u64,
    /// Messages received and coming again at the last look, if something was amiss then.
    stuck_at: Option<(u64, usize)>,
}

impl Feed {
    pub(crate) async fn open(
        consumer: PullConsumer,
        stream: Stream,
        epoch: [u8; 16],
    ) -> Result<Self, Trouble> {
        let name = if stream == Stream::Op { "op" } else { "in" };
        let request = consumer.stream().max_messages_per_batch(BATCH_MESSAGES_MAX);
        let request = request.max_bytes_per_batch(PULL_BYTES_MAX);
        let pull = request.heartbeat(HEARTBEAT).expires(EXPIRES).messages().await;
        let pull = pull.map_err(|error| Trouble::Begin(name, error))?;
        let pending = consumer.cached_info().num_pending;
        let (held, gathered) = (None, Gathered::default());
        let (received, stuck_at) = (0, None);
        Ok(Self {
            name,
            stream,
            epoch,
            consumer,
            pull,
            held,
            gathered,
            pending,
            received,
            stuck_at,
        })
    }

    async fn info(&self) -> Result<consumer::Info, Trouble> {
        self.consumer.get_info().await.map_err(|error| Trouble::Answer {
            request: self.name.to_owned(),
            error: Box::new(error),
        })
    }

    /// Name of the stream, and up to where every message in it is acknowledged.
    pub(crate) async fn acknowledged(&self) -> Result<(String, u64), Trouble> {
        let info = self.info().await?;
        Ok((info.stream_name, info.ack_floor.stream_sequence))
    }

    /// The next message. Nothing is lost if the wait is given up.
    async fn next(&mut self) -> Result<Incoming, Trouble> {
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        let message = match self.pull.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(Trouble::Pull(self.name, error)),
            None => return Err(Trouble::Ended(self.name)),
        };
        let unreadable = |error| Trouble::Answer { request: self.name.to_owned(), error };
        let info = message.info().map_err(unreadable)?;
        self.pending = info.pending;
        self.received += 1;
        let source = Source { epoch: self.epoch, sequence: info.stream_sequence };
        Ok(Incoming::delivered(message, self.stream, source))
    }

    /// The next batch: as much as a commit takes, or what has come within [`BATCH_WAIT_MS_MAX`] of its
    /// first message. Nothing is lost if the wait is given up.
    pub(crate) async fn batch(&mut self) -> Result<Vec<Incoming>, Trouble> {
        loop {
            let next = match self.gathered.deadline {
                None => self.next().await?,
                Some(deadline) => match timeout_at(deadline, self.next()).await {
                    Ok(next) => next?,
                    Err(_elapsed) => break,
                },
            };
            if !self.gathered.fits(&next) {
                self.held = Some(next);
                break;
            }
            self.gathered.push(next);
        }
        Ok(std::mem::take(&mut self.gathered).messages)
    }

    /// Waits until there is a message to [`Feed::drain`].
    pub(crate) async fn ready(&mut self) -> Result<(), Trouble> {
        let next = self.next().await?;
        self.held = Some(next);
        Ok(())
    }

    /// Everything that the stream holds, up to a batch: what has arrived, and what the broker has said
    /// to be on its way.
    pub(crate) async fn drain(&mut self) -> Result<Vec<Incoming>, Trouble> {
        let mut batch = Gathered::default();
        loop {
            let on_its_way = if self.pending > 0 { OP_DRAIN_MS_MAX } else { 0 };
            // Unconstrained: Tokio's budget may be spent, and then even what is here would not come.
            let next = tokio::task::unconstrained(self.next());
            match timeout(Duration::from_millis(on_its_way), next).await {
                Ok(next) => {
                    let next = next?;
                    if !batch.fits(&next) {
                        self.held = Some(next);
                        break;
                    }
                    batch.push(next);
                }
                Err(_elapsed) => {
                    // Waiting again before each commit would slow everything; `check_progress` sees it.
                    self.pending = 0;
                    break;
                }
            }
        }
        Ok(batch.messages)
    }

    /// Whether [`Feed::drain`] left something because the batch was full.
    pub(crate) fn has_more(&self) -> bool {
        self.held.is_some()
    }

    /// Consumers are known to stall, and to deliver what never arrives. To be asked now and then while
    /// nothing keeps us from reading.
    ///
    /// # Errors
    /// [`Trouble::Stalled`] when messages were waiting or coming again at the last look, are now, and
    /// none has come in between.
    pub(crate) async fn check_progress(&mut self) -> Result<(), Trouble> {
        let before = self.stuck_at.take();
        let info = self.info().await?;
        let now = (self.received, info.num_redelivered);
        if info.num_pending == 0 && info.num_redelivered == 0 {
            return Ok(());
        }
        let stalled = before.is_some_and(|(received, redelivered)| {
            received == now.0 || (redelivered > 0 && now.1 > 0)
        });
        self.stuck_at = Some(now);
        if stalled { Err(Trouble::Stalled(self.name)) } else { Ok(()) }
    }
}
