//! Steps of a workflow, and what they come to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemas::account::Account;
use schemas::id::Micros;
use schemas::json::Time;
use schemas::kind::Kind;
use serde::Serialize;

use crate::join::PARTS;
use crate::node::{Node, Verdict};

/// One step of a workflow.
#[derive(Clone, Debug)]
pub(crate) struct Step<'n> {
    /// Which one it is, counted from 1.
    pub(crate) n: usize,
    nodes: Vec<&'n Node<'n>>,
    first: &'n Node<'n>,
}

impl<'n> Step<'n> {
    /// The `n`-th one, of the nodes at `places`; `None` if there are none.
    pub(crate) fn new(n: usize, nodes: &'n [Node<'n>], places: &[usize]) -> Option<Self> {
        let nodes: Vec<_> = places.iter().filter_map(|place| nodes.get(*place)).collect();
        let intent = nodes.iter().copied().find(|node| node.is(Kind::ActionIntent));
        let first = intent.or_else(|| nodes.first().copied())?;
        Some(Self { n, nodes, first })
    }

    /// The entry that the step is named for: the intent where there is one.
    pub(crate) fn first(&self) -> &'n Node<'n> {
        self.first
    }

    fn accepted(&self, kind: Kind) -> impl Iterator<Item = &'n Node<'n>> + '_ {
        self.nodes.iter().copied().filter(move |node| node.is(kind) && node.accepted())
    }

    fn is_action(&self) -> bool {
        self.first.kind.is_some_and(|kind| PARTS.contains(&kind))
    }

    /// Verdicts with the entry that holds each.
    fn verdicts(&self) -> impl Iterator<Item = (&'n Node<'n>, &'n Verdict<'n>)> + '_ {
        let nodes = self.accepted(Kind::GateVerdict);
        nodes.flat_map(|node| node.verdicts.iter().map(move |verdict| (node, verdict)))
    }

    /// Why it must not run: the reason of a denial that its gate, or the approver, did not take back.
    fn denial(&self) -> Option<&'n str> {
        let mut last: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (_, verdict) in self.verdicts() {
            last.insert(verdict.gate, (verdict.decision, verdict.reason));
        }
        let approval = self.accepted(Kind::ApprovalDecided).filter_map(|n| n.decision).last();
        let mut decisions =
            last.into_values().chain(approval.map(|decision| (decision, "approval")));
        decisions.find(|(decision, _)| *decision == "deny").map(|(_, reason)| reason)
    }

    fn outcome(&self) -> Option<&'n str> {
        self.accepted(Kind::ActionOutcome).filter_map(|node| node.outcome).last()
    }

    fn is_final(&self) -> bool {
        matches!(self.outcome(), Some("confirmed" | "failed" | "reverted"))
    }

    fn status(&self) -> Option<&'n str> {
        let denied = self.denial().map(|_reason| "denied");
        let refused = (!self.first.accepted()).then_some("rejected");
        self.outcome().or(denied).or(refused)
    }

    fn reason(&self) -> Option<&'n str> {
        let refused = (!self.first.accepted()).then(|| self.first.status.as_str());
        self.denial().or(refused)
    }

    /// What an action of this kind has and this one lacks.
    fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.is_action() {
            return missing;
        }
        if !self.first.is(Kind::ActionIntent) {
            missing.push("intent");
        }
        if self.is_open() {
            missing.push("outcome");
        }
        let mut requested = self.accepted(Kind::ApprovalRequested);
        if requested.next().is_some() && self.accepted(Kind::ApprovalDecided).next().is_none() {
            missing.push("approval");
        }
        missing
    }

    fn is_open(&self) -> bool {
        let intended = self.first.is(Kind::ActionIntent) && self.first.accepted();
        intended && !self.is_final() && self.denial().is_none()
    }

    /// Since when it may run but has no final outcome.
    pub(crate) fn open_since(&self) -> Option<Micros> {
        let allowed = self.verdicts().filter(|(_, verdict)| verdict.decision == "allow");
        let approved = self.accepted(Kind::ApprovalDecided).filter(|n| n.decision == Some("allow"));
        let last = allowed.map(|(node, _)| node).chain(approved).map(|node| node.received_at).max();
        self.is_open().then(|| last.unwrap_or(self.first.received_at))
    }

    fn kind(&self) -> &'static str {
        match self.first.kind {
            Some(Kind::TriggerObserved) => "trigger",
            Some(Kind::DelegationGranted | Kind::DelegationRevoked) => "delegation",
            Some(kind) if PARTS.contains(&kind) => "action",
            Some(kind) => kind.as_str(),
            None => "unknown",
        }
    }

    fn action(&self) -> Cow<'n, str> {
        match (self.first.kind, self.first.trigger) {
            (Some(Kind::TriggerObserved), Some((kind, _))) => return format!("{kind} in").into(),
            (Some(Kind::DelegationGranted), _) => return "delegate".into(),
            (Some(Kind::DelegationRevoked), _) => return "revoke".into(),
            _ => {}
        }
        let named = self.nodes.iter().find_map(|node| node.action);
        named.or_else(|| self.first.kind.map(Kind::as_str)).unwrap_or_default().into()
    }

    fn target(&self) -> Option<&'n str> {
        let first = self.first;
        match first.kind {
            Some(Kind::TriggerObserved) => first.trigger.map(|(_, name)| name),
            Some(Kind::DelegationGranted | Kind::DelegationRevoked) => {
                first.grant.as_ref().and_then(|grant| grant.to)
            }
            Some(kind) if PARTS.contains(&kind) => self.nodes.iter().find_map(|node| node.target),
            _ => first.agent,
        }
    }

    /// Who acts: the agent, or whoever signed where that is no agent's own act.
    fn actor(&self) -> Option<&'n str> {
        // Who tells of another's action names its agent, but does not act as that.
        let is_own = self.is_action() && self.first.account() != Account::Nobody;
        let agent = if is_own { self.first.agent } else { None };
        agent.or(self.first.signer)
    }

    fn scope(&self) -> &'n [&'n str] {
        self.first.grant.as_ref().map(|grant| grant.scope.as_slice()).unwrap_or_default()
    }

    /// When its first and its last accepted entry were received.
    fn span(&self) -> Option<(Micros, Micros)> {
        let times = || self.nodes.iter().filter(|n| n.accepted()).map(|node| node.received_at);
        times().min().zip(times().max())
    }

    /// The step as the API shows it.
    pub(crate) fn view(&self) -> StepView<'n> {
        let verdicts = self.verdicts();
        let span = self.span();
        StepView {
            n: self.n,
            kind: self.kind(),
            action: self.action(),
            agent: self.actor(),
            target: self.target(),
            scope: self.scope(),
            status: self.status(),
            witnessed: self.accepted(Kind::WitnessObserved).next().is_some(),
            denied: self.denial().is_some(),
            reason: self.reason(),
            entries: self.nodes.iter().map(|node| node.index.0).collect(),
            verdicts: verdicts
                .map(|(node, verdict)| VerdictView::of(node, verdict, &self.first.assertions))
                .collect(),
            joined: self.first.joined.then_some("cause"),
            missing: self.missing(),
            began: span.map(|(began, _)| Time(began)),
            ended: span.map(|(_, ended)| Time(ended)),
            us: span.map(|(began, ended)| ended.0 - began.0),
        }
    }
}

