//! The graph over constructed bodies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::iter::repeat;

use schemas::body::{self, Body};
use schemas::id::{BodyDigest, ChainHash, Digest, EventId, Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status};
use schemas::reject::Reason;
use serde_json::{Value as Json, json};

use crate::formats::{Composed, parsed};
use crate::graph::{EntryTexts, Facts, unproven};
use crate::node::Node;
use crate::proof::{Held, Proof};

const CHECKPOINT: TreeSize = TreeSize(99);
const MINUTE: u64 = 60_000_000;
const GOOD: Proof =
    Proof { chain: true, held: Held::Whole, signature: Some(true), inclusion: true };

/// The id under which tests speak of entry `n`.
fn id(n: u64) -> EventId {
    EventId::new(n, &[7; 10])
}

fn ids(ns: &[u64]) -> Json {
    ns.iter().map(|n| Json::from(id(*n).to_string())).collect()
}

fn texts<'t>(proven: impl Iterator<Item = (&'t Node<'static>, &'t Proof)>) -> EntryTexts {
    let mut texts = EntryTexts::with_capacity(0);
    proven.for_each(|(node, proof)| texts.add(node, proof, CHECKPOINT));
    texts
}

fn json(graph: Composed) -> Json {
    parsed(&graph.end())
}

/// A list of nodes under construction; the n-th one has id n and was received in minute n.
#[derive(Default)]
struct Nodes {
    nodes: Vec<Node<'static>>,
    ordinal: u64,
}

impl Nodes {
    fn add(&mut self, kind: &str, causes: &[u64], fields: Json) -> &mut Node<'static> {
        self.add_as(Status::Accepted, kind, causes, fields)
    }

    fn add_as(
        &mut self,
        status: Status,
        kind: &str,
        causes: &[u64],
        fields: Json,
    ) -> &mut Node<'static> {
        let index = u64::try_from(self.nodes.len()).unwrap();
        self.ordinal += u64::from(status == Status::Accepted);
        let bytes = bytes(kind, index, causes, fields);
        let correlation = if status == Status::Accepted { self.ordinal } else { 0 };
        let leaf = Leaf {
            index: Index(index),
            previous: ChainHash::ZERO,
            received_at: Micros(index * MINUTE),
            status,
            statement: Digest::ZERO,
            body: BodyDigest::ZERO,
            position: 0,
            id: Some(id(index)),
            counts: Counts { agent: 0, session: 0, correlation },
            source: None,
        };
        // What a test constructs it may keep.
        let bytes: &[u8] = bytes.leak();
        assert!(Body::parse(bytes).is_ok());
        self.nodes.push(Node::new(&leaf, Some(bytes)));
        self.nodes.last_mut().unwrap()
    }

    fn intent(&mut self, fields: Json) {
        self.add("action.intent", &[], fields);
    }

    fn outcome(&mut self, causes: &[u64], status: &str, fields: Json) {
        let fields = merged(json!({ "outcome": { "status": status } }), fields);
        self.add("action.outcome", causes, fields);
    }

    fn verdict(&mut self, causes: &[u64], gate: &str, decision: &str) {
        let verdict = json!([{ "gate": gate, "decision": decision, "reason": "why" }]);
        self.add("gate.verdict", causes, json!({ "signer": "gate", "verdicts": verdict }));
    }

    fn witness(&mut self, agent: &str, reference: &str) {
        let fields = json!({
            "signer": "gateway", "agent": { "id": agent }, "outcome": { "external_ref": reference },
        });
        self.add("witness.observed", &[], fields);
    }

    /// The graph an hour later, where the ledger counts just these entries.
    fn graph(&self) -> Json {
        let own = self.nodes.iter().filter(|node| !node.joined).count();
        self.graph_with(|facts| facts.counted = Some(own))
    }

    /// In shares, the last one first.
    fn texts(&self) -> Vec<EntryTexts> {
        let shares = self.nodes.chunks(64).rev();
        shares.map(|nodes| texts(nodes.iter().zip(repeat(&GOOD)))).collect()
    }

    fn graph_with(&self, change: impl FnOnce(&mut Facts)) -> Json {
        let mut facts = Facts {
            correlation: "w",
            grants: BTreeMap::new(),
            missing: Vec::new(),
            counted: None,
            now: Micros(60 * MINUTE),
        };
        change(&mut facts);
        json(unproven(&self.nodes, &facts).proven(&self.texts(), CHECKPOINT))
    }
}

