//! How often the rules cry wolf: months of well-behaved agents, in memory, and what is flagged all the same.
//!
//! `month.rs` lets time pass; `agent.rs` says what an agent does in a session, by its `trade.rs` and the hour
//! (`rhythm.rs`); `registrar.rs` keeps registry, credentials, grants and contracts in order; `judge.rs` runs the rules.

mod agent;
mod judge;
mod month;
pub(crate) mod publisher;
mod registrar;
mod rhythm;
#[cfg(test)]
mod tests;
mod trade;

use std::collections::BTreeMap;

use crate::admission;
use crate::events::Workload;
use crate::round::{Costs, Failure};
use judge::Judge;
use month::Month;

pub(crate) const DAY_US: u64 = 86_400_000_000;
/// When the first month begins, a Monday: 2026-03-02T00:00:00Z.
pub(crate) const START_US: u64 = 1_772_409_600_000_000;
/// Days of a month here.
const MONTH_DAYS: u64 = 28;

/// How much happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) agents: usize,
    pub(crate) days: u64,
    /// Sessions in a thousand of the usual ones.
    pub(crate) pace: u64,
    /// Another seed, another run of chance.
    pub(crate) seed: u64,
}

/// Two months of about a million events each, the first of which is learnt from.
pub(crate) const FULL: Plan = Plan { agents: 50, days: 2 * MONTH_DAYS, pace: 1600, seed: 1 };

/// As many agents as a large tenant has, for two days. The second is measured: what the first leaves behind ends then.
const LARGE: Plan = Plan { agents: 10_000, days: 2, pace: 200, seed: 1 };
/// Signatures that are verified between two slices of the day.
const SIGNATURES: usize = 2_000;
/// Events of a slice.
const SLICE: usize = 20_000;

/// Flagged entries by rule, for each month; those that were held back count.
pub(crate) type Tallies = BTreeMap<&'static str, Vec<u64>>;

/// Runs both months and prints what was flagged.
///
/// # Errors
/// If an event is refused, or an agent gives a false finding a week or more in a month.
pub(crate) fn run(plan: Plan) -> Result<(), Failure> {
    let mut judge = Judge::new(plan);
    let mut month = Month::new(plan);
    while let Some(arrival) = month.next() {
        judge.take(&arrival)?;
    }
    judge.end();
    print(&judge, plan);
    let weeks = weeks(plan);
    match judge.totals().into_iter().all(|total| total < weeks) {
        true => Ok(()),
        false => Err("a false finding or more for each agent and week".into()),
    }
}

/// Shows what the rules cost at each event of a large tenant, beside one verification of a signature, and what they
/// remember of each agent.
///
/// # Errors
/// If an event is refused.
pub(crate) fn cost() -> Result<(), Failure> {
    let signed = Workload::new(SIGNATURES, 1);
    let (mut verify, mut rules) = (Costs::new("one verify_strict"), Costs::new("all rules"));
    let (mut judge, mut month) = (Judge::new(LARGE), Month::new(LARGE));
    loop {
        let slice: Vec<_> = std::iter::from_fn(|| month.next()).take(SLICE).collect();
        if slice.len() < SLICE {
            break;
        }
        for arrival in &slice {
            judge.take(arrival)?;
        }
        let taken = judge.taken();
        if slice.first().is_none_or(|first| first.at < START_US + DAY_US) {
            continue;
        }
        rules.add(SLICE, taken);
        verify.add(SIGNATURES, admission::verify_strict(&signed)?);
    }
    let events: u64 = judge.events.iter().sum();
    println!("{} agents, {events} events, rows of the rules in memory\n", LARGE.agents);
    println!("{}\n{}", verify.line(&verify), rules.line(&verify));
    let agents = LARGE.agents.max(1);
    println!("\n{} bytes of rows an agent: {}", judge.bytes() / agents, judge.size());
    Ok(())
}

/// Weeks of all agents in one month.
fn weeks(plan: Plan) -> u64 {
    u64::try_from(plan.agents).unwrap_or(u64::MAX).saturating_mul(MONTH_DAYS / 7)
}

fn print(judge: &Judge, plan: Plan) {
    let months = usize::try_from(plan.days.div_ceil(MONTH_DAYS)).unwrap_or_default();
    println!("{} well-behaved agents, {} days", plan.agents, plan.days);
    for (month, events) in judge.events.iter().enumerate() {
        println!("  month {}  {events} events", month + 1);
    }
    println!("\nflagged, of each agent in a week:\n");
    print!("  {:<24}", "rule");
    (0..months).for_each(|month| print!("{:>12}", format!("month {}", month + 1)));
    println!();
    for (rule, counts) in &judge.tallies {
        line(rule, counts, plan);
    }
    line("all", &judge.totals(), plan);
    println!("\nof the agent with the most, in all: {}", judge.worst());
    println!("rows at the end: {}", judge.size());
}

fn line(name: &str, counts: &[u64], plan: Plan) {
    print!("  {name:<24}");
    for count in counts {
        let thousandths = count.saturating_mul(1000) / weeks(plan).max(1);
        print!("{:>12}", format!("{}.{:03}", thousandths / 1000, thousandths % 1000));
    }
    println!();
}
