//! The writer's desk: one batch is committed while the signatures of the next are checked.

use std::sync::Arc;

use bytes::Bytes;
use ledger::{
    Checked, ColumnFamily, Committed, Cursor, Ledger, Memo, ReadError, Retention, Submission, Via,
    Writer, check,
};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use schemas::id::{Index, Micros, TreeSize, hex};
use schemas::kind::Stream;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::door::{Handed, Knock};
use crate::error::IngestError;
use crate::incoming::Incoming;

/// Reads the ledger's clock.
pub(crate) type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// How far both streams were taken in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursors {
    pub(crate) input: Cursor,
    pub(crate) op: Cursor,
}

impl Cursors {
    fn raise(&mut self, message: &Incoming) {
        let cursor = if message.stream == Stream::Op { &mut self.op } else { &mut self.input };
        cursor.sequence = cursor.sequence.max(message.source.sequence);
    }
}

/// The writer and what travels with it. Whoever has the pen commits.
pub(crate) struct Pen {
    pub(crate) writer: Writer,
    /// `None` until a broker was reached.
    pub(crate) cursors: Option<Cursors>,
    /// Whether any session has come as far as reading.
    pub(crate) has_read: bool,
    pub(crate) clock: Clock,
}

impl Pen {
    /// Records what an auditor must know, and then where the streams stand, lest it be found again.
    pub(crate) async fn incident(
        self,
        code: &'static str,
        note: String,
    ) -> Result<Self, IngestError> {
        let mut pen = self;
        spawn_blocking(move || {
            pen.writer.incident(code, &note, (pen.clock)())?;
            pen.append(Vec::new(), std::iter::empty())?;
            Ok(pen)
        })
        .await?
    }

    /// Commits messages on their own.
    pub(crate) async fn commit(
        self,
        direct: Vec<Knock>,
        first: Vec<Incoming>,
    ) -> Result<(Self, Done), IngestError> {
        let (ledger, turn) = (self.writer.ledger(), Turn { pen: self, direct, first });
        spawn_blocking(move || turn.commit(&ledger, &[], Vec::new())).await?
    }

    /// Does what time alone brings, where it may wait for the disk.
    pub(crate) async fn wait_out(self, retention: Retention) -> Result<Self, IngestError> {
        let (pen, _nothing) = spawn_blocking(move || self.pass_time(retention)).await??;
        Ok(pen)
    }

    /// What time alone brings: findings that fell due, and the end of what is kept too long.
    fn pass_time(mut self, retention: Retention) -> Result<(Self, Done), IngestError> {
        let now = (self.clock)();
        if self.writer.findings_are_due(now)? {
            self.append(Vec::new(), std::iter::empty())?;
        }
        if self.writer.retains(&retention) {
            self.writer.retain(&retention, now)?;
        }
        Ok((self, Done::default()))
    }

    /// Publishes the head's note, which commits do at most once a second.
    fn publish(mut self) -> Result<(Self, Done), IngestError> {
        self.writer.publish()?;
        Ok((self, Done::default()))
    }

    /// Records memos, and tells who handed them over; they may have gone.
    fn record(&mut self, memos: Vec<(Memo, oneshot::Sender<()>)>) -> Result<(), IngestError> {
        if memos.is_empty() {
            return Ok(());
        }
        let (memos, answers): (Vec<_>, Vec<_>) = memos.into_iter().unzip();
        self.writer.record(&memos, (self.clock)())?;
        for answer in answers {
            answer.send(()).ok();
        }
        Ok(())
    }

    /// Commits submissions that came directly, then messages of the broker.
    fn append<'m>(
        &mut self,
        mut batch: Vec<Submission<'m>>,
        messages: impl Iterator<Item = (&'m Incoming, Checked<'m>)>,
    ) -> Result<Committed, IngestError> {
        let mut cursors = self.cursors.clone();
        let submission = |(message, checked): (&'m Incoming, Checked<'m>)| {
            if let Some(cursors) = &mut cursors {
                cursors.raise(message);
            }
            let (stream, token) = (Some(message.stream), Some(message.token()));
            let via = Via { stream, token, source: Some(message.source) };
            Submission { message: message.bytes(), via, checked }
        };
        batch.extend(messages.map(submission));
        self.cursors = cursors;
        // Both each time, so that a new life of a quiet stream is remembered, too.
        let known = self.cursors.iter().flat_map(|known| [known.input.clone(), known.op.clone()]);
        Ok(self.writer.append(batch, (self.clock)(), &known.collect::<Vec<_>>())?)
    }
}

