//! What shows, of each signer's numbers, which the ledger holds and which never came.

use std::collections::BTreeMap;

use ledger::{Ledger, ReadError};
use schemas::id::{Index, SessionId, TreeSize};
use schemas::leaf::Status;
use schemas::sequence::Session;
use schemas::terms::Key;

use super::{Gathered, signed};
use crate::error::Error;
use crate::terms::{of_session, term};

/// One signer's numbers in one session, from the first to the last that are asked for.
pub(super) struct Counting {
    signer: String,
    session: SessionId,
    first: u64,
    last: u64,
    /// Whether the ledger knows of some in between that never came.
    has_gaps: bool,
    /// Once they were looked for.
    held: Option<Held>,
}

/// Those of the numbers that the ledger holds, each with its ordinal in the session and its place: of several entries with
/// one number the highest.
type Held = BTreeMap<u64, (u64, Index)>;

impl Counting {
    fn of(
        ledger: &Ledger,
        (signer, session): (&str, SessionId),
        (first, last): (u64, u64),
    ) -> Result<Self, ReadError> {
        let left_out = ledger.left_out(signer, session)?;
        let has_gaps = left_out.iter().any(|(from, to)| *from < last && first < *to);
        Ok(Self { signer: signer.to_owned(), session, first, last, has_gaps, held: None })
    }

    /// Ranges of which the entries at hand do not show that the ledger holds them.
    fn doubtful(&self, at_hand: &BTreeMap<SessionId, Session>) -> Vec<(u64, u64)> {
        let at_hand = at_hand.get(&self.session);
        at_hand
            .map_or_else(Vec::new, |at_hand| at_hand.missing(&self.signer, self.first, self.last))
    }
}

impl Gathered {
    /// Whose numbers are asked for.
    pub(super) fn counted(&self, ledger: &Ledger) -> Result<Vec<Counting>, ReadError> {
        let asked = self.asked.iter();
        asked
            .map(|((signer, session), ends)| Counting::of(ledger, (signer, *session), *ends))
            .collect()
    }

    /// Takes what is needed to tell, from the bundle alone, what is missing of the signers' numbers. Ordinals alone do
    /// not tell: refused entries have none, and they count what everybody writes in a session.
    pub(super) fn take_missing_numbers(
        &mut self,
        ledger: &Ledger,
        counted: &mut [Counting],
        size: TreeSize,
    ) -> Result<(), Error> {
        // What shows one signer's numbers can leave it open whether another's are held.
        loop {
            let before = self.entries.len();
            for counting in &mut *counted {
                self.take_ends(ledger, counting, size)?;
            }
            if self.entries.len() == before {
                return Ok(());
            }
        }
    }

    /// Takes the entries on both sides of each gap, and of each place in doubt where the next number does not have the
    /// next ordinal: from one such place to another the ordinals of the ends tell of all in between.
    fn take_ends(
        &mut self,
        ledger: &Ledger,
        counting: &mut Counting,
        size: TreeSize,
    ) -> Result<(), Error> {
        let doubtful = counting.doubtful(&self.sessions);
        if doubtful.is_empty() && !counting.has_gaps {
            return Ok(());
        }
        let held = self.held(ledger, counting, size)?;
        let pairs = held.iter().zip(held.iter().skip(1));
        for ((n, (ordinal, at)), (next, (following, after))) in pairs {
            let is_gap = next - n > 1;
            if !is_gap && *ordinal > 0 && *following == ordinal + 1 {
                continue;
            }
            let place = doubtful.partition_point(|(_, to)| to < n);
            let is_doubtful = doubtful.get(place).is_some_and(|(from, _)| from <= next);
            if is_gap || is_doubtful {
                self.take(ledger, *at, false)?;
                self.take(ledger, *after, false)?;
            }
            if is_gap && self.seems_held(counting, *n, *next) {
                self.take_next(ledger, counting.session, *at, size)?;
            }
        }
        counting.held = Some(held);
        Ok(())
    }

    /// Whether the ordinals of two entries at hand advance as if nothing were missing in between.
    fn seems_held(&self, counting: &Counting, n: u64, next: u64) -> bool {
        let at_hand = self.sessions.get(&counting.session);
        at_hand.is_some_and(|at_hand| at_hand.missing(&counting.signer, n, next).is_empty())
    }

    /// Takes the next entry after `at` that was accepted in the session, whoever signed it.
    fn take_next(
        &mut self,
        ledger: &Ledger,
        session: SessionId,
        at: Index,
        size: TreeSize,
    ) -> Result<(), Error> {
        let mut source = term(ledger, Key::Session, &session.to_string());
        let (mut from, mut budget) = (at.0 + 1, usize::MAX);
        while let Some(index) = self.seek(&mut source, from, &mut budget)?.filter(|at| *at < size.0)
        {
            if ledger.leaf(Index(index))?.status == Status::Accepted {
                return self.take(ledger, Index(index), false);
            }
            from = index + 1;
        }
        Ok(())
    }

    /// The signer's numbers in the session, looked for once.
    fn held(
        &self,
        ledger: &Ledger,
        counting: &mut Counting,
        size: TreeSize,
    ) -> Result<Held, Error> {
        if let Some(held) = counting.held.take() {
            return Ok(held);
        }
        let mut source = of_session(ledger, &counting.signer, counting.session);
        let (mut held, mut from, mut budget) = (Held::new(), 0, usize::MAX);
        while let Some(index) = self.seek(&mut source, from, &mut budget)?.filter(|at| *at < size.0)
        {
            let Some(entry) = ledger.entry(Index(index))? else { break };
            let seq = signed(&entry).and_then(|body| body.seq());
            if let Some(seq) = seq.filter(|seq| (counting.first..=counting.last).contains(&seq.n)) {
                let here = (entry.leaf.counts.session, Index(index));
                let highest = held.entry(seq.n).or_insert(here);
                *highest = here.max(*highest);
            }
            from = index + 1;
        }
        Ok(held)
    }
}
