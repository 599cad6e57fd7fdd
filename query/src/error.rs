//! What can go wrong with a read, and the one place where it becomes a response.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::ReadError;
use schemas::id::Index;
use schemas::limits::{
    BUNDLE_JOBS_MAX, BUNDLE_JOBS_PER_READER_MAX, BUNDLE_KEPT_S, BUNDLE_WAIT_S, RESTART_S,
};
use schemas::problem::{PROBLEM_MEDIA_TYPE, Problem};
use schemas::query::QueryError;

use crate::negotiate::Form;

/// How long it takes at most until a checkpoint is published.
const PUBLISH_S: u64 = 1;

/// Why a cursor is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CursorFault {
    #[error("it is not a cursor of this server")]
    Malformed,
    #[error("it belongs to another filter; repeat the query that it came with, or leave it out")]
    OtherFilter,
    #[error("it belongs to another history of the ledger; begin again without it")]
    OtherHistory,
}

/// A part of an entry with an address of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Statement,
    Body,
    Detail,
    Receipt,
    Proof,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Body => "body",
            Self::Detail => "detail",
            Self::Receipt => "receipt",
            Self::Proof => "published proof yet",
        }
    }
}

/// A read that was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{name:?} is no parameter here; {}", offered(known))]
    UnknownParameter { name: String, known: &'static [&'static str] },
    #[error("{name} is given more than once")]
    RepeatedParameter { name: &'static str },
    #[error("{param} must be {expected}")]
    InvalidParameter { param: &'static str, expected: &'static str },
    #[error("format must be {}", names(forms))]
    UnknownFormat { forms: &'static [Form] },
    #[error("there is none of the media types that Accept admits; there are {}", media(forms))]
    NotAcceptable { forms: &'static [Form] },
    #[error("the query string is not valid UTF-8 in percent-encoding")]
    Undecodable,
    #[error("{fault}")]
    Query { param: &'static str, fault: QueryError },
    #[error("the cursor is refused: {0}")]
    Cursor(CursorFault),
    #[error("there is no such {0}")]
    Unknown(&'static str),
    #[error("entry {index} has no {}", part.as_str())]
    NoPart { index: Index, part: Part },
    #[error("the {} of entry {index} was erased{}; its digest still verifies", part.as_str(), cited(*by))]
    Redacted { index: Index, part: Part, by: Option<Index> },
    #[error("the stored {} of entry {index} does not have the digest that the log commits to", part.as_str())]
    Damaged { index: Index, part: Part },
    #[error("what the ledger stored is damaged: {0}; sworn verify names the first entry that is")]
    Broken(ReadError),
    #[error("the ledger could not be read")]
    Read(ReadError),
    #[error("the bundle would have more than {limit} {what}; narrow the query or its window")]
    BundleTooLarge { what: &'static str, limit: usize },
    #[error(
        "more would have to be looked at than one answer looks at, so nothing is drawn; narrow the query or its window"
    )]
    SampleTooLarge,
    #[error("{BUNDLE_JOBS_PER_READER_MAX} bundles of yours are being made")]
    TooManyBundles,
    #[error(
        "{BUNDLE_JOBS_MAX} bundles are being made or kept; in {BUNDLE_KEPT_S} s at the latest there is room"
    )]
    BundlesBusy,
    #[error("a redaction was recorded since this bundle was begun: ask for it anew")]
    BundleOutdated,
    #[error("the server gave it up: it is ending")]
    GivenUp,
    #[error("no checkpoint is published yet; a second later there is one")]
    Unpublished,
    #[error("the read was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

fn cited(by: Option<Index>) -> String {
    by.map_or_else(String::new, |by| format!(" by the redaction at {by}"))
}

fn offered(known: &[&str]) -> String {
    if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    }
}

fn names(forms: &[Form]) -> String {
    forms.iter().map(|form| form.name).collect::<Vec<_>>().join(" or ")
}

fn media(forms: &[Form]) -> String {
    forms.iter().map(|form| form.media).collect::<Vec<_>>().join(", ")
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Alone(index) => Self::NoPart { index, part: Part::Receipt },
            error if is_damage(&error) => Self::Broken(error),
            error => Self::Read(error),
        }
    }
}

/// Whether the error is about what is stored, and not about the storing.
pub(crate) fn is_damage(error: &ReadError) -> bool {
    !matches!(error, ReadError::Store(_) | ReadError::Alone(_))
}

