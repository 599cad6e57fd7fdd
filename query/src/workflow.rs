//! `workflows/{correlation}`: collecting what belongs to a workflow, for the graph.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index, TreeSize};
use schemas::limits::{WORKFLOW_BYTES_MAX, WORKFLOW_ENTRIES_MAX};
use schemas::map::Set;
use schemas::terms::Key;
use serde::Serialize;
use serde_json::Value;

use crate::api::{Api, as_of};
use crate::cores::{each_share, each_share_beside};
use crate::diagram::{render_dot, render_mermaid};
use crate::error::{Error, is_damage};
use crate::formats::{json, json_bytes};
use crate::graph::{Facts, Graph, unproven};
use crate::linked::{Linked, linked};
use crate::names::Names;
use crate::negotiate::{Form, choose};
use crate::node::Node;
use crate::params::{Params, Segment};
use crate::proof::{Proof, Prover};
use crate::sequence;
use crate::terms::term_row;
use crate::text::render_chain;

/// Entries that are read by all cores before they are taken in.
const READ_AHEAD: usize = 1024;
/// Entries of them that one core reads in one go.
const READ_TOGETHER: usize = 64;
/// Entries that are proven in one go, as many as a tile has: these have most of their proofs in common.
const PROVEN_TOGETHER: usize = 256;
/// Causes that are looked for in one go.
const SOUGHT_TOGETHER: usize = 256;

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

/// The graph, and the tree that the answer speaks of.
#[derive(Serialize)]
struct Answer<'n> {
    #[serde(flatten)]
    graph: Graph<'n>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked: Option<Linked>,
    as_of: Value,
}

impl Answer<'_> {
    fn bytes(&self, form: Form) -> Vec<u8> {
        if form == Form::JSON {
            return json_bytes(self, self.graph.len());
        }
        let json = json(self);
        let render = match form {
            MERMAID => render_mermaid,
            DOT => render_dot,
            _ => render_chain,
        };
        render(&json).into_bytes()
    }
}

fn read_one(api: &Api, correlation: &str, is_linked: bool, form: Form) -> Result<Vec<u8>, Error> {
    let head = api.ledger.head();
    let mut collected = Collected::new(&api.ledger, head.size);
    let mut counted = collected.take_own(correlation)?;
    if collected.members.is_empty() {
        return Err(Error::Unknown("workflow"));
    }
    collected.take_causes()?;
    collected.members.sort_by_key(|member| member.node.index);
    if collected.is_full {
        counted = None;
    }
    let members = collected.members.into_iter().map(|member| (member.node, member.entry));
    let (mut nodes, entries): (Vec<_>, Vec<_>) = members.unzip();
    let prover = Prover::over(&api.ledger, &api.proofs, entries.iter().flatten());
    know_agents(&mut Names::new(&api.ledger, head.size), &mut nodes)?;
    let facts = Facts {
        correlation: correlation.to_owned(),
        grants: grants(&api.ledger, &nodes, head.size)?,
        missing: sequence::missing(&api.ledger, &nodes)?,
        counted,
        checkpoint: prover.size(),
        now: api.now(),
    };
    let prove = |entries: &[_]| prove_all(&prover, entries);
    let draw = || unproven(&nodes, &facts);
    let (proofs, unproven) = each_share_beside(&entries, PROVEN_TOGETHER, prove, draw);
    let graph = unproven.proven(&proofs.into_iter().collect::<Result<Vec<_>, _>>()?.concat());
    drop(entries);
    let linked = match is_linked {
        true => Some(linked(&api.ledger, correlation, head.size)?),
        false => None,
    };
    Ok(Answer { graph, linked, as_of: as_of(&head) }.bytes(form))
}

/// A node with the entry that it was made of; `None` where its rows are damaged.
struct Member {
    node: Node,
    entry: Option<Entry>,
}

impl Member {
    fn of(index: Index, entry: Result<Entry, ReadError>) -> Result<Self, ReadError> {
        match entry {
            Ok(entry) => Ok(Self { node: Node::of(&entry), entry: Some(entry) }),
            Err(damage) if is_damage(&damage) => {
                Ok(Self { node: Node::damaged(index), entry: None })
            }
            Err(failure) => Err(failure),
        }
    }
}

/// A proof of each entry; what could not be read is broken.
fn prove_all(prover: &Prover<'_>, entries: &[Option<Entry>]) -> Result<Vec<Proof>, ReadError> {
    let mut run = prover.run(entries.iter().flatten());
    let proof = |entry: &Option<Entry>| match entry {
        Some(entry) => run.prove(entry),
        None => Ok(Proof::BROKEN),
    };
    entries.iter().map(proof).collect()
}

fn read_all(ledger: &Ledger, indexes: &[Index]) -> Vec<Result<Member, ReadError>> {
    let entries = indexes.iter().zip(ledger.entries_at(indexes));
    entries.map(|(index, entry)| Member::of(*index, entry)).collect()
}

struct Collected<'l> {
    ledger: &'l Ledger,
    size: TreeSize,
    members: Vec<Member>,
    bytes: usize,
    /// Whether a limit was reached.
    is_full: bool,
}

impl<'l> Collected<'l> {
    fn new(ledger: &'l Ledger, size: TreeSize) -> Self {
        Self { ledger, size, members: Vec::new(), bytes: 0, is_full: false }
    }

