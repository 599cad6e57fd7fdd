//! Signers: agents, operators and services as tests need them, each with its own chain.

use std::path::Path;

use ed25519_dalek::SigningKey;
use schemas::body::{self, Body};
use schemas::id::{BodyDigest, EventId, SignerId, Tenant, hex};
use schemas::key::PublicKey;
use schemas::submission;
use serde_json::{Value, json};

/// Tenant of every test.
pub(crate) fn tenant() -> Tenant {
    Tenant::parse("test").unwrap()
}

/// A signer with its session.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) id: SignerId,
    pub(crate) key: SigningKey,
    session: [u8; 16],
    n: u64,
    prev: BodyDigest,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        Self::with_key(id, SigningKey::from_bytes(&seed))
    }

    /// With a key that it has already.
    pub(crate) fn with_key(id: &str, key: SigningKey) -> Self {
        let mut session = [0; 16];
        getrandom::fill(&mut session).unwrap();
        let id = SignerId::parse(id).unwrap();
        Self { id, key, session, n: 0, prev: BodyDigest::ZERO }
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// Writes the key file that the command line takes.
    pub(crate) fn save(&self, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let text = format!(
            "signer = \"{}\"\nkid = \"{}\"\npublic = \"{}\"\nseed = \"{}\"\n",
            self.id,
            self.public().kid(),
            hex(self.public().as_bytes()),
            hex(self.key.as_bytes()),
        );
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The event's JSON with the common fields filled in where they are absent.
    pub(crate) fn complete(&mut self, mut event: Value) -> Value {
        self.n += 1;
        let mut random = [0; 26];
        getrandom::fill(&mut random).unwrap();
        let (ten, salt) = random.split_first_chunk::<10>().unwrap();
        let now = jiff::Timestamp::now().as_microsecond().unsigned_abs();
        let defaults = json!({
            "v": 1, "id": EventId::new(now / 1000, ten).to_string(), "salt": hex(salt),
            "tenant": "test", "time": now, "session": hex(&self.session),
            "seq": {"n": self.n, "prev": self.prev.to_string()},
        });
        let object = event.as_object_mut().unwrap();
        for (name, value) in defaults.as_object().unwrap() {
            object.entry(name).or_insert_with(|| value.clone());
        }
        let agent = object.get("agent").and_then(|agent| agent["id"].as_str());
        if agent != Some(self.id.as_str()) {
            object.entry("signer").or_insert_with(|| json!(self.id.as_str()));
        }
        event
    }

    /// Body bytes of an event.
    pub(crate) fn body(&mut self, event: Value) -> Vec<u8> {
        let bytes = body::from_json(&self.complete(event)).unwrap();
        self.prev = Body::digest(&bytes);
        bytes
    }

    /// Submission bytes over bodies.
    pub(crate) fn sign(&self, bodies: &[Vec<u8>]) -> Vec<u8> {
        let items: Vec<_> = bodies.iter().map(|body| (body.clone(), None)).collect();
        submission::sign(&self.key, &self.id, &tenant(), &items)
    }

    /// Submission bytes of one event.
    pub(crate) fn event(&mut self, event: Value) -> Vec<u8> {
        let body = self.body(event);
        self.sign(&[body])
    }

    /// Registration of an agent and its key, signed by this operator.
    pub(crate) fn register(&mut self, agent: &Signer) -> [Vec<u8>; 2] {
        let id = agent.id.as_str();
        [
            self.event(json!({
                "kind": "agent.registered", "agent": {"id": id}, "owner": "team@example.com",
            })),
            self.event(json!({
                "kind": "key.enrolled",
                "registry": {"signer": id, "key": hex(agent.public().as_bytes())},
            })),
        ]
    }
}

/// An intent of the agent, in a workflow.
pub(crate) fn intent(agent: &str, workflow: &str) -> Value {
    json!({
        "kind": "action.intent", "agent": {"id": agent}, "correlation": workflow,
        "action": {"name": "email.send", "class": "communication", "system": "mail",
                   "target": "finance@example.com"},
        "mode": "self", "credential": {"id": "cred-1"}, "scope": ["email.send"],
        "environment": "production", "prompt": "none", "input": "none",
        "principals": [{"type": "agent", "id": agent}],
    })
}
