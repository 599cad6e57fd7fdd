//! The signers' own numbers: what one counted and the ledger does not hold.

use std::collections::{BTreeMap, BTreeSet};

/// What of `from..=to` is not among `seen`: ranges, ascending, both ends included.
#[must_use]
pub fn unseen(from: u64, to: u64, seen: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let (mut ranges, mut next) = (Vec::new(), Some(from));
    for n in seen.range(from..).copied().take_while(|n| *n <= to) {
        ranges.extend(next.filter(|next| *next < n).map(|next| (next, n - 1)));
        next = n.checked_add(1);
    }
    ranges.extend(next.filter(|next| *next <= to).map(|next| (next, to)));
    ranges
}

/// Entries of one session that are at hand, and what follows from them of those that are not.
#[derive(Clone, Default, Debug)]
pub struct Session {
    /// By signer and number, the ordinal that the ledger gave the entry in the session; 0 where it was refused. Of
    /// entries with one number, the highest.
    numbers: BTreeMap<(String, u64), u64>,
    /// Those of all entries, whoever signed them.
    ordinals: BTreeSet<u64>,
}

impl Session {
    /// Takes in an entry.
    pub fn add(&mut self, signer: &str, n: u64, ordinal: u64) {
        let highest = self.numbers.entry((signer.to_owned(), n)).or_default();
        *highest = ordinal.max(*highest);
        self.ordinals.insert(ordinal);
    }

    /// Ranges between the signer's numbers from `first` to `last` of which nothing shows that the ledger holds them.
    #[must_use]
    pub fn missing(&self, signer: &str, first: u64, last: u64) -> Vec<(u64, u64)> {
        let from = (signer.to_owned(), first);
        let own = self.numbers.range(from..).map(|((of, n), ordinal)| (of, *n, *ordinal));
        let own = own.take_while(|(of, n, _)| *of == signer && *n <= last);
        let numbers: Vec<_> = own.map(|(_, n, ordinal)| (n, ordinal)).collect();
        numbers
            .iter()
            .zip(numbers.iter().skip(1))
            .filter(|(before, after)| after.0 - before.0 > 1 && !self.is_held(**before, **after))
            .map(|(before, after)| (before.0 + 1, after.0 - 1))
            .collect()
    }

    /// Whether the ledger holds what one signer numbered between two entries: its own ordinals advance as the numbers
    /// do. They count what everybody signs in the session, in whichever order it came; so another entry at hand that
    /// has one of them took the place of one that is not there.
    fn is_held(&self, (n, ordinal): (u64, u64), (next, after): (u64, u64)) -> bool {
        ordinal > 0
            && after.checked_sub(ordinal) == Some(next - n)
            && self.ordinals.range(ordinal + 1..after).next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_lies_between() {
        for (from, to, seen, expected) in [
            (1, 3, vec![], vec![(1, 3)]),
            (1, 3, vec![1, 2, 3], vec![]),
            (2, 9, vec![1, 4, 5, 9, 12], vec![(2, 3), (6, 8)]),
            (0, u64::MAX, vec![0, u64::MAX], vec![(1, u64::MAX - 1)]),
        ] {
            assert_eq!(unseen(from, to, &seen.into_iter().collect()), expected);
        }
    }

    /// What is missing of `a`, whose numbers and ordinals these are, between the first number and the last.
    fn missing(own: &[(u64, u64)], others: &[(&str, u64, u64)]) -> Vec<(u64, u64)> {
        let mut session = Session::default();
        for (n, ordinal) in own {
            session.add("a", *n, *ordinal);
        }
        for (signer, n, ordinal) in others {
            session.add(signer, *n, *ordinal);
        }
        let numbers = || own.iter().map(|(n, _)| *n);
        let ends = numbers().min().zip(numbers().max());
        ends.map_or_else(Vec::new, |(first, last)| session.missing("a", first, last))
    }

    #[test]
    fn ordinals_show_what_is_held() {
        for (own, expected) in [
            (vec![], vec![]),
            (vec![(1, 1), (2, 2), (3, 3)], vec![]),
            (vec![(5, 5), (7, 6)], vec![(6, 6)]),
            (vec![(5, 5), (7, 7)], vec![]),
            (vec![(5, 9), (7, 11), (9, 12)], vec![(8, 8)]),
            (vec![(5, 0), (7, 2)], vec![(6, 6)]),
            (vec![(5, 9), (7, 0)], vec![(6, 6)]),
            (vec![(5, 9), (7, 8)], vec![(6, 6)]),
            (vec![(1, 0), (4, 0), (9, 0)], vec![(2, 3), (5, 8)]),
        ] {
            assert_eq!(missing(&own, &[]), expected);
        }
    }

    #[test]
    fn an_entry_in_the_place_of_one_that_never_came_does_not_stand_for_it() {
        let own = [(2, 2), (4, 4)];
        for (others, expected) in [
            (vec![], vec![]),
            (vec![("b", 3, 3)], vec![(3, 3)]),
            (vec![("b", 3, 5), ("b", 4, 0)], vec![]),
            // Its own, later or for the second time.
            (vec![("a", 9, 3)], vec![(3, 3)]),
            (vec![("a", 2, 3)], vec![(3, 3)]),
            (vec![("a", 3, 3)], vec![]),
        ] {
            assert_eq!(missing(&own, &others), expected, "{others:?}");
        }
    }

    #[test]
    fn nothing_is_missing_beyond_the_ends() {
        let mut session = Session::default();
        for n in [1, 4, 9] {
            session.add("a", n, 0);
        }
        assert_eq!(session.missing("a", 1, 4), [(2, 3)]);
        assert_eq!(session.missing("a", 4, 9), [(5, 8)]);
        assert_eq!(session.missing("b", 1, 9), Vec::new());
    }
}
