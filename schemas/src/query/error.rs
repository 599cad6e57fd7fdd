//! Why a query cannot be read.

use super::value::BadValue;
use crate::limits::{QUERY_BYTES_MAX, QUERY_TERMS_MAX};
use crate::problem::Problem;
use crate::terms::Key;

/// Why a query cannot be read. `at` is a byte offset.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`QUERY_TERMS_MAX`] terms, or parentheses inside as many.
    #[error("the query has more than {QUERY_TERMS_MAX} terms")]
    TooManyTerms,
    /// A word without a colon.
    #[error("at {at}: {word:?} has no key; write {suggestion}")]
    NoKey {
        /// Where.
        at: usize,
        /// The word.
        word: String,
        /// What may have been meant.
        suggestion: String,
    },
    /// A key that does not exist.
    #[error("at {at}: unknown key {key:?}; did you mean {nearest}?")]
    UnknownKey {
        /// Where.
        at: usize,
        /// The key.
        key: String,
        /// The most similar key.
        nearest: &'static str,
    },
    /// A key with nothing behind its colon.
    #[error("at {at}: {key}: has no value; {key}:* is any value")]
    NoValue {
        /// Where.
        at: usize,
        /// The key.
        key: &'static str,
    },
    /// A value that no entry could carry.
    #[error("at {at}: {value:?} is no value of {key}; write {expected}")]
    BadValue {
        /// Where.
        at: usize,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What it must be.
        expected: String,
    },
    /// A time bound that is none of the forms.
    #[error("at {at}: {value:?} is no time; write 15m, 2026-04-08, 03:40, #900 or checkpoint:900")]
    BadTime {
        /// Where.
        at: usize,
        /// The value.
        value: String,
    },
    /// An end of the window inside of a group or an alternative.
    #[error("at {at}: {key}: bounds the whole query; write it outside of parentheses and |")]
    NestedWindow {
        /// Where.
        at: usize,
        /// The key.
        key: &'static str,
    },
    /// An end of the window that is negated.
    #[error("at {at}: {key}: bounds the query and cannot be negated")]
    NegatedWindow {
        /// Where.
        at: usize,
        /// The key.
        key: &'static str,
    },
    /// An end of the window that is there twice.
    #[error("at {at}: {key}: is there twice")]
    RepeatedWindow {
        /// Where.
        at: usize,
        /// The key.
        key: &'static str,
    },
    /// A quote that is not closed.
    #[error("at {at}: the quote is not closed")]
    OpenQuote {
        /// Where.
        at: usize,
    },
    /// A parenthesis without its other half, or nothing between two.
    #[error("at {at}: unbalanced parenthesis or missing term")]
    Unbalanced {
        /// Where.
        at: usize,
    },
}

impl QueryError {
    /// Of a value that no entry could carry.
    pub(super) fn of_value(at: usize, key: Key, value: &str, bad: BadValue) -> Self {
        let BadValue(expected) = bad;
        Self::BadValue { at, key: key.as_str(), value: value.to_owned(), expected }
    }

    /// The problem of a parameter that holds the query, with `position` and `suggestion` where there are any.
    #[must_use]
    pub fn problem(&self, param: &'static str) -> Problem {
        let problem = Problem::new("bad-query", "The query cannot be read", self.to_string());
        let problem = match self.at() {
            Some(at) => problem.with("position", at.into()),
            None => problem,
        };
        let problem = match self.suggestion() {
            Some(suggestion) => problem.with("suggestion", suggestion.into()),
            None => problem,
        };
        problem.of_param(param)
    }

    /// Where in the text, in bytes; `None` if it is about the whole.
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        match self {
            Self::TooLong | Self::TooManyTerms => None,
            Self::NoKey { at, .. }
            | Self::UnknownKey { at, .. }
            | Self::NoValue { at, .. }
            | Self::BadValue { at, .. }
            | Self::BadTime { at, .. }
            | Self::NestedWindow { at, .. }
            | Self::NegatedWindow { at, .. }
            | Self::RepeatedWindow { at, .. }
            | Self::OpenQuote { at }
            | Self::Unbalanced { at } => Some(*at),
        }
    }

    /// What may have been meant there.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        match self {
            Self::NoKey { suggestion, .. } => Some(suggestion.clone()),
            Self::UnknownKey { nearest, .. } => Some((*nearest).to_owned()),
            Self::NoValue { key, .. } => Some(format!("{key}:*")),
            Self::BadValue { expected, .. } => Some(expected.clone()),
            _ => None,
        }
    }
}
