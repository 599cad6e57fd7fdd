//! What a bundle answers, and which claims of the ledger make the answer complete.

use crate::body::LEDGER_SIGNER;
use crate::id::{Index, TreeSize};
use crate::kind::Kind;
use crate::limits::CLAIM_TERMS_MAX;
use crate::query::{Expr, Pattern, Query, QueryError};
use crate::terms::{Key, Term};

/// The entries of a window that fit a condition.
#[derive(Clone, Debug)]
pub struct Scope {
    expr: Expr,
    /// First index.
    pub since: u64,
    /// End, exclusive.
    pub until: u64,
}

impl Scope {
    /// The scope of a query and a window; words of the query that bound another window count for nothing.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn parse(query: &str, since: u64, until: u64) -> Result<Self, QueryError> {
        Ok(Self { expr: Query::parse(query)?.expr, since, until })
    }

    /// Whether it asks for the entry.
    #[must_use]
    pub fn holds(&self, index: Index, terms: &[Term<'_>]) -> bool {
        (self.since..self.until).contains(&index.0) && self.expr.matches(terms)
    }

    /// Whether it asks for every entry of its window.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(&self.expr, Expr::All(parts) if parts.is_empty())
    }

    /// The terms of the claims that make it complete; `None` where no claim can say it: negations and
    /// prefixes.
    #[must_use]
    pub fn terms(&self) -> Option<Vec<(Key, String)>> {
        claimable(&self.expr)
    }

    /// The sizes of the trees that these claims speak of: what fits in the first, less what fits in the
    /// second, if there is one.
    #[must_use]
    pub fn sizes(&self) -> (TreeSize, Option<TreeSize>) {
        (TreeSize(self.until), (self.since > 0).then_some(TreeSize(self.since)))
    }

    /// The one workflow, session or agent that it asks for: what leaves have ordinals of.
    #[must_use]
    pub fn ordinal(&self) -> Option<(Key, &str)> {
        match &self.expr {
            Expr::Is(key @ (Key::Corr | Key::Session | Key::Agent), Pattern::Exact(value)) => {
                Some((*key, value.as_str()))
            }
            _ => None,
        }
    }
}

/// The terms of a claim that counts exactly what fits the condition, sorted; `None` if there is none.
fn claimable(expr: &Expr) -> Option<Vec<(Key, String)>> {
    let alone = std::slice::from_ref(expr);
    let fields = if let Expr::All(parts) = expr { parts.as_slice() } else { alone };
    let mut terms = Vec::new();
    let mut seen = Vec::new();
    for field in fields {
        let alone = std::slice::from_ref(field);
        let alternatives = if let Expr::Any(parts) = field { parts.as_slice() } else { alone };
        let of_field: Vec<_> = alternatives.iter().map(exact).collect::<Option<_>>()?;
        let (key, _) = of_field.first()?;
        // In a claim the same key means "any of": a key in two fields would mean another thing.
        if seen.contains(key) || of_field.iter().any(|(other, _)| other != key) {
            return None;
        }
        seen.push(*key);
        terms.extend(of_field);
    }
    terms.sort_unstable();
    terms.dedup();
    (1..=CLAIM_TERMS_MAX).contains(&terms.len()).then_some(terms)
}

/// A term that has postings: ids and times are looked at and not counted.
fn exact(expr: &Expr) -> Option<(Key, String)> {
    match expr {
        Expr::Is(key, Pattern::Exact(value)) if key.is_indexed() => Some((*key, value.clone())),
        _ => None,
    }
}

/// Entries that decide together who may sign what: a bundle has all of them, and a claim counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum History<'s> {
    /// Somebody's life as an agent, and the keys.
    Agent(&'s str),
    /// Somebody's life as a person or service.
    Principal(&'s str),
    /// What operators proposed and agreed to, whomever it is about.
    Agreed,
}

impl<'s> History<'s> {
    /// Those of one signer or agent.
    #[must_use]
    pub const fn of(subject: &'s str) -> [Self; 2] {
        [Self::Agent(subject), Self::Principal(subject)]
    }

    /// The kinds of its entries.
    #[must_use]
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Agent(_) => &[
                Kind::AgentRegistered,
                Kind::AgentUpdated,
                Kind::AgentSuspended,
                Kind::AgentDisabled,
                Kind::AgentEnabled,
                Kind::AgentRetired,
                Kind::KeyEnrolled,
                Kind::KeyRotated,
                Kind::KeyRevoked,
            ],
            Self::Principal(_) => &[Kind::PrincipalRegistered, Kind::PrincipalDisabled],
            Self::Agreed => &[Kind::Proposal, Kind::ProposalApproved],
        }
    }

    /// The terms of the claim that counts it: its refused entries alone, or all.
    #[must_use]
    pub fn terms(self, refused: bool) -> Vec<(Key, String)> {
        let about = match self {
            Self::Agent(subject) => Some((Key::Agent, subject.to_owned())),
            Self::Principal(subject) => Some((Key::Principal, subject.to_owned())),
            Self::Agreed => None,
        };
        let kinds = self.kinds().iter().map(|kind| (Key::Kind, kind.as_str().to_owned()));
        let mut terms: Vec<_> = about.into_iter().chain(kinds).collect();
        if refused {
            terms.push((Key::Status, "rejected".to_owned()));
        }
        terms.sort_unstable();
        terms
    }
}

/// Whether the ledger's own entries tell the history: genesis, rotations and epochs, which the checkpoint's key
/// and origin follow from.
pub(super) fn is_own(subject: &str) -> bool {
    subject == LEDGER_SIGNER
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_a_claim_can_say_becomes_its_terms() {
        let terms = |query: &str| claimable(&Query::parse(query).unwrap().expr);
        let said = |query: &str| {
            let terms = terms(query).unwrap();
            let words = terms.iter().map(|(key, value)| format!("{}:{value}", key.as_str()));
            words.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said("corr:w"), "corr:w");
        assert_eq!(said("agent:b agent:a kind:finding"), "kind:finding agent:a agent:b");
        assert_eq!(said("(agent:b | agent:a)"), "agent:a agent:b");
        let unsaid = [
            "",
            "-corr:w",
            "corr:w*",
            "(agent:a | corr:w)",
            "time:2026-04-08",
            "(corr:a) (corr:b)",
        ];
        for query in unsaid {
            assert_eq!(terms(query), None, "{query}");
        }
        let many: String = (0..=CLAIM_TERMS_MAX).map(|n| format!("agent:{n} ")).collect();
        assert_eq!(terms(&many), None);
        for history in History::of("a").into_iter().chain([History::Agreed]) {
            assert!(history.terms(true).len() <= CLAIM_TERMS_MAX);
        }
    }
}
