//! What the engine remembers that bears on an entry, as of the entry before.

use super::DAY_US;
use super::caps::{self, Account, Count};
use super::deed::Deed;
use super::facts::Facts;
use super::habits::{Doing, Habits};
use super::intent::Intent;
use super::join;
use super::marks::Marks;
use super::pack::{Pack, Unpack};
use super::reference::Reference;
use super::rows::{Key, Rows, hash, key};
use super::session::{Session, Step, session_key};
use super::sweep;
use super::target;
use super::wait::Cited;
use crate::account;
use crate::body::Body;
use crate::contract::{Contract, Mapped};
use crate::id::{EventId, Micros};
use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::limits::SESSION_DAYS_KEPT;
use crate::mark::{Mark, mark_of};
use crate::registry::{CredentialRecord, Registry};

/// The rows that bear on an entry.
#[derive(Default, Debug)]
pub(crate) struct Memory {
    pub(crate) session_key: Option<Key>,
    /// The session before the entry.
    pub(crate) session: Session,
    pub(crate) step: Step,
    /// Another signer's event has its id.
    pub(crate) is_taken: bool,
    /// What it says was done.
    pub(crate) deed: Option<Deed>,
    /// The intents that it is about: of an action one at most.
    pub(crate) intents: Vec<(EventId, Intent)>,
    /// When an approval ends, by what its request says.
    pub(crate) request_ends: Option<Micros>,
    pub(crate) reference_key: Option<[u8; 16]>,
    pub(crate) reference: Reference,
    /// It repeats what a witness saw under the same reference.
    pub(crate) is_repeat: bool,
    /// It is another execution than those known of.
    pub(crate) is_fresh: bool,
    /// And not the first of its intent, which is for one.
    pub(crate) is_another: bool,
    pub(crate) habits: Option<Habits>,
    pub(crate) caps: Vec<Count>,
    /// Uses of the grant that it gives.
    pub(crate) uses: Vec<u8>,
    /// An agent that was seen with its credential while nobody held that.
    pub(crate) met: Option<String>,
    /// When its agent, or a holder of its credential, was stopped first, and by which event.
    pub(crate) stopped: Option<(Micros, EventId)>,
}

impl Memory {
    /// Takes in the number of an entry in its session, and what `more` changes in that.
    pub(crate) fn step<R: Rows>(
        &mut self,
        rows: &mut R,
        facts: &Facts<'_>,
        leaf: &Leaf,
        more: impl FnOnce(&Session, &mut Session),
    ) -> Result<(), R::Error> {
        let (Some(session), Some(seq)) = (facts.session, facts.seq) else { return Ok(()) };
        let at = session_key(session, &facts.by);
        self.session = rows.get(&at)?.and_then(Session::unpack).unwrap_or_default();
        self.session_key = Some(at);
        let mut after = self.session.clone();
        self.step = after.step(seq, &leaf.body, facts.time);
        after.last = facts.at;
        more(&self.session, &mut after);
        let until = facts.at.0.saturating_add(SESSION_DAYS_KEPT * DAY_US);
        if self.session.last == Micros(0) {
            sweep::plan(rows, &at, Micros(until));
        }
        after.pack(until, &mut Pack(rows.put(at)));
        Ok(())
    }

    /// Whether its number or its link is not the one that follows, or what was missing before is to be told with it.
    pub(crate) fn is_out_of_order(&self) -> bool {
        let Step { reused, broken, gap, .. } = self.step;
        reused || broken || gap.is_some() || self.session.untold > 0
    }

