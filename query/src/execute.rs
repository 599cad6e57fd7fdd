//! Running a query: one page of the entries that fit, in one order. Pure over what the ledger holds.

use ledger::{Entry, Ledger};
use schemas::id::Index;
use schemas::limits::PAGE_BYTES_MAX;
use schemas::query::Expr;

use crate::error::{Error, is_damage};
use crate::plan::Plan;
use crate::source::{Order, Seek, Walk};

/// An entry of a page.
#[derive(Debug)]
pub(crate) enum Found {
    Entry(Box<Entry>),
    /// Its rows cannot be read, so nothing tells whether it fits.
    Damaged(Index),
}

/// One page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Found>,
    /// Where the next page begins.
    pub(crate) next: Option<u64>,
    /// Where the budget ended: nothing beyond was looked at.
    pub(crate) scanned_to: Option<u64>,
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

    fn holds(&self, index: u64) -> bool {
        (self.from..self.to).contains(&index)
    }
}

/// Up to `limit` entries that fit `expr`, from `place` on, for as long as the walk's budget lasts.
pub(crate) fn page(
    ledger: &Ledger,
    expr: &Expr,
    place: Place,
    mut walk: Walk,
    limit: usize,
) -> Result<Page, Error> {
    let mut plan = Plan::of(ledger, expr)?;
    let (mut page, mut bytes) = (Page::default(), 0);
    let mut at = Some(place.start);
    while let Some(from) = at {
        let hit = match plan.source.seek(from, &mut walk)? {
            Seek::At(hit) if place.holds(hit) => hit,
            Seek::At(_) | Seek::End => break,
            Seek::Spent(reached) => {
                page.scanned_to = place.holds(reached).then_some(reached);
                page.next = page.scanned_to;
                break;
            }
        };
        if page.entries.len() == limit || bytes > PAGE_BYTES_MAX {
            page.next = Some(hit);
            break;
        }
        match ledger.entry(Index(hit)) {
            Ok(None) => break,
            Ok(Some(entry)) => {
                if plan.is_exact() || entry.terms(|terms| plan.accepts(terms)) {
                    bytes += entry.body.as_ref().map_or(0, Vec::len);
                    page.entries.push(Found::Entry(Box::new(entry)));
                }
            }
            Err(damage) if is_damage(&damage) => page.entries.push(Found::Damaged(Index(hit))),
            Err(failure) => return Err(failure.into()),
        }
        at = walk.order.beyond(hit);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ledger::{Config, Genesis, Writer, create};
    use schemas::id::{Micros, SignerId, Tenant, sha256};
    use schemas::key::PublicKey;
    use schemas::query::Query;

    use super::*;

    const SIZE: u64 = 31;

    fn incidents(dir: &tempfile::TempDir) -> Writer {
        let key = ed25519_dalek::SigningKey::from_bytes(&sha256(b"key"));
        let genesis = Genesis {
            tenant: Tenant::parse("acme").unwrap(),
            host: "ledger.example".to_owned(),
            operator: SignerId::parse("op").unwrap(),
            operator_key: PublicKey::of(&key),
            clock_start: None,
            finds: false,
        };
        let config = Config { store: dir.path().join("store"), mark: dir.path().join("mark/head") };
        let mut writer = create(&config, key, &genesis, Micros(0)).unwrap();
        for n in 1..SIZE {
            let code = if n % 3 == 0 { "third" } else { "other" };
            writer.incident(code, "a test", Micros(n)).unwrap();
        }
        writer
    }

    /// All indexes that fit, page by page, and whether a budget ended on the way.
    fn walked(ledger: &Ledger, query: &str, order: Order, budget: usize) -> (Vec<u64>, bool) {
        let expr = Query::parse(query).unwrap().expr;
        let mut place = Place::whole(0, SIZE, order).unwrap();
        let (mut hits, mut ended) = (Vec::new(), false);
        loop {
            let page = page(ledger, &expr, place, Walk::new(order, budget), 4).unwrap();
            hits.extend(page.entries.iter().map(|found| match found {
                Found::Entry(entry) => entry.leaf.index.0,
                Found::Damaged(index) => index.0,
            }));
            ended |= page.scanned_to.is_some();
            let Some(next) = page.next else { return (hits, ended) };
            place.start = next;
        }
    }

    #[test]
    fn a_budget_cuts_pages_short_and_loses_nothing() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir);
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
