//! What a rule sees of an entry: the entry, the registry as of the one before, and what the engine remembers.

use super::Rule;
use super::facts::Facts;
use super::intent::Intent;
use super::memory::Memory;
use super::wait::{Cited, Wait};
use crate::body::Body;
use crate::contract::{Contract, ExecutionMode, Mapped, same_name};
use crate::deterministic::Item;
use crate::id::Micros;
use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::limits::DEADLINE_S_MAX;
use crate::registry::{ChainCheck, ChainFault, CredentialRecord, Registry};

/// An accepted entry, before it changes anything.
pub(crate) struct View<'v> {
    pub(crate) registry: &'v Registry,
    pub(crate) chain: &'v ChainCheck,
    pub(crate) leaf: &'v Leaf,
    /// The entry.
    pub(crate) body: &'v Body<'v>,
    pub(crate) facts: &'v Facts<'v>,
    /// The contract in force of its agent.
    pub(crate) contract: Option<&'v Contract>,
    /// The record of a credential that [it uses](Self::uses_credential).
    pub(crate) credential: Option<&'v CredentialRecord>,
    /// What that contract says of its action.
    pub(crate) mapped: Option<&'v Mapped>,
    pub(crate) memory: &'v Memory,
    /// Action rules run on it: an intent, what no earlier intent is joined to, or another execution than the one that
    /// its intent is for.
    pub(crate) is_judged: bool,
    /// Gates that its action has to pass.
    pub(crate) gates: &'v [String],
    /// The contract says that its action needs an approval each time.
    pub(crate) is_listed: bool,
}

