//! What an accepted entry changes.

use super::hold::hold_of;
use super::proposal::{Operation, with_operation};
use super::sound::{kept, new_key};
use super::{
    AgentRecord, AgentState, ContractRecord, CredentialRecord, FROZEN, FreezeRecord, GrantRecord,
    HoldRecord, Holder, KeyRecord, PolicyRecord, PrincipalRecord, Profile, ProposalRecord, Record,
    Registry,
};
use crate::body::{Body, LEDGER_SIGNER};
use crate::deterministic::Item;
use crate::id::{Digest, EventId, Index, Kid, Micros};
use crate::key::PublicKey;
use crate::kind::{Kind, Role};
use crate::mark::mark;

impl Registry {
    /// Takes an accepted entry in; returns the records that it changed.
    pub fn apply(&mut self, index: Index, received_at: Micros, body: &Body<'_>) -> Vec<Record> {
        let agent = body.agent().unwrap_or_default();
        let text = |path: &str| body.text(path).unwrap_or_default();
        match body.kind() {
            Kind::AgentRegistered => self.register_agent(index, body),
            Kind::AgentUpdated => self.update_agent(index, body),
            Kind::AgentSuspended => self.set_state(index, agent, AgentState::Suspended),
            Kind::AgentDisabled => self.set_state(index, agent, AgentState::Disabled),
            Kind::AgentEnabled => self.set_state(index, agent, AgentState::Active),
            Kind::AgentRetired => self.set_state(index, agent, AgentState::Retired),
            Kind::PrincipalRegistered => {
                let roles = body.list("registry.roles");
                let roles = roles.iter().filter_map(|role| Role::parse(role.text()?)).collect();
                let route = body.text("registry.route").map(str::to_owned);
                self.put_principal(index, text("registry.id"), roles, route, true)
            }
            Kind::PrincipalDisabled => {
                let id = text("registry.id");
                let known = self.principals.get(id);
                let (roles, route) =
                    known.map(|p| (p.roles.clone(), p.route.clone())).unwrap_or_default();
                self.put_principal(index, id, roles, route, false)
            }
            Kind::KeyEnrolled => self.enrol(index, body),
            Kind::KeyRotated => {
                let mut records = self.revoke(index, body.registry_kid("replaces"));
                records.extend(self.enrol(index, body));
                records
            }
            Kind::KeyRevoked => self.revoke(index, body.registry_kid("kid")),
            Kind::CredentialRegistered => self.change_credential(text("credential.id"), |record| {
                record.hold(Holder::of(body, index));
            }),
            Kind::CredentialRevoked => self.change_credential(text("credential.id"), |record| {
                record.revoke(index, body.agent());
            }),
            Kind::ContractRegistered => {
                let record = ContractRecord::new(&kept(body, "registry"), index, None, None);
                let Some(record) = record else { return Vec::new() };
                self.put_contract(agent.to_owned(), record.clone());
                vec![Record::Contract(Box::new(record))]
            }
            Kind::ContractReviewed => {
                self.change_contract(agent, |record| record.reviewed = Some(index))
            }
            Kind::ContractWithdrawn => {
                self.change_contract(agent, |record| record.withdrawn = Some(index))
            }
            Kind::PolicyRegistered => self.register_policy(index, body),
            Kind::DelegationGranted => self.give(index, received_at, body),
            Kind::DelegationRevoked => self.take_back(index, body),
            Kind::AuthzTransition => self.transit(index, body),
            Kind::Proposal => self.propose(index, received_at, body),
            Kind::ProposalApproved => self.approve(index, received_at, body),
            Kind::HoldPlaced => {
                let Some(hold) = hold_of(body, index) else { return Vec::new() };
                self.holds.push(hold.clone());
                vec![Record::Hold(hold)]
            }
            Kind::HoldLifted => self.lift(index, &body.causes()),
            Kind::LedgerGenesis => self.found(index, body),
            Kind::LedgerKeyRotated => self.rotate_ledger(index, body),
            _ => Vec::new(),
        }
    }

    /// The genesis entry names the ledger and the first operator, with their keys.
    fn found(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let mut records = Vec::new();
        if let Some(version) = body.uint("registry.rules") {
            self.rules = version;
            records.push(Record::Rules(version));
        }
        let operator = body.text("registry.operator").unwrap_or_default().to_owned();
        for (id, role, path) in [
            (LEDGER_SIGNER, Role::Ledger, "registry.ledger_key"),
            (operator.as_str(), Role::Operator, "registry.operator_key"),
        ] {
            let key = body.field(path).and_then(Item::bytes);
            let Some(key) = key.and_then(|bytes| PublicKey::from_bytes(bytes).ok()) else {
                continue;
            };
            records.extend(self.put_principal(index, id, vec![role], None, true));
            records.extend(self.put_key(KeyRecord {
                key,
                signer: id.to_owned(),
                enrolled: index,
                revoked: None,
                not_before: None,
                not_after: None,
            }));
        }
        records
    }

