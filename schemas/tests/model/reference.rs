//! What the registry should be, written from its description and with none of its code: plain lists, scanned.

use super::step::{GrantSpec, Step, What};

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) state: &'static str,
    pub(crate) addresses: Vec<String>,
    pub(crate) external: Vec<String>,
    pub(crate) registered: u64,
    pub(crate) changed: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) enabled: bool,
    pub(crate) registered: u64,
    pub(crate) changed: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) seed: u8,
    pub(crate) signer: String,
    pub(crate) from: Option<u64>,
    pub(crate) until: Option<u64>,
    pub(crate) enrolled: u64,
    pub(crate) revoked: Option<u64>,
}

/// One agent's registration of one credential.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) issued: Option<u64>,
    pub(crate) expires: Option<u64>,
    pub(crate) registered: u64,
    pub(crate) revoked: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Contract {
    pub(crate) agent: String,
    pub(crate) owner: String,
    pub(crate) text: u8,
    pub(crate) days: Option<u64>,
    pub(crate) registered: u64,
    pub(crate) reviewed: Option<u64>,
    pub(crate) withdrawn: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) grant: GrantSpec,
    pub(crate) by: String,
    pub(crate) at: u64,
    pub(crate) revoked: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub(crate) id: u64,
    pub(crate) by: String,
    pub(crate) needed: u64,
    pub(crate) operation: What,
    pub(crate) at: u64,
    pub(crate) time: u64,
    pub(crate) approvals: Vec<(String, u64)>,
    pub(crate) in_force: Option<u64>,
}

/// Something that is in force from one entry to another: a freeze, a hold.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(crate) id: u64,
    pub(crate) over: &'static str,
    pub(crate) from: u64,
    pub(crate) to: Option<u64>,
}

/// The whole state after some entries.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) agents: Vec<Agent>,
    pub(crate) people: Vec<Person>,
    pub(crate) keys: Vec<Key>,
    pub(crate) holdings: Vec<Holding>,
    pub(crate) contracts: Vec<Contract>,
    pub(crate) policies: Vec<(u8, Option<String>, u64)>,
    pub(crate) grants: Vec<Given>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) quorum: u64,
    pub(crate) freezes: Vec<Measure>,
    pub(crate) holds: Vec<Measure>,
    /// Accepted events: signer, id, what, index.
    pub(crate) accepted: Vec<(String, u64, What, u64)>,
}

impl Reference {
    /// After the genesis entry: the ledger and the first operator, with their keys.
    pub(crate) fn new() -> Self {
        let person = |id: &str, role| Person {
            id: id.to_owned(),
            roles: vec![role],
            enabled: true,
            registered: 0,
            changed: 0,
        };
        let key = |seed, signer: &str| Key {
            seed,
            signer: signer.to_owned(),
            from: None,
            until: None,
            enrolled: 0,
            revoked: None,
        };
        Self {
            agents: Vec::new(),
            people: vec![person("ledger", "ledger"), person("operator", "operator")],
            keys: vec![key(1, "ledger"), key(2, "operator")],
            holdings: Vec::new(),
            contracts: Vec::new(),
            policies: Vec::new(),
            grants: Vec::new(),
            proposals: Vec::new(),
            quorum: 1,
            freezes: Vec::new(),
            holds: Vec::new(),
            accepted: Vec::new(),
        }
    }

