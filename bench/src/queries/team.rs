//! A team: four agents and the gate that watches them, who work through workflows together.

use schemas::id::{EventId, SignerId, hex, sha256};
use schemas::key::PublicKey;
use schemas::limits::{ITEMS_MAX, SUBMISSION_BYTES_MAX};
use serde_json::{Value as Json, json};

use crate::noise::publisher::Publisher;
use crate::random::Random;

/// Agents of a team.
pub(crate) const AGENTS: usize = 4;
/// Who signs the gates' verdicts, of all teams.
pub(crate) const GATE: &str = "release-gate";
/// Most bytes of the bodies in a submission; what frames them takes far less than as much again.
const BODIES_BYTES: usize = SUBMISSION_BYTES_MAX / 2;
/// Humans for whom agents act.
const PEOPLE: u64 = 400;
/// Customers, hosts and documents that are acted on.
const TARGETS: u64 = 20_000;
/// Verdicts of which one denies.
const DENIED_OF_VERDICTS: u64 = 12;

/// Name, class, system and tool of each action, and whether a gate watches it; the first are the most frequent.
const ACTIONS: &[(&str, &str, &str, &str, bool)] = &[
    ("ticket.read", "read", "desk", "desk.read", false),
    ("record.read", "read", "crm", "crm.query", false),
    ("email.send", "communication", "mail", "mail.send", true),
    ("ticket.update", "write", "desk", "desk.write", false),
    ("record.update", "write", "crm", "crm.update", false),
    ("file.read", "read", "drive", "drive.read", false),
    ("invoice.create", "write", "billing", "billing.create", true),
    ("refund.issue", "payment", "billing", "billing.refund", true),
    ("deploy.start", "write", "cluster", "cluster.apply", true),
    ("secret.read", "read", "vault", "vault.read", true),
    ("record.delete", "destructive", "crm", "crm.delete", true),
    ("access.grant", "write", "directory", "directory.grant", true),
];
const MODELS: &[(&str, &str)] =
    &[("model-large", "2026-03"), ("model-small", "2026-01"), ("model-old", "2025-08")];
const OUTCOMES: &[&str] = &["confirmed", "confirmed", "confirmed", "confirmed", "failed"];

/// A body, and whose it is: an agent's place, or the gate's behind them.
type Said = (usize, Vec<u8>);

/// Four agents and their gate.
pub(crate) struct Team {
    number: u64,
    /// The agents, and the gate at the end.
    publishers: Vec<Publisher>,
    random: Random,
    workflows: u64,
}

/// One shift: submissions, and how many events are in them.
pub(crate) struct Shift {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) events: u64,
}

impl Team {
    pub(crate) fn new(number: u64) -> Self {
        let names = (0..AGENTS).map(|n| format!("agent-{number:03}-{n}"));
        let mut publishers: Vec<_> = names.map(|name| Publisher::new(&name, true)).collect();
        publishers.push(Publisher::new(GATE, false));
        Self { number, publishers, random: Random(number + 1), workflows: 0 }
    }

    /// Agents' ids and keys.
    pub(crate) fn agents(&self) -> impl Iterator<Item = (&SignerId, PublicKey)> {
        self.publishers.iter().take(AGENTS).map(|agent| (&agent.id, agent.public()))
    }

    /// Works through workflows of these many entries, from a time on.
    pub(crate) fn shift(&mut self, sizes: &[u64], at: u64, spacing: u64) -> Shift {
        let (mut said, mut time) = (Vec::new(), at);
        for size in sizes {
            self.workflow(*size, &mut time, spacing, &mut said);
        }
        let events = sizes.iter().sum();
        let mut parts: Vec<Vec<Vec<u8>>> = self.publishers.iter().map(|_| Vec::new()).collect();
        for (who, body) in said {
            if let Some(part) = parts.get_mut(who) {
                part.push(body);
            }
        }
        let messages = parts.into_iter().zip(&self.publishers);
        let messages = messages.flat_map(|(bodies, by)| submissions(by, bodies)).collect();
        Shift { messages, events }
    }

    fn workflow(&mut self, size: u64, time: &mut u64, spacing: u64, said: &mut Vec<Said>) {
        self.workflows += 1;
        let corr = format!("case-{:03}-{}", self.number, self.workflows);
        let human = format!("person-{}@example.com", self.random.favourite(PEOPLE));
        let (mut left, mut cause): (u64, Option<EventId>) = (size, None);
        while left > 0 {
            let step = Step::draw(&mut self.random, &human, &corr);
            let who = usize::try_from(self.random.favourite(4)).unwrap_or_default();
            let agent = self.publishers.get(who).map(|by| by.id.as_str().to_owned());
            let agent = agent.unwrap_or_default();
            let causes: Vec<_> = cause.iter().map(ToString::to_string).collect();
            let intent = self.say(who, time, spacing, step.intent(&agent, &causes), said);
            (left, cause) = (left - 1, Some(intent));
            let mut allowed = true;
            if step.gated && left > 0 {
                allowed = self.random.below(DENIED_OF_VERDICTS) > 0;
                let verdict = step.verdict(&agent, intent, allowed);
                self.say(AGENTS, time, spacing, verdict, said);
                left -= 1;
            }
            if allowed && left > 0 {
                let outcome = step.outcome(&agent, intent, &mut self.random);
                cause = Some(self.say(who, time, spacing, outcome, said));
                left -= 1;
            }
        }
    }

