//! The same month at a smaller scale: what is flagged is bounded by rule, and a real ledger flags just that.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use schemas::id::{Index, Micros};
use schemas::kind::Kind;

use super::book::Book;
use super::judge::Judge;
use super::month::{Arrival, Month};
use super::{Plan, Tallies};
use crate::ingest::checked;

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

fn commit(book: &mut Book, month: &Month, arrivals: &[Arrival], at: Micros) {
    let messages: Vec<_> = arrivals.iter().map(|arrival| month.cast.sign(arrival)).collect();
    let keys = book.writer.ledger().key_set();
    book.append(checked(&messages, &keys), at).unwrap();
}

/// Flagged entries by rule; those that were held back count.
fn flagged(book: &Book) -> BTreeMap<String, u64> {
    let ledger = book.writer.ledger();
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
    let (mut judge, mut month) = (Judge::new(SMALL), Month::new(SMALL));
    let mut book = Book::new(&month.cast, true).unwrap();
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
        commit(&mut book, &month, &batch, Micros(at));
    }
    let events: u64 = judge.events.iter().sum();
    assert!((15_000..30_000).contains(&events), "{events}");
    let here = sums(&judge.tallies);
    assert_eq!(flagged(&book), here, "in memory, and by a ledger");
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
