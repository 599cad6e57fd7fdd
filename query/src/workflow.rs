//! `workflows/{correlation}`: a workflow as a graph, each of its entries proven.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index, TreeSize};
use schemas::map::Set;
use serde::Serialize;
use serde_json::Value;

use crate::api::{Api, as_of};
use crate::cores::{each_share, each_share_beside, in_one};
use crate::diagram::{render_dot, render_mermaid};
use crate::error::Error;
use crate::formats::{Composed, parsed};
use crate::graph::{EntryTexts, Facts, Unproven, unproven};
use crate::linked::{Linked, linked};
use crate::members::{Collector, Member};
use crate::names::Names;
use crate::negotiate::{Form, choose};
use crate::node::Node;
use crate::params::{Params, Segment};
use crate::proof::Prover;
use crate::sequence;
use crate::text::render_chain;

/// Members that one core looks into in one go: few, so that none is left waiting for another at the end.
const LOOKED_INTO_TOGETHER: usize = 64;
/// Members that one core proves and writes in one go; half a tile, for the same reason.
const PROVEN_TOGETHER: usize = 128;

const MERMAID: Form = Form { name: "mermaid", media: "text/vnd.mermaid; charset=utf-8" };
const DOT: Form = Form { name: "dot", media: "text/vnd.graphviz; charset=utf-8" };
const FORMS: &[Form] = &[Form::JSON, Form::TEXT, MERMAID, DOT];

/// `?linked=true`: with the workflows that it is linked with.
pub(crate) async fn one(
    State(api): State<Api>,
    correlation: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let params = params.only(&["linked", "format"])?;
    let form = choose(FORMS, &headers, params.get("format"))?;
    let is_linked = params.flag("linked")?;
    let answer = api.read(move |api| read_one(api, &correlation.0, is_linked, form)).await?;
    let headers = [
        (header::CONTENT_TYPE, form.media),
        (header::VARY, "accept"),
        // Text of agents is no page, whatever a browser finds in it.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, answer).into_response())
}

/// What the answer says beside the graph: the tree that it speaks of.
#[derive(Serialize)]
struct Beside {
    #[serde(skip_serializing_if = "Option::is_none")]
    linked: Option<Linked>,
    as_of: Value,
}

fn read_one(api: &Api, correlation: &str, is_linked: bool, form: Form) -> Result<Vec<u8>, Error> {
    let head = api.ledger.head();
    let mut answer = rebuild(api, correlation, head.size)?;
    let linked = is_linked.then(|| linked(&api.ledger, correlation, head.size)).transpose()?;
    answer.members(&Beside { linked, as_of: as_of(&head) });
    Ok(rendered(form, answer.end()))
}

/// An answer in a form.
fn rendered(form: Form, json: Vec<u8>) -> Vec<u8> {
    let render = match form {
        Form::JSON => return json,
        MERMAID => render_mermaid,
        DOT => render_dot,
        _ => render_chain,
    };
    render(&parsed(&json)).into_bytes()
}

/// The workflow in the log of `size` entries.
fn rebuild(api: &Api, correlation: &str, size: TreeSize) -> Result<Composed, Error> {
    let mut members = Collector::new(&api.ledger, size);
    let own = members.own(correlation)?;
    if own.is_empty() {
        return Err(Error::Unknown("workflow"));
    }
    let prover = || prover(api, own.iter().filter_map(Member::entry));
    let (nodes, proving) = each_share_beside(&own, LOOKED_INTO_TOGETHER, look_into, prover);
    let (mut nodes, mut proving) = (in_one(nodes), proving?);
    know_agents(&api.ledger, size, &mut nodes)?;
    // The graph does not wait for the proofs: it is drawn meanwhile.
    let write = |nodes: &[_]| texts(nodes, &proving);
    let draw = || draw(api, members, correlation, &nodes);
    let (own, drawn) = each_share_beside(&nodes, PROVEN_TOGETHER, write, draw);
    let (graph, causes) = drawn?;
    let causes = look_into(&causes);
    if causes.iter().any(|cause| cause.index.0 >= proving.size().0) {
        return Ok(proven_anew(api, graph, &in_one(vec![nodes, causes]))?);
    }
    proving.follow(causes.iter().filter_map(|cause| cause.entry));
    let others = each_share(&causes, PROVEN_TOGETHER, |causes| texts(causes, &proving));
    let entries = own.into_iter().chain(others).collect::<Result<Vec<_>, _>>()?;
    Ok(graph.proven(&entries, proving.size()))
}

/// Where a cause came after all that cites it, and after the checkpoint that these are in.
fn proven_anew(api: &Api, graph: Unproven, nodes: &[Node<'_>]) -> Result<Composed, ReadError> {
    let proving = prover(api, nodes.iter().filter_map(|node| node.entry))?;
    let entries = each_share(nodes, PROVEN_TOGETHER, |nodes| texts(nodes, &proving));
    let entries = entries.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(graph.proven(&entries, proving.size()))
}

fn prover<'a, 'e>(
    api: &'a Api,
    entries: impl Iterator<Item = &'e Entry>,
) -> Result<Prover<'a>, ReadError> {
    Prover::over(&api.ledger, &api.proofs, entries)
}

fn look_into(members: &[Member]) -> Vec<Node<'_>> {
    members.iter().map(Member::node).collect()
}

