//! A small world in which entries are made from JSON and run through the rules, for the tests beside them.
//!
//! Two agents, `a` and `b`, with a session, a credential and a contract that permits everything on `sys`; a person, a
//! gate, a witness. In it nothing is flagged.

#![allow(
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use crate::body::{self, Body};
use crate::id::{BodyDigest, ChainHash, Digest, EventId, Index, Micros, SessionId, sha256};
use crate::kind::Kind;
use crate::leaf::{Counts, Leaf, Status};
use crate::registry::{ChainCheck, Registry};
use crate::reject::Reason;
use crate::rules::{DEADLINE, Deadline, Engine, Finding, Key, Rows, emptied};

/// Rows in memory.
#[derive(Default)]
pub(in crate::rules) struct Memory {
    pub(in crate::rules) rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(in crate::rules) ids: Vec<(EventId, String)>,
    pub(in crate::rules) gets: usize,
    pub(in crate::rules) puts: usize,
}

impl Memory {
    fn empty(&mut self, key: &[u8]) -> &mut Vec<u8> {
        self.puts += 1;
        emptied(self.rows.entry(key.to_vec()).or_default())
    }

    fn first_deadline(&self) -> Option<Deadline> {
        let (key, _) = self.rows.range(vec![DEADLINE]..).next()?;
        Deadline::from_slice(key).filter(|_| key.first() == Some(&DEADLINE))
    }
}

impl Rows for Memory {
    type Error = std::convert::Infallible;

    fn get(&mut self, key: &Key) -> Result<Option<&[u8]>, Self::Error> {
        self.gets += 1;
        Ok(self.rows.get(key.as_slice()).map(Vec::as_slice))
    }

    fn put(&mut self, key: Key) -> &mut Vec<u8> {
        self.empty(key.as_slice())
    }

    fn delete(&mut self, key: &Key) {
        self.rows.remove(key.as_slice());
    }

    fn put_deadline(&mut self, key: Deadline) -> &mut Vec<u8> {
        self.empty(key.as_slice())
    }

    fn next_deadline(&mut self) -> Result<Option<Micros>, Self::Error> {
        Ok(self.first_deadline().map(|key| key.time()))
    }

    fn take_deadline(&mut self, now: Micros) -> Result<Option<(Deadline, Vec<u8>)>, Self::Error> {
        let due = self.first_deadline().filter(|key| key.time() <= now);
        Ok(due.and_then(|key| Some((key, self.rows.remove(key.as_slice())?))))
    }

    fn is_taken(&mut self, id: EventId, signer: &str) -> Result<bool, Self::Error> {
        Ok(self.ids.iter().any(|(known, by)| *known == id && by != signer))
    }
}

impl Memory {
    /// Nothing but the rows is left.
    pub(in crate::rules) fn restart(&mut self) {
        let (rows, ids) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.ids));
        *self = Self { rows, ids, ..Self::default() };
    }
}

pub(in crate::rules) struct World {
    pub(in crate::rules) registry: Registry,
    engine: Engine,
    pub(in crate::rules) rows: Memory,
    pub(in crate::rules) now: Micros,
    index: u64,
    /// Number and digest of the last body of each signer's session.
    last: HashMap<(String, String), (u64, String)>,
    pub(in crate::rules) id: String,
    /// The last findings.
    pub(in crate::rules) found: Vec<Finding>,
}

pub(in crate::rules) fn time(text: &str) -> Micros {
    let at: jiff::Timestamp = text.parse().unwrap();
    Micros(u64::try_from(at.as_microsecond()).unwrap())
}

/// `fields` with those of `more` instead; null takes one away.
pub(in crate::rules) fn with(mut fields: Json, more: &Json) -> Json {
    for (name, value) in more.as_object().unwrap() {
        match value {
            Json::Null => drop(fields.as_object_mut().unwrap().remove(name)),
            value => fields[name] = value.clone(),
        }
    }
    fields
}

pub(in crate::rules) fn session(signer: &str) -> String {
    SessionId(sha256(signer.as_bytes())[..16].try_into().unwrap()).to_string()
}

pub(in crate::rules) fn action(name: &str, class: &str, target: &str) -> Json {
    json!({ "name": name, "class": class, "system": "sys", "target": target })
}

/// Names and details of findings.
pub(in crate::rules) fn names(found: &[Finding]) -> Vec<String> {
    let name = |finding: &Finding| {
        let detail = finding.detail.as_ref().map(|detail| format!(" {detail}"));
        let count = finding.count.map(|count| format!(" x{count}"));
        let [detail, count] = [detail, count].map(Option::unwrap_or_default);
        format!("{}{detail}{count}", finding.rule.name)
    };
    found.iter().map(name).collect()
}

impl World {
    /// Nobody but an operator.
    pub(in crate::rules) fn empty(at: &str) -> Self {
        let mut world = Self {
            registry: Registry::default(),
            engine: Engine::default(),
            rows: Memory::default(),
            now: time(at),
            index: 0,
            last: HashMap::new(),
            id: String::new(),
            found: Vec::new(),
        };
        world.principal("op", &["operator"]);
        world
    }

