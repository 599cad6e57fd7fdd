//! Asking witnesses: each has a task of its own, so that no commit ever waits for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use ingest::Door;
use ledger::{Ledger, Memo};
use schemas::access::{Right, Route};
use schemas::checkpoint::{Note, NoteError, NoteSignature};
use schemas::id::TreeSize;
use schemas::limits::WITNESS_BYTES_MAX;
use schemas::policy::{Policy, Witness};
use schemas::witness::AddCheckpoint;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use ureq::Agent;

/// How long a witness may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest pause after failures.
const PAUSE_S_MAX: u64 = 60;
/// Checkpoints looked through for what was cosigned before.
const RECALLED_MAX: usize = 1000;
/// Requests for one checkpoint: the witness may first have to say where it stands.
const TRIES: usize = 2;

/// The witnesses of a policy and how far each of them is.
#[derive(Clone)]
pub(crate) struct Witnesses {
    ledger: Ledger,
    /// Where incidents are handed over.
    door: Door,
    policy: Arc<Policy>,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    states: Vec<State>,
    /// Size of the newest checkpoint that met the quorum.
    witnessed: TreeSize,
}

#[derive(Clone, Default)]
struct State {
    /// Size of the newest checkpoint that it cosigned.
    size: TreeSize,
    /// When, in seconds since 1970 by its own clock.
    time: Option<u64>,
    error: Option<String>,
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no answer: {0}")]
    Unreachable(#[source] Box<ureq::Error>),
    #[error("it answers {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("it has cosigned {theirs} entries, this log has published {ours}: was it rolled back?")]
    Ahead { theirs: TreeSize, ours: TreeSize },
    #[error("its answer holds no valid cosignature: {0}")]
    Cosignature(NoteError),
    #[error("the ledger: {0}")]
    Ledger(#[from] ledger::ReadError),
    #[error("it keeps naming another size")]
    Unsettled,
    #[error("the request was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl Witnesses {
    /// The witnesses of this policy.
    pub(crate) fn new(ledger: Ledger, door: Door, policy: Policy) -> Self {
        let states = vec![State::default(); policy.witnesses.len()];
        let shared = Shared { states, witnessed: TreeSize(0) };
        let witnesses =
            Self { ledger, door, policy: Arc::new(policy), shared: Arc::new(Mutex::new(shared)) };
        if let Err(error) = witnesses.recall() {
            tracing::warn!(%error, "what witnesses cosigned before cannot be read");
        }
        witnesses
    }

    /// Takes in what the newest checkpoints of an earlier life were cosigned by.
    fn recall(&self) -> Result<(), ledger::ReadError> {
        let mut size = self.ledger.head().published.0;
        for _look in 0..RECALLED_MAX {
            let Some((found, _)) = self.ledger.published(size)? else { return Ok(()) };
            if let Some(note) =
                self.ledger.cosigned(found)?.and_then(|note| Note::parse(&note).ok())
            {
                let witnessed = self.policy.witnessed(&note);
                for (place, time) in witnessed.times.iter().enumerate() {
                    self.set(place, |state| {
                        if state.time.is_none() && time.is_some() {
                            *state = State { size: found, time: *time, error: None };
                        }
                    });
                }
                if witnessed.quorum {
                    self.shared().witnessed = found;
                    return Ok(());
                }
            }
            let Some(before) = found.0.checked_sub(1) else { return Ok(()) };
            size = TreeSize(before);
        }
        Ok(())
    }

    /// Asks every witness that has an address, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut tasks = tokio::task::JoinSet::new();
        for (place, witness) in self.policy.witnesses.iter().enumerate() {
            let Some(url) = witness.url.clone() else { continue };
            let asker = Asker { witnesses: self.clone(), place, witness: witness.clone(), url };
            let shutdown = shutdown.clone();
            tasks.spawn(async move { shutdown.run_until_cancelled(asker.run()).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, place: usize, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.shared().states.get_mut(place) {
            change(state);
        }
    }

    /// Looks whether the checkpoint of this size meets the quorum by now.
    fn settle(&self, size: TreeSize) -> Result<(), ledger::ReadError> {
        let Some(note) = self.ledger.cosigned(size)? else { return Ok(()) };
        if Note::parse(&note).is_ok_and(|note| self.policy.witnessed(&note).quorum) {
            let mut shared = self.shared();
            shared.witnessed = shared.witnessed.max(size);
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let shared = self.shared();
        let shown = |(witness, state): (&Witness, &State)| {
            json!({
                "name": witness.name, "verifier_key": witness.key.vkey(), "url": witness.url,
                "size": state.size.0, "time": state.time, "error": state.error,
            })
        };
        let items: Vec<_> = self.policy.witnesses.iter().zip(&shared.states).map(shown).collect();
        let published = self.ledger.head().published.0.0;
        json!({ "witnessed": shared.witnessed.0, "published": published, "items": items })
    }
}

/// What [`routes`] serves.
pub(crate) const ROUTES: &[Route] =
    &[Route::get("/api/v1/witnesses", Right::Known, "How far each witness is")];

/// `GET /api/v1/witnesses`: how far each witness is, and up to which size entries are witnessed.
pub(crate) fn routes(witnesses: Option<Witnesses>) -> Router {
    let answer = move || {
        let none = || json!({ "witnessed": 0, "published": 0, "items": [] });
        let json = witnesses.as_ref().map_or_else(none, Witnesses::to_json);
        std::future::ready(Json(json))
    };
    Router::new().route("/api/v1/witnesses", get(answer))
}

/// One witness and the way to it.
#[derive(Clone)]
struct Asker {
    witnesses: Witnesses,
    place: usize,
    witness: Witness,
    url: String,
}

impl Asker {
    async fn run(self) {
        let mut head = self.witnesses.ledger.watch();
        let (mut known, mut done, mut failures) = (TreeSize(0), TreeSize(0), 0_u32);
        let mut ahead = TreeSize(0);
        loop {
            let published = head.borrow_and_update().published.clone();
            if published.0 == done || published.0 == TreeSize(0) {
                if head.changed().await.is_err() {
                    return;
                }
                continue;
            }
            match self.ask(&published, known).await {
                Ok(size) => {
                    (known, done, failures) = (size, size, 0);
                }
                Err(error) => {
                    if let AskError::Ahead { theirs, .. } = error
                        && theirs > ahead
                        && self.report(&error).await
                    {
                        ahead = theirs;
                    }
                    failures = failures.saturating_add(1);
                    let name = &self.witness.name;
                    tracing::warn!(witness = name, failures, %error, "a witness does not cosign");
                    self.witnesses.set(self.place, |state| state.error = Some(error.to_string()));
                    let pause_s = 2_u64.saturating_pow(failures).min(PAUSE_S_MAX);
                    tokio::time::sleep(Duration::from_secs(pause_s)).await;
                }
            }
        }
    }

    /// Records that the witness knows more than there is; whether it was taken in.
    async fn report(&self, error: &AskError) -> bool {
        let note = format!("{}: {error}", self.witness.name);
        let memo = Memo::Incident { code: "witness_ahead", note };
        self.witnesses.door.record(memo).await.is_ok()
    }

    /// Gets and keeps the cosignature of a published checkpoint; gives its size.
    async fn ask(
        &self,
        (size, note): &(TreeSize, String),
        mut known: TreeSize,
    ) -> Result<TreeSize, AskError> {
        let ledger = &self.witnesses.ledger;
        let mut note = Note::parse(note).map_err(AskError::Cosignature)?;
        for _try in 0..TRIES {
            if known > *size {
                return Err(AskError::Ahead { theirs: known, ours: *size });
            }
            let grown = known.0 > 0 && known < *size;
            let proof = if grown { ledger.consistency(known, *size)? } else { Vec::new() };
            let request = AddCheckpoint { old: known, proof, note: note.clone() }.to_string();
            let url = format!("{}/add-checkpoint", self.url.trim_end_matches('/'));
            // The thread may hang for as long as the witness does, so it holds nothing of the ledger.
            match tokio::task::spawn_blocking(move || post(&url, &request)).await?? {
                Answer::Elsewhere(size) => known = size,
                Answer::Cosigned(lines) => {
                    let key = self.witness.key.key_id();
                    let own = |line: &NoteSignature| {
                        line.name == self.witness.key.name && line.key_id == key
                    };
                    let line = lines.lines().filter_map(NoteSignature::parse).find(own);
                    let line =
                        line.ok_or(AskError::Cosignature(NoteError::Unsigned { key_id: key }))?;
                    note.signatures.push(line.clone());
                    let time = note.verify_cosignature(&self.witness.key);
                    let time = time.map_err(AskError::Cosignature)?;
                    ledger.add_cosignature(*size, &line)?;
                    self.witnesses.set(self.place, |state| {
                        *state = State { size: *size, time: Some(time), error: None };
                    });
                    self.witnesses.settle(*size)?;
                    return Ok(*size);
                }
            }
        }
        Err(AskError::Unsettled)
    }
}

fn post(url: &str, request: &str) -> Result<Answer, AskError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(ANSWER))
        .build();
    let unreachable = |error| AskError::Unreachable(Box::new(error));
    let response = config.new_agent().post(url).send(request).map_err(unreachable)?;
    let status = response.status().as_u16();
    let limit = u64::try_from(WITNESS_BYTES_MAX).unwrap_or(u64::MAX);
    let body = response.into_body().into_with_config().limit(limit).read_to_string();
    let text = body.map_err(unreachable)?;
    match (status, text.trim_end().parse()) {
        (200, _) => Ok(Answer::Cosigned(text)),
        (409, Ok(size)) => Ok(Answer::Elsewhere(TreeSize(size))),
        _ => {
            let text = text.trim().chars().take(200).collect();
            Err(AskError::Refused { status, text })
        }
    }
}

enum Answer {
    /// Signature lines.
    Cosigned(String),
    /// The size that the witness has.
    Elsewhere(TreeSize),
}
