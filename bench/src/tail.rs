//! The live tail: from the end of a commit to the frame at the client, what a frame costs, what an idle
//! connection costs. Beside it, in the same round: a minimal server that writes a constant frame over the
//! same HTTP stack, and the same entries over nats-server. Apart from that: whether anything is lost where
//! connections break, and what slow and hostile readers do to the others.

mod apart;
mod floor;
mod hostile;
mod process;
mod reader;
mod splice;
mod summary;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use futures_util::future::try_join_all;
use ledger::{Ledger, Writer};
use schemas::id::Micros;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::events::{START_US, Workload};
use crate::ingest::{checked, create};
use crate::receipts::Latencies;
use crate::round::Failure;
use reader::{Moments, Reader};
use summary::Summary;

/// Offered rates, in events a second.
const RATES: [usize; 2] = [1_000, 5_000];
/// Open tails.
const READERS: [usize; 3] = [1, 100, 1_000];
/// Frames for each second of the plan, and readers, of the fan-out.
const FRAMES: usize = 1_000;
const FANNED: usize = 100;
/// Of these so many take every frame apart; the others take the bytes, as another machine would.
const WATCHED_MAX: usize = 10;
/// Commits a second.
const COMMITS: usize = 100;
/// Idle connections.
const IDLE: usize = 10_000;

pub(crate) use hostile::Plan as Hostile;

/// What is measured.
pub(crate) struct Plan {
    /// How long each rate is offered, in seconds.
    pub(crate) seconds: usize,
    /// Most readers, connections and subscribers at once.
    pub(crate) readers: usize,
    /// Interleaved rounds.
    pub(crate) rounds: usize,
}

/// Runs everything once in each round and prints what was seen.
pub(crate) fn run(plan: &Plan) -> Result<(), Failure> {
    rounds(plan, &async |plan: &Plan, summary: &mut Summary| {
        latencies(plan, summary).await?;
        costs(plan, summary).await
    })
}

/// The same without latencies.
pub(crate) fn apart(plan: &Plan) -> Result<(), Failure> {
    rounds(plan, &costs)
}

fn rounds(
    plan: &Plan,
    round_of: &impl AsyncFn(&Plan, &mut Summary) -> Result<(), Failure>,
) -> Result<(), Failure> {
    process::allow_many_files()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut summary = Summary::default();
    for round in 1..=plan.rounds {
        println!("round {round}");
        runtime.block_on(round_of(plan, &mut summary))?;
    }
    summary.print();
    Ok(())
}

async fn costs(plan: &Plan, summary: &mut Summary) -> Result<(), Failure> {
    apart::fan_out(plan.seconds * FRAMES, plan.readers.min(FANNED), summary).await?;
    apart::idle(plan.readers.saturating_mul(10).min(IDLE), summary).await
}

async fn latencies(plan: &Plan, summary: &mut Summary) -> Result<(), Failure> {
    for offered in RATES {
        for readers in READERS.into_iter().filter(|readers| *readers <= plan.readers) {
            let of = format!("{offered}/s, {readers} readers");
            let workload = Workload::new(offered * plan.seconds, 1);
            let taken = floor::constant(&workload, offered, readers).await?;
            summary.add_latencies(&format!("constant frame, {of}"), &taken);
            let taken = floor::broker(&workload, offered, readers).await?;
            summary.add_latencies(&format!("nats-server, {of}"), &taken);
            let dropped = (workload.events * readers).saturating_sub(taken.count());
            if dropped > 0 {
                println!(
                    "  nats-server dropped {dropped} messages of subscribers that were too slow"
                );
            }
            let taken = tail(&workload, offered, readers).await?;
            summary.add_latencies(&format!("tail, {of}"), &taken);
        }
    }
    Ok(())
}

/// Breaks so many connections while events come in for so many seconds, and holds every reader against the log.
pub(crate) fn splice(connects: usize, seconds: usize) -> Result<(), Failure> {
    process::allow_many_files()?;
    tokio::runtime::Runtime::new()?.block_on(splice::run(connects, seconds))
}

/// Measures with slow and hostile readers, and without.
pub(crate) fn hostile(plan: &Hostile) -> Result<(), Failure> {
    process::allow_many_files()?;
    tokio::runtime::Runtime::new()?.block_on(hostile::run(plan))
}

