//! What publishers are told: replies under their tokens, announcements for everyone, then the
//! acknowledgements, in this order.

use std::time::Duration;

use async_nats::client::PublishErrorKind;
use bytes::Bytes;
use schemas::limits::BROKER_REQUEST_S_MAX;
use serde_json::json;
use tokio::time::timeout;

use crate::commit::Done;
use crate::contact::Contact;
use crate::error::{Stop, Trouble};

impl Contact {
    /// Publishes what came of a commit, and lets the broker forget its messages.
    ///
    /// IMPORTANT: only ever called with a commit that is synced and marked. What is not acknowledged
    /// comes again, is a duplicate then, and gets the original receipt.
    pub(crate) async fn answer(&mut self, done: &Done) -> Result<(), Stop> {
        self.raise_mark().await?;
        // Without a connection the client's queue fills up and then takes nothing more.
        let limit = Duration::from_secs(BROKER_REQUEST_S_MAX);
        timeout(limit, self.answer_all(done)).await.map_err(|_elapsed| Trouble::Replies)??;
        Ok(())
    }

    async fn answer_all(&mut self, done: &Done) -> Result<(), Trouble> {
        for (message, reply) in done.messages.iter().zip(&done.replies) {
            self.say(self.subjects.receipt(message.token()), reply).await?;
        }
        for announcement in &done.announcements {
            self.say(self.subjects.control(), announcement).await?;
        }
        self.announce_checkpoint().await?;
        let flushed = self.client.flush().await;
        flushed.map_err(|error| Trouble::Publish(error.into()))?;
        for message in &done.messages {
            message.ack().await?;
        }
        Ok(())
    }

    /// Announces the newest checkpoint that was published, once in a session.
    async fn announce_checkpoint(&mut self) -> Result<(), Trouble> {
        let head = self.ledger.head();
        let (size, note) = &head.published;
        if *size > self.announced {
            let json = json!({ "checkpoint": { "size": size.0, "note": note } });
            self.say(self.subjects.control(), &Bytes::from(json.to_string())).await?;
            self.announced = *size;
        }
        Ok(())
    }

    async fn say(&self, subject: String, bytes: &Bytes) -> Result<(), Trouble> {
        match self.client.publish(subject, bytes.clone()).await {
            Err(error) if error.kind() == PublishErrorKind::Send => {
                Err(Trouble::Publish(error.into()))
            }
            // A token that is none, of a publisher who can read no reply: trying again changes nothing.
            Err(error) => {
                tracing::warn!(%error, "a reply cannot be sent");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
