//! Running a query: the entries that fit, one by one or as a page, in one order. Pure over what the ledger holds.

use std::ops::Range;
use std::sync::Arc;

use ledger::{Entry, Ledger, ReadError};
use schemas::id::Index;
use schemas::limits::PAGE_BYTES_MAX;

use crate::cores::each_share;
use crate::error::{Error, is_damage};
use crate::plan::Plan;
use crate::source::{Order, Seek, Source, Walk};

/// Entries of a page that are met before they are read.
const MET_TOGETHER: usize = 128;
/// Entries of them that one core reads in one go.
const READ_TOGETHER: usize = 32;

/// An entry of a page.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Entry(Arc<Entry>),
    /// Its rows cannot be read, so nothing tells whether it fits.
    Damaged(Index),
}

impl Found {
    /// Where it is.
    pub(crate) fn index(&self) -> Index {
        match self {
            Self::Entry(entry) => entry.leaf.index,
            Self::Damaged(index) => *index,
        }
    }

    /// Bytes beside its leaf.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.kept().map_or(0, <[u8]>::len),
            Self::Damaged(_) => 0,
        }
    }
}

/// Where a page ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rest {
    /// Where the next one begins.
    pub(crate) next: Option<u64>,
    /// Where the budget ended, if it did: nothing beyond was looked at.
    pub(crate) spent: Option<u64>,
}

impl Rest {
    /// The budget ended here.
    pub(crate) fn spent(reached: u64) -> Self {
        Self { next: Some(reached), spent: Some(reached) }
    }
}

/// One page, of what was made of each entry.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) rest: Rest,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), rest: Rest::default() }
    }
}

impl<T> Page<T> {
    /// The page, which the walk ended with this.
    fn ended(mut self, end: &Hit) -> Self {
        match end {
            Hit::Fits(index, _) | Hit::Damaged(index) => self.rest.next = Some(*index),
            Hit::Spent(reached) => self.rest = Rest::spent(*reached),
            Hit::End => {}
        }
        self
    }
}

/// A page's place: the walk starts at `start` and stays within `from..to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Place {
    /// The whole of `from..to` in `order`; `None` if it is empty.
    pub(crate) fn whole(from: u64, to: u64, order: Order) -> Option<Self> {
        let last = to.checked_sub(1).filter(|last| *last >= from)?;
        let start = if order == Order::Newest { last } else { from };
        Some(Self { start, from, to })
    }

    fn window(&self) -> Range<u64> {
        self.from..self.to
    }

    fn holds(&self, index: u64) -> bool {
        self.window().contains(&index)
    }
}

/// What a walk comes to.
#[derive(Debug)]
pub(crate) enum Hit {
    /// This one fits; it stands beside where it had to be read to know.
    Fits(u64, Option<Arc<Entry>>),
    /// Its rows cannot be read, so nothing tells whether it fits.
    Damaged(u64),
    /// The budget ended; nothing from here on was looked at.
    Spent(u64),
    /// There are no more.
    End,
}

/// A walk over the entries that fit.
pub(crate) struct Hits<'l> {
    ledger: &'l Ledger,
    pub(crate) plan: Plan,
    source: Source<'l>,
    place: Place,
    pub(crate) walk: Walk,
    at: Option<u64>,
    /// Entries read to know whether they fit.
    pub(crate) read: u64,
}

impl<'l> Hits<'l> {
    pub(crate) fn new(ledger: &'l Ledger, plan: Plan, place: Place, walk: Walk) -> Self {
        let source = plan.step.open(ledger, &place.window());
        Self { ledger, plan, source, place, walk, at: Some(place.start), read: 0 }
    }

