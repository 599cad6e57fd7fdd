//! What falls due: an entry that is flagged unless something comes in time.

use super::facts::Facts;
use super::flag::Flag;
use super::intent::Intent;
use super::pack::{Pack, Unpack};
use super::reference::Reference;
use super::rows::{Deadline, Key, Rows};
use super::session::Session;
use crate::id::{EventId, Index, Micros};
use crate::registry::Registry;

/// Mark of a deadline at which findings that were held back are told.
pub(crate) const HELD: u8 = u8::MAX;

/// An entry that a finding may flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cited<'a> {
    pub(crate) id: EventId,
    pub(crate) index: Index,
    /// Its agent, else its signer.
    pub(crate) who: &'a str,
    pub(crate) is_agent: bool,
    /// Who signed it, if that is another.
    pub(crate) signer: Option<&'a str>,
    pub(crate) correlation: Option<&'a str>,
}

impl<'a> Cited<'a> {
    pub(crate) fn of(facts: &Facts<'a>) -> Self {
        let who = facts.named.unwrap_or(facts.signer);
        Self {
            id: facts.id,
            index: facts.index,
            who,
            is_agent: facts.agent.is_some(),
            signer: (who != facts.signer).then_some(facts.signer),
            correlation: facts.correlation,
        }
    }

    pub(crate) fn agent(&self) -> Option<&'a str> {
        self.is_agent.then_some(self.who)
    }

    /// Bytes of it in a row.
    pub(crate) fn len(&self) -> usize {
        let texts = [Some(self.who), self.correlation, self.signer];
        31 + texts.into_iter().flatten().map(str::len).sum::<usize>()
    }

    pub(crate) fn pack(&self, row: &mut Pack<'_>) {
        row.raw(&self.id.0).u64(self.index.0).u8(u8::from(self.is_agent));
        self.pack_names(row);
    }

    pub(crate) fn pack_names(&self, row: &mut Pack<'_>) {
        row.text(self.who).text(self.correlation.unwrap_or_default());
        row.text(self.signer.unwrap_or_default());
    }

    pub(crate) fn unpack(row: &mut Unpack<'a>) -> Option<Self> {
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
pub(crate) struct Wait<'a> {
    pub(crate) at: Micros,
    pub(crate) cited: Cited<'a>,
    /// Tells a rule's deadlines for one entry apart.
    pub(crate) tag: u8,
    /// Another entry that the finding rests on.
    pub(crate) also: Option<EventId>,
    /// The session to look at.
    pub(crate) session: Option<Key>,
    /// The intent to look at.
    pub(crate) intent: Option<EventId>,
    /// The vendor's reference to look at.
    pub(crate) reference: Option<[u8; 16]>,
    /// Two numbers that the rule knows the meaning of.
    pub(crate) numbers: (u64, u64),
    /// A mark that the rule knows the meaning of.
    pub(crate) mark: Option<[u8; 8]>,
}

impl<'a> Wait<'a> {
    /// A deadline for an entry.
    pub(crate) fn new(at: Micros, cited: Cited<'a>) -> Self {
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

    /// Writes it for a rule.
    pub(crate) fn put<R: Rows>(&self, rows: &mut R, rule: &str) {
        let key = Deadline::at(self.at).with(rule.as_bytes()).with(&[0]);
        let key = key.with(&self.cited.index.0.to_be_bytes()).with(&[self.tag]);
        let mut row = Pack(rows.put_deadline(key));
        row.room(self.cited.len() + 103);
        self.cited.pack(&mut row);
        let session = self.session.as_ref().map(Key::as_slice).unwrap_or_default();
        row.u8(self.tag).maybe(self.also.map(|id| id.0));
        row.u8(u8::from(!session.is_empty())).raw(session);
        row.maybe(self.intent.map(|id| id.0)).maybe(self.reference);
        row.u64(self.numbers.0).u64(self.numbers.1).maybe(self.mark);
    }

    pub(crate) fn unpack(at: Micros, row: &'a [u8]) -> Option<Self> {
        let mut row = Unpack(row);
        Some(Self {
            at,
            cited: Cited::unpack(&mut row)?,
            tag: row.u8()?,
            also: row.maybe()?.map(EventId),
            session: row.maybe::<25>()?.and_then(|key| Key::from_slice(&key)),
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
    pub(crate) wait: &'v Wait<'v>,
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