    pub(crate) fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.id == id)
    }

    pub(crate) fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    pub(crate) fn is_known(&self, id: &str) -> bool {
        self.agent(id).is_some() || self.person(id).is_some()
    }

    /// Whether somebody known may act: an agent that is not stopped, a person who has not left.
    pub(crate) fn is_active(&self, id: &str) -> bool {
        self.agent(id).is_none_or(|agent| agent.state == "active")
            && self.person(id).is_none_or(|person| person.enabled)
    }

    pub(crate) fn has_role(&self, id: &str, role: &str) -> bool {
        match role {
            "agent" => self.agent(id).is_some(),
            role => self.person(id).is_some_and(|person| person.roles.contains(&role)),
        }
    }

    pub(crate) fn operators(&self, now: u64) -> u64 {
        self.people.iter().filter(|person| self.operates(&person.id, now)).count() as u64
    }

    /// Whether somebody is an operator who can sign.
    pub(crate) fn operates(&self, id: &str, now: u64) -> bool {
        let active = self.has_role(id, "operator") && self.is_active(id);
        active && self.living_keys(id, now).next().is_some()
    }

    /// Seeds of somebody's keys that are neither revoked nor ended.
    pub(crate) fn living_keys(&self, id: &str, now: u64) -> impl Iterator<Item = u8> {
        let lives = move |key: &&Key| {
            key.signer == id && key.revoked.is_none() && key.until.is_none_or(|until| now < until)
        };
        self.keys.iter().filter(lives).map(|key| key.seed)
    }

    pub(crate) fn key(&self, seed: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.seed == seed)
    }

    pub(crate) fn given(&self, id: u64) -> Option<&Given> {
        self.grants.iter().find(|given| given.grant.id == id)
    }

    pub(crate) fn contract(&self, agent: &str) -> Option<&Contract> {
        self.contracts.iter().find(|contract| contract.agent == agent)
    }

    pub(crate) fn proposal(&self, id: u64) -> Option<&Proposal> {
        self.proposals.iter().find(|proposal| proposal.id == id)
    }

    /// Whether this operator's approval puts the proposal in force: with those of operators who are still there, and
    /// by the number that is needed now.
    pub(crate) fn decides(&self, proposal: &Proposal, operator: &str) -> bool {
        let mut approved = vec![operator];
        for (name, _) in &proposal.approvals {
            let person = self.people.iter().find(|person| person.id == *name);
            let counts = person.is_some_and(|p| p.enabled && p.roles.contains(&"operator"));
            if counts && !approved.contains(&name.as_str()) {
                approved.push(name);
            }
        }
        let needed = if proposal.needed < self.quorum { self.quorum } else { proposal.needed };
        approved.len() as u64 >= needed
    }

    /// The grant, and what it rests on up to the top. A grant rests on one that was given before it, or on nothing:
    /// then the second part is false.
    pub(crate) fn lineage(&self, id: u64) -> (Vec<&Given>, bool) {
        let mut lineage = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let before = lineage.last().map_or(u64::MAX, |child: &&Given| child.at);
            let Some(given) = self.given(id).filter(|given| given.at < before) else {
                return (lineage, false);
            };
            lineage.push(given);
            next = given.grant.parent;
        }
        (lineage, true)
    }

    /// Takes an accepted step in.
    pub(crate) fn accept(&mut self, step: &Step, index: u64, time: u64) {
        self.accepted.push((step.signer.clone(), step.id, step.what.clone(), index));
        self.change(&step.what, &step.signer, step.id, index, time);
    }

    fn change(&mut self, what: &What, signer: &str, id: u64, index: u64, time: u64) {
        match what.clone() {
            What::Register { agent, owner, addresses, external } => self.agents.push(Agent {
                id: agent,
                owner,
                state: "active",
                addresses,
                external,
                registered: index,
                changed: index,
            }),
            What::Update { agent, owner, addresses } => {
                let known = self.agents.iter_mut().find(|known| known.id == agent).unwrap();
                known.owner = owner.unwrap_or(known.owner.clone());
                known.addresses = addresses.unwrap_or(known.addresses.clone());
                known.changed = index;
            }
            What::State { agent, to } => {
                let known = self.agents.iter_mut().find(|known| known.id == agent).unwrap();
                known.state = if to == "enabled" { "active" } else { to };
                known.changed = index;
            }
            What::Person { id, roles } => {
                let registered = self.person(&id).map_or(index, |before| before.registered);
                self.people.retain(|person| person.id != id);
                self.people.push(Person { id, roles, enabled: true, registered, changed: index });
            }
            What::Leave { id } => {
                let person = self.people.iter_mut().find(|person| person.id == id).unwrap();
                person.enabled = false;
                person.changed = index;
            }
            What::Enrol { signer, key, from, until } => {
                self.enrol(key, signer, from, until, index);
            }
            What::Rotate { signer, key, replaces } => {
                self.revoke(replaces, index);
                self.enrol(key, signer, None, None, index);
            }
            What::Revoke { key, .. } => self.revoke(key, index),
            What::Credential { id, agent, issued, expires } => {
                self.holdings.retain(|known| (&known.id, &known.agent) != (&id, &agent));
                let (registered, revoked) = (index, None);
                self.holdings.push(Holding { id, agent, issued, expires, registered, revoked });
            }
            What::RevokeCredential { id, agent } => {
                for holding in &mut self.holdings {
                    let named = agent.is_none() || agent.as_ref() == Some(&holding.agent);
                    if holding.id == id && named && holding.revoked.is_none() {
                        holding.revoked = Some(index);
                    }
                }
            }
            What::Contract { agent, says: owner, text, days, .. } => {
                self.contracts.retain(|contract| contract.agent != agent);
                let (reviewed, withdrawn) = (None, None);
                let registered = index;
                let new = Contract { agent, owner, text, days, registered, reviewed, withdrawn };
                self.contracts.push(new);
            }
            What::Review { agent, .. } => self.contract_mut(&agent).reviewed = Some(index),
            What::Withdraw { agent, .. } => self.contract_mut(&agent).withdrawn = Some(index),
            What::Policy { text, name } => {
                if self.policies.iter().all(|(known, _, _)| *known != text) {
                    self.policies.push((text, name, index));
                }
            }
            What::Grant(grant) => {
                self.grants.push(Given { grant, by: signer.to_owned(), at: index, revoked: None });
            }
            What::Ungrant { id } => {
                let given = self.grants.iter_mut().find(|given| given.grant.id == id).unwrap();
                given.revoked = Some(index);
            }
            What::Transit { from, to, over } => {
                if to == "frozen" {
                    self.freezes.push(Measure { id, over, from: index, to: None });
                } else if from == "frozen" {
                    let frozen = |freeze: &&mut Measure| freeze.over == over && freeze.to.is_none();
                    self.freezes
                        .iter_mut()
                        .filter(frozen)
                        .for_each(|freeze| freeze.to = Some(index));
                }
            }
            What::Propose { m: needed, operation } => self.proposals.push(Proposal {
                id,
                by: signer.to_owned(),
                needed,
                operation: *operation,
                at: index,
                time,
                approvals: Vec::new(),
                in_force: None,
            }),
            What::Approve { id } => self.approve(id, signer, index, time),
            What::Quorum { m } => self.quorum = m,
            What::Hold { query } => {
                self.holds.push(Measure { id, over: query, from: index, to: None });
            }
            What::Lift { id } => {
                let held = |hold: &&mut Measure| hold.id == id && hold.to.is_none();
                self.holds.iter_mut().filter(held).for_each(|hold| hold.to = Some(index));
            }
            What::Act(_) => {}
        }
    }

    fn contract_mut(&mut self, agent: &str) -> &mut Contract {
        self.contracts.iter_mut().find(|contract| contract.agent == agent).unwrap()
    }

    fn enrol(&mut self, seed: u8, signer: String, from: Option<u64>, until: Option<u64>, at: u64) {
        self.keys.push(Key { seed, signer, from, until, enrolled: at, revoked: None });
    }

    fn revoke(&mut self, seed: u8, index: u64) {
        let key = self.keys.iter_mut().find(|key| key.seed == seed).unwrap();
        key.revoked = Some(index);
    }

    fn approve(&mut self, id: u64, signer: &str, index: u64, time: u64) {
        let place = self.proposals.iter().position(|proposal| proposal.id == id).unwrap();
        let decides = self.decides(&self.proposals[place], signer);
        let proposal = &mut self.proposals[place];
        if proposal.approvals.iter().all(|(name, _)| name != signer) {
            proposal.approvals.push((signer.to_owned(), index));
        }
        if decides {
            proposal.in_force = Some(index);
            let (operation, by) = (proposal.operation.clone(), proposal.by.clone());
            self.change(&operation, &by, id, index, time);
        }
    }
}
