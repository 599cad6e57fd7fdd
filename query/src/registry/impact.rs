//! What would stop working if an agent were disabled.

use std::collections::BTreeSet;

use ledger::{Ledger, ReadError};
use schemas::id::{Micros, SessionId, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{IMPACT_LOOKS_MAX, SESSION_SCAN_MAX};
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use super::view::grant_json;
use crate::accepted::{each_newest_first, newest_first, term};
use crate::source::{Order, Source, Walk};

/// The live sessions, child grants and credential sharers of an agent; `None` if nobody registered it. `incomplete`
/// where there were too many entries to look at all of them.
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
    let (mut sharers, mut are_all) = (Vec::new(), true);
    for credential in registry.credentials() {
        if !credential.in_force().any(|holder| holder.agent == agent) {
            continue;
        }
        let mut others: BTreeSet<_> =
            credential.in_force().map(|holder| holder.agent.clone()).collect();
        let spent = users(ledger, &credential.id, size, &mut others)?;
        are_all &= spent.is_none();
        others.remove(agent);
        let sharer = |other| json!({ "credential": credential.id, "agent": other });
        sharers.extend(others.into_iter().map(sharer));
    }
    let sessions = live_sessions(ledger, agent, size)?;
    Ok(Some(json!({
        "agent": agent,
        "state": record.state.as_str(),
        "sessions": sessions.live,
        "grants": grants,
        "sharers": sharers,
        "incomplete": !(are_all && sessions.are_all),
    })))
}

/// Adds the agents in the newest entries that name a credential; returns where the looks ended, if they did.
fn users(
    ledger: &Ledger,
    credential: &str,
    size: TreeSize,
    found: &mut BTreeSet<String>,
) -> Result<Option<u64>, ReadError> {
    newest_first(ledger, term(ledger, Key::Cred, credential), size, IMPACT_LOOKS_MAX, |entry| {
        let body = entry.body().filter(|body| body.kind().is_action());
        found.extend(body.and_then(|body| body.agent().map(str::to_owned)));
        Ok(true)
    })
}

/// Sessions of an agent.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Those that it declared and did not end, the newest first.
    pub(crate) live: Vec<Value>,
    /// Whether all were looked at.
    pub(crate) are_all: bool,
}

/// The sessions that an agent declared and did not end. One of which that is not known counts as live.
pub(crate) fn live_sessions(
    ledger: &Ledger,
    agent: &str,
    size: TreeSize,
) -> Result<Sessions, ReadError> {
    let starts = Source::All(vec![
        term(ledger, Key::Signer, agent),
        term(ledger, Key::Kind, Kind::SessionStart.as_str()),
    ]);
    let mut looks = Walk::of_query(Order::Newest);
    let mut sessions = Sessions { live: Vec::new(), are_all: true };
    let spent = newest_first(ledger, starts, size, SESSION_SCAN_MAX, |entry| {
        let Some(body) = entry.body() else { return Ok(true) };
        let Some(session) = body.session() else { return Ok(true) };
        let ended = has_ended(ledger, (&session, agent), size, &mut looks)?;
        sessions.are_all &= ended.is_some();
        if ended != Some(true) {
            sessions.live.push(json!({
                "session": session.to_string(),
                "started": entry.leaf.index.0,
                "since": time_json(entry.leaf.received_at),
                "correlation": body.correlation(),
                "task": body.text("task.summary"),
            }));
        }
        Ok(true)
    })?;
    sessions.are_all &= spent.is_none();
    Ok(sessions)
}

/// Whether an agent ended its session; `None` where the looks ended before that was known.
fn has_ended(
    ledger: &Ledger,
    (session, agent): (&SessionId, &str),
    size: TreeSize,
    looks: &mut Walk,
) -> Result<Option<bool>, ReadError> {
    let ends = Source::All(vec![
        term(ledger, Key::Session, &session.to_string()),
        term(ledger, Key::Signer, agent),
        term(ledger, Key::Kind, Kind::SessionEnd.as_str()),
    ]);
    let mut ended = false;
    let spent = each_newest_first(ledger, ends, 0..size.0, looks, |end| {
        ended = end.leaf.status == Status::Accepted;
        Ok(!ended)
    })?;
    Ok(spent.is_none().then_some(ended))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn a_session_of_which_nothing_is_known_is_not_called_ended_or_live() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 9);
        let ledger = writer.ledger();
        let ended = |budget: usize| {
            let looks = &mut Walk::new(Order::Newest, budget);
            has_ended(&ledger, (&SessionId([1; 16]), "a"), TreeSize(9), looks).unwrap()
        };
        assert_eq!(ended(100), Some(false));
        assert_eq!(ended(0), None);
    }
}
