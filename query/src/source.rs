//! Sorted sources of indexes, intersected by galloping.
//!
//! Every source answers one question: which is the next of yours at or beyond this index, in this
//! order? Whatever it skips is never looked at.

use std::ops::Range;
use std::time::{Duration, Instant};

use ledger::{Postings, ReadError};
use schemas::limits::{QUERY_MS_MAX, QUERY_SCAN_MAX, QUERY_STEPS_MIN};

/// Steps between two looks at the time.
const STEPS_PER_LOOK: usize = 16;

/// Which way a query walks the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Newest,
    Oldest,
}

impl Order {
    /// Whichever the walk meets first.
    fn nearer(self, a: u64, b: u64) -> u64 {
        match self {
            Self::Newest => a.max(b),
            Self::Oldest => a.min(b),
        }
    }

    /// The index after `index`.
    pub(crate) fn beyond(self, index: u64) -> Option<u64> {
        match self {
            Self::Newest => index.checked_sub(1),
            Self::Oldest => index.checked_add(1),
        }
    }
}

/// A walk: its order, and how much and how long it may still look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub(crate) order: Order,
    pub(crate) budget: usize,
    /// Looks so far.
    pub(crate) steps: usize,
    /// Whether it refused one.
    pub(crate) has_ended: bool,
    deadline: Option<Instant>,
}

impl Walk {
    pub(crate) fn new(order: Order, budget: usize) -> Self {
        Self { order, budget, steps: 0, has_ended: false, deadline: None }
    }

    /// A walk of one answer to a query, which ends in time, too.
    pub(crate) fn of_query(order: Order) -> Self {
        let deadline = Instant::now().checked_add(Duration::from_millis(QUERY_MS_MAX));
        Self { deadline, ..Self::new(order, QUERY_SCAN_MAX) }
    }

    fn pay(&mut self) -> bool {
        let Some(left) = self.budget.checked_sub(1).filter(|_| !self.is_late()) else {
            self.has_ended = true;
            return false;
        };
        self.budget = left;
        self.steps += 1;
        true
    }

