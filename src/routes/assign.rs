//! Whose a finding is, and which route it therefore goes to: a function of the log and the configuration alone, so
//! that no two routes can disagree about it.

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Status;
use schemas::terms::Key;

use super::Route;

/// Route for findings that no other takes.
const REST: &str = "*";

/// Owner of the agent that a finding is about, as of the finding.
///
/// # Errors
/// [`ReadError`].
pub(super) fn owner(ledger: &Ledger, finding: &Entry) -> Result<Option<String>, ReadError> {
    let agent = finding.body().and_then(|body| body.agent().map(str::to_owned));
    agent.map_or(Ok(None), |agent| ledger.owner_at(&agent, finding.leaf.index))
}

/// Place among `routes` of an owner's findings at `index`: the route that is named for the owner, else the one that
/// the registry names, else the one for all others.
///
/// # Errors
/// [`ReadError`].
pub(super) fn place(
    ledger: &Ledger,
    routes: &[Route],
    owner: Option<&str>,
    index: Index,
) -> Result<Option<usize>, ReadError> {
    let named = |name: &str| routes.iter().position(|route| route.name == name);
    let own = owner.filter(|owner| *owner != REST).and_then(named);
    if own.is_some() {
        return Ok(own);
    }
    let registered = owner.map_or(Ok(None), |owner| registered(ledger, owner, index))?;
    Ok(registered.as_deref().and_then(named).or_else(|| named(REST)))
}

/// The route that the registry names for an owner, as of `index`.
fn registered(ledger: &Ledger, owner: &str, index: Index) -> Result<Option<String>, ReadError> {
    match ledger.principal(owner)? {
        None => Ok(None),
        Some(record) if record.changed <= index => Ok(record.route),
        Some(_) => {
            let then = ledger.registry_at(TreeSize(index.0))?;
            Ok(then.principal(owner).and_then(|known| known.route.clone()))
        }
    }
}

/// Whether how a finding's delivery ended is in the ledger.
///
/// # Errors
/// [`ReadError`].
pub(super) fn is_settled(
    ledger: &Ledger,
    finding: EventId,
    index: Index,
) -> Result<bool, ReadError> {
    let mut citing = ledger.postings(Key::Cause, &finding.to_string());
    let mut deliveries = ledger.postings(Key::Kind, Kind::Delivery.as_str());
    let mut at = index.0;
    loop {
        let Some(cited) = citing.at_or_after(at)? else { return Ok(false) };
        let Some(delivery) = deliveries.at_or_after(cited.0)? else { return Ok(false) };
        if cited == delivery {
            // Anyone may submit what looks like a delivery; it is refused, and its refusal is indexed.
            let entry = ledger.entry(cited)?;
            if entry.is_some_and(|entry| entry.leaf.status == Status::Accepted) {
                return Ok(true);
            }
        }
        at = delivery.0.max(cited.0.saturating_add(1));
    }
}
