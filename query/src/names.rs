//! Which agent an entry is of: it may give any of its names.

use std::borrow::Cow;
use std::sync::Arc;

use ledger::{Ids, Ledger, ReadError};
use schemas::account::Account;
use schemas::body::Body;
use schemas::id::{EventId, Index, TreeSize};
use schemas::map::Map;
use schemas::registry::Registry;

use crate::error::sound;
use crate::node::Node;

/// Agents by the names that entries give them, as the registry knows them.
pub(crate) struct Names<'l> {
    pub(crate) ledger: &'l Ledger,
    size: TreeSize,
    /// Whether these are ids: an answer holds few of them, again and again.
    ids: Map<String, bool>,
    /// Read where an agent is named otherwise than by its id.
    registry: Option<Arc<Registry>>,
    /// Made where an event is looked for: mostly many are.
    events: Option<Ids<'l>>,
}

impl<'l> Names<'l> {
    pub(crate) fn new(ledger: &'l Ledger, size: TreeSize) -> Self {
        Self { ledger, size, ids: Map::default(), registry: None, events: None }
    }

    /// The id of the agent that an entry is of, else the name that it gives. An agent that signs need not name itself.
    pub(crate) fn agent<'n>(
        &mut self,
        named: Option<&'n str>,
        signer: &'n str,
    ) -> Result<Option<Cow<'n, str>>, ReadError> {
        let Some(name) = named else {
            return Ok(self.is_id(signer)?.then_some(signer.into()));
        };
        if self.is_id(name)? {
            return Ok(Some(name.into()));
        }
        let registry = match &self.registry {
            Some(known) => Arc::clone(known),
            None => self.ledger.registry_at(self.size)?,
        };
        let id = registry.named(name).map(|record| record.id.clone());
        self.registry = Some(registry);
        Ok(Some(id.map_or(name.into(), Cow::Owned)))
    }

    fn is_id(&mut self, name: &str) -> Result<bool, ReadError> {
        if let Some(known) = self.ids.get(name) {
            return Ok(*known);
        }
        let known = self.ledger.agent(name)?.is_some();
        self.ids.insert(name.to_owned(), known);
        Ok(known)
    }

    /// What an entry means by an event id: where several signers used that, the event of the agent that the entry is of,
    /// else the first.
    pub(crate) fn meant(&mut self, id: EventId, by: &Node<'_>) -> Result<Option<Index>, ReadError> {
        self.meant_by(id, by.signer.map(|signer| (by.agent, signer)))
    }

    /// The same of a body.
    pub(crate) fn meant_in(
        &mut self,
        id: EventId,
        body: &Body<'_>,
    ) -> Result<Option<Index>, ReadError> {
        self.meant_by(id, Some((body.agent(), body.signer())))
    }

    /// By the agent that is named, and the signer.
    fn meant_by(
        &mut self,
        id: EventId,
        by: Option<(Option<&str>, &str)>,
    ) -> Result<Option<Index>, ReadError> {
        let mut found = self.events.get_or_insert_with(|| self.ledger.ids()).find(id)?;
        found.retain(|index| index.0 < self.size.0);
        if found.len() > 1
            && let Some((named, signer)) = by
            && let Some(agent) = self.agent(named, signer)?
        {
            for index in &found {
                if self.at(*index)?.as_deref() == Some(&agent) {
                    return Ok(Some(*index));
                }
            }
        }
        Ok(found.first().copied())
    }

    /// The agent that the entry at `index` is of; none where its rows are damaged.
    fn at(&mut self, index: Index) -> Result<Option<String>, ReadError> {
        let entry = sound(self.ledger.entry(index))?;
        let node = entry.as_ref().map(Node::of);
        match node.and_then(|node| Some((node.agent, node.signer?))) {
            Some((named, signer)) => Ok(self.agent(named, signer)?.map(Cow::into_owned)),
            None => Ok(None),
        }
    }

    /// The agent that a body is of, else who signed it: nobody acts in another's name.
    pub(crate) fn actor(&mut self, body: &Body<'_>) -> Result<String, ReadError> {
        let agent = self.agent(body.agent(), body.signer())?;
        let account = Account::of(body.kind(), body.signer(), agent.as_deref());
        let is_its = account != Account::Nobody;
        Ok(agent.filter(|_| is_its).map_or_else(|| body.signer().to_owned(), Cow::into_owned))
    }

    /// Every name of whoever has this one, the id first.
    pub(crate) fn known(&mut self, name: &str) -> Result<Vec<String>, ReadError> {
        let id = self.id(name)?;
        self.all(&id)
    }

    /// The id of the agent that has this name, else the name.
    pub(crate) fn id(&mut self, name: &str) -> Result<String, ReadError> {
        Ok(self.agent(Some(name), name)?.map_or_else(|| name.to_owned(), Cow::into_owned))
    }

    /// Every name of an agent, its id first.
    pub(crate) fn all(&self, agent: &str) -> Result<Vec<String>, ReadError> {
        let record = self.ledger.agent(agent)?;
        let others = record.iter().flat_map(|record| record.profile.names());
        Ok([agent].into_iter().chain(others).map(str::to_owned).collect())
    }

    /// Whether what `says` gives an account of may be an action of whom `of` is of.
    pub(crate) fn is_about(&mut self, says: &Body<'_>, of: &Body<'_>) -> Result<bool, ReadError> {
        let Some(agent) = self.agent(of.agent(), of.signer())? else { return Ok(true) };
        if Account::of(of.kind(), of.signer(), Some(&*agent)) == Account::Nobody {
            return Ok(false);
        }
        let named = self.agent(says.agent(), says.signer())?;
        Ok(Account::of(says.kind(), says.signer(), named.as_deref()).is_of(&agent))
    }
}