impl<'v> View<'v> {
    /// The intent that an outcome or a witness is of.
    pub(crate) fn intent(&self) -> Option<&'v Intent> {
        self.memory
            .intents
            .first()
            .filter(|_| self.facts.kind.is_action())
            .map(|(_, intent)| intent)
    }

    /// Whether its agent signed it, and is registered.
    pub(crate) fn is_by_agent(&self) -> bool {
        self.facts.agent == Some(self.facts.signer) && self.facts.by_agent
    }

    /// Whether it is another execution than those known of.
    pub(crate) fn is_fresh(&self) -> bool {
        self.memory.is_fresh
    }

    /// Whether it uses a credential that its intent did not tell of, or once more.
    pub(crate) fn uses_credential(&self) -> bool {
        let same = self.intent().is_some_and(|intent| {
            self.memory.deed.is_some_and(|deed| deed.credential == intent.deed.credential)
        });
        let told = same && !self.memory.is_another;
        self.facts.kind.is_action() && self.facts.credential.is_some() && !told
    }

    /// Whether it could do harm that a human should have allowed: by what it says, by what the contract says of it, or
    /// by what was meant.
    pub(crate) fn is_dangerous(&self) -> bool {
        let Some(action) = self.facts.action else { return false };
        let is = |name: &&str| self.facts.environment.is_some_and(|e| e.eq_ignore_ascii_case(name));
        let production = ["production", "prod"].iter().any(is);
        let harms = |class: &str| match class {
            "destructive" | "payment" => true,
            "write" => production,
            _ => false,
        };
        harms(action.class)
            || self.mapped.and_then(|mapped| mapped.class.as_deref()).is_some_and(harms)
            || self.intent().is_some_and(|intent| intent.is_dangerous)
    }

    /// What its action is labelled otherwise than the contract's `actions` says of it.
    pub(crate) fn mislabels(&self) -> impl Iterator<Item = &'static str> + use<'v> {
        let differs = |own: Option<&str>, known: Option<&String>| {
            own.zip(known).is_some_and(|(own, known)| own != known)
        };
        let mut scopes = self.scopes().peekable();
        let lacks = |scope: &String| scopes.peek().is_some() && !scopes.any(|own| own == scope);
        let ways = self.facts.action.zip(self.mapped).map(|(action, mapped)| {
            [
                ("class", differs(Some(action.class), mapped.class.as_ref())),
                ("system", differs(action.system, mapped.system.as_ref())),
                ("scope", mapped.scope.as_ref().is_some_and(lacks)),
            ]
        });
        let ways = ways.into_iter().flatten();
        ways.filter(|(_, differs)| *differs).map(|(name, _)| name)
    }

    /// Whether nobody may act so without being allowed each time.
    pub(crate) fn needs_approval(&self) -> bool {
        self.facts.action.is_some()
            && (self.is_listed
                || self.facts.mode == Some("approval")
                || self.intent().is_some_and(|intent| intent.asks))
    }

    /// Whether it is an agent's session that begins.
    pub(crate) fn starts(&self) -> bool {
        self.facts.kind == Kind::SessionStart
    }

    /// The scopes that it uses.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &'v str> + use<'v> {
        self.facts.scope.iter().filter_map(Item::text)
    }

    /// Texts of a list in what it says.
    pub(crate) fn list(&self, path: &str) -> impl Iterator<Item = &'v str> + use<'v> {
        self.body.list(path).iter().filter_map(Item::text)
    }

    /// The faults of its chain that break a rule, where action rules run.
    pub(crate) fn faults(&self, rule: &'static str) -> impl Iterator<Item = ChainFault> {
        let hops = if self.is_judged { self.chain.hops.as_slice() } else { &[] };
        let faults = hops.iter().flat_map(|hop| hop.faults.iter().copied());
        faults.filter(move |fault| fault.rule() == rule)
    }

    /// A rule's bound: the contract's, else its own.
    pub(crate) fn threshold(&self, rule: &Rule) -> u64 {
        bound(self.contract, rule)
    }

    /// A rule's bound for what concerns who signs alone: no contract says anything of what others sign.
    pub(crate) fn threshold_of_signer(&self, rule: &Rule) -> u64 {
        bound(self.contract_of_signer(), rule)
    }

    /// A deadline by that bound.
    pub(crate) fn wait_of_signer(&self, rule: &Rule) -> Wait<'v> {
        self.wait_by(rule, self.contract_of_signer())
    }

    fn contract_of_signer(&self) -> Option<&'v Contract> {
        self.contract.filter(|_| self.facts.agent == Some(self.facts.signer))
    }

    /// A deadline so many seconds from now, by a rule's bound.
    pub(crate) fn wait(&self, rule: &Rule) -> Wait<'v> {
        self.wait_by(rule, self.contract)
    }

    /// The same for an intent, by the contract of its agent, where another one signs and names none.
    pub(crate) fn wait_for(&self, rule: &Rule, intent: &'v Intent) -> Wait<'v> {
        let wait = self.wait_by(rule, self.contract_of(intent));
        Wait { cited: intent.cited(), ..wait }
    }

    fn wait_by(&self, rule: &Rule, contract: Option<&Contract>) -> Wait<'v> {
        let us = bound(contract, rule).min(DEADLINE_S_MAX).saturating_mul(1_000_000);
        self.wait_until(Micros(self.facts.at.0.saturating_add(us)))
    }

    /// The contract in force of the agent that an intent is of.
    pub(crate) fn contract_of(&self, intent: &Intent) -> Option<&'v Contract> {
        match self.facts.agent.is_some_and(|agent| intent.is_of(agent)) {
            true => self.contract,
            false => super::in_force(self.registry, &self.registry.known(intent.who())?.id),
        }
    }

    /// A deadline at a time.
    pub(crate) fn wait_until(&self, at: Micros) -> Wait<'v> {
        Wait::new(at, Cited::of(self.facts))
    }
}

/// A rule's bound: the contract's, else its own.
pub(crate) fn bound(contract: Option<&Contract>, rule: &Rule) -> u64 {
    let own = contract.and_then(|contract| contract.thresholds.get(rule.name).copied());
    own.or(rule.threshold).unwrap_or_default()
}

/// The latest deadline that a contract sets for what comes of an intent, in seconds from the last that came.
pub(crate) fn latest_s(contract: Option<&Contract>) -> u64 {
    let bounds = contract.into_iter().flat_map(|contract| &contract.thresholds);
    let waits = |rule: &str| matches!(rule, "no_outcome" | "unclaimed_action" | "unwitnessed");
    let latest = bounds.filter(|(rule, _)| waits(rule)).map(|(_, bound)| *bound).max();
    latest.unwrap_or_default().min(DEADLINE_S_MAX)
}

/// Whether a contract says that an action needs an approval each time.
pub(crate) fn asks(contract: &Contract, action: &str) -> bool {
    contract.mode == ExecutionMode::Approval
        || contract.allowed.approval_required.iter().any(|name| same_name(name, action))
}

/// The gates that a contract lists for an action.
pub(crate) fn gates_of<'c>(contract: &'c Contract, action: &str) -> &'c [String] {
    if let Some(gates) = contract.allowed.gates.get(action) {
        return gates;
    }
    let same = contract.allowed.gates.iter().find(|(name, _)| same_name(name, action));
    same.map(|(_, gates)| gates.as_slice()).unwrap_or_default()
}
