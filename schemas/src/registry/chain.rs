//! A principal chain held against the grants as of its index: hop by hop, what authority each rests on.
//!
//! A chain of one hop, the agent itself, rests on its contract; each later hop rests on a grant by the hop before it.
//! What is wrong never stops an entry from being recorded; it is kept beside it.

use super::{AgentState, GrantRecord, Registry};
use crate::body::{Body, Principal};
use crate::deterministic::Item;
use crate::grant::{Bound, Use};
use crate::id::{Index, Micros};
use crate::kind::Role;
use crate::limits::PRINCIPALS_MAX;

/// Why a hop rests on no grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ungranted {
    /// It names none.
    Unnamed,
    /// None with that id was given before.
    Unknown,
    /// It was taken back.
    Revoked,
    /// It has ended.
    Expired,
}

/// What is wrong with a hop. Names are those of the finding rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ChainFault {
    /// The first hop is nobody who is registered.
    RootUnregistered,
    /// The first hop is human, and nothing proves what he wanted.
    IntentUnproven,
    /// It rests on no grant, or on one up its chain that is none.
    GrantMissing(Ungranted),
    /// Who gave the grant, or one up its chain, has left or is stopped.
    GrantorInactive,
    /// Who gave the grant, or to whom, is not who the chain says.
    PrincipalMismatch,
    /// The grant goes beyond its parent's bound.
    ScopeWidened(Bound),
    /// The action goes beyond the grant's bound.
    OutOfScope(Bound),
}

/// A hop, and what it rests on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HopCheck {
    /// Entry that gave its grant.
    pub grant: Option<Index>,
    /// What is wrong with it.
    pub faults: Vec<ChainFault>,
}

/// A principal chain, hop by hop.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ChainCheck {
    /// In the order of the chain.
    pub hops: Vec<HopCheck>,
}

impl ChainFault {
    /// The rule that it breaks.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::RootUnregistered => "root_unregistered",
            Self::IntentUnproven => "intent_unproven",
            Self::GrantMissing(_) => "grant_missing",
            Self::GrantorInactive => "grantor_inactive",
            Self::PrincipalMismatch => "principal_mismatch",
            Self::ScopeWidened(_) => "scope_widened",
            Self::OutOfScope(_) => "out_of_scope",
        }
    }

    /// What of it, where there are several ways.
    #[must_use]
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::GrantMissing(why) => Some(why.as_str()),
            Self::ScopeWidened(bound) | Self::OutOfScope(bound) => Some(bound.as_str()),
            _ => None,
        }
    }

    /// The fault with this rule and detail.
    #[must_use]
    pub fn parse(rule: &str, detail: Option<&str>) -> Option<Self> {
        let bound = || Bound::parse(detail?);
        Some(match rule {
            "root_unregistered" => Self::RootUnregistered,
            "intent_unproven" => Self::IntentUnproven,
            "grant_missing" => Self::GrantMissing(Ungranted::parse(detail?)?),
            "grantor_inactive" => Self::GrantorInactive,
            "principal_mismatch" => Self::PrincipalMismatch,
            "scope_widened" => Self::ScopeWidened(bound()?),
            "out_of_scope" => Self::OutOfScope(bound()?),
            _ => return None,
        })
    }
}

impl Ungranted {
    const ALL: [Self; 4] = [Self::Unnamed, Self::Unknown, Self::Revoked, Self::Expired];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unnamed => "unnamed",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == text)
    }
}

impl ChainCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.hops.iter().all(|hop| hop.faults.is_empty())
    }

    /// Whether it says more than that an agent acts by itself.
    #[must_use]
    pub fn is_worth_keeping(&self) -> bool {
        self.hops.iter().any(|hop| hop.grant.is_some() || !hop.faults.is_empty())
    }
}

impl Registry {
    /// Holds an action's principal chain against the grants as of now; empty if it has none.
    #[must_use]
    pub fn check_chain(&self, body: &Body<'_>, received_at: Micros) -> ChainCheck {
        let hops = body.principals();
        let mut check = ChainCheck { hops: Vec::with_capacity(hops.len()) };
        let mut before: Option<&Principal<'_>> = None;
        for (place, hop) in hops.iter().enumerate() {
            let mut found = match before {
                None => self.check_root(hop, hops.len() == 1, received_at),
                Some(before) => self.check_hop(before, hop, received_at),
            };
            if place + 1 == hops.len() {
                self.check_last(body, hop, &mut found);
            }
            check.hops.push(found);
            before = Some(hop);
        }
        check
    }

