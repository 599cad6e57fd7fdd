//! The registry at a point: the head, or wherever `at` says.

use std::sync::Arc;

use schemas::id::{Index, Micros, TreeSize};
use schemas::query::{Bound, Place};
use schemas::registry::Registry;
use serde_json::Value;

use crate::api::{Api, as_of, set};
use crate::error::Error;
use crate::params::Params;

/// The registry as of all entries below `size`, and the time then.
pub(crate) struct Past {
    pub(crate) registry: Arc<Registry>,
    pub(crate) size: TreeSize,
    pub(crate) now: Micros,
    as_of: Value,
}

impl Past {
    /// Where the parameter `at` says: an index (with that entry), a time, or a span before now; without it, the head.
    pub(crate) fn of(api: &Api, params: &Params) -> Result<Self, Error> {
        match params.get("at") {
            None => {
                let head = api.ledger.head();
                let registry = Arc::new(api.ledger.registry()?);
                Ok(Self { registry, size: head.size, now: api.now(), as_of: as_of(&head) })
            }
            Some(text) => Self::at(api, "at", text),
        }
    }

    /// At the point that the parameter's text names.
    pub(crate) fn at(api: &Api, param: &'static str, text: &str) -> Result<Self, Error> {
        let (size, now) = point(api, param, text)?;
        let registry = api.ledger.registry_at(size)?;
        Ok(Self { registry, size, now, as_of: as_of(&api.ledger.head()) })
    }

    /// An answer's object, with the point that it speaks of.
    pub(crate) fn answer(&self, mut answer: Value) -> Value {
        set(&mut answer, "at", self.size.0.checked_sub(1));
        set(&mut answer, "as_of", self.as_of.clone());
        answer
    }
}

/// The number of entries up to a point, and the time then.
pub(crate) fn point(
    api: &Api,
    param: &'static str,
    text: &str,
) -> Result<(TreeSize, Micros), Error> {
    let invalid = |expected| Error::InvalidParameter { param, expected };
    let head = api.ledger.head();
    let bound = Bound::parse(text).ok_or_else(|| invalid("an index, a time, a date or a span"))?;
    match (bound, bound.place(api.now())) {
        (Bound::Checkpoint(size), _) if (1..=head.size.0).contains(&size.0) => {
            Ok((size, api.ledger.leaf(Index(size.0 - 1))?.received_at))
        }
        (Bound::Checkpoint(_), _) => Err(invalid("the size of a tree that is there")),
        (_, Place::Index(index)) if index.0 < head.size.0 => {
            Ok((TreeSize(index.0 + 1), api.ledger.leaf(index)?.received_at))
        }
        (_, Place::Index(_)) => Err(invalid("the index of an entry that is there")),
        (_, Place::Time(time)) => Ok((entries_until(api, time)?, time)),
    }
}

/// Entries received at this time are among them.
fn entries_until(api: &Api, time: Micros) -> Result<TreeSize, Error> {
    Ok(TreeSize(api.ledger.index_at(Micros(time.0.saturating_add(1)))?.0))
}
