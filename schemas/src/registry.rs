//! The registry: agents, principals and keys as of an index, folded from signed entries.

use std::collections::HashMap;

use crate::body::{Body, LEDGER_SIGNER};
use crate::deterministic::Item;
use crate::id::{EventId, Index, Kid, Micros};
use crate::key::PublicKey;
use crate::kind::{Kind, Role, Stream};
use crate::query::Query;
use crate::reject::{Reason, Reject};
use crate::terms::Term;

/// Asked about every event, so hashed fast; nothing depends on its order.
type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Whether an agent may act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentState {
    /// It may.
    Active,
    /// Stopped, reversibly, by a responder or an operator.
    Suspended,
    /// Stopped by the kill switch.
    Disabled,
    /// Stopped for ever.
    Retired,
}

impl AgentState {
    const ALL: [Self; 4] = [Self::Active, Self::Suspended, Self::Disabled, Self::Retired];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Disabled => "disabled",
            Self::Retired => "retired",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A registered agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentRecord {
    /// Its id.
    pub id: String,
    /// Who answers for it.
    pub owner: String,
    /// Whether it may act.
    pub state: AgentState,
    /// Entry that registered it.
    pub registered: Index,
    /// Entry that changed it last.
    pub changed: Index,
}

/// A registered person or service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrincipalRecord {
    /// Its id.
    pub id: String,
    /// What it may sign.
    pub roles: Vec<Role>,
    /// False once it has left.
    pub enabled: bool,
    /// Entry that registered it.
    pub registered: Index,
    /// Entry that changed it last.
    pub changed: Index,
}

/// An enrolled key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRecord {
    /// The key.
    pub key: PublicKey,
    /// Whose it is.
    pub signer: String,
    /// Entry that enrolled it.
    pub enrolled: Index,
    /// Entry that revoked it or rotated it away.
    pub revoked: Option<Index>,
    /// Valid from this time of receipt on.
    pub not_before: Option<Micros>,
    /// Valid before this time of receipt.
    pub not_after: Option<Micros>,
}

/// A legal hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldRecord {
    /// The event that placed it, which the one that lifts it cites.
    pub id: EventId,
    /// Entry that placed it.
    pub placed: Index,
    /// Entry that lifted it.
    pub lifted: Option<Index>,
    /// What it holds.
    pub query: String,
    /// The same, read.
    condition: Query,
}

impl HoldRecord {
    /// A hold; `None` if its query cannot be read.
    #[must_use]
    pub fn new(id: EventId, placed: Index, lifted: Option<Index>, query: &str) -> Option<Self> {
        let mut condition = Query::parse(query).ok()?;
        condition.expr = condition.expr.canonical()?;
        Some(Self { id, placed, lifted, query: query.to_owned(), condition })
    }

    /// Whether an entry with these terms may not be erased.
    #[must_use]
    pub fn covers(&self, terms: &[Term<'_>]) -> bool {
        self.lifted.is_none() && self.condition.matches(terms)
    }
}

/// What a change of the registry leaves behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// Of an agent.
    Agent(AgentRecord),
    /// Of a person or service.
    Principal(PrincipalRecord),
    /// Of a key.
    Key(Box<KeyRecord>),
    /// Of a hold.
    Hold(HoldRecord),
}

/// The projection.
#[derive(Default, Debug)]
pub struct Registry {
    agents: Map<String, AgentRecord>,
    principals: Map<String, PrincipalRecord>,
    keys: Map<Kid, KeyRecord>,
    holds: Vec<HoldRecord>,
}

fn invalid(path: &str, expected: impl Into<String>) -> Reject {
    Reject::new(Reason::InvalidField, path, expected)
}

impl Registry {
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

    /// Who answers for an agent.
    #[must_use]
    pub fn owner(&self, agent: &str) -> Option<&str> {
        self.agents.get(agent).map(|record| record.owner.as_str())
    }

