//! One attempt at a finding, and the entry that says how it ended.

use std::sync::Arc;
use std::time::Duration;

use ingest::DoorError;
use ledger::{Memo, ReadError};
use schemas::id::{EventId, Index};
use tokio::task::{JoinError, spawn_blocking};

use super::Dispatch;
use super::message;
use super::post::{PostError, post};

/// Pause before the door is tried again that was full.
const DOOR_PAUSE: Duration = Duration::from_millis(100);

/// How an attempt ended.
pub(super) enum Ended {
    /// It arrived.
    Delivered,
    /// There is no more attempt.
    Failed(String),
    /// There is nothing to deliver any more.
    Gone,
    /// It is worth another attempt.
    Again(String),
    /// It went nowhere, since no route takes it.
    Unrouted,
}

/// Why there was no attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Ledger(#[from] ReadError),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("the attempt was stopped: {0}")]
    Stopped(#[from] JoinError),
}

/// Attempt number `number`, from 1, at the finding at `index`; it is recorded if it was the last.
pub(super) async fn attempt(
    dispatch: &Arc<Dispatch>,
    place: usize,
    index: Index,
    number: u32,
) -> Result<Ended, AttemptError> {
    let reader = Arc::clone(dispatch);
    let read = spawn_blocking(move || message::of_finding(&reader.ledger, index));
    let Some(message) = read.await?? else { return Ok(Ended::Gone) };
    let finding = message.id;
    let Some(route) = dispatch.routes.get(place).cloned() else {
        record(dispatch, finding, "no_route", "no route for its owner".to_owned()).await?;
        return Ok(Ended::Unrouted);
    };
    let (name, attempts) = (route.name.clone(), route.attempts);
    // The thread may hang for as long as the receiver does, so it holds nothing of the ledger.
    let posted = spawn_blocking(move || post(&route, &message)).await?;
    let tries = if number == 1 { "attempt" } else { "attempts" };
    match posted.answer {
        Ok(status) => {
            let note = format!("route {name}: {status} after {number} {tries}");
            record(dispatch, finding, "delivered", note).await?;
            Ok(Ended::Delivered)
        }
        Err(error) if number < attempts => Ok(Ended::Again(error.to_string())),
        Err(error) => {
            let note = format!("route {name}: {error}, after {number} {tries}");
            record(dispatch, finding, "failed", note).await?;
            Ok(Ended::Failed(PostError::to_string(&error)))
        }
    }
}

/// Records how a delivery ended. A crash before: it is tried again, under the same id.
async fn record(
    dispatch: &Dispatch,
    finding: EventId,
    code: &str,
    note: String,
) -> Result<(), DoorError> {
    let memo = Memo::Delivery { finding, code: code.to_owned(), note };
    loop {
        match dispatch.door.record(memo.clone()).await {
            Err(DoorError::Full) => tokio::time::sleep(DOOR_PAUSE).await,
            ended => return ended,
        }
    }
}
