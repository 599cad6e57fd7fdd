//! Lists of records, and single ones: principals, contracts, grants, policies, proposals, freezes.

use axum::Json;
use axum::extract::State;
use ledger::{ReadError, TermRow};
use schemas::id::EventId;
use schemas::kind::Role;
use serde_json::{Value, json};

use super::past::Past;
use super::view::{
    contract_brief, contract_json, credential_json, freeze_json, grant_json, policy_json,
    principal_json, proposal_json,
};
use crate::api::{Api, set};
use crate::error::Error;
use crate::params::{Params, Segment};
use crate::source::{Order, Walk};

/// A page of rows in the order of their keys, as `show` shows them: it goes on after a key, be that row there any more or
/// not.
pub(crate) fn page<R>(
    past: &Past,
    params: &Params,
    mut rows: Vec<(String, R)>,
    show: impl FnMut(R) -> Result<Value, ReadError>,
) -> Result<Value, Error> {
    let limit = params.limit()?;
    let after = params.get("after").unwrap_or_default();
    rows.retain(|(key, _)| key.as_str() > after);
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(key, _)| key.clone());
    let items: Vec<_> = rows.into_iter().map(|(_, row)| row).map(show).collect::<Result<_, _>>()?;
    Ok(past.answer(json!({ "items": items, "next_after": next })))
}

/// What a list of names is of: somebody or something that is registered, or that entries name all the same.
pub(crate) enum Named<'r, R> {
    Known(&'r R),
    Stranger(TermRow),
}

/// A page of such names, shown by `show`, which may look at the log for as long as the page's walk lasts; `is_cut` where
/// not all could be looked through.
pub(crate) fn page_of_names<R>(
    past: &Past,
    params: &Params,
    rows: Vec<(String, Named<'_, R>)>,
    is_cut: bool,
    show: impl Fn(Named<'_, R>, &mut Walk) -> Result<Value, ReadError>,
) -> Result<Value, Error> {
    let walk = &mut Walk::of_query(Order::Oldest);
    let mut answer = page(past, params, rows, |row| show(row, walk))?;
    set(&mut answer, "incomplete", is_cut || walk.has_ended);
    Ok(answer)
}

/// What `read` says of the registry at the point that the parameters name.
async fn past(
    api: Api,
    params: Params,
    known: &'static [&'static str],
    read: impl FnOnce(&Api, &Past, &Params) -> Result<Value, Error> + Send + 'static,
) -> Result<Json<Value>, Error> {
    let params = params.only(known)?;
    api.read(move |api| read(api, &Past::of(api, &params)?, &params)).await.map(Json)
}

/// `principals`: `?role=` those with it, `?disabled=true` those that have left.
pub(crate) async fn principals(
    State(api): State<Api>,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["after", "limit", "at", "role", "disabled"], move |_api, past, params| {
        let left = params.flag("disabled")?;
        let mut known = past.registry.principals();
        known.retain(|record| !left || !record.enabled);
        if let Some(role) = params.get("role") {
            if !Role::NAMES.contains(&role) {
                let expected = "a role that principals can have, as approver";
                return Err(Error::InvalidParameter { param: "role", expected });
            }
            known.retain(|record| record.roles.iter().any(|own| own.as_str() == role));
        }
        let rows = known.into_iter().map(|record| (record.id.clone(), record));
        page(past, params, rows.collect(), |record| Ok(principal_json(record)))
    })
    .await
}

/// `credentials/{id}`.
pub(crate) async fn credential(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["at"], move |_api, past, _params| {
        let record = past.registry.credential(&id.0).ok_or(Error::Unknown("credential"))?;
        Ok(past.answer(credential_json(record)))
    })
    .await
}

/// `contracts`: each agent's newest.
pub(crate) async fn contracts(
    State(api): State<Api>,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["after", "limit", "at"], move |_api, past, params| {
        let known = past.registry.contracts();
        let rows = known.into_iter().map(|known| (known.contract.agent.clone(), known));
        page(past, params, rows.collect(), |known| Ok(contract_brief(known)))
    })
    .await
}

