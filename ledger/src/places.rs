//! Sets of places within a span of the log, as the rows of `postings` hold them.
//!
//! A set of few places is a list of them, two bytes each, ascending; one of many is a map of a bit for each place of the
//! span. A set has one form, whichever parts it was put together from, so that a rebuild makes the same bytes.

use rocksdb::MergeOperands;

/// Entries of a span: as many as two bytes tell apart.
pub(crate) const SPAN: u64 = 1 << 16;

const WORDS: usize = 1 << 10;
const MAP_BYTES: usize = WORDS * 8;
/// Places from which on a list would be no shorter than a map.
const MANY: usize = MAP_BYTES / 2;

/// The row that parts make of which one is damaged: no set, so that reading it fails. Writing it does not, for a merge
/// that fails would end the store's work in the background.
const DAMAGED: [u8; 1] = [0];

/// The places of a span that belong to a set, of which there is at least one, as a row holds them: a walk asks for few of
/// them, and rows are long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Places<'r> {
    /// Ascending.
    List(&'r [[u8; 2]]),
    /// The first place is the lowest bit of the first word.
    Map(&'r [[u8; 8]]),
}

impl<'r> Places<'r> {
    /// Reads a row; `None` if it is no set. A map is not counted, so that nothing reads all of it.
    pub(crate) fn decode(row: &'r [u8]) -> Option<Self> {
        Self::of(row).filter(|places| match places {
            Self::List(places) => ascend(places),
            Self::Map(words) => words.iter().any(|word| u64::from_be_bytes(*word) != 0),
        })
    }

    /// The same of a row that was decoded before; `None` if its length is no set's.
    pub(crate) fn of(row: &'r [u8]) -> Option<Self> {
        if row.len() == MAP_BYTES {
            return Some(Self::Map(row.as_chunks().0));
        }
        let (places, rest) = row.as_chunks();
        let is_list = !places.is_empty() && places.len() < MANY && rest.is_empty();
        is_list.then_some(Self::List(places))
    }

    /// The row of the set of these places, which ascend; `None` if there are none.
    pub(crate) fn encode(places: &[u16]) -> Option<Vec<u8>> {
        match places.len() {
            0 => None,
            MANY.. => {
                let mut words = vec![0; WORDS];
                places.iter().for_each(|place| set(&mut words, *place));
                Some(map_row(&words))
            }
            _ => Some(places.iter().flat_map(|place| place.to_be_bytes()).collect()),
        }
    }

    /// The first place of the set at or after `place`.
    pub(crate) fn at_or_after(self, place: u16) -> Option<u16> {
        match self {
            Self::List(places) => {
                let at = places.partition_point(|at| u16::from_be_bytes(*at) < place);
                places.get(at).copied().map(u16::from_be_bytes)
            }
            Self::Map(words) => {
                let (at, bit) = split(place);
                let first = u64::from_be_bytes(*words.get(at)?) & (u64::MAX << bit);
                let rest = words.get(at + 1..)?.iter().copied().map(u64::from_be_bytes);
                let mut words = (at..).zip(std::iter::once(first).chain(rest));
                let (at, word) = words.find(|(_, word)| *word != 0)?;
                join(at, word.trailing_zeros())
            }
        }
    }

    /// The last place of the set at or before `place`.
    pub(crate) fn at_or_before(self, place: u16) -> Option<u16> {
        match self {
            Self::List(places) => {
                let beyond = places.partition_point(|at| u16::from_be_bytes(*at) <= place);
                places.get(beyond.checked_sub(1)?).copied().map(u16::from_be_bytes)
            }
            Self::Map(words) => {
                let (at, bit) = split(place);
                let last = u64::from_be_bytes(*words.get(at)?) & (u64::MAX >> (63 - bit));
                let rest = words.get(..at)?.iter().copied().map(u64::from_be_bytes).rev();
                let mut words = (0..=at).rev().zip(std::iter::once(last).chain(rest));
                let (at, word) = words.find(|(_, word)| *word != 0)?;
                join(at, 63 - word.leading_zeros())
            }
        }
    }

    /// All of them, ascending.
    pub(crate) fn all(self) -> Vec<u16> {
        match self {
            Self::List(places) => places.iter().copied().map(u16::from_be_bytes).collect(),
            Self::Map(words) => {
                let words: Vec<_> = words.iter().copied().map(u64::from_be_bytes).collect();
                listed(&words)
            }
        }
    }
}

/// Looks at all of them whatever it meets, which takes many at a time.
fn ascend(places: &[[u8; 2]]) -> bool {
    let pairs = places.iter().zip(places.get(1..).unwrap_or_default());
    pairs.fold(true, |so_far, (a, b)| so_far & (u16::from_be_bytes(*a) < u16::from_be_bytes(*b)))
}

/// The row of all that the rows hold: RocksDB asks for it where a row was written in parts.
pub(crate) fn merge(
    _key: &[u8],
    existing: Option<&[u8]>,
    parts: &MergeOperands,
) -> Option<Vec<u8>> {
    let rows: Vec<_> = existing.into_iter().chain(parts).collect();
    // One part alone is what is mostly read of a span that is past.
    if let [row] = rows[..] {
        return Some(row.to_vec());
    }
    let merged = appended(&rows).or_else(|| united(&rows));
    Some(merged.unwrap_or_else(|| DAMAGED.to_vec()))
}

/// The rows one after the other, if that is the row of them all: they are lists, and each ends before the next begins.
fn appended(rows: &[&[u8]]) -> Option<Vec<u8>> {
    let is_behind = |before: &&[u8], next: &&[u8]| {
        before.last_chunk::<2>().zip(next.first_chunk::<2>()).is_some_and(|(a, b)| a < b)
    };
    let are_whole = rows.iter().all(|row| row.len().is_multiple_of(2));
    let is_short = rows.iter().map(|row| row.len()).sum::<usize>() < MAP_BYTES;
    (are_whole && is_short && rows.is_sorted_by(is_behind)).then(|| rows.concat())
}

/// The row of the union; `None` if a row is damaged.
fn united(rows: &[&[u8]]) -> Option<Vec<u8>> {
    let mut words = vec![0; WORDS];
    for row in rows {
        match Places::decode(row)? {
            Places::List(places) => {
                places.iter().for_each(|place| set(&mut words, u16::from_be_bytes(*place)));
            }
            Places::Map(more) => {
                let words = words.iter_mut().zip(more);
                words.for_each(|(word, more)| *word |= u64::from_be_bytes(*more));
            }
        }
    }
    if count(&words) < MANY { Places::encode(&listed(&words)) } else { Some(map_row(&words)) }
}

fn map_row(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn count(words: &[u64]) -> usize {
    words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
}

fn listed(words: &[u64]) -> Vec<u16> {
    let mut places = Vec::with_capacity(count(words));
    for (at, word) in words.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            places.extend(join(at, rest.trailing_zeros()));
            rest &= rest - 1;
        }
    }
    places
}