/// What was read, nothing where its rows are gone or damaged: these prove nothing; a store that fails says nothing.
pub(crate) fn sound<T: Default>(checked: Result<T, ReadError>) -> Result<T, ReadError> {
    match checked {
        Err(damage) if is_damage(&damage) => Ok(T::default()),
        checked => checked,
    }
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownParameter { .. }
            | Self::RepeatedParameter { .. }
            | Self::InvalidParameter { .. }
            | Self::UnknownFormat { .. }
            | Self::Undecodable
            | Self::Query { .. }
            | Self::Cursor(_) => StatusCode::BAD_REQUEST,
            Self::Unknown(_) | Self::NoPart { .. } => StatusCode::NOT_FOUND,
            Self::NotAcceptable { .. } => StatusCode::NOT_ACCEPTABLE,
            Self::Redacted { .. } => StatusCode::GONE,
            Self::BundleTooLarge { .. } | Self::SampleTooLarge => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyBundles => StatusCode::TOO_MANY_REQUESTS,
            Self::BundleOutdated => StatusCode::GONE,
            Self::Unpublished | Self::BundlesBusy | Self::GivenUp => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Damaged { .. } | Self::Broken(_) | Self::Read(_) | Self::Stopped(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    fn problem(&self) -> Problem {
        let (code, title) = match self {
            Self::UnknownParameter { .. } => ("unknown-parameter", "There is no such parameter"),
            Self::RepeatedParameter { .. } => ("repeated-parameter", "A parameter is repeated"),
            Self::NotAcceptable { .. } => ("not-acceptable", "There is no such form of it"),
            Self::InvalidParameter { .. } | Self::UnknownFormat { .. } | Self::Undecodable => {
                ("invalid-parameter", "A parameter cannot be read")
            }
            Self::Query { param, fault } => return fault.problem(param),
            Self::Cursor(CursorFault::Malformed) => ("bad-cursor", "The cursor cannot be read"),
            Self::Cursor(CursorFault::OtherFilter) => {
                ("cursor-of-another-filter", "The cursor belongs to another filter")
            }
            Self::Cursor(CursorFault::OtherHistory) => {
                ("cursor-of-another-history", "The cursor belongs to another history")
            }
            Self::Unknown(_) => ("not-found", "There is no such thing"),
            Self::NoPart { .. } => ("no-such-part", "The entry has no such part"),
            Self::BundleTooLarge { .. } => ("bundle-too-large", "The bundle would be too large"),
            Self::SampleTooLarge => ("sample-too-large", "Too much to draw a sample from"),
            Self::TooManyBundles => ("too-many-bundles", "Too many bundles at once"),
            Self::BundlesBusy => ("bundles-busy", "Too many bundles at once"),
            Self::BundleOutdated => ("bundle-outdated", "The bundle is outdated"),
            Self::GivenUp => ("given-up", "The server is ending"),
            Self::Unpublished => ("unpublished", "No checkpoint is published yet"),
            Self::Redacted { .. } => ("redacted", "What was here is erased"),
            Self::Damaged { .. } => ("digest-mismatch", "Stored bytes do not have their digest"),
            Self::Broken(_) => ("damaged", "What the ledger stored is damaged"),
            Self::Read(_) | Self::Stopped(_) => ("read-failed", "The ledger could not be read"),
        };
        let problem = Problem::new(code, title, self.to_string());
        let problem = match self {
            Self::Redacted { by: Some(by), .. } => problem.with("redaction", by.0.into()),
            _ => problem,
        };
        match self.param() {
            Some(param) => problem.of_param(param),
            None => problem,
        }
    }

    fn param(&self) -> Option<String> {
        match self {
            Self::UnknownParameter { name, .. } => Some(name.clone()),
            Self::RepeatedParameter { name } => Some((*name).to_owned()),
            Self::InvalidParameter { param, .. } => Some((*param).to_owned()),
            Self::Cursor(_) => Some("cursor".to_owned()),
            Self::UnknownFormat { .. } => Some("format".to_owned()),
            _ => None,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.answer()
    }
}

impl Error {
    /// The response that says so.
    pub(crate) fn answer(&self) -> Response {
        let status = self.status();
        // The reader learns that reading failed; why is for whoever runs the server.
        if status.is_server_error() {
            tracing::error!(error = ?self, "a read failed");
        }
        let body = self.problem().to_json(status.as_u16()).to_string();
        // What is absent now may be there a second later, and caches would keep even a 404.
        let headers =
            [(header::CONTENT_TYPE, PROBLEM_MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        if let Some(seconds) = self.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// When to ask again, where that makes a difference.
    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyBundles | Self::BundlesBusy => Some(BUNDLE_WAIT_S),
            Self::Unpublished => Some(PUBLISH_S),
            Self::GivenUp => Some(RESTART_S.into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_ask_again_is_told_when() {
        for (error, code, seconds) in [
            (Error::TooManyBundles, 429, Some("5")),
            (Error::BundlesBusy, 503, Some("5")),
            (Error::Unpublished, 503, Some("1")),
            (Error::GivenUp, 503, Some("5")),
            (Error::BundleOutdated, 410, None),
            (Error::Unknown("entry"), 404, None),
        ] {
            let answer = error.answer();
            let told = answer.headers().get(header::RETRY_AFTER);
            let told = told.and_then(|seconds| seconds.to_str().ok());
            assert_eq!((answer.status().as_u16(), told), (code, seconds), "{error}");
        }
    }
}
