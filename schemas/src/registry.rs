//! The registry: who and what is known as of an index, folded from signed entries.
//!
//! `sound.rs` says whether a change may be made, `apply.rs` makes it, `chain.rs` holds a principal chain against the
//! grants; the other files are one kind of record each.

mod agent;
mod apply;
mod approval;
mod chain;
mod contract;
mod credential;
mod epoch;
mod freeze;
mod given;
mod grant;
mod hold;
mod key;
mod policy;
mod principal;
mod proposal;
mod sound;
mod text;

use std::sync::Arc;

pub use agent::{AgentRecord, AgentState, Profile};
pub use approval::HumanMark;
pub use chain::{ChainCheck, ChainFault, HopCheck, Ungranted};
pub use contract::ContractRecord;
pub use credential::{CredentialRecord, Holder};
pub use epoch::{Agreement, Epoch, lost_mark};
pub use freeze::{EVERYTHING, FROZEN, FreezeRecord};
use given::Given;
pub use grant::GrantRecord;
pub use hold::HoldRecord;
pub use key::KeyRecord;
pub use policy::PolicyRecord;
pub use principal::PrincipalRecord;
pub use proposal::{EPOCH, ProposalRecord, QUORUM};
pub use text::{text_fault, text_field};

use crate::body::{Body, LEDGER_SIGNER};
use crate::contract::Allowed;
use crate::id::{Digest, EventId, Kid, Micros};
use crate::key::PublicKey;
use crate::kind::Role;
use crate::map::{Map, Set};
use crate::reject::{Reason, Reject};
use crate::terms::Term;

/// What a change of the registry leaves behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// Of an agent.
    Agent(Box<AgentRecord>),
    /// Of a person or service.
    Principal(PrincipalRecord),
    /// Of a key.
    Key(Box<KeyRecord>),
    /// Of a hold.
    Hold(HoldRecord),
    /// Of a credential.
    Credential(CredentialRecord),
    /// Of an agent's contract.
    Contract(Box<ContractRecord>),
    /// Of a grant.
    Grant(Box<GrantRecord>),
    /// Of a policy.
    Policy(PolicyRecord),
    /// Of a proposal.
    Proposal(ProposalRecord),
    /// Of a freeze.
    Freeze(FreezeRecord),
    /// Of how many operators have to agree.
    Quorum(u64),
    /// Of which rules findings follow.
    Rules(u64),
}

/// The projection.
#[derive(Clone, Default, Debug)]
pub struct Registry {
    agents: Map<String, AgentRecord>,
    /// Agents by their addresses and their names elsewhere.
    names: Map<String, String>,
    principals: Map<String, PrincipalRecord>,
    keys: Map<Kid, KeyRecord>,
    holds: Vec<HoldRecord>,
    credentials: Map<String, CredentialRecord>,
    /// By agent.
    contracts: Map<String, ContractRecord>,
    /// What those allow, each once.
    allowed: Set<Arc<Allowed>>,
    grants: Map<EventId, GrantRecord>,
    given: Given,
    policies: Map<Digest, PolicyRecord>,
    proposals: Map<EventId, ProposalRecord>,
    freezes: Vec<FreezeRecord>,
    quorum: u64,
    rules: u64,
}

fn invalid(path: &str, expected: impl Into<String>) -> Reject {
    Reject::new(Reason::InvalidField, path, expected)
}

impl Registry {
    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> usize {
        let people = self.agents.len() + self.principals.len() + self.keys.len();
        let limits = self.credentials.len() + self.contracts.len() + self.policies.len();
        let acts = self.holds.len() + self.proposals.len() + self.freezes.len();
        people + limits + acts + self.grants.len()
    }

    /// The key with this thumbprint.
    #[must_use]
    pub fn key(&self, kid: &Kid) -> Option<&KeyRecord> {
        self.keys.get(kid)
    }

    /// Every key that was ever enrolled, in no order.
    pub fn public_keys(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.keys.values().map(|record| record.key)
    }

    /// Every hold that was ever placed, in order.
    #[must_use]
    pub fn holds(&self) -> &[HoldRecord] {
        &self.holds
    }

    /// Who answers for the agent with this id.
    #[must_use]
    pub fn owner(&self, agent: &str) -> Option<&str> {
        self.agents.get(agent).map(|record| record.owner.as_str())
    }

    /// The agent with this id.
    #[must_use]
    pub fn agent(&self, id: &str) -> Option<&AgentRecord> {
        self.agents.get(id)
    }

