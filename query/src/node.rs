//! An entry as the graph sees it: what its body says, where it lies.

use std::borrow::Cow;

use ledger::Entry;
use schemas::account::Account;
use schemas::id::{BodyDigest, ChainHash, Digest, EventId, Index, Micros, SessionId};
use schemas::json::Content;
use schemas::kind::Kind;
use schemas::leaf::{Counts, Leaf, Status};
use schemas::walk::Walk;

/// A gate's decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verdict<'e> {
    pub(crate) gate: &'e str,
    pub(crate) decision: &'e str,
    pub(crate) reason: &'e str,
    pub(crate) source: Option<&'e str>,
    pub(crate) as_of: Option<Micros>,
}

/// A grant, as it is passed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grant<'e> {
    pub(crate) id: EventId,
    pub(crate) to: Option<&'e str>,
    pub(crate) scope: Vec<&'e str>,
    pub(crate) parent: Option<EventId>,
}

/// One entry of a workflow.
#[derive(Clone, Debug)]
pub(crate) struct Node<'e> {
    /// The entry that it was made of; `None` where there is none, for its rows cannot be read.
    pub(crate) entry: Option<&'e Entry>,
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
    pub(crate) agent: Option<&'e str>,
    /// The id of the agent that it is of, by whichever name it gives; `None` before anybody asked the registry.
    pub(crate) agent_id: Option<Cow<'e, str>>,
    pub(crate) signer: Option<&'e str>,
    pub(crate) session: Option<SessionId>,
    pub(crate) parent_session: Option<SessionId>,
    pub(crate) correlation: Option<&'e str>,
    pub(crate) seq: Option<u64>,
    pub(crate) causes: Vec<EventId>,
    pub(crate) action: Option<&'e str>,
    pub(crate) target: Option<&'e str>,
    /// Type and reference.
    pub(crate) trigger: Option<(&'e str, &'e str)>,
    pub(crate) outcome: Option<&'e str>,
    pub(crate) external_ref: Option<&'e str>,
    pub(crate) call_id: Option<&'e str>,
    pub(crate) verdicts: Vec<Verdict<'e>>,
    pub(crate) assertions: Vec<(&'e str, &'e str)>,
    /// The approval asked for or decided.
    pub(crate) request: Option<EventId>,
    pub(crate) decision: Option<&'e str>,
    pub(crate) grant: Option<Grant<'e>>,
    /// Grants of the hops after the first; `None` where a hop names none.
    pub(crate) hops: Vec<Option<EventId>>,
    /// Numbers before its own that the signer declares lost: what it has not counted yet it has not lost.
    pub(crate) lost: Option<(u64, u64)>,
}

impl<'e> Node<'e> {
    /// Of an entry of the workflow.
    pub(crate) fn of(entry: &'e Entry) -> Self {
        let leaf = &entry.leaf;
        let (body, erased) = match entry.whole() {
            Some(body) => (Some(body), false),
            None => match entry.shown() {
                Content::Signed(body) => (body.bytes(), false),
                Content::Refused { signed, .. } => (signed.and_then(|body| body.bytes()), false),
                Content::Redacted(left) => (left.and_then(|left| left.bytes()), true),
            },
        };
        Self { entry: Some(entry), erased, ..Self::new(leaf, body) }
    }

    /// Of a leaf and what is known of its body.
    pub(crate) fn new(leaf: &Leaf, body: Option<&'e [u8]>) -> Self {
        let mut node = Self::bare(leaf);
        let walk = Walk::over(body.unwrap_or_default());
        for name in walk.pairs() {
            node.read(name, &walk);
        }
        node.signer = node.signer.or(node.agent);
        let lost = node.lost.zip(node.seq);
        node.lost = lost.map(|((from, to), own)| (from, to.min(own.saturating_sub(1))));
        node
    }

