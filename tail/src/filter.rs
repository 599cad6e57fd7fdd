//! What a reader wants to see: the query's condition, and the two ends of its window.

use std::sync::Arc;

use schemas::id::{Index, Micros};
use schemas::query::{Place, Query};
use schemas::terms::Term;

use crate::permit::Allows;
use crate::sieve::{Sieve, Sieves};

/// An end of the window, made absolute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Edge {
    /// This entry.
    Index(Index),
    /// The first entry received at this time or later.
    Time(Micros),
}

impl Edge {
    fn of(place: Place) -> Self {
        match place {
            Place::Index(index) => Self::Index(index),
            Place::Time(time) => Self::Time(time),
        }
    }

    /// Whether the entry stands at the edge or after it.
    pub(crate) fn is_reached(self, index: Index, received_at: Micros) -> bool {
        match self {
            Self::Index(edge) => index >= edge,
            Self::Time(edge) => received_at >= edge,
        }
    }
}

/// What is left of a query for a reader that goes on behind its token, with the words it began with: a beginning
/// that moves with the log's now would lie beyond what it was not told yet.
pub(crate) fn resumed(mut query: Query) -> Query {
    query.since = query.since.filter(|bound| !bound.is_relative());
    query.after = query.after.filter(|bound| !bound.is_relative());
    query
}

/// A reader's filter.
pub(crate) struct Filter {
    sieve: Arc<Sieve>,
    allows: Option<Allows>,
    /// Where it begins, if the reader said so; every one of them holds.
    pub(crate) since: Vec<Edge>,
    /// Where it ends, exclusive.
    pub(crate) until: Option<Edge>,
}

impl Filter {
    /// The filter of a query that is read at `now`.
    pub(crate) fn new(query: Query, now: Micros, sieves: &Sieves, allows: Option<Allows>) -> Self {
        let since = query.since.map(|bound| Edge::of(bound.place(now)));
        let after = query.after.map(|bound| Edge::of(bound.place_after(now)));
        Self {
            sieve: sieves.get(query.expr),
            allows,
            since: since.into_iter().chain(after).collect(),
            until: query.until.map(|bound| Edge::of(bound.place(now))),
        }
    }

    /// Whether an entry from the store fits and may be seen.
    pub(crate) fn matches(&self, index: Index, received_at: Micros, terms: &[Term<'_>]) -> bool {
        self.has_begun(index, received_at) && self.sieve.fits(terms) && self.may_see(terms)
    }

    /// The same for an entry of the ring, which is judged once for all readers.
    pub(crate) fn matches_shared(
        &self,
        index: Index,
        received_at: Micros,
        terms: &[Term<'_>],
    ) -> bool {
        self.has_begun(index, received_at)
            && self.sieve.fits_shared(index, terms)
            && self.may_see(terms)
    }

    /// Whether there are entries that this reader may not see.
    pub(crate) fn is_limited(&self) -> bool {
        self.allows.is_some()
    }

    /// Whether everything fits from where it has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.allows.is_none() && self.until.is_none() && self.sieve.is_open()
    }

    /// Whether the entry stands at or after every edge at which it begins.
    pub(crate) fn has_begun(&self, index: Index, received_at: Micros) -> bool {
        self.since.iter().all(|edge| edge.is_reached(index, received_at))
    }

    fn may_see(&self, terms: &[Term<'_>]) -> bool {
        self.allows.as_ref().is_none_or(|allows| allows(terms))
    }

    /// Whether the window has ended before the entry.
    pub(crate) fn ends_before(&self, index: Index, received_at: Micros) -> bool {
        self.until.is_some_and(|edge| edge.is_reached(index, received_at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn check(query: &str, seen: &[u64], ended: &[u64]) {
        let query_read = Query::parse(query).unwrap();
        let filter = Filter::new(query_read, Micros(10_000_000), &Sieves::default(), None);
        // Entry n is received at second n.
        let received_at = |index: u64| Micros(index * 1_000_000);
        let all = |fits: &dyn Fn(u64) -> bool| (0..12).filter(|n| fits(*n)).collect::<Vec<_>>();
        let fits = |n| filter.matches(Index(n), received_at(n), &[]);
        let ends = |n| filter.ends_before(Index(n), received_at(n));
        assert_eq!((all(&fits), all(&ends)), (seen.to_vec(), ended.to_vec()), "{query}");
    }

    #[test]
    fn since_is_inclusive_and_the_others_are_not() {
        let all: Vec<_> = (0..12).collect();
        check("", &all, &[]);
        check("since:9", &[9, 10, 11], &[]);
        check("since:#9", &[9, 10, 11], &[]);
        check("after:9", &[10, 11], &[]);
        check("after:checkpoint:9 until:checkpoint:11", &[9, 10, 11], &[11]);
        check("since:00:00:09", &[9, 10, 11], &[]);
        check("since:1s", &[9, 10, 11], &[]);
        check("after:1s", &[10, 11], &[]);
        check("since:4 after:9", &[10, 11], &[]);
        check("since:1970-01-01T00:00:10Z", &[10, 11], &[]);
        check("until:10", &all, &[10, 11]);
        check("until:1s", &all, &[9, 10, 11]);
        check("agent:a", &[], &[]);
    }
}
