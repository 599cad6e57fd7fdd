//! Verification: of a whole ledger, and of its last hundredth after the rest was verified.

use std::fs;
use std::path::Path;
use std::time::Instant;

use ledger::{Audit, AuditState, Config, Writer};
use schemas::id::{Micros, TreeSize};

use crate::events::{START_US, Workload, key};
use crate::floors;
use crate::ingest::{batches, checked, create};
use crate::round::{Failure, Series, rate};

/// Events whose signatures the floor verifies: enough to fill every core for a while.
const FLOOR_EVENTS: usize = 20_000;

/// What to measure.
pub(crate) struct Plan<'a> {
    /// Entries of the ledger.
    pub(crate) entries: usize,
    /// Events under one signature.
    pub(crate) batch: usize,
    /// Interleaved rounds.
    pub(crate) rounds: usize,
    /// Where the ledger is kept, or was kept before.
    pub(crate) keep: Option<&'a Path>,
}

/// Verifies a ledger in both ways, in turns.
pub(crate) fn run(plan: &Plan<'_>) -> Result<(), Failure> {
    let temporary = tempfile::tempdir()?;
    let directory = plan.keep.unwrap_or(temporary.path());
    let (store, kept) = (directory.join("copy"), directory.join("verified"));
    if !directory.join("done").exists() {
        build(plan, directory, &kept)?;
    }
    let floor = Workload::new(FLOOR_EVENTS.min(plan.entries), 1);
    let [mut strict, mut whole, mut last] =
        ["verify_strict, all cores", "verify, whole ledger", "verify, last hundredth"]
            .map(Series::new);
    let mut shares = Vec::new();
    for round in 1..=plan.rounds {
        let state = temporary.path().join(format!("state-{round}"));
        copy(&kept, &state)?;
        strict.add(floors::verify_strict(&floor)?);
        let began = Instant::now();
        let (size, _) = verify(&store, None)?;
        let took = began.elapsed();
        let began = Instant::now();
        let (_, before) = verify(&store, Some(&state))?;
        let incremental = began.elapsed();
        let new = usize::try_from(size.0.saturating_sub(before.0))?;
        whole.add(rate(usize::try_from(size.0)?, took));
        last.add(rate(new, incremental));
        let share = 100.0 * incremental.as_secs_f64() / took.as_secs_f64();
        println!("{size} entries: whole {took:.1?}, last {new} {incremental:.2?}, {share:.2} %");
        shares.push(share);
        fs::remove_dir_all(&state)?;
    }
    println!();
    for series in [&strict, &whole, &last] {
        println!("{}", series.line(&strict));
    }
    shares.sort_by(f64::total_cmp);
    let median = shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN);
    println!("the last hundredth takes {median:.2} % of the whole (median)");
    Ok(())
}

/// Makes the ledger and a copy of it, which is what operators verify, after verifying all but its last hundredth.
fn build(plan: &Plan<'_>, directory: &Path, kept: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory)?;
    let all = Workload::new(plan.entries, plan.batch);
    let store = directory.join("store");
    let config = Config { store: store.clone(), mark: directory.join("mark/bench.note") };
    let (before, since) = all.messages.split_at(all.messages.len() / 100 * 99);
    let began = Instant::now();
    let mut writer = create(directory, false)?;
    append(&mut writer, &all.registrations)?;
    append(&mut writer, before)?;
    drop(writer);
    let (size, _) = verify(&store, Some(kept))?;
    let mut writer = ledger::open(&config, key(1))?;
    append(&mut writer, since)?;
    writer.ledger().copy_to(&directory.join("copy"))?;
    drop(writer);
    fs::write(directory.join("done"), size.to_string())?;
    println!("{} entries written in {:.0} s", all.events, began.elapsed().as_secs_f64());
    Ok(())
}

fn append(writer: &mut Writer, messages: &[Vec<u8>]) -> Result<(), Failure> {
    for batch in batches(messages) {
        let ledger = writer.ledger();
        let batch = checked(batch, &ledger.key_set());
        let now = Micros(START_US.saturating_add(ledger.head().size.0.saturating_mul(20)));
        writer.append(batch, now, &[])?;
    }
    Ok(writer.publish()?)
}

/// Copies a directory and those in it.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from)? {
        let file = file?;
        let (path, to) = (file.path(), to.join(file.file_name()));
        if path.is_dir() {
            copy(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}

/// Size of the ledger, and entries that were verified before.
fn verify(store: &Path, state: Option<&Path>) -> Result<(TreeSize, TreeSize), Failure> {
    let state = state.map(|directory| AuditState { directory, now: Micros(START_US) });
    let report = ledger::audit(&Audit { store, trust: None, mark: None, state }, &|_progress| {})?;
    match report.divergences.first() {
        None => Ok((report.size, report.before)),
        Some(divergence) => Err(divergence.to_string().into()),
    }
}
