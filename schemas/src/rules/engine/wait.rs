//! What falls due: an entry that is flagged unless something comes in time.

use super::facts::Facts;
use super::flag::Flag;
use super::intent::Intent;
use super::pack::{Pack, Unpack};
use super::reference::Reference;
use super::rows::DEADLINE;
use super::session::{Session, SessionKey};
use crate::id::{EventId, Index, Micros};
use crate::registry::Registry;

/// Mark of a deadline at which findings that were held back are told.
pub(crate) const HELD: u8 = u8::MAX;

/// An entry that a finding may flag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cited {
    pub(crate) id: EventId,
    pub(crate) index: Index,
    /// Its agent, else its signer.
    pub(crate) who: String,
    pub(crate) is_agent: bool,
    /// Who signed it, if that is another.
    pub(crate) signer: Option<String>,
    pub(crate) correlation: Option<String>,
}

impl Cited {
    pub(crate) fn of(facts: &Facts<'_>) -> Self {
        let who = facts.named.unwrap_or(facts.signer);
        Self {
            id: facts.id,
            index: facts.index,
            who: who.to_owned(),
            is_agent: facts.agent.is_some(),
            signer: (who != facts.signer).then(|| facts.signer.to_owned()),
            correlation: facts.correlation.map(str::to_owned),
        }
    }

    pub(crate) fn agent(&self) -> Option<&str> {
        self.is_agent.then_some(self.who.as_str())
    }

    pub(crate) fn pack(&self, row: &mut Pack) {
        row.raw(&self.id.0).u64(self.index.0).u8(u8::from(self.is_agent)).text(&self.who);
        row.text(self.correlation.as_deref().unwrap_or_default());
        row.text(self.signer.as_deref().unwrap_or_default());
    }

    pub(crate) fn unpack(row: &mut Unpack<'_>) -> Option<Self> {
        let (id, index, is_agent) = (EventId(row.array()?), Index(row.u64()?), row.u8()? > 0);
        let who = row.text()?;
        let [correlation, signer] = [row.text(), row.text()];
        let correlation = correlation.filter(|text| !text.is_empty());
        let signer = signer.filter(|text| !text.is_empty());
        Some(Self { id, index, who, is_agent, signer, correlation })
    }
}

/// A deadline, and what decides then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wait {
    pub(crate) at: Micros,
    pub(crate) cited: Cited,
    /// Tells a rule's deadlines for one entry apart.
    pub(crate) tag: u8,
    /// Another entry that the finding rests on.
    pub(crate) also: Option<EventId>,
    /// The session to look at.
    pub(crate) session: Option<SessionKey>,
    /// The intent to look at.
    pub(crate) intent: Option<EventId>,
    /// The vendor's reference to look at.
    pub(crate) reference: Option<[u8; 16]>,
    /// Two numbers that the rule knows the meaning of.
    pub(crate) numbers: (u64, u64),
    /// A mark that the rule knows the meaning of.
    pub(crate) mark: Option<[u8; 8]>,
}

impl Wait {
    /// A deadline for an entry.
    pub(crate) fn new(at: Micros, cited: Cited) -> Self {
        Self {
            at,
            cited,
            tag: 0,
            also: None,
            session: None,
            intent: None,
            reference: None,
            numbers: (0, 0),
            mark: None,
        }
    }

    pub(crate) fn key(&self, rule: &str) -> Vec<u8> {
        let mut key = Pack::with_capacity(40);
        key.u8(DEADLINE).u64(self.at.0).raw(rule.as_bytes()).u8(0);
        key.u64(self.cited.index.0).u8(self.tag).done()
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut row = Pack::with_capacity(128);
        self.cited.pack(&mut row);
        row.u8(self.tag).maybe(self.also.map(|id| id.0)).maybe(self.session);
        row.maybe(self.intent.map(|id| id.0)).maybe(self.reference);
        row.u64(self.numbers.0).u64(self.numbers.1).maybe(self.mark).done()
    }

    pub(crate) fn unpack(at: Micros, row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        Some(Self {
            at,
            cited: Cited::unpack(&mut row)?,
            tag: row.u8()?,
            also: row.maybe()?.map(EventId),
            session: row.maybe()?,
            intent: row.maybe()?.map(EventId),
            reference: row.maybe()?,
            numbers: (row.u64()?, row.u64()?),
            mark: row.maybe()?,
        })
    }
}

/// A deadline that has come, with the rows it asks for as of now.
pub(crate) struct Late<'v> {
    pub(crate) registry: &'v Registry,
    pub(crate) wait: &'v Wait,
    pub(crate) now: Micros,
    pub(crate) session: Option<Session>,
    pub(crate) intent: Option<Intent>,
    pub(crate) reference: Option<Reference>,
}

/// What a rule says at a deadline.
pub(crate) enum Ruling {
    /// It came in time.
    Clear,
    /// It did not.
    Flagged(Flag),
    /// Ask again then.
    Later(Micros),
}
