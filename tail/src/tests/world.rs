//! A ledger to read from.

use ed25519_dalek::SigningKey;
use ledger::{ColumnFamily, Config, Genesis, Ledger, Submission, Via, Writer};
use schemas::body::{self, Body};
use schemas::id::{BodyDigest, EventId, Micros, SignerId, Tenant, hex};
use schemas::key::PublicKey;
use schemas::limits::ITEMS_MAX;
use schemas::{json, submission};
use serde_json::json;

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

    fn body(&mut self) -> Vec<u8> {
        self.seq += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.seq.to_be_bytes());
        let body = body::from_json(&json!({
            "v": 1,
            "kind": "agent.registered",
            "id": EventId::new(self.now / 1000, &random).to_string(),
            "salt": hex(&[9; 16]),
            "tenant": "acme",
            "time": Micros(self.now).to_string(),
            "signer": "op",
            "session": hex(&[7; 16]),
            "seq": { "n": self.seq, "prev": self.previous.to_string() },
            "agent": { "id": format!("agent-{}", self.seq) },
            "owner": HOSTILE,
            "registry": { "purpose": HOSTILE },
        }))
        .unwrap();
        self.previous = Body::digest(&body);
        body
    }

    /// One commit of `count` entries, one `step_us` after the last.
    pub(crate) fn append(&mut self, count: usize, step_us: u64) {
        self.now += step_us;
        let bodies: Vec<_> = (0..count).map(|_| (self.body(), None)).collect();
        let (signer, tenant) = (SignerId::parse("op").unwrap(), Tenant::parse("acme").unwrap());
        let messages: Vec<_> = bodies
            .chunks(ITEMS_MAX)
            .map(|items| submission::sign(&self.operator, &signer, &tenant, items))
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