    /// Whether the time is over; not before the walk has surely moved.
    fn is_late(&self) -> bool {
        self.steps >= QUERY_STEPS_MIN && self.steps.is_multiple_of(STEPS_PER_LOOK) && self.is_over()
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// An answer of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seek {
    /// The next one.
    At(u64),
    /// There is none.
    End,
    /// The budget ended; none lies before this index.
    Spent(u64),
}

/// Where indexes come from.
pub(crate) enum Source<'l> {
    /// Every index; the window ends it.
    Every,
    /// One term's.
    Term(Box<Postings<'l>>),
    /// These, ascending.
    List(Vec<u64>),
    /// Those that are in each.
    All(Vec<Source<'l>>),
    /// Those that are in any.
    Any(Vec<Branch<'l>>),
    /// Those of the range that are not in it.
    Not(Box<Branch<'l>>, Range<u64>),
}

/// One of several sources, and its answer that the walk has not passed yet: a walk never turns round.
pub(crate) struct Branch<'l> {
    source: Source<'l>,
    ahead: Option<Seek>,
}

impl<'l> Branch<'l> {
    fn new(source: Source<'l>) -> Self {
        Self { source, ahead: None }
    }

    /// The answer for `from`, if an earlier one holds there, too.
    fn known(&self, from: u64, order: Order) -> Option<Seek> {
        self.ahead.filter(|ahead| match *ahead {
            Seek::End => true,
            Seek::At(at) => order.nearer(from, at) == from,
            Seek::Spent(_) => false,
        })
    }

    fn seek(&mut self, from: u64, walk: &mut Walk) -> Result<Seek, ReadError> {
        if let Some(known) = self.known(from, walk.order) {
            return Ok(known);
        }
        let found = self.source.seek(from, walk)?;
        self.ahead = Some(found);
        Ok(found)
    }
}

impl<'l> Source<'l> {
    /// Those that are in any of `sources`.
    pub(crate) fn any(sources: impl IntoIterator<Item = Source<'l>>) -> Self {
        Self::Any(sources.into_iter().map(Branch::new).collect())
    }

    /// Those of the range that are not in `source`.
    pub(crate) fn not(source: Self, within: Range<u64>) -> Self {
        Self::Not(Box::new(Branch::new(source)), within)
    }

    /// The first index at or beyond `from`, in the walk's order.
    pub(crate) fn seek(&mut self, from: u64, walk: &mut Walk) -> Result<Seek, ReadError> {
        match self {
            Self::All(parts) => return all(parts, from, walk),
            Self::Any(parts) => return any(parts, from, walk),
            Self::Not(branch, within) => return not(branch, within, from, walk),
            _ if !walk.pay() => return Ok(Seek::Spent(from)),
            _ => {}
        }
        let found = match (self, walk.order) {
            (Self::Term(postings), Order::Newest) => postings.at_or_before(from)?.map(|at| at.0),
            (Self::Term(postings), Order::Oldest) => postings.at_or_after(from)?.map(|at| at.0),
            (Self::List(list), order) => in_list(list, from, order),
            _ => Some(from),
        };
        Ok(found.map_or(Seek::End, Seek::At))
    }
}

fn in_list(list: &[u64], from: u64, order: Order) -> Option<u64> {
    let place = match order {
        Order::Newest => list.partition_point(|at| *at <= from).checked_sub(1)?,
        Order::Oldest => list.partition_point(|at| *at < from),
    };
    list.get(place).copied()
}

/// Each part in turn names its next; the furthest is the new candidate, until all of them agree.
fn all(parts: &mut [Source<'_>], from: u64, walk: &mut Walk) -> Result<Seek, ReadError> {
    let (mut candidate, mut agreed, mut turn) = (from, 0, 0);
    while agreed < parts.len() {
        let Some(part) = parts.get_mut(turn) else {
            turn = 0;
            continue;
        };
        turn += 1;
        match part.seek(candidate, walk)? {
            Seek::At(at) if at == candidate => agreed += 1,
            Seek::At(at) => (candidate, agreed) = (at, 1),
            end => return Ok(end),
        }
    }
    Ok(Seek::At(candidate))
}

fn any(parts: &mut [Branch<'_>], from: u64, walk: &mut Walk) -> Result<Seek, ReadError> {
    let (mut nearest, mut spent) = (None, None);
    for part in parts {
        let slot = match part.seek(from, walk)? {
            Seek::At(at) => Some((&mut nearest, at)),
            Seek::Spent(at) => Some((&mut spent, at)),
            Seek::End => None,
        };
        if let Some((slot, at)) = slot {
            *slot = Some(slot.map_or(at, |other| walk.order.nearer(other, at)));
        }
    }
    Ok(match (nearest, spent) {
        (None, None) => Seek::End,
        (Some(at), None) => Seek::At(at),
        (None, Some(at)) => Seek::Spent(at),
        // A part whose budget ended might have one from its place on.
        (Some(at), Some(place)) if walk.order.nearer(at, place) == at => Seek::At(at),
        (_, Some(place)) => Seek::Spent(place),
    })
}

/// Past what the branch holds without a gap. An answer that is known is paid for as if it were looked up: a walk
/// whose steps cost nothing has no end in time.
fn not(
    branch: &mut Branch<'_>,
    within: &Range<u64>,
    from: u64,
    walk: &mut Walk,
) -> Result<Seek, ReadError> {
    let mut next = Some(from);
    while let Some(at) = next.filter(|at| within.contains(at)) {
        if branch.known(at, walk.order).is_some() && !walk.pay() {
            return Ok(Seek::Spent(at));
        }
        match branch.seek(at, walk)? {
            Seek::At(held) if held == at => {}
            Seek::Spent(reached) if reached == at => return Ok(Seek::Spent(at)),
            _ => return Ok(Seek::At(at)),
        }
        next = walk.order.beyond(at);
    }
    Ok(Seek::End)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What a source means, said naively.
    #[derive(Clone, Debug)]
    enum Model {
        List(BTreeSet<u64>),
        All(Vec<Model>),
        Any(Vec<Model>),
        Not(Box<Model>),
    }

    impl Model {
        fn holds(&self, index: u64) -> bool {
            match self {
                Self::List(set) => set.contains(&index),
                Self::All(parts) => parts.iter().all(|part| part.holds(index)),
                Self::Any(parts) => parts.iter().any(|part| part.holds(index)),
                Self::Not(part) => !part.holds(index),
            }
        }

        fn source(&self) -> Source<'static> {
            match self {
                Self::List(set) => Source::List(set.iter().copied().collect()),
                Self::All(parts) => Source::All(parts.iter().map(Self::source).collect()),
                Self::Any(parts) => Source::any(parts.iter().map(Self::source)),
                Self::Not(part) => Source::not(part.source(), 0..60),
            }
        }
    }

    fn models() -> impl Strategy<Value = Model> {
        let list = prop::collection::btree_set(0u64..60, 0..30).prop_map(Model::List);
        list.prop_recursive(3, 12, 3, |inner| {
            let not = inner.clone().prop_map(|part| Model::Not(Box::new(part)));
            let parts = prop::collection::vec(inner, 1..4);
            prop_oneof![parts.clone().prop_map(Model::All), parts.prop_map(Model::Any), not]
        })
    }

    /// All hits of a walk, and where it stopped if its budget ended.
    fn walk(model: &Model, order: Order, budget: usize) -> (Vec<u64>, Option<u64>) {
        let mut source = model.source();
        let mut walk = Walk::new(order, budget);
        let mut hits = Vec::new();
        let mut at = Some(match order {
            Order::Newest => 59,
            Order::Oldest => 0,
        });
        while let Some(from) = at {
            match source.seek(from, &mut walk).unwrap() {
                Seek::At(hit) => {
                    hits.push(hit);
                    at = order.beyond(hit);
                }
                Seek::End => break,
                Seek::Spent(place) => return (hits, Some(place)),
            }
        }
        (hits, None)
    }

    proptest! {
        #[test]
        fn a_walk_meets_exactly_what_the_model_holds(model in models()) {
            let mut expected: Vec<_> = (0..60).filter(|index| model.holds(*index)).collect();
            prop_assert_eq!(walk(&model, Order::Oldest, usize::MAX), (expected.clone(), None));
            expected.reverse();
            prop_assert_eq!(walk(&model, Order::Newest, usize::MAX), (expected, None));
        }

        #[test]
        fn a_walk_without_budget_has_missed_nothing_before_its_place(
            model in models(),
            budget in 0usize..40,
        ) {
            for order in [Order::Newest, Order::Oldest] {
                let (all, _) = walk(&model, order, usize::MAX);
                let (hits, place) = walk(&model, order, budget);
                let reached = |hit: &u64| match (place, order) {
                    (None, _) => true,
                    (Some(place), Order::Newest) => *hit > place,
                    (Some(place), Order::Oldest) => *hit < place,
                };
                let expected: Vec<_> = all.into_iter().filter(reached).collect();
                prop_assert_eq!(hits, expected);
            }
        }
    }
}
