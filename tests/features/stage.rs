//! A world with a cast: whoever speaks has a key, a connection and a chain of his own.

use std::collections::HashMap;
use std::process::Output;
use std::sync::Arc;

use ingest::Publisher;
use schemas::body::Body;
use schemas::detail::Detail;
use schemas::id::{EventId, hex, sha256};
use schemas::kind::{Kind, Stream};
use schemas::reply::{Fate, Outcome, Reply};
use schemas::shape::open_value;
use schemas::submission;
use serde_json::{Value as Json, json};

use crate::harness::{World, text};
use crate::signer::{Signer, tenant};

/// The world, and who is in it.
pub(crate) struct Stage {
    pub(crate) world: World,
    cast: HashMap<String, (Signer, Arc<Publisher>)>,
}

/// An entry that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) index: u64,
    pub(crate) id: String,
}

pub(crate) const OPERATOR: &str = "operator";
pub(crate) const OWNER: &str = "owner@example.com";
pub(crate) const ONCALL: &str = "oncall@example.com";

impl Stage {
    /// With the operator, and an owner for agents.
    pub(crate) fn new() -> Self {
        Self::in_world(World::new())
    }

    /// The same, and findings follow what breaks a rule.
    pub(crate) fn finding() -> Self {
        Self::in_world(World::finding())
    }

    fn in_world(world: World) -> Self {
        let mut stage = Self { world, cast: HashMap::new() };
        stage.principal(OWNER, &["human", "owner"]);
        stage
    }

    /// Registers a person or a service with its key.
    pub(crate) fn principal(&mut self, id: &str, roles: &[&str]) {
        let registry = json!({ "id": id, "roles": roles });
        self.say(OPERATOR, json!({ "kind": "principal.registered", "registry": registry }));
        self.enrol(id);
    }

    /// Registers an agent of the owner with its key, a credential and a contract.
    pub(crate) fn agent(&mut self, id: &str) {
        self.say(
            OPERATOR,
            json!({ "kind": "agent.registered", "agent": { "id": id }, "owner": OWNER }),
        );
        self.enrol(id);
    }

    /// Gives somebody a key.
    pub(crate) fn enrol(&mut self, id: &str) {
        let signer = Signer::new(id);
        let key = hex(signer.public().as_bytes());
        let publisher = Arc::new(self.world.connect(&signer.id));
        self.say(
            OPERATOR,
            json!({
                "kind": "key.enrolled", "registry": { "signer": id, "key": key },
            }),
        );
        self.cast.insert(id.to_owned(), (signer, publisher));
    }

    /// The file of somebody's key.
    pub(crate) fn key_file(&self, id: &str) -> String {
        let path = self.world.path(&format!("{}.key", hex(&sha256(id.as_bytes())[..8])));
        match self.cast.get(id) {
            Some((signer, _)) => signer.save(&path),
            None => self.world.operator.save(&path),
        }
        path.display().to_string()
    }

    pub(crate) fn kid(&self, id: &str) -> String {
        self.cast[id].0.public().kid().to_string()
    }

    /// Signs an event as somebody; gives the submission's bytes and where it goes.
    pub(crate) fn sign(&mut self, who: &str, mut event: Json) -> (Vec<u8>, Stream) {
        let detail = event["detail"].as_object().map(|content| {
            let content = open_value(&Json::Object(content.clone())).unwrap();
            Detail::encode(&[7; 16], &content)
        });
        if let Some(detail) = &detail {
            event["detail"] = hex(&sha256(detail)).into();
        }
        let kind = Kind::parse(event["kind"].as_str().unwrap()).unwrap();
        let signer = match self.cast.get_mut(who) {
            Some((signer, _)) => signer,
            None => &mut self.world.operator,
        };
        let body = signer.body(event);
        let message = submission::sign(&signer.key, &signer.id, &tenant(), &[(body, detail)]);
        (message, kind.stream())
    }

    pub(crate) fn submit(&self, who: &str, message: &[u8], stream: Stream) -> Arc<Reply> {
        match self.cast.get(who) {
            Some((_, publisher)) => self.world.submit(publisher, message, stream),
            None => {
                let publisher = self.world.connect(&self.world.operator.id);
                self.world.submit(&publisher, message, stream)
            }
        }
    }

