//! The state in lines of text, from either side, to be compared.

use std::collections::BTreeSet;

use schemas::id::{EventId, Micros, hex};
use schemas::kind::Role;
use schemas::registry::{ChainCheck, FreezeRecord, HoldRecord, Registry};

use super::chains::Found;
use super::generate::ADDRESSES;
use super::reference::Reference;
use super::step::{event_id, midnight, public, text_digest};

/// The state that the reference expects.
pub(crate) fn expected(model: &Reference) -> Vec<String> {
    let mut lines = vec![format!("quorum {} of {}", model.quorum, model.operators(0))];
    let id = |id: &u64| event_id(*id);
    for one in &model.agents {
        let (names, more) = (&one.addresses, &one.external);
        let (made, changed) = (one.registered, one.changed);
        let (id, owner, state) = (&one.id, &one.owner, one.state);
        lines.push(format!("agent {id} {owner} {state} {names:?} {more:?} {made} {changed}"));
    }
    for name in ADDRESSES {
        let has = |names: &Vec<String>| names.iter().any(|known| known == name);
        let named = model.agents.iter().find(|one| has(&one.addresses) || has(&one.external));
        lines.push(format!("name {name} {:?}", named.map(|agent| agent.id.as_str())));
    }
    for one in &model.people {
        let (id, roles, enabled) = (&one.id, &one.roles, one.enabled);
        lines.push(format!("person {id} {roles:?} {enabled} {} {}", one.registered, one.changed));
    }
    for one in &model.keys {
        let key = hex(public(one.seed).as_bytes());
        let (signer, made, ended) = (&one.signer, one.enrolled, one.revoked);
        lines.push(format!("key {key} {signer} {made} {ended:?} {:?} {:?}", one.from, one.until));
    }
    for one in &model.holdings {
        let (id, agent, made, ended) = (&one.id, &one.agent, one.registered, one.revoked);
        let (from, to) = (one.issued, one.expires);
        lines.push(format!("credential {id} {agent} {from:?} {to:?} {made} {ended:?}"));
    }
    for one in &model.contracts {
        let (agent, owner, digest) = (&one.agent, &one.owner, text_digest("contract", one.text));
        let (ends, looked, ended) = (one.days.map(midnight), one.reviewed, one.withdrawn);
        let made = one.registered;
        lines.push(format!(
            "contract {agent} {owner} {digest} {ends:?} {made} {looked:?} {ended:?}"
        ));
    }
    for (text, name, at) in &model.policies {
        lines.push(format!("policy {} {name:?} {at}", text_digest("policy", *text)));
    }
    for one in &model.grants {
        let (at, ended, widened) = (one.at, one.revoked, model.widened(one));
        let (id, to, by) = (id(&one.grant.id), &one.grant.to, &one.by);
        let parent = one.grant.parent.map(event_id);
        lines.push(format!("grant {id} {to} {by} {parent:?} {at} {ended:?} {widened:?}"));
    }
    for one in &model.proposals {
        let (by, needed, at, approved) = (&one.by, one.needed, one.at, &one.approvals);
        let (id, done) = (id(&one.id), one.in_force);
        lines.push(format!("proposal {id} {by} {needed} {at} {approved:?} {done:?}"));
    }
    for one in &model.freezes {
        lines.push(format!("freeze {} {} {:?}", one.over, one.from, one.to));
    }
    for one in &model.holds {
        lines.push(format!("hold {} {} {} {:?}", id(&one.id), one.over, one.from, one.to));
    }
    lines.sort_unstable();
    lines
}

