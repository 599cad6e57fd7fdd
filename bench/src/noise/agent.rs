//! An agent: what it says in one session, and what others say of it.

use schemas::id::{EventId, hex, sha256};
use serde_json::{Value as Json, json};

use super::month::{Cast, Emission};
use super::publisher::Session;
use super::registrar;
use super::rhythm::is_staffed;
use super::trade::{Act, Trade};
use super::{SECOND_US, day};
use crate::random::Random;

/// The longest that an agent waits for a human.
const PATIENCE_US: u64 = 7200 * SECOND_US;
/// The day on which agents get another version of their model.
const UPGRADE_DAY: u64 = 20;

/// An agent.
pub(crate) struct Agent {
    pub(crate) number: usize,
    pub(crate) who: usize,
    pub(crate) name: String,
    pub(crate) trade: &'static Trade,
    /// Sessions of its busiest hour, in thousandths.
    pub(crate) per_hour: u64,
    pub(crate) zone_h: u64,
    /// For whom it acts at times.
    pub(crate) person: usize,
    /// Through whom it is asked to.
    pub(crate) peer: Option<(usize, String)>,
    /// When it does not reach the ledger, in order.
    pub(crate) outages: Vec<(u64, u64)>,
    sessions: u64,
    ids: u64,
    /// What it has to tell after a crash.
    unsaid: Vec<(Session, Json)>,
}

/// A session as it will be.
pub(crate) struct Script {
    pub(crate) emissions: Vec<Emission>,
    pub(crate) ends: u64,
}

impl Agent {
    pub(crate) fn new(number: usize, who: usize, name: String, trade: &'static Trade) -> Self {
        Self {
            number,
            who,
            name,
            trade,
            per_hour: trade.per_hour,
            zone_h: 0,
            person: 0,
            peer: None,
            outages: Vec::new(),
            sessions: 0,
            ids: 0,
            unsaid: Vec::new(),
        }
    }

    /// Actions that its contract lets it have in an hour: four times what its busiest hours have.
    pub(crate) fn actions_an_hour(&self) -> u64 {
        self.per_hour * 8 * 4 / 1000
    }

    /// When the ledger can be reached, at or after a time.
    pub(crate) fn reaches(&self, at: u64) -> u64 {
        let out = self.outages.iter().find(|(from, to)| (*from..*to).contains(&at));
        out.map_or(at, |(_, to)| *to)
    }

    fn id(&mut self, at: u64) -> EventId {
        self.ids += 1;
        let [a, b, c, d, e, f, g, h, i, j, ..] =
            sha256(format!("{} {}", self.name, self.ids).as_bytes());
        EventId::new(at / 1000, &[a, b, c, d, e, f, g, h, i, j])
    }

    /// A session that begins at a time.
    pub(crate) fn session(&mut self, cast: &Cast, random: &mut Random, at: u64) -> Script {
        self.sessions += 1;
        let digest = sha256(format!("session {} {}", self.name, self.sessions).as_bytes());
        let session = digest.first_chunk().copied().unwrap_or_default();
        let correlation = format!("{}-{}", self.name, self.sessions);
        let chain = self.chain(cast, random, at);
        let mut run = Run {
            agent: self,
            cast,
            random,
            session,
            correlation,
            chain,
            all: Vec::new(),
            at,
            last: at,
        };
        run.begin(&digest);
        let acts = 1 + run.random.below(14);
        // One in six hundred ends without a word.
        let crash = run.random.happens(17).then(|| run.random.below(acts));
        for n in 0..acts {
            let began = run.at;
            run.act();
            if crash == Some(n) {
                return run.crash(began);
            }
        }
        run.end()
    }

    /// On whose authority: its own, or a person's, at times through its peer.
    fn chain(&self, cast: &Cast, random: &mut Random, at: u64) -> Json {
        let person = cast.name(self.person);
        let human = json!({"type": "human", "id": person, "evidence": hex(&sha256(b"login"))});
        let hop = |agent: &str, by: &str| {
            json!({
                "type": "agent", "id": agent, "task": "what the ticket says",
                "grant_id": registrar::grant(by, agent, at).to_string(),
            })
        };
        match (&self.peer, random.below(10)) {
            (Some((_, peer)), 0) => json!([human, hop(peer, person), hop(&self.name, peer)]),
            (_, 0..4) => json!([human, hop(&self.name, person)]),
            _ => json!([{"type": "agent", "id": self.name}]),
        }
    }
}

