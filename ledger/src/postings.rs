//! Postings: which entries carry a term. One row per term and span of the log; each commit writes its part of it, and
//! the store puts the parts together when it reads or compacts them. So a commit costs one write per term, and a query
//! finds old entries in few rows, however small the commits were.

use rocksdb::DBRawIterator;
use schemas::id::{Index, TreeSize};
use schemas::map::Map;
use schemas::terms::Term;

use crate::error::ReadError;
use crate::keys::{self, Short};
use crate::places::{Places, SPAN};
use crate::read::damaged;
use crate::store::{ColumnFamily, Row, Store};
use crate::term_row::term_row;

/// The terms of one commit, gathered entry by entry under their keys in `terms`.
#[derive(Default)]
pub(crate) struct Gathered {
    terms: Map<Vec<u8>, Vec<u64>>,
    /// Reused, so that a term that occurred before costs no allocation.
    key: Vec<u8>,
}

impl Gathered {
    /// Notes the terms of the entry at `index`; indexes must ascend.
    pub(crate) fn add(&mut self, index: Index, terms: &[Term<'_>]) {
        for term in terms {
            self.key.clear();
            self.key.push(term.key.code());
            self.key.extend_from_slice(term.value.as_bytes());
            match self.terms.get_mut(&self.key) {
                Some(indexes) => indexes.push(index.0),
                None => {
                    self.terms.insert(self.key.clone(), vec![index.0]);
                }
            }
        }
    }

    /// The rows of `postings` and `terms`, each in order of key: neighbours go into the store's memory side
    /// by side, which is much cheaper than jumping about.
    pub(crate) fn rows(self) -> impl Iterator<Item = Row> {
        let mut postings = Vec::with_capacity(self.terms.len());
        let mut terms = Vec::with_capacity(self.terms.len());
        for (term, indexes) in self.terms {
            let first = indexes.first().copied().unwrap_or_default();
            let last = indexes.last().copied().unwrap_or_default();
            let count = u64::try_from(indexes.len()).unwrap_or(u64::MAX);
            let hash = keys::row_hash(&term);
            for (span, part) in by_span(&indexes) {
                let places: Vec<_> = part.iter().map(|index| place_of(*index)).collect();
                postings.extend(row(&hash, span, &places));
            }
            terms.push(Row::new(ColumnFamily::Terms, term, term_row([first, last, count])));
        }
        postings.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        terms.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        postings.into_iter().chain(terms)
    }
}

/// The span that an entry is in.
fn span_of(index: u64) -> u64 {
    index / SPAN
}

/// Where in its span an entry is.
fn place_of(index: u64) -> u16 {
    u16::try_from(index % SPAN).unwrap_or(u16::MAX)
}

/// The entry at a place of a span.
fn index(span: u64, place: u16) -> u64 {
    span * SPAN + u64::from(place)
}

/// Indexes, which ascend, by the spans that they are in.
fn by_span(indexes: &[u64]) -> impl Iterator<Item = (u64, &[u64])> {
    let parts = indexes.chunk_by(|a, b| span_of(*a) == span_of(*b));
    parts.filter_map(|part| Some((span_of(*part.first()?), part)))
}

fn key(term: &Short, span: u64) -> Vec<u8> {
    keys::posting(term, Index(index(span, 0)))
}

/// The row of a term that has these places in the span; `None` if it has none.
fn row(term: &Short, span: u64, places: &[u16]) -> Option<Row> {
    Some(Row::new(ColumnFamily::Postings, key(term, span), Places::encode(places)?))
}

/// What taking entries out of a term's postings changes.
#[derive(Default)]
pub(crate) struct Rewritten {
    pub(crate) puts: Vec<Row>,
    pub(crate) deletes: Vec<Vec<u8>>,
}

/// The term's rows without the entries `gone`, which ascend: as if these had never carried it.
pub(crate) fn without(store: &Store, term: Short, gone: &[u64]) -> Result<Rewritten, ReadError> {
    let mut rewritten = Rewritten::default();
    let mut postings = Postings::new(store, term, TreeSize(u64::MAX));
    for (span, part) in by_span(gone) {
        let found = postings.forward_to(span)?.filter(|row| row.span == span);
        let Some(found) = found else { continue };
        let mut left = found.places.all();
        left.retain(|place| part.binary_search(&index(span, *place)).is_err());
        match row(&term, span, &left) {
            Some(row) => rewritten.puts.push(row),
            None => rewritten.deletes.push(key(&term, span)),
        }
    }
    Ok(rewritten)
}

/// First and last entry that carry the term, but for those in `gone`, which ascend.
pub(crate) fn ends_without(
    store: &Store,
    term: Short,
    gone: &[u64],
) -> Result<Option<(u64, u64)>, ReadError> {
    let mut postings = Postings::new(store, term, TreeSize(u64::MAX));
    let is_gone = |at: &Index| gone.binary_search(&at.0).is_ok();
    let mut first = postings.at_or_after(0)?;
    while let Some(at) = first.filter(is_gone) {
        first = postings.at_or_after(at.0 + 1)?;
    }
    let mut last = postings.at_or_before(u64::MAX)?;
    while let Some(at) = last.filter(is_gone) {
        last = match at.0.checked_sub(1) {
            Some(before) => postings.at_or_before(before)?,
            None => None,
        };
    }
    Ok(first.zip(last).map(|(first, last)| (first.0, last.0)))
}

/// Rows that are stepped over before one is searched for: walks mostly go on nearby, and a step costs much less.
const STEPS_MAX: usize = 6;

/// A cursor over the entries that carry one term, below the head as it was when the cursor was made.
pub struct Postings<'l> {
    rows: DBRawIterator<'l>,
    term: Short,
    size: TreeSize,
    /// The span of the row under the cursor, if it is one of the term's.
    at_hand: Option<u64>,
}

