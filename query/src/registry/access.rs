//! `access`: who may do what as of a point, by the entry that says so; and what changed between two.

use axum::Json;
use axum::extract::State;
use ledger::ReadError;
use schemas::body::Body;
use schemas::id::{Index, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::ACCESS_ROWS_MAX;
use schemas::registry::{AgentState, ContractRecord, GrantRecord};
use schemas::shape::time_json;
use serde_json::{Value, json};

use super::past::{Past, point};
use super::view::path;
use crate::api::{Api, as_of};
use crate::error::Error;
use crate::names::Names;
use crate::params::Params;

pub(crate) async fn read(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    let params = params.only(&["agent", "at", "from", "to"])?;
    api.read(move |api| match (params.get("from"), params.get("to")) {
        (None, None) => folded(api, &params),
        (Some(from), to) => changed(api, &params, from, to),
        (None, Some(_)) => {
            Err(Error::InvalidParameter { param: "from", expected: "a point before to" })
        }
    })
    .await
    .map(Json)
}

fn folded(api: &Api, params: &Params) -> Result<Value, Error> {
    let past = Past::of(api, params)?;
    let asked = asked(api, params, past.size)?;
    let wanted = |agent: &str| asked.as_deref().is_none_or(|wanted| wanted == agent);
    let acts = |agent: &str| {
        past.registry.agent(agent).is_some_and(|known| known.state == AgentState::Active)
    };
    let mut rows = Vec::new();
    for record in past.registry.contracts() {
        let contract = &record.contract;
        let binds = record.is_in_force() && !contract.is_expired(past.now);
        if binds && wanted(&contract.agent) && acts(&contract.agent) {
            rows.push((record.registered, contract_row(record)));
        }
    }
    for record in past.registry.grants() {
        let to = &record.grant.to;
        if wanted(to) && acts(to) && past.registry.is_alive(record, past.now) {
            rows.push((record.granted, grant_row(record, &past)));
        }
    }
    rows.sort_by_key(|(index, _)| *index);
    let more = rows.len() > ACCESS_ROWS_MAX;
    let items: Vec<_> = rows.into_iter().take(ACCESS_ROWS_MAX).map(|(_, row)| row).collect();
    Ok(past.answer(json!({ "items": items, "incomplete": more })))
}

/// The agent that is asked about: whoever asks may know it by another name than its id.
fn asked(api: &Api, params: &Params, size: TreeSize) -> Result<Option<String>, ReadError> {
    let mut names = Names::new(&api.ledger, size);
    params.get("agent").map(|name| names.id(name)).transpose()
}

fn contract_row(record: &ContractRecord) -> Value {
    let contract = &record.contract;
    json!({
        "index": record.registered.0,
        "by": "contract",
        "principal": contract.owner,
        "agent": contract.agent,
        "path": [contract.owner, contract.agent],
        "scope": contract.allowed.operations().collect::<Vec<_>>(),
        "systems": contract.allowed.permissions.keys().collect::<Vec<_>>(),
        "targets": contract.allowed.targets,
        "environments": contract.allowed.environments,
        "expires": contract.expiry.map(time_json),
        "contract": contract.digest.to_string(),
    })
}

fn grant_row(record: &GrantRecord, past: &Past) -> Value {
    let grant = &record.grant;
    let path = path(record, &past.registry);
    json!({
        "index": record.granted.0,
        "by": "grant",
        "principal": path.first(),
        "agent": grant.to,
        "path": path,
        "scope": grant.scope,
        "systems": grant.systems,
        "targets": grant.targets,
        "environments": grant.environment.as_ref().map(|environment| [environment]),
        "expires": grant.expires.map(time_json),
        "grant": grant.id.to_string(),
    })
}

/// Entries after `from` up to `to` that gave or took access.
fn changed(api: &Api, params: &Params, from: &str, to: Option<&str>) -> Result<Value, Error> {
    let head = api.ledger.head();
    let (low, _) = point(api, "from", from)?;
    let high = to.map_or(Ok(head.size), |to| point(api, "to", to).map(|(size, _)| size))?;
    let agent = asked(api, params, high)?;
    let mut items = Vec::new();
    let mut more = false;
    for index in api.ledger.registry_entries(low.0..high.0)? {
        let Some(change) = change(api, index, agent.as_deref())? else { continue };
        more = items.len() == ACCESS_ROWS_MAX;
        if more {
            break;
        }
        items.push(change);
    }
    Ok(json!({
        "items": items,
        "from": low.0,
        "to": last(high),
        "incomplete": more,
        "as_of": as_of(&head),
    }))
}

fn last(size: TreeSize) -> Option<u64> {
    size.0.checked_sub(1)
}

/// What the entry at `index` changes in who may do what; `None` if nothing, or for other agents only.
fn change(api: &Api, index: Index, agent: Option<&str>) -> Result<Option<Value>, ReadError> {
    let Some(entry) = api.ledger.entry(index)? else { return Ok(None) };
    let Some(body) = entry.body().filter(|_| entry.leaf.status == Status::Accepted) else {
        return Ok(None);
    };
    let Some((change, what)) = what(&body) else { return Ok(None) };
    let about = match body.kind() {
        Kind::DelegationGranted => body.text("grant.to").map(str::to_owned),
        Kind::DelegationRevoked => grant_of(&body, api)?.map(|known| known.grant.to),
        _ => body.agent().or_else(|| body.text("registry.signer")).map(str::to_owned),
    };
    if agent.is_some() && about.as_deref() != agent {
        return Ok(None);
    }
    Ok(Some(json!({
        "index": index.0,
        "received_at": time_json(entry.leaf.received_at),
        "change": change,
        "kind": body.kind().as_str(),
        "what": what,
        "agent": about,
        "by": body.signer(),
    })))
}

fn grant_of(body: &Body<'_>, api: &Api) -> Result<Option<GrantRecord>, ReadError> {
    body.event_id("grant.id").map_or(Ok(None), |id| api.ledger.grant(id))
}

/// Whether an entry gives (`+`), takes (`-`) or changes (`~`) access, and of what kind.
fn what(body: &Body<'_>) -> Option<(&'static str, String)> {
    let text = |path: &str| body.text(path).unwrap_or_default();
    let id = || body.event_id("grant.id").map(|id| id.to_string()).unwrap_or_default();
    Some(match body.kind() {
        Kind::DelegationGranted => ("+", format!("grant {}", id())),
        Kind::DelegationRevoked => ("-", format!("grant {}", id())),
        Kind::AgentRegistered | Kind::AgentEnabled => ("+", format!("agent {}", text("agent.id"))),
        Kind::AgentSuspended | Kind::AgentDisabled | Kind::AgentRetired => {
            ("-", format!("agent {}", text("agent.id")))
        }
        Kind::AgentUpdated => ("~", format!("agent {}", text("agent.id"))),
        Kind::ContractRegistered => ("+", format!("contract of {}", text("agent.id"))),
        Kind::ContractWithdrawn => ("-", format!("contract of {}", text("agent.id"))),
        Kind::CredentialRegistered => ("+", format!("credential {}", text("credential.id"))),
        Kind::CredentialRevoked => ("-", format!("credential {}", text("credential.id"))),
        Kind::PrincipalRegistered => ("+", format!("principal {}", text("registry.id"))),
        Kind::PrincipalDisabled => ("-", format!("principal {}", text("registry.id"))),
        Kind::KeyEnrolled => ("+", format!("key of {}", text("registry.signer"))),
        Kind::KeyRotated => ("~", format!("key of {}", text("registry.signer"))),
        Kind::KeyRevoked => ("-", format!("key of {}", text("registry.signer"))),
        Kind::AuthzTransition => {
            ("~", format!("{} {}", text("transition.to"), text("transition.applies_to")))
        }
        Kind::ProposalApproved => ("~", "a proposal".to_owned()),
        _ => return None,
    })
}
