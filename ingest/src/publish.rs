//! The publisher's side: submit, and keep submitting until the receipt is there.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::{Client, jetstream};
use bytes::Bytes;
use schemas::id::{Digest, SignerId, Tenant, sha256};
use schemas::kind::Stream;
use schemas::limits::{PUBLISHER_REPLIES_MAX, RESEND_S_MAX, SUBMISSION_BYTES_MAX};
use schemas::reply::Reply;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::broker::{self, Broker};
use crate::error::PublishError;
use crate::mailbox::{Mailbox, Replies, Request, Wanted};
use crate::stream;
use crate::subjects::{self, Subjects};

/// Time after which a submission without a receipt is sent again; doubles up to [`RESEND_S_MAX`].
const RESEND: Duration = Duration::from_secs(2);

/// A signer's connection to the broker, good for any number of submissions at once.
///
/// The broker's acknowledgement means nothing but that it has the bytes for now: a publisher keeps a
/// submission until it holds the receipt, and has verified it. Sending one again is always safe.
pub struct Publisher {
    client: Client,
    context: jetstream::Context,
    subjects: Subjects,
    token: String,
    requests: mpsc::Sender<Request>,
    replies: broadcast::Sender<Arc<Reply>>,
    _mailbox: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Connects, and listens for the signer's receipts. Later losses of the connection heal by
    /// themselves.
    ///
    /// # Errors
    /// [`PublishError`] when the broker cannot be reached now, or does not let us in.
    pub async fn connect(
        broker: &Broker,
        tenant: &Tenant,
        signer: &SignerId,
    ) -> Result<Self, PublishError> {
        let token = signer.token();
        let subjects = Subjects::new(tenant);
        let options = broker.options().await?.custom_inbox_prefix(subjects::inbox(&token));
        let client = broker.connect(options).await?;
        let context = stream::context(client.clone());
        let receipts = client.subscribe(subjects.receipt(&token)).await?;
        let (requests, asked) = mpsc::channel(PUBLISHER_REPLIES_MAX);
        let replies = broadcast::Sender::new(PUBLISHER_REPLIES_MAX);
        let mailbox = Mailbox::new(replies.clone()).serve(receipts, asked);
        let mailbox = AbortOnDropHandle::new(tokio::spawn(mailbox));
        Ok(Self { client, context, subjects, token, requests, replies, _mailbox: mailbox })
    }

    /// Every reply from now on, in the order in which they come.
    #[must_use]
    pub fn replies(&self) -> Replies {
        Replies::new(&self.replies)
    }

    /// Sends a submission and waits until the broker has it. Nothing is deduplicated on the way.
    ///
    /// # Errors
    /// [`PublishError::Unacknowledged`] when the broker has no such stream now, has no room, or does
    /// not answer: it can be sent again. Others are final.
    pub async fn publish(&self, submission: Bytes, stream: Stream) -> Result<(), PublishError> {
        let size = submission.len();
        let too_large = |max| PublishError::TooLarge { size, max };
        if size > SUBMISSION_BYTES_MAX {
            return Err(too_large(SUBMISSION_BYTES_MAX));
        }
        if stream == Stream::Own {
            return Err(PublishError::NoStream(stream));
        }
        let subject = self.subjects.submit(stream, &self.token);
        let sent = async { self.context.publish(subject, submission).await?.await };
        match sent.await {
            Ok(_acknowledged) => Ok(()),
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                Err(too_large(self.client.max_payload()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The reply to the submission with this SHA-256, also if it came a while ago.
    ///
    /// It is whatever the broker delivered on the signer's receipt subject: the caller verifies the
    /// receipts in it.
    ///
    /// # Errors
    /// [`PublishError::Unknown`] when none has come by the deadline.
    pub async fn wait(
        &self,
        message: Digest,
        deadline: Instant,
    ) -> Result<Arc<Reply>, PublishError> {
        let (tell, told) = oneshot::channel();
        self.ask(Request::Tell(Wanted { message, tell })).await?;
        match timeout_at(deadline, told).await {
            Ok(reply) => reply.map_err(|_gone| PublishError::Closed),
            Err(_elapsed) => Err(PublishError::Unknown(message)),
        }
    }

    async fn ask(&self, request: Request) -> Result<(), PublishError> {
        self.requests.send(request).await.map_err(|_gone| PublishError::Closed)
    }

    /// Sends a submission, again and again if need be, until its reply is there.
    ///
    /// # Errors
    /// [`PublishError::Unknown`] at the deadline; whether it was recorded is not known then. Others are
    /// final: it was not sent.
    pub async fn publish_until_receipted(
        &self,
        submission: impl Into<Bytes>,
        stream: Stream,
        deadline: Instant,
    ) -> Result<Arc<Reply>, PublishError> {
        let submission = submission.into();
        let message = Digest(sha256(&submission));
        let mut resend = RESEND;
        let mut failures = 1;
        // A refusal of the same bytes, say before their key was enrolled, is no answer to this.
        self.ask(Request::Forget(message)).await?;
        loop {
            let sent = timeout_at(deadline, self.publish(submission.clone(), stream)).await;
            let pause = match sent {
                Err(_elapsed) => return Err(PublishError::Unknown(message)),
                Ok(Ok(())) => {
                    let pause = resend;
                    resend = Duration::from_secs(RESEND_S_MAX).min(resend * 2);
                    pause
                }
                Ok(Err(PublishError::Unacknowledged(error))) => {
                    failures += 1;
                    tracing::debug!(failures, %error, "the broker did not take a submission");
                    broker::pause(failures)
                }
                Ok(Err(error)) => return Err(error),
            };
            let until = deadline.min(Instant::now() + pause);
            match self.wait(message, until).await {
                Err(PublishError::Unknown(_)) if until < deadline => {}
                end => return end,
            }
        }
    }
}
