//! `gaps`: the numbers that signers gave their events, where the ledger does not hold all of them in order.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use ledger::Ledger;
use schemas::id::{Index, SessionId};
use schemas::kind::Kind;
use schemas::limits::GAP_SESSIONS_MAX;
use serde_json::{Value, json};

use crate::api::{Api, set};
use crate::error::{Error, is_damage};
use crate::execute::{Found, Hits, Rest};
use crate::node::Node;
use crate::params::Params;
use crate::search::Search;
use crate::source::{Order, Seek, Walk};
use crate::terms::of_session;

const PARAMS: &[&str] = &["q", "since", "until", "after", "cursor", "explain"];
const ENTRIES_PER_LOOK: usize = 256;

pub(crate) async fn list(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(PARAMS)?;
    api.read(move |api| read(api, &params)).await.map(Json)
}

/// One signer in one of its sessions.
type Counting = (String, SessionId);

fn read(api: &Api, params: &Params) -> Result<Value, Error> {
    let search = Search::of(api, params, "gaps", Some(Order::Oldest))?;
    let size = search.size();
    let mut hits = search.hits(api)?;
    let (mut damaged, mut walk) = (BTreeSet::new(), Walk::of_query(Order::Oldest));
    let (sessions, rest) = match &mut hits {
        Some(hits) => sessions(hits, &mut damaged)?,
        None => (BTreeSet::new(), Rest::default()),
    };
    let mut items = Vec::new();
    for counting in &sessions {
        let numbers = Numbers::of(&api.ledger, counting, size, &mut walk)?;
        items.extend(numbers.to_json(counting));
        damaged.extend(numbers.damaged);
    }
    let members = [
        ("items", Value::Array(items)),
        ("sessions", json!(sessions.len())),
        ("damaged", json!(damaged.len())),
    ];
    search.answer(api, members, hits.as_ref(), rest)
}

/// Who counts in the entries that fit; nothing tells that of those that are damaged.
fn sessions(
    hits: &mut Hits<'_>,
    damaged: &mut BTreeSet<u64>,
) -> Result<(BTreeSet<Counting>, Rest), Error> {
    let mut found = BTreeSet::new();
    loop {
        let page = hits.page(ENTRIES_PER_LOOK, |found| found)?;
        for entry in &page.entries {
            match entry {
                Found::Damaged(index) => drop(damaged.insert(index.0)),
                Found::Entry(entry) if entry.is_damaged() => {
                    damaged.insert(entry.leaf.index.0);
                }
                Found::Entry(entry) => {
                    let node = Node::of(entry);
                    let signer = node.signer.filter(|_| node.seq.is_some()).map(str::to_owned);
                    found.extend(signer.zip(node.session));
                }
            }
        }
        let rest = page.rest;
        match rest.next {
            Some(next) if rest.spent.is_none() => {
                if found.len() >= GAP_SESSIONS_MAX || hits.walk.is_over() {
                    return Ok((found, Rest::spent(next)));
                }
                hits.resume(next);
            }
            _ => return Ok((found, rest)),
        }
    }
}

/// One signer's numbers in one session, as they came.
#[derive(Default)]
struct Numbers {
    /// Where each stands; the first time, if it came again.
    at: BTreeMap<u64, u64>,
    /// What is below the highest number so far and is not there, with the entry that showed it.
    open: BTreeMap<u64, Range>,
    /// What was open for a while.
    filled: Vec<(u64, u64, u64)>,
    /// What the signer says itself that it lost, and where it says so.
    lost: Vec<(u64, u64, u64)>,
    /// Its entries that cannot be read: their numbers look as if they were missing.
    damaged: Vec<u64>,
    /// Where the budget ended.
    reached: Option<u64>,
}

/// An open range's last number, and the entry that showed it.
struct Range {
    to: u64,
    shown_by: u64,
}

