//! An entry as the graph sees it: what its body says, copied out once.

use ledger::Entry;
use schemas::account::Account;
use schemas::id::{BodyDigest, ChainHash, Digest, EventId, Index, Micros, SessionId};
use schemas::json::Content;
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status};
use schemas::outline::Outline;
use schemas::peek::Peek;

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
        match entry.shown() {
            Content::Signed(body) => Self::new(&entry.leaf, Some(&body)),
            Content::Refused { signed, .. } => Self::new(&entry.leaf, signed.as_ref()),
            Content::Redacted(left) => {
                Self { erased: true, ..Self::new(&entry.leaf, left.as_ref()) }
            }
        }
    }

    /// Of a leaf and what is known of its body.
    pub(crate) fn new(leaf: &Leaf, body: Option<&Outline<'_>>) -> Self {
        let mut node = Self::bare(leaf);
        if let Some(body) = body {
            node.id = node.id.or(Some(body.id()));
            node.kind = Some(body.kind());
            node.agent = body.agent().map(str::to_owned);
            node.signer = Some(body.signer().to_owned());
            body.look().pairs().for_each(|(name, item)| node.read(name, &item));
            let lost = node.lost.zip(node.seq);
            node.lost = lost.map(|((from, to), own)| (from, to.min(own.saturating_sub(1))));
        }
        node
    }

    /// Of a leaf alone.
    fn bare(leaf: &Leaf) -> Self {
        Self {
            index: leaf.index,
            status: leaf.status,
            received_at: leaf.received_at,
            counts: leaf.counts,
            id: leaf.id,
            joined: false,
            erased: false,
            kind: None,
            agent: None,
            agent_id: None,
            signer: None,
            session: None,
            parent_session: None,
            correlation: None,
            seq: None,
            causes: Vec::new(),
            action: None,
            target: None,
            trigger: None,
            outcome: None,
            external_ref: None,
            call_id: None,
            verdicts: Vec::new(),
            assertions: Vec::new(),
            request: None,
            decision: None,
            grant: None,
            hops: Vec::new(),
            lost: None,
        }
    }

    /// Takes in a field of the body.
    fn read(&mut self, name: &[u8], item: &Peek<'_>) {
        match name {
            b"session" => self.session = session(item),
            b"parent_session" => self.parent_session = session(item),
            b"correlation" => self.correlation = text(item),
            b"seq" => self.seq = uint_in(item, "n"),
            b"causes" => self.causes = item.items().filter_map(|id| event(&id)).collect(),
            b"action" => {
                self.action = text_in(item, "name");
                self.target = text_in(item, "target");
            }
            b"trigger" => self.trigger = text_in(item, "type").zip(text_in(item, "ref")),
            b"outcome" => {
                self.outcome = text_in(item, "status");
                self.external_ref = text_in(item, "external_ref");
            }
            b"tool" => self.call_id = text_in(item, "call_id"),
            b"verdicts" => self.verdicts = item.items().filter_map(|it| verdict(&it)).collect(),
            b"assertions" => {
                let said = |(name, value): (&[u8], Peek<'_>)| {
                    Some((std::str::from_utf8(name).ok()?.to_owned(), text(&value)?))
                };
                self.assertions = item.pairs().filter_map(said).collect();
            }
            b"approval" => {
                self.request = event_in(item, "request");
                self.decision = text_in(item, "decision");
            }
            b"grant" => self.grant = grant(item),
            b"principals" => {
                self.hops = item.items().skip(1).map(|hop| event_in(&hop, "grant_id")).collect();
            }
            b"gap" => self.lost = uint_in(item, "from").zip(uint_in(item, "to")),
            _ => {}
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
        Self::bare(&nothing)
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

fn text(item: &Peek<'_>) -> Option<String> {
    item.text().map(str::to_owned)
}

fn event(item: &Peek<'_>) -> Option<EventId> {
    item.bytes().and_then(EventId::from_slice)
}

fn session(item: &Peek<'_>) -> Option<SessionId> {
    item.bytes().and_then(SessionId::from_slice)
}

fn text_in(item: &Peek<'_>, name: &str) -> Option<String> {
    item.get(name).as_ref().and_then(text)
}

fn event_in(item: &Peek<'_>, name: &str) -> Option<EventId> {
    item.get(name).as_ref().and_then(event)
}

fn uint_in(item: &Peek<'_>, name: &str) -> Option<u64> {
    item.get(name)?.uint()
}

fn verdict(item: &Peek<'_>) -> Option<Verdict> {
    let basis = item.get("basis");
    Some(Verdict {
        gate: text_in(item, "gate")?,
        decision: text_in(item, "decision")?,
        reason: text_in(item, "reason")?,
        source: basis.as_ref().and_then(|basis| text_in(basis, "source")),
        as_of: basis.as_ref().and_then(|basis| uint_in(basis, "as_of")).map(Micros),
    })
}

fn grant(item: &Peek<'_>) -> Option<Grant> {
    let scope = item.get("scope");
    Some(Grant {
        id: event_in(item, "id")?,
        to: text_in(item, "to"),
        scope: scope.iter().flat_map(Peek::items).filter_map(|each| text(&each)).collect(),
        parent: event_in(item, "parent"),
    })
}
