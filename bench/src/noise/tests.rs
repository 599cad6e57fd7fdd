//! The same month at a smaller scale: what is flagged is bounded by rule, and a real ledger flags just that.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeMap;

use ledger::{Config, Genesis, Submission, Via, Writer, check};
use schemas::id::{Index, Micros, SignerId};
use schemas::kind::Kind;
use schemas::reply::Fate;

use super::judge::Judge;
use super::month::{Arrival, Month};
use super::{Plan, START_US, Tallies};
use crate::events::tenant;

/// Ten agents and some 20,000 events.
const SMALL: Plan = Plan { agents: 10, days: 30, pace: 160, seed: 1 };
/// At most so much is flagged of them in 43 weeks of an agent. Who works seldom has more odd hours.
const BOUNDS: [(&str, u64); 9] = [
    ("approval_missing", 3),
    ("new_target", 40),
    ("new_tool", 8),
    ("no_outcome", 8),
    ("odd_hour", 45),
    ("session_unended", 12),
    ("unapproved_destructive", 3),
    ("unchecked_action", 3),
    ("unclaimed_action", 4),
];
/// Whatever arrives within so many microseconds is one commit.
const COMMIT_US: u64 = 30_000_000;

fn create(directory: &std::path::Path, month: &Month) -> Writer {
    let config = Config { store: directory.join("store"), mark: directory.join("mark/noise.note") };
    let genesis = Genesis {
        tenant: tenant(),
        host: "bench.example".to_owned(),
        operator: SignerId::parse("operator").unwrap(),
        operator_key: month.cast.key("operator"),
        clock_start: None,
        finds: true,
    };
    let start = Micros(START_US - 86_400_000_000);
    ledger::create(&config, crate::events::key(1), &genesis, start).unwrap()
}

fn commit(writer: &mut Writer, month: &Month, arrivals: &[Arrival], at: Micros) {
    let sign = |arrival: &Arrival| {
        month.cast.publishers[arrival.by].sign(arrival.body.clone(), arrival.detail.clone())
    };
    let messages: Vec<_> = arrivals.iter().map(sign).collect();
    let keys = writer.ledger().key_set();
    let submission =
        |message| Submission { message, via: Via::default(), checked: check(message, &keys) };
    let batch = messages.iter().map(|message| submission(message.as_slice())).collect();
    let done = writer.append(batch, at, &[]).unwrap();
    for end in done.replies.iter().flat_map(|reply| &reply.outcomes) {
        assert!(matches!(end.fate, Fate::Committed(_)), "{end:?}");
    }
}

/// Flagged entries by rule; those that were held back count.
fn flagged(writer: &Writer) -> BTreeMap<String, u64> {
    let ledger = writer.ledger();
    let mut flagged = BTreeMap::new();
    for index in 0..ledger.head().size.0 {
        let entry = ledger.entry(Index(index)).unwrap().unwrap();
        let Some(body) = entry.body().filter(|body| body.kind() == Kind::Finding) else { continue };
        let count = body.field("count").and_then(|count| count.uint()).unwrap_or(1);
        *flagged.entry(body.text("rule.name").unwrap().to_owned()).or_default() += count;
    }
    flagged
}

fn sums(tallies: &Tallies) -> BTreeMap<String, u64> {
    tallies.iter().map(|(rule, counts)| ((*rule).to_owned(), counts.iter().sum())).collect()
}

#[test]
fn a_ledger_flags_what_is_counted_here_and_no_more_than_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    let (mut judge, mut month) = (Judge::new(SMALL), Month::new(SMALL));
    let mut writer = create(directory.path(), &month);
    let mut next = month.next();
    while let Some(first) = next.take() {
        let ends = first.at + COMMIT_US;
        let mut batch = vec![first];
        next = month.next();
        while let Some(arrival) = next.take_if(|arrival| arrival.at < ends) {
            batch.push(arrival);
            next = month.next();
        }
        let at = batch.last().unwrap().at;
        batch.iter_mut().for_each(|arrival| arrival.at = at);
        batch.iter().for_each(|arrival| judge.take(arrival).unwrap());
        commit(&mut writer, &month, &batch, Micros(at));
    }
    let events: u64 = judge.events.iter().sum();
    assert!((15_000..30_000).contains(&events), "{events}");
    let here = sums(&judge.tallies);
    assert_eq!(flagged(&writer), here, "in memory, and by a ledger");
    for (rule, count) in here {
        let bound = BOUNDS.iter().find(|(known, _)| *known == rule).map_or(0, |(_, max)| *max);
        assert!(count <= bound, "{rule}: {count} of {bound}");
    }
}

#[test]
fn chance_is_the_same_each_time() {
    let plan = Plan { agents: 5, days: 2, ..SMALL };
    let all = |plan| {
        let mut month = Month::new(plan);
        std::iter::from_fn(|| month.next().map(|arrival| arrival.body)).collect::<Vec<_>>()
    };
    assert!(all(plan) == all(plan));
    assert!(all(plan) != all(Plan { seed: 2, ..plan }));
}
