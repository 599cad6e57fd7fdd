//! Scheduled retention: details and bodies that are older than they may be are erased, by entries of the ledger's own.

use std::collections::{BTreeMap, BTreeSet};

use schemas::body::Body;
use schemas::id::{Index, Micros};
use schemas::limits::{REDACT_RANGES_MAX, RETAIN_ENTRIES_MAX, RETAIN_LOOKS_MAX};
use schemas::redaction::Redaction;

use crate::append::Writer;
use crate::error::{AppendError, ReadError};
use crate::meta;
use crate::read::Ledger;

const DAY_US: u64 = 24 * 3600 * 1_000_000;

/// For how long what may be erased is kept, in days since its receipt; `None` for ever. Where an agent's contract in
/// force says a period, that one counts for the agent's entries instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Details.
    pub detail_days: Option<u32>,
    /// Bodies, with their details.
    pub body_days: Option<u32>,
}

/// Up to where each was looked at, and as of which changes: after another, everything is looked at again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Retained {
    pub(crate) detail: u64,
    pub(crate) body: u64,
    /// By the period that contracts say, in microseconds.
    pub(crate) periods: BTreeMap<u64, u64>,
    pub(crate) changes: Changes,
}

/// What decides over entries that were looked at before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Changes {
    /// Holds that have been lifted.
    pub(crate) lifted: u64,
    /// The size of the log after the newest change of a contract that says a period.
    pub(crate) contracts: u64,
}

/// What is to be erased, and whose.
#[derive(Clone, Copy)]
struct Due {
    /// Received before this.
    before: Micros,
    /// The body too, not the detail alone.
    body: bool,
    /// The period that the agent's contract must say; `None` for those whose contract says none.
    period: Option<u64>,
}

impl Writer {
    /// Erases some of what is kept too long; whether there may be more.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn retain(&mut self, retention: &Retention, now: Micros) -> Result<bool, AppendError> {
        let before = meta::read_retained(&self.store)?;
        let mut places = before.clone();
        let changes = self.changes();
        if places.changes != changes {
            places = Retained { changes, ..Retained::default() };
        }
        let ago = |age: u64| Micros(now.0.saturating_sub(age));
        let days = |days: u32| ago(u64::from(days).saturating_mul(DAY_US));
        let mut more = false;
        if let Some(before) = retention.body_days.map(days) {
            let due = Due { before, body: true, period: None };
            more |= self.retain_due(&mut places.body, due, now)?;
        }
        if let Some(before) = retention.detail_days.map(days) {
            let due = Due { before, body: false, period: None };
            more |= self.retain_due(&mut places.detail, due, now)?;
        }
        for period in self.periods() {
            let due = Due { before: ago(period), body: true, period: Some(period) };
            more |= self.retain_due(places.periods.entry(period).or_default(), due, now)?;
        }
        if places != before {
            self.guarded(|writer| {
                Ok(writer.store.write_synced(&[meta::retained_row(&places)])?)
            })?;
        }
        Ok(more)
    }

    /// Whether anything is ever erased by its age.
    #[must_use]
    pub fn retains(&self, retention: &Retention) -> bool {
        *retention != Retention::default() || !self.periods().is_empty()
    }

    /// The periods that contracts in force say, in microseconds.
    fn periods(&self) -> BTreeSet<u64> {
        let contracts = self.fold.state.registry.contracts();
        let in_force = contracts.iter().filter(|record| record.is_in_force());
        in_force.filter_map(|record| record.contract.retention).collect()
    }

    fn changes(&self) -> Changes {
        let registry = &self.fold.state.registry;
        let lifted = registry.holds().iter().filter(|hold| hold.lifted.is_some()).count();
        let contracts = registry.contracts();
        let changed = contracts.iter().map(|record| record.withdrawn.unwrap_or(record.registered));
        Changes {
            lifted: u64::try_from(lifted).unwrap_or(u64::MAX),
            contracts: changed.max().map_or(0, |index| index.0.saturating_add(1)),
        }
    }

    fn retain_due(&mut self, place: &mut u64, due: Due, now: Micros) -> Result<bool, AppendError> {
        let last = self.ledger().index_at(due.before)?.0;
        let mut redaction = Redaction { ranges: Vec::new(), body: due.body, detail: true };
        let (from, mut erased) = (*place, 0);
        let end = last.min(from.saturating_add(RETAIN_LOOKS_MAX));
        while *place < end
            && erased < RETAIN_ENTRIES_MAX
            && redaction.ranges.len() < REDACT_RANGES_MAX
        {
            if self.is_due(Index(*place), due)? {
                erased += 1;
                match redaction.ranges.last_mut() {
                    Some((_, to)) if *to + 1 == *place => *to = *place,
                    _ => redaction.ranges.push((*place, *place)),
                }
            }
            *place += 1;
        }
        if !redaction.is_empty() {
            self.redact_own(&redaction, "retention", now)?;
        }
        Ok(*place < last)
    }

    /// Whether the entry has something that may go, and no hold keeps it.
    fn is_due(&self, index: Index, due: Due) -> Result<bool, ReadError> {
        let ledger = self.ledger();
        let Some(entry) = ledger.entry(index)? else { return Ok(false) };
        let has = match entry.body() {
            Some(body) => {
                body.kind().is_erasable()
                    && self.period(&ledger, index, &body)? == due.period
                    && (due.body || ledger.detail(index)?.is_some())
            }
            // Evidence of a refusal goes with bodies; what is erased has nothing left.
            None => {
                due.body && due.period.is_none() && entry.left.is_none() && entry.holds_evidence()
            }
        };
        Ok(has && entry.held(&ledger, self.fold.state.registry.holds())?.is_none())
    }

    /// What the contract of the agent says that the entry at `index` names, if it is in force.
    fn period(
        &self,
        ledger: &Ledger,
        index: Index,
        body: &Body<'_>,
    ) -> Result<Option<u64>, ReadError> {
        let Some(name) = body.agent() else { return Ok(None) };
        let agent = ledger.agent_at(name, index)?;
        let contract = agent.and_then(|agent| self.fold.state.registry.contract(&agent.id));
        let in_force = contract.filter(|record| record.is_in_force());
        Ok(in_force.and_then(|record| record.contract.retention))
    }
}
