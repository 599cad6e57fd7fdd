//! Whether a change of the registry may be made: what each kind requires of the state before it.

use super::hold::hold_of;
use super::key;
use super::proposal::Operation;
use super::{
    AgentState, ContractRecord, FROZEN, FreezeRecord, HoldRecord, KeyRecord, ProposalRecord,
    Registry, invalid,
};
use crate::body::{Body, LEDGER_SIGNER};
use crate::contract::Contract;
use crate::deterministic::Item;
use crate::encode::{encode, value};
use crate::id::{Digest, Index, Micros};
use crate::key::PublicKey;
use crate::kind::{Kind, Role, Stream};
use crate::limits::{HOLDERS_MAX, PROPOSAL_DAYS_MAX, PROPOSALS_MAX};
use crate::reject::{Reason, Reject};

pub(super) const DAY_US: u64 = 86_400_000_000;

impl Registry {
    pub(super) fn change_is_sound(
        &self,
        body: &Body<'_>,
        received_at: Micros,
    ) -> Result<(), Reject> {
        for path in ["agent.id", "registry.id", "registry.signer"] {
            if body.kind().stream() == Stream::Op && body.text(path) == Some(LEDGER_SIGNER) {
                return Err(invalid(path, "an id other than the ledger's own"));
            }
        }
        match body.kind() {
            Kind::SessionStart if self.agents.contains_key(body.signer()) => {
                body.declares_its_agent()
            }
            Kind::AgentRegistered => self.new_agent_is_sound(body),
            Kind::AgentUpdated => {
                self.agent_may_change(body).and_then(|()| self.names_are_free(body))
            }
            Kind::AgentSuspended
            | Kind::AgentDisabled
            | Kind::AgentEnabled
            | Kind::AgentRetired => self.agent_may_change(body),
            Kind::PrincipalRegistered => self.principal_is_sound(body, received_at),
            Kind::PrincipalDisabled => {
                let id = body.text("registry.id").unwrap_or_default();
                if !self.principals.contains_key(id) {
                    return Err(invalid("registry.id", "a registered principal"));
                }
                self.operators_remain(id, false, received_at)
            }
            Kind::KeyEnrolled => self.new_key_is_sound(body, received_at),
            Kind::KeyRotated => self.rotation_is_sound(body, received_at),
            Kind::KeyRevoked => self.loss_is_sound(body, received_at),
            Kind::CredentialRegistered => self.credential_is_sound(body),
            Kind::CredentialRevoked => self.revocation_is_sound(body),
            Kind::ContractRegistered => self.contract_is_sound(body, received_at),
            Kind::ContractReviewed | Kind::ContractWithdrawn => self.contract_may_change(body),
            Kind::DelegationGranted => self.grant_is_sound(body, received_at),
            Kind::DelegationRevoked => self.grant_may_end(body),
            Kind::AuthzTransition => self.transition_is_sound(body),
            Kind::Proposal => self.proposal_is_sound(body, received_at),
            Kind::ProposalApproved => self.approval_is_sound(body, received_at),
            Kind::HoldPlaced => match hold_of(body, Index(0)) {
                Some(_) => Ok(()),
                None => Err(invalid("hold.query", "a query")),
            },
            Kind::HoldLifted => {
                let causes = body.causes();
                let placed = |hold: &HoldRecord| hold.lifted.is_none() && causes.contains(&hold.id);
                let placed = self.holds.iter().any(placed);
                if placed { Ok(()) } else { Err(invalid("causes", "the event of a hold in force")) }
            }
            _ => Ok(()),
        }
    }

