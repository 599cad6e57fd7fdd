//! The few fields of a body that rules ask for, read once.

use super::rows::{Mark, mark};
use crate::body::{Body, Seq};
use crate::id::{EventId, Index, Micros, SessionId};
use crate::kind::Kind;
use crate::leaf::Leaf;

/// An action, as a body tells it. Of an erased one only name and class are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action<'a> {
    pub(crate) name: &'a str,
    pub(crate) class: &'a str,
    pub(crate) system: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
}

/// What rules know of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: EventId,
    pub(crate) index: Index,
    /// When the ledger took it.
    pub(crate) at: Micros,
    /// When its signer says it was.
    pub(crate) time: Micros,
    pub(crate) agent: Option<&'a str>,
    pub(crate) signer: &'a str,
    /// Its mark.
    pub(crate) by: Mark,
    pub(crate) session: Option<SessionId>,
    pub(crate) seq: Option<Seq>,
    pub(crate) correlation: Option<&'a str>,
    pub(crate) action: Option<Action<'a>>,
    pub(crate) environment: Option<&'a str>,
    pub(crate) credential: Option<&'a str>,
    pub(crate) mode: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) tool: Option<&'a str>,
    pub(crate) call: Option<&'a str>,
    /// The vendor's reference.
    pub(crate) reference: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub(crate) fn read(leaf: &Leaf, body: &Body<'a>) -> Self {
        let mut facts = Self {
            kind: body.kind(),
            id: body.id(),
            index: leaf.index,
            at: leaf.received_at,
            time: body.time(),
            agent: body.agent(),
            signer: body.signer(),
            by: mark(body.signer()),
            session: body.session(),
            seq: body.seq(),
            correlation: body.correlation(),
            action: None,
            environment: None,
            credential: None,
            mode: None,
            user: None,
            tool: None,
            call: None,
            reference: None,
            status: None,
        };
        if facts.kind.is_action() {
            facts.read_action(body);
        }
        facts
    }

    fn read_action(&mut self, body: &Body<'a>) {
        self.action = body.field("action").and_then(|action| {
            let text = |name: &str| action.get(name)?.text();
            Some(Action {
                name: text("name")?,
                class: text("class")?,
                system: text("system"),
                target: text("target"),
            })
        });
        self.environment = body.text("environment");
        self.credential = body.text("credential.id");
        self.mode = body.text("mode");
        self.user = body.text("on_behalf_of");
        let tool = body.field("tool");
        self.tool = tool.and_then(|tool| tool.get("name")?.text());
        self.call = tool.and_then(|tool| tool.get("call_id")?.text());
        let outcome = body.field("outcome");
        self.reference = outcome.and_then(|outcome| outcome.get("external_ref")?.text());
        self.status = outcome.and_then(|outcome| outcome.get("status")?.text());
    }

    /// Whether something was done: a service saw it, or its agent says so.
    pub(crate) fn is_execution(&self) -> bool {
        let told = matches!(self.status, Some("dispatched" | "confirmed" | "reverted"));
        self.kind == Kind::WitnessObserved || (self.kind == Kind::ActionOutcome && told)
    }

    /// Whether an agent says that something is over, one way or another.
    pub(crate) fn is_final(&self) -> bool {
        let over = matches!(self.status, Some("confirmed" | "failed" | "reverted"));
        self.kind == Kind::ActionOutcome && over
    }
}
