//! Numbers that a signer gave and the ledger does not hold.
//!
//! Each signer counts its bodies within a session, inside the signature; so what was suppressed on the
//! way shows as a gap. A session can serve many workflows: what this one lacks is looked for in the
//! session's other entries before it is called missing.

use std::collections::BTreeMap;

use ledger::{Ledger, ReadError};
use schemas::id::{Index, SessionId};
use schemas::kind::Kind;
use schemas::limits::SESSION_SCAN_MAX;
use schemas::sequence;
use schemas::terms::Key;

use crate::error::is_damage;
use crate::node::Node;
use crate::source::{Order, Seek, Walk};
use crate::terms::term;

/// Numbers `from..=to` that are not there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Missing {
    pub(crate) signer: String,
    pub(crate) session: SessionId,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The signer says itself that it lost them.
    pub(crate) declared: bool,
    /// False where the session was too long to look through.
    pub(crate) checked: bool,
}

/// One signer's numbers in one session.
#[derive(Clone, Default, Debug)]
struct Numbers {
    /// With the ordinal that the ledger gave the entry in its session; 0 where it was refused.
    seen: BTreeMap<u64, u64>,
    lost: Vec<(u64, u64)>,
    /// Index of the first entry of the workflow.
    start: Option<Index>,
}

impl Numbers {
    fn add(&mut self, node: &Node) {
        self.seen.extend(node.seq.map(|n| (n, node.counts.session)));
        self.lost.extend(node.lost.filter(|_| node.is(Kind::GapDeclared) && node.accepted()));
        self.start = self.start.or(Some(node.index));
    }
}

/// What is missing between the first and the last number that each signer has in this workflow.
pub(crate) fn missing(ledger: &Ledger, nodes: &[Node]) -> Result<Vec<Missing>, ReadError> {
    let mut signers: BTreeMap<(String, SessionId), Numbers> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.joined) {
        if let (Some(signer), Some(session)) = (&node.signer, node.session) {
            signers.entry((signer.clone(), session)).or_default().add(node);
        }
    }
    // One for all signers, whichever way each is walked and however that ends.
    let mut walk = Walk::new(Order::Oldest, SESSION_SCAN_MAX);
    let mut found = Vec::new();
    for ((signer, session), mut numbers) in signers {
        let last = numbers.seen.last_key_value().map(|(n, _)| *n).unwrap_or_default();
        let checked = sequence::missing(&numbers.seen, last).is_empty()
            || look(ledger, &signer, session, &mut numbers, last, &mut walk)?;
        for (from, to) in sequence::missing(&numbers.seen, last) {
            let declared = numbers.lost.iter().any(|(a, b)| *a <= from && to <= *b);
            let signer = signer.clone();
            found.push(Missing { signer, session, from, to, declared, checked });
        }
    }
    Ok(found)
}

/// Takes in the session's other entries; false if the budget ends first.
fn look(
    ledger: &Ledger,
    signer: &str,
    session: SessionId,
    numbers: &mut Numbers,
    last: u64,
    walk: &mut Walk,
) -> Result<bool, ReadError> {
    let start = numbers.start.unwrap_or_default().0;
    let mut source = term(ledger, Key::Session, &session.to_string());
    // What is numbered later mostly came later; what overtook it stands before.
    for (order, from) in [(Order::Oldest, Some(start)), (Order::Newest, start.checked_sub(1))] {
        walk.order = order;
        let mut at = from;
        while let Some(from) = at {
            let index = match source.seek(from, walk)? {
                Seek::At(index) => index,
                Seek::End => break,
                Seek::Spent(_) => return Ok(false),
            };
            if let Some(node) = node(ledger, Index(index))?
                && node.signer.as_deref() == Some(signer)
            {
                numbers.add(&node);
                if sequence::missing(&numbers.seen, last).is_empty() {
                    return Ok(true);
                }
            }
            at = order.beyond(index);
        }
    }
    Ok(true)
}

/// The entry's node; `None` where its rows are damaged.
fn node(ledger: &Ledger, index: Index) -> Result<Option<Node>, ReadError> {
    match ledger.entry(index) {
        Ok(entry) => Ok(entry.as_ref().map(Node::of)),
        Err(damage) if is_damage(&damage) => Ok(None),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn what_one_signer_used_up_is_not_there_for_the_next() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 9);
        let ledger = writer.ledger();
        let mut walk = Walk::new(Order::Oldest, 1);
        let mut looked = |signer: &str| {
            let numbers = &mut Numbers::default();
            look(&ledger, signer, SessionId([1; 16]), numbers, 9, &mut walk).unwrap()
        };
        assert!(looked("a"));
        assert!(!looked("b"));
    }
}