struct Run<'r> {
    agent: &'r mut Agent,
    cast: &'r Cast,
    random: &'r mut Random,
    session: Session,
    correlation: String,
    chain: Json,
    all: Vec<Emission>,
    at: u64,
    /// When the last of it happens.
    last: u64,
}

impl Run<'_> {
    fn say(&mut self, at: u64, fields: Json, is_prompt: bool) -> EventId {
        let id = self.agent.id(at);
        self.say_as(id, at, fields, is_prompt);
        id
    }

    fn say_as(&mut self, id: EventId, at: u64, fields: Json, is_prompt: bool) {
        let (by, session) = (self.agent.who, self.session);
        self.last = self.last.max(at);
        self.all.push(Emission { at, by, session, id, fields, detail: None, is_prompt });
    }

    /// Somebody else says something.
    fn hear(&mut self, by: usize, at: u64, fields: Json) -> EventId {
        let id = self.agent.id(at);
        let session = super::month::week_of(by, at);
        self.all.push(Emission { at, by, session, id, fields, detail: None, is_prompt: true });
        id
    }

    fn begin(&mut self, task: &[u8; 32]) {
        let name = self.agent.name.clone();
        let is_new = day(self.at) >= UPGRADE_DAY;
        let fields = json!({
            "kind": "session.start", "correlation": self.correlation,
            "agent": {"id": name, "name": name, "version": "4.1", "build": "none"},
            "task": {"digest": hex(task)},
            "model": {
                "provider": "example", "name": "model-large",
                "version": if is_new { "2026-03" } else { "2025-11" },
            },
            "contract": registrar::contract_digest(self.agent, self.at), "attestation": "none",
        });
        self.say(self.at, fields, true);
        self.after(2 * SECOND_US);
        for (session, fields) in std::mem::take(&mut self.agent.unsaid) {
            let id = self.agent.id(self.at);
            let (at, by) = (self.at, self.agent.who);
            self.all.push(Emission { at, by, session, id, fields, detail: None, is_prompt: true });
            self.after(SECOND_US / 10);
        }
    }

    fn after(&mut self, mean_us: u64) {
        self.at += 1000 + self.random.wait(mean_us);
        self.last = self.last.max(self.at);
    }

    /// It goes on once the receipt of what was said last is there.
    fn receipt(&mut self) {
        self.at += 250_000;
        self.after(SECOND_US / 10);
    }

    fn common(&self, kind: &str, act: &Act, target: &str) -> Json {
        json!({
            "kind": kind, "agent": {"id": self.agent.name},
            "action": {
                "name": act.name, "class": act.class, "system": act.system, "target": target,
            },
            "credential": {"id": registrar::credential(&self.agent.name, self.at)},
        })
    }

    /// One action, whoever has to allow it, whoever sees it.
    fn act(&mut self) {
        let Some(act) = self.agent.trade.pick(self.random) else { return };
        if act.asks && !is_staffed(self.at) {
            return;
        }
        if act.asks || act.witnessed || act.gate.is_some() {
            // It does no such thing while nobody gives it a receipt; what others do not look at goes on.
            self.at = self.agent.reaches(self.at);
            self.after(SECOND_US);
        }
        let began = self.at;
        let target = act.target(self.random, self.agent.number, day(self.at));
        let intent = self.intent(act, &target);
        self.receipt();
        if self.is_allowed(act, intent) {
            self.execute(act, &target, intent);
        }
        self.last = self.last.max(self.at);
        if !act.asks && self.random.happens(1000) {
            self.at = began + SECOND_US / 10;
        } else {
            self.after(12 * SECOND_US);
        }
    }

    fn intent(&mut self, act: &Act, target: &str) -> EventId {
        let id = self.agent.id(self.at);
        let mut fields = self.common("action.intent", act, target);
        let more = json!({
            "correlation": self.correlation, "mode": if act.asks { "approval" } else { "self" },
            "scope": [act.name], "environment": act.environment, "principals": self.chain,
            "tool": tool(act, id), "prompt": "none", "input": "none",
        });
        extend(&mut fields, more);
        self.say_as(id, self.at, fields, true);
        id
    }

    fn is_allowed(&mut self, act: &Act, intent: EventId) -> bool {
        let name = self.agent.name.clone();
        if let Some(gate) = act.gate {
            let allows = !self.random.happens(100);
            let decision = if allows { "allow" } else { "deny" };
            let fields = json!({
                "kind": "gate.verdict", "agent": {"id": name}, "correlation": self.correlation,
                "causes": [intent.to_string()],
                "verdicts": [{"gate": gate, "decision": decision, "reason": "policy"}],
            });
            self.hear(self.cast.gate, self.at, fields);
            self.receipt();
            if !allows {
                return false;
            }
        }
        !act.asks || self.is_approved(intent)
    }

    fn is_approved(&mut self, intent: EventId) -> bool {
        let fields = json!({
            "kind": "approval.requested", "agent": {"id": self.agent.name},
            "correlation": self.correlation, "causes": [intent.to_string()],
            "approval": {"request": intent.to_string(), "expires": self.at + 2 * PATIENCE_US},
        });
        let request = self.say(self.at, fields, true);
        let wait = (20 * SECOND_US + self.random.wait(400 * SECOND_US)).min(PATIENCE_US);
        self.at += wait;
        let allows = !self.random.happens(400);
        let fields = json!({
            "kind": "approval.decided", "causes": [request.to_string(), intent.to_string()],
            "approval": {
                "request": request.to_string(),
                "decision": if allows { "allow" } else { "deny" },
            },
        });
        self.hear(self.agent.person, self.at, fields);
        self.receipt();
        allows
    }

    fn execute(&mut self, act: &Act, target: &str, intent: EventId) {
        let fails = self.random.happens(300);
        let reference = format!("{}-{}", act.system, intent);
        let mut told = self.common("action.outcome", act, target);
        let mut seen = self.common("witness.observed", act, target);
        self.after(act.seconds * SECOND_US / 2);
        if act.witnessed && !fails {
            extend(&mut seen, json!({"outcome": {"external_ref": reference}}));
            // Services are told whose work it is, or its call; of what nobody has to allow some know neither, and the
            // outcome joins it later.
            let must_join = act.asks || act.gate.is_some();
            match self.random.below(3) {
                0 => extend(&mut seen, json!({"causes": [intent.to_string()]})),
                1 if !must_join => {}
                _ => extend(&mut seen, json!({"tool": tool(act, intent)})),
            }
            self.hear(self.cast.witness, self.at, seen);
        }
        self.after(act.seconds * SECOND_US / 2);
        let mut outcome = json!({"status": if fails { "failed" } else { "confirmed" }});
        if act.witnessed && !fails {
            extend(&mut outcome, json!({"external_ref": reference}));
        }
        let more = json!({
            "correlation": self.correlation, "causes": [intent.to_string()], "outcome": outcome,
            "principals": self.chain,
        });
        extend(&mut told, more);
        if !fails {
            let digest = hex(&sha256(target.as_bytes()));
            extend(&mut told, json!({"output": {"alg": "sha-256", "size": 512, "digest": digest}}));
        }
        self.say(self.at, told, false);
    }

    fn end(mut self) -> Script {
        self.at = self.last + SECOND_US;
        let name = self.agent.name.clone();
        let fields = json!({
            "kind": "session.end", "agent": {"id": name}, "correlation": self.correlation,
            "outcome": {"code": "done"},
        });
        self.say(self.at, fields, false);
        Script { emissions: self.all, ends: self.last }
    }

    /// It dies within the action that began then. Two in three have their spool still, and say what is left to say.
    fn crash(self, began: u64) -> Script {
        let dies = began + self.random.wait(4 * SECOND_US);
        let (who, session) = (self.agent.who, self.session);
        let is_lost = |said: &Emission| said.by == who && said.session == session && said.at > dies;
        let (lost, kept): (Vec<_>, Vec<_>) = self.all.into_iter().partition(is_lost);
        if self.random.below(3) > 0 {
            let outcomes = lost.into_iter().filter(|said| {
                said.fields.get("kind").and_then(Json::as_str) == Some("action.outcome")
                    && intended(&kept, &said.fields)
            });
            self.agent.unsaid = outcomes.map(|said| (session, said.fields)).collect();
            let end = json!({
                "kind": "session.end", "agent": {"id": self.agent.name},
                "correlation": self.correlation, "outcome": {"code": "crashed"},
            });
            self.agent.unsaid.push((session, end));
        }
        Script { emissions: kept, ends: dies + 60 * SECOND_US }
    }
}

/// The tool of an act, and the call that carries it out.
fn tool(act: &Act, intent: EventId) -> Json {
    json!({"name": act.tool, "call_id": format!("call-{intent}")})
}

/// Whether the intent of an outcome was said.
fn intended(said: &[Emission], outcome: &Json) -> bool {
    let cause = outcome.pointer("/causes/0").and_then(Json::as_str);
    said.iter().any(|said| Some(said.id.to_string().as_str()) == cause)
}

fn extend(fields: &mut Json, more: Json) {
    if let (Some(fields), Json::Object(more)) = (fields.as_object_mut(), more) {
        fields.extend(more);
    }
}