/// A commit that is synced and marked; what remains is to tell.
#[derive(Default)]
pub(crate) struct Done {
    /// What may be acknowledged once the replies are out.
    pub(crate) messages: Vec<Incoming>,
    /// One a message, in order.
    pub(crate) replies: Vec<Bytes>,
    /// JSON for the control subject.
    pub(crate) announcements: Vec<Bytes>,
    /// Whether a redaction was carried out: the broker's files hold what it erased.
    pub(crate) erased: bool,
}

/// The pen, and what goes first.
struct Turn {
    pen: Pen,
    /// Who waits at the door.
    direct: Vec<Knock>,
    first: Vec<Incoming>,
}

type Work = JoinHandle<Result<(Pen, Done), IngestError>>;
type Ask = oneshot::Sender<Turn>;

/// A batch whose commit has not begun. Dropped, it comes to nothing: its messages were not
/// acknowledged.
struct Ahead {
    work: Work,
    asks: oneshot::Receiver<Ask>,
    ask: Option<Ask>,
}

/// Where the pen lies.
pub(crate) struct Desk {
    ledger: Ledger,
    pen: Option<Pen>,
    running: Option<Work>,
    ahead: Option<Ahead>,
    moved: bool,
    seen: TreeSize,
}

impl Desk {
    pub(crate) fn new(pen: Pen) -> Self {
        let ledger = pen.writer.ledger();
        let seen = TreeSize(0);
        Self { ledger, pen: Some(pen), running: None, ahead: None, moved: false, seen }
    }

    /// Whether no commit runs.
    pub(crate) fn is_free(&self) -> bool {
        self.pen.is_some()
    }

    /// Whether a batch may be given to [`Desk::check`].
    pub(crate) fn has_room(&self) -> bool {
        self.ahead.is_none()
    }

    /// Whether no commit has kept us from reading since this was last asked.
    pub(crate) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved) || self.is_free()
    }

    /// Begins to check a batch; it asks for the pen when that is done.
    pub(crate) fn check(&mut self, batch: Vec<Incoming>) {
        let (ask, asks) = oneshot::channel();
        let ledger = self.ledger.clone();
        let work = spawn_blocking(move || check_and_commit(&ledger, batch, ask));
        self.ahead = Some(Ahead { work, asks, ask: None });
    }

    /// Starts the next commit, if there is one: `direct` and `first` stand before the batch that was checked.
    /// With `first_only` that batch waits for another turn.
    pub(crate) fn start(&mut self, direct: Vec<Knock>, first: Vec<Incoming>, first_only: bool) {
        let Some(pen) = self.pen.take() else { return };
        let asking = self.ahead.take_if(|ahead| !first_only && ahead.ask.is_some());
        if let Some(Ahead { work, ask: Some(ask), .. }) = asking {
            // If the thread is gone, the pen is gone with it, and joining the thread says why.
            ask.send(Turn { pen, direct, first }).ok();
            self.running = Some(work);
        } else if first.is_empty() && direct.is_empty() {
            self.pen = Some(pen);
        } else {
            let (ledger, turn) = (self.ledger.clone(), Turn { pen, direct, first });
            self.running = Some(spawn_blocking(move || turn.commit(&ledger, &[], Vec::new())));
        }
    }

    /// Publishes the head's note if no commit has come since this was last called and none has done it.
    pub(crate) fn rest(&mut self) {
        let head = self.ledger.head();
        let quiet = std::mem::replace(&mut self.seen, head.size) == head.size;
        if quiet
            && head.published.0 < head.size
            && let Some(pen) = self.pen.take()
        {
            self.running = Some(spawn_blocking(move || pen.publish()));
        }
    }

    /// Does what time alone brings.
    pub(crate) fn pass_time(&mut self, retention: Retention) {
        if let Some(pen) = self.pen.take() {
            self.running = Some(spawn_blocking(move || pen.pass_time(retention)));
        }
    }

    /// Waits until a commit has ended, or until a batch is checked, which is `None`. Nothing is lost if
    /// the wait is given up.
    pub(crate) async fn progress(&mut self) -> Result<Option<Done>, IngestError> {
        tokio::select! {
            result = ended(&mut self.running) => {
                self.running = None;
                self.moved = true;
                let (pen, done) = result?;
                self.pen = Some(pen);
                Ok(Some(done))
            }
            checked = checked(&mut self.ahead) => checked.map(|()| None),
        }
    }

    /// Ends with the commit that runs, if any; what was only checked comes to nothing.
    pub(crate) async fn close(mut self) -> Result<(Pen, Option<Done>), IngestError> {
        if let Some(Ahead { work, asks, ask }) = self.ahead.take() {
            drop((asks, ask));
            // Waited for, because it reads from the store; without the pen it does nothing else.
            work.await?.ok();
        }
        let done = if self.running.is_some() { self.progress().await? } else { None };
        let pen = self.pen.ok_or(IngestError::NoWriter)?;
        let (pen, _nothing) = spawn_blocking(move || pen.publish()).await??;
        Ok((pen, done))
    }
}

