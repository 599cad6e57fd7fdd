//! `threads/{message}`: the workflow that an inbound message belongs to, so that a reply joins what it answers.

use axum::Json;
use axum::extract::State;
use ledger::{Ledger, ReadError};
use schemas::leaf::Status;
use schemas::terms::Key;
use schemas::trigger::{correlation, message_id};
use serde_json::{Value, json};

use crate::api::{Api, as_of};
use crate::error::Error;
use crate::params::{Params, Segment};

/// Messages that one message may name as those before it.
const REFERENCES_MAX: usize = 64;
/// Entries with one message's id that are looked at for their workflow.
const LOOKS_MAX: usize = 16;

/// `?references=` the ids in the message's `References` and `In-Reply-To`, oldest first, with commas between them.
pub(crate) async fn one(
    State(api): State<Api>,
    message: Segment,
    params: Params,
) -> Result<Json<Value>, Error> {
    let params = params.only(&["channel", "references"])?;
    api.read(move |api| read_one(api, &message.0, &params)).await.map(Json)
}

fn read_one(api: &Api, message: &str, params: &Params) -> Result<Value, Error> {
    let channel = params.get("channel").unwrap_or("mail");
    let references = params.get("references").unwrap_or_default();
    let references: Vec<_> =
        references.split(',').map(message_id).filter(|id| !id.is_empty()).collect();
    if references.len() > REFERENCES_MAX {
        let expected = "at most 64 ids with commas between them";
        return Err(Error::InvalidParameter { param: "references", expected });
    }
    let head = api.ledger.head();
    let message = message_id(message);
    // The message itself first, for it may have been seen before; then what it answers, the nearest first.
    for id in std::iter::once(message).chain(references.iter().rev().copied()) {
        if let Some((index, known)) = workflow_of(&api.ledger, channel, id)? {
            return Ok(json!({
                "correlation": known, "known": true, "by": id, "index": index, "as_of": as_of(&head),
            }));
        }
    }
    // A thread of which nothing is known begins with its oldest message.
    let root = references.first().copied().unwrap_or(message);
    Ok(json!({
        "correlation": correlation(channel, root), "known": false, "by": root, "index": null,
        "as_of": as_of(&head),
    }))
}

/// The workflow of the first entry that brought this message in, or sent it out.
fn workflow_of(
    ledger: &Ledger,
    channel: &str,
    id: &str,
) -> Result<Option<(u64, String)>, ReadError> {
    let trigger = format!("{channel}/{id}");
    for (key, value) in [(Key::Trigger, trigger.as_str()), (Key::Ref, id)] {
        let mut postings = ledger.postings(key, value);
        let mut at = 0;
        for _ in 0..LOOKS_MAX {
            let Some(index) = postings.at_or_after(at)? else { break };
            let entry = ledger.entry(index)?.filter(|entry| entry.leaf.status == Status::Accepted);
            let body = entry.as_ref().and_then(ledger::Entry::body);
            if let Some(correlation) = body.as_ref().and_then(|body| body.correlation()) {
                return Ok(Some((index.0, correlation.to_owned())));
            }
            at = index.0 + 1;
        }
    }
    Ok(None)
}