    /// The agent with this address or name elsewhere.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&AgentRecord> {
        self.agents.get(self.names.get(name)?)
    }

    /// The agent with this id, else with this address or name elsewhere.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<&AgentRecord> {
        self.agent(name).or_else(|| self.named(name))
    }

    /// The person or service with this id.
    #[must_use]
    pub fn principal(&self, id: &str) -> Option<&PrincipalRecord> {
        self.principals.get(id)
    }

    /// The credential with this id.
    #[must_use]
    pub fn credential(&self, id: &str) -> Option<&CredentialRecord> {
        self.credentials.get(id)
    }

    /// An agent's newest contract, in force or withdrawn.
    #[must_use]
    pub fn contract(&self, agent: &str) -> Option<&ContractRecord> {
        self.contracts.get(agent)
    }

    /// The grant with this id.
    #[must_use]
    pub fn grant(&self, id: EventId) -> Option<&GrantRecord> {
        self.grants.get(&id)
    }

    /// The policy with this digest.
    #[must_use]
    pub fn policy(&self, digest: &Digest) -> Option<&PolicyRecord> {
        self.policies.get(digest)
    }

    /// Every agent, in order of id.
    #[must_use]
    pub fn agents(&self) -> Vec<&AgentRecord> {
        sorted(self.agents.values(), |record| &record.id)
    }

    /// Every person and service, in order of id.
    #[must_use]
    pub fn principals(&self) -> Vec<&PrincipalRecord> {
        sorted(self.principals.values(), |record| &record.id)
    }

    /// Every key that was ever enrolled, in the order of their entries.
    #[must_use]
    pub fn keys(&self) -> Vec<&KeyRecord> {
        sorted(self.keys.values(), |record| (record.enrolled, record.key.kid()))
    }

    /// Every credential, in order of id.
    #[must_use]
    pub fn credentials(&self) -> Vec<&CredentialRecord> {
        sorted(self.credentials.values(), |record| &record.id)
    }

    /// Every agent's newest contract, in order of agent.
    #[must_use]
    pub fn contracts(&self) -> Vec<&ContractRecord> {
        sorted(self.contracts.values(), |record| &record.contract.agent)
    }

    /// Every grant, in the order in which they were given.
    #[must_use]
    pub fn grants(&self) -> Vec<&GrantRecord> {
        sorted(self.grants.values(), |record| record.granted)
    }

    /// Every policy, in the order in which they were registered.
    #[must_use]
    pub fn policies(&self) -> Vec<&PolicyRecord> {
        sorted(self.policies.values(), |record| (record.registered, record.digest))
    }

    /// Every proposal, in order.
    #[must_use]
    pub fn proposals(&self) -> Vec<&ProposalRecord> {
        sorted(self.proposals.values(), |record| record.proposed)
    }

    /// Every freeze, in order.
    #[must_use]
    pub fn freezes(&self) -> &[FreezeRecord] {
        &self.freezes
    }

    /// Version of the rules of which findings follow in this ledger; 0 where none do.
    #[must_use]
    pub fn rules(&self) -> u64 {
        self.rules
    }

    /// The freeze that an entry with these terms falls under.
    #[must_use]
    pub fn frozen(&self, terms: &[Term<'_>]) -> Option<&FreezeRecord> {
        self.freezes.iter().find(|freeze| freeze.covers(terms))
    }

    /// Check order: key validity, role, disabled; then what the change itself requires.
    ///
    /// # Errors
    /// The [`Reject`] that the entry ends with.
    pub fn permits(&self, body: &Body<'_>, kid: &Kid, received_at: Micros) -> Result<(), Reject> {
        self.signer_may(body, kid, received_at)?;
        self.may_alone(body)?;
        self.change_is_sound(body, received_at)
    }

    /// The part of [`Registry::permits`] that only the signer's own history decides.
    ///
    /// # Errors
    /// The [`Reject`] that the entry would have ended with.
    pub(crate) fn signer_may(
        &self,
        body: &Body<'_>,
        kid: &Kid,
        received_at: Micros,
    ) -> Result<(), Reject> {
        self.key_is_valid(kid, received_at)?;
        self.role_permits(body)?;
        self.signer_is_enabled(body.signer())
    }

    fn key_is_valid(&self, kid: &Kid, received_at: Micros) -> Result<(), Reject> {
        let reject =
            |reason, expected: &str| Err(Reject::new(reason, "statement.protected.4", expected));
        let Some(record) = self.keys.get(kid) else {
            return reject(Reason::UnregisteredKey, "an enrolled key");
        };
        if record.revoked.is_some() {
            return reject(Reason::RevokedKey, "a key that is not revoked");
        }
        let early = record.not_before.is_some_and(|from| received_at < from);
        if early || record.is_over(received_at) {
            return reject(Reason::ExpiredKey, "a key within its validity");
        }
        Ok(())
    }

    fn has_role(&self, signer: &str, role: Role) -> bool {
        match role {
            Role::Agent => self.agents.contains_key(signer),
            role => self.principals.get(signer).is_some_and(|p| p.roles.contains(&role)),
        }
    }

    fn role_permits(&self, body: &Body<'_>) -> Result<(), Reject> {
        let signer = body.signer();
        let known = self.agents.contains_key(signer) || self.principals.contains_key(signer);
        let needed = body.kind().signers();
        if known && (needed.is_empty() || needed.iter().any(|role| self.has_role(signer, *role))) {
            return Ok(());
        }
        let roles: Vec<_> = needed.iter().map(|role| role.as_str()).collect();
        let expected = match roles.as_slice() {
            [] => "a registered signer".to_owned(),
            roles => format!("a signer with role {} for {}", roles.join(" or "), body.kind()),
        };
        Err(Reject::new(Reason::RoleNotAllowed, "kind", expected))
    }

    fn signer_is_enabled(&self, signer: &str) -> Result<(), Reject> {
        let stopped = match (self.agents.get(signer), self.principals.get(signer)) {
            (Some(agent), _) if agent.state != AgentState::Active => agent.state.as_str(),
            (_, Some(principal)) if !principal.enabled => "disabled",
            _ => return Ok(()),
        };
        let expected = format!("an active signer; {signer} is {stopped}");
        Err(Reject::new(Reason::DisabledAgent, "signer", expected))
    }

    fn may_alone(&self, body: &Body<'_>) -> Result<(), Reject> {
        let needed = self.quorum();
        if needed == 1 || body.signer() == LEDGER_SIGNER || !self.is_dangerous(body) {
            return Ok(());
        }
        let expected = format!("a proposal that {needed} operators approve");
        Err(Reject::new(Reason::RoleNotAllowed, "kind", expected))
    }

    /// Agents of a kind share what their contracts allow.
    fn put_contract(&mut self, agent: String, mut record: ContractRecord) {
        let allowed = &mut record.contract.allowed;
        match self.allowed.get(allowed) {
            Some(known) => allowed.clone_from(known),
            None => drop(self.allowed.insert(allowed.clone())),
        }
        self.contracts.insert(agent, record);
        // A copy of the registry may still hold what no contract here allows any more: references are no count of that.
        if self.allowed.len() > 2 * self.contracts.len() {
            let allowed = self.contracts.values().map(|record| &record.contract.allowed);
            self.allowed = allowed.map(Arc::clone).collect();
        }
    }

    /// Takes in a record of an earlier life.
    pub fn insert(&mut self, record: Record) {
        match record {
            Record::Agent(record) => {
                let names = record.profile.names().map(|name| (name.to_owned(), record.id.clone()));
                self.names.extend(names);
                self.agents.insert(record.id.clone(), *record);
            }
            Record::Principal(record) => drop(self.principals.insert(record.id.clone(), record)),
            Record::Hold(record) => self.holds.push(record),
            Record::Key(record) => drop(self.keys.insert(record.key.kid(), *record)),
            Record::Credential(record) => drop(self.credentials.insert(record.id.clone(), record)),
            Record::Contract(record) => {
                self.put_contract(record.contract.agent.clone(), *record);
            }
            Record::Grant(record) => {
                self.given.take(&record);
                self.grants.insert(record.grant.id, *record);
            }
            Record::Policy(record) => drop(self.policies.insert(record.digest, record)),
            Record::Proposal(record) => drop(self.proposals.insert(record.id, record)),
            Record::Freeze(record) => self.freezes.push(record),
            Record::Quorum(needed) => self.quorum = needed,
            Record::Rules(version) => self.rules = version,
        }
    }
}