/// The state that the product has.
pub(crate) fn actual(registry: &Registry) -> Vec<String> {
    let mut lines =
        vec![format!("quorum {} of {}", registry.quorum(), registry.operators(Micros(0)))];
    let us = |time: Option<Micros>| time.map(|time| time.0);
    let at = |index: Option<schemas::id::Index>| index.map(|index| index.0);
    for one in registry.agents() {
        let (names, more) = (&one.profile.addresses, &one.profile.external);
        let (made, changed) = (one.registered.0, one.changed.0);
        let (id, owner, state) = (&one.id, &one.owner, one.state.as_str());
        lines.push(format!("agent {id} {owner} {state} {names:?} {more:?} {made} {changed}"));
    }
    for name in ADDRESSES {
        let named = registry.named(name).map(|agent| agent.id.as_str());
        lines.push(format!("name {name} {named:?}"));
    }
    for one in registry.principals() {
        let roles: Vec<_> = one.roles.iter().map(|role: &Role| role.as_str()).collect();
        let (id, enabled) = (&one.id, one.enabled);
        lines.push(format!(
            "person {id} {roles:?} {enabled} {} {}",
            one.registered.0, one.changed.0
        ));
    }
    for one in registry.keys() {
        let (key, signer, made) = (hex(one.key.as_bytes()), &one.signer, one.enrolled.0);
        let (ended, from, to) = (at(one.revoked), us(one.not_before), us(one.not_after));
        lines.push(format!("key {key} {signer} {made} {ended:?} {from:?} {to:?}"));
    }
    for one in registry.credentials() {
        for holder in &one.holders {
            let (id, agent, made) = (&one.id, &holder.agent, holder.registered.0);
            let (from, to, ended) = (us(holder.issued), us(holder.expires), at(holder.revoked));
            lines.push(format!("credential {id} {agent} {from:?} {to:?} {made} {ended:?}"));
        }
    }
    for one in registry.contracts() {
        let contract = &one.contract;
        let (agent, owner, digest) =
            (&contract.agent, &contract.owner, hex(contract.digest.as_bytes()));
        let (ends, looked, ended) = (us(contract.expiry), at(one.reviewed), at(one.withdrawn));
        let made = one.registered.0;
        lines.push(format!(
            "contract {agent} {owner} {digest} {ends:?} {made} {looked:?} {ended:?}"
        ));
    }
    for one in registry.policies() {
        let digest = hex(one.digest.as_bytes());
        lines.push(format!("policy {digest} {:?} {}", one.name, one.registered.0));
    }
    for one in registry.grants() {
        let widened: Vec<_> = one.widens.iter().map(|bound| bound.as_str()).collect();
        let (id, to, by, parent) = (one.grant.id, &one.grant.to, &one.by, one.grant.parent);
        let (given, ended) = (one.granted.0, at(one.revoked));
        lines.push(format!("grant {id} {to} {by} {parent:?} {given} {ended:?} {widened:?}"));
    }
    for one in registry.proposals() {
        let approved: Vec<_> = one.approvals.iter().map(|(name, at)| (name, at.0)).collect();
        let (id, by, needed, made) = (one.id, &one.by, one.needed, one.proposed.0);
        lines.push(format!(
            "proposal {id} {by} {needed} {made} {approved:?} {:?}",
            at(one.in_force)
        ));
    }
    for FreezeRecord { applies_to, frozen, lifted, .. } in registry.freezes() {
        lines.push(format!("freeze {applies_to} {} {:?}", frozen.0, at(*lifted)));
    }
    for HoldRecord { id, placed, lifted, query, .. } in registry.holds() {
        let id: &EventId = id;
        lines.push(format!("hold {id} {query} {} {:?}", placed.0, at(*lifted)));
    }
    lines.sort_unstable();
    lines
}

/// What the product found of a chain, in the reference's words.
pub(crate) fn found(check: &ChainCheck) -> Vec<Found> {
    let hop = |hop: &schemas::registry::HopCheck| {
        let faults = hop.faults.iter().map(|fault| match fault.detail() {
            Some(detail) => format!("{}:{detail}", fault.rule()),
            None => fault.rule().to_owned(),
        });
        let listed: Vec<_> = faults.collect();
        let faults: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(faults.len(), listed.len(), "the same fault twice: {listed:?}");
        (hop.grant.map(|index| index.0), faults)
    };
    check.hops.iter().map(hop).collect()
}