/// Attacks a server, for a bench that started this one.
pub(crate) fn attack(
    address: SocketAddr,
    slow: usize,
    storm: usize,
    token: &str,
) -> Result<(), Failure> {
    tokio::runtime::Runtime::new()?.block_on(hostile::attack(address, slow, storm, token))
}

/// Serves constant frames, for a bench that started this one.
pub(crate) fn constant(frames: usize) -> Result<(), Failure> {
    tokio::runtime::Runtime::new()?.block_on(floor::serve_constant(frames))
}

/// A ledger that agents are registered in, with its tail on a port.
struct Served {
    _directory: tempfile::TempDir,
    writer: Option<Writer>,
    ledger: Ledger,
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Served {
    async fn new(workload: &Workload) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let mut writer = create(directory.path(), false)?;
        let keys = writer.ledger().key_set();
        writer.append(checked(&workload.registrations, &keys), Micros(START_US), &[])?;
        let (ledger, shutdown) = (writer.ledger(), CancellationToken::new());
        let routes = tail::routes(ledger.clone(), shutdown.clone());
        let address = serve(routes, &shutdown).await?;
        Ok(Self { _directory: directory, writer: Some(writer), ledger, address, shutdown })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Serves these routes on a port of this machine.
async fn serve(routes: Router, shutdown: &CancellationToken) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let served =
        axum::serve(listener, routes).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::spawn(async move { served.await });
    Ok(address)
}

/// From the end of the commit to the frame at the client.
async fn tail(workload: &Workload, offered: usize, readers: usize) -> Result<Latencies, Failure> {
    let mut served = Served::new(workload).await?;
    let first = usize::try_from(served.ledger.head().size.0)?;
    let moments = Arc::new(Moments::new(first + workload.events));
    let connected = connect(served.address, readers).await?;
    let reading = tokio::spawn(read_all(connected, Arc::clone(&moments)));
    let mut writer = served.writer.take().ok_or("the writer is there")?;
    let keys = served.ledger.key_set();
    let (messages, told) = (workload.messages.clone(), Arc::clone(&moments));
    let writing = tokio::task::spawn_blocking(move || {
        let mut next = first;
        for (tick, batch) in (1u64..).zip(paced(&messages, offered_at(offered))) {
            let now = Micros(START_US + tick * 10_000);
            writer.append(checked(batch, &keys), now, &[])?;
            let end = next + batch.len();
            told.set(next..end);
            next = end;
        }
        Ok::<_, Failure>(writer)
    });
    let writer = writing.await??;
    let taken = reading.await??;
    drop(writer);
    Ok(Latencies::new(taken))
}

/// Events of one commit at this rate.
fn offered_at(rate: usize) -> usize {
    (rate / COMMITS).max(1)
}

/// Groups of `step`, each at its moment.
fn paced<T>(all: &[T], step: usize) -> impl Iterator<Item = &[T]> {
    let start = Instant::now();
    let period = Duration::from_secs(1) / u32::try_from(COMMITS).unwrap_or(u32::MAX);
    (0u32..).zip(all.chunks(step)).map(move |(n, group)| {
        let due = start + period * n;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
            std::thread::park_timeout(left);
        }
        group
    })
}

/// Readers that have caught up.
async fn connect(address: SocketAddr, readers: usize) -> Result<Vec<Reader>, Failure> {
    let connect = || async move {
        let mut reader = Reader::connect(address, "").await?;
        reader.until("caught-up").await?;
        Ok::<_, Failure>(reader)
    };
    try_join_all((0..readers).map(|_| connect())).await
}

/// Reads until every watched reader has every entry; how long each took.
async fn read_all(readers: Vec<Reader>, moments: Arc<Moments>) -> Result<Vec<Duration>, Failure> {
    let mut watched = readers;
    let others = watched.split_off(watched.len().min(WATCHED_MAX));
    let drains: Vec<_> = others.into_iter().map(|reader| tokio::spawn(reader.drain())).collect();
    let watch = |reader: Reader| {
        let moments = Arc::clone(&moments);
        async move { tokio::spawn(reader.watch(moments)).await? }
    };
    let taken = try_join_all(watched.into_iter().map(watch)).await?;
    drains.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(taken.concat())
}
