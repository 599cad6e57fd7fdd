//! Credentials, by id; never their values.

use crate::body::Body;
use crate::id::{Index, Micros};
use crate::mark::Mark;

/// A registered credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CredentialRecord {
    /// Its id.
    pub id: String,
    /// The mark of its id, by which the rules remember it.
    pub mark: Mark,
    /// The agents that it is registered to; more than one is a finding.
    pub holders: Vec<Holder>,
}

/// An agent's registration of a credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The agent.
    pub agent: String,
    /// Its type.
    pub kind: Option<String>,
    /// What it opens.
    pub scopes: Vec<String>,
    /// When it was issued.
    pub issued: Option<Micros>,
    /// When it ends.
    pub expires: Option<Micros>,
    /// Entry that registered it.
    pub registered: Index,
    /// Entry that revoked it.
    pub revoked: Option<Index>,
}

impl CredentialRecord {
    /// The agents that hold it as of now.
    pub fn in_force(&self) -> impl Iterator<Item = &Holder> {
        self.holders.iter().filter(|holder| holder.revoked.is_none())
    }

    /// Takes in a registration: an agent's new one replaces its last.
    pub(super) fn hold(&mut self, holder: Holder) {
        self.holders.retain(|known| known.agent != holder.agent);
        self.holders.push(holder);
    }

    /// Revokes it for one agent, or for all.
    pub(super) fn revoke(&mut self, index: Index, agent: Option<&str>) {
        let touched = |holder: &&mut Holder| {
            holder.revoked.is_none() && agent.is_none_or(|agent| agent == holder.agent)
        };
        self.holders.iter_mut().filter(touched).for_each(|holder| holder.revoked = Some(index));
    }
}

impl Holder {
    /// What a `credential.registered` says.
    pub(super) fn of(body: &Body<'_>, index: Index) -> Self {
        let time = |path: &str| body.uint(path).map(Micros);
        let scopes = body.list("credential.scopes");
        Self {
            agent: body.agent().unwrap_or_default().to_owned(),
            kind: body.text("credential.type").map(str::to_owned),
            scopes: scopes.iter().filter_map(|scope| scope.text().map(str::to_owned)).collect(),
            issued: time("credential.issued"),
            expires: time("credential.expires"),
            registered: index,
            revoked: None,
        }
    }
}
