//! Postings: which entries carry a term. One row per commit and term, so that a commit's common terms
//! cost one put each.
//!
//! A row's key ends in the first index; its value holds the distances to the others as varints.

use rocksdb::DBRawIterator;
use schemas::id::{Index, TreeSize};
use schemas::map::Map;
use schemas::terms::Term;

use crate::error::ReadError;
use crate::keys::{self, Short};
use crate::read::damaged;
use crate::store::{ColumnFamily, Row, Store, term_row};

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
            let posting = keys::posting(&keys::row_hash(&term), Index(first));
            postings.push(Row::new(ColumnFamily::Postings, posting, encode(&indexes)));
            terms.push(Row::new(ColumnFamily::Terms, term, term_row([first, last, count])));
        }
        postings.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        terms.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        postings.into_iter().chain(terms)
    }
}

fn encode(indexes: &[u64]) -> Vec<u8> {
    let mut row = Vec::with_capacity(indexes.len());
    for (before, at) in indexes.iter().zip(indexes.iter().skip(1)) {
        let mut distance = at - before;
        while distance >= 0x80 {
            row.push(u8::try_from(distance & 0x7f).unwrap_or(0) | 0x80);
            distance >>= 7;
        }
        row.push(u8::try_from(distance).unwrap_or(0));
    }
    row
}

/// Puts the indexes of a row into `block` instead of what is there; `None` if the row is damaged.
fn decode(first: u64, row: &[u8], block: &mut Vec<u64>) -> Option<()> {
    block.clear();
    block.reserve(1 + row.len());
    block.push(first);
    let (mut at, mut bytes) = (first, row.iter());
    while let Some(byte) = bytes.next() {
        // Mostly neighbours are near.
        let distance = if *byte < 0x80 { u64::from(*byte) } else { far(*byte, &mut bytes)? };
        at = at.checked_add(distance).filter(|_| distance > 0)?;
        block.push(at);
    }
    Some(())
}

