//! Numbers that a signer gave and the ledger does not hold.
//!
//! Each signer counts its bodies within a session, inside the signature; so what was suppressed on the
//! way shows as a gap. A session can serve many workflows, so what this one lacks need not be missing: the ledger
//! keeps what each signer left out. That is looked for in the signer's other entries, for it may say itself that it
//! lost it, and of many ranges the ledger keeps the oldest as one.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Ledger, ReadError};
use schemas::id::{Index, SessionId};
use schemas::kind::Kind;
use schemas::limits::SESSION_SCAN_MAX;
use schemas::sequence;

use crate::error::{is_damage, sound};
use crate::node::Node;
use crate::source::{Order, Seek, Walk};
use crate::terms::of_session;

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
    seen: BTreeSet<u64>,
    lost: Vec<(u64, u64)>,
    /// What the ledger may lack of those before the last one of the workflow, and after the one before its first.
    doubtful: Vec<(u64, u64)>,
    /// Index of the first entry of the workflow.
    start: Option<Index>,
}

impl Numbers {
    fn add(&mut self, node: &Node<'_>) {
        self.seen.extend(node.seq);
        self.lost.extend(node.lost.filter(|_| node.is(Kind::GapDeclared) && node.accepted()));
        self.start = self.start.or(Some(node.index));
    }

    /// Takes over what the ledger keeps of the signer; where that is damaged, all that is not of the workflow.
    fn ask(&mut self, ledger: &Ledger, signer: &str, session: SessionId) -> Result<(), ReadError> {
        let (Some(first), Some(last)) = (self.seen.first(), self.seen.last()) else {
            return Ok(());
        };
        let left_out = match ledger.left_out(signer, session) {
            Err(damage) if is_damage(&damage) => vec![(*first, *last)],
            read => read?,
        };
        let touched = left_out
            .into_iter()
            .filter(|(from, to)| from < last && to.saturating_add(1) >= *first)
            .map(|(from, to)| (from, to.min(*last)));
        self.doubtful = touched.collect();
        Ok(())
    }

    /// What is missing, as far as was looked.
    fn missing(&self) -> Vec<(u64, u64)> {
        let doubtful = self.doubtful.iter();
        doubtful.flat_map(|(from, to)| sequence::unseen(*from, *to, &self.seen)).collect()
    }
}

/// What is missing of the numbers that each signer has in this workflow: between the first and the last, and right
/// before the first.
pub(crate) fn missing(ledger: &Ledger, nodes: &[Node<'_>]) -> Result<Vec<Missing>, ReadError> {
    let mut signers: BTreeMap<(&str, SessionId), Numbers> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.joined) {
        if let (Some(signer), Some(session)) = (node.signer, node.session) {
            signers.entry((signer, session)).or_default().add(node);
        }
    }
    // One for all signers, whichever way each is walked and however that ends. An entry takes a look into each term.
    let mut walk = Walk::new(Order::Oldest, SESSION_SCAN_MAX.saturating_mul(2));
    let mut found = Vec::new();
    for ((signer, session), mut numbers) in signers {
        numbers.ask(ledger, signer, session)?;
        let checked =
            numbers.missing().is_empty() || look(ledger, signer, session, &mut numbers, &mut walk)?;
        for (from, to) in numbers.missing() {
            let declared = numbers.lost.iter().any(|(a, b)| *a <= from && to <= *b);
            let signer = signer.to_owned();
            found.push(Missing { signer, session, from, to, declared, checked });
        }
    }
    Ok(found)
}

/// Takes in the signer's other entries in the session; false if the budget ends first.
fn look(
    ledger: &Ledger,
    signer: &str,
    session: SessionId,
    numbers: &mut Numbers,
    walk: &mut Walk,
) -> Result<bool, ReadError> {
    let start = numbers.start.unwrap_or_default().0;
    let mut source = of_session(ledger, signer, session);
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
            if let Some(entry) = sound(ledger.entry(Index(index)))? {
                numbers.add(&Node::of(&entry));
                if numbers.missing().is_empty() {
                    return Ok(true);
                }
            }
            at = order.beyond(index);
        }
    }
    Ok(true)
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
            look(&ledger, signer, SessionId([1; 16]), numbers, &mut walk).unwrap()
        };
        assert!(looked("a"));
        assert!(!looked("b"));
    }
}