    /// Takes in the entries of the correlation; returns how many the ledger counts there.
    fn take_own(&mut self, correlation: &str) -> Result<Option<usize>, ReadError> {
        let mut postings = self.ledger.postings(Key::Corr, correlation);
        let (mut at, mut indexes) = (0, Vec::new());
        while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < self.size.0) {
            indexes.push(index);
            at = index.0 + 1;
            if indexes.len() > WORKFLOW_ENTRIES_MAX {
                break;
            }
        }
        for indexes in indexes.chunks(READ_AHEAD) {
            for members in
                each_share(indexes, READ_TOGETHER, |indexes| read_all(self.ledger, indexes))
            {
                for member in members {
                    if !self.add(member?) {
                        return self.count(correlation);
                    }
                }
            }
        }
        self.count(correlation)
    }

    /// The count of the term's own row, which is kept apart from the postings and so notices when one of
    /// them is gone; less what was committed since.
    fn count(&self, correlation: &str) -> Result<Option<usize>, ReadError> {
        let Some(row) = term_row(self.ledger, Key::Corr, correlation)? else { return Ok(None) };
        let (mut at, mut later) = (self.size.0, 0);
        // Mostly nothing was committed since: no need to look.
        if row.last.0 < at {
            return Ok(usize::try_from(row.count).ok());
        }
        let mut postings = self.ledger.postings(Key::Corr, correlation);
        while let Some(index) = postings.at_or_after(at)?.filter(|index| *index <= row.last) {
            (at, later) = (index.0 + 1, later + 1);
        }
        Ok(row.count.checked_sub(later).and_then(|count| usize::try_from(count).ok()))
    }

    /// Takes in one entry; false if there is no room for it.
    fn add(&mut self, member: Member) -> bool {
        let full = self.members.len() >= WORKFLOW_ENTRIES_MAX || self.bytes > WORKFLOW_BYTES_MAX;
        if full {
            self.is_full = true;
            return false;
        }
        let body = member.entry.as_ref().and_then(|entry| entry.body.as_ref());
        self.bytes += body.map_or(0, Vec::len);
        self.members.push(member);
        true
    }

    /// Takes in causes that are not of the correlation, and theirs, up to the triggers.
    fn take_causes(&mut self) -> Result<(), ReadError> {
        let mut known: Set<_> = self.members.iter().map(|member| member.node.index).collect();
        // Mostly it is an entry here of the same agent.
        let mut meant = self.meant(&self.elsewhere())?;
        while !meant.is_empty() {
            let joined = self.members.len();
            for index in meant {
                if known.insert(index) && !self.take_cause(index)? {
                    return Ok(());
                }
            }
            let joined = self.members.get(joined..).unwrap_or_default();
            meant = self.meant(&joined.iter().flat_map(cited).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// What is cited here that is not its agent's own entry here, each once.
    fn elsewhere(&self) -> Vec<(EventId, &Node)> {
        let own: Set<_> = self.members.iter().filter_map(|member| own(&member.node)).collect();
        let mut asked = Set::default();
        let mut cited: Vec<_> = self.members.iter().flat_map(cited).collect();
        cited.retain(|(cause, node)| {
            let event = (*cause, actor(node));
            !own.contains(&event) && asked.insert(event)
        });
        cited
    }

    /// The entries that are meant by these causes of nodes.
    fn meant(&self, cited: &[(EventId, &Node)]) -> Result<Vec<Index>, ReadError> {
        let found = each_share(cited, SOUGHT_TOGETHER, |cited| {
            let mut names = Names::new(self.ledger, self.size);
            let meant = cited.iter().map(|(cause, node)| names.meant(*cause, node));
            meant.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
        });
        Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn take_cause(&mut self, index: Index) -> Result<bool, ReadError> {
        let Some(entry) = self.ledger.entry(index).transpose() else { return Ok(true) };
        let mut member = Member::of(index, entry)?;
        member.node.joined = true;
        Ok(self.add(member))
    }
}

/// An event with whose it is: an id is its signer's alone.
type Own<'n> = (EventId, Option<&'n str>);

/// The event of an entry that was accepted.
fn own(node: &Node) -> Option<Own<'_>> {
    node.id.filter(|_| node.accepted()).map(|id| (id, actor(node)))
}

/// Whose an entry is by its own words: the agent that it names, else its signer.
fn actor(node: &Node) -> Option<&str> {
    node.agent.as_deref().or(node.signer.as_deref())
}

/// The causes of a member, each with what cites it.
fn cited(member: &Member) -> impl Iterator<Item = (EventId, &Node)> {
    member.node.causes.iter().map(|cause| (*cause, &member.node))
}

/// Says of each node which agent it is of, by whichever of its names it names that.
fn know_agents(names: &mut Names<'_>, nodes: &mut [Node]) -> Result<(), ReadError> {
    for node in nodes {
        if let Some(signer) = &node.signer {
            node.agent_id = names.agent(node.agent.as_deref(), signer)?;
        }
    }
    Ok(())
}

/// Where the grants were given that these nodes act under: an id is one grant's for ever.
fn grants(
    ledger: &Ledger,
    nodes: &[Node],
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
