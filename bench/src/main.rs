//! Benchmarks: `cargo run -p bench -- --help`.
//!
//! Every figure stands beside its floor from the same run, as a ratio, because machines are noisy:
//! rounds are interleaved, and median and spread are printed.

mod admission;
mod events;
mod floors;
mod ingest;
mod noise;
mod queries;
mod random;
mod receipts;
mod round;
mod tail;
mod verify;

use clap::Parser;
use mimalloc::MiMalloc;
use round::Series;

/// The product's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What sworn costs, side by side with its floors.
#[derive(Parser)]
struct Arguments {
    /// Events in one round.
    #[arg(long, default_value_t = 20_000)]
    events: usize,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Events under one signature in the batched run.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Measure the time from publishing to a verified receipt instead, through a real nats-server.
    #[arg(long)]
    receipts: bool,
    /// Measure instead what it costs to decide on an event in a large registry, in memory.
    #[arg(long)]
    admission: bool,
    /// Show instead how often the rules flag well-behaved agents, in simulated months.
    #[arg(long)]
    noise: bool,
    /// Measure instead what the rules cost at each event of 10,000 agents, in memory and in a ledger.
    #[arg(long)]
    rules: bool,
    /// Measure verification instead, of a ledger and of its last hundredth.
    #[arg(long)]
    verify: bool,
    /// Measure the live tail instead, through real connections.
    #[arg(long)]
    tail: bool,
    /// Most readers of the tail; ten times as many idle connections.
    #[arg(long, default_value_t = 1_000, requires = "tail")]
    readers: usize,
    /// How long each rate is offered to the tail.
    #[arg(long, default_value_t = 4, requires = "tail")]
    seconds: usize,
    /// Break the tail's connections instead while 5,000 events a second come in, and hold every reader against the log.
    #[arg(long, requires = "tail")]
    splice: bool,
    /// Connections that break at least.
    #[arg(long, default_value_t = 10_000, requires = "splice")]
    connects: usize,
    /// Measure instead what slow and hostile readers do to those who publish and to other readers.
    #[arg(long, requires = "tail", conflicts_with = "splice")]
    hostile: bool,
    /// Readers that take a byte a second.
    #[arg(long, default_value_t = 100, requires = "hostile")]
    slow: usize,
    /// Readers that come back at once.
    #[arg(long, default_value_t = 5_000, requires = "hostile")]
    storm: usize,
    /// Entries that their tokens are behind.
    #[arg(long, default_value_t = 100, requires = "hostile")]
    behind: usize,
    /// Events a second that are published meanwhile.
    #[arg(long, default_value_t = 100, requires = "hostile")]
    offered: usize,
    /// Measure instead what readers cost the server alone: its CPU for a frame, its memory for a silent connection.
    #[arg(long, requires = "tail", conflicts_with_all = ["splice", "hostile"])]
    apart: bool,
    /// Attack the server at this address with readers that go on behind this token: for a bench that starts this one.
    #[arg(long, hide = true, requires = "hostile", requires = "token")]
    attack: Option<std::net::SocketAddr>,
    #[arg(long, hide = true, requires = "attack")]
    token: Option<String>,
    /// Serve so many constant frames and print the address: for a bench that starts this one.
    #[arg(long, hide = true, requires = "tail")]
    constant: Option<usize>,
    /// Measure instead how long questions take over HTTP, beside the same ones to PostgreSQL.
    #[arg(long, conflicts_with = "verify")]
    queries: bool,
    /// A PostgreSQL that is there already, as `postgres://user@host:port/database`, without a password and
    /// with a database to overwrite; otherwise one is started if it is installed.
    #[arg(long, value_name = "URL", requires = "queries")]
    postgres: Option<String>,
    /// Without PostgreSQL, which takes about 5 KB of disk for an entry.
    #[arg(long, requires = "queries", conflicts_with = "postgres")]
    alone: bool,
    /// Ask a ledger of a tenth of the entries first, to show how answers grow.
    #[arg(long, requires = "queries")]
    growth: bool,
    /// Times that each question is asked.
    #[arg(long, default_value_t = 300, requires = "queries")]
    requests: usize,
    /// Only the questions whose names hold this, as `workflow of 1,000`.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "queries")]
    only: String,
    /// GiB of memory that the ledger may keep what it read in; PostgreSQL has a quarter of the machine's and the system's
    /// cache.
    #[arg(long, value_name = "GIB", default_value = "2", requires = "queries")]
    cache: std::num::NonZero<usize>,
    /// Entries of the ledger that is verified or asked.
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
    /// Directory that keeps this ledger, for another run.
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
}

fn main() -> Result<(), round::Failure> {
    let arguments = Arguments::parse();
    if arguments.tail {
        return tail(&arguments);
    }
    let Arguments { events, rounds, batch, receipts, admission, .. } = arguments;
    let Arguments { noise, rules, verify, entries, keep, .. } = arguments;
    let Arguments { queries, postgres, growth, alone, requests, only, cache, .. } = arguments;
    if queries {
        let (keep, postgres, only) = (keep.as_deref(), postgres.as_deref(), only.as_str());
        let cache_gib = cache.get();
        return queries::run(&queries::Plan {
            entries,
            requests,
            growth,
            keep,
            postgres,
            alone,
            only,
            cache_gib,
        });
    }
    if verify {
        return verify::run(&verify::Plan { entries, batch, rounds, keep: keep.as_deref() });
    }
    if noise {
        return noise::run(noise::FULL);
    }
    if rules {
        return noise::cost();
    }
    if admission {
        return admission::run(events, rounds);
    }
    if receipts {
        return receipts::run(rounds);
    }
    println!("{events} events a round, {rounds} rounds, {} threads", rayon::current_num_threads());
    let single = events::Workload::new(events, 1);
    let batched = events::Workload::new(events, batch);
    println!("{} bytes a submission of one event, real syncs\n", single.bytes() / events.max(1));
    let mut verify = Series::new("verify_strict, all cores");
    let mut raw = Series::new("raw RocksDB, synced batches");
    let mut core = Series::new("ingest core, 1 event a signature");
    let mut ruled = Series::new("the same, with rules and findings");
    let mut grouped = Series::new("ingest core, batched signatures");
    for round in 1..=rounds {
        verify.add(floors::verify_strict(&single)?);
        raw.add(floors::raw_rocksdb(&single)?);
        core.add(ingest::core(&single, false)?);
        ruled.add(ingest::core(&single, true)?);
        grouped.add(ingest::core(&batched, false)?);
        println!("round {round} done");
    }
    println!();
    for series in [&verify, &raw, &core, &ruled, &grouped] {
        println!("{}", series.line(&verify));
    }
    Ok(())
}

fn tail(arguments: &Arguments) -> Result<(), round::Failure> {
    let Arguments { seconds, readers, rounds, .. } = *arguments;
    if let Some(frames) = arguments.constant {
        return tail::constant(frames);
    }
    if arguments.splice {
        return tail::splice(arguments.connects, seconds);
    }
    if arguments.hostile {
        let Arguments { slow, storm, behind, offered, .. } = *arguments;
        if let (Some(address), Some(token)) = (arguments.attack, &arguments.token) {
            return tail::attack(address, slow, storm, token);
        }
        return tail::hostile(&tail::Hostile { slow, storm, behind, seconds, rounds, offered });
    }
    let plan = tail::Plan { seconds, readers, rounds };
    if arguments.apart { tail::apart(&plan) } else { tail::run(&plan) }
}
