//! What should become of a step, and why.

use super::reference::{Agent, Reference};
use super::step::{DAY, Step, What, midnight};

/// What becomes of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Commit,
    /// It is in the log already, at this index.
    Duplicate(u64),
    /// Refused, for this reason and at this path.
    Reject(&'static str, &'static str),
}

use Verdict::{Commit, Reject};

type Sound = Result<(), Verdict>;

fn unless(fits: bool, reason: &'static str, path: &'static str) -> Sound {
    if fits { Ok(()) } else { Err(Reject(reason, path)) }
}

fn valid(fits: bool, path: &'static str) -> Sound {
    unless(fits, "invalid_field", path)
}

/// Roles of which the signer needs one; none needed if empty.
fn roles(what: &What) -> &'static [&'static str] {
    match what {
        What::State { to: "suspended" | "disabled", .. } => &["operator", "responder"],
        What::Rotate { .. } | What::Policy { .. } => &["operator", "owner"],
        What::Contract { .. } | What::Review { .. } | What::Withdraw { .. } => &["owner"],
        What::Grant(_) | What::Ungrant { .. } => &[],
        What::Transit { .. } => &["authority", "operator"],
        What::Hold { .. } | What::Lift { .. } => &["operator", "auditor"],
        What::Act(action) if action.kind == "witness.observed" => {
            &["witness", "service", "boundary"]
        }
        What::Act(_) => &["agent"],
        _ => &["operator"],
    }
}

impl Reference {
    /// Signer, duplicate, key validity, role, disabled, then what the change itself needs.
    pub(crate) fn judge(&self, step: &Step, now: u64) -> Verdict {
        self.judged(step, now).err().unwrap_or(Commit)
    }

    fn judged(&self, step: &Step, now: u64) -> Sound {
        let at_key = "statement.protected.4";
        let key = self.key(step.key).ok_or(Reject("unregistered_key", at_key))?;
        unless(key.signer == step.signer, "wrong_signer", "signer")?;
        let mut accepted = self.accepted.iter();
        let before = accepted.find(|(signer, id, ..)| *signer == step.signer && *id == step.id);
        if let Some((_, _, what, index)) = before {
            let same = *what == step.what;
            return Err(if same {
                Verdict::Duplicate(*index)
            } else {
                Reject("id_conflict", "id")
            });
        }
        unless(key.revoked.is_none(), "revoked_key", at_key)?;
        let begun = key.from.is_none_or(|from| now >= from);
        let over = key.until.is_some_and(|until| now >= until);
        unless(begun && !over, "expired_key", at_key)?;
        let needed = roles(&step.what);
        let fits = needed.is_empty() || needed.iter().any(|role| self.has_role(&step.signer, role));
        unless(self.is_known(&step.signer) && fits, "role_not_allowed", "kind")?;
        unless(self.is_active(&step.signer), "disabled_agent", "signer")?;
        let alone = self.quorum == 1 || !self.is_dangerous(&step.what);
        unless(alone, "role_not_allowed", "kind")?;
        self.sound(&step.what, &step.signer, step.id, now)
    }

    /// What touches operators needs as many of them as have agreed on.
    fn is_dangerous(&self, what: &What) -> bool {
        match what {
            What::Person { id, roles } => {
                roles.contains(&"operator") || self.has_role(id, "operator")
            }
            What::Leave { id } => self.has_role(id, "operator"),
            What::Enrol { signer, .. }
            | What::Rotate { signer, .. }
            | What::Revoke { signer, .. } => self.has_role(signer, "operator"),
            _ => false,
        }
    }

