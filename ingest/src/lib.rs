//! From the broker into the ledger, and back to the publishers.
//!
//! [`run`] is the whole story: pull, check on every core, append, reply, acknowledge. The broker is not
//! trusted to keep anything, to deliver once, or in order; a message that comes again is answered with
//! its original receipt. What goes wrong at the broker is tried again until it works; what goes wrong
//! at the ledger ends the process.
//!
//! ```no_run
//! use ingest::{Broker, Config};
//! # async fn example(writer: ledger::Writer, tenant: schemas::id::Tenant) -> Result<(), ingest::IngestError> {
//! let shutdown = tokio_util::sync::CancellationToken::new();
//! let config = Config::new(Broker::at("nats://127.0.0.1:14222"), tenant);
//! let clock = || schemas::id::Micros(1_775_606_400_000_000);
//! ingest::run(writer, config, clock, shutdown).await
//! # }
//! ```
//!
//! It is *not* the ledger: it decides nothing about a submission. It is the only crate that names NATS.

mod broker;
mod commit;
mod committed;
mod contact;
mod door;
mod error;
mod feed;
mod incoming;
mod link;
mod mailbox;
mod mark;
mod orphan;
mod permissions;
mod publish;
mod replies;
mod room;
mod screen;
mod server;
mod stream;
mod subjects;
mod version;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ledger::{Retention, Writer};
use schemas::id::Micros;
use schemas::limits::RETAIN_EVERY_S;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use broker::{Broker, Config, Connection, Tls};
pub use door::{Door, DoorError};
pub use error::{BrokerError, IngestError, MarkFault, PublishError, Refusal};
pub use mailbox::Replies;
pub use permissions::permissions;
pub use publish::Publisher;
pub use room::Room;
pub use server::{OwnServer, ServerError, find, start};
pub use version::Version;

use commit::{Desk, Pen};
use contact::{Contact, Entry};
use door::{Knocks, knocked};
use error::{Stop, Trouble};
use link::Link;

