//! The processes that play: one for each signer, each with its own key file and broker connection.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use schemas::id::{EventId, Index, Micros, SessionId};
use schemas::reject::Reason;
use schemas::shape::time_json;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::DemoError;
use crate::clock::{self, Clock, StepError};

/// How long a process may take for one submission, until its receipt is verified.
const ANSWER_S_MAX: u64 = 60;
/// How long a process may take to end once it is told to.
const END_S_MAX: u64 = 5;

/// What every process is started with.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    /// This program.
    pub(crate) program: PathBuf,
    /// Directory of the key files.
    pub(crate) keys: PathBuf,
    /// The broker's address.
    pub(crate) nats: String,
    /// Whose ledger.
    pub(crate) tenant: String,
    /// The ledger's public key, in hex: what receipts are verified with.
    pub(crate) ledger_key: String,
}

/// How an event ended, the receipt verified by the process that sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// The event.
    pub(crate) id: EventId,
    /// Its place in the log.
    pub(crate) index: Index,
    /// Why it was refused, if it was.
    pub(crate) refused: Option<Reason>,
}

/// Everybody who has a process, by name.
pub(crate) struct Troupe {
    wiring: Wiring,
    clock: Clock,
    /// When the events to come happen, if not now.
    scripted: Option<Micros>,
    players: BTreeMap<String, Player>,
}

impl Troupe {
    pub(crate) fn new(wiring: Wiring, clock: Clock) -> Self {
        Self { wiring, clock, scripted: None, players: BTreeMap::new() }
    }

