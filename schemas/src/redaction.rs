//! Redactions: which entries lose what.

use crate::body::Body;
use crate::deterministic::Item;
use crate::id::Index;
use crate::kind::Kind;

/// Bytes of a body within which its kind stands: no more than `v`, `id`, `seq`, `code` and `gap` come before.
const KIND_WITHIN: usize = 512;

/// What an entry of kind `redaction` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redaction {
    /// Ranges of indexes, both ends included, ascending.
    pub ranges: Vec<(u64, u64)>,
    /// Whether bodies are erased.
    pub body: bool,
    /// Whether details are.
    pub detail: bool,
}

impl Redaction {
    /// The redaction in a body; `None` if it is none.
    #[must_use]
    pub fn of(body: &Body<'_>) -> Option<Self> {
        (body.kind() == Kind::Redaction).then_some(())?;
        let range = |pair: &Item<'_>| match pair.array()? {
            [from, to] => Some((from.uint()?, to.uint()?)),
            _ => None,
        };
        let ranges = body.field("redact.ranges")?.array()?.iter().map(range);
        let parts = body.field("redact.parts")?.array()?;
        let has = |name| parts.iter().any(|part| part.text() == Some(name));
        Some(Self {
            ranges: ranges.collect::<Option<_>>()?,
            body: has("body"),
            detail: has("detail"),
        })
    }

    /// The redaction in a row of bodies; `None` if it is none. A body's kind stands among its first fields, so
    /// most rows need not be read.
    #[must_use]
    pub fn in_row(row: &[u8]) -> Option<Self> {
        let name = Kind::Redaction.as_str().as_bytes();
        let beginning = row.get(..KIND_WITHIN).unwrap_or(row);
        let is_named = beginning.windows(name.len()).any(|window| window == name);
        is_named.then_some(())?;
        Self::of(&Body::parse(row).ok()?)
    }

    /// Whether the entry at `index` is in it.
    #[must_use]
    pub fn covers(&self, index: Index) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&index.0))
    }

    /// Every index in it, ascending.
    pub fn indexes(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges.iter().flat_map(|(from, to)| *from..=*to)
    }

    /// How many entries are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        let lengths =
            self.ranges.iter().map(|(from, to)| to.saturating_sub(*from).saturating_add(1));
        lengths.fold(0, u64::saturating_add)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}