    /// Check order: key validity, role, disabled; then what the change itself requires.
    ///
    /// # Errors
    /// The [`Reject`] that the entry ends with.
    pub fn permits(&self, body: &Body<'_>, kid: &Kid, received_at: Micros) -> Result<(), Reject> {
        self.signer_may(body, kid, received_at)?;
        self.change_is_sound(body)
    }

    /// The part of [`Registry::permits`] that only the signer's own history decides.
    ///
    /// # Errors
    /// The [`Reject`] that the entry would have ended with.
    pub fn signer_may(
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
        let late = record.not_after.is_some_and(|to| received_at >= to);
        if early || late {
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

    fn change_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
        let agent = body.agent().unwrap_or_default();
        for path in ["agent.id", "registry.id", "registry.signer"] {
            if body.kind().stream() == Stream::Op && body.text(path) == Some(LEDGER_SIGNER) {
                return Err(invalid(path, "an id other than the ledger's own"));
            }
        }
        match body.kind() {
            Kind::AgentRegistered
                if self.agents.contains_key(agent) || self.principals.contains_key(agent) =>
            {
                Err(invalid("agent.id", "an id that is not registered yet"))
            }
            Kind::AgentUpdated
            | Kind::AgentSuspended
            | Kind::AgentDisabled
            | Kind::AgentEnabled
            | Kind::AgentRetired => match self.agents.get(agent).map(|record| record.state) {
                None => Err(invalid("agent.id", "a registered agent")),
                Some(AgentState::Retired) => {
                    Err(invalid("agent.id", "an agent that is not retired"))
                }
                Some(_) => Ok(()),
            },
            // One name, one standing: else disabling the one would leave the other at work.
            Kind::PrincipalRegistered
                if body.text("registry.id").is_some_and(|id| self.agents.contains_key(id)) =>
            {
                Err(invalid("registry.id", "an id that is no agent's"))
            }
            Kind::PrincipalDisabled => {
                let known =
                    body.text("registry.id").is_some_and(|id| self.principals.contains_key(id));
                if known { Ok(()) } else { Err(invalid("registry.id", "a registered principal")) }
            }
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
            Kind::KeyEnrolled => self.new_key_is_sound(body),
            Kind::KeyRotated => self.rotation_is_sound(body),
            Kind::KeyRevoked => self.own_key(body, "kid").map(|_record| ()),
            _ => Ok(()),
        }
    }

    fn new_key_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
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
        Ok(())
    }

