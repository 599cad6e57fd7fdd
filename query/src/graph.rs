//! A workflow as a graph: steps, entries, edges, what is missing, and how far all that is vouched for.
//!
//! Pure: it looks at the entries and facts that were collected, and at nothing else.

use std::collections::BTreeMap;

use schemas::id::{EventId, Index, Micros, TreeSize};
use schemas::json::{Time, Written};
use schemas::kind::Kind;
use serde::{Serialize, Serializer};

use crate::cores::each_share;
use crate::edges::{EdgeView, causal_order, edges};
use crate::formats::{Composed, write_json};
use crate::gaps::{self, Gap};
use crate::join::groups;
use crate::mentions::Mentions;
use crate::node::Node;
use crate::proof::{Proof, ProofView};
use crate::sequence::Missing;
use crate::steps::Step;
use crate::timing::{Timing, timing};

/// Steps that one core writes in one go.
const WRITTEN_TOGETHER: usize = 64;
/// About as many bytes as a step has in JSON.
const STEP_BYTES: usize = 1 << 9;
/// About as many bytes as an entry has in JSON, without its body.
const ENTRY_BYTES: usize = 1 << 9;
/// What the whole has for each of its nodes.
const NODE_BYTES: usize = 1 << 10;

/// What was collected beside the entries.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'f> {
    pub(crate) correlation: &'f str,
    /// Where each grant was given.
    pub(crate) grants: BTreeMap<EventId, Index>,
    pub(crate) missing: Vec<Missing>,
    /// Entries that the ledger counts under the correlation; `None` if not all of them were collected.
    pub(crate) counted: Option<usize>,
    pub(crate) now: Micros,
}

/// What does not wait for the proofs, without the steps.
#[derive(Serialize)]
struct Drawn<'n> {
    correlation: &'n str,
    edges: Vec<EdgeView>,
    counts: Counts,
    gaps: Vec<Gap<'n>>,
    /// Entries with a cause that is no entry of the ledger.
    orphans: Vec<u64>,
    timing: Timing<'n>,
    findings: usize,
    completeness: &'static str,
}

/// How many entries: `entries` is `counted`, of the workflow itself, and `joined`.
#[derive(Debug, Serialize)]
struct Counts {
    entries: usize,
    counted: usize,
    joined: usize,
    rejected: usize,
}

/// How far the workflow is vouched for.
#[derive(Serialize)]
struct Vouched {
    verified: Verified,
}

/// Whether every entry's proof holds, in the tree of this checkpoint.
#[derive(Serialize)]
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

/// Entries as JSON texts, each proven as far as it can be.
#[derive(Debug)]
pub(crate) struct EntryTexts {
    text: Vec<u8>,
    /// Where the text of each ends.
    ends: Vec<(Index, usize)>,
    /// Whether all of their proofs hold.
    hold: bool,
}

impl EntryTexts {
    /// With room for so many.
    pub(crate) fn with_capacity(entries: usize) -> Self {
        let text = Vec::with_capacity(entries.saturating_mul(ENTRY_BYTES));
        Self { text, ends: Vec::with_capacity(entries), hold: true }
    }

    /// Adds a node with its proof against the checkpoint of this size.
    pub(crate) fn add(&mut self, node: &Node<'_>, proof: &Proof, checkpoint: TreeSize) {
        write_json(&mut self.text, &EntryView::of(node, proof.view(checkpoint)));
        self.ends.push((node.index, self.text.len()));
        self.hold &= proof.holds();
    }

    fn each(&self) -> impl Iterator<Item = (Index, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |(index, end)| {
            let text = self.text.get(start..*end).unwrap_or_default();
            start = *end;
            (*index, text)
        })
    }
}

/// A workflow without its entries: it is not known yet how far it is vouched for.
#[derive(Debug)]
pub(crate) struct Unproven {
    drawn: Composed,
    entries: usize,
}

/// The workflow of `nodes`, which stand in the log's order.
pub(crate) fn unproven(nodes: &[Node<'_>], facts: &Facts<'_>) -> Unproven {
    let mentions = Mentions::of(nodes);
    let edges = edges(nodes, &mentions);
    let groups = groups(nodes, &mentions, &causal_order(nodes.len(), &edges));
    let steps = (1..).zip(&groups).filter_map(|(n, places)| Step::new(n, nodes, places));
    let steps: Vec<_> = steps.collect();
    let timing = timing(nodes, &edges, &groups);
    let mut gaps = gaps::of_counts(nodes);
    let completeness = completeness(nodes, !gaps.is_empty(), facts.counted);
    gaps.extend(gaps::of_causes(nodes, &mentions));
    gaps.extend(gaps::of_sequences(&facts.missing));
    gaps.extend(gaps::of_delegations(nodes, &facts.grants));
    gaps.extend(gaps::of_outcomes(nodes, &steps, facts.now));
    let mut drawn = Composed::with_room(nodes.len().saturating_mul(NODE_BYTES));
    drawn.members(&Drawn {
        correlation: facts.correlation,
        edges: edges.iter().filter_map(|edge| edge.view(nodes)).collect(),
        counts: counts(nodes),
        orphans: gaps::orphans(&gaps),
        gaps,
        timing,
        // Anybody can submit one and be refused: findings are the ledger's own.
        findings: nodes.iter().filter(|node| node.accepted() && node.is(Kind::Finding)).count(),
        completeness,
    });
    let steps = each_share(&steps, WRITTEN_TOGETHER, step_texts);
    drawn.list("steps", steps.iter().map(Vec::as_slice));
    Unproven { drawn, entries: nodes.len() }
}

/// The steps as JSON, with commas between.
fn step_texts(steps: &[Step<'_>]) -> Vec<u8> {
    let mut text = Vec::with_capacity(steps.len().saturating_mul(STEP_BYTES));
    for (place, step) in steps.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write_json(&mut text, &step.view());
    }
    text
}

impl Unproven {
    /// As JSON, with its entries, each proven against the checkpoint of this size.
    pub(crate) fn proven(self, entries: &[EntryTexts], checkpoint: TreeSize) -> Composed {
        let Self { mut drawn, entries: expected } = self;
        let mut texts: Vec<_> = entries.iter().flat_map(EntryTexts::each).collect();
        texts.sort_by_key(|(index, _)| *index);
        let ok = texts.len() == expected && entries.iter().all(|entries| entries.hold);
        drawn.list("entries", texts.into_iter().map(|(_, text)| text));
        drawn.members(&Vouched { verified: Verified { checkpoint: checkpoint.0, ok } });
        drawn
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
