//! Scheduled retention: details and bodies that are older than they may be are erased, by entries of the ledger's own.

use schemas::id::{Index, Micros};
use schemas::limits::{REDACT_RANGES_MAX, RETAIN_ENTRIES_MAX, RETAIN_LOOKS_MAX};
use schemas::redaction::Redaction;

use crate::append::Writer;
use crate::error::{AppendError, ReadError};
use crate::meta;

const DAY_US: u64 = 24 * 3600 * 1_000_000;

/// For how long what may be erased is kept, in days since its receipt; `None` for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Details.
    pub detail_days: Option<u32>,
    /// Bodies, with their details.
    pub body_days: Option<u32>,
}

/// Up to where each was looked at, and how many holds had been lifted then: what one of these held is to be
/// looked at again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Retained {
    pub(crate) detail: u64,
    pub(crate) body: u64,
    pub(crate) lifted: u64,
}

impl Writer {
    /// Erases some of what is kept too long; whether there may be more.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn retain(&mut self, retention: &Retention, now: Micros) -> Result<bool, AppendError> {
        let lifted = self.fold.state.registry.holds().iter().filter(|hold| hold.lifted.is_some());
        let lifted = u64::try_from(lifted.count()).unwrap_or(u64::MAX);
        let before = meta::read_retained(&self.store)?;
        let mut place = before;
        if place.lifted != lifted {
            place = Retained { lifted, ..Retained::default() };
        }
        let mut more = false;
        if let Some(days) = retention.body_days {
            more |= self.retain_part(&mut place.body, days, true, now)?;
        }
        if let Some(days) = retention.detail_days {
            more |= self.retain_part(&mut place.detail, days, false, now)?;
        }
        if place != before {
            self.guarded(|writer| Ok(writer.store.write_synced(&[meta::retained_row(place)])?))?;
        }
        Ok(more)
    }

    fn retain_part(
        &mut self,
        place: &mut u64,
        days: u32,
        body: bool,
        now: Micros,
    ) -> Result<bool, AppendError> {
        let age = u64::from(days).saturating_mul(DAY_US);
        let due = self.ledger().index_at(Micros(now.0.saturating_sub(age)))?.0;
        let mut redaction = Redaction { ranges: Vec::new(), body, detail: true };
        let (from, mut erased) = (*place, 0);
        let end = due.min(from.saturating_add(RETAIN_LOOKS_MAX));
        while *place < end
            && erased < RETAIN_ENTRIES_MAX
            && redaction.ranges.len() < REDACT_RANGES_MAX
        {
            if self.is_due(Index(*place), body)? {
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
        Ok(*place < due)
    }

    /// Whether the entry has something that may go, and no hold keeps it.
    fn is_due(&self, index: Index, body: bool) -> Result<bool, ReadError> {
        let ledger = self.ledger();
        let Some(entry) = ledger.entry(index)? else { return Ok(false) };
        let kind = entry.body().map(|body| body.kind());
        let has = match kind {
            Some(kind) => kind.is_erasable() && (body || ledger.detail(index)?.is_some()),
            // Evidence of a refusal goes with bodies; what is erased has nothing left.
            None => body && entry.left.is_none() && entry.holds_evidence(),
        };
        let holds = self.fold.state.registry.holds();
        Ok(has && !entry.terms(|terms| holds.iter().any(|hold| hold.covers(terms))))
    }
}