impl Numbers {
    fn of(
        ledger: &Ledger,
        (signer, session): &Counting,
        size: u64,
        walk: &mut Walk,
    ) -> Result<Self, Error> {
        let mut numbers = Self::default();
        let mut source = of_session(ledger, signer, *session);
        let mut at = Some(0);
        while let Some(from) = at {
            let index = match source.seek(from, walk)? {
                Seek::At(index) if index < size => index,
                Seek::At(_) | Seek::End => break,
                Seek::Spent(reached) => {
                    numbers.reached = Some(reached);
                    break;
                }
            };
            at = walk.order.beyond(index);
            let entry = match ledger.entry(Index(index)) {
                Err(failure) if !is_damage(&failure) => return Err(failure.into()),
                Ok(Some(entry)) if !entry.is_damaged() => entry,
                _ => {
                    numbers.damaged.push(index);
                    continue;
                }
            };
            numbers.add(&Node::of(&entry));
        }
        Ok(numbers)
    }

    fn add(&mut self, node: &Node<'_>) {
        let index = node.index.0;
        if let Some((from, to)) =
            node.lost.filter(|_| node.is(Kind::GapDeclared) && node.accepted())
        {
            self.lost.push((from, to, index));
        }
        let Some(n) = node.seq else { return };
        let highest = self.at.last_key_value().map_or(0, |(n, _)| *n);
        // A signer may give any number, the largest too.
        match n.saturating_sub(highest) {
            0 if !self.at.contains_key(&n) => self.fill(n, index),
            0 | 1 => {}
            _ => {
                self.open.insert(highest + 1, Range { to: n - 1, shown_by: index });
            }
        }
        self.at.entry(n).or_insert(index);
    }

    /// Takes `n` out of the range that it was missing from.
    fn fill(&mut self, n: u64, index: u64) {
        let Some((from, range)) = self
            .open
            .range(..=n)
            .next_back()
            .map(|(from, _)| *from)
            .and_then(|from| self.open.remove(&from).map(|range| (from, range)))
        else {
            return;
        };
        let Range { to, shown_by } = range;
        if from < n {
            self.open.insert(from, Range { to: n - 1, shown_by });
        }
        if n < to {
            self.open.insert(n + 1, Range { to, shown_by });
        }
        match self.filled.last_mut() {
            Some((_, last, by)) if *last + 1 == n => (*last, *by) = (n, index),
            _ => self.filled.push((n, n, index)),
        }
    }

    fn to_json(&self, (signer, session): &Counting) -> Vec<Value> {
        let item = |state: &str, from: u64, to: u64| {
            json!({
                "signer": signer,
                "session": session.to_string(),
                "state": state,
                "from": from,
                "to": to,
                "numbers": to - from + 1,
            })
        };
        let mut items = Vec::new();
        for (from, Range { to, shown_by }) in &self.open {
            let declared = self.lost.iter().find(|(first, last, _)| first <= from && to <= last);
            let mut gap = item(declared.map_or("open", |_| "declared"), *from, *to);
            set(&mut gap, "shown_by", *shown_by);
            if let Some((_, _, by)) = declared {
                set(&mut gap, "declared_by", *by);
            }
            items.push(gap);
        }
        for (from, to, by) in &self.filled {
            let mut gap = item("filled", *from, *to);
            set(&mut gap, "filled_by", *by);
            items.push(gap);
        }
        if let Some(reached) = self.reached {
            let last = self.at.last_key_value().map_or(0, |(n, _)| *n);
            let from = last.saturating_add(1);
            let mut gap = item("unchecked", from, from);
            set(&mut gap, "to", Value::Null);
            set(&mut gap, "numbers", Value::Null);
            set(&mut gap, "scanned_to", reached);
            items.push(gap);
        }
        items
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn the_largest_number_is_one_like_others() {
        let mut numbers = Numbers::default();
        for (index, n) in [(5, 1), (6, u64::MAX), (7, u64::MAX), (8, 2), (9, u64::MAX - 1)] {
            numbers.add(&Node { seq: Some(n), ..Node::damaged(Index(index)) });
        }
        numbers.reached = Some(10);
        let items = numbers.to_json(&("a".to_owned(), SessionId([1; 16])));
        let told = items.iter().map(|item| json!([item["state"], item["from"], item["to"]]));
        let expected = [
            json!(["open", 3, u64::MAX - 2]),
            json!(["filled", 2, 2]),
            json!(["filled", u64::MAX - 1, u64::MAX - 1]),
            json!(["unchecked", u64::MAX, null]),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}