/// The nodes as JSON, each with its proof.
fn texts(nodes: &[Node<'_>], prover: &Prover<'_>) -> Result<EntryTexts, ReadError> {
    let (mut run, mut texts) = (prover.run(nodes), EntryTexts::with_capacity(nodes.len()));
    for node in nodes {
        texts.add(node, &run.prove(node)?, prover.size());
    }
    Ok(texts)
}

/// The graph of a workflow's own nodes and of those that they go back to, and what these are made of.
fn draw(
    api: &Api,
    mut members: Collector<'_>,
    correlation: &str,
    own: &[Node<'_>],
) -> Result<(Unproven, Vec<Member>), ReadError> {
    let (ledger, size) = (&api.ledger, members.size());
    let joined = members.causes(own)?;
    let mut nodes = Cow::Borrowed(own);
    if !joined.is_empty() {
        let mut joined = look_into(&joined);
        know_agents(ledger, size, &mut joined)?;
        nodes.to_mut().append(&mut joined);
        nodes.to_mut().sort_by_key(|node| node.index);
    }
    let facts = Facts {
        correlation,
        grants: grants(ledger, &nodes, size)?,
        missing: sequence::missing(ledger, &nodes)?,
        counted: members.counted(correlation)?,
        now: api.now(),
    };
    let graph = unproven(&nodes, &facts);
    Ok((graph, joined))
}

/// Says of each node which agent it is of, by whichever of its names it names that.
fn know_agents(ledger: &Ledger, size: TreeSize, nodes: &mut [Node<'_>]) -> Result<(), ReadError> {
    let mut names = Names::new(ledger, size);
    for node in nodes {
        if let Some(signer) = node.signer {
            node.agent_id = names.agent(node.agent, signer, node.index)?;
        }
    }
    Ok(())
}

/// Where the grants were given that these nodes act under: an id is one grant's for ever.
fn grants(
    ledger: &Ledger,
    nodes: &[Node<'_>],
    size: TreeSize,
) -> Result<BTreeMap<EventId, Index>, ReadError> {
    let used: Set<_> = nodes.iter().flat_map(|node| node.hops.iter().flatten()).collect();
    let mut grants = BTreeMap::new();
    for id in used {
        let granted = ledger.grant(*id)?.map(|record| record.granted);
        grants.extend(granted.filter(|index| index.0 < size.0).map(|index| (*id, index)));
    }
    Ok(grants)
}
