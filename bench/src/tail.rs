//! The live tail: from the end of a commit to the frame at the client, what a frame costs, what an idle
//! connection costs. Beside it, in the same round: a minimal server that writes a constant frame over the
//! same HTTP stack, and the same entries over nats-server.

mod floor;
mod reader;

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
use crate::ingest::{batches, checked, create};
use crate::receipts::Latencies;
use crate::round::{Failure, rate};
use reader::{Moments, Reader};

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
/// Idle connections, unless fewer file descriptors are allowed.
const IDLE: usize = 10_000;
/// File descriptors that the rest of the process needs.
const OTHER_FILES: usize = 500;

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
    let runtime = tokio::runtime::Runtime::new()?;
    for round in 1..=plan.rounds {
        println!("round {round}");
        for offered in RATES {
            for readers in READERS.into_iter().filter(|readers| *readers <= plan.readers) {
                let of = format!("{offered}/s, {readers} readers");
                let workload = Workload::new(offered * plan.seconds, 1);
                let taken = runtime.block_on(floor::constant(&workload, offered, readers))?;
                println!("  {}", taken.line(&format!("constant frame, {of}")));
                let taken = runtime.block_on(floor::broker(&workload, offered, readers))?;
                println!("  {}", taken.line(&format!("nats-server, {of}")));
                let taken = runtime.block_on(tail(&workload, offered, readers))?;
                println!("  {}", taken.line(&format!("tail, {of}")));
            }
        }
        let (frames, readers) = (plan.seconds * FRAMES, plan.readers.min(FANNED));
        let bare = runtime.block_on(floor::fan_out(frames, readers))?;
        let own = runtime.block_on(fan_out(frames, readers))?;
        println!(
            "  {frames} frames to {readers} readers: {own:.0} a second of CPU, constant {bare:.0}, {:.2} x",
            own / bare
        );
        let connections = plan.readers.saturating_mul(10).min(IDLE).min(files()? / 2);
        let idle = runtime.block_on(idle(connections))?;
        println!("  {connections} idle connections: {idle:.1} KiB each, both ends");
    }
    Ok(())
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

/// Frames a second of CPU, server and clients together, where `frames` entries wait for every reader.
async fn fan_out(frames: usize, readers: usize) -> Result<f64, Failure> {
    let workload = Workload::new(frames, 1);
    let mut served = Served::new(&workload).await?;
    let mut writer = served.writer.take().ok_or("the writer is there")?;
    let keys = served.ledger.key_set();
    for (tick, batch) in (1u64..).zip(batches(&workload.messages)) {
        writer.append(checked(batch, &keys), Micros(START_US + tick * 10_000), &[])?;
    }
    let begun = cpu()?;
    let read = |_| async {
        let mut reader = Reader::connect(served.address, "?since=0").await?;
        reader.count(workload.events).await
    };
    try_join_all((0..readers).map(read)).await?;
    Ok(rate(frames * readers, cpu()?.saturating_sub(begun)))
}

/// Kibibytes of memory that each of so many idle connections costs, both ends in this process.
async fn idle(connections: usize) -> Result<f64, Failure> {
    let served = Served::new(&Workload::new(1, 1)).await?;
    let before = memory_kib()?;
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut reader = Reader::connect(served.address, "").await?;
        reader.until("caught-up").await?;
        open.push(reader.slim());
    }
    let grown = u32::try_from(memory_kib()?.saturating_sub(before))?;
    Ok(f64::from(grown) / f64::from(u32::try_from(connections.max(1))?))
}

/// CPU time of this process, from Linux's own account.
fn cpu() -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The name in the second field may hold anything, so what follows it is counted from its end.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    // A hundred ticks a second on every machine that Linux runs on.
    let ticks = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn memory_kib() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(kib.parse()?)
}

/// File descriptors that may still be opened.
fn files() -> Result<usize, Failure> {
    let text = std::fs::read_to_string("/proc/self/limits")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().next()).ok_or("no limit of files")?;
    Ok(most.parse::<usize>().unwrap_or(usize::MAX).saturating_sub(OTHER_FILES))
}
