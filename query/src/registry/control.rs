//! `control`: the announcements of `sworn.v1.<tenant>.control` again, for gateways that were away.

use axum::Json;
use axum::extract::State;
use ledger::{Head, Ledger};
use schemas::id::{Index, hex};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::CONTROL_ENTRIES_MAX;
use schemas::terms::Key;
use serde_json::{Value, json};

use crate::api::{Api, as_of, scanned_to};
use crate::entries::entry_json;
use crate::error::Error;
use crate::params::Params;
use crate::source::{Order, Seek, Source, Walk};
use crate::terms::term;

/// What changed since the entry `after`, oldest first, each with its receipt. `next_after` is where to go on, even
/// where nothing changed: all is told once it is the last entry of `as_of`.
pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["after", "limit"])?;
    api.read(move |api| read_list(api, &params)).await.map(Json)
}

fn read_list(api: &Api, params: &Params) -> Result<Value, Error> {
    let limit = params.limit()?.min(CONTROL_ENTRIES_MAX);
    let from = params.index("after")?.map_or(0, |after| after.saturating_add(1));
    let ledger = &api.ledger;
    let head = ledger.head();
    let kinds = Kind::ALL.iter().filter(|kind| kind.is_announced());
    let source = Source::any(kinds.map(|kind| term(ledger, Key::Kind, kind.as_str())));
    let page = Page::read(ledger, &head, source, (from, limit), Walk::of_query(Order::Oldest))?;
    Ok(json!({
        "items": page.items,
        "next_after": page.next_after,
        "incomplete": scanned_to(page.spent),
        "as_of": as_of(&head),
    }))
}

/// So many announcements, and how far they are all that there are.
#[derive(Debug)]
struct Page {
    items: Vec<Value>,
    /// The last entry that was looked at; `None` if none was.
    next_after: Option<u64>,
    /// Where the budget ended, if it did.
    spent: Option<u64>,
}

impl Page {
    /// At most `limit` accepted entries of `source`, `from` there on. Anybody can fill the log with refused ones: what
    /// was not looked at is never called looked at.
    fn read(
        ledger: &Ledger,
        head: &Head,
        mut source: Source<'_>,
        (from, limit): (u64, usize),
        mut walk: Walk,
    ) -> Result<Self, Error> {
        let size = head.size.0;
        let mut page = Self { items: Vec::new(), next_after: size.checked_sub(1), spent: None };
        let mut at = from;
        loop {
            let index = match source.seek(at, &mut walk)? {
                Seek::At(index) if index < size => index,
                Seek::Spent(reached) if reached < size => {
                    page.next_after = reached.checked_sub(1);
                    page.spent = Some(reached);
                    return Ok(page);
                }
                Seek::At(_) | Seek::Spent(_) | Seek::End => return Ok(page),
            };
            if page.items.len() == limit {
                page.next_after = at.checked_sub(1);
                return Ok(page);
            }
            if let Some(entry) = ledger.entry(Index(index))?
                && entry.leaf.status == Status::Accepted
            {
                let receipt = hex(&ledger.receipt(Index(index))?);
                let entry = entry_json(&entry);
                page.items.push(json!({ "index": index, "entry": entry, "receipt": receipt }));
            }
            at = index + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::tests::incidents;

    /// The pages of what is in both lists, each walked with this budget.
    fn paged(ledger: &Ledger, lists: [&[u64]; 2], budget: usize) -> (Vec<u64>, usize) {
        let head = ledger.head();
        let (mut told, mut spent, mut from) = (Vec::new(), 0, 0);
        for _ in 0..100 {
            let source =
                Source::All(lists.iter().map(|list| Source::List(list.to_vec())).collect());
            let walk = Walk::new(Order::Oldest, budget);
            let page = Page::read(ledger, &head, source, (from, 2), walk).unwrap();
            told.extend(page.items.iter().map(|item| item["index"].as_u64().unwrap()));
            spent += usize::from(page.spent.is_some());
            from = page.next_after.map_or(0, |after| after + 1);
            if from == head.size.0 {
                break;
            }
        }
        (told, spent)
    }

    #[test]
    fn what_a_budget_did_not_reach_is_on_a_later_page() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 31);
        let ledger = &writer.ledger();
        let every: Vec<u64> = (1..31).collect();
        let last = [3, 28, 29, 30];
        assert_eq!(paged(ledger, [&every, &last], usize::MAX), (last.to_vec(), 0));
        let even: Vec<u64> = (1..15).map(|n| n * 2).collect();
        let odd: Vec<u64> = (0..15).map(|n| n * 2 + 1).chain([30]).collect();
        let even: Vec<u64> = even.into_iter().chain([30]).collect();
        let (told, spent) = paged(ledger, [&even, &odd], 5);
        assert_eq!(told, [30]);
        assert!(spent > 1, "{spent}");
    }
}
