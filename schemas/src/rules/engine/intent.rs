//! An intent, and what came of it: what later entries about the same action are held against.

use super::deed::Deed;
use super::facts::Facts;
use super::pack::{Pack, Unpack};
use super::wait::Cited;
use crate::id::{EventId, Index, Micros};
use crate::kind::Kind;
use crate::limits::{PRINCIPALS_MAX, SCOPES_MAX};
use crate::mark::Mark;

/// Gates of an intent that are told apart.
const GATES_MAX: usize = 2 * SCOPES_MAX;

/// Bytes of an intent's row before its rest.
const HEAD_BYTES: usize = 125;

/// What is kept of an intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Intent {
    pub(crate) id: EventId,
    pub(crate) index: Index,
    /// Who signed it.
    pub(crate) agent: Mark,
    pub(crate) deed: Deed,
    /// Somebody has to allow it.
    pub(crate) asks: bool,
    /// What is meant could do harm: see `View::is_dangerous`.
    pub(crate) is_dangerous: bool,
    /// Its label is not what the contract says of it, and that was said: see `View::mislabels`.
    pub(crate) is_mislabelled: bool,
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
    pub(crate) rest: Rest,
}

/// What of an intent differs in length, as it is packed: most of it is only asked for when something is wrong.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Rest {
    /// The names that a finding cites, as [`Cited`] has them; agents of the chain, each a mark; gates that had to be
    /// passed when it was meant, each a mark; gates that judged, each a mark and whether its last word was to allow.
    bytes: Vec<u8>,
    chain_at: usize,
    needed_at: usize,
    gates_at: usize,
}

impl Rest {
    pub(crate) fn new(
        cited: &Cited<'_>,
        chain: impl Iterator<Item = Mark>,
        needed: impl Iterator<Item = Mark>,
    ) -> Self {
        let mut rest = Self::default();
        let mut row = Pack(&mut rest.bytes);
        cited.pack_names(row.room(cited.len() + 32));
        rest.chain_at = row.0.len();
        for mark in chain.take(PRINCIPALS_MAX) {
            row.raw(&mark);
        }
        rest.needed_at = row.0.len();
        for mark in needed.take(SCOPES_MAX) {
            row.raw(&mark);
        }
        rest.gates_at = row.0.len();
        rest
    }

    fn between(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    fn pack(&self, row: &mut Pack<'_>) {
        let count = |from: usize, to: usize| u8::try_from((to - from) / 8).unwrap_or(u8::MAX);
        row.u8(count(self.chain_at, self.needed_at)).u8(count(self.needed_at, self.gates_at));
        row.raw(&self.bytes);
    }

    fn unpack(row: &[u8]) -> Option<Self> {
        let (counts, bytes) = row.split_first_chunk::<2>()?;
        let [chain, needed] = counts.map(|count| usize::from(count) * 8);
        let mut texts = Unpack(bytes);
        (0..3).try_for_each(|_| texts.text_bytes().map(drop))?;
        let chain_at = bytes.len() - texts.0.len();
        let (needed_at, gates_at) = (chain_at + chain, chain_at + chain + needed);
        Some(Self { bytes: bytes.to_vec(), chain_at, needed_at, gates_at })
    }
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
    /// What a finding of it cites.
    pub(crate) fn cited(&self) -> Cited<'_> {
        let mut names = Unpack(&self.rest.bytes);
        let mut name = || names.text().unwrap_or_default();
        let (who, correlation, signer) = (name(), name(), name());
        let told = |name: &&str| !name.is_empty();
        Cited {
            id: self.id,
            index: self.index,
            who,
            is_agent: true,
            signer: Some(signer).filter(told),
            correlation: Some(correlation).filter(told),
        }
    }

    /// Its agent, by the name that it gave.
    pub(crate) fn who(&self) -> &str {
        Unpack(&self.rest.bytes).text().unwrap_or_default()
    }

    /// Whether that is this one.
    pub(crate) fn is_of(&self, agent: &str) -> bool {
        Unpack(&self.rest.bytes).text_bytes() == Some(agent.as_bytes())
    }

    /// Agents of its chain.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.rest.between(self.rest.chain_at, self.rest.needed_at).chunks_exact(8)
    }

    /// Gates that it had to pass when it was meant.
    fn needed(&self) -> impl Iterator<Item = &[u8]> {
        self.rest.between(self.rest.needed_at, self.rest.gates_at).chunks_exact(8)
    }

    /// The gates that judged it, and whether the last word of each was to allow.
    fn gates(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let gates = self.rest.bytes.get(self.rest.gates_at..).unwrap_or_default();
        gates
            .chunks_exact(9)
            .filter_map(|gate| gate.split_last())
            .map(|(word, gate)| (gate, *word > 0))
    }

    /// The last word of a gate, if it had one: whether it was to allow.
    pub(crate) fn word_of(&self, gate: &[u8]) -> Option<bool> {
        self.gates().find(|(known, _)| *known == gate).map(|(_, allows)| allows)
    }

    /// Whether a gate or an approver has the last word, and it is no.
    pub(crate) fn is_denied(&self) -> bool {
        self.refused || self.gates().any(|(_, allows)| !allows)
    }

    /// Whether it may run: every gate that it needs allows it, and an approver where one is needed.
    pub(crate) fn is_allowed(&self) -> bool {
        let approved = !self.asks || self.allowed > Micros(0);
        approved && !self.is_denied() && self.needed().all(|gate| self.word_of(gate) == Some(true))
    }

    /// Counts what an outcome or a witness tells.
    pub(crate) fn count(&mut self, facts: &Facts<'_>) {
        self.told = self.told.with(facts);
        self.is_over |= facts.is_final();
    }

    /// Takes in a gate's word.
    pub(crate) fn judge(&mut self, gate: Mark, allows: bool) {
        let has_room = self.gates().count() < GATES_MAX;
        let gates = self.rest.bytes.get_mut(self.rest.gates_at..).unwrap_or_default();
        match gates.chunks_exact_mut(9).find(|known| known.starts_with(&gate)) {
            Some(known) => known.iter_mut().skip(8).for_each(|word| *word = u8::from(allows)),
            None if has_room => drop(Pack(&mut self.rest.bytes).raw(&gate).u8(u8::from(allows))),
            // IMPORTANT: a refusal is not forgotten for lack of room.
            None => self.refused |= !allows,
        }
    }

    pub(crate) fn pack(&self, until: u64, row: &mut Pack<'_>) {
        row.room(HEAD_BYTES + 2 + self.rest.bytes.len()).u64(until);
        row.raw(&self.id.0).u64(self.index.0).raw(&self.agent);
        self.deed.pack(row);
        let flags = [self.asks, self.refused, self.is_over, self.is_weighed, self.is_told];
        let more = [self.is_dangerous, self.told.reverted, self.is_mislabelled];
        let flags = flags.into_iter().chain(more);
        row.u8(flags.rev().fold(0, |bits, flag| bits << 1 | u8::from(flag)));
        row.u64(self.allowed.0).u64(self.by_human.0).u64(self.clock.0);
        row.u32(self.told.dispatched).u32(self.told.confirmed).u32(self.told.witnessed);
        self.rest.pack(row);
    }

    pub(crate) fn unpack(row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        row.u64()?;
        let (id, index) = (EventId(row.array()?), Index(row.u64()?));
        let agent = row.array()?;
        let deed = Deed::unpack(&mut row)?;
        let flags = row.u8()?;
        Some(Self {
            id,
            index,
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
            rest: Rest::unpack(row.0)?,
        })
    }
}
