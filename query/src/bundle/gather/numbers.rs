//! What shows, of each signer's numbers, which the ledger holds and which never came.

use std::collections::BTreeMap;

use ledger::{Ledger, ReadError};
use schemas::id::{Index, SessionId, TreeSize};
use schemas::leaf::Status;
use schemas::sequence::Session;
use schemas::terms::Key;

use super::{Gathered, signed};
use crate::error::Error;
use crate::source::Source;
use crate::terms::term;

/// One signer's numbers in one session, from the first to the last that are asked for.
struct Counting {
    signer: String,
    session: SessionId,
    first: u64,
    last: u64,
    /// Once they were looked for.
    held: Option<Held>,
}

/// All numbers that the ledger holds, each with its ordinal in the session and its place: of several entries with one
/// number the highest.
type Held = BTreeMap<u64, (u64, Index)>;

impl Counting {
    /// Whether the ledger knows of numbers in between that never came.
    fn has_gaps(&self, ledger: &Ledger) -> Result<bool, ReadError> {
        let left_out = ledger.left_out(&self.signer, self.session)?;
        Ok(left_out.iter().any(|(from, to)| *from < self.last && self.first < *to))
    }

    /// Ranges of which the entries at hand do not show that the ledger holds them.
    fn doubtful(&self, at_hand: &BTreeMap<SessionId, Session>) -> Vec<(u64, u64)> {
        let at_hand = at_hand.get(&self.session);
        at_hand
            .map_or_else(Vec::new, |at_hand| at_hand.missing(&self.signer, self.first, self.last))
    }
}

impl Gathered {
    /// Takes what is needed to tell, from the bundle alone, what is missing of the signers' numbers. Ordinals alone do
    /// not tell: refused entries have none, and they count what everybody writes in a session.
    pub(super) fn take_missing_numbers(
        &mut self,
        ledger: &Ledger,
        size: TreeSize,
    ) -> Result<(), Error> {
        let counting = |((signer, session), (first, last)): (&(String, SessionId), &(u64, u64))| {
            let (signer, first, last) = (signer.clone(), *first, *last);
            Counting { signer, session: *session, first, last, held: None }
        };
        let mut all: Vec<_> = self.asked.iter().map(counting).collect();
        for counting in &mut all {
            if counting.has_gaps(ledger)? {
                self.take_gaps(ledger, counting, size)?;
            }
        }
        // What shows one signer's numbers can leave it open whether another's are held.
        loop {
            let before = self.entries.len();
            for counting in &mut all {
                self.take_held(ledger, counting, size)?;
            }
            if self.entries.len() == before {
                return Ok(());
            }
        }
    }

    /// Takes the entries on both sides of each gap, and, where their ordinals advance as if nothing were missing, the
    /// one that has the first ordinal in between.
    fn take_gaps(
        &mut self,
        ledger: &Ledger,
        counting: &mut Counting,
        size: TreeSize,
    ) -> Result<(), Error> {
        let held = self.held(ledger, counting, size)?;
        let within = || held.range(counting.first..=counting.last);
        for ((n, (_, at)), (next, (_, after))) in within().zip(within().skip(1)) {
            if next - n == 1 {
                continue;
            }
            self.take(ledger, *at, false)?;
            self.take(ledger, *after, false)?;
            let at_hand = self.sessions.get(&counting.session);
            if at_hand
                .is_some_and(|at_hand| at_hand.missing(&counting.signer, *n, *next).is_empty())
            {
                self.take_next(ledger, counting.session, *at, size)?;
            }
        }
        counting.held = Some(held);
        Ok(())
    }

    /// Takes those of the signer's numbers that the ledger holds although nothing at hand shows it.
    fn take_held(
        &mut self,
        ledger: &Ledger,
        counting: &mut Counting,
        size: TreeSize,
    ) -> Result<(), Error> {
        let doubtful = counting.doubtful(&self.sessions);
        if doubtful.is_empty() {
            return Ok(());
        }
        let held = self.held(ledger, counting, size)?;
        for (from, to) in doubtful {
            for (_, at) in held.range(from..=to).map(|(_, known)| *known) {
                self.take(ledger, at, false)?;
            }
        }
        counting.held = Some(held);
        Ok(())
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
        let terms =
            [(Key::Signer, counting.signer.clone()), (Key::Session, counting.session.to_string())];
        let mut source =
            Source::All(terms.iter().map(|(key, value)| term(ledger, *key, value)).collect());
        let (mut held, mut from, mut budget) = (Held::new(), 0, usize::MAX);
        while let Some(index) = self.seek(&mut source, from, &mut budget)?.filter(|at| *at < size.0)
        {
            let Some(entry) = ledger.entry(Index(index))? else { break };
            if let Some(seq) = signed(&entry).and_then(|body| body.seq()) {
                let here = (entry.leaf.counts.session, Index(index));
                let highest = held.entry(seq.n).or_insert(here);
                *highest = here.max(*highest);
            }
            from = index + 1;
        }
        Ok(held)
    }
}
