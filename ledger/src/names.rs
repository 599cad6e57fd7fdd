//! Whom a name led to at a place in the log. An agent has addresses and names elsewhere besides its id; each leads to one
//! agent at a time, and may be passed on: what was said under it before stays the former one's.

use schemas::id::Index;

use crate::error::ReadError;
use crate::keys;
use crate::read::{Ledger, damaged};
use crate::store::ColumnFamily;

/// Whom a name leads to from an entry on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lead {
    /// The entry, itself included.
    pub from: Index,
    /// Id of the agent; `None` where the one before gave the name up.
    pub agent: Option<String>,
}

impl Lead {
    /// The agent that a name led to as of the entry at `index`, by all its leads.
    #[must_use]
    pub fn as_of(leads: &[Self], index: Index) -> Option<&str> {
        leads.iter().rev().find(|lead| lead.from <= index)?.agent.as_deref()
    }
}

impl Ledger {
    /// Whom an address or another name of an agent's led to, in the order of the log; nothing for one that no agent ever
    /// had, ids among them.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn leads(&self, name: &str) -> Result<Vec<Lead>, ReadError> {
        let rows = self.store.scan_prefix(ColumnFamily::State, &keys::leads(name));
        rows.map(|row| {
            let (key, agent) = row?;
            let lead = keys::parse_lead(&key).zip(String::from_utf8(agent.into_vec()).ok());
            let (from, agent) = lead.ok_or_else(|| damaged(ColumnFamily::State, &key))?;
            Ok(Lead { from, agent: Some(agent).filter(|agent| !agent.is_empty()) })
        })
        .collect()
    }

    /// The agent that an address or another name of an agent's led to as of the entry at `index`.
    pub(crate) fn led_to(&self, name: &str, index: Index) -> Result<Option<String>, ReadError> {
        Ok(Lead::as_of(&self.leads(name)?, index).map(str::to_owned))
    }

    /// The addresses and other names that ever led to an agent, in order.
    ///
    /// # Errors
    /// As for [`Ledger::leads`].
    pub fn names_of(&self, agent: &str) -> Result<Vec<String>, ReadError> {
        let prefix = keys::names_of(agent);
        let rows = self.store.scan_prefix(ColumnFamily::State, &prefix);
        rows.map(|row| {
            let (key, _) = row?;
            let name = key.get(prefix.len()..).and_then(|name| str::from_utf8(name).ok());
            name.map(str::to_owned).ok_or_else(|| damaged(ColumnFamily::State, &key))
        })
        .collect()
    }
}
