//! Legal holds.

use crate::body::Body;
use crate::id::{EventId, Index};
use crate::query::Query;
use crate::terms::Term;

/// A legal hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldRecord {
    /// The event that placed it, which the one that lifts it cites.
    pub id: EventId,
    /// Entry that placed it.
    pub placed: Index,
    /// Entry that lifted it.
    pub lifted: Option<Index>,
    /// What it holds.
    pub query: String,
    /// The same, read.
    condition: Query,
}

impl HoldRecord {
    /// A hold; `None` if its query cannot be read.
    #[must_use]
    pub fn new(id: EventId, placed: Index, lifted: Option<Index>, query: &str) -> Option<Self> {
        let condition = Query::parse(query).ok()?;
        Some(Self { id, placed, lifted, query: query.to_owned(), condition })
    }

    /// Whether an entry with these terms may not be erased.
    #[must_use]
    pub fn covers(&self, terms: &[Term<'_>]) -> bool {
        self.lifted.is_none() && self.condition.matches(terms)
    }
}

/// The hold that a `hold.placed` places.
pub(super) fn hold_of(body: &Body<'_>, index: Index) -> Option<HoldRecord> {
    HoldRecord::new(body.id(), index, None, body.text("hold.query")?)
}