    /// Goes back to `index`, which was met last: a page that had no room for it.
    pub(crate) fn resume(&mut self, index: u64) {
        self.at = Some(index);
        self.source = self.plan.step.open(self.ledger, &self.place.window());
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Result<Hit, Error> {
        while let Some(from) = self.at {
            let index = match self.source.seek(from, &mut self.walk)? {
                Seek::At(index) if self.place.holds(index) => index,
                Seek::At(_) | Seek::End => break,
                Seek::Spent(reached) if self.place.holds(reached) => {
                    return Ok(Hit::Spent(reached));
                }
                Seek::Spent(_) => break,
            };
            self.at = self.walk.order.beyond(index);
            if self.plan.is_exact() {
                return Ok(Hit::Fits(index, None));
            }
            self.read += 1;
            match read(self.ledger, index)? {
                Some(Found::Damaged(_)) => return Ok(Hit::Damaged(index)),
                Some(Found::Entry(entry)) => {
                    if entry.terms(self.ledger, |terms| self.plan.accepts(terms))? {
                        return Ok(Hit::Fits(index, Some(entry)));
                    }
                }
                None => break,
            }
        }
        self.at = None;
        Ok(Hit::End)
    }

    /// What `make` makes of up to `limit` entries, for as long as the walk's budget lasts. It is called where an entry was
    /// read, by whichever core that was.
    pub(crate) fn page<T: Send>(
        &mut self,
        limit: usize,
        make: impl Fn(Found) -> T + Sync,
    ) -> Result<Page<T>, Error> {
        let (mut page, mut bytes) = (Page::default(), 0);
        while page.entries.len() < limit && bytes <= PAGE_BYTES_MAX {
            let room = limit - page.entries.len();
            let (hits, end) = self.some(room.min(MET_TOGETHER))?;
            let made = |hits: &[_]| filled(self.ledger, hits, &make);
            for made in each_share(&hits, READ_TOGETHER, made) {
                for Made { index, bytes: own, made } in made? {
                    if bytes > PAGE_BYTES_MAX {
                        page.rest.next = Some(index);
                        return Ok(page);
                    }
                    bytes += own;
                    page.entries.push(made);
                }
            }
            if let Some(end) = end {
                return Ok(page.ended(&end));
            }
        }
        let beyond = self.next()?;
        Ok(page.ended(&beyond))
    }

    /// The next ones, at most `count`, and what ended them before.
    fn some(&mut self, count: usize) -> Result<(Vec<Met>, Option<Hit>), Error> {
        let mut hits = Vec::with_capacity(count);
        while hits.len() < count {
            match self.next()? {
                Hit::Fits(index, entry) => hits.push((index, entry.map(Found::Entry))),
                Hit::Damaged(index) => hits.push((index, Some(Found::Damaged(Index(index))))),
                end @ (Hit::Spent(_) | Hit::End) => return Ok((hits, Some(end))),
            }
        }
        Ok((hits, None))
    }
}

/// A hit's index, with what was read of it on the way.
type Met = (u64, Option<Found>);

/// What was made of an entry.
struct Made<T> {
    index: u64,
    /// Bytes of the entry, beside its leaf.
    bytes: usize,
    made: T,
}

/// What `make` makes of these; those that were met without being read are read together.
fn filled<T>(
    ledger: &Ledger,
    hits: &[Met],
    make: impl Fn(Found) -> T,
) -> Result<Vec<Made<T>>, Error> {
    let unread = hits.iter().filter(|(_, found)| found.is_none());
    let unread: Vec<_> = unread.map(|(index, _)| Index(*index)).collect();
    let mut read = ledger.entries_at(&unread).into_iter();
    let mut filled = Vec::with_capacity(hits.len());
    for (index, met) in hits {
        let read = || read.next().map(|entry| readable(*index, entry)).transpose();
        let found = met.clone().map_or_else(read, |met| Ok(Some(met)))?;
        let made = |found: Found| Made { index: *index, bytes: found.bytes(), made: make(found) };
        filled.extend(found.map(made));
    }
    Ok(filled)
}

/// The entry at `index`, as far as it can be read; `None` beyond the head.
fn read(ledger: &Ledger, index: u64) -> Result<Option<Found>, Error> {
    let entry = ledger.entry(Index(index)).transpose();
    entry.map(|entry| readable(index, entry)).transpose()
}

fn readable(index: u64, entry: Result<Entry, ReadError>) -> Result<Found, Error> {
    match entry {
        Ok(entry) => Ok(Found::Entry(Arc::new(entry))),
        Err(damage) if is_damage(&damage) => Ok(Found::Damaged(Index(index))),
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::query::Query;

    use super::*;
    use crate::tests::incidents;

    const SIZE: u64 = 31;

    /// All indexes that fit, page by page, and whether a budget ended on the way.
    fn walked(ledger: &Ledger, query: &str, order: Order, budget: usize) -> (Vec<u64>, bool) {
        let expr = Query::parse(query).unwrap().expr;
        let mut place = Place::whole(0, SIZE, order).unwrap();
        let (mut hits, mut ended) = (Vec::new(), false);
        loop {
            let plan = Plan::of(ledger, &expr).unwrap();
            let walk = Walk::new(order, budget);
            let page =
                Hits::new(ledger, plan, place, walk).page(4, |found| found.index().0).unwrap();
            hits.extend(page.entries);
            ended |= page.rest.spent.is_some();
            let Some(next) = page.rest.next else { return (hits, ended) };
            place.start = next;
        }
    }

    #[test]
    fn a_budget_cuts_pages_short_and_loses_nothing() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, SIZE);
        let ledger = writer.ledger();
        let all = |fits: &dyn Fn(u64) -> bool| (0..SIZE).filter(|n| fits(*n)).collect::<Vec<_>>();
        for (query, expected) in [
            ("", all(&|_| true)),
            ("code:third", all(&|n| n > 0 && n % 3 == 0)),
            ("kind:ledger.* -code:third", all(&|n| n == 0 || n % 3 != 0)),
            ("-code:third", all(&|n| n == 0 || n % 3 != 0)),
            ("code:third kind:ledger.incident", all(&|n| n > 0 && n % 3 == 0)),
            ("code:*", all(&|_| true)),
        ] {
            for order in [Order::Oldest, Order::Newest] {
                let mut expected = expected.clone();
                if order == Order::Newest {
                    expected.reverse();
                }
                let whole = walked(&ledger, query, order, usize::MAX);
                assert_eq!(whole, (expected.clone(), false), "{query}");
                for budget in [3, 5, 9] {
                    assert_eq!(walked(&ledger, query, order, budget).0, expected, "{query}");
                }
            }
        }
        assert!(walked(&ledger, "-kind:ledger.*", Order::Newest, 9).1);
    }
}
