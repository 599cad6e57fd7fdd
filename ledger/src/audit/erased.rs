//! What is erased, was erased by a redaction; and what a redaction says is erased, is.

use schemas::id::Index;
use schemas::leaf::Status;
use schemas::limits::REDACT_ENTRIES_MAX;
use schemas::redaction::Redaction;
use schemas::residue::Residue;

use super::{Fault, Verifier};
use crate::error::ReadError;
use crate::keys;
use crate::meta;
use crate::read::parse_leaf;
use crate::store::ColumnFamily;

impl Verifier<'_> {
    /// Takes in the redaction at `at`: each of its entries must be erased, by this ledger.
    pub(super) fn check_redaction(
        &mut self,
        at: Index,
        redaction: &Redaction,
    ) -> Result<(), ReadError> {
        let beyond = redaction.ranges.last().is_some_and(|(_, to)| *to >= at.0);
        if beyond || redaction.len() > REDACT_ENTRIES_MAX {
            let why = "it redacts what it may not".to_owned();
            self.entry(ColumnFamily::Leaves, at, Fault::Admission(why));
            return Ok(());
        }
        // A copy may be made between a redaction's commit and its execution, which opening makes up for.
        let carried_out = meta::read_erased(self.store)? > at.0;
        for index in redaction.indexes().map(Index) {
            let fault = self.erased(index, redaction)?;
            self.unexplained.remove(&index.0);
            match fault {
                Some((_, Fault::Leftover)) if !carried_out => {}
                Some((family, fault)) => self.entry(family, index, fault),
                None => {}
            }
        }
        Ok(())
    }

    fn erased(
        &mut self,
        index: Index,
        redaction: &Redaction,
    ) -> Result<Option<(ColumnFamily, Fault)>, ReadError> {
        let key = keys::index(index);
        if self.store.get(ColumnFamily::Details, &key)?.is_some() {
            return Ok(Some((ColumnFamily::Details, Fault::Leftover)));
        }
        let Some(leaf) = self.store.get(ColumnFamily::Leaves, &key)? else { return Ok(None) };
        if parse_leaf(index, &leaf)?.status != Status::Accepted {
            return Ok(None);
        }
        if self.redacted.insert(index.0) {
            self.tally.redacted += 1;
        }
        let row = self.store.get(ColumnFamily::Bodies, &key)?.unwrap_or_default();
        let fault = match Residue::parse(&row) {
            None if redaction.body => Some(Fault::Leftover),
            None => None,
            Some(residue) => {
                let mut keys = self.eras.iter().map(|era| era.key);
                let ours = keys.any(|key| residue.is_left_by(&key, &leaf));
                (!ours).then_some(Fault::Signature)
            }
        };
        Ok(fault.map(|fault| (ColumnFamily::Bodies, fault)))
    }
}
