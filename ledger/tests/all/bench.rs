//! A ledger in a temporary directory, and signers that publish to it directly.

use std::path::Path;

use ed25519_dalek::SigningKey;
use ledger::{Committed, Config, Genesis, Submission, Via, Writer, check};
use schemas::body;
use schemas::id::{BodyDigest, EventId, Micros, SignerId, Tenant};
use schemas::key::PublicKey;
use schemas::reply::{Outcome, Reply};
use schemas::submission;
use serde_json::{Value, json};

pub(crate) const START: Micros = Micros(1_775_599_200_000_000);

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn config(directory: &Path) -> Config {
    Config { store: directory.join("store"), mark: directory.join("mark/test.note") }
}

pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) writer: Option<Writer>,
    pub(crate) now: Micros,
    pub(crate) operator: Signer,
}

/// A signer with its own chain and a deterministic source of ids.
pub(crate) struct Signer {
    pub(crate) id: SignerId,
    pub(crate) key: SigningKey,
    pub(crate) session: [u8; 16],
    pub(crate) n: u64,
    pub(crate) prev: BodyDigest,
}

impl Signer {
    pub(crate) fn new(id: &str, seed: u8) -> Self {
        Self {
            id: SignerId::parse(id).unwrap(),
            key: key(seed),
            session: [seed; 16],
            n: 0,
            prev: BodyDigest::ZERO,
        }
    }

    /// Body bytes of an event, its common fields filled in where they are absent.
    pub(crate) fn body(&mut self, mut event: Value) -> Vec<u8> {
        self.n += 1;
        let time = START.0 + self.n;
        let mut random = [self.session[0]; 10];
        random[..8].copy_from_slice(&self.n.to_be_bytes());
        let id = EventId::new(time / 1000, &random);
        let defaults = json!({
            "v": 1, "id": id.to_string(), "salt": "00".repeat(16), "tenant": "test", "time": time,
            "session": schemas::id::hex(&self.session),
            "seq": {"n": self.n, "prev": self.prev.to_string()},
        });
        let object = event.as_object_mut().unwrap();
        for (name, value) in defaults.as_object().unwrap() {
            object.entry(name).or_insert_with(|| value.clone());
        }
        let own =
            object.get("agent").and_then(|agent| agent["id"].as_str()) == Some(self.id.as_str());
        if !own {
            object.entry("signer").or_insert_with(|| json!(self.id.as_str()));
        }
        let bytes = body::from_json(&event).unwrap();
        self.prev = schemas::body::Body::digest(&bytes);
        bytes
    }

    pub(crate) fn sign(&self, items: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<u8> {
        submission::sign(&self.key, &self.id, &Tenant::parse("test").unwrap(), items)
    }

    pub(crate) fn event(&mut self, event: Value) -> Vec<u8> {
        let body = self.body(event);
        self.sign(&[(body, None)])
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::founded(false)
    }

    /// A ledger in which findings follow what breaks a rule.
    pub(crate) fn finding() -> Self {
        Self::founded(true)
    }

    fn founded(finds: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let operator = Signer::new("operator", 2);
        let genesis = Genesis {
            tenant: Tenant::parse("test").unwrap(),
            host: "ledger.example".to_owned(),
            operator: operator.id.clone(),
            operator_key: PublicKey::of(&operator.key),
            clock_start: None,
            finds,
        };
        let writer = ledger::create(&config(directory.path()), key(1), &genesis, START).unwrap();
        Self { directory, writer: Some(writer), now: START, operator }
    }

    pub(crate) fn config(&self) -> Config {
        config(self.directory.path())
    }

    pub(crate) fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    pub(crate) fn ledger(&mut self) -> ledger::Ledger {
        self.writer().ledger()
    }

    pub(crate) fn reopen(&mut self) {
        self.writer = None;
        self.writer = Some(ledger::open(&self.config(), key(1)).unwrap());
    }

    /// Commits messages as one batch, a hundredth of a second later.
    pub(crate) fn commit(&mut self, messages: &[Vec<u8>]) -> Committed {
        self.now.0 += 10_000;
        let now = self.now;
        let keys = self.ledger().key_set();
        let batch = messages
            .iter()
            .map(|message| Submission {
                message,
                via: Via::default(),
                checked: check(message, &keys),
            })
            .collect();
        self.writer().append(batch, now, &[]).unwrap()
    }

    pub(crate) fn one(&mut self, message: &[u8]) -> Outcome {
        let replies = self.commit(&[message.to_vec()]).replies;
        let [Reply { outcomes, .. }] = replies.as_slice() else { panic!("one reply") };
        outcomes[0].clone()
    }

    /// Registers an agent with its key; gives its signer.
    pub(crate) fn agent(&mut self, id: &str, seed: u8) -> Signer {
        let signer = Signer::new(id, seed);
        let registered = self.operator.event(json!({
            "kind": "agent.registered", "agent": {"id": id}, "owner": "team@example.com",
        }));
        let enrolled = self.operator.event(json!({
            "kind": "key.enrolled",
            "registry": {"signer": id, "key": schemas::id::hex(PublicKey::of(&signer.key).as_bytes())},
        }));
        self.commit(&[registered, enrolled]);
        signer
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