    pub(in crate::rules) fn new() -> Self {
        let mut world = Self::empty("2026-04-08T03:00:00Z");
        world.principal("human", &["human", "approver"]);
        world.principal("gate", &["gate"]);
        world.principal("proxy", &["witness", "service"]);
        world.principal("owner", &["owner"]);
        for agent in ["a", "b"] {
            world.agent(agent, "owner");
            world.contract(agent, "owner", &json!({}));
            assert_eq!(world.start(agent, &json!({})), [""; 0]);
        }
        world
    }

    pub(in crate::rules) fn principal(&mut self, id: &str, roles: &[&str]) {
        let registry = json!({ "id": id, "roles": roles });
        assert_eq!(
            self.entry("principal.registered", "op", json!({ "registry": registry })),
            [""; 0]
        );
    }

    /// An agent with a credential of its own, `cred-` and its name.
    pub(in crate::rules) fn agent(&mut self, id: &str, owner: &str) {
        let registered = json!({ "agent": { "id": id }, "owner": owner });
        assert_eq!(self.entry("agent.registered", "op", registered), [""; 0]);
        let credential = json!({ "id": format!("cred-{id}") });
        let registered = json!({ "agent": { "id": id }, "credential": credential });
        assert_eq!(self.entry("credential.registered", "op", registered), [""; 0]);
    }

    pub(in crate::rules) fn contract(
        &mut self,
        agent: &str,
        owner: &str,
        more: &Json,
    ) -> Vec<String> {
        let registry = json!({
            "digest": "07".repeat(32),
            "agent": {
                "name": agent, "owner": owner, "permissions": { "sys": ["*"] },
                "execution_mode": "autonomous",
            },
        });
        let registered = json!({
            "agent": { "id": agent }, "owner": owner, "registry": with(registry, more),
            "detail": "00".repeat(32),
        });
        self.entry("contract.registered", owner, registered)
    }

    pub(in crate::rules) fn start(&mut self, agent: &str, more: &Json) -> Vec<String> {
        let fields = json!({
            "agent": { "id": agent, "name": agent, "version": "1", "build": "none" },
            "correlation": "w", "task": { "digest": "05".repeat(32) },
            "model": { "provider": "p", "name": "m", "version": "1" },
            "contract": "07".repeat(32), "attestation": "none", "previous": "none",
        });
        self.entry("session.start", agent, with(fields, more))
    }

    pub(in crate::rules) fn intent(&mut self, agent: &str, more: &Json) -> Vec<String> {
        let fields = json!({
            "correlation": "w", "action": action("do", "read", "sys:x/y"), "mode": "self",
            "credential": { "id": format!("cred-{agent}") }, "scope": [], "environment": "test",
            "principals": [{ "type": "agent", "id": agent }], "prompt": "none", "input": "none",
        });
        self.entry("action.intent", agent, with(fields, more))
    }

    pub(in crate::rules) fn outcome(
        &mut self,
        agent: &str,
        intent: &str,
        more: &Json,
    ) -> Vec<String> {
        let fields = json!({
            "correlation": "w", "action": action("do", "read", "sys:x/y"), "causes": [intent],
            "credential": { "id": format!("cred-{agent}") },
            "principals": [{ "type": "agent", "id": agent }], "outcome": { "status": "confirmed" },
            "output": { "alg": "sha-256", "size": 1, "digest": "06".repeat(32) },
        });
        self.entry("action.outcome", agent, with(fields, more))
    }

    pub(in crate::rules) fn witness(
        &mut self,
        agent: &str,
        reference: &str,
        more: &Json,
    ) -> Vec<String> {
        let fields = json!({
            "agent": { "id": agent }, "action": action("do", "read", "sys:x/y"),
            "credential": { "id": format!("cred-{agent}") },
            "outcome": { "external_ref": reference },
        });
        self.entry("witness.observed", "proxy", with(fields, more))
    }

    pub(in crate::rules) fn verdict(
        &mut self,
        agent: &str,
        intent: &str,
        words: &[(&str, &str)],
    ) -> Vec<String> {
        let verdict = |(gate, decision): &(&str, &str)| json!({ "gate": gate, "decision": decision, "reason": "r" });
        let fields = json!({
            "agent": { "id": agent }, "correlation": "w", "causes": [intent],
            "verdicts": words.iter().map(verdict).collect::<Vec<_>>(),
        });
        self.entry("gate.verdict", "gate", fields)
    }

    /// `by` decides directly on an intent.
    pub(in crate::rules) fn decide(
        &mut self,
        by: &str,
        intent: &str,
        decision: &str,
        expires: Option<&str>,
    ) -> Vec<String> {
        let mut approval = json!({ "request": intent, "decision": decision });
        if let Some(expires) = expires {
            approval["expires"] = json!(expires);
        }
        self.entry("approval.decided", by, json!({ "causes": [intent], "approval": approval }))
    }