/// Takes submissions in until `shutdown`, and through every trouble with the broker.
///
/// `clock` is the ledger's. Needs a Tokio runtime with time and I/O.
///
/// # Errors
/// [`IngestError`] when the ledger cannot commit, or when the broker is refused or the configuration
/// cannot work before anything was ever read. The process must end.
pub async fn run(
    writer: Writer,
    config: Config,
    clock: impl Fn() -> Micros + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> Result<(), IngestError> {
    let ledger = writer.ledger();
    let mut pen = Pen { writer, cursors: None, has_read: false, clock: Arc::new(clock) };
    let mut knocks = config.door.listen().await;
    let publishing = || committed::run(config.clone(), ledger.clone(), shutdown.clone());
    let _published = config.committed.then(|| AbortOnDropHandle::new(tokio::spawn(publishing())));
    let mut attempt = 0;
    loop {
        let known = pen.cursors.clone();
        let open = shutdown.run_until_cancelled(Contact::open(&config, &ledger, known.as_ref()));
        let (back, opened) = Box::pin(attended(pen, &mut knocks, config.retention, open)).await?;
        pen = back;
        let Some(opened) = opened else { return Ok(()) };
        let trouble = match opened {
            Ok(contact) => {
                let before = ledger.head().size;
                let session = session(pen, contact, &config, &mut knocks, &shutdown);
                let (back, end) = Box::pin(session).await?;
                pen = back;
                if ledger.head().size > before {
                    attempt = 0;
                }
                let Some(trouble) = end else { return Ok(()) };
                trouble
            }
            Err(Stop::Trouble(trouble)) => trouble,
            Err(Stop::Fatal(error)) => {
                if let IngestError::Mark(MarkFault::Beyond { note, .. }) = &error {
                    // The file went back in time with the store: from now on it says so itself.
                    pen.writer.adopt_mark(note)?;
                }
                return Err(error);
            }
        };
        let trouble = trouble.unless_final(!pen.has_read)?;
        attempt += 1;
        tracing::warn!(attempt, error = %trouble, "no submissions come in; trying again");
        let pause = tokio::time::sleep(broker::pause(attempt));
        let pause = shutdown.run_until_cancelled(pause);
        let (back, rested) = attended(pen, &mut knocks, config.retention, pause).await?;
        pen = back;
        let Some(()) = rested else { return Ok(()) };
    }
}

/// Does `work` without the broker, and takes in whoever comes to the door meanwhile.
async fn attended<T>(
    mut pen: Pen,
    knocks: &mut Knocks,
    retention: Retention,
    work: impl Future<Output = T>,
) -> Result<(Pen, T), IngestError> {
    let mut work = pin!(work);
    let every = Duration::from_secs(RETAIN_EVERY_S);
    let mut time = tokio::time::interval_at(Instant::now() + every, every);
    loop {
        let direct = tokio::select! {
            biased;
            done = &mut work => return Ok((pen, done)),
            direct = knocked(knocks) => direct,
            _ = time.tick() => {
                pen = pen.wait_out(retention).await?;
                continue;
            }
        };
        // Who follows the broker's announcements catches up once it is back.
        (pen, _) = pen.commit(direct, Vec::new()).await?;
    }
}

/// One session. Gives the pen back with what ended it: nothing, on shutdown.
async fn session(
    mut pen: Pen,
    mut contact: Contact,
    config: &Config,
    knocks: &mut Knocks,
    shutdown: &CancellationToken,
) -> Result<(Pen, Option<Trouble>), IngestError> {
    pen.cursors = Some(contact.cursors.clone());
    if !contact.regressions.is_empty() {
        let note = contact.regressions.join("; ");
        tracing::error!(note, "the broker lost its streams or their messages");
        pen = pen.incident("broker_regression", note).await?;
    }
    let mut link = loop {
        let entry = shutdown.run_until_cancelled(contact.enter()).await;
        match entry {
            Some(Ok(Entry::Free(link))) => break link,
            Some(Ok(Entry::Odd(odd))) => {
                let done;
                (pen, done) = pen.commit(Vec::new(), odd).await?;
                if let Err(stop) = contact.answer(&done).await {
                    return Ok((pen, Some(stop.unless_fatal()?)));
                }
            }
            Some(Err(trouble)) => return Ok((pen, Some(trouble))),
            None => return Ok((pen, None)),
        }
    };
    tracing::info!(tenant = %config.tenant, "submissions come in");
    pen.has_read = true;
    config.connection.send_replace(Connection::Up);
    let mut desk = Desk::new(pen);
    let end = pump(&mut contact, &mut link, &mut desk, knocks, config, shutdown).await;
    config.connection.send_replace(Connection::Down);
    let trouble = end.err().map(Stop::unless_fatal).transpose()?;
    let (pen, last) = desk.close().await?;
    if let Some(done) = last
        && trouble.is_none()
        && let Err(error) = contact.answer(&done).await
    {
        tracing::warn!(%error, "the last replies did not go out; they will when asked for again");
    }
    Ok((pen, trouble))
}

/// Pull, check, append, reply, acknowledge. While one batch is committed, the next is pulled and
/// checked; before each commit the `op` stream is drained, and what it held goes first. While the disk is short, it is
/// drained alone: events stay at the broker.
async fn pump(
    contact: &mut Contact,
    link: &mut Link,
    desk: &mut Desk,
    knocks: &mut Knocks,
    config: &Config,
    shutdown: &CancellationToken,
) -> Result<(), Stop> {
    let mut direct = Vec::new();
    loop {
        // Seen again within a second, with the next `rest`.
        let is_short = config.room.borrow().is_short();
        let Link { op, input, rest, watchdog, retain } = link;
        let done = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = contact.lost.wait() => return Err(Trouble::Disconnected.into()),
            progress = desk.progress() => progress?,
            ready = op.ready(), if desk.is_free() => ready.map(|()| None)?,
            handed = knocked(knocks), if desk.is_free() => { direct.extend(handed); None }
            batch = input.batch(), if desk.has_room() && !is_short => { desk.check(batch?); None }
            _ = rest.tick(), if desk.is_free() => { desk.rest(); None }
            _ = retain.tick(), if desk.is_free() => { desk.pass_time(config.retention); None }
            _ = watchdog.tick() => {
                if desk.has_moved() {
                    link.check_progress(is_short).await?;
                }
                None
            }
        };
        if desk.is_free() {
            let first = match link.op.drain().await {
                Ok(first) => first,
                Err(stop) => {
                    // Who came to the door is taken in, whatever becomes of the broker.
                    desk.start(direct, Vec::new(), true);
                    return Err(stop.into());
                }
            };
            desk.start(std::mem::take(&mut direct), first, link.op.has_more());
        }
        if let Some(done) = done {
            contact.answer(&done).await?;
            if done.erased {
                contact.forget(link).await;
            }
        }
    }
}