    /// The ledger's clock.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What comes next happens at `time`: the clock steps there, unless it is later already.
    pub(crate) fn at(&mut self, time: &str) -> Result<(), DemoError> {
        let scripted = micros(time)?;
        match self.clock.step(scripted) {
            Ok(()) | Err(StepError::Backward { .. }) => self.scripted = Some(scripted),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What comes next happens when it is published.
    pub(crate) fn live(&mut self) {
        self.scripted = None;
    }

    /// Starts the process of `signer`, unless it runs.
    pub(crate) async fn enter(&mut self, signer: &str) -> Result<SessionId, DemoError> {
        if let Some(player) = self.players.get(signer) {
            return Ok(player.session);
        }
        let player = Player::start(&self.wiring, signer).await?;
        let session = player.session;
        self.players.insert(signer.to_owned(), player);
        Ok(session)
    }

    /// Lets `signer` publish under one signature; each event must be committed.
    pub(crate) async fn publish(
        &mut self,
        signer: &str,
        events: Vec<Json>,
    ) -> Result<Vec<Outcome>, DemoError> {
        let outcomes = self.attempt(signer, events, Signature::Genuine).await?;
        match outcomes.iter().find_map(|outcome| Some((outcome.index, outcome.refused?))) {
            None => Ok(outcomes),
            Some((index, reason)) => {
                Err(DemoError::Refused { signer: signer.to_owned(), index, reason })
            }
        }
    }

    /// Lets `signer` publish one event, which must be committed.
    pub(crate) async fn act(&mut self, signer: &str, event: Json) -> Result<EventId, DemoError> {
        let outcomes = self.publish(signer, vec![event]).await?;
        let first = outcomes.first().ok_or_else(|| DemoError::silent(signer))?;
        Ok(first.id)
    }

    /// Lets `signer` publish one event; `None` if it was refused, as a disabled agent's is, or not
    /// receipted in time.
    pub(crate) async fn try_act(
        &mut self,
        signer: &str,
        event: Json,
    ) -> Result<Option<EventId>, DemoError> {
        match self.attempt(signer, vec![event], Signature::Genuine).await {
            Ok(outcomes) => {
                let committed = outcomes.iter().find(|outcome| outcome.refused.is_none());
                Ok(committed.map(|outcome| outcome.id))
            }
            Err(DemoError::Failed { signer, what }) => {
                tracing::warn!(signer, what, "an event of the load was not published");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets `signer` send one event that must be refused for `reason`.
    pub(crate) async fn fail(
        &mut self,
        signer: &str,
        event: Json,
        signature: Signature,
        reason: Reason,
    ) -> Result<Outcome, DemoError> {
        let outcomes = self.attempt(signer, vec![event], signature).await?;
        let first = outcomes.into_iter().next().ok_or_else(|| DemoError::silent(signer))?;
        if first.refused == Some(reason) {
            return Ok(first);
        }
        let (signer, found) = (signer.to_owned(), first.refused);
        Err(DemoError::NotRefused { signer, index: first.index, expected: reason, found })
    }

    async fn attempt(
        &mut self,
        signer: &str,
        events: Vec<Json>,
        signature: Signature,
    ) -> Result<Vec<Outcome>, DemoError> {
        self.enter(signer).await?;
        let now = self.scripted.unwrap_or_else(|| self.clock.now());
        let player = self.players.get_mut(signer).ok_or_else(|| DemoError::silent(signer))?;
        player.ask(events, now, signature).await
    }

    /// Tells `signer`'s process to end, and waits until it has.
    pub(crate) async fn leave(&mut self, signer: &str) {
        if let Some(player) = self.players.remove(signer) {
            player.end().await;
        }
    }

    /// Tells every process to end, and waits until all have.
    pub(crate) async fn end(&mut self) {
        let players = std::mem::take(&mut self.players);
        futures_util::future::join_all(players.into_values().map(Player::end)).await;
    }
}

/// Whether what is sent carries the signature that was made for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signature {
    /// It does.
    Genuine,
    /// One bit of it is flipped.
    Forged,
}

/// A running process. Dropped, it is killed.
struct Player {
    signer: String,
    session: SessionId,
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Player {
    async fn start(wiring: &Wiring, signer: &str) -> Result<Self, DemoError> {
        let spawn = |source| DemoError::Spawn { signer: signer.to_owned(), source };
        let mut child = command(wiring, signer).spawn().map_err(spawn)?;
        let (asks, answers) =
            child.stdin.take().zip(child.stdout.take()).ok_or_else(|| DemoError::silent(signer))?;
        let answers = BufReader::new(answers).lines();
        let mut player =
            Self { signer: signer.to_owned(), session: SessionId::ZERO, child, asks, answers };
        let hello = player.answer().await?;
        let session = hello.get("session").and_then(Json::as_str).and_then(SessionId::from_hex);
        player.session = session.ok_or_else(|| DemoError::silent(signer))?;
        Ok(player)
    }

    async fn ask(
        &mut self,
        events: Vec<Json>,
        now: Micros,
        signature: Signature,
    ) -> Result<Vec<Outcome>, DemoError> {
        let forged = signature == Signature::Forged;
        let mut line =
            json!({ "now": time_json(now), "forged": forged, "events": events }).to_string();
        line.push('\n');
        let gone = |source| DemoError::Gone { signer: self.signer.clone(), source };
        self.asks.write_all(line.as_bytes()).await.map_err(gone)?;
        self.asks.flush().await.map_err(gone)?;
        let answer = self.answer().await?;
        let outcomes = answer
            .get("outcomes")
            .and_then(Json::as_array)
            .map(|list| list.iter().map(outcome).collect::<Option<Vec<_>>>());
        outcomes.flatten().ok_or_else(|| DemoError::silent(&self.signer))
    }

    async fn answer(&mut self) -> Result<Json, DemoError> {
        let deadline = Duration::from_secs(ANSWER_S_MAX);
        let line = tokio::time::timeout(deadline, self.answers.next_line()).await;
        let line = line.map_err(|_elapsed| DemoError::silent(&self.signer))?;
        let gone = |source| DemoError::Gone { signer: self.signer.clone(), source };
        let line = line.map_err(gone)?.ok_or_else(|| DemoError::silent(&self.signer))?;
        let answer: Json =
            serde_json::from_str(&line).map_err(|_syntax| DemoError::silent(&self.signer))?;
        match answer.get("error").and_then(Json::as_str) {
            None => Ok(answer),
            Some(what) => {
                Err(DemoError::Failed { signer: self.signer.clone(), what: what.to_owned() })
            }
        }
    }

    /// Its input ends, and so does it.
    async fn end(mut self) {
        drop(self.asks);
        let deadline = Duration::from_secs(END_S_MAX);
        if tokio::time::timeout(deadline, self.child.wait()).await.is_err() {
            tracing::warn!(signer = self.signer, "did not end in time");
            // It may have ended just now; either way it is gone.
            let _ = self.child.kill().await;
        }
    }
}

/// A time of the script.
pub(crate) fn micros(time: &str) -> Result<Micros, DemoError> {
    clock::parse(time).ok_or_else(|| DemoError::Time(time.to_owned()))
}

fn command(wiring: &Wiring, signer: &str) -> Command {
    let mut command = Command::new(&wiring.program);
    let key: OsString = wiring.keys.join(format!("{signer}.key")).into();
    command.args(["demo", "agent", signer, "--tenant", &wiring.tenant]);
    command.args(["--nats", &wiring.nats, "--ledger-key", &wiring.ledger_key]);
    command.arg("--key").arg(key);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    // ^C in the terminal is for the conductor, who then ends everyone in order.
    command.process_group(0);
    command.kill_on_drop(true);
    command
}

fn outcome(json: &Json) -> Option<Outcome> {
    let refused = match json.get("reason") {
        None => None,
        Some(reason) => Some(Reason::parse(reason.as_str()?)?),
    };
    Some(Outcome {
        id: EventId::parse(json.get("id")?.as_str()?)?,
        index: Index(json.get("index")?.as_u64()?),
        refused,
    })
}