    /// Digest of the last body of a signer.
    pub(in crate::rules) fn last_digest(&self, signer: &str) -> String {
        self.last[&(signer.to_owned(), session(signer))].1.clone()
    }

    pub(in crate::rules) fn new_id(&self) -> String {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.index.to_be_bytes());
        EventId::new(self.now.0 / 1000, &random).to_string()
    }

    pub(in crate::rules) fn entry(
        &mut self,
        kind: &str,
        signer: &str,
        fields: Json,
    ) -> Vec<String> {
        self.entry_as(kind, signer, &fields, Status::Accepted)
    }

    pub(in crate::rules) fn refused(
        &mut self,
        kind: &str,
        signer: &str,
        fields: Json,
    ) -> Vec<String> {
        self.entry_as(kind, signer, &fields, Status::Rejected(Reason::DisabledAgent))
    }

    /// Bytes of the body of the next entry.
    pub(in crate::rules) fn bytes(&mut self, kind: &str, signer: &str, fields: &Json) -> Vec<u8> {
        let mut body = json!({
            "v": 1, "kind": kind, "id": self.new_id(), "salt": "00".repeat(16), "tenant": "acme",
            "time": self.now.0, "session": session(signer),
        });
        if self.registry.agent(signer).is_some() && fields.get("signer").is_none() {
            body["agent"] = json!({ "id": signer });
        } else {
            body["signer"] = json!(signer);
        }
        let mut body = with(body, fields);
        let chain = (signer.to_owned(), body["session"].as_str().unwrap().to_owned());
        let (n, prev) = self.last.get(&chain).cloned().unwrap_or((0, "00".repeat(32)));
        if body.get("seq").is_none() {
            body["seq"] = json!({ "n": n + 1, "prev": prev });
        }
        let n = body["seq"]["n"].as_u64().unwrap().max(n);
        let bytes = body::from_json(&body).unwrap();
        self.last.insert(chain, (n, Body::digest(&bytes).to_string()));
        bytes
    }

    fn entry_as(&mut self, kind: &str, signer: &str, fields: &Json, status: Status) -> Vec<String> {
        let bytes = self.bytes(kind, signer, fields);
        let body = Body::parse(&bytes).unwrap_or_else(|reject| panic!("{reject:?}: {fields}"));
        self.take(&body, Body::digest(&bytes), status)
    }

    /// The leaf of the next entry.
    pub(in crate::rules) fn leaf(&self, body: &Body<'_>, digest: BodyDigest) -> Leaf {
        Leaf {
            index: Index(self.index),
            previous: ChainHash::ZERO,
            received_at: self.now,
            status: Status::Accepted,
            statement: Digest::ZERO,
            body: digest,
            position: 0,
            id: Some(body.id()),
            counts: Counts::default(),
            source: None,
        }
    }

    /// Takes a body in, whole or what is left of it.
    pub(in crate::rules) fn take(
        &mut self,
        body: &Body<'_>,
        digest: BodyDigest,
        status: Status,
    ) -> Vec<String> {
        let leaf = Leaf { status, ..self.leaf(body, digest) };
        self.index += 1;
        self.id = body.id().to_string();
        let chain = match body.kind().is_action() {
            true => self.registry.check_chain(body, self.now),
            false => ChainCheck::default(),
        };
        let Ok(found) = self.engine.observe(&mut self.rows, &self.registry, &chain, &leaf, body);
        assert!(found.iter().all(|finding| finding.causes[0] == body.id()));
        if status == Status::Accepted {
            self.rows.ids.push((body.id(), body.signer().to_owned()));
            if body.kind().changes_registry() || body.kind() == Kind::ProposalApproved {
                self.registry.apply(Index(self.index - 1), self.now, body);
            }
        }
        self.found = found;
        names(&self.found)
    }

    /// Lets the time pass, and what falls due until then.
    pub(in crate::rules) fn due(&mut self, at: &str) -> Vec<String> {
        self.due_at(time(at))
    }

    pub(in crate::rules) fn due_in(&mut self, seconds: u64) -> Vec<String> {
        self.due_at(Micros(self.now.0 + seconds * 1_000_000))
    }

    pub(in crate::rules) fn due_at(&mut self, at: Micros) -> Vec<String> {
        assert!(at >= self.now, "the ledger's clock does not go back");
        self.now = at;
        let mut all = Vec::new();
        loop {
            let before = self.rows.puts;
            let left = self.rows.rows.len();
            let Ok(found) = Engine::due(&mut self.rows, &self.registry, at, 1000);
            let is_done =
                found.is_empty() && self.rows.puts == before && self.rows.rows.len() == left;
            all.extend(found);
            if is_done {
                break;
            }
        }
        self.found = all;
        names(&self.found)
    }

    /// Runs what stands at a time.
    pub(in crate::rules) fn at(&mut self, at: &str) -> &mut Self {
        assert_eq!(self.due(at), [""; 0], "until {at}");
        self
    }
}

pub(in crate::rules) const NONE: [&str; 0] = [];