fn set(words: &mut [u64], place: u16) {
    let (at, bit) = split(place);
    if let Some(word) = words.get_mut(at) {
        *word |= 1 << bit;
    }
}

/// The word in which a place has its bit, and which it is.
fn split(place: u16) -> (usize, u32) {
    (usize::from(place >> 6), u32::from(place & 63))
}

fn join(at: usize, bit: u32) -> Option<u16> {
    u16::try_from(at << 6).ok()?.checked_add(u16::try_from(bit).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Sets of one place, of few, and of about as many as make a map of a list.
    fn sets() -> impl Strategy<Value = BTreeSet<u16>> {
        let few = prop::collection::btree_set(any::<u16>(), 1..40);
        let many = (0u16..200, 1u16..14, MANY - 2..MANY + 3)
            .prop_map(|(from, step, count)| (from..).step_by(step.into()).take(count).collect());
        let all = Just((0..=u16::MAX).collect());
        prop_oneof![6 => few, 3 => many, 1 => all]
    }

    fn row(set: &BTreeSet<u16>) -> Vec<u8> {
        Places::encode(&set.iter().copied().collect::<Vec<_>>()).unwrap()
    }

    fn merged(rows: &[Vec<u8>]) -> Vec<u8> {
        let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
        appended(&rows).or_else(|| united(&rows)).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(set in sets(), asked in any::<u16>()) {
            let row = row(&set);
            let places = Places::decode(&row).unwrap();
            prop_assert_eq!(Places::of(&row), Some(places));
            prop_assert_eq!(places.all(), set.iter().copied().collect::<Vec<_>>());
            prop_assert!(row.len() <= MAP_BYTES);
            for place in [0, asked, u16::MAX] {
                let after = set.range(place..).next().copied();
                prop_assert_eq!(places.at_or_after(place), after);
                let before = set.range(..=place).next_back().copied();
                prop_assert_eq!(places.at_or_before(place), before);
            }
        }

        #[test]
        fn a_set_has_one_form_whichever_parts_it_comes_from(
            sets in prop::collection::vec(sets(), 1..5),
            cut in 0usize..5,
        ) {
            let rows: Vec<_> = sets.iter().map(row).collect();
            let union: BTreeSet<_> = sets.iter().flatten().copied().collect();
            prop_assert_eq!(merged(&rows), row(&union));
            // Some of them may have been put together before.
            let (early, late) = rows.split_at(cut.min(rows.len()));
            if !early.is_empty() {
                let again = [&[merged(early)][..], late].concat();
                prop_assert_eq!(merged(&again), row(&union));
            }
            let places: Vec<_> = union.iter().copied().collect();
            let parts: Vec<_> = places.chunks(700).filter_map(Places::encode).collect();
            prop_assert_eq!(merged(&parts), row(&union), "in order");
        }
    }

    #[test]
    fn what_is_no_set_is_damaged() {
        let empty_map = vec![0; MAP_BYTES];
        let long_list: Vec<_> = (0..=u16::MAX).take(MANY + 1).flat_map(u16::to_be_bytes).collect();
        let rows: [&[u8]; 8] = [
            &[],
            &DAMAGED,
            &[0, 1, 2],
            &[0, 1, 0, 1],
            &[0, 2, 0, 1],
            &[0, 1, 0, 3, 0, 2],
            &empty_map,
            &long_list,
        ];
        for row in rows {
            assert_eq!(Places::decode(row), None, "{row:?}");
            assert_eq!(united(&[&[0, 9], row]), None, "{row:?}");
        }
        assert_eq!(Places::encode(&[]), None);
    }
}