/// A distance that takes more bytes than its first.
fn far(first: u8, bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let (mut distance, mut shift) = (u64::from(first & 0x7f), 7);
    loop {
        let byte = bytes.next()?;
        distance |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            return Some(distance);
        }
        shift += 7;
    }
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
    let mut rest = gone;
    while let Some(next) = rest.first() {
        if postings.at_or_before(*next)? != Some(Index(*next)) {
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let row = postings.block.clone();
        let (first, last) = (row.first().copied(), row.last().copied());
        let left: Vec<_> = row.into_iter().filter(|at| gone.binary_search(at).is_err()).collect();
        rewritten.deletes.extend(first.map(|first| keys::posting(&term, Index(first))));
        if let Some(first) = left.first() {
            let key = keys::posting(&term, Index(*first));
            rewritten.puts.push(Row::new(ColumnFamily::Postings, key, encode(&left)));
        }
        rest = rest.get(rest.partition_point(|at| Some(*at) <= last)..).unwrap_or_default();
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
    block: Vec<u64>,
}

impl<'l> Postings<'l> {
    pub(crate) fn new(store: &'l Store, term: Short, size: TreeSize) -> Self {
        Self { rows: store.cursor(ColumnFamily::Postings), term, size, block: Vec::new() }
    }

    /// The first entry at or after `index`.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn at_or_after(&mut self, index: u64) -> Result<Option<Index>, ReadError> {
        if !self.holds(index) && !self.forward_to(index)? {
            return Ok(None);
        }
        let place = self.block.partition_point(|at| *at < index);
        let found = self.block.get(place).copied();
        Ok(found.filter(|at| *at < self.size.0).map(Index))
    }

    /// The last entry at or before `index`.
    ///
    /// # Errors
    /// As for [`Postings::at_or_after`].
    pub fn at_or_before(&mut self, index: u64) -> Result<Option<Index>, ReadError> {
        let Some(newest) = self.size.0.checked_sub(1) else { return Ok(None) };
        let index = index.min(newest);
        if !self.holds(index) && !self.back_to(index)? {
            return Ok(None);
        }
        let place = self.block.partition_point(|at| *at <= index);
        Ok(place.checked_sub(1).and_then(|last| self.block.get(last)).copied().map(Index))
    }

    /// Whether the answer for `index` is inside the row at hand.
    fn holds(&self, index: u64) -> bool {
        let ends = self.block.first().zip(self.block.last());
        ends.is_some_and(|(first, last)| (*first..=*last).contains(&index))
    }

    /// Loads the first row that has an entry at or after `index`; false if there is none.
    fn forward_to(&mut self, index: u64) -> Result<bool, ReadError> {
        if self.block.last().is_some_and(|last| *last < index)
            && let Some(found) = self.step_forward_to(index)?
        {
            return Ok(found);
        }
        self.rows.seek_for_prev(keys::posting(&self.term, Index(index)));
        if self.load()? && self.reaches(index) {
            return Ok(true);
        }
        self.rows.seek(keys::posting(&self.term, Index(index)));
        self.load()
    }

    /// Steps to it from the row at hand, which ends before `index`; `None` if that took too many steps.
    fn step_forward_to(&mut self, index: u64) -> Result<Option<bool>, ReadError> {
        for step in 0..STEPS_MAX {
            self.rows.next();
            let Some(first) = self.first()? else {
                // The rows passed over may hold it, and there may be no way back to them.
                return if step == 0 { self.load().map(Some) } else { Ok(None) };
            };
            if first < index {
                continue;
            }
            if step > 0 {
                self.rows.prev();
                if self.load()? && self.reaches(index) {
                    return Ok(Some(true));
                }
                self.rows.next();
            }
            return self.load().map(Some);
        }
        Ok(None)
    }

    /// Loads the last row that has an entry at or before `index`; false if there is none.
    fn back_to(&mut self, index: u64) -> Result<bool, ReadError> {
        if self.block.first().is_some_and(|first| index < *first) {
            for _ in 0..STEPS_MAX {
                self.rows.prev();
                if self.first()?.is_none_or(|first| first <= index) {
                    return self.load();
                }
            }
        }
        self.rows.seek_for_prev(keys::posting(&self.term, Index(index)));
        self.load()
    }

    /// The first index of the row under the cursor; `None` if it is another term's or there is none.
    fn first(&self) -> Result<Option<u64>, ReadError> {
        self.rows.status()?;
        let Some(key) = self.rows.key() else { return Ok(None) };
        let (term, first) =
            keys::parse_posting(key).ok_or_else(|| damaged(ColumnFamily::Postings, key))?;
        Ok((term == self.term).then_some(first.0))
    }

    fn reaches(&self, index: u64) -> bool {
        self.block.last().is_some_and(|last| *last >= index)
    }

    /// Decodes the row under the cursor; false if it is another term's or there is none.
    fn load(&mut self) -> Result<bool, ReadError> {
        self.block.clear();
        self.rows.status()?;
        let Some((key, value)) = self.rows.item() else { return Ok(false) };
        let parsed = keys::parse_posting(key);
        let (term, first) = parsed.ok_or_else(|| damaged(ColumnFamily::Postings, key))?;
        if term != self.term {
            return Ok(false);
        }
        if decode(first.0, value, &mut self.block).is_none() {
            self.block.clear();
            return Err(damaged(ColumnFamily::Postings, key));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(first: u64, row: &[u8]) -> Option<Vec<u64>> {
        let mut block = vec![1, 2, 3];
        decode(first, row, &mut block).map(|()| block)
    }

    #[test]
    fn what_is_written_is_read_and_a_damaged_row_is_none() {
        let rows: [&[u64]; 4] =
            [&[7], &[0, 1, 128, 129, 20_000], &[5, 132, 260, 1 << 40], &[1, u64::MAX]];
        for indexes in rows {
            let (first, row) = (indexes.first().copied().unwrap_or_default(), encode(indexes));
            assert_eq!(decoded(first, &row).as_deref(), Some(indexes));
        }
        let (endless, too_far) = ([0x80; 12], [0xff; 9]);
        for damaged in [&[0][..], &[1, 0], &[0x80], &[1, 0x81], &endless, &too_far] {
            assert_eq!(decoded(7, damaged), None);
        }
        assert_eq!(decoded(u64::MAX, &[1]), None, "beyond the last index");
    }
}