    /// Says something through the broker; gives how it ended.
    pub(crate) fn tell(&mut self, who: &str, event: Json) -> Outcome {
        let (message, stream) = self.sign(who, event);
        self.submit(who, &message, stream).outcomes[0].clone()
    }

    /// Says something that is accepted.
    pub(crate) fn say(&mut self, who: &str, event: Json) -> Said {
        let outcome = self.tell(who, event);
        assert!(matches!(outcome.fate, Fate::Committed(_)), "{outcome:?}");
        Said { index: outcome.index.0, id: outcome.id.unwrap().to_string() }
    }

    /// Says something that is refused; gives reason, path and what was expected.
    pub(crate) fn refused(&mut self, who: &str, event: Json) -> (String, String, String) {
        let outcome = self.tell(who, event);
        let Fate::Rejected(reject) = outcome.fate else { panic!("not refused: {outcome:?}") };
        (reject.reason.to_string(), reject.cause.path, reject.cause.expected)
    }

    pub(crate) fn get(&self, path: &str) -> Json {
        self.world.get(&format!("/api/v1{path}"))
    }

    /// Indexes that a query finds, oldest first.
    pub(crate) fn find(&self, query: &str) -> Vec<u64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = self.get(&format!("/entries?q={encoded}%20since%3A0&order=oldest"));
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["index"].as_u64().unwrap())
            .collect()
    }

    /// Runs a command that succeeds; gives what it wrote.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.world.sworn(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that fails with this code; gives all that it wrote.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output: Output = self.world.sworn(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        text(&output)
    }
}

/// An agent's contract as its owner signs it, with these fields besides.
pub(crate) fn contract(agent: &str, permissions: &Json, more: &Json) -> Json {
    let mut registry = json!({
        "agent": {
            "name": agent, "owner": OWNER, "permissions": permissions,
            "execution_mode": "autonomous", "expiry": "2099-12-31",
        },
    });
    registry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let yaml = registry.to_string();
    registry["digest"] = hex(&sha256(yaml.as_bytes())).into();
    json!({
        "kind": "contract.registered", "agent": { "id": agent }, "owner": OWNER,
        "registry": registry, "detail": { "yaml": yaml },
    })
}

/// A session's declaration.
pub(crate) fn start(agent: &str, correlation: &str, task: &str) -> Json {
    json!({
        "kind": "session.start", "correlation": correlation,
        "agent": { "id": agent, "name": agent, "version": "2.3", "build": "none" },
        "task": { "digest": hex(&sha256(task.as_bytes())), "summary": task },
        "model": { "provider": "example-ai", "name": "example-small", "version": "2026-03-01" },
        "contract": "00".repeat(32), "attestation": "none", "previous": "none",
    })
}

/// An action that an agent is about to take.
pub(crate) fn intent(agent: &str, correlation: &str, action: &str, target: &str) -> Json {
    json!({
        "kind": "action.intent", "agent": { "id": agent }, "correlation": correlation,
        "action": { "name": action, "class": "write", "system": "postgres", "target": target },
        "mode": "self", "credential": { "id": format!("cred-{agent}") }, "scope": ["db:migrate"],
        "environment": "staging", "prompt": "none", "input": "none",
        "principals": [{ "type": "agent", "id": agent }],
    })
}

/// What came of it.
pub(crate) fn outcome(agent: &str, correlation: &str, of: &Said, status: &str) -> Json {
    json!({
        "kind": "action.outcome", "agent": { "id": agent }, "correlation": correlation,
        "causes": [of.id], "output": "none", "outcome": { "status": status },
        "action": { "name": "a", "class": "write", "system": "postgres", "target": "t" },
        "credential": { "id": format!("cred-{agent}") },
        "principals": [{ "type": "agent", "id": agent }],
    })
}

/// An id for a grant.
pub(crate) fn grant_id(n: u8) -> String {
    EventId::new(1_775_599_200_000, &[n; 10]).to_string()
}

/// The body of a submission's only item.
pub(crate) fn body_of(message: &[u8]) -> Vec<u8> {
    let opened = submission::open(message).unwrap();
    let bytes = opened.items()[0].body.to_vec();
    Body::parse(&bytes).unwrap();
    bytes
}
