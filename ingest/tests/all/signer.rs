//! Signers of events, each with its own chain and a deterministic source of ids.

use ed25519_dalek::SigningKey;
use schemas::body::{self, Body};
use schemas::id::{BodyDigest, EventId, SignerId, Tenant, hex};
use schemas::key::PublicKey;
use schemas::submission;
use serde_json::{Value, json};

use crate::world::START;

pub(crate) struct Signer {
    pub(crate) id: SignerId,
    pub(crate) key: SigningKey,
    session: [u8; 16],
    n: u64,
    prev: BodyDigest,
}

pub(crate) fn key(seed: u16) -> SigningKey {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&seed.to_be_bytes());
    SigningKey::from_bytes(&bytes)
}

pub(crate) fn tenant() -> Tenant {
    Tenant::parse("test").unwrap()
}

impl Signer {
    pub(crate) fn new(id: &str, seed: u16) -> Self {
        let id = SignerId::parse(id).unwrap();
        let mut session = [0; 16];
        session[..2].copy_from_slice(&seed.to_be_bytes());
        Self { id, key: key(seed), session, n: 0, prev: BodyDigest::ZERO }
    }

    /// Body bytes of an event, its common fields filled in.
    pub(crate) fn body(&mut self, mut event: Value) -> Vec<u8> {
        self.n += 1;
        let time = START.0 + self.n;
        let mut random = [0; 10];
        random[..2].copy_from_slice(&self.session[..2]);
        random[2..].copy_from_slice(&self.n.to_be_bytes());
        let id = EventId::new(time / 1000, &random);
        let common = json!({
            "v": 1, "id": id.to_string(), "salt": "00".repeat(16), "tenant": "test", "time": time,
            "session": hex(&self.session), "seq": {"n": self.n, "prev": self.prev.to_string()},
        });
        let object = event.as_object_mut().unwrap();
        object.extend(common.as_object().unwrap().clone());
        let agent = object.get("agent").and_then(|agent| agent["id"].as_str());
        if agent != Some(self.id.as_str()) {
            object.insert("signer".into(), json!(self.id.as_str()));
        }
        let bytes = body::from_json(&event).unwrap();
        self.prev = Body::digest(&bytes);
        bytes
    }

    pub(crate) fn sign(&self, bodies: Vec<Vec<u8>>) -> Vec<u8> {
        let items: Vec<_> = bodies.into_iter().map(|body| (body, None)).collect();
        submission::sign(&self.key, &self.id, &tenant(), &items)
    }

    pub(crate) fn event(&mut self, event: Value) -> Vec<u8> {
        let body = self.body(event);
        self.sign(vec![body])
    }

    /// What an agent is about to do.
    pub(crate) fn intent(&mut self) -> Value {
        let agent = self.id.as_str();
        json!({
            "kind": "action.intent", "agent": {"id": agent}, "correlation": "w",
            "action": {"name": "email.send", "class": "communication", "system": "mail",
                       "target": "finance@example.com"},
            "mode": "self", "credential": {"id": "cred-1"}, "scope": ["email.send"],
            "environment": "production", "prompt": "none", "input": "none",
            "principals": [{"type": "agent", "id": agent}],
        })
    }

    pub(crate) fn act(&mut self) -> Vec<u8> {
        let intent = self.intent();
        self.event(intent)
    }

    /// As an operator: an agent and its key.
    pub(crate) fn register(&mut self, agent: &Signer) -> [Vec<u8>; 2] {
        let (id, key) = (agent.id.as_str(), hex(PublicKey::of(&agent.key).as_bytes()));
        [
            self.event(json!({
                "kind": "agent.registered", "agent": {"id": id}, "owner": "team@example.com",
            })),
            self.event(json!({"kind": "key.enrolled", "registry": {"signer": id, "key": key}})),
        ]
    }

    pub(crate) fn disable(&mut self, agent: &Signer) -> Vec<u8> {
        self.event(json!({"kind": "agent.disabled", "agent": {"id": agent.id.as_str()}}))
    }
}
