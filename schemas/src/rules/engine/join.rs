//! Which intents an entry is about.
//!
//! An intent is joined by its event id, by a vendor's reference that something joined to it carries, or by its call
//! id; and only to what names the same agent, so that nobody hides behind another's.

use super::facts::Facts;
use super::intent::Intent;
use super::pack::Unpack;
use super::reference::Reference;
use super::rows::{Key, Rows, hash, key};
use crate::account::Account;
use crate::body::Body;
use crate::id::{EventId, Micros};
use crate::mark::{Mark, mark};

/// Key of an intent's row.
pub(crate) fn intent_key(id: EventId) -> Key {
    key(b'I', &id.0)
}

/// Key of a call's row.
pub(crate) fn call_key(agent: &str, call: &str) -> Key {
    key(b'C', &hash(agent, call))
}

/// Key of the row of a request that others call by this id, which is no event's.
pub(crate) fn alias_key(id: EventId) -> Key {
    request_key(id).with(b"=")
}

/// Key of a request's row, by its event.
pub(crate) fn request_key(id: EventId) -> Key {
    key(b'Q', &id.0)
}

/// The intent with this id, if it is this agent's, or anybody's where none is named.
pub(crate) fn intent<R: Rows>(
    rows: &mut R,
    id: EventId,
    agent: Option<Mark>,
) -> Result<Option<(EventId, Intent)>, R::Error> {
    let intent = rows.get(&intent_key(id))?.and_then(Intent::unpack);
    let own = |intent: &Intent| agent.is_none_or(|agent| agent == intent.agent);
    Ok(intent.filter(own).map(|intent| (id, intent)))
}

/// The intent that an outcome or a witness is of.
pub(crate) fn action<R: Rows>(
    rows: &mut R,
    facts: &Facts<'_>,
    reference: &Reference,
) -> Result<Option<(EventId, Intent)>, R::Error> {
    let account = Account::of(facts.kind, facts.signer, facts.agent);
    let Some(agent) = account.agent() else { return Ok(None) };
    for id in facts.causes() {
        if let Some(joined) = intent(rows, id, facts.of)? {
            return Ok(Some(joined));
        }
    }
    if let Some((id, _)) = reference.intent
        && let Some(joined) = intent(rows, id, facts.of)?
    {
        return Ok(Some(joined));
    }
    let Some(call) = facts.call else { return Ok(None) };
    let id = rows.get(&call_key(agent, call))?;
    match id.and_then(|row| Unpack::ending(row).array()) {
        Some(id) => intent(rows, EventId(id), facts.of),
        None => Ok(None),
    }
}

/// The intents among an entry's causes.
pub(crate) fn caused<R: Rows>(
    rows: &mut R,
    facts: &Facts<'_>,
) -> Result<Vec<(EventId, Intent)>, R::Error> {
    let mut joined = Vec::new();
    for id in facts.causes() {
        joined.extend(intent(rows, id, facts.of)?);
    }
    Ok(joined)
}

/// The intents that an approval decides, by its request or directly, and when the request says that it ends.
#[expect(clippy::type_complexity, reason = "two answers of one walk")]
pub(crate) fn decided<R: Rows>(
    rows: &mut R,
    agent: Option<&str>,
    body: &Body<'_>,
) -> Result<(Vec<(EventId, Intent)>, Option<Micros>), R::Error> {
    let request = body.event_id("approval.request");
    let (mut joined, mut ends) = (Vec::new(), None);
    let agent = agent.map(mark);
    for cited in body.causes().into_iter().chain(request) {
        let is_intent = rows.get(&intent_key(cited))?.is_some();
        let mut intents = vec![cited];
        // An id that a request only calls itself by never stands before the event that has it.
        let mut known = rows.get(&request_key(cited))?.map(<[u8]>::to_vec);
        if known.is_none() {
            known = rows.get(&alias_key(cited))?.map(<[u8]>::to_vec);
        }
        if let Some(row) = known {
            let mut row = Unpack::ending(&row);
            let until = row.u64().filter(|ends| *ends > 0).map(Micros);
            let asked: Vec<_> = std::iter::from_fn(|| row.array().map(EventId)).collect();
            // IMPORTANT: a request that has, or calls itself by, the id of an intent asks for that one and no other:
            // whoever sees the harmless one allows nothing else with it.
            if !is_intent || asked.contains(&cited) {
                ends = until.or(ends);
            }
            if !is_intent {
                intents.extend(asked);
            }
        }
        for id in intents {
            if joined.iter().all(|(known, _)| *known != id) {
                joined.extend(intent(rows, id, agent)?);
            }
        }
    }
    Ok((joined, ends))
}