    /// Of a leaf alone.
    fn bare(leaf: &Leaf) -> Self {
        Self {
            entry: None,
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

    /// Takes in a field of the body, which is next.
    fn read(&mut self, name: &[u8], walk: &Walk<'e>) {
        match name {
            b"id" => {
                // It has to be gone past, be it asked for or not.
                let id = event(walk);
                self.id = self.id.or(id);
            }
            b"kind" => self.kind = walk.text().and_then(Kind::parse),
            b"agent" => self.agent = walk.within("id", Walk::text),
            b"signer" => self.signer = walk.text(),
            b"session" => self.session = session(walk),
            b"parent_session" => self.parent_session = session(walk),
            b"correlation" => self.correlation = walk.text(),
            b"seq" => self.seq = walk.within("n", Walk::uint),
            b"causes" => self.causes = walk.items().filter_map(|()| event(walk)).collect(),
            b"action" => walk.each(|name| match name {
                b"name" => self.action = walk.text(),
                b"target" => self.target = walk.text(),
                _ => walk.skip(),
            }),
            b"trigger" => {
                let (mut kind, mut reference) = (None, None);
                walk.each(|name| match name {
                    b"type" => kind = walk.text(),
                    b"ref" => reference = walk.text(),
                    _ => walk.skip(),
                });
                self.trigger = kind.zip(reference);
            }
            b"outcome" => walk.each(|name| match name {
                b"status" => self.outcome = walk.text(),
                b"external_ref" => self.external_ref = walk.text(),
                _ => walk.skip(),
            }),
            b"tool" => self.call_id = walk.within("call_id", Walk::text),
            b"verdicts" => self.verdicts = walk.items().filter_map(|()| verdict(walk)).collect(),
            b"assertions" => {
                let said = walk.pairs().map(|name| (str::from_utf8(name).ok(), walk.text()));
                self.assertions = said.filter_map(|(name, value)| name.zip(value)).collect();
            }
            b"approval" => walk.each(|name| match name {
                b"request" => self.request = event(walk),
                b"decision" => self.decision = walk.text(),
                _ => walk.skip(),
            }),
            b"grant" => self.grant = grant(walk),
            b"principals" => {
                let mut hops = walk.items();
                if hops.next().is_some() {
                    walk.skip();
                }
                self.hops = hops.map(|()| walk.within("grant_id", event)).collect();
            }
            b"gap" => {
                let (mut from, mut to) = (None, None);
                walk.each(|name| match name {
                    b"from" => from = walk.uint(),
                    b"to" => to = walk.uint(),
                    _ => walk.skip(),
                });
                self.lost = from.zip(to);
            }
            _ => walk.skip(),
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
        self.agent_id.as_deref().or(self.agent)
    }

    /// The signer that its body names, if that was admitted: of what was refused, bytes may be kept that nobody signed.
    pub(crate) fn named(&self) -> Option<&'e str> {
        self.signer.filter(|_| self.accepted())
    }

    /// Whose actions it may be joined to.
    pub(crate) fn account(&self) -> Account<'_> {
        match (self.kind, self.signer) {
            (Some(kind), Some(signer)) => Account::of(kind, signer, self.known_agent()),
            _ => Account::Nobody,
        }
    }
}

fn event(walk: &Walk<'_>) -> Option<EventId> {
    walk.bytes().and_then(EventId::from_slice)
}

fn session(walk: &Walk<'_>) -> Option<SessionId> {
    walk.bytes().and_then(SessionId::from_slice)
}

fn verdict<'e>(walk: &Walk<'e>) -> Option<Verdict<'e>> {
    let (mut gate, mut decision, mut reason) = (None, None, None);
    let (mut source, mut as_of) = (None, None);
    walk.each(|name| match name {
        b"gate" => gate = walk.text(),
        b"decision" => decision = walk.text(),
        b"reason" => reason = walk.text(),
        b"basis" => walk.each(|name| match name {
            b"source" => source = walk.text(),
            b"as_of" => as_of = walk.uint().map(Micros),
            _ => walk.skip(),
        }),
        _ => walk.skip(),
    });
    Some(Verdict { gate: gate?, decision: decision?, reason: reason?, source, as_of })
}

fn grant<'e>(walk: &Walk<'e>) -> Option<Grant<'e>> {
    let (mut id, mut to, mut scope, mut parent) = (None, None, Vec::new(), None);
    walk.each(|name| match name {
        b"id" => id = event(walk),
        b"to" => to = walk.text(),
        b"scope" => scope = walk.items().filter_map(|()| walk.text()).collect(),
        b"parent" => parent = event(walk),
        _ => walk.skip(),
    });
    Some(Grant { id: id?, to, scope, parent })
}
