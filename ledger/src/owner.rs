//! Who answered for an agent at a place in the log. An agent may change hands; what it did before stays its former
//! owner's.

use schemas::id::Index;
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::terms::Key;

use crate::entry::Entry;
use crate::error::ReadError;
use crate::read::Ledger;

impl Ledger {
    /// Who answered for an agent as of the entry at `index`; `None` if nobody had registered it by then.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn owner_at(&self, agent: &str, index: Index) -> Result<Option<String>, ReadError> {
        match self.agent(agent)? {
            Some(record) if record.owned <= index => Ok(Some(record.owner)),
            Some(record) if record.registered <= index => self.former_owner(agent, index),
            _ => Ok(None),
        }
    }

    /// What the newest entry up to `index` says that gave the agent to somebody.
    fn former_owner(&self, agent: &str, index: Index) -> Result<Option<String>, ReadError> {
        let mut of_agent = self.postings(Key::Agent, agent);
        let mut of_kinds = [Kind::AgentUpdated, Kind::AgentRegistered]
            .map(|kind| self.postings(Key::Kind, kind.as_str()));
        let mut at = Some(index.0);
        while let Some(from) = at {
            let mut change = None;
            for kind in &mut of_kinds {
                change = change.max(kind.at_or_before(from)?);
            }
            let Some(change) = change else { return Ok(None) };
            let found = of_agent.at_or_before(change.0)?;
            if found != Some(change) {
                at = found.map(|found| found.0);
                continue;
            }
            let owner = self.owner_given(agent, change)?;
            if owner.is_some() {
                return Ok(owner);
            }
            at = change.0.checked_sub(1);
        }
        Ok(None)
    }

    /// The owner that the accepted entry at `index` gives the agent.
    fn owner_given(&self, agent: &str, index: Index) -> Result<Option<String>, ReadError> {
        let entry = self.entry(index)?.filter(|entry| entry.leaf.status == Status::Accepted);
        let body = entry.as_ref().and_then(Entry::body);
        let body = body.filter(|body| body.agent() == Some(agent));
        Ok(body.and_then(|body| body.text("owner").map(str::to_owned)))
    }
}
