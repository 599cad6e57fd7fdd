//! The workload: intents of 20 agents, as they would come from the broker.

use ed25519_dalek::SigningKey;
use schemas::body::{self, Body};
use schemas::id::{BodyDigest, EventId, SignerId, Tenant, hex};
use schemas::key::PublicKey;
use schemas::submission;
use serde_json::json;

/// Agents that sign.
const AGENTS: u8 = 20;
/// When the benchmark's clock stands, in microseconds: 2026-04-07T22:00:00Z.
pub(crate) const START_US: u64 = 1_775_599_200_000_000;

/// Signed submissions, and what they were signed with.
pub(crate) struct Workload {
    /// Submissions in the order in which they arrive.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Number of events in them.
    pub(crate) events: usize,
    /// Registrations that must come first.
    pub(crate) registrations: Vec<Vec<u8>>,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn tenant() -> Tenant {
    Tenant::parse("bench").expect("a valid tenant")
}

pub(crate) fn operator() -> (SignerId, SigningKey) {
    (SignerId::parse("operator").expect("a valid id"), key(2))
}

struct Publisher {
    id: SignerId,
    key: SigningKey,
    seed: u8,
    n: u64,
    prev: BodyDigest,
}

impl Publisher {
    fn new(id: &str, seed: u8) -> Self {
        let id = SignerId::parse(id).expect("a valid id");
        Self { id, key: key(seed), seed, n: 0, prev: BodyDigest::ZERO }
    }

    fn body(&mut self, mut event: serde_json::Value) -> Vec<u8> {
        self.n += 1;
        let time = START_US + self.n;
        let [a, b, c, d, e, f, g, h] = self.n.to_be_bytes();
        let id = EventId::new(time / 1000, &[self.seed, a, b, c, d, e, f, g, h, self.seed]);
        let common = json!({
            "v": 1, "id": id.to_string(), "salt": hex(blake3_salt(self.seed, self.n).as_slice()),
            "tenant": tenant().as_str(), "time": time, "session": hex(&[self.seed; 16]),
            "seq": {"n": self.n, "prev": self.prev.to_string()},
        });
        if let (Some(event), Some(common)) = (event.as_object_mut(), common.as_object()) {
            event.extend(common.clone());
        }
        let bytes = body::from_json(&event).expect("a valid event");
        self.prev = Body::digest(&bytes);
        bytes
    }

    fn sign(&self, bodies: Vec<Vec<u8>>) -> Vec<u8> {
        let items: Vec<_> = bodies.into_iter().map(|body| (body, None)).collect();
        submission::sign(&self.key, &self.id, &tenant(), &items)
    }
}

fn blake3_salt(seed: u8, n: u64) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    let digest = schemas::id::sha256(&[seed, a, b, c, d, e, f, g, h]);
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, ..] = digest;
    [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15]
}

impl Workload {
    /// About `events` intents, `batch` under one signature.
    pub(crate) fn new(events: usize, batch: usize) -> Self {
        let mut agents: Vec<_> =
            (0..AGENTS).map(|n| Publisher::new(&format!("agent-{n}"), 10 + n)).collect();
        let registrations = register(&agents);
        let batch = batch.clamp(1, 256);
        let mut messages = Vec::new();
        let mut made = 0;
        while made < events {
            for agent in &mut agents {
                let bodies = (0..batch).map(|n| agent.body(intent(&agent.id, made + n)));
                // The closure borrows the agent, so the bodies are collected before signing.
                let bodies: Vec<_> = bodies.collect();
                messages.push(agent.sign(bodies));
                made += batch;
                if made >= events {
                    break;
                }
            }
        }
        Self { messages, events: made, registrations }
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }
}

fn register(agents: &[Publisher]) -> Vec<Vec<u8>> {
    let mut operator = Publisher { key: operator().1, ..Publisher::new("operator", 2) };
    let mut messages = Vec::new();
    for agent in agents {
        let id = agent.id.as_str();
        let public = PublicKey::of(&agent.key);
        let registered = operator.body(json!({
            "kind": "agent.registered", "signer": "operator", "agent": {"id": id},
            "owner": "team@example.com",
        }));
        let enrolled = operator.body(json!({
            "kind": "key.enrolled", "signer": "operator",
            "registry": {"signer": id, "key": hex(public.as_bytes())},
        }));
        messages.extend([registered, enrolled].map(|body| operator.sign(vec![body])));
    }
    messages
}

fn intent(agent: &SignerId, n: usize) -> serde_json::Value {
    let digest = hex(&schemas::id::sha256(n.to_string().as_bytes()));
    json!({
        "kind": "action.intent",
        "agent": {"id": agent.as_str()},
        "correlation": format!("workflow-{}", n / 40),
        "action": {"name": "email.send", "class": "communication", "system": "mail",
                   "target": format!("customer-{}@example.com", n % 1000)},
        "mode": "self",
        "credential": {"id": "cred-mail-1"},
        "scope": ["email.send"],
        "environment": "production",
        "model": {"provider": "example", "name": "model-large", "version": "2026-03"},
        "tool": {"name": "mail.send"},
        "principals": [
            {"type": "human", "id": "oncall@example.com"},
            {"type": "agent", "id": agent.as_str(), "task": "send reminders"},
        ],
        "prompt": {"digest": digest, "size": 2048},
        "input": {"alg": "sha-256", "digest": digest, "size": 512},
    })
}