/// A step as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct StepView<'n> {
    n: usize,
    kind: &'static str,
    action: Cow<'n, str>,
    agent: Option<&'n str>,
    target: Option<&'n str>,
    scope: &'n [&'n str],
    status: Option<&'n str>,
    witnessed: bool,
    denied: bool,
    reason: Option<&'n str>,
    entries: Vec<u64>,
    verdicts: Vec<VerdictView<'n>>,
    joined: Option<&'static str>,
    missing: Vec<&'static str>,
    began: Option<Time>,
    ended: Option<Time>,
    /// From `began` to `ended` in microseconds.
    us: Option<u64>,
}

/// A gate's verdict as JSON.
#[derive(Debug, Serialize)]
struct VerdictView<'n> {
    index: u64,
    gate: &'n str,
    decision: &'n str,
    reason: &'n str,
    basis: Option<BasisView<'n>>,
    /// What the agent asserted and the verdict rests on.
    assertion: Option<&'n str>,
}

#[derive(Debug, Serialize)]
struct BasisView<'n> {
    source: &'n str,
    as_of: Option<Time>,
}

impl<'n> VerdictView<'n> {
    fn of(node: &Node<'_>, verdict: &'n Verdict<'n>, assertions: &[(&'n str, &'n str)]) -> Self {
        let as_of = verdict.as_of.map(Time);
        Self {
            index: node.index.0,
            gate: verdict.gate,
            decision: verdict.decision,
            reason: verdict.reason,
            basis: verdict.source.map(|source| BasisView { source, as_of }),
            assertion: assertion(verdict, assertions),
        }
    }
}

/// What the agent asserted and the verdict rests on: its basis names the assertion, or it is a consent
/// gate's, which rests on where the consent came from.
fn assertion<'n>(verdict: &Verdict<'_>, assertions: &[(&'n str, &'n str)]) -> Option<&'n str> {
    let source = verdict.source;
    let named = |(key, value): &&(&str, &str)| source == Some(*key) || source == Some(*value);
    let consent = |(key, _): &&(&str, &str)| {
        *key == "consent_source" && verdict.gate.split('_').any(|word| word == "consent")
    };
    let found = assertions.iter().find(named).or_else(|| assertions.iter().find(consent));
    found.map(|(_, value)| *value)
}