    fn check_root(&self, hop: &Principal<'_>, alone: bool, received_at: Micros) -> HopCheck {
        let mut found = HopCheck::default();
        let active = self.standing(hop.id);
        if active.is_none() {
            found.faults.push(ChainFault::RootUnregistered);
        }
        // A person is one, whatever the chain calls him.
        let is_human = hop.kind == "human" || self.has_role(hop.id, Role::Human);
        if is_human && hop.evidence.is_none() {
            found.faults.push(ChainFault::IntentUnproven);
        }
        // Who acts alone can have left only if it could not sign either.
        if !alone && active == Some(false) {
            found.faults.push(ChainFault::GrantorInactive);
        }
        // It rests on no grant: whoever names one leaves out who gave it.
        if let Some(id) = hop.grant {
            let given = self.grants.get(&id);
            found.grant = given.map(|given| given.granted);
            let why = match given {
                None => Some(Ungranted::Unknown),
                Some(given) => self.ungranted(given, received_at),
            };
            found.faults.extend(why.map(ChainFault::GrantMissing));
            found.faults.extend(given.map(|_given| ChainFault::PrincipalMismatch));
        }
        found
    }

    fn check_hop(
        &self,
        before: &Principal<'_>,
        hop: &Principal<'_>,
        received_at: Micros,
    ) -> HopCheck {
        let mut found = HopCheck::default();
        let missing = |why| ChainFault::GrantMissing(why);
        let Some(id) = hop.grant else {
            found.faults.push(missing(Ungranted::Unnamed));
            return found;
        };
        let Some(given) = self.grants.get(&id) else {
            found.faults.push(missing(Ungranted::Unknown));
            return found;
        };
        found.grant = Some(given.granted);
        if let Some(why) = self.ungranted(given, received_at) {
            found.faults.push(missing(why));
        }
        if self.lineage(given).any(|grant| !self.is_active(&grant.by)) {
            found.faults.push(ChainFault::GrantorInactive);
        }
        // Whoever leaves out the hops above also leaves out who they were.
        let follows = given.grant.parent == before.grant;
        if given.by != before.id || given.grant.to != hop.id || !follows {
            found.faults.push(ChainFault::PrincipalMismatch);
        }
        found.faults.extend(given.widens.iter().map(|bound| ChainFault::ScopeWidened(*bound)));
        found
    }

    /// Why a grant gives nothing, itself or by one up its chain, whose top has to be within reach.
    fn ungranted(&self, given: &GrantRecord, at: Micros) -> Option<Ungranted> {
        let mut last = given;
        for grant in self.lineage(given) {
            if grant.revoked.is_some() {
                return Some(Ungranted::Revoked);
            }
            if grant.is_expired(at) {
                return Some(Ungranted::Expired);
            }
            last = grant;
        }
        last.grant.parent.map(|_not_found| Ungranted::Unknown)
    }

    /// A grant and what it rests on, up its chain. A grant rests only on one that was given before it: it was never
    /// held against the bounds of a later one.
    pub fn lineage<'r>(&'r self, given: &'r GrantRecord) -> impl Iterator<Item = &'r GrantRecord> {
        let parent = |given: &&'r GrantRecord| {
            let parent = self.grants.get(&given.grant.parent?)?;
            (parent.granted < given.granted).then_some(parent)
        };
        std::iter::successors(Some(given), parent).take(PRINCIPALS_MAX)
    }

    /// Whether somebody may act under a grant: it and all above it hold, and so do those who gave them.
    #[must_use]
    pub fn is_alive(&self, given: &GrantRecord, at: Micros) -> bool {
        self.ungranted(given, at).is_none()
            && self.lineage(given).all(|grant| self.is_active(&grant.by))
    }

    /// Whether somebody may still let others act: not a stopped agent, not a person who has left.
    fn is_active(&self, id: &str) -> bool {
        self.standing(id) != Some(false)
    }

    /// The same of somebody who is known; `None` of others.
    fn standing(&self, id: &str) -> Option<bool> {
        match self.agents.get(id) {
            Some(agent) => Some(agent.state == AgentState::Active),
            None => self.principals.get(id).map(|principal| principal.enabled),
        }
    }

    fn check_last(&self, body: &Body<'_>, hop: &Principal<'_>, found: &mut HopCheck) {
        // One agent may be named in two ways.
        let id = |name| self.known(name).map_or(name, |record| record.id.as_str());
        if body.agent().is_some_and(|agent| agent != hop.id && id(agent) != id(hop.id))
            && !found.faults.contains(&ChainFault::PrincipalMismatch)
        {
            found.faults.push(ChainFault::PrincipalMismatch);
        }
        if let Some(given) = hop.grant.and_then(|id| self.grants.get(&id)) {
            let beyond = given.grant.exceeded(&used(body));
            found.faults.extend(beyond.into_iter().map(ChainFault::OutOfScope));
        }
    }
}

/// What an action uses.
fn used<'a>(body: &Body<'a>) -> Use<'a> {
    let list =
        |path: &str| -> Vec<&'a str> { body.list(path).iter().filter_map(Item::text).collect() };
    Use {
        scope: list("scope"),
        system: body.text("action.system"),
        target: body.text("action.target"),
        environment: body.text("environment"),
        data_classes: list("data_class"),
    }
}
