//! Query parameters and path segments: what is not known is a problem that names it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use schemas::id::{Index, TreeSize};
use schemas::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use schemas::query::Expr;

use crate::error::Error;
use crate::scope;

/// The query string's pairs, in order, and what the reader may see at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>, Option<Arc<Expr>>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let scope = scope::of(&parts.extensions);
        pairs.map(|Query(pairs)| Self(pairs, scope)).map_err(|_undecodable| Error::Undecodable)
    }
}

impl Params {
    /// These, if all of them are `known` and none is there twice.
    pub(crate) fn only(self, known: &'static [&'static str]) -> Result<Self, Error> {
        for (name, _) in &self.0 {
            let Some(name) = known.iter().find(|known| *known == name) else {
                return Err(Error::UnknownParameter { name: name.clone(), known });
            };
            if self.0.iter().filter(|(other, _)| other == name).count() > 1 {
                return Err(Error::RepeatedParameter { name });
            }
        }
        Ok(self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of one parameter, and the others; the one is given at most once.
    pub(crate) fn take(mut self, name: &'static str) -> Result<(Option<String>, Self), Error> {
        let mut of = self.0.extract_if(.., |(other, _)| other == name).map(|(_, value)| value);
        let value = of.next();
        if of.next().is_some() {
            return Err(Error::RepeatedParameter { name });
        }
        drop(of);
        Ok((value, self))
    }

    /// A parameter that is `true` or `false`; false if it is absent.
    pub(crate) fn flag(&self, param: &'static str) -> Result<bool, Error> {
        match self.get(param) {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(_) => Err(Error::InvalidParameter { param, expected: "true or false" }),
        }
    }

    /// The condition that everything shown must fit, beside what is asked for.
    pub(crate) fn scope(&self) -> Option<&Expr> {
        self.1.as_deref()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A tree's size, which must be given: digits only.
    pub(crate) fn size(&self, param: &'static str) -> Result<TreeSize, Error> {
        let invalid = Error::InvalidParameter { param, expected: "a number of entries" };
        self.get(param).and_then(number).map(TreeSize).ok_or(invalid)
    }

    /// An index of the log, if one is given: digits only.
    pub(crate) fn index(&self, param: &'static str) -> Result<Option<u64>, Error> {
        let invalid = Error::InvalidParameter { param, expected: "an index of the log" };
        self.get(param).map(|text| number(text).ok_or(invalid)).transpose()
    }

    /// The page's size.
    pub(crate) fn limit(&self) -> Result<usize, Error> {
        let invalid =
            Error::InvalidParameter { param: "limit", expected: "a number from 1 to 1000" };
        match self.get("limit").map(str::parse) {
            None => Ok(PAGE_ENTRIES_DEFAULT),
            Some(Ok(limit)) if (1..=PAGE_ENTRIES_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(invalid),
        }
    }
}

/// The one variable segment of a path, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        segment.map(|Path(text)| Self(text)).map_err(|_undecodable| Error::Undecodable)
    }
}

impl Segment {
    /// The entry's index: digits only.
    pub(crate) fn index(&self) -> Result<Index, Error> {
        let invalid = Error::InvalidParameter { param: "index", expected: "an index of the log" };
        number(&self.0).map(Index).ok_or(invalid)
    }

    /// The tree's size: digits only.
    pub(crate) fn size(&self) -> Result<TreeSize, Error> {
        let invalid = Error::InvalidParameter { param: "size", expected: "a number of entries" };
        number(&self.0).map(TreeSize).ok_or(invalid)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
