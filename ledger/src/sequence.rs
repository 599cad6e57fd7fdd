//! A signer's own chain: its numbers within one session, and which of them are missing.

use schemas::body::Seq;
use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::id::{BodyDigest, SessionId};

use crate::error::ReadError;
use crate::keys;
use crate::read::{Ledger, damaged};
use crate::store::ColumnFamily;

/// Most missing ranges that are remembered for one session; beyond them the oldest are merged, so that a
/// hostile signer cannot make the row grow.
const GAPS_MAX: usize = 64;

/// What has arrived of one (signer, session).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sequence {
    /// Highest number seen.
    top: u64,
    /// Digest of the body that had it.
    digest: [u8; 32],
    /// Missing ranges below it, ascending, both ends included.
    gaps: Vec<(u64, u64)>,
}

impl Sequence {
    /// Takes one number in, late ones too.
    pub(crate) fn take(&mut self, seq: Seq, digest: BodyDigest) {
        if seq.n > self.top {
            if seq.n > self.top + 1 {
                self.gaps.push((self.top + 1, seq.n - 1));
                self.merge_oldest();
            }
            self.top = seq.n;
            self.digest = digest.0;
        } else if let Some(place) =
            self.gaps.iter().position(|(from, to)| (*from..=*to).contains(&seq.n))
        {
            let (from, to) = self.gaps.remove(place);
            let parts = [(from, seq.n.saturating_sub(1)), (seq.n + 1, to)];
            let rest = parts.into_iter().filter(|(from, to)| from <= to);
            self.gaps.splice(place..place, rest);
            self.merge_oldest();
        }
    }

    /// Merges the two oldest ranges where there are too many, and with them what was held in between.
    fn merge_oldest(&mut self) {
        if self.gaps.len() > GAPS_MAX
            && let [(from, _), (_, to), ..] = *self.gaps
        {
            self.gaps.splice(0..2, [(from, to)]);
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = Encoder::new();
        row.array(3).uint(self.top).bytes(&self.digest).array(self.gaps.len());
        for (from, to) in &self.gaps {
            row.array(2).uint(*from).uint(*to);
        }
        row.finish()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let root = decode(row, Bounds::WIRE).ok()?;
        let [top, digest, gaps] = <&[Item<'_>; 3]>::try_from(root.array()?).ok()?;
        let range = |gap: &Item<'_>| match gap.array()? {
            [Item::Uint(from), Item::Uint(to)] => Some((*from, *to)),
            _ => None,
        };
        Some(Self {
            top: top.uint()?,
            digest: digest.bytes()?.try_into().ok()?,
            gaps: gaps.array()?.iter().map(range).collect::<Option<_>>()?,
        })
    }
}

impl Ledger {
    /// Numbers that a signer left out in a session it has entries in, as of now: ranges, ascending, both ends included.
    /// Where they were many at once, the oldest may hold numbers that came.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails, or the row is missing or damaged.
    pub fn left_out(&self, signer: &str, session: SessionId) -> Result<Vec<(u64, u64)>, ReadError> {
        let key = keys::chain(&keys::signer_hash(signer), &session);
        let row = self.store.get(ColumnFamily::State, &key)?;
        let sequence = row.as_deref().and_then(Sequence::decode);
        Ok(sequence.ok_or_else(|| damaged(ColumnFamily::State, &key))?.gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_numbers_are_taken_out_and_many_ranges_are_merged() {
        let mut sequence = Sequence::default();
        let mut take = |n: u64| {
            sequence.take(Seq { n, prev: BodyDigest::ZERO }, BodyDigest::ZERO);
            sequence.gaps.clone()
        };
        assert_eq!(take(1), Vec::new());
        assert_eq!(take(5), [(2, 4)]);
        assert_eq!(take(3), [(2, 2), (4, 4)]);
        assert_eq!(take(2), [(4, 4)]);
        let many = (7..).step_by(2).take(GAPS_MAX).map(&mut take).last();
        let many = many.unwrap_or_default();
        assert_eq!((many.len(), many.first()), (GAPS_MAX, Some(&(4, 6))), "5 came");
    }
}
