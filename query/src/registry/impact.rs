//! What would stop working if an agent were disabled.

use std::collections::BTreeSet;

use ledger::{Ledger, ReadError};
use schemas::id::{Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{IMPACT_LOOKS_MAX, QUERY_SCAN_MAX, SESSION_SCAN_MAX};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use super::view::{grant_json, is_alive};
use crate::source::{Order, Seek, Source, Walk};

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
        children.into_iter().filter(|grant| grant.by == agent && is_alive(grant, &registry, now));
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
    let mut source = Source::Term(Box::new(ledger.postings(Key::Cred, credential)));
    let mut walk = Walk::new(Order::Newest, IMPACT_LOOKS_MAX);
    let (mut at, mut found) = (size.0.checked_sub(1), BTreeSet::new());
    while let Some(from) = at {
        let Seek::At(index) = source.seek(from, &mut walk)? else { break };
        if let Some(entry) = ledger.entry(Index(index))?
            && entry.leaf.status == Status::Accepted
            && let Some(body) = entry.body()
            && body.kind().is_action()
        {
            found.extend(body.agent().map(str::to_owned));
        }
        at = Order::Newest.beyond(index);
    }
    Ok(found)
}

/// Sessions that an agent declared and did not end, the newest first.
pub(crate) fn live_sessions(
    ledger: &Ledger,
    agent: &str,
    size: TreeSize,
) -> Result<Vec<Value>, ReadError> {
    let term = |key, value: &str| Source::Term(Box::new(ledger.postings(key, value)));
    let starts = term(Key::Kind, Kind::SessionStart.as_str());
    let mut source = Source::All(vec![term(Key::Signer, agent), starts]);
    let mut walk = Walk::new(Order::Newest, SESSION_SCAN_MAX);
    let (mut at, mut live) = (size.0.checked_sub(1), Vec::new());
    while let Some(from) = at {
        let Seek::At(index) = source.seek(from, &mut walk)? else { break };
        if let Some(entry) = ledger.entry(Index(index))?
            && entry.leaf.status == Status::Accepted
            && let Some(body) = entry.body()
            && let Some(session) = body.session()
            && !has_ended(ledger, &session.to_string(), agent, size)?
        {
            live.push(json!({
                "session": session.to_string(),
                "started": index,
                "since": time_json(entry.leaf.received_at),
                "correlation": body.correlation(),
                "task": body.text("task.summary"),
            }));
        }
        at = Order::Newest.beyond(index);
    }
    Ok(live)
}

fn has_ended(
    ledger: &Ledger,
    session: &str,
    agent: &str,
    size: TreeSize,
) -> Result<bool, ReadError> {
    let term = |key, value: &str| Source::Term(Box::new(ledger.postings(key, value)));
    let ends = term(Key::Kind, Kind::SessionEnd.as_str());
    let mut source = Source::All(vec![term(Key::Session, session), term(Key::Signer, agent), ends]);
    let mut walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
    let mut at = 0;
    while let Seek::At(index) = source.seek(at, &mut walk)? {
        if index >= size.0 {
            break;
        }
        if ledger.leaf(Index(index))?.status == Status::Accepted {
            return Ok(true);
        }
        at = index + 1;
    }
    Ok(false)
}
