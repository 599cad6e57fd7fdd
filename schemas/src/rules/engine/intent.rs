//! An intent, and what came of it: what later entries about the same action are held against.

use super::deed::Deed;
use super::facts::Facts;
use super::pack::{Pack, Unpack};
use super::rows::Mark;
use super::wait::Cited;
use crate::id::Micros;
use crate::kind::Kind;
use crate::limits::{PRINCIPALS_MAX, SCOPES_MAX};

/// Gates of an intent that are told apart.
const GATES_MAX: usize = 2 * SCOPES_MAX;

/// What is kept of an intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Intent {
    pub(crate) cited: Cited,
    pub(crate) agent: Mark,
    pub(crate) deed: Deed,
    /// Somebody has to allow it.
    pub(crate) asks: bool,
    /// What is meant could do harm: see `View::is_dangerous`.
    pub(crate) is_dangerous: bool,
    /// Its label is not what the contract says of it, and that was said: see `View::mislabels`.
    pub(crate) is_mislabelled: bool,
    /// Agents of its chain.
    pub(crate) chain: Vec<Mark>,
    /// Gates that it had to pass when it was meant.
    pub(crate) needed: Vec<Mark>,
    /// Gates, and whether the last word of each was to allow.
    pub(crate) gates: Vec<(Mark, bool)>,
    /// An approval holds until then; zero if there is none.
    pub(crate) allowed: Micros,
    /// One by a human holds until then.
    pub(crate) by_human: Micros,
    /// Whether the last approval was a refusal.
    pub(crate) refused: bool,
    /// Since when an outcome is due.
    pub(crate) clock: Micros,
    pub(crate) told: Told,
    /// An outcome said that it is over.
    pub(crate) is_over: bool,
    /// Somebody looked whether a human allowed something dangerous.
    pub(crate) is_weighed: bool,
    /// It ran though it was denied, and that was said.
    pub(crate) is_told: bool,
}

/// How often outcomes and witnesses told of an intent's execution.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Told {
    pub(crate) dispatched: u32,
    pub(crate) confirmed: u32,
    pub(crate) witnessed: u32,
    /// The last execution that its agent told of was reverted.
    pub(crate) reverted: bool,
}

impl Told {
    /// Executions that are known of, each counted once however many tell of it.
    pub(crate) fn executions(self) -> u32 {
        self.by_agent().max(self.witnessed)
    }

    /// Executions that its agent tells of.
    pub(crate) fn by_agent(self) -> u32 {
        self.dispatched.max(self.confirmed)
    }

    /// With what another outcome or witness tells.
    pub(crate) fn with(mut self, facts: &Facts<'_>) -> Self {
        let before = self.by_agent();
        match (facts.kind, facts.status) {
            (Kind::WitnessObserved, _) => self.witnessed = self.witnessed.saturating_add(1),
            (_, Some("dispatched")) => self.dispatched = self.dispatched.saturating_add(1),
            (_, Some("confirmed")) => self.confirmed = self.confirmed.saturating_add(1),
            (_, Some("reverted")) => {
                // Nothing is reverted that was not done, and nothing twice.
                if self.reverted || before == 0 {
                    self.dispatched = before.saturating_add(1);
                }
                self.reverted = true;
                return self;
            }
            _ => {}
        }
        self.reverted &= self.by_agent() == before;
        self
    }
}

impl Intent {
    /// Whether a gate or an approver has the last word, and it is no.
    pub(crate) fn is_denied(&self) -> bool {
        self.refused || self.gates.iter().any(|(_, allows)| !allows)
    }

    /// Whether it may run: every gate that it needs allows it, and an approver where one is needed.
    pub(crate) fn is_allowed(&self) -> bool {
        let passed =
            |gate: &Mark| self.gates.iter().any(|(known, allows)| known == gate && *allows);
        let approved = !self.asks || self.allowed > Micros(0);
        approved && !self.is_denied() && self.needed.iter().all(passed)
    }

    /// Counts what an outcome or a witness tells.
    pub(crate) fn count(&mut self, facts: &Facts<'_>) {
        self.told = self.told.with(facts);
        self.is_over |= facts.is_final();
    }

    /// Takes in a gate's word.
    pub(crate) fn judge(&mut self, gate: Mark, allows: bool) {
        let has_room = self.gates.len() < GATES_MAX;
        match self.gates.iter_mut().find(|(known, _)| *known == gate) {
            Some(known) => known.1 = allows,
            None if has_room => self.gates.push((gate, allows)),
            // IMPORTANT: a refusal is not forgotten for lack of room.
            None => self.refused |= !allows,
        }
    }

    pub(crate) fn pack(&self, until: u64) -> Vec<u8> {
        let mut row = Pack::with_capacity(224);
        row.u64(until).raw(&self.agent);
        self.cited.pack(&mut row);
        self.deed.pack(&mut row);
        let flags = [self.asks, self.refused, self.is_over, self.is_weighed, self.is_told];
        let more = [self.is_dangerous, self.told.reverted, self.is_mislabelled];
        let flags = flags.into_iter().chain(more);
        row.u8(flags.rev().fold(0, |bits, flag| bits << 1 | u8::from(flag)));
        row.u64(self.allowed.0).u64(self.by_human.0).u64(self.clock.0);
        row.u32(self.told.dispatched).u32(self.told.confirmed).u32(self.told.witnessed);
        for (marks, max) in [(&self.chain, PRINCIPALS_MAX), (&self.needed, SCOPES_MAX)] {
            row.u8(u8::try_from(marks.len().min(max)).unwrap_or_default());
            for mark in marks.iter().take(max) {
                row.raw(mark);
            }
        }
        for (gate, allows) in &self.gates {
            row.raw(gate).u8(u8::from(*allows));
        }
        row.done()
    }

    pub(crate) fn unpack(row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        row.u64()?;
        let (agent, cited) = (row.array()?, Cited::unpack(&mut row)?);
        let deed = Deed::unpack(&mut row)?;
        let flags = row.u8()?;
        let mut intent = Self {
            cited,
            agent,
            deed,
            asks: flags & 1 > 0,
            refused: flags & 2 > 0,
            is_over: flags & 4 > 0,
            is_weighed: flags & 8 > 0,
            is_told: flags & 16 > 0,
            is_dangerous: flags & 32 > 0,
            is_mislabelled: flags & 128 > 0,
            allowed: Micros(row.u64()?),
            by_human: Micros(row.u64()?),
            clock: Micros(row.u64()?),
            told: Told {
                dispatched: row.u32()?,
                confirmed: row.u32()?,
                witnessed: row.u32()?,
                reverted: flags & 64 > 0,
            },
            chain: Vec::new(),
            needed: Vec::new(),
            gates: Vec::new(),
        };
        for _ in 0..row.u8()? {
            intent.chain.push(row.array()?);
        }
        for _ in 0..row.u8()? {
            intent.needed.push(row.array()?);
        }
        while let Some(gate) = row.array() {
            intent.gates.push((gate, row.u8()? > 0));
        }
        Some(intent)
    }
}
