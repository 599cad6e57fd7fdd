//! The JSON form of entries, leaves and replies that the API, the tail and the command line share.

use serde_json::{Value as Json, json};

use crate::body::Body;
use crate::id::{ChainHash, hex};
use crate::leaf::Leaf;
use crate::reject::{Cause, Reject};
use crate::reply::{Fate, Outcome, Reply};
use crate::shape::time_json;

/// What is known of an entry's body.
#[derive(Debug)]
pub enum Content<'a> {
    /// Signed by the key that the statement names.
    Signed(Body<'a>),
    /// Erased, with what the ledger left of it; the digest in the leaf still commits to it.
    Redacted(Option<Body<'a>>),
    /// Refused: why, and names that nobody has verified.
    Refused {
        /// Where the fault lay; empty where nobody vouches for it.
        cause: Cause,
        /// The body as far as its signature is valid.
        signed: Option<Body<'a>>,
        /// Unverified names.
        claimed: Vec<String>,
    },
}

/// An entry.
#[must_use]
pub fn entry(leaf: &Leaf, chain: &ChainHash, content: &Content<'_>) -> Json {
    let mut json = json!({
        "index": leaf.index.0,
        "received_at": time_json(leaf.received_at),
        "status": leaf.status.as_str(),
        "id": leaf.id.map(|id| id.to_string()),
        "previous": leaf.previous.to_string(),
        "chain": chain.to_string(),
        "statement": leaf.statement.to_string(),
        "body_digest": leaf.body.to_string(),
        "position": leaf.position,
        "counts": counts(leaf),
    });
    let (cause, body, claimed, redacted) = match content {
        Content::Signed(body) => (None, Some(body), None, false),
        Content::Redacted(left) => (None, left.as_ref(), None, true),
        Content::Refused { cause, signed, claimed } => {
            (Some(cause), signed.as_ref(), Some(claimed), false)
        }
    };
    if let Some(cause) = cause.filter(|cause| !cause.path.is_empty()) {
        set(&mut json, "cause", json!({ "path": cause.path, "expected": cause.expected }));
    }
    if let Some(claimed) = claimed.filter(|names| !names.is_empty()) {
        set(&mut json, "claimed", json!(claimed));
    }
    if redacted {
        set(&mut json, "redacted", true.into());
    }
    set(&mut json, "body", body.map_or(Json::Null, Body::to_json));
    json
}

fn counts(leaf: &Leaf) -> Json {
    let counts = &leaf.counts;
    json!({ "agent": counts.agent, "session": counts.session, "correlation": counts.correlation })
}

fn set(json: &mut Json, key: &str, value: Json) {
    if let Json::Object(object) = json {
        object.insert(key.to_owned(), value);
    }
}

/// A leaf, with its bytes and its link of the chain.
#[must_use]
pub fn leaf(leaf: &Leaf, bytes: &[u8], chain: &ChainHash) -> Json {
    json!({
        "index": leaf.index.0,
        "previous": leaf.previous.to_string(),
        "received_at": time_json(leaf.received_at),
        "status": leaf.status.code(),
        "statement": leaf.statement.to_string(),
        "body": leaf.body.to_string(),
        "position": leaf.position,
        "id": leaf.id.map(|id| id.to_string()),
        "counts": counts(leaf),
        "source": leaf.source.map(|source| json!({
            "epoch": hex(&source.epoch), "sequence": source.sequence,
        })),
        "bytes": hex(bytes),
        "chain": chain.to_string(),
    })
}

/// A reply to a publisher.
#[must_use]
pub fn reply(reply: &Reply) -> Json {
    let outcomes: Vec<_> = reply.outcomes.iter().map(outcome).collect();
    json!({ "message": reply.message.to_string(), "outcomes": outcomes })
}

/// One item's end.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Json {
    let mut json = json!({
        "fate": match &outcome.fate {
            Fate::Committed(_) => "committed",
            Fate::Duplicate(_) => "duplicate",
            Fate::Rejected(_) => "rejected",
        },
        "index": outcome.index.0,
        "id": outcome.id.map(|id| id.to_string()),
        "leaf": hex(&outcome.leaf),
    });
    match &outcome.fate {
        Fate::Committed(receipt) | Fate::Duplicate(receipt) => {
            set(&mut json, "receipt", hex(receipt).into());
        }
        Fate::Rejected(refused) => {
            set(&mut json, "reason", refused.reason.as_str().into());
            set(&mut json, "cause", reject_cause(refused));
        }
    }
    json
}

fn reject_cause(reject: &Reject) -> Json {
    json!({ "path": reject.cause.path, "expected": reject.cause.expected })
}