    fn new_agent_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
        let agent = body.agent().unwrap_or_default();
        if self.agents.contains_key(agent) || self.principals.contains_key(agent) {
            return Err(invalid("agent.id", "an id that is not registered yet"));
        }
        self.names_are_free(body)
    }

    fn agent_may_change(&self, body: &Body<'_>) -> Result<(), Reject> {
        match self.agents.get(body.agent().unwrap_or_default()).map(|record| record.state) {
            None => Err(invalid("agent.id", "a registered agent")),
            Some(AgentState::Retired) => Err(invalid("agent.id", "an agent that is not retired")),
            Some(_) => Ok(()),
        }
    }

    /// An address leads to one agent.
    fn names_are_free(&self, body: &Body<'_>) -> Result<(), Reject> {
        for path in ["registry.addresses", "registry.external"] {
            let names = body.list(path);
            for name in names.iter().filter_map(Item::text) {
                let holder =
                    self.names.get(name).filter(|holder| Some(holder.as_str()) != body.agent());
                if let Some(holder) = holder {
                    return Err(invalid(
                        path,
                        format!("names of no other agent; {name} is {holder}'s"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn principal_is_sound(&self, body: &Body<'_>, at: Micros) -> Result<(), Reject> {
        let id = body.text("registry.id").unwrap_or_default();
        // One name, one standing: else disabling the one would leave the other at work.
        if self.agents.contains_key(id) {
            return Err(invalid("registry.id", "an id that is no agent's"));
        }
        let roles = body.list("registry.roles");
        let operates = roles.iter().any(|role| role.text() == Some(Role::Operator.as_str()));
        self.operators_remain(id, operates, at)
    }

    /// There are always as many operators as have to agree, each with a key, or nobody could ever change that again.
    fn operators_remain(&self, id: &str, operates: bool, at: Micros) -> Result<(), Reject> {
        let is_one = self.operates(id, None, at);
        self.enough_remain("registry.id", is_one && !operates, at)
    }

    fn loss_is_sound(&self, body: &Body<'_>, at: Micros) -> Result<(), Reject> {
        let record = self.own_key(body, "kid")?;
        let (id, kid) = (record.signer.as_str(), record.key.kid());
        let goes = self.operates(id, None, at) && !self.operates(id, Some(&kid), at);
        self.enough_remain("registry.kid", goes, at)
    }

    fn enough_remain(&self, path: &str, one_goes: bool, at: Micros) -> Result<(), Reject> {
        let left = self.operators(at).saturating_sub(u64::from(one_goes));
        let needed = self.quorum();
        if !one_goes || left >= needed {
            return Ok(());
        }
        let expected = format!("a change that leaves {needed} operators; {left} would be left");
        Err(invalid(path, expected))
    }

    fn new_key_is_sound(&self, body: &Body<'_>, at: Micros) -> Result<(), Reject> {
        let signer = body.text("registry.signer").unwrap_or_default();
        if !self.agents.contains_key(signer) && !self.principals.contains_key(signer) {
            return Err(invalid("registry.signer", "a registered agent or principal"));
        }
        let key = new_key(body)?;
        if body.registry_kid("kid").is_some_and(|kid| kid != key.kid()) {
            return Err(invalid("registry.kid", format!("{}, the key's thumbprint", key.kid())));
        }
        if self.keys.contains_key(&key.kid()) {
            return Err(invalid("registry.key", "a key that was never enrolled"));
        }
        key::validity_is_sound(body, at)
    }

    fn rotation_is_sound(&self, body: &Body<'_>, at: Micros) -> Result<(), Reject> {
        self.new_key_is_sound(body, at)?;
        self.own_key(body, "replaces")?;
        let subject = body.text("registry.signer").unwrap_or_default();
        let signer = body.signer();
        if self.has_role(signer, Role::Operator) || self.owner(subject) == Some(signer) {
            return Ok(());
        }
        let expected = format!("an operator or the owner of {subject}");
        Err(Reject::new(Reason::RoleNotAllowed, "signer", expected))
    }

    fn own_key(&self, body: &Body<'_>, field: &str) -> Result<&KeyRecord, Reject> {
        let signer = body.text("registry.signer").unwrap_or_default();
        let record = body.registry_kid(field).and_then(|kid| self.keys.get(&kid));
        record.filter(|record| record.signer == signer && record.revoked.is_none()).ok_or_else(
            || invalid(&format!("registry.{field}"), format!("a valid key of {signer}")),
        )
    }

    fn credential_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
        let agent = body.agent().unwrap_or_default();
        if !self.agents.contains_key(agent) {
            return Err(invalid("agent.id", "a registered agent"));
        }
        let time = |path: &str| body.uint(path);
        if let (Some(issued), Some(expires)) =
            (time("credential.issued"), time("credential.expires"))
            && issued >= expires
        {
            return Err(invalid("credential.expires", "a time after issued"));
        }
        let id = body.text("credential.id").unwrap_or_default();
        let full = self.credentials.get(id).is_some_and(|record| {
            record.holders.len() >= HOLDERS_MAX && record.holders.iter().all(|h| h.agent != agent)
        });
        if full {
            let expected = format!("a credential of at most {HOLDERS_MAX} agents");
            return Err(invalid("credential.id", expected));
        }
        Ok(())
    }

    fn revocation_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
        let record = self.credentials.get(body.text("credential.id").unwrap_or_default());
        let held = record.is_some_and(|record| {
            record.in_force().any(|holder| body.agent().is_none_or(|agent| agent == holder.agent))
        });
        let expected = match body.agent() {
            Some(agent) => format!("a credential that {agent} holds"),
            None => "a registered credential that is not revoked".to_owned(),
        };
        if held { Ok(()) } else { Err(invalid("credential.id", expected)) }
    }

    /// Its zones are looked up where it is admitted and nowhere else: what was accepted stays sound.
    fn contract_is_sound(&self, body: &Body<'_>, received_at: Micros) -> Result<(), Reject> {
        let agent = body.agent().unwrap_or_default();
        self.owns(body, agent)?;
        let registry = body.field("registry").ok_or_else(|| invalid("registry", "a contract"))?;
        let contract = Contract::kept(registry)?;
        if contract.agent != agent {
            return Err(invalid("registry.agent.name", agent));
        }
        if contract.owner != body.signer() || body.text("owner") != Some(body.signer()) {
            return Err(invalid("registry.agent.owner", "the owner who signs"));
        }
        if contract.is_expired(received_at) {
            return Err(invalid("registry.agent.expiry", "a date that is still to come"));
        }
        Ok(())
    }

    /// The owner of an agent, and nobody else, says what it may do.
    fn owns(&self, body: &Body<'_>, agent: &str) -> Result<(), Reject> {
        let Some(owner) = self.owner(agent) else {
            return Err(invalid("agent.id", "a registered agent"));
        };
        if owner == body.signer() {
            return Ok(());
        }
        let expected = format!("{owner}, the owner of {agent}");
        Err(Reject::new(Reason::RoleNotAllowed, "signer", expected))
    }

    fn contract_may_change(&self, body: &Body<'_>) -> Result<(), Reject> {
        let agent = body.agent().unwrap_or_default();
        self.owns(body, agent)?;
        let digest = body.field("contract").and_then(Item::bytes).and_then(Digest::from_slice);
        let in_force = self.contracts.get(agent).filter(|record| record.is_in_force());
        let same = |record: &ContractRecord| Some(record.contract.digest) == digest;
        if in_force.is_some_and(same) {
            return Ok(());
        }
        Err(invalid("contract", format!("the digest of the contract in force of {agent}")))
    }

    /// A grant ends by who gave it, by who gave it to him, or by an operator.
    fn grant_may_end(&self, body: &Body<'_>) -> Result<(), Reject> {
        let id = body.event_id("grant.id");
        let given = id.and_then(|id| self.grants.get(&id)).filter(|grant| grant.revoked.is_none());
        let Some(given) = given else {
            return Err(invalid("grant.id", "a grant that is not revoked"));
        };
        let signer = body.signer();
        let gave = self.lineage(given).any(|grant| grant.by == signer);
        if gave || self.has_role(signer, Role::Operator) {
            return Ok(());
        }
        let expected = format!("{}, who gave it, or an operator", given.by);
        Err(Reject::new(Reason::RoleNotAllowed, "signer", expected))
    }

    fn transition_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
        let at = |path: &str| body.text(path).unwrap_or_default();
        let applies_to = at("transition.applies_to");
        let frozen =
            |freeze: &FreezeRecord| freeze.lifted.is_none() && freeze.applies_to == applies_to;
        let is_frozen = self.freezes.iter().any(frozen);
        let (from, to) = (at("transition.from"), at("transition.to"));
        match (from == FROZEN, to == FROZEN) {
            (true, true) => Err(invalid("transition.to", format!("another state than {FROZEN}"))),
            (false, true) if is_frozen => {
                Err(invalid("transition.applies_to", "what is not frozen already"))
            }
            (false, true) if FreezeRecord::new(applies_to, Index(0), None).is_none() => {
                Err(invalid("transition.applies_to", "a query, or * for everything"))
            }
            (true, false) if !is_frozen => Err(invalid("transition.applies_to", "what is frozen")),
            _ => Ok(()),
        }
    }

    fn proposal_is_sound(&self, body: &Body<'_>, received_at: Micros) -> Result<(), Reject> {
        // Event ids are unique for each signer only, and approvals cite nothing else.
        if self.proposals.contains_key(&body.id()) {
            return Err(invalid("id", "an id that no proposal has"));
        }
        let needed = body.uint("registry.m").unwrap_or_default();
        let (quorum, operators) = (self.quorum(), self.operators(received_at));
        if needed < quorum || needed > operators {
            let expected = format!("{quorum} to {operators} operators");
            return Err(invalid("registry.m", expected));
        }
        let waiting = self.proposals.values().filter(|known| is_open(known, received_at));
        if waiting.count() >= PROPOSALS_MAX {
            return Err(invalid(
                "registry",
                format!("at most {PROPOSALS_MAX} proposals at a time"),
            ));
        }
        let operation = body.field("registry.operation");
        let operation = operation.ok_or_else(|| invalid("registry.operation", "an operation"))?;
        let operation = Operation::read(operation, body.signer(), body.id())?;
        self.operation_is_sound(&operation, received_at)
    }

    fn operation_is_sound(
        &self,
        operation: &Operation<'_>,
        received_at: Micros,
    ) -> Result<(), Reject> {
        let operators = self.operators(received_at);
        match operation {
            Operation::Quorum(needed) if *needed > operators => Err(invalid(
                "registry.operation.m",
                format!("at most {operators}, as many operators as there are"),
            )),
            Operation::Quorum(_) | Operation::Epoch => Ok(()),
            Operation::Statement(body) => self.change_is_sound(body, received_at),
        }
    }

    /// An approval that puts the proposal in force needs its operation to be sound still.
    fn approval_is_sound(&self, body: &Body<'_>, received_at: Micros) -> Result<(), Reject> {
        let open = self.proposed(body).filter(|known| is_open(known, received_at));
        let Some(proposal) = open else {
            return Err(invalid("causes", "the event of a proposal that waits for approval"));
        };
        if !self.is_decided_by(proposal, body.signer()) {
            return Ok(());
        }
        super::proposal::with_operation(proposal, |operation| {
            self.operation_is_sound(&operation?, received_at)
        })
    }

    /// The proposal that an approval is of.
    pub(super) fn proposed(&self, body: &Body<'_>) -> Option<&ProposalRecord> {
        body.causes().first().and_then(|id| self.proposals.get(id))
    }

    /// Calls `with` with the statement that this approval puts in force, if it is an approval that does.
    pub fn decided<T>(&self, body: &Body<'_>, with: impl FnOnce(&Body<'_>) -> T) -> Option<T> {
        if body.kind() != Kind::ProposalApproved {
            return None;
        }
        let proposal = self.proposed(body).filter(|known| known.in_force.is_none())?;
        self.is_decided_by(proposal, body.signer()).then_some(())?;
        super::proposal::with_operation(proposal, |operation| match operation {
            Ok(Operation::Statement(statement)) => Some(with(&statement)),
            _ => None,
        })
    }
}

fn is_open(proposal: &ProposalRecord, at: Micros) -> bool {
    let age = at.0.saturating_sub(proposal.proposed_at.0);
    proposal.in_force.is_none() && age < PROPOSAL_DAYS_MAX * DAY_US
}

pub(super) fn new_key(body: &Body<'_>) -> Result<PublicKey, Reject> {
    let bytes = body.field("registry.key").and_then(Item::bytes).unwrap_or_default();
    PublicKey::from_bytes(bytes)
        .map_err(|fault| invalid("registry.key", format!("an Ed25519 public key, not {fault}")))
}

/// A field as it is kept.
pub(super) fn kept(body: &Body<'_>, path: &str) -> Vec<u8> {
    body.field(path).map(|item| encode(&value(item))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::body::from_json;

    fn bytes(kind: &str, signer: &str, fields: &Json) -> Vec<u8> {
        let mut body = json!({
            "v": 1, "kind": kind, "id": "019d6b2c-ee80-7001-8002-030405060708", "time": 1,
            "salt": "00".repeat(16), "tenant": "acme", "session": "01".repeat(16),
            "seq": { "n": 1, "prev": "00".repeat(32) }, "agent": { "id": "a" },
        });
        let object = body.as_object_mut().unwrap();
        object.extend(fields.as_object().unwrap().clone());
        if signer != "a" {
            object.insert("signer".to_owned(), json!(signer));
        }
        from_json(&body).unwrap()
    }

    fn registry() -> Registry {
        let mut registry = Registry::default();
        let registered = bytes("agent.registered", "op", &json!({ "owner": "owner" }));
        registry.apply(Index(1), Micros(1), &Body::parse(&registered).unwrap());
        registry
    }

    #[test]
    fn an_erased_session_start_stays_sound_and_a_whole_one_declares_its_agent() {
        let start = json!({
            "agent": { "id": "a", "name": "a", "version": "1", "build": "none" },
            "correlation": "w", "task": { "digest": "05".repeat(32) },
            "model": { "provider": "p", "name": "m", "version": "1" },
            "contract": "07".repeat(32), "attestation": "none", "previous": "none",
        });
        let bytes = bytes("session.start", "a", &start);
        let whole = Body::parse(&bytes).unwrap();
        assert_eq!(registry().change_is_sound(&whole, Micros(1)), Ok(()));
        let left = crate::residue::fields(&whole);
        let residue = Body::residue(&left).unwrap();
        assert_eq!(registry().change_is_sound(&residue, Micros(1)), Ok(()));
        let nothing = json!({ "signer": "a", "attestation": "none", "previous": "none" });
        let bytes = self::bytes("session.start", "a", &nothing);
        let silent = Body::parse(&bytes).unwrap();
        let refused = registry().change_is_sound(&silent, Micros(1)).unwrap_err();
        assert_eq!(refused.cause.path, "agent.name");
    }

    #[test]
    fn an_accepted_contract_stays_sound_when_its_zone_is_gone() {
        let contract = json!({
            "owner": "owner", "detail": "00".repeat(32),
            "registry": {
                "digest": "07".repeat(32),
                "agent": {
                    "name": "a", "owner": "owner", "permissions": { "sys": ["*"] },
                    "execution_mode": "autonomous",
                },
                "hours": [{ "action": "x", "from": "09:00", "to": "18:00", "zone": "Mars" }],
            },
        });
        let bytes = bytes("contract.registered", "owner", &contract);
        let body = Body::parse(&bytes).unwrap();
        assert_eq!(registry().change_is_sound(&body, Micros(1)), Ok(()));
    }

    fn take(registry: &mut Registry, kind: &str, signer: &str, fields: &Json) {
        let bytes = bytes(kind, signer, fields);
        registry.apply(Index(1), Micros(1), &Body::parse(&bytes).unwrap());
    }

    fn refusal(registry: &Registry, kind: &str, fields: &Json) -> Option<String> {
        let bytes = bytes(kind, "op", fields);
        let refused = registry.change_is_sound(&Body::parse(&bytes).unwrap(), Micros(1));
        refused.err().map(|reject| reject.cause.expected.to_string())
    }

    #[test]
    fn a_credential_has_so_many_holders_and_no_more() {
        let mut registry = Registry::default();
        let agent = |n: usize| json!({ "id": format!("a{n}") });
        let held = |n: usize| json!({ "agent": agent(n), "credential": { "id": "shared" } });
        for n in 0..=HOLDERS_MAX {
            let registered = json!({ "agent": agent(n), "owner": "owner" });
            take(&mut registry, "agent.registered", "op", &registered);
        }
        for n in 0..HOLDERS_MAX {
            assert_eq!(refusal(&registry, "credential.registered", &held(n)), None);
            take(&mut registry, "credential.registered", "op", &held(n));
        }
        let refused = refusal(&registry, "credential.registered", &held(HOLDERS_MAX));
        assert_eq!(refused, Some(format!("a credential of at most {HOLDERS_MAX} agents")));
        assert_eq!(refusal(&registry, "credential.registered", &held(0)), None, "it has it");
    }

    #[test]
    fn so_many_proposals_wait_and_no_more() {
        let mut registry = Registry::default();
        let operator = json!({ "registry": { "id": "op", "roles": ["operator"] } });
        take(&mut registry, "principal.registered", "op", &operator);
        let key = json!({ "registry": { "signer": "op", "key": "03".repeat(32) } });
        take(&mut registry, "key.enrolled", "op", &key);
        let proposal = |n: usize| {
            json!({
                "id": format!("019d6b2c-ee80-7001-8002-{n:012x}"),
                "registry": { "m": 1, "operation": { "kind": "quorum", "m": 1 } },
            })
        };
        for n in 0..PROPOSALS_MAX {
            assert_eq!(refusal(&registry, "proposal", &proposal(n)), None);
            take(&mut registry, "proposal", "op", &proposal(n));
        }
        let refused = refusal(&registry, "proposal", &proposal(PROPOSALS_MAX));
        assert_eq!(refused, Some(format!("at most {PROPOSALS_MAX} proposals at a time")));
    }
}
