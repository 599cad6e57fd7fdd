//! The JSON form of entries, leaves and replies that the API, the tail and the command line share.

use serde::ser::{self, SerializeMap as _, Serializer};
use serde_json::{Value as Json, json};

use crate::id::{ChainHash, hex};
use crate::leaf::{Counts, Leaf};
use crate::reject::Cause;
use crate::reply::{Fate, Outcome, Reply};
use crate::shape::time_json;
use crate::shown::{Hex, to_json};
pub use crate::shown::{Time, Written};

/// What is known of an entry's body, which is a [`Body`](crate::body::Body) or its
/// [`Outline`](crate::outline::Outline).
#[derive(Debug)]
pub enum Content<B> {
    /// Signed by the key that the statement names.
    Signed(B),
    /// Erased, with what the ledger left of it; the digest in the leaf still commits to it.
    Redacted(Option<B>),
    /// Refused: why, and names that nobody has verified.
    Refused {
        /// Where the fault lay; empty where nobody vouches for it.
        cause: Cause,
        /// The body as far as its signature is valid.
        signed: Option<B>,
        /// Unverified names.
        claimed: Vec<String>,
    },
}

impl<B> Content<B> {
    /// What somebody signed, be it refused or not: what was refused tells what was tried.
    #[must_use]
    pub fn said(&self) -> Option<&B> {
        match self {
            Self::Signed(body) | Self::Refused { signed: Some(body), .. } => Some(body),
            Self::Redacted(_) | Self::Refused { signed: None, .. } => None,
        }
    }
}

/// An entry, which serialises as its JSON form.
#[derive(Clone, Copy, Debug)]
pub struct EntryView<'a, B> {
    /// Its leaf.
    pub leaf: &'a Leaf,
    /// The chain hash over it.
    pub chain: &'a ChainHash,
    /// What is known of its body.
    pub content: &'a Content<B>,
    /// Whether what is kept as its body is another one, so that nothing is known of it.
    pub is_damaged: bool,
}

impl<B: ser::Serialize> ser::Serialize for EntryView<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let leaf = self.leaf;
        let (cause, body, claimed, redacted) = match self.content {
            Content::Signed(body) => (None, Some(body), None, false),
            Content::Redacted(left) => (None, left.as_ref(), None, !self.is_damaged),
            Content::Refused { cause, signed, claimed } => {
                (Some(cause), signed.as_ref(), Some(claimed), false)
            }
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("index", &leaf.index.0)?;
        map.serialize_entry("received_at", &Time(leaf.received_at))?;
        map.serialize_entry("status", leaf.status.as_str())?;
        map.serialize_entry("id", &leaf.id.map(Written))?;
        map.serialize_entry("previous", &Hex(leaf.previous.as_bytes()))?;
        map.serialize_entry("chain", &Hex(self.chain.as_bytes()))?;
        map.serialize_entry("statement", &Hex(leaf.statement.as_bytes()))?;
        map.serialize_entry("body_digest", &Hex(leaf.body.as_bytes()))?;
        map.serialize_entry("position", &leaf.position)?;
        map.serialize_entry("counts", &CountsView(&leaf.counts))?;
        if let Some(cause) = cause.filter(|cause| !cause.path.is_empty()) {
            map.serialize_entry("cause", &cause_json(cause))?;
        }
        if let Some(claimed) = claimed.filter(|names| !names.is_empty()) {
            map.serialize_entry("claimed", claimed)?;
        }
        if redacted {
            map.serialize_entry("redacted", &true)?;
        }
        map.serialize_entry("body", &body)?;
        if self.is_damaged {
            map.serialize_entry("damaged", &true)?;
        }
        map.end()
    }
}

impl<B: ser::Serialize> EntryView<'_, B> {
    /// As a value.
    #[must_use]
    pub fn to_json(&self) -> Json {
        to_json(self)
    }

    /// As text, without a value of it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("text keys and no failing parts")
    }
}

/// An entry.
#[must_use]
pub fn entry<B: ser::Serialize>(leaf: &Leaf, chain: &ChainHash, content: &Content<B>) -> Json {
    EntryView { leaf, chain, content, is_damaged: false }.to_json()
}

struct CountsView<'a>(&'a Counts);

impl ser::Serialize for CountsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Counts { agent, session, correlation } = self.0;
        serializer.collect_map([
            ("agent", agent),
            ("session", session),
            ("correlation", correlation),
        ])
    }
}

fn cause_json(cause: &Cause) -> Json {
    json!({ "path": cause.path, "expected": cause.expected })
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
        "counts": to_json(&CountsView(&leaf.counts)),
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
            set(&mut json, "cause", cause_json(&refused.cause));
        }
    }
    json
}
