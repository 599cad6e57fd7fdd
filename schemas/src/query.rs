//! The one query language of the command line, the API's `q` and the tail.
//!
//! `agent:pay-* outcome:denied since:15m`: the first colon splits, quotes allow spaces (and `\"` a quote);
//! the same key repeated is OR, different keys are AND; `-` or `not:` negates a term or a group; a trailing
//! `*` outside of quotes is a prefix and alone any value; parentheses and `|` are OR across keys.
//! A value that no entry could carry, such as a kind that does not exist, is refused: it would find nothing.
//! `since:`, `until:`, `after:` and `on:` bound the whole query, so they stand outside of groups, each once.

mod error;
mod nearest;
mod parse;
mod token;
mod value;
mod when;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;

pub use error::QueryError;
pub use when::{Bound, Day, Place, duration_us};

use crate::limits::QUERY_BYTES_MAX;
use crate::terms::{Key, Term};

/// What a term's value must be.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// Exactly this.
    Exact(String),
    /// Beginning with this; empty for any value.
    Prefix(String),
    /// From the first to before the second, as text: times have a form whose order is theirs.
    Span(String, String),
}

impl Pattern {
    /// Whether `value` fits.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == exact,
            Self::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Self::Span(from, to) => (from.as_str()..to.as_str()).contains(&value),
        }
    }
}

/// A query's condition.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Expr {
    /// Every one holds; empty for "everything".
    All(Vec<Expr>),
    /// At least one holds.
    Any(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// The entry carries such a term.
    Is(Key, Pattern),
}

impl Expr {
    /// The term that `value` is for `key`, where a trailing `*` makes a prefix; ids, digests and times in the
    /// spelling that terms have.
    ///
    /// # Errors
    /// [`QueryError::BadValue`] where no entry could carry such a value.
    pub fn term(key: Key, value: &str) -> Result<Self, QueryError> {
        let term = match value.strip_suffix('*') {
            Some(prefix) => value::prefix(key, prefix),
            None => value::exact(key, value),
        };
        term.map_err(|bad| QueryError::of_value(0, key, value, bad))
    }

    /// What does not fit `self`.
    #[must_use]
    fn negated(self) -> Self {
        match self {
            Self::Not(part) => *part,
            part => Self::Not(Box::new(part)),
        }
    }

    /// Whether an entry with these terms fits.
    #[must_use]
    pub fn matches(&self, terms: &[Term<'_>]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(terms)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(terms)),
            Self::Not(part) => !part.matches(terms),
            Self::Is(key, pattern) => {
                terms.iter().any(|term| term.key == *key && pattern.matches(&term.value))
            }
        }
    }

    /// All of `parts`; a lone one as itself.
    #[must_use]
    pub fn all(parts: Vec<Self>) -> Self {
        lone(parts).unwrap_or_else(Self::All)
    }

    /// Any of `parts`; a lone one as itself.
    #[must_use]
    pub fn any(parts: Vec<Self>) -> Self {
        lone(parts).unwrap_or_else(Self::Any)
    }
}

/// The only one of `parts`, or all of them back.
fn lone(mut parts: Vec<Expr>) -> Result<Expr, Vec<Expr>> {
    match parts.pop() {
        Some(part) if parts.is_empty() => Ok(part),
        Some(part) => {
            parts.push(part);
            Err(parts)
        }
        None => Err(parts),
    }
}

/// As the language writes it, each group in parentheses.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => group(f, parts, " "),
            Self::Any(parts) => group(f, parts, " | "),
            Self::Not(part) => write!(f, "-{part}"),
            Self::Is(key, pattern) => write!(f, "{}:{pattern}", key.as_str()),
        }
    }
}

fn group(f: &mut fmt::Formatter<'_>, parts: &[Expr], between: &str) -> fmt::Result {
    f.write_str("(")?;
    for (place, part) in parts.iter().enumerate() {
        let before = if place == 0 { "" } else { between };
        write!(f, "{before}{part}")?;
    }
    f.write_str(")")
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => token::quoted(f, exact),
            Self::Prefix(prefix) if prefix.is_empty() => f.write_str("*"),
            Self::Prefix(prefix) => {
                token::quoted(f, prefix)?;
                f.write_str("*")
            }
            Self::Span(from, to) => write!(f, "{from}..{to}"),
        }
    }
}

/// A parsed query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The condition.
    pub expr: Expr,
    /// First entry, inclusive.
    pub since: Option<Bound>,
    /// Last entry, exclusive.
    pub until: Option<Bound>,
    /// Entries after this one.
    pub after: Option<Bound>,
    /// The day of `on:`, of which clock times are.
    pub on: Option<Day>,
}

impl Query {
    /// The query that everything fits.
    #[must_use]
    pub fn everything() -> Self {
        Self { expr: Expr::All(Vec::new()), since: None, until: None, after: None, on: None }
    }

    /// Reads a query.
    ///
    /// # Errors
    /// [`QueryError`] with the place and, for a key, the nearest one that exists.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong);
        }
        parse::query(&token::tokens(text)?)
    }

    /// Whether an entry with these terms fits the condition; the window is the reader's to apply.
    #[must_use]
    pub fn matches(&self, terms: &[Term<'_>]) -> bool {
        self.expr.matches(terms)
    }
}