    /// The ledger's old key ends where the new one begins.
    fn rotate_ledger(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let key = body.field("registry.ledger_key").and_then(Item::bytes);
        let Some(key) = key.and_then(|bytes| PublicKey::from_bytes(bytes).ok()) else {
            return Vec::new();
        };
        let own = |record: &&KeyRecord| record.signer == LEDGER_SIGNER && record.revoked.is_none();
        let before = self.keys.values().find(own).map(|record| record.key.kid());
        let mut records = self.revoke(index, before);
        records.extend(self.put_key(KeyRecord {
            key,
            signer: LEDGER_SIGNER.to_owned(),
            enrolled: index,
            revoked: None,
            not_before: None,
            not_after: None,
        }));
        records
    }

    fn register_agent(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let mut profile = Profile::default();
        profile.update(body);
        let id = body.agent().unwrap_or_default();
        self.put_agent(AgentRecord {
            id: id.to_owned(),
            mark: mark(id),
            owner: body.text("owner").unwrap_or_default().to_owned(),
            state: AgentState::Active,
            profile,
            registered: index,
            owned: index,
            changed: index,
        })
    }

    fn update_agent(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let Some(record) = body.agent().and_then(|agent| self.agents.get(agent)) else {
            return Vec::new();
        };
        let mut record = record.clone();
        for name in record.profile.names() {
            self.names.remove(name);
        }
        if let Some(owner) = body.text("owner") {
            owner.clone_into(&mut record.owner);
            record.owned = index;
        }
        record.profile.update(body);
        record.changed = index;
        self.put_agent(record)
    }

    fn put_agent(&mut self, record: AgentRecord) -> Vec<Record> {
        let names = record.profile.names().map(|name| (name.to_owned(), record.id.clone()));
        self.names.extend(names);
        self.agents.insert(record.id.clone(), record.clone());
        vec![Record::Agent(Box::new(record))]
    }

    fn set_state(&mut self, index: Index, agent: &str, state: AgentState) -> Vec<Record> {
        let Some(record) = self.agents.get_mut(agent) else { return Vec::new() };
        record.state = state;
        record.changed = index;
        vec![Record::Agent(Box::new(record.clone()))]
    }

    fn put_principal(
        &mut self,
        index: Index,
        id: &str,
        roles: Vec<Role>,
        route: Option<String>,
        enabled: bool,
    ) -> Vec<Record> {
        let registered = self.principals.get(id).map_or(index, |before| before.registered);
        let record = PrincipalRecord {
            id: id.to_owned(),
            roles,
            route,
            enabled,
            registered,
            changed: index,
        };
        self.principals.insert(record.id.clone(), record.clone());
        vec![Record::Principal(record)]
    }

    fn put_key(&mut self, record: KeyRecord) -> Vec<Record> {
        self.keys.insert(record.key.kid(), record.clone());
        vec![Record::Key(Box::new(record))]
    }

    fn enrol(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let Ok(key) = new_key(body) else { return Vec::new() };
        let time = |path: &str| body.uint(path).map(Micros);
        self.put_key(KeyRecord {
            key,
            signer: body.text("registry.signer").unwrap_or_default().to_owned(),
            enrolled: index,
            revoked: None,
            not_before: time("registry.not_before"),
            not_after: time("registry.not_after"),
        })
    }

    fn revoke(&mut self, index: Index, kid: Option<Kid>) -> Vec<Record> {
        let Some(record) = kid.and_then(|kid| self.keys.get_mut(&kid)) else { return Vec::new() };
        record.revoked = Some(index);
        vec![Record::Key(Box::new(record.clone()))]
    }

