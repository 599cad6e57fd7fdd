//! Freezes: what may not be done for a while.

use crate::id::Index;
use crate::query::Query;
use crate::terms::Term;

/// State in `authz.transition` in which what it applies to is frozen.
pub const FROZEN: &str = "frozen";
/// What applies to everything.
pub const EVERYTHING: &str = "*";

/// A freeze.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreezeRecord {
    /// What is frozen: a query, or [`EVERYTHING`].
    pub applies_to: String,
    /// Entry that froze it.
    pub frozen: Index,
    /// Entry that lifted it.
    pub lifted: Option<Index>,
    condition: Query,
}

impl FreezeRecord {
    /// A freeze; `None` if what it applies to cannot be read.
    #[must_use]
    pub fn new(applies_to: &str, frozen: Index, lifted: Option<Index>) -> Option<Self> {
        let condition = match applies_to {
            EVERYTHING => Query::everything(),
            query => Query::parse(query).ok()?,
        };
        Some(Self { applies_to: applies_to.to_owned(), frozen, lifted, condition })
    }

    /// Whether an entry with these terms is frozen.
    #[must_use]
    pub fn covers(&self, terms: &[Term<'_>]) -> bool {
        self.lifted.is_none() && self.condition.matches(terms)
    }
}
