//! Who answered for an agent at a place in the log. An agent may change hands; what it did before stays its former
//! owner's.

use rocksdb::Direction;
use schemas::id::Index;
use schemas::registry::AgentRecord;

use crate::error::ReadError;
use crate::keys;
use crate::read::{Ledger, damaged};
use crate::store::ColumnFamily;

impl Ledger {
    /// Who answered for an agent as of the entry at `index`; `None` if nobody had registered it by then.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn owner_at(&self, agent: &str, index: Index) -> Result<Option<String>, ReadError> {
        Ok(self.agent_at(agent, index)?.map(|record| record.owner))
    }

    /// The agent that an entry at `index` names by its id, an address or a name elsewhere, with its owner as of then;
    /// `None` if nobody had registered it by then.
    ///
    /// # Errors
    /// As for [`Ledger::owner_at`].
    pub fn agent_at(&self, name: &str, index: Index) -> Result<Option<AgentRecord>, ReadError> {
        let is_registered = |record: &AgentRecord| record.registered <= index;
        let named = match self.agent(name)?.filter(is_registered) {
            Some(record) => Some(record),
            None => match self.led_to(name, index)? {
                Some(id) => self.agent(&id)?,
                None => None,
            },
        };
        let Some(mut record) = named else { return Ok(None) };
        if record.owned > index
            && let Some(former) = self.former_owner(&record.id, index)?
        {
            record.owner = former;
        }
        Ok(Some(record))
    }

    /// Whoever answered for the agent until the next entry that gave it to somebody.
    fn former_owner(&self, agent: &str, index: Index) -> Result<Option<String>, ReadError> {
        let next = keys::former_owner(agent, Index(index.0.saturating_add(1)));
        let mut rows = self.store.scan(ColumnFamily::State, &next, Direction::Forward);
        let row = rows.next().transpose()?;
        let row = row.filter(|(key, _)| key.starts_with(&keys::former_owners(agent)));
        let Some((key, owner)) = row else { return Ok(None) };
        let owner = String::from_utf8(owner.into_vec());
        owner.map(Some).map_err(|_not_text| damaged(ColumnFamily::State, &key))
    }
}
