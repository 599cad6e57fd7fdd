//! The few fields of a body that rules ask for, read once.

use super::marks::Marks;
use crate::body::{Body, Seq};
use crate::deterministic::Item;
use crate::id::{EventId, Index, Micros, SessionId};
use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::mark::{Mark, mark};
use crate::registry::Registry;

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
    /// Its agent, by the id that the registry knows it by.
    pub(crate) agent: Option<&'a str>,
    /// The agent that it names.
    pub(crate) named: Option<&'a str>,
    pub(crate) signer: &'a str,
    /// Its mark.
    pub(crate) by: Mark,
    /// A registered agent signs it.
    pub(crate) by_agent: bool,
    /// Its agent is registered.
    pub(crate) is_known: bool,
    /// The mark of its agent.
    pub(crate) of: Option<Mark>,
    pub(crate) session: Option<SessionId>,
    pub(crate) seq: Option<Seq>,
    pub(crate) correlation: Option<&'a str>,
    pub(crate) causes: &'a [Item<'a>],
    pub(crate) principals: &'a [Item<'a>],
    pub(crate) action: Option<Action<'a>>,
    pub(crate) scope: &'a [Item<'a>],
    pub(crate) environment: Option<&'a str>,
    pub(crate) credential: Option<&'a str>,
    /// What it says of a credential.
    pub(crate) credential_told: Option<&'a Item<'a>>,
    pub(crate) mode: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) tool: Option<&'a str>,
    pub(crate) call: Option<&'a str>,
    /// The vendor's reference.
    pub(crate) reference: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
    /// What it attests.
    pub(crate) attestation: Option<&'a Item<'a>>,
}

impl<'a> Action<'a> {
    fn read(item: &'a Item<'a>) -> Option<Self> {
        let text = |name: &str| item.get(name)?.text();
        Some(Self {
            name: text("name")?,
            class: text("class")?,
            system: text("system"),
            target: text("target"),
        })
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn read(
        registry: &'a Registry,
        marks: &mut Marks,
        leaf: &Leaf,
        body: &'a Body<'a>,
    ) -> Self {
        let signer = registry.agent(body.signer());
        let mut facts = Self {
            kind: body.kind(),
            id: body.id(),
            index: leaf.index,
            at: leaf.received_at,
            time: body.time(),
            agent: body.agent(),
            named: body.agent(),
            signer: body.signer(),
            by: signer.map_or_else(|| marks.of(Some(body.signer())), |agent| agent.mark),
            by_agent: signer.is_some(),
            of: None,
            is_known: false,
            session: None,
            seq: None,
            correlation: None,
            causes: &[],
            principals: &[],
            action: None,
            scope: &[],
            environment: None,
            credential: None,
            credential_told: None,
            mode: None,
            user: None,
            tool: None,
            call: None,
            reference: None,
            status: None,
            attestation: None,
        };
        let is_action = facts.kind.is_action();
        for (name, value) in body.fields() {
            let Some(name) = name.text() else { continue };
            match is_action {
                true => facts.take_of_action(name.as_bytes(), value),
                false => facts.take(name.as_bytes(), value),
            }
        }
        facts.look_up(registry);
        facts
    }

    fn take(&mut self, name: &[u8], value: &'a Item<'a>) {
        match name {
            b"seq" => self.seq = Seq::read(value),
            b"scope" => self.scope = value.array().unwrap_or_default(),
            b"causes" => self.causes = value.array().unwrap_or_default(),
            b"session" => self.session = value.bytes().and_then(SessionId::from_slice),
            b"principals" => self.principals = value.array().unwrap_or_default(),
            b"attestation" => self.attestation = Some(value),
            b"credential" => self.credential_told = Some(value),
            b"correlation" => self.correlation = value.text(),
            _ => {}
        }
    }

    fn take_of_action(&mut self, name: &[u8], value: &'a Item<'a>) {
        let text = |name: &str| value.get(name)?.text();
        match name {
            b"mode" => self.mode = value.text(),
            b"tool" => (self.tool, self.call) = (text("name"), text("call_id")),
            b"action" => self.action = Action::read(value),
            b"outcome" => (self.reference, self.status) = (text("external_ref"), text("status")),
            b"environment" => self.environment = value.text(),
            b"on_behalf_of" => self.user = value.text(),
            b"credential" => {
                self.credential = text("id");
                self.credential_told = Some(value);
            }
            _ => self.take(name, value),
        }
    }

    /// The environment that it attests.
    pub(crate) fn attested(&self) -> Option<&'a str> {
        self.attestation?.get("environment")?.text()
    }

    /// Looks its agent up.
    fn look_up(&mut self, registry: &'a Registry) {
        // An agent that signs need not name itself.
        let agent = self.agent.or(Some(self.signer).filter(|_| self.by_agent));
        if agent == Some(self.signer) && self.by_agent {
            (self.agent, self.is_known, self.of) = (agent, true, Some(self.by));
            return;
        }
        // A witness may know an agent by another of its names.
        let known = agent.and_then(|name| registry.known(name));
        self.is_known = known.is_some();
        self.agent = known.map_or(agent, |known| Some(known.id.as_str()));
        self.of = known.map(|known| known.mark).or_else(|| agent.map(mark));
    }

    /// Ids of the events that caused it.
    pub(crate) fn causes(&self) -> impl Iterator<Item = EventId> + use<'a> {
        self.causes.iter().filter_map(|id| EventId::from_slice(id.bytes()?))
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
