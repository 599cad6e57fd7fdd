//! A workflow as a graph: steps, entries, edges, what is missing, and how far all that is vouched for.
//!
//! Pure: it looks at the entries and facts that were collected, and at nothing else.

use std::collections::BTreeMap;

use schemas::id::{EventId, Index, Micros, TreeSize};
use schemas::json::{Time, Written};
use schemas::kind::Kind;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::edges::{causal_order, edges};
use crate::formats::json_text;
use crate::gaps;
use crate::join::groups;
use crate::node::Node;
use crate::proof::{Proof, ProofView};
use crate::sequence::Missing;
use crate::steps::Step;
use crate::timing::timing;

/// What was collected beside the entries.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) correlation: String,
    /// Where each grant was given.
    pub(crate) grants: BTreeMap<EventId, Index>,
    pub(crate) missing: Vec<Missing>,
    /// Entries that the ledger counts under the correlation; `None` if not all of them were collected.
    pub(crate) counted: Option<usize>,
    pub(crate) now: Micros,
}

/// The workflow as JSON, most of which is written already.
#[derive(Debug, Serialize)]
pub(crate) struct Graph {
    correlation: String,
    steps: Box<RawValue>,
    entries: Vec<Box<RawValue>>,
    edges: Box<RawValue>,
    counts: Counts,
    gaps: Box<RawValue>,
    /// Entries with a cause that is no entry of the ledger.
    orphans: Vec<u64>,
    timing: Box<RawValue>,
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
    #[serde(serialize_with = "written")]
    causes: &'n [EventId],
    proof: ProofView,
}

fn written<S: Serializer>(ids: &[EventId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().copied().map(Written))
}

/// One entry as JSON text, proven as far as it can be.
#[derive(Debug)]
pub(crate) struct EntryText {
    index: Index,
    holds: bool,
    text: Box<RawValue>,
}

impl EntryText {
    /// Of a node with its proof against the checkpoint of this size.
    pub(crate) fn of(node: &Node<'_>, proof: &Proof, checkpoint: TreeSize) -> Self {
        let text = json_text(&EntryView::of(node, proof.view(checkpoint)));
        Self { index: node.index, holds: proof.holds(), text }
    }
}

/// A workflow without its entries: it is not known yet how far it is vouched for.
#[derive(Debug)]
pub(crate) struct Unproven(Graph);

/// The workflow of `nodes`, which stand in the log's order.
pub(crate) fn unproven(nodes: &[Node<'_>], facts: Facts) -> Unproven {
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
    let steps: Vec<_> = (1..).zip(&steps).map(|(n, step)| step.view(n)).collect();
    let edges: Vec<_> = edges.iter().filter_map(|edge| edge.view(nodes)).collect();
    Unproven(Graph {
        steps: json_text(&steps),
        entries: Vec::new(),
        edges: json_text(&edges),
        counts: counts(nodes),
        orphans: gaps::orphans(&gaps),
        gaps: json_text(&gaps),
        timing: json_text(&timing),
        // Anybody can submit one and be refused: findings are the ledger's own.
        findings: nodes.iter().filter(|node| node.accepted() && node.is(Kind::Finding)).count(),
        completeness,
        verified: Verified { checkpoint: 0, ok: false },
        correlation: facts.correlation,
    })
}

impl Unproven {
    /// With its entries, each proven against the checkpoint of this size.
    pub(crate) fn proven(self, mut entries: Vec<EntryText>, checkpoint: TreeSize) -> Graph {
        let Self(mut graph) = self;
        let is_whole = entries.len() == graph.counts.entries + graph.counts.rejected;
        let ok = is_whole && entries.iter().all(|entry| entry.holds);
        graph.verified = Verified { checkpoint: checkpoint.0, ok };
        entries.sort_by_key(|entry| entry.index);
        graph.entries = entries.into_iter().map(|entry| entry.text).collect();
        graph
    }
}

impl Graph {
    /// Its entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn counts(nodes: &[Node<'_>]) -> Counts {
    let accepted = || nodes.iter().filter(|node| node.accepted());
    let joined = accepted().filter(|node| node.joined).count();
    let entries = accepted().count();
    Counts { entries, counted: entries - joined, joined, rejected: nodes.len() - entries }
}

/// `gap` if entries are missing inside; `complete` if besides the ledger counts no others; else `open`.
fn completeness(nodes: &[Node<'_>], has_holes: bool, counted: Option<usize>) -> &'static str {
    let own = nodes.iter().filter(|node| !node.joined).count();
    match counted {
        _ if has_holes => "gap",
        Some(counted) if counted == own => "complete",
        _ => "open",
    }
}

impl<'n> EntryView<'n> {
    fn of(node: &'n Node<'_>, proof: ProofView) -> Self {
        Self {
            index: node.index.0,
            id: node.id.map(Written),
            kind: node.kind.map(Kind::as_str),
            agent: node.agent,
            signer: node.signer,
            received_at: Time(node.received_at),
            status: node.status.as_str(),
            joined: node.joined,
            causes: &node.causes,
            proof,
        }
    }
}

#[cfg(test)]
mod tests;
