//! A signer's session: its own numbers, and what it declared.

use super::pack::{Pack, Unpack};
use super::rows::{Key, key};
use crate::body::Seq;
use crate::id::{BodyDigest, Micros, SessionId};
use crate::kind::Kind;
use crate::limits::SESSION_GAPS_MAX;
use crate::mark::Mark;

/// Numbers that have not come, and the links at both sides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Digest of the body before.
    before: Mark,
    /// What the body after it says of the last one in it.
    after: Mark,
}

impl Gap {
    /// Whether taking these numbers out of it leaves two.
    fn is_split_by(&self, from: u64, to: u64) -> bool {
        self.from < from && to < self.to
    }
}

/// A session as of its last entry.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Session {
    /// Whether an entry of it was accepted that [`begins`] one.
    pub(crate) begun: bool,
    /// Whether it began with `session.start`, or has one since.
    pub(crate) declared: bool,
    pub(crate) ended: bool,
    /// Highest number that came, and the digest of its body.
    pub(crate) high: u64,
    pub(crate) digest: Mark,
    /// When its last entry was received.
    pub(crate) last: Micros,
    /// The time that its entry with the highest number claims.
    pub(crate) claimed: Micros,
    /// The environment that it attested, nothing if none.
    pub(crate) attested: Mark,
    pub(crate) gaps: Vec<Gap>,
    /// So many of the last of them stand before entries that were refused, for which nothing waits yet.
    pub(crate) untold: u8,
}

/// Most that are counted: the row has five bits for them, and there are no more gaps.
const UNTOLD_MAX: u8 = 31;

/// Bytes of a session's row before its gaps.
const HEAD_BYTES: usize = 49;

/// What an entry's number is to its session.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Step {
    /// The number came before.
    pub(crate) reused: bool,
    /// It follows another body than the one that the ledger holds.
    pub(crate) broken: bool,
    /// Numbers that it leaves out, and whether they will be known again when they come.
    pub(crate) gap: Option<(u64, u64, bool)>,
    /// It is the highest so far.
    pub(crate) is_highest: bool,
}

/// First bytes of a digest.
pub(crate) fn link(digest: &BodyDigest) -> Mark {
    let [a, b, c, d, e, f, g, h, ..] = digest.0;
    [a, b, c, d, e, f, g, h]
}

/// Whether an entry of this kind begins its session. Who passes authority on, or takes it back, may do so by hand,
/// beside the agent that the session would declare.
pub(crate) fn begins(kind: Kind) -> bool {
    !matches!(kind, Kind::DelegationGranted | Kind::DelegationRevoked)
}

/// The key of a signer's session.
pub(crate) fn session_key(session: SessionId, signer: &Mark) -> Key {
    key(b'S', &session.0).with(signer)
}

impl Session {
    /// Takes in a number.
    pub(crate) fn step(&mut self, seq: Seq, body: &BodyDigest, claimed: Micros) -> Step {
        let (own, prev) = (link(body), link(&seq.prev));
        if seq.n <= self.high {
            return self.fill(seq.n, own, prev);
        }
        let mut step = Step { is_highest: true, ..Step::default() };
        if seq.n == self.high + 1 {
            step.broken = prev != self.digest;
        } else {
            let (from, to) = (self.high + 1, seq.n - 1);
            let is_kept = !self.is_full();
            if is_kept {
                self.gaps.push(Gap { from, to, before: self.digest, after: prev });
            }
            step.gap = Some((from, to, is_kept));
        }
        (self.high, self.digest, self.claimed) = (seq.n, own, claimed);
        step
    }

    fn is_full(&self) -> bool {
        self.gaps.len() >= SESSION_GAPS_MAX
    }

    fn fill(&mut self, n: u64, own: Mark, prev: Mark) -> Step {
        let Some(place) = self.gaps.iter().position(|gap| (gap.from..=gap.to).contains(&n)) else {
            return Step { reused: true, ..Step::default() };
        };
        let is_full = self.is_full();
        let gap = self.gaps.remove(place);
        // Its number counts as missing still, or a signer could make the row grow with every entry.
        if is_full && gap.is_split_by(n, n) {
            self.gaps.insert(place, gap);
            return Step::default();
        }
        let broken = (n == gap.from && prev != gap.before) || (n == gap.to && own != gap.after);
        // What stands between two parts of a gap links both.
        if n < gap.to {
            let rest = Gap { from: n + 1, to: gap.to, before: own, after: gap.after };
            self.gaps.insert(place, rest);
        }
        if n > gap.from {
            let rest = Gap { from: gap.from, to: n - 1, before: gap.before, after: prev };
            self.gaps.insert(place, rest);
        }
        Step { broken, ..Step::default() }
    }

