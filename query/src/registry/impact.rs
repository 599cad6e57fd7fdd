//! What would stop working if an agent were disabled.

use std::collections::BTreeSet;
use std::ops::Range;

use ledger::{Ledger, ReadError, TermRow};
use schemas::id::{Micros, SessionId, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::limits::{SESSION_DAYS_KEPT, SESSION_SCAN_MAX, SHADOW_NAMES_MAX};
use schemas::registry::Registry;
use schemas::shape::time_json;
use schemas::terms::Key;
use serde_json::{Value, json};

use super::view::grant_json;
use crate::accepted::each_newest_first;
use crate::source::{Order, Seek, Source, Walk};
use crate::terms::{term, term_row};

const DAY_US: u64 = 86_400_000_000;

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
    let sharers = sharers(ledger, &registry, agent, size)?;
    let sessions = live_sessions(ledger, agent, size, now)?;
    Ok(Some(json!({
        "agent": agent,
        "state": record.state.as_str(),
        "sessions": sessions.live,
        "grants": grants,
        "sharers": sharers.items,
        "incomplete": !(sharers.are_all && sessions.are_all),
    })))
}

/// Agents that use credentials of an agent.
struct Sharers {
    items: Vec<Value>,
    /// Whether all agents were looked at.
    are_all: bool,
}

/// Those that hold a credential of the agent's, and those that an action names with one.
fn sharers(
    ledger: &Ledger,
    registry: &Registry,
    agent: &str,
    size: TreeSize,
) -> Result<Sharers, ReadError> {
    let mut sharers = Sharers { items: Vec::new(), are_all: true };
    let held = registry.credentials();
    let held: Vec<_> =
        held.into_iter().filter(|known| known.in_force().any(|h| h.agent == agent)).collect();
    if held.is_empty() {
        return Ok(sharers);
    }
    let names = ledger.terms(Key::Agent, "", SHADOW_NAMES_MAX)?;
    sharers.are_all = names.len() < SHADOW_NAMES_MAX;
    let mut looks = Walk::of_query(Order::Newest);
    for credential in held {
        let mut users: BTreeSet<_> =
            credential.in_force().map(|holder| holder.agent.as_str()).collect();
        let used = term_row(ledger, Key::Cred, &credential.id)?;
        let meets = |row: &&TermRow| {
            used.as_ref().is_some_and(|used| row.first <= used.last && used.first <= row.last)
        };
        for row in names.iter().filter(meets) {
            let id =
                registry.known(&row.value).map_or(row.value.as_str(), |known| known.id.as_str());
            if looks.has_ended {
                sharers.are_all = false;
                break;
            }
            if !users.contains(id) {
                match is_used_by(
                    ledger,
                    (credential.id.as_str(), row.value.as_str()),
                    size,
                    &mut looks,
                )? {
                    Some(true) => {
                        users.insert(id);
                    }
                    Some(false) => {}
                    None => sharers.are_all = false,
                }
            }
        }
        users.remove(agent);
        let sharer = |other| json!({ "credential": credential.id, "agent": other });
        sharers.items.extend(users.into_iter().map(sharer));
    }
    Ok(sharers)
}

/// Whether an action names the agent and the credential; `None` where the looks ended before that was known.
fn is_used_by(
    ledger: &Ledger,
    (credential, agent): (&str, &str),
    size: TreeSize,
    looks: &mut Walk,
) -> Result<Option<bool>, ReadError> {
    let both = vec![term(ledger, Key::Cred, credential), term(ledger, Key::Agent, agent)];
    let mut is_used = false;
    let spent = each_newest_first(ledger, Source::All(both), 0..size.0, looks, |entry| {
        let body = entry.body().or_else(|| entry.residue());
        is_used = entry.leaf.status == Status::Accepted
            && body.is_some_and(|body| body.kind().is_action() && body.agent() == Some(agent));
        Ok(!is_used)
    })?;
    Ok(spent.is_none().then_some(is_used))
}

/// Sessions of an agent.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Those that it declared and did not end, the newest first.
    pub(crate) live: Vec<Value>,
    /// Whether all that it ever declared were looked at.
    pub(crate) are_all: bool,
}

/// The sessions that an agent declared and did not end. A newer one of which that is not known counts as live; of those
/// declared before [`SESSION_DAYS_KEPT`] the ones in which it still writes, as far as the looks reach.
pub(crate) fn live_sessions(
    ledger: &Ledger,
    agent: &str,
    size: TreeSize,
    now: Micros,
) -> Result<Sessions, ReadError> {
    let starts = Source::All(vec![
        term(ledger, Key::Signer, agent),
        term(ledger, Key::Kind, Kind::SessionStart.as_str()),
    ]);
    let since = ledger.index_at(Micros(now.0.saturating_sub(SESSION_DAYS_KEPT * DAY_US)))?;
    let [mut walk, mut looks] = [Walk::of_query(Order::Newest); 2];
    let (mut sessions, mut is_cut) = (Sessions { live: Vec::new(), are_all: true }, false);
    let spent = each_newest_first(ledger, starts, 0..size.0, &mut walk, |entry| {
        let is_new = entry.leaf.index >= since;
        is_cut = sessions.live.len() >= SESSION_SCAN_MAX || (looks.has_ended && !is_new);
        if is_cut {
            return Ok(false);
        }
        let body = entry.body().filter(|_| entry.leaf.status == Status::Accepted);
        let Some(body) = body else { return Ok(true) };
        let Some(session) = body.session() else { return Ok(true) };
        let ended = has_ended(ledger, (&session, agent), size, &mut looks)?;
        sessions.are_all &= ended.is_some();
        let lasts = is_new || has_entries(ledger, (&session, agent), since.0..size.0, &mut looks)?;
        if ended != Some(true) && lasts {
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
    sessions.are_all &= spent.is_none() && !is_cut;
    Ok(sessions)
}

/// Whether the looks find an entry of an agent's in its session within a range.
fn has_entries(
    ledger: &Ledger,
    (session, agent): (&SessionId, &str),
    range: Range<u64>,
    looks: &mut Walk,
) -> Result<bool, ReadError> {
    let Some(last) = range.end.checked_sub(1) else { return Ok(false) };
    let mut own = Source::All(vec![
        term(ledger, Key::Session, &session.to_string()),
        term(ledger, Key::Signer, agent),
    ]);
    let found = own.seek(last, looks)?;
    Ok(matches!(found, Seek::At(index) if range.contains(&index)))
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