/// `contracts/{agent}`: the one in force, with its text.
pub(crate) async fn contract(
    State(api): State<Api>,
    agent: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["at"], move |api, past, _params| {
        let record = past.registry.contract(&agent.0).ok_or(Error::Unknown("contract"))?;
        let mut json = contract_json(record);
        let text = super::texts::text(&api.ledger, record.registered)?;
        let in_force = record.is_in_force() && !record.contract.is_expired(past.now);
        set(&mut json, "in_force", in_force);
        set(&mut json, "yaml", text);
        Ok(past.answer(json))
    })
    .await
}

/// `grants`: `?by=`, `?to=`, `?active=true`.
pub(crate) async fn grants(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    past(api, params, &["after", "limit", "at", "by", "to", "active"], move |_api, past, params| {
        let active = params.flag("active")?;
        let mut known = past.registry.grants();
        known.retain(|record| {
            params.get("by").is_none_or(|by| by == record.by)
                && params.get("to").is_none_or(|to| to == record.grant.to)
                && (!active || past.registry.is_alive(record, past.now))
        });
        let rows = known.into_iter().map(|record| (record.grant.id.to_string(), record));
        let show = |record| Ok(grant_json(record, &past.registry, past.now));
        page(past, params, rows.collect(), show)
    })
    .await
}

/// `grants/{id}`, with what was given under it.
pub(crate) async fn grant(
    State(api): State<Api>,
    id: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["at"], move |_api, past, _params| {
        let id = event_id(&id)?;
        let record = past.registry.grant(id).ok_or(Error::Unknown("grant"))?;
        let json = |record| grant_json(record, &past.registry, past.now);
        let mut answer = json(record);
        let children = past.registry.grants();
        let children = children.into_iter().filter(|child| child.grant.parent == Some(id));
        set(&mut answer, "children", children.map(json).collect::<Value>());
        Ok(past.answer(answer))
    })
    .await
}

fn event_id(id: &Segment) -> Result<EventId, Error> {
    EventId::parse(&id.0).ok_or(Error::InvalidParameter { param: "id", expected: "an event id" })
}

/// `policies`.
pub(crate) async fn policies(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    past(api, params, &["after", "limit", "at"], move |_api, past, params| {
        let known = past.registry.policies();
        let rows = known.into_iter().map(|known| (known.digest.to_string(), known));
        page(past, params, rows.collect(), |known| Ok(policy_json(known)))
    })
    .await
}

/// `policies/{digest}`, with its text.
pub(crate) async fn policy(
    State(api): State<Api>,
    digest: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["at"], move |api, past, _params| {
        let expected = "64 hex digits";
        let digest = schemas::id::Digest::from_hex(&digest.0)
            .ok_or(Error::InvalidParameter { param: "digest", expected })?;
        let record = past.registry.policy(&digest).ok_or(Error::Unknown("policy"))?;
        let mut json = policy_json(record);
        let text = super::texts::text(&api.ledger, record.registered)?;
        set(&mut json, "text", text);
        Ok(past.answer(json))
    })
    .await
}

/// `proposals`: `?open=true` those that wait for approvals.
pub(crate) async fn proposals(
    State(api): State<Api>,
    params: Params,
) -> Result<Json<Value>, Error> {
    past(api, params, &["after", "limit", "at", "open"], move |_api, past, params| {
        let open = params.flag("open")?;
        let mut known = past.registry.proposals();
        known.retain(|record| !open || record.in_force.is_none());
        let rows = known.into_iter().map(|record| (record.id.to_string(), record));
        let mut answer = page(past, params, rows.collect(), |record| Ok(proposal_json(record)))?;
        set(&mut answer, "quorum", past.registry.quorum());
        set(&mut answer, "operators", past.registry.operators(past.now));
        Ok(answer)
    })
    .await
}

/// `freezes`: those in force; `?all=true` with those that were lifted.
pub(crate) async fn freezes(State(api): State<Api>, params: Params) -> Result<Json<Value>, Error> {
    past(api, params, &["at", "all"], move |_api, past, params| {
        let all = params.flag("all")?;
        let known = past.registry.freezes().iter().filter(|freeze| all || freeze.lifted.is_none());
        let items: Vec<_> = known.map(freeze_json).collect();
        Ok(past.answer(json!({ "items": items })))
    })
    .await
}