    fn change_credential(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut CredentialRecord),
    ) -> Vec<Record> {
        let record = self.credentials.entry(id.to_owned()).or_insert_with(|| CredentialRecord {
            id: id.to_owned(),
            mark: mark(id),
            holders: Vec::new(),
        });
        change(record);
        vec![Record::Credential(record.clone())]
    }

    fn change_contract(
        &mut self,
        agent: &str,
        change: impl FnOnce(&mut ContractRecord),
    ) -> Vec<Record> {
        let Some(record) = self.contracts.get_mut(agent) else { return Vec::new() };
        change(record);
        vec![Record::Contract(Box::new(record.clone()))]
    }

    /// The first registration of a text stays: they are all the same.
    fn register_policy(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let digest = body.field("registry.digest").and_then(Item::bytes);
        let Some(digest) = digest.and_then(Digest::from_slice) else { return Vec::new() };
        if self.policies.contains_key(&digest) {
            return Vec::new();
        }
        let name = body.text("registry.name").map(str::to_owned);
        let record = PolicyRecord { digest, name, registered: index };
        self.policies.insert(digest, record.clone());
        vec![Record::Policy(record)]
    }

    fn give(&mut self, index: Index, received_at: Micros, body: &Body<'_>) -> Vec<Record> {
        let fields = kept(body, "grant");
        let record = GrantRecord::new(&fields, body.signer(), index, received_at, None, Vec::new());
        let Some(mut record) = record else { return Vec::new() };
        let parent = record.grant.parent.and_then(|parent| self.grants.get(&parent));
        record.widens = parent.map(|parent| record.grant.widens(&parent.grant)).unwrap_or_default();
        self.given.forget(&record.by, received_at);
        self.given.take(&record);
        self.grants.insert(record.grant.id, record.clone());
        vec![Record::Grant(Box::new(record))]
    }

    fn take_back(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let Some(record) = body.event_id("grant.id").and_then(|id| self.grants.get_mut(&id)) else {
            return Vec::new();
        };
        record.revoked = Some(index);
        self.given.take(record);
        vec![Record::Grant(Box::new(record.clone()))]
    }

    fn transit(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let at = |path: &str| body.text(path).unwrap_or_default();
        let applies_to = at("transition.applies_to");
        if at("transition.to") == FROZEN {
            let Some(freeze) = FreezeRecord::new(applies_to, index, None) else {
                return Vec::new();
            };
            self.freezes.push(freeze.clone());
            return vec![Record::Freeze(freeze)];
        }
        let frozen =
            |freeze: &&mut FreezeRecord| freeze.lifted.is_none() && freeze.applies_to == applies_to;
        let lifted = self.freezes.iter_mut().filter(frozen).map(|freeze| {
            freeze.lifted = Some(index);
            Record::Freeze(freeze.clone())
        });
        if at("transition.from") == FROZEN { lifted.collect() } else { Vec::new() }
    }

    fn propose(&mut self, index: Index, received_at: Micros, body: &Body<'_>) -> Vec<Record> {
        let record = ProposalRecord {
            id: body.id(),
            by: body.signer().to_owned(),
            proposed: index,
            proposed_at: received_at,
            needed: body.uint("registry.m").unwrap_or(u64::MAX),
            operation: kept(body, "registry.operation"),
            approvals: Vec::new(),
            in_force: None,
        };
        self.proposals.insert(record.id, record.clone());
        vec![Record::Proposal(record)]
    }

    fn approve(&mut self, index: Index, received_at: Micros, body: &Body<'_>) -> Vec<Record> {
        let Some(mut record) = self.proposed(body).cloned() else { return Vec::new() };
        if record.in_force.is_some() {
            return Vec::new();
        }
        let decides = self.is_decided_by(&record, body.signer());
        if record.approvals.iter().all(|(operator, _)| operator != body.signer()) {
            record.approvals.push((body.signer().to_owned(), index));
        }
        record.in_force = decides.then_some(index);
        self.proposals.insert(record.id, record.clone());
        let mut records = vec![Record::Proposal(record.clone())];
        if decides {
            records.extend(with_operation(&record, |operation| match operation {
                Ok(Operation::Quorum(needed)) => {
                    self.quorum = needed;
                    vec![Record::Quorum(needed)]
                }
                Ok(Operation::Statement(statement)) => self.apply(index, received_at, &statement),
                // Whoever opens the log holds them against what he finds.
                Ok(Operation::Epoch) | Err(_) => Vec::new(),
            }));
        }
        records
    }

    fn lift(&mut self, index: Index, causes: &[EventId]) -> Vec<Record> {
        let held = |hold: &&mut HoldRecord| hold.lifted.is_none() && causes.contains(&hold.id);
        let lifted = self.holds.iter_mut().filter(held).map(|hold| {
            hold.lifted = Some(index);
            Record::Hold(hold.clone())
        });
        lifted.collect()
    }
}