    fn rotation_is_sound(&self, body: &Body<'_>) -> Result<(), Reject> {
        self.new_key_is_sound(body)?;
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

    /// Takes an accepted entry in; returns the records that it changed.
    pub fn apply(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let agent = body.agent().unwrap_or_default();
        let text = |path: &str| body.text(path).unwrap_or_default();
        match body.kind() {
            Kind::AgentRegistered => self.put_agent(AgentRecord {
                id: agent.to_owned(),
                owner: text("owner").to_owned(),
                state: AgentState::Active,
                registered: index,
                changed: index,
            }),
            Kind::AgentUpdated => self.change_agent(index, agent, |record| {
                if let Some(owner) = body.text("owner") {
                    owner.clone_into(&mut record.owner);
                }
            }),
            Kind::AgentSuspended => self.set_state(index, agent, AgentState::Suspended),
            Kind::AgentDisabled => self.set_state(index, agent, AgentState::Disabled),
            Kind::AgentEnabled => self.set_state(index, agent, AgentState::Active),
            Kind::AgentRetired => self.set_state(index, agent, AgentState::Retired),
            Kind::PrincipalRegistered => {
                let roles = body.field("registry.roles").and_then(Item::array).unwrap_or_default();
                let roles = roles.iter().filter_map(|role| Role::parse(role.text()?)).collect();
                self.put_principal(index, text("registry.id"), roles, true)
            }
            Kind::PrincipalDisabled => {
                let id = text("registry.id");
                let roles = self.principals.get(id).map(|p| p.roles.clone()).unwrap_or_default();
                self.put_principal(index, id, roles, false)
            }
            Kind::KeyEnrolled => self.enrol(index, body),
            Kind::KeyRotated => {
                let mut records = self.revoke(index, body.registry_kid("replaces"));
                records.extend(self.enrol(index, body));
                records
            }
            Kind::KeyRevoked => self.revoke(index, body.registry_kid("kid")),
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
        let operator = body.text("registry.operator").unwrap_or_default().to_owned();
        for (id, role, path) in [
            (LEDGER_SIGNER, Role::Ledger, "registry.ledger_key"),
            (operator.as_str(), Role::Operator, "registry.operator_key"),
        ] {
            let key = body.field(path).and_then(Item::bytes);
            let Some(key) = key.and_then(|bytes| PublicKey::from_bytes(bytes).ok()) else {
                continue;
            };
            records.extend(self.put_principal(index, id, vec![role], true));
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

    fn put_agent(&mut self, record: AgentRecord) -> Vec<Record> {
        self.agents.insert(record.id.clone(), record.clone());
        vec![Record::Agent(record)]
    }

    fn change_agent(
        &mut self,
        index: Index,
        agent: &str,
        change: impl FnOnce(&mut AgentRecord),
    ) -> Vec<Record> {
        let Some(record) = self.agents.get_mut(agent) else { return Vec::new() };
        change(record);
        record.changed = index;
        vec![Record::Agent(record.clone())]
    }

    fn set_state(&mut self, index: Index, agent: &str, state: AgentState) -> Vec<Record> {
        self.change_agent(index, agent, |record| record.state = state)
    }

    fn put_principal(
        &mut self,
        index: Index,
        id: &str,
        roles: Vec<Role>,
        enabled: bool,
    ) -> Vec<Record> {
        let registered = self.principals.get(id).map_or(index, |before| before.registered);
        let record =
            PrincipalRecord { id: id.to_owned(), roles, enabled, registered, changed: index };
        self.principals.insert(record.id.clone(), record.clone());
        vec![Record::Principal(record)]
    }

    fn put_key(&mut self, record: KeyRecord) -> Vec<Record> {
        self.keys.insert(record.key.kid(), record.clone());
        vec![Record::Key(Box::new(record))]
    }

    fn enrol(&mut self, index: Index, body: &Body<'_>) -> Vec<Record> {
        let Ok(key) = new_key(body) else { return Vec::new() };
        let time = |path: &str| body.field(path).and_then(Item::uint).map(Micros);
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

    fn lift(&mut self, index: Index, causes: &[EventId]) -> Vec<Record> {
        let held = |hold: &&mut HoldRecord| hold.lifted.is_none() && causes.contains(&hold.id);
        let lifted = self.holds.iter_mut().filter(held).map(|hold| {
            hold.lifted = Some(index);
            Record::Hold(hold.clone())
        });
        lifted.collect()
    }

    /// Takes in a record of an earlier life.
    pub fn insert(&mut self, record: Record) {
        match record {
            Record::Agent(record) => drop(self.agents.insert(record.id.clone(), record)),
            Record::Principal(record) => drop(self.principals.insert(record.id.clone(), record)),
            Record::Hold(record) => self.holds.push(record),
            Record::Key(record) => drop(self.keys.insert(record.key.kid(), *record)),
        }
    }
}

fn hold_of(body: &Body<'_>, index: Index) -> Option<HoldRecord> {
    HoldRecord::new(body.id(), index, None, body.text("hold.query")?)
}

fn new_key(body: &Body<'_>) -> Result<PublicKey, Reject> {
    let bytes = body.field("registry.key").and_then(Item::bytes).unwrap_or_default();
    PublicKey::from_bytes(bytes)
        .map_err(|fault| invalid("registry.key", format!("an Ed25519 public key, not {fault}")))
}
