//! From entries to everything derived from them: state, ids, postings, tiles.
//!
//! A commit, a rebuild and an audit all go through here, entry by entry and in log order, which is why a
//! rebuild gives identical bytes.

use schemas::body::Body;
use schemas::leaf::{Counts, Leaf};
use schemas::refused;
use schemas::rules::Finding;
use schemas::terms::{self, Whose};
use schemas::tree;

use crate::error::ReadError;
use crate::keys;
use crate::postings::Gathered;
use crate::read::id_row;
use crate::refusal::Refusal;
use crate::state::State;
use crate::store::{ColumnFamily, Row, Store};
use crate::tiles::Growth;

/// Everything derived, as of the last entry taken.
#[derive(Default)]
pub(crate) struct Fold {
    pub(crate) state: State,
    pub(crate) growth: Growth,
}

/// The derived rows of the commit being folded.
#[derive(Default)]
pub(crate) struct Derived {
    gathered: Gathered,
    rows: Vec<Row>,
}

/// What lies beside a leaf.
pub(crate) enum Beside<'a> {
    /// The body of an accepted entry, or what is left of an erased one.
    Body(&'a Body<'a>),
    /// The evidence of a refused one.
    Refusal(&'a Refusal),
}

impl Fold {
    /// The ordinals of an accepted entry, counted as of now.
    pub(crate) fn count(&mut self, store: &Store, body: &Body<'_>) -> Result<Counts, ReadError> {
        self.state.count(store, body)
    }

    /// Takes the next entry in, its leaf complete; gives the findings that follow it.
    pub(crate) fn take(
        &mut self,
        store: &Store,
        leaf: &Leaf,
        bytes: &[u8],
        beside: &Beside<'_>,
        derived: &mut Derived,
    ) -> Result<Vec<Finding>, ReadError> {
        derived.rows.extend(self.growth.push(tree::leaf_hash(bytes)));
        match beside {
            Beside::Body(body) => {
                derived.rows.push(event_row(leaf, body));
                self.take_signed(store, leaf, body, derived)
            }
            Beside::Refusal(refusal) => {
                let key = keys::refusal(leaf);
                derived.rows.push(Row::new(ColumnFamily::Ids, key, keys::index(leaf.index)));
                match signed_body(leaf, refusal) {
                    Some(body) => self.take_signed(store, leaf, &body, derived),
                    None => {
                        let claimed = claimed(leaf, refusal);
                        derived.gathered.add(leaf.index, &terms::of_refusal(leaf, &claimed));
                        Ok(Vec::new())
                    }
                }
            }
        }
    }

    fn take_signed(
        &mut self,
        store: &Store,
        leaf: &Leaf,
        body: &Body<'_>,
        derived: &mut Derived,
    ) -> Result<Vec<Finding>, ReadError> {
        let agent = body.agent().and_then(|name| self.state.registry.known(name));
        derived.gathered.add(leaf.index, &terms::indexed(leaf, body, agent.map(Whose::from)));
        self.state.fold(store, leaf, body)
    }

    /// The rows of a commit whose entries were all taken.
    pub(crate) fn finish(&mut self, derived: Derived) -> Vec<Row> {
        let mut rows = derived.rows;
        rows.extend(derived.gathered.rows());
        rows.extend(self.state.take_rows());
        rows
    }
}

fn event_row(leaf: &Leaf, body: &Body<'_>) -> Row {
    let key = keys::event(body.id(), body.signer());
    Row::new(ColumnFamily::Ids, key, id_row(leaf.index, &leaf.body))
}

/// The body of a refused item, if its signer really signed it and signed it as itself.
pub(crate) fn signed_body<'r>(leaf: &Leaf, refusal: &'r Refusal) -> Option<Body<'r>> {
    refused::signed_body(leaf, refusal.bytes.as_deref()?)
}

/// Names in evidence that nobody vouches for.
pub(crate) fn claimed(leaf: &Leaf, refusal: &Refusal) -> Vec<String> {
    refusal.bytes.as_deref().map_or_else(Vec::new, |kept| refused::claimed_names(leaf, kept))
}

/// Where the entry at `index` keeps what lies beside it.
pub(crate) fn family_beside(leaf: &Leaf) -> ColumnFamily {
    if leaf.refused_whole() { ColumnFamily::Statements } else { ColumnFamily::Bodies }
}