    fn sound(&self, what: &What, signer: &str, id: u64, now: u64) -> Sound {
        self.is_not_the_ledger(what)?;
        match what {
            What::Register { agent, addresses, external, .. } => {
                valid(!self.is_known(agent), "agent.id")?;
                valid(self.are_free(addresses, agent), "registry.addresses")?;
                valid(self.are_free(external, agent), "registry.external")
            }
            What::Update { agent, addresses, .. } => {
                self.may_change(agent)?;
                let addresses = addresses.as_deref().unwrap_or_default();
                valid(self.are_free(addresses, agent), "registry.addresses")
            }
            What::State { agent, .. } => self.may_change(agent),
            What::Person { id, roles } => {
                valid(self.agent(id).is_none(), "registry.id")?;
                valid(self.enough_without(id, roles.contains(&"operator"), now), "registry.id")
            }
            What::Leave { id } => {
                valid(self.person(id).is_some(), "registry.id")?;
                valid(self.enough_without(id, false, now), "registry.id")
            }
            What::Enrol { signer, key, from, until } => {
                valid(self.is_known(signer), "registry.signer")?;
                valid(self.key(*key).is_none(), "registry.key")?;
                let is_late = |until: u64| now < until && from.is_none_or(|from| from < until);
                valid(until.is_none_or(is_late), "registry.not_after")
            }
            What::Rotate { signer: subject, key, replaces } => {
                valid(self.is_known(subject), "registry.signer")?;
                valid(self.key(*key).is_none(), "registry.key")?;
                valid(self.has_key(subject, *replaces), "registry.replaces")?;
                let owns = self.agent(subject).is_some_and(|agent| agent.owner == signer);
                unless(owns || self.has_role(signer, "operator"), "role_not_allowed", "signer")
            }
            What::Revoke { signer, key } => {
                valid(self.has_key(signer, *key), "registry.kid")?;
                let others = self.living_keys(signer, now).any(|other| other != *key);
                valid(others || self.enough_without(signer, false, now), "registry.kid")
            }
            What::Credential { agent, issued, expires, .. } => {
                valid(self.agent(agent).is_some(), "agent.id")?;
                let backwards = issued.zip(*expires).is_some_and(|(from, to)| from >= to);
                valid(!backwards, "credential.expires")
            }
            What::RevokeCredential { id, agent } => {
                let held = self.holdings.iter().any(|holding| {
                    let named = agent.is_none() || agent.as_ref() == Some(&holding.agent);
                    holding.id == *id && named && holding.revoked.is_none()
                });
                valid(held, "credential.id")
            }
            What::Contract { agent, named, owner, says, days, .. } => {
                self.owns(signer, agent)?;
                valid(named == agent, "registry.agent.name")?;
                valid(says == owner && says == signer, "registry.agent.owner")?;
                let ends = days.map(midnight);
                valid(ends.is_none_or(|end| now < end), "registry.agent.expiry")
            }
            What::Review { agent, text } | What::Withdraw { agent, text } => {
                self.owns(signer, agent)?;
                let contract = self.contract(agent).filter(|known| known.withdrawn.is_none());
                valid(contract.is_some_and(|known| known.text == *text), "contract")
            }
            What::Grant(grant) => {
                valid(self.given(grant.id).is_none(), "grant.id")?;
                valid(grant.parent != Some(grant.id), "grant.parent")?;
                valid(grant.expires.is_none_or(|end| now < end), "grant.expires")
            }
            What::Ungrant { id } => self.may_take_back(*id, signer),
            What::Transit { from, to, over } => self.may_transit(from, to, over),
            What::Propose { m, operation } => {
                valid(self.proposal(id).is_none(), "id")?;
                valid((self.quorum..=self.operators(now)).contains(m), "registry.m")?;
                self.may_propose(operation, signer, id, now)
            }
            What::Approve { id } => self.may_approve(*id, signer, now),
            What::Hold { query } => valid(!query.contains('('), "hold.query"),
            What::Lift { id } => {
                let held = self.holds.iter().any(|hold| hold.id == *id && hold.to.is_none());
                valid(held, "causes")
            }
            What::Policy { .. } | What::Quorum { .. } | What::Act(_) => Ok(()),
        }
    }

