//! Routing: each finding goes, signed, to the route of its agent's owner, and how that ended becomes an entry.
//!
//! The ledger is the queue. Each route walks the findings by itself, so that one which hangs holds up neither another
//! nor a commit, and nothing waits in memory beyond a bound. What is done follows from the log: a finding that has no
//! `delivery` is tried again after a restart, under the same id.

mod api;
mod assign;
mod attempt;
mod config;
mod message;
mod position;
mod post;
mod rate;
mod sign;
mod state;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use ingest::Door;
use ledger::{Ledger, ReadError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use api::ROUTES;
pub(crate) use config::{Route, RouteError, read as read_routes};
pub(crate) use sign::{SIGNATURE_HEADER, Secret};

use position::Position;
use state::States;
use worker::Worker;

/// Which routes there are, and the file that remembers how far they came.
#[derive(Clone, Debug)]
pub(crate) struct Routing {
    pub(crate) routes: Vec<Route>,
    pub(crate) position: PathBuf,
}

/// Why routing does not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoutingError {
    /// Its position cannot be kept.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
}

/// What all routes share.
pub(crate) struct Dispatch {
    ledger: Ledger,
    door: Door,
    routes: Vec<Route>,
    position: Position,
    states: States,
}

impl Dispatch {
    /// Reads how far an earlier life came; a ledger that is routed for the first time begins at its head.
    ///
    /// # Errors
    /// [`RoutingError`].
    pub(crate) fn new(
        ledger: Ledger,
        door: Door,
        routing: Routing,
    ) -> Result<Arc<Self>, RoutingError> {
        let Routing { routes, position } = routing;
        // One place more than there are routes: for findings that no route takes.
        let places = routes.len() + 1;
        let position = match routes.is_empty() {
            true => Position::nowhere(),
            false => Position::open(position, &ledger, places)?,
        };
        let states = States::new(routes.len());
        Ok(Arc::new(Self { ledger, door, routes, position, states }))
    }

    /// Delivers until `shutdown`; ends at once where no routes are configured.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        if self.routes.is_empty() {
            return;
        }
        let mut workers = JoinSet::new();
        for place in 0..=self.routes.len() {
            workers.spawn(Worker::new(Arc::clone(&self), place).run(shutdown.clone()));
        }
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a route ended by itself");
            }
        }
    }
}

/// `GET /api/v1/routes`, and a test of one.
pub(crate) fn api(dispatch: Arc<Dispatch>) -> Router {
    api::routes(dispatch)
}
