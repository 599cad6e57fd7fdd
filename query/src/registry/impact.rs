//! What would stop working if an agent were disabled.

use std::collections::BTreeSet;

use ledger::{Ledger, ReadError};
use schemas::id::{Micros, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{IMPACT_LOOKS_MAX, QUERY_SCAN_MAX, SESSION_SCAN_MAX};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use super::view::grant_json;
use crate::accepted::{newest_first, term};
use crate::source::Source;

/// The live sessions, child grants and credential sharers of an agent; `None` if nobody registered it.
///
/// # Errors
/// [`ReadError`].
pub fn impact(ledger: &Ledger, agent: &str, now: Micros) -> Result<Option<Value>, ReadError> {
    let size = ledger.head().size;
    let registry = ledger.registry()?;
    let Some(record) = registry.agent(agent) else { return Ok(None) };
    let children = registry.grants();
    let children =
        children.into_iter().filter(|grant| grant.by == agent && registry.is_alive(grant, now));
    let grants: Vec<_> = children.map(|grant| grant_json(grant, &registry, now)).collect();
    let mut sharers = Vec::new();
    for credential in registry.credentials() {
        if !credential.in_force().any(|holder| holder.agent == agent) {
            continue;
        }
        let mut others: BTreeSet<_> =
            credential.in_force().map(|holder| holder.agent.clone()).collect();
        others.extend(users(ledger, &credential.id, size)?);
        others.remove(agent);
        let sharer = |other| json!({ "credential": credential.id, "agent": other });
        sharers.extend(others.into_iter().map(sharer));
    }
    Ok(Some(json!({
        "agent": agent,
        "state": record.state.as_str(),
        "sessions": live_sessions(ledger, agent, size)?,
        "grants": grants,
        "sharers": sharers,
    })))
}

/// Agents in the newest entries that name a credential.
fn users(ledger: &Ledger, credential: &str, size: TreeSize) -> Result<BTreeSet<String>, ReadError> {
    let mut found = BTreeSet::new();
    newest_first(ledger, term(ledger, Key::Cred, credential), size, IMPACT_LOOKS_MAX, |entry| {
        let body = entry.body().filter(|body| body.kind().is_action());
        found.extend(body.and_then(|body| body.agent().map(str::to_owned)));
        Ok(true)
    })?;
    Ok(found)
}

/// Sessions that an agent declared and did not end, the newest first.
pub(crate) fn live_sessions(
    ledger: &Ledger,
    agent: &str,
    size: TreeSize,
) -> Result<Vec<Value>, ReadError> {
    let starts = Source::All(vec![
        term(ledger, Key::Signer, agent),
        term(ledger, Key::Kind, Kind::SessionStart.as_str()),
    ]);
    let mut live = Vec::new();
    newest_first(ledger, starts, size, SESSION_SCAN_MAX, |entry| {
        if let Some(body) = entry.body()
            && let Some(session) = body.session()
            && !has_ended(ledger, &session.to_string(), agent, size)?
        {
            live.push(json!({
                "session": session.to_string(),
                "started": entry.leaf.index.0,
                "since": time_json(entry.leaf.received_at),
                "correlation": body.correlation(),
                "task": body.text("task.summary"),
            }));
        }
        Ok(true)
    })?;
    Ok(live)
}

fn has_ended(
    ledger: &Ledger,
    session: &str,
    agent: &str,
    size: TreeSize,
) -> Result<bool, ReadError> {
    let ends = Source::All(vec![
        term(ledger, Key::Session, session),
        term(ledger, Key::Signer, agent),
        term(ledger, Key::Kind, Kind::SessionEnd.as_str()),
    ]);
    let mut ended = false;
    newest_first(ledger, ends, size, QUERY_SCAN_MAX, |_end| {
        ended = true;
        Ok(false)
    })?;
    Ok(ended)
}
