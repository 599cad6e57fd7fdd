//! The signers' own numbers: what one counted and the ledger does not hold.

use std::collections::BTreeMap;

/// Ranges between the first and the last of `seen` that are not in it, up to `last`. `seen` is the numbers
/// that one signer gave in one session, each with the ordinal that the ledger gave the entry in its session;
/// 0 where it was refused.
///
/// Where the ledger's own ordinals advance as the signer's numbers do, it holds what lies between: all of
/// it, if the session is the signer's alone, as sessions are.
#[must_use]
pub fn missing(seen: &BTreeMap<u64, u64>, last: u64) -> Vec<(u64, u64)> {
    let within = || seen.range(..=last).map(|(n, ordinal)| (*n, *ordinal));
    let is_held = |(n, ordinal): (u64, u64), (next, after): (u64, u64)| {
        ordinal > 0 && after.checked_sub(ordinal) == Some(next - n)
    };
    within()
        .zip(within().skip(1))
        .filter(|(before, after)| after.0 - before.0 > 1 && !is_held(*before, *after))
        .map(|(before, after)| (before.0 + 1, after.0 - 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_what_lies_between() {
        for (seen, last, expected) in [
            (vec![], 0, vec![]),
            (vec![(1, 1), (2, 2), (3, 3)], 3, vec![]),
            (vec![(5, 5), (7, 6)], 7, vec![(6, 6)]),
            (vec![(5, 5), (7, 7)], 7, vec![]),
            (vec![(5, 9), (7, 11), (9, 12)], 9, vec![(8, 8)]),
            (vec![(5, 0), (7, 2)], 7, vec![(6, 6)]),
            (vec![(5, 9), (7, 0)], 7, vec![(6, 6)]),
            (vec![(5, 9), (7, 8)], 7, vec![(6, 6)]),
            (vec![(1, 0), (4, 0), (9, 0)], 9, vec![(2, 3), (5, 8)]),
            (vec![(1, 0), (4, 0), (9, 0)], 4, vec![(2, 3)]),
        ] {
            assert_eq!(missing(&seen.into_iter().collect(), last), expected);
        }
    }
}
