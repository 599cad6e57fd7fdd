//! A ledger to read from.

use ed25519_dalek::SigningKey;
use ledger::{ColumnFamily, Config, Genesis, Ledger, Submission, Via, Writer};
use schemas::body::{self, Body};
use schemas::id::{BodyDigest, EventId, Micros, SignerId, Tenant, hex};
use schemas::key::PublicKey;
use schemas::limits::ITEMS_MAX;
use schemas::{json, submission};
use serde_json::{Value as Json, json};

/// When the ledger begins, in microseconds.
pub(super) const START: u64 = 1_775_000_000_000_000;
/// Text that would forge events, if text could.
pub(super) const HOSTILE: &str = "x\r\nid: 9.9.9\n\nevent: bye\ndata: {}\n\n\u{2028}\u{85}";
/// A ledger with one operator who registers agents.
pub(crate) struct World {
    writer: Writer,
    config: Config,
    key: SigningKey,
    operator: SigningKey,
    now: u64,
    seq: u64,
    previous: BodyDigest,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(seed: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            store: directory.path().join("store"),
            mark: directory.path().join("mark").join("head"),
        };
        let operator = SigningKey::from_bytes(&[seed; 32]);
        let genesis = Genesis {
            tenant: Tenant::parse("acme").unwrap(),
            host: "ledger.example".into(),
            operator: SignerId::parse("op").unwrap(),
            operator_key: PublicKey::of(&operator),
            clock_start: None,
            finds: false,
        };
        let key = SigningKey::from_bytes(&[seed + 1; 32]);
        let writer = ledger::create(&config, key.clone(), &genesis, Micros(START)).unwrap();
        Self {
            writer,
            config,
            key,
            operator,
            now: START,
            seq: 0,
            previous: BodyDigest::ZERO,
            _directory: directory,
        }
    }

    /// The same, opened anew after somebody changed a byte of the body at `index`.
    pub(super) fn tampered(self, index: usize) -> Self {
        drop(self.writer);
        ledger::tamper(&self.config.store, ColumnFamily::Bodies, index, 40).unwrap().unwrap();
        let writer = ledger::open(&self.config, self.key.clone()).unwrap();
        Self { writer, ..self }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.writer.ledger()
    }

    /// The operator's next body, with the fields that all have.
    fn body(&mut self, event: Json) -> Vec<u8> {
        self.seq += 1;
        let body = filled(event, self.now, "op", (self.seq, self.previous));
        self.previous = Body::digest(&body);
        body
    }

    fn registration(&mut self) -> Vec<u8> {
        let agent = format!("agent-{}", self.seq + 1);
        self.body(json!({
            "kind": "agent.registered",
            "agent": { "id": agent },
            "owner": HOSTILE,
            "registry": { "purpose": HOSTILE },
        }))
    }

    /// One commit of `count` entries, one `step_us` after the last.
    pub(crate) fn append(&mut self, count: usize, step_us: u64) {
        self.now += step_us;
        let bodies: Vec<_> = (0..count).map(|_| self.registration()).collect();
        self.commit(&self.operator.clone(), "op", bodies);
    }

    /// A commit of what an agent of its own is about to do, which may be erased; gives its index.
    pub(crate) fn act(&mut self) -> u64 {
        let key = SigningKey::from_bytes(&[99; 32]);
        let public = hex(PublicKey::of(&key).as_bytes());
        let registered =
            json!({ "kind": "agent.registered", "agent": { "id": "actor" }, "owner": "ops" });
        let enrolled =
            json!({ "kind": "key.enrolled", "registry": { "signer": "actor", "key": public } });
        self.now += 1;
        let bodies = vec![self.body(registered), self.body(enrolled)];
        self.commit(&self.operator.clone(), "op", bodies);
        let intent = json!({
            "kind": "action.intent", "agent": { "id": "actor" }, "correlation": "w",
            "action": { "name": "email.send", "class": "communication", "system": "mail",
                        "target": "finance@example.com" },
            "mode": "self", "credential": { "id": "cred-1" }, "scope": ["email.send"],
            "environment": "production", "prompt": "none", "input": "none",
            "principals": [{ "type": "agent", "id": "actor" }],
        });
        let body = filled(intent, self.now, "actor", (1, BodyDigest::ZERO));
        self.commit(&key, "actor", vec![body]);
        self.ledger().head().size.0 - 1
    }

    /// Erases the body of an entry.
    pub(crate) fn redact(&mut self, index: u64) {
        let redact = json!({ "ranges": [[index, index]], "parts": ["body"], "basis": "gdpr-17" });
        self.now += 1;
        let body = self.body(json!({ "kind": "redaction", "redact": redact }));
        self.commit(&self.operator.clone(), "op", vec![body]);
    }

    fn commit(&mut self, key: &SigningKey, signer: &str, bodies: Vec<Vec<u8>>) {
        let (signer, tenant) = (SignerId::parse(signer).unwrap(), Tenant::parse("acme").unwrap());
        let items: Vec<_> = bodies.into_iter().map(|body| (body, None)).collect();
        let messages: Vec<_> = items
            .chunks(ITEMS_MAX)
            .map(|items| submission::sign(key, &signer, &tenant, items))
            .collect();
        let keys = self.ledger().key_set();
        let batch = messages.iter().map(|message| Submission {
            message,
            via: Via::default(),
            checked: ledger::check(message, &keys),
        });
        let committed = self.writer.append(batch.collect(), Micros(self.now), &[]).unwrap();
        let fates = committed.replies.iter().flat_map(|reply| &reply.outcomes);
        for outcome in fates {
            assert_eq!(json::outcome(outcome)["fate"], "committed", "{outcome:?}");
        }
    }
}

/// A body with the fields that all have, of a signer's `n`-th event after `previous`.
fn filled(mut event: Json, now: u64, signer: &str, (n, previous): (u64, BodyDigest)) -> Vec<u8> {
    let mut random = [0; 10];
    random[0] = u8::from(signer == "op");
    random[2..].copy_from_slice(&n.to_be_bytes());
    let common = json!({
        "v": 1,
        "id": EventId::new(now / 1000, &random).to_string(),
        "salt": hex(&[9; 16]),
        "tenant": "acme",
        "time": Micros(now).to_string(),
        "session": hex(&[7; 16]),
        "seq": { "n": n, "prev": previous.to_string() },
    });
    let fields = event.as_object_mut().unwrap();
    fields.extend(common.as_object().unwrap().clone());
    // An agent's own event names it already.
    if fields.get("agent").is_none_or(|agent| agent["id"] != signer) {
        fields.insert("signer".to_owned(), signer.into());
    }
    body::from_json(&event).unwrap()
}
