//! Lists of accepted entries, the newest first, page by page, all of the tree that the first page spoke of.

use ledger::{Entry, Ledger, ReadError};
use schemas::id::TreeSize;
use schemas::leaf::Status;
use serde_json::{Value, json};

use crate::accepted::each_newest_first;
use crate::api::{scanned_to, set, tree_json};
use crate::cursor::PageCursor;
use crate::error::Error;
use crate::execute::Rest;
use crate::filter;
use crate::params::Params;
use crate::source::{Order, Source, Walk};
use crate::window::Window;

/// Where a page of a list begins, and what it is of.
pub(crate) struct Listing<'l> {
    ledger: &'l Ledger,
    cursor: PageCursor,
    limit: usize,
}

/// One page.
#[derive(Debug, Default)]
struct Page {
    items: Vec<Value>,
    rest: Rest,
}

impl<'l> Listing<'l> {
    /// The page that the parameters ask for, of a list of this `kind`. To be made before the sources that it reads.
    pub(crate) fn of(ledger: &'l Ledger, params: &Params, kind: &str) -> Result<Self, Error> {
        let limit = params.limit()?;
        let filter = filter::digest(params, kind);
        if let Some(text) = params.get("cursor") {
            return Ok(Self { ledger, cursor: PageCursor::read(text, &filter, ledger)?, limit });
        }
        let head = ledger.head();
        let window = Window { from: 0, to: head.size.0, since: None, until: None };
        let start = head.size.0.saturating_sub(1);
        let cursor = PageCursor { filter, size: head.size, root: head.root, window, start };
        Ok(Self { ledger, cursor, limit })
    }

    /// Entries in the tree that the list speaks of.
    pub(crate) fn size(&self) -> TreeSize {
        self.cursor.size
    }

    /// What `tell` says of the accepted entries of `source`, in the form of an answer. It has the looks of one query for
    /// a page: one that they do not suffice for begins the next page, and only as the first is it told in part.
    pub(crate) fn answer(
        &self,
        source: Source<'_>,
        walk: &mut Walk,
        tell: impl FnMut(&Entry, &mut Walk) -> Result<Option<Value>, ReadError>,
    ) -> Result<Value, Error> {
        let looks = &mut Walk::of_query(Order::Newest);
        let page = self.page(source, walk, looks, tell)?;
        let next = page.rest.next.map(|start| PageCursor { start, ..self.cursor }.encode());
        let as_of = tree_json(self.cursor.size, &self.cursor.root);
        let mut answer = json!({ "items": page.items, "next_cursor": next, "as_of": as_of });
        if page.rest.spent.is_some() {
            set(&mut answer, "incomplete", scanned_to(page.rest.spent));
        }
        Ok(answer)
    }

    fn page(
        &self,
        source: Source<'_>,
        walk: &mut Walk,
        looks: &mut Walk,
        mut tell: impl FnMut(&Entry, &mut Walk) -> Result<Option<Value>, ReadError>,
    ) -> Result<Page, ReadError> {
        let (mut page, mut is_first) = (Page::default(), true);
        let range = 0..self.cursor.start.saturating_add(1);
        let spent = each_newest_first(self.ledger, source, range, walk, |entry| {
            if entry.leaf.status != Status::Accepted {
                return Ok(true);
            }
            if page.items.len() == self.limit {
                page.rest.next = Some(entry.leaf.index.0);
                return Ok(false);
            }
            let told = tell(&entry, looks)?;
            if looks.has_ended && !is_first {
                page.rest.next = Some(entry.leaf.index.0);
                return Ok(false);
            }
            is_first = false;
            page.items.extend(told);
            Ok(true)
        })?;
        page.rest.next = page.rest.next.or(spent);
        page.rest.spent = spent;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::source::Seek;
    use crate::tests::incidents;

    const SIZE: u64 = 31;

    /// Every third entry, page by page, and how many pages a budget ended.
    fn walked(ledger: &Ledger, budget: usize) -> (Vec<u64>, usize) {
        let mut listing = Listing::of(ledger, &Params::default(), "thirds").unwrap();
        listing.limit = 3;
        let (mut told, mut spent) = (Vec::new(), 0);
        loop {
            let mut walk = Walk::new(Order::Newest, budget);
            let every = Source::List((1..SIZE).collect());
            let looks = &mut Walk::new(Order::Newest, 0);
            let third = |entry: &Entry, _: &mut Walk| {
                let index = entry.leaf.index.0;
                Ok(index.is_multiple_of(3).then(|| Value::from(index)))
            };
            let page = listing.page(every, &mut walk, looks, third).unwrap();
            told.extend(page.items.iter().filter_map(Value::as_u64));
            spent += usize::from(page.rest.spent.is_some());
            match page.rest.next {
                Some(next) => listing.cursor.start = next,
                None => return (told, spent),
            }
        }
    }

    #[test]
    fn pages_of_a_list_lose_nothing_however_they_end() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, SIZE);
        let ledger = writer.ledger();
        let thirds: Vec<u64> = (1..=10).rev().map(|n| n * 3).collect();
        assert_eq!(walked(&ledger, usize::MAX), (thirds.clone(), 0));
        let (told, spent) = walked(&ledger, 4);
        assert_eq!(told, thirds);
        assert!(spent > 1, "{spent}");
    }

    #[test]
    fn a_page_ends_before_what_its_looks_do_not_suffice_for() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 7);
        let ledger = writer.ledger();
        let mut listing = Listing::of(&ledger, &Params::default(), "looked").unwrap();
        let mut page = |looks: usize| {
            let every = Source::List((1..7).collect());
            let (mut walk, mut looks) =
                (Walk::new(Order::Newest, 100), Walk::new(Order::Newest, looks));
            let page = listing.page(every, &mut walk, &mut looks, |entry, looks| {
                let index = entry.leaf.index.0;
                let known = Source::List(vec![index]).seek(index, looks)?;
                Ok(Some(json!([index, known == Seek::At(index)])))
            });
            let page = page.unwrap();
            listing.cursor.start = page.rest.next.unwrap_or_default();
            (json!(page.items), page.rest.next)
        };
        assert_eq!(page(2), (json!([[6, true], [5, true]]), Some(4)));
        assert_eq!(page(0), (json!([[4, false]]), Some(3)), "the first of a page is told anyway");
        assert_eq!(page(9), (json!([[3, true], [2, true], [1, true]]), None));
    }
}
