//! The members of a workflow: its own entries, and those of others that they go back to.

use ledger::{Entry, Ledger, ReadError};
use schemas::id::{EventId, Index, TreeSize};
use schemas::limits::{QUERY_SCAN_MAX, WORKFLOW_BYTES_MAX, WORKFLOW_ENTRIES_MAX};
use schemas::map::Set;
use schemas::terms::Key;

use crate::cores::each_share;
use crate::error::sound;
use crate::names::Names;
use crate::node::Node;
use crate::source::{Order, Walk};
use crate::terms::{count_below, term_row};

/// Entries that are read by all cores before they are taken in.
const READ_AHEAD: usize = 1024;
/// Entries of them that one core reads in one go.
const READ_TOGETHER: usize = 64;
/// Causes that are looked for in one go.
const SOUGHT_TOGETHER: usize = 256;

/// An entry that belongs to a workflow.
#[derive(Debug)]
pub(crate) struct Member {
    index: Index,
    /// `None` where its rows are damaged.
    entry: Option<Entry>,
    /// Not of the workflow itself: a cause of one that is.
    joined: bool,
}

impl Member {
    fn of(index: Index, entry: Result<Entry, ReadError>) -> Result<Self, ReadError> {
        Ok(Self { index, entry: sound(entry.map(Some))?, joined: false })
    }

    /// What was read.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    /// What the graph sees of it.
    pub(crate) fn node(&self) -> Node<'_> {
        let node = self.entry().map_or_else(|| Node::damaged(self.index), Node::of);
        Node { joined: self.joined, ..node }
    }

    fn bytes(&self) -> usize {
        self.entry().and_then(|entry| entry.body.as_ref()).map_or(0, Vec::len)
    }
}

/// Collects the members of one workflow.
pub(crate) struct Collector<'l> {
    ledger: &'l Ledger,
    size: TreeSize,
    found: usize,
    bytes: usize,
    /// Whether a limit was reached.
    is_full: bool,
}

impl<'l> Collector<'l> {
    /// In the log of `size` entries.
    pub(crate) fn new(ledger: &'l Ledger, size: TreeSize) -> Self {
        Self { ledger, size, found: 0, bytes: 0, is_full: false }
    }

    /// Entries of the log that they are looked for in.
    pub(crate) fn size(&self) -> TreeSize {
        self.size
    }

    /// The entries of the correlation, in the log's order.
    pub(crate) fn own(&mut self, correlation: &str) -> Result<Vec<Member>, ReadError> {
        let indexes = self.indexes(correlation)?;
        let mut own = Vec::with_capacity(indexes.len());
        for indexes in indexes.chunks(READ_AHEAD) {
            let read = |indexes: &[_]| read_all(self.ledger, indexes);
            for member in each_share(indexes, READ_TOGETHER, read).into_iter().flatten() {
                let member = member?;
                if !self.has_room(&member) {
                    return Ok(own);
                }
                own.push(member);
            }
        }
        Ok(own)
    }

    /// Where they are; one more than there is room for, if there are more.
    fn indexes(&self, correlation: &str) -> Result<Vec<Index>, ReadError> {
        let mut postings = self.ledger.postings(Key::Corr, correlation);
        let mut indexes = postings.many_from(0, WORKFLOW_ENTRIES_MAX + 1)?;
        indexes.retain(|index| index.0 < self.size.0);
        indexes.truncate(WORKFLOW_ENTRIES_MAX + 1);
        Ok(indexes)
    }

    /// How many the ledger counts there; `None` if not all that belongs to it was found, or nobody knows.
    ///
    /// The count of the term's own row, which is kept apart from the postings and so notices when one of
    /// them is gone; less what was committed since.
    pub(crate) fn counted(&self, correlation: &str) -> Result<Option<usize>, ReadError> {
        let row = match self.is_full {
            true => None,
            false => term_row(self.ledger, Key::Corr, correlation)?,
        };
        let Some(row) = row else { return Ok(None) };
        let walk = &mut Walk::new(Order::Oldest, QUERY_SCAN_MAX);
        let count = count_below(self.ledger, Key::Corr, &row, self.size, walk)?;
        Ok(count.and_then(|count| usize::try_from(count).ok()))
    }

    /// The causes of these nodes that are not among them, and theirs, up to the triggers.
    pub(crate) fn causes(&mut self, nodes: &[Node<'_>]) -> Result<Vec<Member>, ReadError> {
        let mut known: Set<_> = nodes.iter().map(|node| node.index).collect();
        let mut joined = Vec::new();
        // Mostly it is an entry here of the same agent.
        let mut meant = self.meant(&elsewhere(nodes))?;
        while !meant.is_empty() {
            meant.retain(|index| known.insert(*index));
            let reached = joined.len();
            for index in meant {
                let Some(entry) = self.ledger.entry(index).transpose() else { continue };
                let member = Member { joined: true, ..Member::of(index, entry)? };
                if !self.has_room(&member) {
                    return Ok(joined);
                }
                joined.push(member);
            }
            let last: Vec<_> = joined.iter().skip(reached).map(Member::node).collect();
            meant = self.meant(&last.iter().flat_map(cited).collect::<Vec<_>>())?;
        }
        Ok(joined)
    }

    /// Whether there is room for another, which then is taken.
    fn has_room(&mut self, member: &Member) -> bool {
        if self.found >= WORKFLOW_ENTRIES_MAX || self.bytes > WORKFLOW_BYTES_MAX {
            self.is_full = true;
            return false;
        }
        self.found += 1;
        self.bytes += member.bytes();
        true
    }

    /// The entries that are meant by these causes of nodes.
    fn meant(&self, cited: &[(EventId, &Node<'_>)]) -> Result<Vec<Index>, ReadError> {
        let found = each_share(cited, SOUGHT_TOGETHER, |cited| {
            let mut names = Names::new(self.ledger, self.size);
            let meant = cited.iter().map(|(cause, node)| names.meant(*cause, node));
            meant.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
        });
        Ok(found.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }
}

fn read_all(ledger: &Ledger, indexes: &[Index]) -> Vec<Result<Member, ReadError>> {
    let entries = indexes.iter().zip(ledger.entries_at(indexes));
    entries.map(|(index, entry)| Member::of(*index, entry)).collect()
}

/// What is cited here that is not its agent's own entry here, each once.
fn elsewhere<'n, 'e>(nodes: &'n [Node<'e>]) -> Vec<(EventId, &'n Node<'e>)> {
    let mut known = Set::with_capacity_and_hasher(nodes.len(), Default::default());
    known.extend(nodes.iter().filter_map(own));
    let mut asked = Set::default();
    let mut cited: Vec<_> = nodes.iter().flat_map(cited).collect();
    cited.retain(|(cause, node)| {
        let event = (*cause, actor(node));
        !known.contains(&event) && asked.insert(event)
    });
    cited
}

/// An event with whose it is: an id is its signer's alone.
type Own<'n> = (EventId, Option<&'n str>);

/// The event of an entry that was accepted.
fn own<'e>(node: &Node<'e>) -> Option<Own<'e>> {
    node.id.filter(|_| node.accepted()).map(|id| (id, actor(node)))
}

/// Whose an entry is by its own words: the agent that it names, else its signer.
fn actor<'e>(node: &Node<'e>) -> Option<&'e str> {
    node.agent.or(node.signer)
}

/// The causes of a node, each with what cites it.
fn cited<'n, 'e>(node: &'n Node<'e>) -> impl Iterator<Item = (EventId, &'n Node<'e>)> {
    node.causes.iter().map(move |cause| (*cause, node))
}
