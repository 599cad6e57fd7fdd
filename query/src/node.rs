//! An entry as the graph sees it: what its body says, copied out once.

use ledger::Entry;
use schemas::account::Account;
use schemas::body::Body;
use schemas::deterministic::Item;
use schemas::id::{BodyDigest, ChainHash, Digest, EventId, Index, Micros, SessionId};
use schemas::json::Content;
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status};

/// A gate's decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    pub(crate) gate: String,
    pub(crate) decision: String,
    pub(crate) reason: String,
    pub(crate) source: Option<String>,
    pub(crate) as_of: Option<Micros>,
}

/// A grant, as it is passed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    pub(crate) id: EventId,
    pub(crate) to: Option<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) parent: Option<EventId>,
}

/// One entry of a workflow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) index: Index,
    pub(crate) status: Status,
    pub(crate) received_at: Micros,
    pub(crate) counts: Counts,
    pub(crate) id: Option<EventId>,
    /// Not of the workflow itself: a cause of one that is.
    pub(crate) joined: bool,
    /// Whether its body is gone, so that what it cites and says is not known any more.
    pub(crate) erased: bool,
    /// `None` where nothing is known of the body.
    pub(crate) kind: Option<Kind>,
    /// As the entry names it.
    pub(crate) agent: Option<String>,
    /// The id of the agent that it is of, by whichever name it gives; `None` before anybody asked the registry.
    pub(crate) agent_id: Option<String>,
    pub(crate) signer: Option<String>,
    pub(crate) session: Option<SessionId>,
    pub(crate) parent_session: Option<SessionId>,
    pub(crate) correlation: Option<String>,
    pub(crate) seq: Option<u64>,
    pub(crate) causes: Vec<EventId>,
    pub(crate) action: Option<String>,
    pub(crate) target: Option<String>,
    /// Type and reference.
    pub(crate) trigger: Option<(String, String)>,
    pub(crate) outcome: Option<String>,
    pub(crate) external_ref: Option<String>,
    pub(crate) call_id: Option<String>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) assertions: Vec<(String, String)>,
    /// The approval asked for or decided.
    pub(crate) request: Option<EventId>,
    pub(crate) decision: Option<String>,
    pub(crate) grant: Option<Grant>,
    /// Grants of the hops after the first; `None` where a hop names none.
    pub(crate) hops: Vec<Option<EventId>>,
    /// Numbers before its own that the signer declares lost: what it has not counted yet it has not lost.
    pub(crate) lost: Option<(u64, u64)>,
}

impl Node {
    /// Of an entry of the workflow.
    pub(crate) fn of(entry: &Entry) -> Self {
        match entry.content() {
            Content::Signed(body) => Self::new(&entry.leaf, Some(&body)),
            Content::Refused { signed, .. } => Self::new(&entry.leaf, signed.as_ref()),
            Content::Redacted(left) => {
                Self { erased: true, ..Self::new(&entry.leaf, left.as_ref()) }
            }
        }
    }

    /// Of a leaf and what is known of its body.
    pub(crate) fn new(leaf: &Leaf, body: Option<&Body<'_>>) -> Self {
        let text = |path: &str| body.and_then(|body| body.text(path)).map(str::to_owned);
        let field = |path: &str| body.and_then(|body| body.field(path));
        let id = |path: &str| field(path).and_then(Item::bytes).and_then(EventId::from_slice);
        let session =
            |path: &str| field(path).and_then(Item::bytes).and_then(SessionId::from_slice);
        let uint = |path: &str| field(path).and_then(Item::uint);
        Self {
            index: leaf.index,
            status: leaf.status,
            received_at: leaf.received_at,
            counts: leaf.counts,
            id: leaf.id.or_else(|| body.map(Body::id)),
            joined: false,
            erased: false,
            kind: body.map(Body::kind),
            agent: text("agent.id"),
            agent_id: None,
            signer: body.map(|body| body.signer().to_owned()),
            session: session("session"),
            parent_session: session("parent_session"),
            correlation: text("correlation"),
            seq: uint("seq.n"),
            causes: body.map(Body::causes).unwrap_or_default(),
            action: text("action.name"),
            target: text("action.target"),
            trigger: text("trigger.type").zip(text("trigger.ref")),
            outcome: text("outcome.status"),
            external_ref: text("outcome.external_ref"),
            call_id: text("tool.call_id"),
            verdicts: list(field("verdicts")).iter().filter_map(verdict).collect(),
            assertions: pairs(field("assertions")),
            request: id("approval.request"),
            decision: text("approval.decision"),
            grant: id("grant.id").map(|grant| Grant {
                id: grant,
                to: text("grant.to"),
                scope: texts(field("grant.scope")),
                parent: id("grant.parent"),
            }),
            hops: body.map(hops).unwrap_or_default(),
            lost: uint("gap.from")
                .zip(uint("gap.to"))
                .zip(uint("seq.n"))
                .map(|((from, to), own)| (from, to.min(own.saturating_sub(1)))),
        }
    }

    /// Of an entry whose rows cannot be read.
    pub(crate) fn damaged(index: Index) -> Self {
        let nothing = Leaf {
            index,
            previous: ChainHash::ZERO,
            received_at: Micros(0),
            status: Status::Accepted,
            statement: Digest::ZERO,
            body: BodyDigest::ZERO,
            position: 0,
            id: None,
            counts: Counts::default(),
            source: None,
        };
        Self::new(&nothing, None)
    }

    pub(crate) fn accepted(&self) -> bool {
        self.status == Status::Accepted
    }

    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == Some(kind)
    }

    /// The agent that it is of, by its id if that is known.
    pub(crate) fn known_agent(&self) -> Option<&str> {
        self.agent_id.as_deref().or(self.agent.as_deref())
    }

    /// Whose actions it may be joined to.
    pub(crate) fn account(&self) -> Account<'_> {
        match (self.kind, &self.signer) {
            (Some(kind), Some(signer)) => Account::of(kind, signer, self.known_agent()),
            _ => Account::Nobody,
        }
    }
}

fn list<'i, 'a>(item: Option<&'i Item<'a>>) -> &'i [Item<'a>] {
    item.and_then(Item::array).unwrap_or_default()
}

fn texts(item: Option<&Item<'_>>) -> Vec<String> {
    list(item).iter().filter_map(|item| Some(item.text()?.to_owned())).collect()
}

fn pairs(item: Option<&Item<'_>>) -> Vec<(String, String)> {
    let pairs = item.and_then(Item::map).unwrap_or_default();
    pairs
        .iter()
        .filter_map(|(key, value)| Some((key.text()?.into(), value.text()?.into())))
        .collect()
}

fn verdict(item: &Item<'_>) -> Option<Verdict> {
    let text = |path: &str| item.path(path).and_then(Item::text).map(str::to_owned);
    Some(Verdict {
        gate: text("gate")?,
        decision: text("decision")?,
        reason: text("reason")?,
        source: text("basis.source"),
        as_of: item.path("basis.as_of").and_then(Item::uint).map(Micros),
    })
}

fn hops(body: &Body<'_>) -> Vec<Option<EventId>> {
    body.principals().iter().skip(1).map(|hop| hop.grant).collect()
}
