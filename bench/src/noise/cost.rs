//! What the rules cost at each event of a large tenant, in memory and in a ledger, beside one verification of a
//! signature.

use super::judge::Judge;
use super::month::{Arrival, Month};
use super::pair::{Commits, Pair, Turn};
use super::{DAY_US, Plan, START_US};
use crate::admission;
use crate::events::Workload;
use crate::round::{Costs, Failure};

/// As many agents as a large tenant has, for two days. The second is measured: what the first leaves behind ends then.
const LARGE: Plan = Plan { agents: 10_000, days: 2, pace: 200, seed: 1 };
/// As many agents with fewer sessions, because two ledgers take longer.
const STORED: Plan = Plan { pace: 80, ..LARGE };
/// Signatures that are verified between two slices of the day.
const SIGNATURES: usize = 2_000;
/// Events of a slice.
const SLICE: usize = 20_000;
/// Events a commit, and commits of which one measurement is made.
const COMMITS: [(usize, usize); 2] = [(256, 32), (1, 256)];

/// Measures and prints both.
///
/// # Errors
/// If an event is refused, or a ledger cannot be written.
pub(crate) fn run() -> Result<(), Failure> {
    let signed = Workload::new(SIGNATURES, 1);
    in_memory(&signed)?;
    println!();
    in_ledgers(&signed)
}

/// The engine alone, and what it remembers of each agent.
fn in_memory(signed: &Workload) -> Result<(), Failure> {
    let (mut verify, mut rules) = (Costs::new("one verify_strict"), Costs::new("all rules"));
    let (mut judge, mut month) = (Judge::new(LARGE), Month::new(LARGE));
    let (mut taken, mut measured) = (0, 0);
    loop {
        let slice: Vec<_> = std::iter::from_fn(|| month.next()).take(SLICE).collect();
        if slice.len() < SLICE {
            break;
        }
        for arrival in &slice {
            judge.take(arrival)?;
        }
        let took = judge.taken();
        taken += SLICE;
        if !is_measured(&slice) {
            continue;
        }
        measured += SLICE;
        rules.add(SLICE, took);
        verify.add(SIGNATURES, admission::verify_strict(signed)?);
    }
    println!("{} agents, rows of the rules in memory", LARGE.agents);
    println!("{measured} events of the second day, after {} others\n", taken - measured);
    println!("{}\n{}", verify.line(&verify), rules.line(&verify));
    let agents = LARGE.agents.max(1);
    println!("\n{} bytes of rows an agent: {}", judge.bytes() / agents, judge.size());
    Ok(())
}

/// Whole commits, with the rules and without, of the same events in two ledgers.
fn in_ledgers(signed: &Workload) -> Result<(), Failure> {
    let mut verify = Costs::new("one verify_strict");
    let mut all = COMMITS.map(|(size, turn)| Commits::new(size, turn));
    let mut month = Month::new(STORED);
    let mut pair = Pair::new(&month.cast)?;
    let (mut before, mut measured) = (0, 0);
    'days: loop {
        for commits in &mut all {
            let slice: Vec<_> =
                std::iter::from_fn(|| month.next()).take(commits.events()).collect();
            if slice.len() < commits.events() {
                break 'days;
            }
            let (ruled, bare) = pair.take(&Turn::new(&month.cast, &slice, commits.size))?;
            if !is_measured(&slice) {
                before += slice.len();
                // Commits of one are not worth their time on the first day.
                break;
            }
            measured += slice.len();
            commits.add(&ruled, &bare);
        }
        if measured > 0 {
            verify.add(SIGNATURES, admission::verify_strict(signed)?);
        }
    }
    println!("{} agents, rows of the rules in a ledger", STORED.agents);
    println!("{measured} events of the second day, after {before} others\n");
    println!("{}", verify.line(&verify));
    for commits in &all {
        commits.print(&verify);
    }
    Ok(())
}

fn is_measured(slice: &[Arrival]) -> bool {
    slice.first().is_some_and(|first| first.at >= START_US + DAY_US)
}
