//! What one row of the table plays: agents of its own, and what everybody says, each at its time.

use std::collections::HashMap;

use schemas::id::{EventId, hex, sha256};
use serde_json::{Value as Json, json};

use crate::signer::Signer;

/// When the ledger's clock begins, and every row unless it says otherwise.
pub(super) const BEGINS: &str = "2026-06-01T10:00:00Z";
/// When everything is over.
pub(super) const ENDS: &str = "2026-07-03T00:00:00Z";

pub(super) const OPERATOR: &str = "operator";
pub(super) const OWNER: &str = "owner@example.com";
/// Whom rows share: with a key and roles.
pub(super) const SHARED: &[(&str, &[&str])] = &[
    (OWNER, &["human", "owner"]),
    ("human@example.com", &["human", "approver"]),
    ("gate", &["gate"]),
    ("proxy", &["witness"]),
    (AUDITOR, &["auditor"]),
];
pub(super) const AUDITOR: &str = "auditor@example.com";
pub(super) const HUMAN: &str = SHARED[1].0;

/// How a step goes.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// It is published.
    Sent,
    /// It is signed and lost on its way.
    Lost,
    /// It is signed now, and published with [`Way::Released`].
    Held,
    /// The last one that was held.
    Released,
    /// The last one again, the same bytes.
    Repeated,
    /// By a copy of the signer from before its last event.
    Copied,
}

/// Somebody says something.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// In microseconds.
    pub(super) at: u64,
    pub(super) who: String,
    pub(super) way: Way,
    pub(super) event: Json,
}

/// A row's play.
pub(super) struct Case {
    pub(super) name: String,
    now: u64,
    /// What is registered before anything happens.
    pub(super) registered: Vec<Step>,
    pub(super) steps: Vec<Step>,
    pub(super) signers: Vec<Signer>,
    /// Names of entries, by event id: the kind, and a number from the second one on.
    pub(super) labels: HashMap<String, String>,
    said: HashMap<String, usize>,
    /// Fields of intents, which their outcomes repeat.
    intents: HashMap<String, Json>,
    open: Vec<String>,
}

pub(super) fn micros(time: &str) -> u64 {
    time.parse::<jiff::Timestamp>().unwrap().as_microsecond().unsigned_abs()
}

/// `fields` with those of `more` instead; null takes one away.
pub(super) fn with(mut fields: Json, more: &Json) -> Json {
    for (name, value) in more.as_object().unwrap() {
        match value {
            Json::Null => drop(fields.as_object_mut().unwrap().remove(name)),
            value => fields[name] = value.clone(),
        }
    }
    fields
}

pub(super) fn action(name: &str, class: &str, target: &str) -> Json {
    json!({ "name": name, "class": class, "system": "sys", "target": target })
}

/// The text of an agent's contract; what it means stands in the fields beside it.
fn text(agent: &str) -> String {
    format!("# {agent}")
}

/// The contract's digest.
fn digest(agent: &str) -> String {
    hex(&sha256(text(agent).as_bytes()))
}

impl Case {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            now: micros(BEGINS),
            registered: Vec::new(),
            steps: Vec::new(),
            signers: Vec::new(),
            labels: HashMap::new(),
            said: HashMap::new(),
            intents: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// The whole name of whoever is this row's own.
    pub(super) fn of(&self, who: &str) -> String {
        format!("{who}.{}", self.name)
    }

    /// The row's own signer of this name, else one that all share.
    fn signer(&self, who: &str) -> String {
        let own = self.of(who);
        let is_own = self.signers.iter().any(|signer| signer.id.as_str() == own);
        if is_own { own } else { who.to_owned() }
    }

