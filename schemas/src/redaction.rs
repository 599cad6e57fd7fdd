//! Redactions: which entries lose what.

use crate::body::Body;
use crate::deterministic::Item;
use crate::id::Index;
use crate::kind::Kind;
use crate::walk::Walk;

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
        let walk = Walk::over(row);
        walk.find("kind").then_some(())?;
        (walk.text()? == Kind::Redaction.as_str()).then_some(())?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::body::from_json;
    use crate::limits::{EXT_BYTES_MAX, QUERY_BYTES_MAX};

    #[test]
    fn a_redaction_is_found_whatever_its_body_may_say_before_its_kind() {
        let redact = |more: usize| {
            let body = json!({
                "v": 1, "kind": "redaction", "id": "019d6b2c-ee80-7001-8002-030405060708",
                "salt": "00".repeat(16), "tenant": "acme", "time": 1, "signer": "op",
                "session": "01".repeat(16), "seq": { "n": u64::MAX, "prev": "00".repeat(32) },
                "ext": { "x": "y".repeat(more) }, "code": "c".repeat(64),
                "gap": { "from": u64::MAX, "to": u64::MAX },
                "hold": { "query": "q".repeat(QUERY_BYTES_MAX) },
                "redact": { "ranges": [[1, 3]], "parts": ["body"], "basis": "b" },
            });
            from_json(&body).ok().filter(|row| Body::parse(row).is_ok())
        };
        assert_eq!(redact(EXT_BYTES_MAX - 5), None, "nothing is longer");
        for more in [1, 500, EXT_BYTES_MAX - 6] {
            let redaction = Redaction::in_row(&redact(more).unwrap()).unwrap();
            assert_eq!((redaction.ranges, redaction.body), (vec![(1, 3)], true));
        }
    }

    #[test]
    fn what_is_no_body_holds_no_redaction() {
        let nested = [0x9b_u8, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff].repeat(100_000);
        let faulty = [b"\xa2\x61v".as_slice(), &nested, b"\x64kind\x69redaction"].concat();
        for row in [b"".as_slice(), b"\xff", b"\x83\x01\x64kind\x69redaction", &faulty] {
            assert_eq!(Redaction::in_row(row), None);
        }
    }
}
