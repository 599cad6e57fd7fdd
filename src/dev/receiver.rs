//! A receiver of findings for the demonstration: it stands for the owners' own, and believes what is signed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::routes::{Route, SIGNATURE_HEADER, Secret};

/// A receiver at work. Dropped, it ends.
pub(super) struct Receiver {
    /// The way to it, for every owner.
    pub(super) route: Route,
    _task: AbortOnDropHandle<std::io::Result<()>>,
}

impl Receiver {
    /// Listens on a port of this machine.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/findings", listener.local_addr()?);
        let secret = Secret::generate();
        let router = Router::new().route("/findings", post(receive)).with_state(secret.clone());
        let serve = axum::serve(listener, router).into_future();
        let task = AbortOnDropHandle::new(tokio::spawn(serve));
        Ok(Self { route: Route::new("*", url, secret), _task: task })
    }
}

async fn receive(State(secret): State<Secret>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    match signature.is_some_and(|signature| secret.verifies(signature, &body)) {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::UNAUTHORIZED,
    }
}