fn merged(mut base: Json, more: Json) -> Json {
    if let (Json::Object(base), Json::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

fn bytes(kind: &str, n: u64, causes: &[u64], fields: Json) -> Vec<u8> {
    let digest = "00".repeat(32);
    let mut base = json!({
        "v": 1, "kind": kind, "id": id(n).to_string(), "salt": "00".repeat(16), "tenant": "acme",
        "time": n, "agent": { "id": "a" }, "session": "00".repeat(16),
        "seq": { "n": 1, "prev": digest }, "correlation": "w", "causes": ids(causes),
    });
    if kind.starts_with("action.") || kind == "witness.observed" {
        let action = json!({ "name": "voice.call", "class": "communication", "system": "voice", "target": "+1" });
        base = merged(base, json!({ "action": action, "credential": { "id": "c" } }));
    }
    if kind.starts_with("action.") {
        base = merged(base, json!({ "principals": [{ "id": "a", "type": "agent" }] }));
    }
    if kind == "action.intent" {
        base = merged(
            base,
            json!({
                "mode": "self", "scope": ["s"], "environment": "e", "prompt": "none", "input": "none",
            }),
        );
    }
    if kind == "action.outcome" {
        base = merged(base, json!({ "output": "none" }));
    }
    body::from_json(&merged(base, fields)).unwrap()
}

/// The members of every step, and one of its fields.
fn steps<'j>(graph: &'j Json, field: &str) -> Vec<(Vec<u64>, &'j Json)> {
    let members = |step: &Json| {
        let entries = step["entries"].as_array().unwrap();
        entries.iter().map(|index| index.as_u64().unwrap()).collect()
    };
    graph["steps"].as_array().unwrap().iter().map(|s| (members(s), &s[field])).collect()
}

fn gap_kinds(graph: &Json) -> Vec<&str> {
    graph["gaps"].as_array().unwrap().iter().map(|gap| gap["kind"].as_str().unwrap()).collect()
}

#[test]
fn many_steps_and_entries_stand_in_order_whichever_share_wrote_them() {
    let mut nodes = Nodes::default();
    (0..150).for_each(|_| nodes.intent(json!({})));
    let graph = nodes.graph();
    let list = |name: &str| graph[name].as_array().unwrap().clone();
    let steps = list("steps").into_iter().map(|step| json!([step["n"], step["entries"]]));
    assert!(steps.eq((0..150).map(|place| json!([place + 1, [place]]))));
    let entries = list("entries").into_iter().map(|entry| entry["index"].clone());
    assert!(entries.eq((0..150).map(Json::from)));
    assert_eq!(graph["verified"]["ok"], true);
}

#[test]
fn an_action_folds_by_causes_reference_and_call() {
    let mut nodes = Nodes::default();
    nodes.intent(json!({ "tool": { "name": "phone", "call_id": "k" } }));
    nodes.verdict(&[0], "hours", "allow");
    nodes.outcome(
        &[1],
        "confirmed",
        json!({ "outcome": { "status": "confirmed", "external_ref": "r" } }),
    );
    nodes.witness("a", "r");
    nodes.witness("a", "k");
    nodes.witness("b", "r");
    let graph = nodes.graph();
    let expected = [(vec![0, 1, 2, 3, 4], &json!("confirmed")), (vec![5], &Json::Null)];
    assert_eq!(steps(&graph, "status"), expected);
    assert_eq!(steps(&graph, "witnessed")[0].1, true);
    assert_eq!(
        steps(&graph, "missing")[1].1,
        &json!(["intent"]),
        "b may not name a's call as its own"
    );
}

#[test]
fn what_was_seen_is_the_action_that_its_reference_was_told_of_first() {
    let mut nodes = Nodes::default();
    nodes.intent(json!({}));
    let told = json!({ "outcome": { "status": "confirmed", "external_ref": "r" } });
    nodes.outcome(&[0], "confirmed", told);
    nodes.intent(json!({ "tool": { "name": "phone", "call_id": "r" } }));
    nodes.witness("a", "r");
    let graph = nodes.graph();
    let expected = [(vec![0, 1, 3], &json!(true)), (vec![2], &json!(false))];
    assert_eq!(steps(&graph, "witnessed"), expected);
}

#[test]
fn an_outcome_belongs_to_the_intent_it_cites_and_not_to_the_step_before() {
    let mut nodes = Nodes::default();
    nodes.intent(json!({}));
    nodes.outcome(&[0], "confirmed", json!({}));
    nodes.add("action.intent", &[1], json!({}));
    nodes.outcome(&[1, 2], "failed", json!({}));
    let graph = nodes.graph();
    let expected = [(vec![0, 1], &json!("confirmed")), (vec![2, 3], &json!("failed"))];
    assert_eq!(steps(&graph, "status"), expected);
    assert_eq!(graph["completeness"], "complete");
    assert_eq!(graph["gaps"], json!([]));
}

#[test]
fn a_denial_stands_until_its_gate_takes_it_back() {
    for (decisions, status, denied) in [
        (vec![("g", "deny")], json!("denied"), true),
        (vec![("g", "deny"), ("h", "allow")], json!("denied"), true),
        (vec![("g", "deny"), ("g", "allow")], Json::Null, false),
    ] {
        let mut nodes = Nodes::default();
        nodes.intent(json!({}));
        for (gate, decision) in decisions {
            nodes.verdict(&[0], gate, decision);
        }
        let graph = nodes.graph();
        assert_eq!(steps(&graph, "status")[0].1, &status);
        assert_eq!(steps(&graph, "denied")[0].1, denied);
        let gaps: &[_] = if denied { &[] } else { &["no_outcome"] };
        assert_eq!(gap_kinds(&graph), gaps);
    }
}

#[test]
fn what_ran_after_a_denial_is_both() {
    let mut nodes = Nodes::default();
    nodes.intent(json!({}));
    nodes.verdict(&[0], "g", "deny");
    nodes.outcome(&[0], "confirmed", json!({}));
    let graph = nodes.graph();
    assert_eq!(steps(&graph, "status")[0].1, "confirmed");
    assert_eq!(steps(&graph, "denied")[0].1, true);
    assert_eq!(steps(&graph, "reason")[0].1, "why");
}

#[test]
fn approvals_join_by_their_request() {
    let mut nodes = Nodes::default();
    nodes.intent(json!({}));
    let request = id(77).to_string();
    nodes.add("approval.requested", &[0], json!({ "approval": { "request": request } }));
    assert_eq!(steps(&nodes.graph(), "missing")[0].1, &json!(["outcome", "approval"]));
    let decided =
        json!({ "signer": "boss", "approval": { "request": request, "decision": "deny" } });
    nodes.add("approval.decided", &[88], decided);
    let graph = nodes.graph();
    assert_eq!(steps(&graph, "status"), [(vec![0, 1, 2], &json!("denied"))]);
    assert_eq!(graph["edges"][1], json!({ "from": 1, "to": 2, "kind": "approval" }));
}

#[test]
fn an_outcome_may_be_awaited_for_a_quarter_of_an_hour() {
    for (minutes, gaps) in [(15, vec![]), (16, vec!["no_outcome"])] {
        let mut nodes = Nodes::default();
        nodes.intent(json!({}));
        nodes.verdict(&[0], "g", "allow");
        nodes.outcome(&[0], "dispatched", json!({}));
        let graph = nodes.graph_with(|facts| facts.now = Micros(minutes * MINUTE));
        assert_eq!(steps(&graph, "missing")[0].1, &json!(["outcome"]));
        assert_eq!(gap_kinds(&graph), gaps);
    }
}

#[test]
fn what_cites_the_same_unknown_intent_is_one_step() {
    let mut nodes = Nodes::default();
    nodes.verdict(&[50], "g", "allow");
    nodes.outcome(&[50], "confirmed", json!({}));
    let graph = nodes.graph();
    assert_eq!(steps(&graph, "missing"), [(vec![0, 1], &json!(["intent"]))]);
    assert_eq!(gap_kinds(&graph), ["unknown_cause", "unknown_cause"]);
}

#[test]
fn holes_in_the_counts_are_a_gap_and_an_unmatched_end_is_open() {
    let mut nodes = Nodes::default();
    for _ in 0..3 {
        nodes.add("session.end", &[], json!({ "outcome": {} }));
    }
    assert_eq!(nodes.graph()["completeness"], "complete");
    assert_eq!(nodes.graph_with(|_| ())["completeness"], "open");
    assert_eq!(nodes.graph_with(|facts| facts.counted = Some(4))["completeness"], "open");
    nodes.nodes.remove(1);
    let graph = nodes.graph();
    assert_eq!(graph["completeness"], "gap");
    assert_eq!(graph["gaps"], json!([{ "kind": "count", "from": 2, "to": 2 }]));
}

#[test]
fn a_refused_intent_is_a_rejected_step_and_counts_apart() {
    let mut nodes = Nodes::default();
    let refused = Status::Rejected(Reason::DisabledAgent);
    nodes.add_as(refused, "action.intent", &[], json!({}));
    nodes.add_as(refused, "action.outcome", &[0], json!({ "outcome": { "status": "confirmed" } }));
    let graph = nodes.graph();
    assert_eq!(steps(&graph, "status"), [(vec![0, 1], &json!("rejected"))]);
    assert_eq!(steps(&graph, "reason")[0].1, "disabled_agent");
    let counts = json!({ "entries": 0, "counted": 0, "joined": 0, "rejected": 2 });
    assert_eq!(graph["counts"], counts);
    assert_eq!(graph["gaps"], json!([]));
}

#[test]
fn only_what_the_ledger_took_is_a_finding() {
    let mut nodes = Nodes::default();
    let refused = Status::Rejected(Reason::RoleNotAllowed);
    nodes.add_as(refused, "action.intent", &[], json!({})).kind = Some(Kind::Finding);
    assert_eq!(nodes.graph()["findings"], 0);
    nodes.add("action.intent", &[], json!({})).kind = Some(Kind::Finding);
    assert_eq!(nodes.graph()["findings"], 1);
}

#[test]
fn delegations_and_sessions_are_edges() {
    let mut nodes = Nodes::default();
    let (grant, child) = (id(60).to_string(), id(61).to_string());
    let task = json!({ "digest": "00".repeat(32) });
    let start = |session: &str| {
        json!({
            "signer": "runtime", "attestation": "none", "previous": "none", "task": task,
            "session": session.repeat(16),
        })
    };
    nodes.add(
        "delegation.granted",
        &[],
        json!({
            "signer": "boss", "grant": { "id": grant, "to": "a", "scope": ["deploy"] },
        }),
    );
    nodes.add("session.start", &[], start("0a"));
    nodes.add(
        "delegation.granted",
        &[],
        json!({
            "signer": "a", "grant": { "id": child, "to": "b", "parent": grant },
        }),
    );
    let mut spawned = start("0b");
    spawned["parent_session"] = "0a".repeat(16).into();
    nodes.add("session.start", &[], spawned);
    let hop = |id: &str, grant: &str| json!({ "id": id, "type": "agent", "grant_id": grant });
    let human = json!({ "id": "boss", "type": "human" });
    nodes.intent(json!({ "principals": [human, hop("a", &grant), hop("b", &id(62).to_string())] }));
    let graph = nodes.graph_with(|facts| {
        facts.grants.insert(id(60), Index(0));
    });
    let edges = json!([
        { "from": 0, "to": 2, "kind": "delegation" },
        { "from": 1, "to": 3, "kind": "spawn" },
        { "from": 0, "to": 4, "kind": "delegation" },
    ]);
    assert_eq!(graph["edges"], edges);
    assert_eq!(steps(&graph, "action")[0], (vec![0], &json!("delegate")));
    assert_eq!(steps(&graph, "target")[0].1, "a");
    let gaps = json!([
        { "kind": "undeclared_delegation", "index": 4, "grant": id(62).to_string(), "granted": null },
        {
            "kind": "no_outcome", "step": 3, "index": 4, "since": "1970-01-01T00:04:00.000000Z",
            "checked": true,
        },
    ]);
    assert_eq!(graph["gaps"], gaps);
    let late = nodes.graph_with(|facts| {
        facts.grants.extend([(id(60), Index(0)), (id(62), Index(5))]);
    });
    assert_eq!(late["gaps"][0]["granted"], 5);
}

#[test]
fn a_late_trigger_stands_before_what_it_caused() {
    let mut nodes = Nodes::default();
    nodes.add("action.intent", &[1], json!({}));
    let trigger = json!({
        "signer": "boundary", "input": "none", "trigger": { "type": "webhook", "ref": "pr/1" },
    });
    nodes.add("trigger.observed", &[], trigger).joined = true;
    let graph = nodes.graph();
    assert_eq!(steps(&graph, "action")[0], (vec![1], &json!("webhook in")));
    assert_eq!(steps(&graph, "joined")[0].1, "cause");
    assert_eq!(steps(&graph, "agent")[0].1, "boundary");
}

#[test]
fn one_bad_proof_leaves_the_whole_unverified() {
    let mut nodes = Nodes::default();
    nodes.intent(json!({}));
    assert_eq!(nodes.graph()["verified"], json!({ "checkpoint": 99, "ok": true }));
    let ok = |proofs: &[Proof]| {
        let facts = Facts {
            correlation: "w",
            grants: BTreeMap::new(),
            missing: Vec::new(),
            counted: Some(1),
            now: Micros(0),
        };
        let entries = [texts(nodes.nodes.iter().cycle().zip(proofs))];
        json(unproven(&nodes.nodes, &facts).proven(&entries, CHECKPOINT))["verified"]["ok"].clone()
    };
    assert_eq!(ok(&[]), false, "one has no proof");
    for bad in [
        Proof::BROKEN,
        Proof { chain: false, ..GOOD },
        Proof { held: Held::Damaged, ..GOOD },
        Proof { signature: Some(false), ..GOOD },
        Proof { inclusion: false, ..GOOD },
    ] {
        assert_eq!(ok(&[bad]), false);
    }
    let redacted = Proof { held: Held::Erased, ..GOOD };
    assert!(redacted.holds(), "erased is not broken");
}