/// Waits for the commit that runs; without one, for ever.
async fn ended(running: &mut Option<Work>) -> Result<(Pen, Done), IngestError> {
    match running {
        Some(work) => work.await?,
        None => std::future::pending().await,
    }
}

/// Waits until the batch ahead asks for the pen; if it has or there is none, for ever.
async fn checked(ahead: &mut Option<Ahead>) -> Result<(), IngestError> {
    let Some(ahead) = ahead.as_mut().filter(|ahead| ahead.ask.is_none()) else {
        return std::future::pending().await;
    };
    match (&mut ahead.asks).await {
        Ok(ask) => ahead.ask = Some(ask),
        // It ended without asking: its thread panicked, and says so when joined.
        Err(_closed) => (&mut ahead.work).await?.map(drop)?,
    }
    Ok(())
}

fn check_all<'m>(ledger: &Ledger, messages: &'m [Incoming]) -> Vec<Checked<'m>> {
    let keys = ledger.key_set();
    messages.par_iter().map(|message| check(message.bytes(), &keys)).collect()
}

fn check_and_commit(
    ledger: &Ledger,
    batch: Vec<Incoming>,
    ask: oneshot::Sender<Ask>,
) -> Result<(Pen, Done), IngestError> {
    let checked = check_all(ledger, &batch);
    let (turn, comes) = oneshot::channel();
    ask.send(turn).map_err(|_closed| IngestError::NoWriter)?;
    let turn = comes.blocking_recv().map_err(|_closed| IngestError::NoWriter)?;
    let (pen, mut done) = turn.commit(ledger, &batch, checked)?;
    done.messages.extend(batch);
    Ok((pen, done))
}

impl Turn {
    fn commit(
        self,
        ledger: &Ledger,
        batch: &[Incoming],
        checked: Vec<Checked<'_>>,
    ) -> Result<(Pen, Done), IngestError> {
        let Self { mut pen, direct, first } = self;
        let (mut handed, mut memos) = (Vec::new(), Vec::new());
        for knock in direct {
            match knock {
                Knock::Submission(submission) => handed.push(submission),
                Knock::Memo(memo, answer) => memos.push((memo, answer)),
            }
        }
        let keys = ledger.key_set();
        let urgent = check_all(ledger, &first);
        let messages = first.iter().zip(urgent).chain(batch.iter().zip(checked));
        let direct = handed.iter().map(|Handed { message, .. }| Submission {
            message,
            via: Via::default(),
            checked: check(message, &keys),
        });
        let committed = pen.append(direct.collect(), messages)?;
        let mut replies = committed.replies.iter().map(|reply| Bytes::from(reply.encode()));
        for (submission, reply) in handed.into_iter().zip(replies.by_ref()) {
            submission.answer(reply);
        }
        let replies = replies.collect();
        let announce = |index: &Index| announcement(ledger, *index);
        let announcements = committed.control.iter().map(announce).collect::<Result<_, _>>()?;
        pen.record(memos)?;
        Ok((pen, Done { messages: first, replies, announcements, erased: committed.erased }))
    }
}

/// `{"index", "entry", "receipt"}`: an entry that changes what a signer may do, with its proof in hex.
fn announcement(ledger: &Ledger, index: Index) -> Result<Bytes, IngestError> {
    let missing = ReadError::Missing { family: ColumnFamily::Leaves, index };
    let entry = ledger.entry(index)?.ok_or(missing)?;
    let json = json!({
        "index": index.0,
        "entry": entry.view(&entry.shown()).to_json(),
        "receipt": hex(&ledger.receipt(index)?),
    });
    Ok(json.to_string().into())
}
