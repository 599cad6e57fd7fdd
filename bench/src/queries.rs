//! How long questions take over HTTP, beside the same ones to PostgreSQL over its socket, in turns and in one run; and
//! beside two floors: a page's bytes that are there already, and every core at work for as long as a large workflow takes
//! at best.
//!
//! Both sides hold the same entries (`load.rs`) and answer with the same JSON of each; where both answers can be
//! held against each other they are, outside of what is measured. Two differ: of a workflow sworn answers the
//! graph that it rebuilt and proved, PostgreSQL the bare entries; and its pages come with the tree they speak of.

mod cluster;
mod draw;
mod generate;
mod http;
mod load;
mod postgres;
mod question;
mod sides;
mod spin;
mod table;
mod team;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ledger::Ledger;
use schemas::id::Index;
use schemas::terms::Key;
use schemas::tree::TILE_WIDTH;
use tempfile::TempDir;

use crate::round::Failure;
use cluster::Cluster;
use draw::{Draw, Sort};
use http::Server;
use postgres::Postgres;
use sides::{Asked, Sides};
use spin::Spin;
use table::Row;

/// Questions of each sort that are asked before the measured ones.
const WARM_UP: usize = 30;
/// Questions of a sort that one side is asked in a row: right behind other work a processor's caches hold nothing of
/// one's own.
const TURN: usize = 30;

/// What the second floor takes where nothing comes in between.
const SPIN: Duration = Duration::from_millis(5);

/// Entries that are read at a time beforehand.
const CHUNK: u64 = 10_000;

/// Of so many neighbouring entries the statements share a block, and the ids.
const STRIDE: usize = 8;

/// What to measure.
pub(crate) struct Plan<'a> {
    /// Entries of the ledger.
    pub(crate) entries: usize,
    /// Measured questions of each sort.
    pub(crate) requests: usize,
    /// With a ledger of a tenth of the entries first.
    pub(crate) growth: bool,
    /// Where ledger and database are kept, or were kept before.
    pub(crate) keep: Option<&'a Path>,
    /// A PostgreSQL that is there already.
    pub(crate) postgres: Option<&'a str>,
    /// Without any PostgreSQL: it takes about 5 KB of disk for an entry.
    pub(crate) alone: bool,
    /// Only questions whose names hold this; their values are not those of a run of all.
    pub(crate) only: &'a str,
    /// GiB of memory that the ledger may keep what it read in.
    pub(crate) cache_gib: usize,
}

/// Asks and prints.
///
/// # Errors
/// If a side fails, or both answer differently.
pub(crate) fn run(plan: &Plan<'_>) -> Result<(), Failure> {
    ledger::share_block_cache(plan.cache_gib << 30);
    let whole = u64::try_from(plan.entries)?;
    let sizes = if plan.growth { vec![whole / 10, whole] } else { vec![whole] };
    let mut tables = Vec::new();
    for entries in sizes {
        let rows = measure(plan, entries)?;
        table::print(entries, &rows);
        tables.push(rows);
    }
    if let [before, after] = tables.as_slice() {
        table::print_growth(before, after);
    }
    Ok(())
}

/// A directory that is kept, or one that is not.
struct Place {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Place {
    fn of(keep: Option<&Path>, name: &str) -> Result<Self, Failure> {
        if let Some(keep) = keep {
            return Ok(Self { path: keep.join(name), _temporary: None });
        }
        let temporary = tempfile::tempdir()?;
        Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
    }
}

fn measure(plan: &Plan<'_>, entries: u64) -> Result<Vec<Row>, Failure> {
    let place = Place::of(plan.keep, &format!("ledger-{entries}"))?;
    let ledger = generate::ledger(&place.path, entries)?;
    let data = Place::of(plan.keep, &format!("postgres-{entries}"))?;
    let cluster = match plan.postgres {
        None if !plan.alone => Cluster::start(&data.path)?,
        _ => None,
    };
    let mut postgres = match (plan.postgres, &cluster) {
        (Some(url), _) => Some(Postgres::at(url)?),
        (None, Some(cluster)) => Some(cluster.connect()?),
        (None, None) => {
            println!("sworn alone, without PostgreSQL");
            None
        }
    };
    if let Some(postgres) = &mut postgres {
        load::load(postgres, &ledger)?;
        load::warm(postgres)?;
    }
    warm(&ledger)?;
    let server = Server::start(ledger.clone())?;
    let mut sides = Sides { client: server.connect()?, postgres };
    let mut sorts = Vec::new();
    let mut draw = Draw::new(&ledger)?;
    for (name, sort) in Sort::ALL.iter().filter(|(name, _)| name.contains(plan.only)) {
        let count = plan.requests + WARM_UP;
        let questions = draw.questions(*sort, count, &mut sides.client, sides.postgres.as_mut())?;
        sorts.push(Asked::new(name, questions));
    }
    let floor = Server::ready(sides.page(&sorts)?)?;
    let (mut ready, mut floor_row) = (floor.connect()?, Row::new("floor: a page that is ready", 1));
    let rounds = plan.requests + WARM_UP;
    for (turn, from) in (0..rounds).step_by(TURN).enumerate() {
        let rounds = from..rounds.min(from + TURN);
        for round in rounds.clone() {
            let began = Instant::now();
            ready.get("/")?;
            if round >= WARM_UP {
                floor_row.add(began.elapsed().as_secs_f64(), None);
            }
        }
        sides.take_turns(&mut sorts, &rounds, turn % 2 == 0)?;
    }
    let floors = [floor_row, cores_row(plan.requests)];
    Ok(floors.into_iter().chain(sorts.iter().map(Asked::row)).collect())
}

/// Not in turns with the questions: what keeps every core busy shows in what is asked right behind it.
fn cores_row(requests: usize) -> Row {
    let (spin, mut row) = (Spin::of(SPIN), Row::new("floor: all cores for 5 ms", 1));
    for _ in 0..requests {
        // One core works on in between, as a client does.
        spin.run(1);
        row.add(spin.run(spin.cores()).as_secs_f64(), None);
    }
    row
}

/// Reads in what will be asked for, as PostgreSQL's side does.
fn warm(ledger: &Ledger) -> Result<(), Failure> {
    let size = ledger.head().size;
    let mut ids = ledger.ids();
    for from in (0..size.0).step_by(usize::try_from(CHUNK)?) {
        let entries = ledger.entries(from..from + CHUNK)?;
        for id in entries.iter().step_by(STRIDE).filter_map(|entry| entry.leaf.id) {
            ids.find(id)?;
        }
        let within = from..size.0.min(from + CHUNK);
        for index in within.clone().step_by(STRIDE).map(Index) {
            ledger.statement(index)?;
        }
        for index in within.step_by(TILE_WIDTH.into()).map(Index) {
            ledger.inclusion(index, size)?;
        }
    }
    for key in [draw::KEYS, &[Key::Corr, Key::Principal]].concat() {
        for term in ledger.terms(key, "", usize::MAX)? {
            let mut postings = ledger.postings(key, &term.value);
            let mut at = 0;
            while let Some(index) = postings.at_or_after(at)? {
                at = index.0 + 1;
            }
        }
    }
    Ok(())
}
