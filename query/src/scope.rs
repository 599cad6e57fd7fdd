//! What a reader may see at all: a condition that every list is narrowed by, and every single entry is held against.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ledger::{Ledger, ReadError};
use schemas::access::Scoped;
use schemas::id::{EventId, Index};
use schemas::query::Expr;

use crate::api::Api;
use crate::error::Error;
use crate::routes::ROUTES;

/// A reader's scope, as an extension of the request. Without one a reader sees everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope(pub Arc<Expr>);

impl Scope {
    fn admits(&self, ledger: &Ledger, index: Index) -> Result<bool, ReadError> {
        let Some(entry) = ledger.entry(index)? else { return Ok(false) };
        entry.terms(ledger, |terms| self.0.matches(terms))
    }
}

/// Answers for an entry outside the reader's scope as for one that there is not, before anything else is looked at.
pub(crate) async fn confine(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some(scope) = request.extensions().get::<Scope>().cloned() else {
        return next.run(request).await;
    };
    let path = request.extract_parts::<MatchedPath>().await.ok();
    let route = path.and_then(|path| ROUTES.iter().find(|route| route.path == path.as_str()));
    match route.map(|route| route.scoped) {
        Some(Scoped::Free | Scoped::Filtered) => return next.run(request).await,
        Some(Scoped::Single) => {}
        // The server refuses these with a reason; where it forgot to, nothing is shown.
        Some(Scoped::Refused) | None => return Error::Unknown("entry").into_response(),
    }
    let named =
        request.extract_parts::<RawPathParams>().await.ok().and_then(|params| named(&params));
    let admitted = api.read(move |api| admitted(&api.ledger, &scope, named.as_ref())).await;
    match admitted {
        Ok(true) => next.run(request).await,
        Ok(false) => Error::Unknown("entry").into_response(),
        Err(error) => error.into_response(),
    }
}

/// What the path names; it need not be there.
enum Named {
    Entry(Index),
    Event(EventId),
}

fn named(params: &RawPathParams) -> Option<Named> {
    let (name, value) = params.iter().next()?;
    match name {
        "index" => value.parse().ok().map(|index| Named::Entry(Index(index))),
        "id" => EventId::parse(value).map(Named::Event),
        _ => None,
    }
}

/// All entries of an event have to fit: an answer that left some out would say that there are others.
fn admitted(ledger: &Ledger, scope: &Scope, named: Option<&Named>) -> Result<bool, Error> {
    let indexes = match named {
        Some(Named::Entry(index)) => vec![*index],
        Some(Named::Event(id)) => ledger.find(*id)?,
        None => Vec::new(),
    };
    for index in &indexes {
        if !scope.admits(ledger, *index)? {
            return Ok(false);
        }
    }
    Ok(!indexes.is_empty())
}

/// The scope of a request, if its reader has one.
pub(crate) fn of(extensions: &axum::http::Extensions) -> Option<Arc<Expr>> {
    extensions.get::<Scope>().map(|Scope(expr)| Arc::clone(expr))
}