    fn say(
        &mut self,
        who: usize,
        time: &mut u64,
        spacing: u64,
        fields: Json,
        said: &mut Vec<Said>,
    ) -> EventId {
        *time += spacing;
        let [a, b, c, d, e, f, g, h] = self.random.bits().to_be_bytes();
        let [.., y, z] = self.number.to_be_bytes();
        let id = EventId::new(*time / 1000, &[a, b, c, d, e, f, g, h, y, z]);
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, ..] =
            sha256(format!("session {} {who}", self.number).as_bytes());
        let session = [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15];
        if let Some(by) = self.publishers.get_mut(who) {
            said.push((who, by.body(*time, id, session, fields)));
        }
        id
    }
}

/// Signed in manifests as long as they may be.
fn submissions(by: &Publisher, bodies: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut messages, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for body in bodies {
        if part.len() == ITEMS_MAX || bytes + body.len() > BODIES_BYTES {
            messages.push(by.sign_all(std::mem::take(&mut part)));
            bytes = 0;
        }
        bytes += body.len();
        part.push(body);
    }
    if !part.is_empty() {
        messages.push(by.sign_all(part));
    }
    messages
}

/// One action of a workflow.
struct Step<'w> {
    corr: &'w str,
    human: &'w str,
    action: Json,
    class: &'static str,
    tool: &'static str,
    credential: String,
    target: u64,
    model: Json,
    environment: &'static str,
    gated: bool,
}

impl<'w> Step<'w> {
    fn draw(random: &mut Random, human: &'w str, corr: &'w str) -> Self {
        let (name, class, system, tool, gated) = pick(random, ACTIONS).unwrap_or_default();
        let (model, version) = pick(random, MODELS).unwrap_or_default();
        let target = random.favourite(TARGETS);
        Self {
            corr,
            human,
            action: json!({
                "name": name, "class": class, "system": system, "target": format!("{system}-{target}"),
            }),
            class,
            tool,
            credential: format!("cred-{system}-{}", random.favourite(50)),
            target,
            model: json!({"provider": "example", "name": model, "version": version}),
            environment: if random.below(5) > 0 { "production" } else { "staging" },
            gated,
        }
    }

    fn intent(&self, agent: &str, causes: &[String]) -> Json {
        let digest = hex(&sha256(&self.target.to_be_bytes()));
        let mut fields = self.common("action.intent", agent);
        let more = json!({
            "mode": "self", "scope": [format!("{}:{}", self.tool, self.class)],
            "environment": self.environment, "model": self.model, "tool": {"name": self.tool},
            "on_behalf_of": self.human,
            "prompt": {"digest": digest, "size": 2048},
            "input": {"alg": "sha-256", "digest": digest, "size": 512},
        });
        extend(&mut fields, more);
        if !causes.is_empty() {
            extend(&mut fields, json!({"causes": causes}));
        }
        fields
    }

    fn outcome(&self, agent: &str, intent: EventId, random: &mut Random) -> Json {
        let status = pick(random, OUTCOMES).unwrap_or("failed");
        let digest = hex(&sha256(&random.bits().to_be_bytes()));
        let mut fields = self.common("action.outcome", agent);
        let more = json!({
            "causes": [intent.to_string()], "environment": self.environment,
            "on_behalf_of": self.human, "outcome": {"status": status},
            "output": {"alg": "sha-256", "digest": digest, "size": 512},
        });
        extend(&mut fields, more);
        fields
    }

    fn verdict(&self, agent: &str, intent: EventId, allowed: bool) -> Json {
        json!({
            "kind": "gate.verdict", "agent": {"id": agent}, "correlation": self.corr,
            "causes": [intent.to_string()],
            "verdicts": [{
                "gate": GATE, "decision": if allowed { "allow" } else { "deny" },
                "reason": format!("policy-{}", self.class),
            }],
        })
    }

    fn common(&self, kind: &str, agent: &str) -> Json {
        json!({
            "kind": kind, "agent": {"id": agent}, "correlation": self.corr, "action": self.action,
            "credential": {"id": self.credential},
            "principals": [
                {"type": "human", "id": self.human},
                {"type": "agent", "id": agent, "task": "work on the case"},
            ],
        })
    }
}

/// One of several, the first ones more often.
fn pick<T: Copy>(random: &mut Random, several: &[T]) -> Option<T> {
    let count = u64::try_from(several.len()).unwrap_or(u64::MAX);
    usize::try_from(random.favourite(count)).ok().and_then(|place| several.get(place).copied())
}

fn extend(fields: &mut Json, more: Json) {
    if let (Json::Object(fields), Json::Object(more)) = (fields, more) {
        fields.extend(more);
    }
}