    /// Reads what bears on an accepted entry.
    pub(crate) fn load<R: Rows>(
        &mut self,
        rows: &mut R,
        marks: &mut Marks,
        registry: &Registry,
        facts: &Facts<'_>,
        credential: Option<&CredentialRecord>,
        body: &Body<'_>,
    ) -> Result<(), R::Error> {
        self.is_taken = rows.is_taken(facts.id, facts.signer)?;
        match facts.kind {
            Kind::ActionIntent | Kind::ActionOutcome | Kind::WitnessObserved => {
                self.deed = Some(Deed::of(facts, marks, credential));
                self.load_action(rows, facts)?;
            }
            Kind::GateVerdict | Kind::ApprovalRequested => {
                self.intents = join::caused(rows, facts)?;
            }
            Kind::ApprovalDecided => {
                let of = account::Account::of(facts.kind, facts.signer, facts.agent);
                (self.intents, self.request_ends) = join::decided(rows, of.agent(), body)?;
            }
            Kind::DelegationGranted => self.uses = uses(rows, body)?,
            _ => {}
        }
        match facts.kind {
            Kind::WitnessObserved => {
                self.stopped = stopped(rows, registry, facts)?;
                self.met = met(rows, registry, facts.credential)?;
            }
            Kind::CredentialRegistered => {
                self.met = met(rows, registry, body.text("credential.id"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn load_action<R: Rows>(&mut self, rows: &mut R, facts: &Facts<'_>) -> Result<(), R::Error> {
        if facts.kind == Kind::ActionIntent {
            return Ok(());
        }
        if let (Some(agent), Some(reference)) = (facts.agent, facts.reference) {
            let at = hash(agent, reference);
            let row = rows.get(&key(b'R', &at))?;
            self.reference = row.and_then(Reference::unpack).unwrap_or_default();
            self.reference_key = Some(at);
        }
        let seen = self.reference.witness.is_some_and(|(_, seen)| Some(seen) == self.deed);
        self.is_repeat = facts.kind == Kind::WitnessObserved && seen;
        self.intents = join::action(rows, facts, &self.reference)?.into_iter().collect();
        self.is_fresh = facts.is_execution() && !self.is_repeat;
        if let Some((_, intent)) = self.intents.first() {
            self.is_fresh &= intent.told.with(facts).executions() > intent.told.executions();
            // A witness that waited for this outcome was judged when it came.
            let is_told = self.reference.witness.is_some() && self.reference.intent.is_none();
            let was_judged = is_told && facts.kind == Kind::ActionOutcome;
            self.is_another = self.is_fresh && intent.told.executions() > 0 && !was_judged;
        }
        Ok(())
    }

    /// Counts an action towards the caps of its agent's contract.
    pub(crate) fn count_caps<R: Rows>(
        &mut self,
        rows: &mut R,
        facts: &Facts<'_>,
        contract: Option<&Contract>,
    ) -> Result<(), R::Error> {
        let (Some(_), Some(action)) = (facts.agent, facts.action) else { return Ok(()) };
        if let (Some(contract), Some(account)) = (contract, self.account(facts)) {
            self.caps = caps::count(rows, contract, action.name, account, facts.at)?;
        }
        Ok(())
    }

    /// Takes an action in among its agent's habits; what its contract says of it counts.
    pub(crate) fn take_habits<R: Rows>(
        &mut self,
        rows: &mut R,
        facts: &Facts<'_>,
        tool: Mark,
        mapped: Option<&Mapped>,
        days_min: u64,
    ) -> Result<(), R::Error> {
        let (Some(agent), Some(action)) = (facts.of, facts.action) else { return Ok(()) };
        let class = mapped.and_then(|mapped| mapped.class.as_deref());
        let doing = Doing {
            agent,
            at: facts.at,
            class: class.unwrap_or(action.class),
            tool,
            group: mark_of(action.target.map(target::group).as_deref()),
            days_min: u32::try_from(days_min).unwrap_or(u32::MAX),
        };
        self.habits = Some(Habits::take(rows, &doing)?);
        Ok(())
    }

    /// Which account of its agent's actions an entry adds to: of the outcomes of one intent, each that tells of
    /// another execution.
    fn account(&self, facts: &Facts<'_>) -> Option<Account> {
        match facts.kind {
            Kind::ActionIntent => Some(Account::Intent),
            Kind::WitnessObserved => (!self.is_repeat).then_some(Account::Witness),
            Kind::ActionOutcome if facts.is_execution() => {
                let Some((_, intent)) = self.intents.first() else { return Some(Account::Outcome) };
                let is_another = intent.told.with(facts).by_agent() > intent.told.by_agent();
                is_another.then_some(Account::Outcome)
            }
            _ => None,
        }
    }
}

/// Key of what waits for a grant.
pub(crate) fn uses_key(grant: EventId) -> Key {
    key(b'G', &grant.0)
}

/// Key of when an agent was stopped.
pub(crate) fn stopped_key(agent: &str) -> Key {
    key(b'X', &hash(agent, ""))
}

/// Key of whom an unregistered credential was seen with.
pub(crate) fn met_key(credential: &str) -> Key {
    key(b'K', &hash(credential, ""))
}

fn uses<R: Rows>(rows: &mut R, body: &Body<'_>) -> Result<Vec<u8>, R::Error> {
    let Some(grant) = body.event_id("grant.id") else { return Ok(Vec::new()) };
    Ok(rows.get(&uses_key(grant))?.unwrap_or_default().to_vec())
}

/// Uses in a row, behind when it ends.
pub(crate) fn unpack_uses(row: &[u8]) -> impl Iterator<Item = Cited<'_>> {
    let mut row = Unpack::ending(row);
    std::iter::from_fn(move || Cited::unpack(&mut row))
}

fn met<R: Rows>(
    rows: &mut R,
    registry: &Registry,
    credential: Option<&str>,
) -> Result<Option<String>, R::Error> {
    let Some(credential) = credential else { return Ok(None) };
    if registry.credential(credential).is_some_and(|record| record.in_force().next().is_some()) {
        return Ok(None);
    }
    let row = rows.get(&met_key(credential))?;
    Ok(row.and_then(|row| Unpack::ending(row).text()).map(str::to_owned))
}

fn stopped<R: Rows>(
    rows: &mut R,
    registry: &Registry,
    facts: &Facts<'_>,
) -> Result<Option<(Micros, EventId)>, R::Error> {
    use crate::registry::AgentState;
    let record = facts.credential.and_then(|credential| registry.credential(credential));
    let holders = record.map(|record| record.holders.as_slice()).unwrap_or_default();
    let holders = holders.iter().map(|holder| holder.agent.as_str());
    // The first stop counts: an agent that is stopped later does not cover a credential that ended before.
    let mut first: Option<(Micros, EventId)> = None;
    for agent in facts.agent.into_iter().chain(holders) {
        let is_stopped =
            |agent| registry.agent(agent).is_some_and(|record| record.state != AgentState::Active);
        if !is_stopped(agent) {
            continue;
        }
        if let Some(row) = rows.get(&stopped_key(agent))? {
            let mut row = Unpack(row);
            if let (Some(at), Some(id)) = (row.u64().map(Micros), row.array().map(EventId))
                && first.is_none_or(|(before, _)| at < before)
            {
                first = Some((at, id));
            }
        }
    }
    Ok(first)
}
