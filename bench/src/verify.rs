//! Verification: of a whole ledger, and of its last hundredth after the rest was verified.

use std::path::Path;
use std::time::Instant;

use ledger::{Audit, Config, Writer};
use schemas::id::{Micros, TreeSize};

use crate::events::{START_US, Workload, key};
use crate::floors;
use crate::ingest::{batches, checked, create};
use crate::round::{Failure, Series, rate};

/// Events whose signatures the floor verifies: enough to fill every core for a while.
const FLOOR_EVENTS: usize = 20_000;

/// Grows a ledger to `entries`, one hundredth a round, and verifies it each time in both ways.
pub(crate) fn run(entries: usize, rounds: usize) -> Result<(), Failure> {
    let slice = entries / 100;
    let all = Workload::new(entries, 1);
    let floor = Workload::new(FLOOR_EVENTS.min(entries), 1);
    let directory = tempfile::tempdir()?;
    let (store, state) = (directory.path().join("store"), directory.path().join("state"));
    let config = Config { store: store.clone(), mark: directory.path().join("mark/bench.note") };
    let (before, slices) = all.messages.split_at(entries.saturating_sub(slice * rounds));
    let began = Instant::now();
    let mut writer = create(directory.path())?;
    append(&mut writer, &all.registrations)?;
    append(&mut writer, before)?;
    drop(writer);
    println!("{} entries written in {:.0} s", before.len(), began.elapsed().as_secs_f64());
    verify(&store, Some(&state))?;
    let [mut strict, mut whole, mut last] =
        ["verify_strict, all cores", "verify, whole ledger", "verify, last hundredth"]
            .map(Series::new);
    let mut shares = Vec::new();
    for slice in slices.chunks(slice.max(1)) {
        let mut writer = ledger::open(&config, key(1))?;
        append(&mut writer, slice)?;
        drop(writer);
        strict.add(floors::verify_strict(&floor)?);
        let began = Instant::now();
        let size = verify(&store, None)?;
        let took = began.elapsed();
        let began = Instant::now();
        verify(&store, Some(&state))?;
        let incremental = began.elapsed();
        whole.add(rate(usize::try_from(size.0)?, took));
        last.add(rate(slice.len(), incremental));
        let share = 100.0 * incremental.as_secs_f64() / took.as_secs_f64();
        println!(
            "{} entries: whole {took:.1?}, last {} {incremental:.2?}, {share:.1} %",
            size.0,
            slice.len()
        );
        shares.push(share);
    }
    println!();
    for series in [&strict, &whole, &last] {
        println!("{}", series.line(&strict));
    }
    shares.sort_by(f64::total_cmp);
    let median = shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN);
    println!("the last hundredth takes {median:.1} % of the whole (median)");
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

fn verify(store: &Path, state: Option<&Path>) -> Result<TreeSize, Failure> {
    let report = ledger::audit(&Audit { store, trust: None, mark: None, state }, &|_progress| {})?;
    match report.divergences.first() {
        None => Ok(report.size),
        Some(divergence) => Err(divergence.to_string().into()),
    }
}
