//! What was done, in a form in which an intent, an outcome and a witness can be compared.

use super::facts::Facts;
use super::marks::Marks;
use super::pack::{Pack, Unpack};
use crate::deterministic::Item;
use crate::mark::{Mark, NOTHING, mark_of};
use crate::registry::CredentialRecord;

/// Marks of what an action says; [`NOTHING`] where it says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Deed {
    pub(crate) class: Mark,
    pub(crate) system: Mark,
    pub(crate) target: Mark,
    pub(crate) scope: Mark,
    pub(crate) environment: Mark,
    pub(crate) credential: Mark,
}

impl Deed {
    /// What an entry says; `credential` is the record of the credential that it names, if that was looked up already.
    pub(crate) fn of(
        facts: &Facts<'_>,
        marks: &mut Marks,
        credential: Option<&CredentialRecord>,
    ) -> Self {
        let action = facts.action;
        Self {
            class: action.map_or(NOTHING, |action| class_mark(action.class)),
            system: marks.of(action.and_then(|action| action.system)),
            target: mark_of(action.and_then(|action| action.target)),
            scope: scope_mark(facts.scope, marks),
            environment: marks.of(facts.environment),
            credential: credential.map_or_else(|| mark_of(facts.credential), |known| known.mark),
        }
    }

    /// What two accounts of one action say differently, where both say something.
    pub(crate) fn differences(&self, other: &Self) -> impl Iterator<Item = &'static str> + use<> {
        let names = ["class", "system", "target", "scope", "environment"];
        let pairs = names.into_iter().zip(self.pairs(other));
        pairs.filter(|(_, pair)| is_apart(pair)).map(|(name, _)| name)
    }

    /// Whether they say anything differently.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.pairs(other).iter().any(is_apart)
    }

    /// What is compared.
    fn pairs(&self, other: &Self) -> [(Mark, Mark); 5] {
        [
            (self.class, other.class),
            (self.system, other.system),
            (self.target, other.target),
            (self.scope, other.scope),
            (self.environment, other.environment),
        ]
    }

    pub(crate) fn pack(&self, row: &mut Pack<'_>) {
        row.raw(&self.class).raw(&self.system).raw(&self.target);
        row.raw(&self.scope).raw(&self.environment).raw(&self.credential);
    }

    pub(crate) fn unpack(row: &mut Unpack<'_>) -> Option<Self> {
        Some(Self {
            class: row.array()?,
            system: row.array()?,
            target: row.array()?,
            scope: row.array()?,
            environment: row.array()?,
            credential: row.array()?,
        })
    }
}

fn is_apart((a, b): &(Mark, Mark)) -> bool {
    a != b && *a != NOTHING && *b != NOTHING
}

/// A class is one of five words, so that its beginning tells it.
fn class_mark(class: &str) -> Mark {
    let mut mark = NOTHING;
    mark.iter_mut().zip(class.bytes()).for_each(|(to, from)| *to = from);
    mark
}

/// Mark of the scopes used, whatever their order.
fn scope_mark(items: &[Item<'_>], marks: &mut Marks) -> Mark {
    match items {
        [] => NOTHING,
        [one] => marks.of(one.text()),
        items => {
            let mut scopes: Vec<_> = items.iter().filter_map(Item::text).collect();
            scopes.sort_unstable();
            scopes.dedup();
            mark_of(Some(&scopes.join("\0")))
        }
    }
}