    /// Lets seconds pass.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += seconds * 1_000_000;
    }

    pub(super) fn at(&mut self, time: &str) {
        assert!(micros(time) >= self.now, "time does not run back");
        self.now = micros(time);
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// An id that nobody has used.
    pub(super) fn id(&self) -> String {
        let mut random = [0; 10];
        getrandom::fill(&mut random).unwrap();
        EventId::new(self.now / 1000, &random).to_string()
    }

    /// An event of a signer, named in the table by its kind.
    fn event(&mut self, who: &str, kind: &str, fields: &Json) -> (String, Json) {
        let defaults = json!({ "kind": kind, "id": self.id(), "time": self.now, "tenant": "dev" });
        let mut event = with(defaults, fields);
        if self.open.contains(&who.to_owned()) && event.get("agent").is_none() {
            event["agent"] = json!({ "id": who });
        }
        let id = event["id"].as_str().unwrap().to_owned();
        let said = self.said.entry(kind.to_owned()).or_insert(0);
        *said += 1;
        let label = if *said == 1 { kind.to_owned() } else { format!("{kind} {said}") };
        self.labels.insert(id.clone(), label);
        (id, event)
    }

    fn step(&mut self, who: &str, way: Way, kind: &str, fields: &Json) -> String {
        let who = self.signer(who);
        let (id, event) = self.event(&who, kind, fields);
        self.steps.push(Step { at: self.now, who, way, event });
        id
    }

    /// Somebody says something; gives the event's id.
    pub(super) fn say(&mut self, who: &str, kind: &str, fields: &Json) -> String {
        self.step(who, Way::Sent, kind, fields)
    }

    /// The same in another way than by publishing it now.
    pub(super) fn say_as(&mut self, way: Way, who: &str, kind: &str, fields: &Json) -> String {
        self.step(who, way, kind, fields)
    }

    /// What was said last comes again, or what was held back.
    pub(super) fn again(&mut self, who: &str, way: Way) {
        let (at, who) = (self.now, self.signer(who));
        self.steps.push(Step { at, who, way, event: Json::Null });
    }

    fn register(&mut self, who: &str, kind: &str, fields: &Json) {
        let at = micros(BEGINS);
        let (_, event) = self.event(who, kind, &with(fields.clone(), &json!({ "time": at })));
        self.registered.push(Step { at, who: who.to_owned(), way: Way::Sent, event });
    }

    fn enrol(&mut self, id: &str) {
        let signer = Signer::new(id);
        let key = hex(signer.public().as_bytes());
        let registry = json!({ "registry": { "signer": id, "key": key } });
        self.signers.push(signer);
        self.register(OPERATOR, "key.enrolled", &registry);
    }

    /// A person or service of the row's own, or one that rows share.
    pub(super) fn principal(&mut self, id: &str, roles: &[&str]) {
        let registry = json!({ "registry": { "id": id, "roles": roles } });
        self.register(OPERATOR, "principal.registered", &registry);
        self.enrol(id);
    }

    /// An agent that is registered and has a key, and nothing else.
    pub(super) fn stranger(&mut self, who: &str, more: &Json) {
        let id = self.of(who);
        let registered = with(json!({ "agent": { "id": id }, "owner": OWNER }), more);
        self.register(OPERATOR, "agent.registered", &registered);
        self.enrol(&id);
    }

    /// An agent with a credential, and a contract that permits everything on `sys`, but for `more`.
    pub(super) fn agent(&mut self, who: &str, more: &Json) {
        self.stranger(who, &json!({}));
        let id = self.of(who);
        let credential = json!({ "agent": { "id": id }, "credential": { "id": self.cred(who) } });
        self.register(OPERATOR, "credential.registered", &credential);
        let agent = json!({
            "name": id, "owner": OWNER, "permissions": { "sys": ["*"] },
            "execution_mode": "autonomous", "expiry": "2099-12-31",
        });
        let agent = with(agent, more.get("agent").unwrap_or(&json!({})));
        let registry = with(json!({ "digest": digest(&id) }), more);
        let contract = json!({
            "agent": { "id": id }, "owner": OWNER,
            "registry": with(registry, &json!({ "agent": agent })),
            "detail": { "yaml": text(&id) },
        });
        self.register(OWNER, "contract.registered", &contract);
    }

    /// Id of an agent's credential.
    pub(super) fn cred(&self, who: &str) -> String {
        format!("cred-{}", self.of(who))
    }

    /// The agent's owner looks at its contract again.
    pub(super) fn review(&mut self, who: &str) {
        let id = self.of(who);
        let reviewed = json!({ "agent": { "id": id }, "contract": digest(&id) });
        self.say(OWNER, "contract.reviewed", &reviewed);
    }

    /// An agent declares its session.
    pub(super) fn start(&mut self, who: &str, more: &Json) -> String {
        let id = self.of(who);
        let fields = json!({
            "agent": { "id": id, "name": id, "version": "1", "build": "none" },
            "correlation": self.name, "task": { "digest": "05".repeat(32) },
            "model": { "provider": "p", "name": "m", "version": "1" },
            "contract": digest(&id), "attestation": "none", "previous": "none",
        });
        self.open.push(id);
        self.say(who, "session.start", &with(fields, more))
    }

    /// An agent as all others have: registered, and with a session.
    pub(super) fn ready(&mut self, who: &str, contract: &Json) {
        self.agent(who, contract);
        self.start(who, &json!({}));
    }

    /// An agent ends its session, as all do with their row's end.
    pub(super) fn end(&mut self, who: &str, more: &Json) -> String {
        let fields = json!({
            "agent": { "id": self.of(who) }, "correlation": self.name,
            "outcome": { "code": "done" },
        });
        let id = self.say(who, "session.end", &with(fields, more));
        self.leave_open(who);
        id
    }

    /// An agent's session is not ended with the row.
    pub(super) fn leave_open(&mut self, who: &str) {
        let id = self.of(who);
        self.open.retain(|open| *open != id);
    }

    /// What an agent is about to do; a read on `sys`, but for `more`.
    pub(super) fn intent_fields(&self, who: &str, more: &Json) -> Json {
        let id = self.of(who);
        let fields = json!({
            "agent": { "id": id }, "correlation": self.name,
            "action": action("do", "read", "sys:x/y"), "mode": "self",
            "credential": { "id": self.cred(who) }, "scope": [], "environment": "test",
            "principals": [{ "type": "agent", "id": id }], "prompt": "none", "input": "none",
        });
        with(fields, more)
    }

    pub(super) fn intent(&mut self, who: &str, more: &Json) -> String {
        let fields = self.intent_fields(who, more);
        let id = self.say(who, "action.intent", &fields);
        self.intents.insert(id.clone(), fields);
        id
    }

    /// What an agent says came of an intent: it confirms what it meant, but for `more`.
    pub(super) fn outcome(&mut self, who: &str, intent: &str, more: &Json) -> String {
        let meant = self.intents[intent].clone();
        let fields = json!({
            "agent": { "id": self.of(who) }, "correlation": self.name, "causes": [intent],
            "action": meant["action"], "credential": meant["credential"],
            "principals": meant["principals"], "outcome": { "status": "confirmed" },
            "output": { "alg": "sha-256", "size": 1, "digest": "06".repeat(32) },
        });
        self.say(who, "action.outcome", &with(fields, more))
    }

    /// An intent that comes to nothing.
    pub(super) fn tried(&mut self, who: &str, more: &Json) -> String {
        let intent = self.intent(who, more);
        let failed = json!({ "outcome": { "status": "failed" }, "output": null });
        self.outcome(who, &intent, &failed);
        intent
    }

    /// The same many times over.
    pub(super) fn many(&mut self, who: &str, times: usize, more: &Json) {
        for _ in 0..times {
            self.tried(who, more);
        }
    }

    /// What a witness saw of an agent: a read on `sys`, but for `more`.
    pub(super) fn witness(&mut self, by: &str, who: &str, more: &Json) -> String {
        let fields = json!({
            "agent": { "id": self.of(who) }, "action": action("do", "read", "sys:x/y"),
            "credential": { "id": self.cred(who) }, "outcome": { "external_ref": self.id() },
        });
        self.say(by, "witness.observed", &with(fields, more))
    }

    /// A gate decides on an intent.
    pub(super) fn verdict(&mut self, who: &str, intent: &str, words: &[(&str, &str)]) {
        let verdict = |(gate, decision): &(&str, &str)| json!({ "gate": gate, "decision": decision, "reason": "r" });
        let fields = json!({
            "agent": { "id": self.of(who) }, "correlation": self.name, "causes": [intent],
            "verdicts": words.iter().map(verdict).collect::<Vec<_>>(),
        });
        self.say("gate", "gate.verdict", &fields);
    }

    /// An approver decides on an intent.
    pub(super) fn decide(&mut self, by: &str, intent: &str, decision: &Json) -> String {
        let approval = with(json!({ "request": intent }), decision);
        self.say(by, "approval.decided", &json!({ "causes": [intent], "approval": approval }))
    }

    /// Somebody passes authority on.
    pub(super) fn grant(&mut self, by: &str, id: &str, to: &str, more: &Json) -> String {
        let grant = with(json!({ "id": id, "to": self.of(to) }), more);
        self.say(by, "delegation.granted", &json!({ "grant": grant }))
    }

    /// A chain from a person to an agent, under a grant.
    pub(super) fn chain(&self, human: &str, who: &str, grant: &str) -> Json {
        json!({ "principals": [
            { "type": "human", "id": self.signer(human), "evidence": "09".repeat(32) },
            { "type": "agent", "id": self.of(who), "grant_id": grant },
        ] })
    }

    /// Ends what is open.
    pub(super) fn close(&mut self) {
        let suffix = format!(".{}", self.name);
        for id in std::mem::take(&mut self.open) {
            let who = id.strip_suffix(&suffix).unwrap().to_owned();
            self.end(&who, &json!({}));
        }
    }
}