fn sorted<'r, T, K: Ord>(
    records: impl Iterator<Item = &'r T>,
    key: impl Fn(&'r T) -> K,
) -> Vec<&'r T> {
    let mut records: Vec<_> = records.collect();
    records.sort_unstable_by_key(|record| key(record));
    records
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::encode::encode;
    use crate::fields::CONTRACT;
    use crate::id::Index;
    use crate::shape::{Path, Shape};

    fn contract(agent: &str, class: &str) -> Record {
        let contract = json!({
            "digest": "07".repeat(32),
            "agent": {
                "name": agent, "owner": "ana", "permissions": {}, "execution_mode": "autonomous",
                "expiry": "2027-07-01",
            },
            "actions": { "email.send": { "class": class } },
        });
        let value = Shape::Record(CONTRACT).read_json(&contract, &Path::root("registry")).unwrap();
        let record = ContractRecord::new(&encode(&value), Index(1), None, None).unwrap();
        Record::Contract(Box::new(record))
    }

    #[test]
    fn what_agents_are_allowed_is_shared_and_not_kept_beyond_their_contracts() {
        let mut registry = Registry::default();
        registry.insert(contract("a", "read"));
        registry.insert(contract("b", "read"));
        let allowed = |registry: &Registry, agent| {
            Arc::clone(&registry.contract(agent).unwrap().contract.allowed)
        };
        assert!(Arc::ptr_eq(&allowed(&registry, "a"), &allowed(&registry, "b")));
        let mut copies = Vec::new();
        for class in ["write", "payment", "destructive", "communication", "read"] {
            copies.push(registry.clone());
            registry.insert(contract("a", class));
            assert!(registry.allowed.len() <= 2 * registry.contracts.len());
        }
        assert!(Arc::ptr_eq(&allowed(&registry, "a"), &allowed(&registry, "b")));
    }
}
