//! A witness: it cosigns checkpoints of logs that it knows, if they extend what it cosigned before.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ed25519_dalek::SigningKey;
use schemas::checkpoint::{Note, NoteKey, WitnessKey};
use schemas::limits::WITNESS_BYTES_MAX;
use schemas::witness::{AddCheckpoint, Refusal, SIZE_MEDIA_TYPE, judge};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::store::{Kept, Store, StoreError};
use crate::clock::Clock;
use crate::http;

/// Who a witness is, which logs it watches, and what it remembers.
pub(crate) struct Witness {
    /// Its name and public key.
    pub(crate) key: WitnessKey,
    /// The secret of it, which signs nothing but cosignatures.
    pub(crate) secret: SigningKey,
    /// The logs it knows.
    pub(crate) logs: Vec<NoteKey>,
    /// Checking what was cosigned and remembering what is are one act.
    pub(crate) store: Mutex<Store>,
    /// Its time.
    pub(crate) clock: Clock,
}

/// Why a witness does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Serves until `shutdown`.
///
/// # Errors
/// [`ServeError::Listen`].
pub(crate) async fn run(
    witness: Witness,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    tracing::info!(%address, witness = witness.key.vkey(), "witnessing");
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/vkey", get(vkey))
        .layer(DefaultBodyLimit::max(WITNESS_BYTES_MAX))
        .with_state(Arc::new(witness));
    http::serve(listener, None, router, shutdown).await;
    Ok(())
}

async fn vkey(State(witness): State<Arc<Witness>>) -> String {
    format!("{}\n", witness.key.vkey())
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    let judged = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match judged {
        Ok(Ok(cosignature)) => (StatusCode::OK, format!("{cosignature}\n")).into_response(),
        Ok(Err(answer)) => answer.into_response(),
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Any other answer than a cosignature.
enum Answer {
    Text(StatusCode, String),
    Size(u64),
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Text(status, text) => (status, format!("{text}\n")).into_response(),
            Self::Size(size) => {
                let media = [(header::CONTENT_TYPE, SIZE_MEDIA_TYPE)];
                (StatusCode::CONFLICT, media, format!("{size}\n")).into_response()
            }
        }
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the witness cannot remember, so it cosigns nothing");
        Self::Text(StatusCode::INTERNAL_SERVER_ERROR, "the witness's memory fails".to_owned())
    }
}

impl Witness {
    /// The cosignature's line, or the answer that says why there is none.
    fn add_checkpoint(&self, body: &str) -> Result<String, Answer> {
        let bad = |text: String| Answer::Text(StatusCode::BAD_REQUEST, text);
        let request = AddCheckpoint::parse(body).map_err(|fault| bad(fault.to_string()))?;
        let claimed = request.note.checkpoint().map_err(|fault| bad(fault.to_string()))?;
        let log = self.logs.iter().find(|log| log.name == claimed.origin);
        let Some(log) = log else { return Err(self.unknown(&claimed.origin, &request.note)) };
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let last = store.latest(log)?;
        let judged = judge(&request, last.as_ref().map(|kept| &kept.checkpoint), log);
        if judged.as_ref().err().is_none_or(|refusal| *refusal != Refusal::Unsigned) {
            let found = Kept { note: request.note.to_string(), checkpoint: claimed };
            contradiction(&store, log, &found, judged.as_ref().err(), last.as_ref())?;
        }
        let checkpoint = judged.map_err(refused)?;
        let unix_s = self.clock.now().0 / 1_000_000;
        let line = request.note.cosign(&self.key.name, unix_s, &self.secret);
        let line = line.map_err(|fault| bad(fault.to_string()))?;
        store.keep(&checkpoint, &request.note.to_string())?;
        Ok(line.to_string())
    }

    /// The answer for a log that is not known; a known log's key under another name is a new epoch.
    fn unknown(&self, origin: &str, note: &Note) -> Answer {
        let renamed = self.logs.iter().find(|log| {
            let renamed = NoteKey { name: origin.to_owned(), public: log.public };
            note.verify(&renamed).is_ok()
        });
        let text = match renamed {
            None => format!("the log {origin} is not known here"),
            Some(log) => {
                let text = format!(
                    "{origin} is signed by the key of {}: a new epoch, after a rollback or by fraud",
                    log.name
                );
                tracing::error!(origin, known = log.name, "a known log has another name");
                text
            }
        };
        Answer::Text(StatusCode::NOT_FOUND, text)
    }
}

/// Keeps what cannot stand beside a checkpoint that was cosigned, and raises the alarm.
fn contradiction(
    store: &Store,
    log: &NoteKey,
    found: &Kept,
    refusal: Option<&Refusal>,
    last: Option<&Kept>,
) -> Result<(), StoreError> {
    let same_size = store.at(log, found.checkpoint.size)?;
    let other_root = same_size.filter(|kept| kept.checkpoint.root != found.checkpoint.root);
    let unproved = last.filter(|_| matches!(refusal, Some(Refusal::Inconsistent)));
    if let Some(kept) = other_root.as_ref().or(unproved) {
        let path = store.keep_fork(kept, found)?;
        let certain = other_root.is_some();
        tracing::error!(origin = log.name, certain, kept = %path.display(), "the log contradicts itself");
    }
    Ok(())
}

fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::OtherSize(size) => Answer::Size(size.0),
        refusal => {
            let status = StatusCode::from_u16(refusal.status());
            Answer::Text(status.unwrap_or(StatusCode::BAD_REQUEST), refusal.to_string())
        }
    }
}
