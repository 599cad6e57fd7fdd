//! Two ledgers of the same events: the rules look at one of them, and at the other none does.
//!
//! What the first takes longer is what the rules cost with all that they bring: rows read and written, findings signed
//! and committed. Both take their turns one after the other, as measurements in one run do.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
use schemas::id::Micros;

use super::book::Book;
use super::month::{Arrival, Cast};
use crate::ingest::checked;
use crate::round::{Costs, Failure};

/// What is counted of the store: whatever is read is sought first in what is not yet in files.
const READS: [(&str, PerfMetric); 5] = [
    ("rows looked up in the store", PerfMetric::GetFromMemtableCount),
    ("bytes of these", PerfMetric::GetReadBytes),
    ("scans begun in the store", PerfMetric::SeekOnMemtableCount),
    ("blocks of files, from the cache", PerfMetric::BlockCacheHitCount),
    ("blocks of files, read", PerfMetric::BlockReadCount),
];

/// The ledgers.
pub(crate) struct Pair {
    ruled: Book,
    bare: Book,
    turns: u64,
}

/// Signed events of commits that follow each other.
pub(crate) struct Turn {
    messages: Vec<Vec<u8>>,
    /// When each commit is made.
    times: Vec<Micros>,
    size: usize,
}

/// What the thread that commits spends, and what it has of it.
pub(crate) struct Spent {
    wall: Duration,
    cpu: Duration,
    reads: [u64; READS.len()],
    entries: u64,
}

/// What commits of one size cost.
pub(crate) struct Commits {
    /// Events a commit.
    pub(crate) size: usize,
    turn: usize,
    ruled: Costs,
    bare: Costs,
    rules: Costs,
    cpu: Costs,
    measured: u64,
    /// Of the ledger with rules, and of the other.
    reads: [[u64; READS.len()]; 2],
    entries: [u64; 2],
}

impl Pair {
    pub(crate) fn new(cast: &Cast) -> Result<Self, Failure> {
        // As much for each of them as one has.
        ledger::share_block_cache(2 * ledger::BLOCK_CACHE_BYTES);
        set_perf_stats(PerfStatsLevel::EnableCount);
        Ok(Self { ruled: Book::new(cast, true)?, bare: Book::new(cast, false)?, turns: 0 })
    }

    /// What each spends on a turn, the one with rules first; who begins changes.
    ///
    /// # Errors
    /// If anything is not committed.
    pub(crate) fn take(&mut self, turn: &Turn) -> Result<(Spent, Spent), Failure> {
        self.turns += 1;
        // Every second time would be the same for each of two sizes of commits that take turns.
        if (self.turns / 2).is_multiple_of(2) {
            let ruled = take(&mut self.ruled, turn)?;
            return Ok((ruled, take(&mut self.bare, turn)?));
        }
        let bare = take(&mut self.bare, turn)?;
        Ok((take(&mut self.ruled, turn)?, bare))
    }
}

fn take(book: &mut Book, turn: &Turn) -> Result<Spent, Failure> {
    let keys = book.writer.ledger().key_set();
    let batches: Vec<_> =
        turn.messages.chunks(turn.size).map(|batch| checked(batch, &keys)).collect();
    let before = book.size();
    let mut context = PerfContext::default();
    context.reset();
    let (began, cpu_before) = (Instant::now(), cpu()?);
    for (batch, at) in batches.into_iter().zip(&turn.times) {
        book.append(batch, *at)?;
    }
    Ok(Spent {
        cpu: cpu()?.saturating_sub(cpu_before),
        wall: began.elapsed(),
        reads: READS.map(|(_, metric)| context.metric(metric)),
        entries: book.size() - before,
    })
}

/// CPU time that this thread has used, from Linux's own account, which is up to date when it yields.
fn cpu() -> Result<Duration, Failure> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().ok_or("no CPU time")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

impl Turn {
    /// Commits of so many events, each made when its last event arrives.
    pub(crate) fn new(cast: &Cast, arrivals: &[Arrival], size: usize) -> Self {
        let messages = arrivals.par_iter().map(|arrival| cast.sign(arrival)).collect();
        let last = |commit: &[Arrival]| commit.last().map(|arrival| Micros(arrival.at));
        let times = arrivals.chunks(size).filter_map(last).collect();
        Self { messages, times, size }
    }
}

impl Commits {
    pub(crate) fn new(size: usize, turn: usize) -> Self {
        Self {
            size,
            turn,
            ruled: Costs::new("an event"),
            bare: Costs::new("the same, no rule looking"),
            rules: Costs::new("the rules, that is the difference"),
            cpu: Costs::new("the same, CPU of the thread alone"),
            measured: 0,
            reads: Default::default(),
            entries: [0; 2],
        }
    }

    /// Events of one measurement.
    pub(crate) fn events(&self) -> usize {
        self.size * self.turn
    }

    pub(crate) fn add(&mut self, ruled: &Spent, bare: &Spent) {
        let events = self.events();
        self.ruled.add(events, ruled.wall);
        self.bare.add(events, bare.wall);
        self.rules.add_beyond(events, ruled.wall, bare.wall);
        self.cpu.add_beyond(events, ruled.cpu, bare.cpu);
        self.measured += u64::try_from(events).unwrap_or_default();
        for (side, spent) in [ruled, bare].into_iter().enumerate() {
            if let (Some(reads), Some(entries)) =
                (self.reads.get_mut(side), self.entries.get_mut(side))
            {
                reads.iter_mut().zip(spent.reads).for_each(|(sum, more)| *sum += more);
                *entries += spent.entries;
            }
        }
    }

    pub(crate) fn print(&self, floor: &Costs) {
        println!("\nin commits of {}, with their findings:", self.size);
        for costs in [&self.ruled, &self.bare, &self.rules, &self.cpu] {
            println!("{}", costs.line(floor));
        }
        let [ruled, bare] = self.reads;
        for (((name, _), ruled), bare) in READS.iter().zip(ruled).zip(bare) {
            self.print_shares(name, [ruled, bare]);
        }
        let [ruled, bare] = self.entries;
        println!("{} findings after {} events", ruled.saturating_sub(bare), self.measured);
    }

    /// So much for each event, with rules and without.
    fn print_shares(&self, name: &str, sides: [u64; 2]) {
        let share = |sum: u64| {
            let thousandths = sum.saturating_mul(1000) / self.measured.max(1);
            format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
        };
        let [ruled, bare] = sides.map(share);
        println!("{name:<34} {ruled:>12} an event, {bare} without");
    }
}
