//! The committed entries, published again for machines that follow the log: their JSON, in order of index,
//! on a stream of their own.
//!
//! Each comes at least once. It carries `index`, `chain` and `previous`, so that whoever follows sees a
//! repetition, a gap or another history. How far the stream goes is read from its own last message; it is
//! filled from the store, so that nothing is lost with a broker that loses everything.

use std::convert::Infallible;

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use ledger::{Entry, Ledger, ReadError};
use schemas::id::Index;
use schemas::kind::Kind;
use schemas::limits::COMMITTED_BATCH_MAX;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::broker::{self, Config};
use crate::contact::{check_server, connect};
use crate::error::{IngestError, Stop, Trouble};
use crate::stream::{self, ask, is};
use crate::subjects::Subjects;

/// Publishes what was committed and what will be, until `shutdown`, and through every trouble: nothing
/// that goes wrong here keeps a submission from being taken in.
pub(crate) async fn run(config: Config, ledger: Ledger, shutdown: CancellationToken) {
    let mut attempt = 0;
    let mut reached = 0;
    while let Some(stop) =
        shutdown.run_until_cancelled(session(&config, &ledger, &mut reached)).await
    {
        let Err(stop) = stop;
        // Whoever got on begins to count anew.
        attempt = if std::mem::take(&mut reached) > 0 { 1 } else { attempt + 1 };
        tracing::warn!(attempt, error = %stop, "committed entries are not published; trying again");
        let pause = tokio::time::sleep(broker::pause(attempt));
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// One connection; counts in `reached` what it published.
async fn session(config: &Config, ledger: &Ledger, reached: &mut u64) -> Result<Infallible, Stop> {
    let (client, mut lost) = connect(config).await?;
    check_server(&client)?;
    let mut herald = Herald::new(stream::context(client), config, ledger.clone()).await?;
    tokio::select! {
        () = lost.wait() => Err(Trouble::Disconnected.into()),
        end = herald.follow(reached) => end,
    }
}

/// Who publishes.
struct Herald {
    context: jetstream::Context,
    ledger: Ledger,
    stream: String,
    subject: String,
    /// The entry to be published next.
    next: u64,
    /// Sequence of the stream's last message. The broker takes nothing that does not follow it, so that
    /// one message that it refused leaves no gap, and two servers do not publish at once.
    sequence: u64,
    /// Entries before this one were read from a store that knew of each redaction below it.
    clean: u64,
}

/// A message as the stream keeps it. What is no entry is one of no history.
#[derive(Default)]
struct Kept {
    index: u64,
    chain: String,
}

impl Herald {
    async fn new(
        context: jetstream::Context,
        config: &Config,
        ledger: Ledger,
    ) -> Result<Self, Stop> {
        let subjects = Subjects::new(&config.tenant);
        let (stream, subject) = (subjects.committed_name(), subjects.committed());
        let settings = stream::committed_settings(config);
        let life = stream::ensure_as(&context, &stream, &settings).await?;
        let sequence = life.last_sequence;
        let mut herald = Self { context, ledger, stream, subject, next: 0, sequence, clean: 0 };
        match herald.kept(&json!({ "last_by_subj": herald.subject })).await? {
            None => herald.clean = herald.ledger.head().size.0,
            Some(last) if herald.has(&last)? => {
                herald.next = last.index.saturating_add(1);
                herald.clean = herald.next;
            }
            Some(Kept { index, .. }) => {
                let stream = &herald.stream;
                tracing::error!(stream, index, "the stream holds another history; it follows anew");
            }
        }
        Ok(herald)
    }

    /// Whether this is an entry of our history.
    fn has(&self, kept: &Kept) -> Result<bool, IngestError> {
        let is_there = kept.index < self.ledger.head().size.0;
        Ok(is_there && self.ledger.chain(Index(kept.index))?.to_string() == kept.chain)
    }

    /// The message that this request names; `None` where there is none.
    async fn kept(&self, request: &Value) -> Result<Option<Kept>, Trouble> {
        let name = format!("STREAM.MSG.GET.{}", self.stream);
        match ask(&self.context, &name, request).await {
            Ok(answer) => Ok(Some(Kept::read(&answer).unwrap_or_default())),
            Err(Trouble::Answer { error, .. }) if is(&*error, ErrorCode::NO_MESSAGE_FOUND) => {
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn follow(&mut self, reached: &mut u64) -> Result<Infallible, Stop> {
        let mut head = self.ledger.watch();
        loop {
            let size = head.borrow_and_update().size.0;
            while self.next < size {
                let entries = self.read(size).await?;
                if entries.iter().any(|(index, entry)| self.erases(*index, entry)) {
                    self.forget().await?;
                    continue;
                }
                self.publish(&entries).await?;
                *reached = reached.saturating_add(1);
            }
            if head.changed().await.is_err() {
                // The writer is gone: nothing more will come.
                return std::future::pending().await;
            }
        }
    }

    async fn read(&self, size: u64) -> Result<Vec<(u64, Entry)>, Stop> {
        let (ledger, next) = (self.ledger.clone(), self.next);
        let end = size.min(next.saturating_add(COMMITTED_BATCH_MAX));
        let read =
            move || -> Result<_, ReadError> { Ok((next..end).zip(ledger.entries(next..end)?)) };
        let entries = spawn_blocking(read).await?.map_err(IngestError::from)?;
        Ok(entries.collect())
    }

    /// Whether this entry erased something of what may have been published.
    fn erases(&self, index: u64, entry: &Entry) -> bool {
        let is_redaction = entry.body().is_some_and(|body| body.kind() == Kind::Redaction);
        index >= self.clean && is_redaction
    }

    /// Empties the stream, and begins again with the oldest entry that it held: as the store has it now.
    async fn forget(&mut self) -> Result<(), Stop> {
        let first = self.kept(&json!({ "seq": 1, "next_by_subj": self.subject })).await?;
        self.clean = self.ledger.head().size.0;
        ask(&self.context, &format!("STREAM.PURGE.{}", self.stream), &json!({})).await?;
        // Where nothing was published, nothing has to be published again.
        self.next = first.map_or(self.next, |first| first.index.min(self.next));
        tracing::info!(stream = self.stream, from = self.next, "a redaction: published anew");
        Ok(())
    }

    /// Publishes these and waits until the broker has them.
    async fn publish(&mut self, entries: &[(u64, Entry)]) -> Result<(), Stop> {
        let mut under_way = Vec::with_capacity(entries.len());
        for (at, (_, entry)) in (self.sequence..).zip(entries) {
            let text = entry.view(&entry.shown()).to_text();
            let message =
                PublishMessage::build().payload(Bytes::from(text)).expected_last_sequence(at);
            under_way.push(self.context.send_publish(self.subject.clone(), message).await);
        }
        for ((index, _), sent) in entries.iter().zip(under_way) {
            let refused = |error: jetstream::context::PublishError| Trouble::Publish(error.into());
            let kept = sent.map_err(refused)?.await.map_err(refused)?;
            self.sequence = kept.sequence;
            self.next = index.saturating_add(1);
        }
        Ok(())
    }
}

impl Kept {
    fn read(answer: &Value) -> Option<Self> {
        let data = BASE64_STANDARD.decode(answer.pointer("/message/data")?.as_str()?).ok()?;
        let entry: Value = serde_json::from_slice(&data).ok()?;
        let chain = entry.get("chain")?.as_str()?.to_owned();
        Some(Self { index: entry.get("index")?.as_u64()?, chain })
    }
}
