//! Events in their JSON form, as the examples and the live load need them.

use schemas::id::{EventId, hex, sha256};
use serde_json::{Value as Json, json};

use super::cast::{Agent, POLICIES};

/// SHA-256 of text, in hex.
pub(crate) fn digest(text: &str) -> String {
    hex(&sha256(text.as_bytes()))
}

/// `input`, `output`: the digest of content that is kept elsewhere.
fn content(text: &str) -> Json {
    json!({ "alg": "sha-256", "digest": digest(text), "size": text.len() })
}

/// `event` with the members of `more`, which replace its own.
pub(crate) fn with(mut event: Json, more: Json) -> Json {
    if let (Json::Object(event), Json::Object(more)) = (&mut event, more) {
        event.extend(more);
    }
    event
}

fn ids(causes: &[EventId]) -> Vec<String> {
    causes.iter().map(EventId::to_string).collect()
}

/// What an agent does, as its intent, its outcome and a witness name it.
#[derive(Clone)]
pub(crate) struct Action {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    pub(crate) system: &'static str,
    pub(crate) target: String,
    pub(crate) scope: &'static [&'static str],
    pub(crate) environment: &'static str,
}

impl Action {
    pub(crate) fn to_json(&self) -> Json {
        let mut action = json!({
            "name": self.name, "class": self.class, "system": self.system, "target": self.target,
        });
        if self.class == "destructive" {
            action = with(action, json!({ "irreversible": true }));
        }
        action
    }
}

fn credential(agent: &Agent) -> Json {
    json!({ "id": agent.credential, "type": agent.credential_type, "scopes": agent.scopes })
}

/// The root of a workflow, seen from outside.
pub(crate) fn trigger(correlation: &str, kind: &str, reference: &str, seen: &str) -> Json {
    json!({
        "kind": "trigger.observed",
        "correlation": correlation,
        "trigger": { "type": kind, "ref": reference },
        "input": content(seen),
        "detail": { "content": seen },
    })
}

/// An agent's process declares itself.
pub(crate) fn start(agent: &Agent, correlation: &str, task: &str, causes: &[EventId]) -> Json {
    json!({
        "kind": "session.start",
        "agent": { "id": agent.id, "name": agent.id, "version": agent.version, "build": "none" },
        "correlation": correlation,
        "causes": ids(causes),
        "task": { "digest": digest(task), "summary": task },
        "model": agent.model.to_json(),
        "contract": agent.contract().digest(),
        "attestation": "none",
        "previous": "none",
    })
}

/// An agent's process ends.
pub(crate) fn end(agent: &Agent, correlation: &str, causes: &[EventId]) -> Json {
    json!({
        "kind": "session.end",
        "agent": { "id": agent.id },
        "correlation": correlation,
        "causes": ids(causes),
        "outcome": { "status": "confirmed" },
    })
}

/// An agent is about to act. `said` is the prompt, `given` the tool's arguments.
pub(crate) fn intent(
    agent: &Agent,
    action: &Action,
    correlation: &str,
    principals: &Json,
    causes: &[EventId],
    [said, given]: [&str; 2],
) -> Json {
    json!({
        "kind": "action.intent",
        "agent": { "id": agent.id },
        "correlation": correlation,
        "causes": ids(causes),
        "principals": principals,
        "mode": "self",
        "credential": credential(agent),
        "action": action.to_json(),
        "scope": action.scope,
        "environment": action.environment,
        "prompt": { "digest": digest(said), "size": said.len() },
        "input": content(given),
        "detail": { "prompt": said, "arguments": given },
    })
}

/// What an agent says came of it.
pub(crate) fn outcome(
    agent: &Agent,
    action: &Action,
    correlation: &str,
    principals: &Json,
    causes: &[EventId],
    outcome: &Json,
) -> Json {
    let event = json!({
        "kind": "action.outcome",
        "agent": { "id": agent.id },
        "correlation": correlation,
        "causes": ids(causes),
        "principals": principals,
        "credential": credential(agent),
        "action": action.to_json(),
        "scope": action.scope,
        "environment": action.environment,
        "outcome": outcome,
    });
    match outcome.get("status").and_then(Json::as_str) {
        Some("confirmed") => with(event, json!({ "output": content("ok") })),
        _ => event,
    }
}

/// A gate's word on one rule.
pub(crate) struct Rule {
    pub(crate) gate: &'static str,
    pub(crate) decision: &'static str,
    pub(crate) reason: &'static str,
    /// What the decision rests on, and since when that was known.
    pub(crate) source: &'static str,
    pub(crate) as_of: &'static str,
}

/// A gate allows or denies an intent.
pub(crate) fn verdict(
    agent: &Agent,
    action: &Action,
    correlation: &str,
    intent: EventId,
    rules: &[Rule],
) -> Json {
    let verdicts: Vec<_> = rules.iter().map(judged).collect();
    json!({
        "kind": "gate.verdict",
        "agent": { "id": agent.id },
        "correlation": correlation,
        "causes": [intent.to_string()],
        "action": action.to_json(),
        "verdicts": verdicts,
    })
}

fn judged(rule: &Rule) -> Json {
    let policy = POLICIES.iter().find(|policy| policy.name == rule.gate);
    let verdict = json!({
        "gate": rule.gate,
        "decision": rule.decision,
        "reason": rule.reason,
        "basis": { "source": rule.source, "as_of": rule.as_of },
    });
    match policy {
        Some(policy) => with(verdict, json!({ "policy_digest": digest(policy.text) })),
        None => verdict,
    }
}

/// A service saw an action, whatever the agent says.
pub(crate) fn witness(
    agent: &Agent,
    action: &Action,
    correlation: &str,
    external_ref: &str,
) -> Json {
    json!({
        "kind": "witness.observed",
        "agent": { "id": agent.id },
        "correlation": correlation,
        "credential": { "id": agent.credential },
        "action": action.to_json(),
        "environment": action.environment,
        "outcome": { "external_ref": external_ref },
    })
}

/// The chain of an agent that acts for nobody but its owner.
pub(crate) fn alone(agent: &Agent, authorized_at: &str, task: &str) -> Json {
    json!([{ "type": "agent", "id": agent.id, "authorized_at": authorized_at, "task": task }])
}
