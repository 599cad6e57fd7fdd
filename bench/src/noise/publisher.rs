//! Whoever publishes: a key, sessions, and the numbers in them.

use std::collections::HashMap;

use ed25519_dalek::SigningKey;
use schemas::body::{self, Body};
use schemas::id::{BodyDigest, EventId, Kid, SignerId, hex, sha256};
use schemas::key::PublicKey;
use schemas::submission;
use serde_json::{Value as Json, json};

use crate::events::tenant;

/// A session's id.
pub(crate) type Session = [u8; 16];

/// A publisher.
pub(crate) struct Publisher {
    pub(crate) id: SignerId,
    pub(crate) is_agent: bool,
    key: SigningKey,
    /// Number and digest of the last body of each session that has not ended.
    sessions: HashMap<Session, (u64, BodyDigest)>,
    /// What the next session says of the last one.
    previous: Json,
}

impl Publisher {
    pub(crate) fn new(id: &str, is_agent: bool) -> Self {
        Self {
            id: SignerId::parse(id).expect("a valid id"),
            is_agent,
            key: SigningKey::from_bytes(&sha256(id.as_bytes())),
            sessions: HashMap::new(),
            previous: json!("none"),
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    pub(crate) fn kid(&self) -> Kid {
        self.public().kid()
    }

    /// Bytes of the next body of a session.
    pub(crate) fn body(&mut self, at: u64, id: EventId, session: Session, fields: Json) -> Vec<u8> {
        let (n, prev) = self.sessions.get(&session).copied().unwrap_or((0, BodyDigest::ZERO));
        let mut common = json!({
            "v": 1, "id": id.to_string(), "salt": hex(&session), "tenant": tenant().as_str(),
            "time": at, "session": hex(&session), "seq": {"n": n + 1, "prev": prev.to_string()},
        });
        let kind = fields.get("kind").and_then(Json::as_str).unwrap_or_default().to_owned();
        let Some(event) = common.as_object_mut() else { return Vec::new() };
        match self.is_agent {
            true => event.insert("agent".to_owned(), json!({"id": self.id.as_str()})),
            false => event.insert("signer".to_owned(), self.id.as_str().into()),
        };
        if kind == "session.start" {
            event.insert("previous".to_owned(), self.previous.clone());
        }
        if let Json::Object(fields) = fields {
            event.extend(fields);
        }
        let bytes = body::from_json(&common).expect("a valid event");
        let digest = Body::digest(&bytes);
        self.previous = json!({"session": hex(&session), "n": n + 1, "digest": digest.to_string()});
        if kind == "session.end" {
            self.sessions.remove(&session);
        } else {
            self.sessions.insert(session, (n + 1, digest));
        }
        bytes
    }

    /// A submission of these bodies, through a manifest if they are several.
    pub(crate) fn sign_all(&self, bodies: Vec<Vec<u8>>) -> Vec<u8> {
        let items: Vec<_> = bodies.into_iter().map(|body| (body, None)).collect();
        submission::sign(&self.key, &self.id, &tenant(), &items)
    }

    /// A submission of one body.
    pub(crate) fn sign(&self, body: Vec<u8>, detail: Option<Vec<u8>>) -> Vec<u8> {
        submission::sign(&self.key, &self.id, &tenant(), &[(body, detail)])
    }
}
