//! How often the rules cry wolf: months of well-behaved agents, in memory, and what is flagged all the same.
//!
//! `month.rs` lets time pass; `agent.rs` says what an agent does in a session, by its `trade.rs` and the hour
//! (`rhythm.rs`); `registrar.rs` keeps registry, credentials, grants and contracts in order; `judge.rs` runs the rules,
//! `book.rs` takes the same into a real ledger, `pair.rs` into two beside each other, `cost.rs` measures.

mod agent;
mod book;
mod cost;
mod judge;
mod month;
mod pair;
pub(crate) mod publisher;
mod registrar;
mod rhythm;
#[cfg(test)]
mod tests;
mod trade;

use std::collections::BTreeMap;

use crate::round::Failure;
pub(crate) use cost::run as cost;
use judge::Judge;
use month::Month;

const SECOND_US: u64 = 1_000_000;
const HOUR_US: u64 = 3600 * SECOND_US;
const DAY_US: u64 = 24 * HOUR_US;
/// When the first month begins, a Monday: 2026-03-02T00:00:00Z.
const START_US: u64 = 1_772_409_600_000_000;
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

/// Days since the first month began.
fn day(at: u64) -> u64 {
    at.saturating_sub(START_US) / DAY_US
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
