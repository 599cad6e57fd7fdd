//! Records as JSON.

use schemas::contract::{Contract, ExecutionMode};
use schemas::deterministic::{Bounds, decode};
use schemas::id::{Micros, hex};
use schemas::registry::{
    AgentRecord, ChainCheck, ContractRecord, CredentialRecord, FreezeRecord, GrantRecord, Holder,
    PolicyRecord, PrincipalRecord, ProposalRecord, Registry,
};
use schemas::shape::{open_json, time_json};
use serde_json::{Value, json};

use super::past::Past;
use crate::api::set;

pub(crate) fn agent_json(record: &AgentRecord) -> Value {
    let profile = &record.profile;
    json!({
        "id": record.id,
        "owner": record.owner,
        "state": record.state.as_str(),
        "registered": record.registered.0,
        "changed": record.changed.0,
        "purpose": profile.purpose,
        "execution_mode": profile.mode.map(ExecutionMode::as_str),
        "build": profile.build.map(|build| build.to_string()),
        "environment": profile.environment,
        "addresses": profile.addresses,
        "external": profile.external,
    })
}

pub(crate) fn principal_json(record: &PrincipalRecord) -> Value {
    let roles: Vec<_> = record.roles.iter().map(|role| role.as_str()).collect();
    json!({
        "id": record.id,
        "roles": roles,
        "enabled": record.enabled,
        "route": record.route,
        "registered": record.registered.0,
        "changed": record.changed.0,
    })
}

pub(crate) fn credential_json(record: &CredentialRecord) -> Value {
    let holders: Vec<_> = record.holders.iter().map(holder_json).collect();
    json!({ "id": record.id, "holders": holders })
}

fn holder_json(holder: &Holder) -> Value {
    json!({
        "agent": holder.agent,
        "type": holder.kind,
        "scopes": holder.scopes,
        "issued": holder.issued.map(time_json),
        "expires": holder.expires.map(time_json),
        "registered": holder.registered.0,
        "revoked": holder.revoked.map(|index| index.0),
    })
}

/// A contract with everything that it says.
pub(crate) fn contract_json(record: &ContractRecord) -> Value {
    let mut json = contract_brief(record);
    let fields = decode(&record.fields, Bounds::WIRE);
    if let Ok(fields) = fields {
        let mut says = contract_fields(&fields);
        if let Value::Object(says) = &mut says {
            says.shift_remove("digest");
        }
        set(&mut json, "contract", says);
    }
    json
}

fn contract_fields(fields: &schemas::deterministic::Item<'_>) -> Value {
    match schemas::body::registry_fields(schemas::kind::Kind::ContractRegistered) {
        Some(shape) => schemas::shape::Shape::Record(shape).to_json(fields),
        None => open_json(fields),
    }
}

/// Which contract it is, and how long it binds.
pub(crate) fn contract_brief(record: &ContractRecord) -> Value {
    let Contract { digest, agent, owner, expiry, review_by, .. } = &record.contract;
    json!({
        "agent": agent,
        "owner": owner,
        "digest": digest.to_string(),
        "registered": record.registered.0,
        "reviewed": record.reviewed.map(|index| index.0),
        "withdrawn": record.withdrawn.map(|index| index.0),
        "expiry": expiry.map(time_json),
        "review_by": review_by.map(time_json),
    })
}

pub(crate) fn grant_json(record: &GrantRecord, registry: &Registry, now: Micros) -> Value {
    let grant = &record.grant;
    let widens: Vec<_> = record.widens.iter().map(|bound| bound.as_str()).collect();
    json!({
        "id": grant.id.to_string(),
        "by": record.by,
        "to": grant.to,
        "path": path(record, registry),
        "granted": record.granted.0,
        "revoked": record.revoked.map(|index| index.0),
        "active": registry.is_alive(record, now),
        "parent": grant.parent.map(|id| id.to_string()),
        "scope": grant.scope,
        "systems": grant.systems,
        "targets": grant.targets,
        "data_classes": grant.data_classes,
        "environment": grant.environment,
        "task": grant.task,
        "expires": grant.expires.map(time_json),
        "widens": widens,
    })
}

/// Who gave authority to whom, from the first delegator on.
pub(crate) fn path(record: &GrantRecord, registry: &Registry) -> Vec<String> {
    let mut path: Vec<_> = registry.lineage(record).map(|grant| grant.by.clone()).collect();
    path.reverse();
    path.push(record.grant.to.clone());
    path
}

pub(crate) fn policy_json(record: &PolicyRecord) -> Value {
    json!({
        "digest": record.digest.to_string(),
        "name": record.name,
        "registered": record.registered.0,
    })
}

pub(crate) fn proposal_json(record: &ProposalRecord) -> Value {
    let operation = decode(&record.operation, Bounds::WIRE).map(|item| open_json(&item));
    let approval = |(operator, at): &(String, schemas::id::Index)| json!({ "operator": operator, "index": at.0 });
    json!({
        "id": record.id.to_string(),
        "by": record.by,
        "proposed": record.proposed.0,
        "proposed_at": time_json(record.proposed_at),
        "needed": record.needed,
        "operation": operation.unwrap_or_else(|_damaged| hex(&record.operation).into()),
        "approvals": record.approvals.iter().map(approval).collect::<Vec<_>>(),
        "in_force": record.in_force.map(|index| index.0),
    })
}

pub(crate) fn freeze_json(record: &FreezeRecord) -> Value {
    json!({
        "applies_to": record.applies_to,
        "frozen": record.frozen.0,
        "lifted": record.lifted.map(|index| index.0),
    })
}

/// A principal chain's check, one object a hop.
pub(crate) fn chain_json(check: &ChainCheck) -> Vec<Value> {
    let fault = |fault: &schemas::registry::ChainFault| json!({ "rule": fault.rule(), "detail": fault.detail() });
    let hop = |hop: &schemas::registry::HopCheck| {
        json!({
            "granted": hop.grant.map(|index| index.0),
            "faults": hop.faults.iter().map(fault).collect::<Vec<_>>(),
        })
    };
    check.hops.iter().map(hop).collect()
}

/// The registry's view of an agent beside its record: its contract, and whether anybody answers for it.
pub(crate) fn agent_row(record: &AgentRecord, past: &Past) -> Value {
    let mut row = agent_json(record);
    let contract = past.registry.contract(&record.id).filter(|contract| contract.is_in_force());
    let expiry = contract.and_then(|contract| contract.contract.expiry);
    let expired = contract.is_some_and(|contract| contract.contract.is_expired(past.now));
    set(&mut row, "ownerless", is_ownerless(record, &past.registry));
    set(&mut row, "contract", contract.map(contract_brief));
    set(&mut row, "expiry", expiry.map(time_json));
    set(&mut row, "expired", expired);
    row
}

/// Whether whoever answers for an agent has left, or was never there.
pub(crate) fn is_ownerless(record: &AgentRecord, registry: &Registry) -> bool {
    registry.principal(&record.owner).is_none_or(|owner| !owner.enabled)
}
