//! A workflow as a graph: steps, entries, edges, what is missing, and how far all that is vouched for.
//!
//! Pure: it looks at the entries and facts that were collected, and at nothing else.

use std::collections::BTreeMap;

use schemas::id::{EventId, Index, Micros, TreeSize};
use schemas::json::{Time, Written};
use schemas::kind::Kind;
use serde::Serialize;

use crate::edges::{EdgeView, causal_order, edges};
use crate::gaps::{self, Gap};
use crate::join::groups;
use crate::node::Node;
use crate::proof::{Proof, ProofView};
use crate::sequence::Missing;
use crate::steps::{Step, StepView};
use crate::timing::{Timing, timing};

/// What was collected beside the entries.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) correlation: String,
    /// Where each grant was given.
    pub(crate) grants: BTreeMap<EventId, Index>,
    pub(crate) missing: Vec<Missing>,
    /// Entries that the ledger counts under the correlation; `None` if not all of them were collected.
    pub(crate) counted: Option<usize>,
    /// The checkpoint that the proofs are against.
    pub(crate) checkpoint: TreeSize,
    pub(crate) now: Micros,
}

/// The workflow as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Graph<'n> {
    correlation: &'n str,
    steps: Vec<StepView<'n>>,
    entries: Vec<EntryView<'n>>,
    edges: Vec<EdgeView>,
    counts: Counts,
    gaps: Vec<Gap<'n>>,
    /// Entries with a cause that is no entry of the ledger.
    orphans: Vec<u64>,
    timing: Timing<'n>,
    findings: usize,
    completeness: &'static str,
    verified: Verified,
}

/// How many entries: `entries` is `counted`, of the workflow itself, and `joined`.
#[derive(Debug, Serialize)]
struct Counts {
    entries: usize,
    counted: usize,
    joined: usize,
    rejected: usize,
}

/// Whether every entry's proof holds, in the tree of this checkpoint.
#[derive(Debug, Serialize)]
struct Verified {
    checkpoint: u64,
    ok: bool,
}

/// One entry as JSON.
#[derive(Debug, Serialize)]
struct EntryView<'n> {
    index: u64,
    id: Option<Written<EventId>>,
    kind: Option<&'static str>,
    agent: Option<&'n str>,
    signer: Option<&'n str>,
    received_at: Time,
    status: &'static str,
    joined: bool,
    causes: Vec<Written<EventId>>,
    proof: ProofView,
}

/// A workflow of which it is not known yet how far it is vouched for.
#[derive(Debug)]
pub(crate) struct Unproven<'n> {
    nodes: &'n [Node],
    /// Without its entries.
    graph: Graph<'n>,
}

/// The workflow of `nodes`, which stand in the log's order.
pub(crate) fn unproven<'n>(nodes: &'n [Node], facts: &'n Facts) -> Unproven<'n> {
    let edges = edges(nodes);
    let groups = groups(nodes, &causal_order(nodes.len(), &edges));
    let steps: Vec<_> = groups.iter().filter_map(|places| Step::new(nodes, places)).collect();
    let timing = timing(nodes, &edges, &groups);
    let mut gaps = gaps::of_counts(nodes);
    let completeness = completeness(nodes, !gaps.is_empty(), facts.counted);
    gaps.extend(gaps::of_causes(nodes));
    gaps.extend(gaps::of_sequences(&facts.missing));
    gaps.extend(gaps::of_delegations(nodes, &facts.grants));
    gaps.extend(gaps::of_outcomes(nodes, &steps, facts.now));
    let graph = Graph {
        correlation: &facts.correlation,
        steps: (1..).zip(&steps).map(|(n, step)| step.view(n)).collect(),
        entries: Vec::new(),
        edges: edges.iter().filter_map(|edge| edge.view(nodes)).collect(),
        counts: counts(nodes),
        orphans: gaps::orphans(&gaps),
        gaps,
        timing,
        // Anybody can submit one and be refused: findings are the ledger's own.
        findings: nodes.iter().filter(|node| node.accepted() && node.is(Kind::Finding)).count(),
        completeness,
        verified: Verified { checkpoint: facts.checkpoint.0, ok: false },
    };
    Unproven { nodes, graph }
}

impl<'n> Unproven<'n> {
    /// With one proof of each entry, against the checkpoint of the facts.
    pub(crate) fn proven(self, proofs: &[Proof]) -> Graph<'n> {
        let Self { nodes, mut graph } = self;
        let checkpoint = TreeSize(graph.verified.checkpoint);
        let entry = |(node, proof): (&'n Node, &Proof)| EntryView::of(node, proof.view(checkpoint));
        graph.entries = nodes.iter().zip(proofs).map(entry).collect();
        graph.verified.ok = proofs.len() == nodes.len() && proofs.iter().all(Proof::holds);
        graph
    }
}

impl Graph<'_> {
    /// Its entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn counts(nodes: &[Node]) -> Counts {
    let accepted = || nodes.iter().filter(|node| node.accepted());
    let joined = accepted().filter(|node| node.joined).count();
    let entries = accepted().count();
    Counts { entries, counted: entries - joined, joined, rejected: nodes.len() - entries }
}

/// `gap` if entries are missing inside; `complete` if besides the ledger counts no others; else `open`.
fn completeness(nodes: &[Node], has_holes: bool, counted: Option<usize>) -> &'static str {
    let own = nodes.iter().filter(|node| !node.joined).count();
    match counted {
        _ if has_holes => "gap",
        Some(counted) if counted == own => "complete",
        _ => "open",
    }
}

impl<'n> EntryView<'n> {
    fn of(node: &'n Node, proof: ProofView) -> Self {
        Self {
            index: node.index.0,
            id: node.id.map(Written),
            kind: node.kind.map(Kind::as_str),
            agent: node.agent.as_deref(),
            signer: node.signer.as_deref(),
            received_at: Time(node.received_at),
            status: node.status.as_str(),
            joined: node.joined,
            causes: node.causes.iter().copied().map(Written).collect(),
            proof,
        }
    }
}

#[cfg(test)]
mod tests;
