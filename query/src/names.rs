//! Which agent an entry is of: it may give any of its names, and a name leads to whoever had it at the entry.

use std::borrow::Cow;

use ledger::{Ids, Lead, Ledger, ReadError};
use schemas::account::Account;
use schemas::body::Body;
use schemas::id::{EventId, Index, TreeSize};
use schemas::map::Map;

use crate::error::sound;
use crate::node::Node;

/// Agents by the names that entries give them, as the registry knew them then.
pub(crate) struct Names<'l> {
    pub(crate) ledger: &'l Ledger,
    size: TreeSize,
    /// Where these were registered, if they are ids: an answer holds few of them, again and again.
    ids: Map<String, Option<Index>>,
    /// Whom other names led to.
    leads: Map<String, Vec<Lead>>,
    /// Made where an event is looked for: mostly many are.
    events: Option<Ids<'l>>,
}

impl<'l> Names<'l> {
    pub(crate) fn new(ledger: &'l Ledger, size: TreeSize) -> Self {
        Self { ledger, size, ids: Map::default(), leads: Map::default(), events: None }
    }

    /// The id of the agent that an entry at an index is of, else the name that it gives. An agent that signs need not name
    /// itself.
    pub(crate) fn agent<'n>(
        &mut self,
        named: Option<&'n str>,
        signer: &'n str,
        at: Index,
    ) -> Result<Option<Cow<'n, str>>, ReadError> {
        let Some(name) = named else {
            return Ok(self.is_id(signer, at)?.then_some(signer.into()));
        };
        if self.is_id(name, at)? {
            return Ok(Some(name.into()));
        }
        let holder = self.holder(name, at)?;
        Ok(Some(holder.map_or(name.into(), |id| Cow::Owned(id.to_owned()))))
    }

    /// Which agent a body at an index is of.
    pub(crate) fn agent_of<'b>(
        &mut self,
        body: &'b Body<'_>,
        at: Index,
    ) -> Result<Option<Cow<'b, str>>, ReadError> {
        self.agent(body.agent(), body.signer(), at)
    }

    /// Whether a name in an entry at an index is this agent's or person's.
    pub(crate) fn is(&mut self, name: &str, id: &str, at: Index) -> Result<bool, ReadError> {
        Ok(self.agent(Some(name), name, at)?.as_deref() == Some(id))
    }

    fn is_id(&mut self, name: &str, at: Index) -> Result<bool, ReadError> {
        let registered = match self.ids.get(name) {
            Some(known) => *known,
            None => {
                let record = self.ledger.agent(name)?;
                let registered = record.map(|record| record.registered);
                self.ids.insert(name.to_owned(), registered);
                registered
            }
        };
        Ok(registered.is_some_and(|index| index <= at))
    }

    /// The id of the agent that had a name at an index.
    fn holder(&mut self, name: &str, at: Index) -> Result<Option<&str>, ReadError> {
        if !self.leads.contains_key(name) {
            self.leads.insert(name.to_owned(), self.ledger.leads(name)?);
        }
        let leads = self.leads.get(name).map(Vec::as_slice).unwrap_or_default();
        Ok(Lead::as_of(leads, at))
    }

    /// What an entry means by an event id: where several signers used that, the event of the agent that the entry is of,
    /// else the first.
    pub(crate) fn meant(&mut self, id: EventId, by: &Node<'_>) -> Result<Option<Index>, ReadError> {
        self.meant_by(id, by.signer.map(|signer| (by.agent, signer, by.index)))
    }

    /// The same of a body at an index.
    pub(crate) fn meant_in(
        &mut self,
        id: EventId,
        (body, at): (&Body<'_>, Index),
    ) -> Result<Option<Index>, ReadError> {
        self.meant_by(id, Some((body.agent(), body.signer(), at)))
    }

    /// By the agent that is named, the signer, and where.
    fn meant_by(
        &mut self,
        id: EventId,
        by: Option<(Option<&str>, &str, Index)>,
    ) -> Result<Option<Index>, ReadError> {
        let mut found = self.events.get_or_insert_with(|| self.ledger.ids()).find(id)?;
        found.retain(|index| index.0 < self.size.0);
        if found.len() > 1
            && let Some((named, signer, at)) = by
            && let Some(agent) = self.agent(named, signer, at)?
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
            Some((named, signer)) => Ok(self.agent(named, signer, index)?.map(Cow::into_owned)),
            None => Ok(None),
        }
    }

    /// The agent that a body at an index is of, else who signed it: nobody acts in another's name.
    pub(crate) fn actor(&mut self, body: &Body<'_>, at: Index) -> Result<String, ReadError> {
        let agent = self.agent_of(body, at)?;
        let account = Account::of(body.kind(), body.signer(), agent.as_deref());
        let is_its = account != Account::Nobody;
        Ok(agent.filter(|_| is_its).map_or_else(|| body.signer().to_owned(), Cow::into_owned))
    }

    /// The id of the agent that has this name now, else the name.
    pub(crate) fn id(&mut self, name: &str) -> Result<String, ReadError> {
        let now = Index(self.size.0.saturating_sub(1));
        Ok(self.agent(Some(name), name, now)?.map_or_else(|| name.to_owned(), Cow::into_owned))
    }

    /// Every name that an agent ever had, its id first. Others may have had them, too: what is found by them is to be held
    /// against [`Names::is`].
    pub(crate) fn all(&self, agent: &str) -> Result<Vec<String>, ReadError> {
        let mut all = vec![agent.to_owned()];
        all.extend(self.ledger.names_of(agent)?);
        Ok(all)
    }

    /// Whether what `says` gives an account of may be an action of whom `of` is of; each with its index.
    pub(crate) fn is_about(
        &mut self,
        (says, says_at): (&Body<'_>, Index),
        (of, of_at): (&Body<'_>, Index),
    ) -> Result<bool, ReadError> {
        let Some(agent) = self.agent_of(of, of_at)? else { return Ok(true) };
        if Account::of(of.kind(), of.signer(), Some(&*agent)) == Account::Nobody {
            return Ok(false);
        }
        let named = self.agent_of(says, says_at)?;
        Ok(Account::of(says.kind(), says.signer(), named.as_deref()).is_of(&agent))
    }
}
