//! Who asks, as the server that mounts the routes knows its readers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::watch;

/// A reader's name, as an extension of the request. Without one nobody is told from anybody.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reader(pub Arc<str>);

/// The reader of a request, if there is a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asker(pub(crate) Option<Reader>);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Reader>().cloned()))
    }
}

/// That whoever asks administers the server, as an extension of the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overseer;

/// Whether whoever asks administers the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Oversees(pub(crate) bool);

impl<S: Send + Sync> FromRequestParts<S> for Oversees {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Overseer>().is_some()))
    }
}

/// That somebody waits for the answer, as an extension of the request: until the sender is dropped.
#[derive(Clone, Debug)]
pub struct Waiting(pub watch::Receiver<()>);

/// Whoever waits for the answer.
#[derive(Debug)]
pub(crate) struct Waiter(Option<Waiting>);

impl Waiter {
    /// Waits until nobody does any more; for ever, where nobody says so.
    pub(crate) async fn gone(self) {
        match self.0 {
            Some(Waiting(mut sender)) => while sender.changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Waiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Waiting>().cloned()))
    }
}