    /// What is said about the ledger itself is refused, whoever says it.
    fn is_not_the_ledger(&self, what: &What) -> Sound {
        match what {
            What::Register { agent, .. }
            | What::Update { agent, .. }
            | What::State { agent, .. }
            | What::Credential { agent, .. }
            | What::Contract { agent, .. }
            | What::Review { agent, .. }
            | What::Withdraw { agent, .. }
            | What::RevokeCredential { agent: Some(agent), .. } => {
                valid(agent != "ledger", "agent.id")
            }
            What::Person { id, .. } | What::Leave { id } => valid(id != "ledger", "registry.id"),
            What::Enrol { signer, .. }
            | What::Rotate { signer, .. }
            | What::Revoke { signer, .. } => valid(signer != "ledger", "registry.signer"),
            _ => Ok(()),
        }
    }

    fn may_change(&self, agent: &str) -> Sound {
        valid(self.agent(agent).is_some_and(|known| known.state != "retired"), "agent.id")
    }

    /// Whether no other agent has one of these names.
    fn are_free(&self, names: &[String], agent: &str) -> bool {
        let has =
            |known: &Agent, name| known.addresses.contains(name) || known.external.contains(name);
        let others = || self.agents.iter().filter(|known| known.id != agent);
        names.iter().all(|name| others().all(|known| !has(known, name)))
    }

    /// Whether enough operators remain when this one becomes what is said of him.
    fn enough_without(&self, id: &str, operates: bool, now: u64) -> bool {
        !self.operates(id, now) || operates || self.operators(now) > self.quorum
    }

    fn has_key(&self, signer: &str, seed: u8) -> bool {
        self.key(seed).is_some_and(|key| key.signer == signer && key.revoked.is_none())
    }

    fn owns(&self, signer: &str, agent: &str) -> Sound {
        valid(self.agent(agent).is_some(), "agent.id")?;
        let owner = self.agent(agent).is_some_and(|known| known.owner == signer);
        unless(owner, "role_not_allowed", "signer")
    }

    fn may_take_back(&self, id: u64, signer: &str) -> Sound {
        valid(self.given(id).is_some_and(|given| given.revoked.is_none()), "grant.id")?;
        let (lineage, _) = self.lineage(id);
        let gave = lineage.iter().any(|given| given.by == signer);
        unless(gave || self.has_role(signer, "operator"), "role_not_allowed", "signer")
    }

    fn may_transit(&self, from: &str, to: &str, over: &str) -> Sound {
        let frozen = self.freezes.iter().any(|freeze| freeze.over == over && freeze.to.is_none());
        match (from == "frozen", to == "frozen") {
            (true, true) => valid(false, "transition.to"),
            (false, true) => valid(!frozen && !over.contains('('), "transition.applies_to"),
            (true, false) => valid(frozen, "transition.applies_to"),
            (false, false) => Ok(()),
        }
    }

    fn may_propose(&self, operation: &What, by: &str, id: u64, now: u64) -> Sound {
        match operation {
            What::Quorum { m } => {
                valid((1..=self.operators(now)).contains(m), "registry.operation.m")
            }
            What::Person { .. }
            | What::Leave { .. }
            | What::Enrol { .. }
            | What::Rotate { .. }
            | What::Revoke { .. } => self.sound(operation, by, id, now),
            _ => valid(false, "registry.operation.kind"),
        }
    }

    fn may_approve(&self, id: u64, signer: &str, now: u64) -> Sound {
        let waits = |time| now - time < 30 * DAY;
        let proposal = self.proposal(id);
        let open = proposal.filter(|known| known.in_force.is_none() && waits(known.time));
        let proposal = open.ok_or(Reject("invalid_field", "causes"))?;
        match self.decides(proposal, signer) {
            true => self.may_propose(&proposal.operation, &proposal.by, id, now),
            false => Ok(()),
        }
    }
}