/// A row of a term, as it lies under the cursor.
struct SpanRow<'c> {
    span: u64,
    places: Places<'c>,
}

impl<'l> Postings<'l> {
    pub(crate) fn new(store: &'l Store, term: Short, size: TreeSize) -> Self {
        Self { rows: store.cursor(ColumnFamily::Postings), term, size, at_hand: None }
    }

    /// The first entry at or after `from`.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn at_or_after(&mut self, from: u64) -> Result<Option<Index>, ReadError> {
        let (size, mut from) = (self.size.0, from);
        while let Some(SpanRow { span, places }) = self.forward_to(span_of(from))? {
            let first = if span == span_of(from) { place_of(from) } else { 0 };
            if let Some(place) = places.at_or_after(first) {
                let found = index(span, place);
                return Ok((found < size).then_some(Index(found)));
            }
            let Some(next) = index(span, u16::MAX).checked_add(1) else { break };
            from = next;
        }
        Ok(None)
    }

    /// The entries at or after `from`, row by row: at least `enough`, if there are so many.
    ///
    /// # Errors
    /// As for [`Postings::at_or_after`].
    pub fn many_from(&mut self, from: u64, enough: usize) -> Result<Vec<Index>, ReadError> {
        let (size, mut next, mut found) = (self.size.0, span_of(from), Vec::new());
        let Some(last) = size.checked_sub(1).map(span_of) else { return Ok(found) };
        while found.len() < enough
            && next <= last
            && let Some(SpanRow { span, places }) = self.forward_to(next)?
        {
            let entries = places.all().into_iter().map(|place| index(span, place));
            found.extend(entries.filter(|at| (from..size).contains(at)).map(Index));
            next = span + 1;
        }
        Ok(found)
    }

    /// The last entry at or before `from`.
    ///
    /// # Errors
    /// As for [`Postings::at_or_after`].
    pub fn at_or_before(&mut self, from: u64) -> Result<Option<Index>, ReadError> {
        let Some(newest) = self.size.0.checked_sub(1) else { return Ok(None) };
        let mut from = from.min(newest);
        while let Some(SpanRow { span, places }) = self.back_to(span_of(from))? {
            let last = if span == span_of(from) { place_of(from) } else { u16::MAX };
            if let Some(place) = places.at_or_before(last) {
                return Ok(Some(Index(index(span, place))));
            }
            let Some(before) = index(span, 0).checked_sub(1) else { break };
            from = before;
        }
        Ok(None)
    }

    /// The term's row of the span, or else the next one.
    fn forward_to(&mut self, span: u64) -> Result<Option<SpanRow<'_>>, ReadError> {
        let is_behind = |at: u64| at < span;
        if !self.step(DBRawIterator::next, span, is_behind)? {
            self.rows.seek(key(&self.term, span));
            self.load()?;
        }
        self.row()
    }

    /// The term's row of the span, or else the one before.
    fn back_to(&mut self, span: u64) -> Result<Option<SpanRow<'_>>, ReadError> {
        let is_beyond = |at: u64| at > span;
        if !self.step(DBRawIterator::prev, span, is_beyond)? {
            self.rows.seek_for_prev(key(&self.term, span));
            self.load()?;
        }
        self.row()
    }

    /// Steps from the row at hand past those that are `short` of the span; false if it takes a search.
    fn step(
        &mut self,
        step: fn(&mut DBRawIterator<'l>),
        span: u64,
        is_short: impl Fn(u64) -> bool,
    ) -> Result<bool, ReadError> {
        let Some(at) = self.at_hand else { return Ok(false) };
        if !is_short(at) {
            return Ok(at == span);
        }
        self.at_hand = None;
        for _ in 0..STEPS_MAX {
            step(&mut self.rows);
            if !self.span()?.is_some_and(&is_short) {
                self.load()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The span of the row under the cursor; `None` if it is another term's or there is none.
    fn span(&self) -> Result<Option<u64>, ReadError> {
        self.rows.status()?;
        let Some(key) = self.rows.key() else { return Ok(None) };
        let parsed = keys::parse_posting(key).filter(|(_, first)| place_of(first.0) == 0);
        let (term, first) = parsed.ok_or_else(|| damaged(ColumnFamily::Postings, key))?;
        Ok((term == self.term).then_some(span_of(first.0)))
    }

    /// Takes the row under the cursor to hand.
    fn load(&mut self) -> Result<(), ReadError> {
        self.at_hand = None;
        if let Some(span) = self.span()?
            && let Some((key, row)) = self.rows.item()
        {
            Places::decode(row).ok_or_else(|| damaged(ColumnFamily::Postings, key))?;
            self.at_hand = Some(span);
        }
        Ok(())
    }

    /// The row at hand.
    fn row(&self) -> Result<Option<SpanRow<'_>>, ReadError> {
        let Some(span) = self.at_hand else { return Ok(None) };
        let places = self.rows.value().and_then(Places::of);
        let places =
            places.ok_or_else(|| damaged(ColumnFamily::Postings, &key(&self.term, span)))?;
        Ok(Some(SpanRow { span, places }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use schemas::terms::Key;

    use super::*;

    /// Entries about where spans meet, and some far away.
    fn entries() -> impl Strategy<Value = BTreeSet<u64>> {
        let near = (0u64..9, 0u64..40).prop_map(|(span, at)| (span * SPAN + at).saturating_sub(20));
        let far = (0u64..30).prop_map(|span| (u64::MAX - span * SPAN / 2).saturating_sub(2));
        prop::collection::btree_set(prop_oneof![9 => near, 1 => far], 1..60)
    }

    /// One term's entries, `count` to a commit, of which `filed` lie in files.
    fn written(store: &Store, value: &str, entries: &BTreeSet<u64>, count: usize, filed: usize) {
        let entries: Vec<_> = entries.iter().copied().collect();
        for (n, commit) in entries.chunks(count).enumerate() {
            let mut gathered = Gathered::default();
            for index in commit {
                gathered.add(Index(*index), &[Term { key: Key::Agent, value: value.into() }]);
            }
            store.write_unsynced(&gathered.rows().collect::<Vec<_>>()).unwrap();
            if n + 1 == filed {
                store.flush().unwrap();
            }
        }
    }

    fn postings<'s>(store: &'s Store, value: &str, size: u64) -> Postings<'s> {
        Postings::new(store, keys::term_hash(Key::Agent, value), TreeSize(size))
    }

    fn after(entries: &BTreeSet<u64>, from: u64) -> Option<Index> {
        entries.range(from..).next().copied().map(Index)
    }

    fn before(entries: &BTreeSet<u64>, from: u64) -> Option<Index> {
        entries.range(..=from).next_back().copied().map(Index)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_next_one_is_found_either_way_whatever_was_asked_before(
            entries in entries(),
            others in entries(),
            asked in entries(),
            count in 1usize..9,
            filed in 0usize..9,
            size in prop::option::of(0u64..10 * SPAN),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(directory.path()).unwrap();
            written(&store, "a", &entries, count, filed);
            written(&store, "b", &others, count, filed);
            let size = size.unwrap_or(u64::MAX);
            let known: BTreeSet<_> = entries.range(..size).copied().collect();
            let mut postings = postings(&store, "a", size);
            let asked = asked.iter().chain(&entries).chain([&0, &u64::MAX]);
            for from in asked.clone() {
                prop_assert_eq!(postings.at_or_after(*from).unwrap(), after(&known, *from));
            }
            for from in asked.clone().rev() {
                prop_assert_eq!(postings.at_or_before(*from).unwrap(), before(&known, *from));
            }
            for (from, other) in asked.clone().zip(asked.clone().rev()) {
                prop_assert_eq!(postings.at_or_before(*from).unwrap(), before(&known, *from));
                prop_assert_eq!(postings.at_or_after(*other).unwrap(), after(&known, *other));
            }
            for (from, enough) in asked.zip([0, 1, 7, usize::MAX].into_iter().cycle()) {
                let found = postings.many_from(*from, enough).unwrap();
                let all: Vec<_> = known.range(from..).copied().map(Index).collect();
                prop_assert!(all.starts_with(&found) && found.len() >= enough.min(all.len()));
            }
        }

        #[test]
        fn what_is_taken_out_has_never_been_there(
            entries in entries(),
            gone in entries(),
            count in 1usize..9,
            filed in 0usize..9,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(directory.path()).unwrap();
            written(&store, "a", &entries, count, filed);
            let term = keys::term_hash(Key::Agent, "a");
            let taken: Vec<_> = gone.iter().copied().collect();
            let left: BTreeSet<_> = entries.difference(&gone).copied().collect();
            let ends = left.first().copied().zip(left.last().copied());
            prop_assert_eq!(ends_without(&store, term, &taken).unwrap(), ends);
            let rewritten = without(&store, term, &taken).unwrap();
            let deletes = rewritten.deletes.into_iter().map(|key| (ColumnFamily::Postings, key));
            store.rewrite_synced(&rewritten.puts, &deletes.collect::<Vec<_>>()).unwrap();
            let rows = |store: &Store| {
                let rows = store.scan(ColumnFamily::Postings, &[], rocksdb::Direction::Forward);
                rows.map(Result::unwrap).collect::<Vec<_>>()
            };
            let other = tempfile::tempdir().unwrap();
            let fresh = Store::open(other.path()).unwrap();
            written(&fresh, "a", &left, usize::MAX, 0);
            prop_assert_eq!(rows(&store), rows(&fresh));
        }
    }

    #[test]
    fn long_rows_are_asked_where_they_lie() {
        let last = 3 * SPAN + 40_000;
        let every_third = (0..SPAN).step_by(3);
        let few = [SPAN + 5, SPAN + 6, SPAN + 60_000];
        let entries: BTreeSet<_> = every_third.chain(few).chain(2 * SPAN..=last).collect();
        // Of the parts some are lists and some are maps; they lie in memory, in files, and in both.
        for (count, filed) in [(5_000, 0), (5_000, 7), (3_000, 7), (5_000, usize::MAX)] {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(directory.path()).unwrap();
            let filed = filed.min(entries.len().div_ceil(count));
            written(&store, "a", &entries, count, filed);
            for size in [u64::MAX, 3 * SPAN + 30_001] {
                let known: BTreeSet<_> = entries.range(..size).copied().collect();
                let asked: Vec<_> =
                    (0..4 * SPAN).step_by(911).chain(SPAN - 4..SPAN + 8).chain([last]).collect();
                let mut postings = postings(&store, "a", size);
                for from in asked.iter().chain(asked.iter().rev()).copied() {
                    assert_eq!(postings.at_or_after(from).unwrap(), after(&known, from));
                    assert_eq!(postings.at_or_before(from).unwrap(), before(&known, from));
                }
                for from in asked.iter().copied() {
                    assert_eq!(postings.at_or_after(from).unwrap(), after(&known, from));
                }
            }
        }
    }

    #[test]
    fn damage_is_named_and_stops_nobody_who_writes() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        written(&store, "a", &BTreeSet::from([1, SPAN + 1]), 9, 1);
        let term = keys::term_hash(Key::Agent, "a");
        let broken = Row::new(ColumnFamily::Postings, key(&term, 0), [7, 7, 7]);
        store.replace(&broken).unwrap();
        written(&store, "a", &BTreeSet::from([5, SPAN + 5]), 9, 1);
        store.purge(&[ColumnFamily::Postings]).unwrap();
        written(&store, "a", &BTreeSet::from([6, SPAN + 6]), 9, 1);
        let mut postings = postings(&store, "a", u64::MAX);
        assert!(matches!(postings.at_or_after(0), Err(ReadError::Damaged { .. })));
        assert_eq!(postings.at_or_after(SPAN).unwrap(), Some(Index(SPAN + 1)));
        assert_eq!(postings.at_or_after(SPAN + 2).unwrap(), Some(Index(SPAN + 5)));
        assert!(matches!(postings.at_or_before(SPAN), Err(ReadError::Damaged { .. })));
        let askew = keys::posting(&term, Index(2 * SPAN + 7));
        store.replace(&Row::new(ColumnFamily::Postings, askew, [0, 1])).unwrap();
        written(&store, "a", &BTreeSet::from([2 * SPAN, 3 * SPAN]), 9, 1);
        let mut postings = super::tests::postings(&store, "a", u64::MAX);
        assert_eq!(postings.at_or_after(SPAN).unwrap(), Some(Index(SPAN + 1)));
        assert!(matches!(postings.at_or_after(9 * SPAN), Err(ReadError::Damaged { .. })));
        assert_eq!(postings.at_or_after(2 * SPAN).unwrap(), Some(Index(2 * SPAN)));
    }
}
