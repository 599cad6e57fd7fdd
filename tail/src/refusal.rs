//! Why a tail is not opened, as an HTTP response.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::limits::{
    QUERY_BYTES_MAX, QUERY_TERMS_MAX, TAIL_STREAMS_MAX, TAIL_STREAMS_PER_READER_MAX,
};
use schemas::problem::{PROBLEM_MEDIA_TYPE, Problem};
use schemas::query::QueryError;

use crate::frames::ServeError;

/// Seconds after which a client turned away may ask again.
const RETRY_AFTER_S: &str = "5";

/// Why a tail is not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A parameter that this route does not have.
    #[error("there is no parameter {name:?} here; write one of: {known}")]
    UnknownParameter { name: String, known: String },
    /// A parameter twice where one is meant.
    #[error("{name} is given more than once")]
    Repeated { name: &'static str },
    /// A query or a bound that cannot be read.
    #[error("{error}")]
    Query { name: &'static str, error: QueryError },
    /// A bound that is more than a bound.
    #[error("since is one time or index, for example 15m, 2026-04-08T03:40:00Z or 900")]
    Since,
    /// Too many terms outside `q`, or too long ones.
    #[error(
        "the terms beside q are more than {QUERY_TERMS_MAX}, or longer than {QUERY_BYTES_MAX} bytes"
    )]
    Terms { name: &'static str },
    /// No token.
    #[error("a token is the id of an event of a tail: 8 hex digits, an index, 8 hex digits")]
    Token { name: &'static str },
    /// No size of a checkpoint.
    #[error("checkpoint is the size of the last checkpoint that was verified, a number above 0")]
    Checkpoint,
    /// Too many readers.
    #[error("{TAIL_STREAMS_MAX} tails are open; resume from the same token later, nothing is lost")]
    Full,
    /// Too many of this reader's.
    #[error(
        "{TAIL_STREAMS_PER_READER_MAX} tails of yours are open; end one, or resume later, nothing is lost"
    )]
    TooMany,
    /// The log cannot be read.
    #[error("the log cannot be read; the server's own log says why")]
    Unreadable(#[from] ServeError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Full | Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn problem(&self) -> Problem {
        let detail = self.to_string();
        match self {
            Self::UnknownParameter { name, .. } => {
                Problem::new("unknown-parameter", "Unknown parameter", detail)
                    .of_param(name.clone())
            }
            Self::Repeated { name } => {
                Problem::new("repeated-parameter", "Repeated parameter", detail).of_param(*name)
            }
            Self::Query { name, error } => error.problem(name),
            Self::Terms { name } => {
                Problem::new("bad-query", "The query cannot be read", detail).of_param(*name)
            }
            Self::Since => {
                Problem::new("bad-query", "The query cannot be read", detail).of_param("since")
            }
            Self::Token { name } => {
                Problem::new("bad-token", "The resume token cannot be read", detail).of_param(*name)
            }
            Self::Checkpoint => Problem::new("bad-checkpoint", "The size cannot be read", detail)
                .of_param("checkpoint"),
            Self::Full | Self::TooMany => Problem::new("too-many-tails", "Too many tails", detail),
            Self::Unreadable(_) => Problem::new("unreadable", "The log cannot be read", detail),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Unreadable(error) = &self {
            tracing::error!(%error, "a tail is not opened");
        }
        let status = self.status();
        let body = self.problem().to_json(status.as_u16()).to_string();
        let mut response =
            (status, [(header::CONTENT_TYPE, PROBLEM_MEDIA_TYPE)], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}
