//! The other way in: submissions and memos handed over in this process, whether the broker can be reached or
//! not.

use std::sync::Arc;

use bytes::Bytes;
use ledger::Memo;
use schemas::limits::{BATCH_BYTES_MAX, DOOR_BATCH_MAX, DOOR_WAITING_MAX};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

/// What a memo counts as in a batch: it takes about as much.
const MEMO_BYTES: usize = 4 << 10;

/// Where submissions are handed over. Clones lead to the same ledger.
#[derive(Clone, Debug)]
pub struct Door {
    sender: mpsc::Sender<Knock>,
    receiver: Arc<Mutex<mpsc::Receiver<Knock>>>,
}

/// Why a submission was not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DoorError {
    /// As many wait as may wait.
    #[error("{DOOR_WAITING_MAX} wait at the door already: try again")]
    Full,
    /// The ledger takes nothing in any more. What became of the submission is unknown.
    #[error("the ledger is shutting down: whether the submission was committed is unknown")]
    Closed,
}

/// Whoever waits at the door.
pub(crate) enum Knock {
    Submission(Handed),
    Memo(Memo, oneshot::Sender<()>),
}

/// A submission that waits for its reply.
pub(crate) struct Handed {
    pub(crate) message: Bytes,
    answer: oneshot::Sender<Bytes>,
}

/// Who waits at the door. Dropped, it closes the door for ever, and sends away whoever waits.
pub(crate) struct Knocks(OwnedMutexGuard<mpsc::Receiver<Knock>>);

impl Drop for Knocks {
    fn drop(&mut self) {
        self.0.close();
        while self.0.try_recv().is_ok() {}
    }
}

impl Default for Door {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(DOOR_WAITING_MAX);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }
}

impl Door {
    /// Hands a submission over; gives the reply once its commit is durable.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn submit(&self, message: Bytes) -> Result<Bytes, DoorError> {
        let (answer, reply) = oneshot::channel();
        self.knock(Knock::Submission(Handed { message, answer }))?;
        reply.await.map_err(|_dropped| DoorError::Closed)
    }

    /// Hands over what the ledger is to record of its own doings; returns once the commit is durable.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn record(&self, memo: Memo) -> Result<(), DoorError> {
        let (answer, done) = oneshot::channel();
        self.knock(Knock::Memo(memo, answer))?;
        done.await.map_err(|_dropped| DoorError::Closed)
    }

    fn knock(&self, knock: Knock) -> Result<(), DoorError> {
        self.sender.try_send(knock).map_err(|error| match error {
            TrySendError::Full(_) => DoorError::Full,
            TrySendError::Closed(_) => DoorError::Closed,
        })
    }

    /// Listens at the door; nobody else can meanwhile.
    pub(crate) async fn listen(&self) -> Knocks {
        Knocks(Arc::clone(&self.receiver).lock_owned().await)
    }
}

impl Knock {
    fn bytes(&self) -> usize {
        match self {
            Self::Submission(handed) => handed.message.len(),
            Self::Memo(..) => MEMO_BYTES,
        }
    }
}

impl Handed {
    /// Tells who waits. It may have gone: then it asks again, and gets the same receipt.
    pub(crate) fn answer(self, reply: Bytes) {
        self.answer.send(reply).ok();
    }
}

/// Waits for somebody at the door, and takes in whoever stands behind, as far as one batch goes.
pub(crate) async fn knocked(knocks: &mut Knocks) -> Vec<Knock> {
    let Some(first) = knocks.0.recv().await else { return std::future::pending().await };
    let mut bytes = first.bytes();
    let mut all = vec![first];
    while all.len() < DOOR_BATCH_MAX && bytes < BATCH_BYTES_MAX {
        let Ok(next) = knocks.0.try_recv() else { break };
        bytes += next.bytes();
        all.push(next);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_at_a_door_that_closes_is_told() {
        let door = Door::default();
        let waiting = door.submit(Bytes::from_static(b"x"));
        let (ended, ()) = tokio::join!(waiting, async { drop(door.listen().await) });
        assert_eq!(ended, Err(DoorError::Closed));
        assert_eq!(door.submit(Bytes::from_static(b"y")).await, Err(DoorError::Closed));
    }
}