    /// Numbers that their signer says are lost, both ends too.
    pub(crate) fn declare(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        let is_full = self.is_full();
        let gaps = std::mem::take(&mut self.gaps);
        for gap in gaps {
            let is_outside = gap.to < from || gap.from > to;
            if is_outside || (is_full && gap.is_split_by(from, to)) {
                self.gaps.push(gap);
                continue;
            }
            if gap.from < from {
                self.gaps.push(Gap { to: from.saturating_sub(1), ..gap.clone() });
            }
            if gap.to > to {
                self.gaps.push(Gap { from: to.saturating_add(1), ..gap });
            }
        }
    }

    /// Counts the gaps before refused entries, which are not flagged: those behind the last for which something waits.
    pub(crate) fn leave_untold(&mut self, before: &Self) {
        let told = before.gaps.len().saturating_sub(usize::from(before.untold));
        let last = told.checked_sub(1).and_then(|last| before.gaps.get(last));
        let is_behind = |gap: &&Gap| last.is_none_or(|last| gap.from > last.to);
        let untold = self.gaps.iter().filter(is_behind).count();
        self.untold = u8::try_from(untold).unwrap_or(u8::MAX).min(UNTOLD_MAX);
    }

    /// Numbers before refused entries, some of which have not come.
    pub(crate) fn untold_numbers(&self) -> Option<(u64, u64)> {
        let told = self.gaps.len().saturating_sub(usize::from(self.untold));
        let untold = self.gaps.get(told..)?;
        Some((untold.first()?.from, untold.last()?.to))
    }

    /// Those of these numbers that have not come.
    pub(crate) fn missing(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let within = self.gaps.iter().filter(|gap| gap.from <= to && gap.to >= from);
        within.map(|gap| (gap.from.max(from), gap.to.min(to))).min()
    }

    pub(crate) fn pack(&self, until: u64, row: &mut Pack<'_>) {
        row.room(HEAD_BYTES + 32 * self.gaps.len());
        let flags = u8::from(self.begun) | u8::from(self.declared) << 1 | u8::from(self.ended) << 2;
        let flags = flags | self.untold.min(UNTOLD_MAX) << 3;
        row.u64(until).u8(flags).u64(self.high).raw(&self.digest);
        row.u64(self.last.0).u64(self.claimed.0).raw(&self.attested);
        for gap in &self.gaps {
            row.u64(gap.from).u64(gap.to).raw(&gap.before).raw(&gap.after);
        }
    }

    pub(crate) fn unpack(row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        row.u64()?;
        let flags = row.u8()?;
        let mut session = Self {
            begun: flags & 1 > 0,
            declared: flags & 2 > 0,
            ended: flags & 4 > 0,
            high: row.u64()?,
            digest: row.array()?,
            last: Micros(row.u64()?),
            claimed: Micros(row.u64()?),
            attested: row.array()?,
            gaps: Vec::new(),
            untold: flags >> 3,
        };
        while let Some(from) = row.u64() {
            let (to, before, after) = (row.u64()?, row.array()?, row.array()?);
            session.gaps.push(Gap { from, to, before, after });
        }
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// The step of a body of its own with this number.
    fn step(session: &mut Session, n: u64) -> Step {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&n.to_be_bytes());
        let mut prev = [0; 32];
        prev[..8].copy_from_slice(&n.saturating_sub(1).to_be_bytes());
        session.step(Seq { n, prev: BodyDigest(prev) }, &BodyDigest(digest), Micros(1))
    }

    /// A session of which every number below this one is missing but the first.
    fn behind(high: u64) -> Session {
        let mut session = Session::default();
        step(&mut session, 1);
        step(&mut session, high);
        session
    }

    fn ranges(session: &Session) -> Vec<(u64, u64)> {
        session.gaps.iter().map(|gap| (gap.from, gap.to)).collect()
    }

    #[test]
    fn late_numbers_split_a_gap_so_often_and_no_more() {
        let mut session = behind(1000);
        for n in (11..=900).step_by(10) {
            assert!(!step(&mut session, n).reused, "{n}");
        }
        assert_eq!(session.gaps.len(), SESSION_GAPS_MAX);
        let last = (152, 999);
        assert_eq!(ranges(&session).last(), Some(&last), "the one that is split no more");
        assert_eq!(session.missing(500, 600), Some((500, 600)), "none is forgotten");
        // From either end it is filled as ever, with its links.
        for n in [152, 999] {
            assert_eq!(step(&mut session, n), Step::default());
        }
        assert_eq!(ranges(&session).last(), Some(&(153, 998)));
        assert!(step(&mut session, 152).reused);
    }

    #[test]
    fn declared_losses_split_a_gap_so_often_and_no_more() {
        let mut session = behind(1000);
        for n in (11..=900).step_by(10) {
            session.declare(n, n + 1);
        }
        assert_eq!(session.gaps.len(), SESSION_GAPS_MAX);
        assert_eq!(session.missing(500, 600), Some((500, 600)));
        session.declare(10, 3);
        assert_eq!(session.gaps.len(), SESSION_GAPS_MAX, "backwards, it says nothing");
        session.declare(2, 990);
        assert_eq!(ranges(&session), [(991, 999)]);
    }
}
