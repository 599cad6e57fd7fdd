//! Replies as they come to a publisher, and those who wait for one.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use schemas::id::Digest;
use schemas::limits::PUBLISHER_REPLIES_MAX;
use schemas::reply::Reply;
use tokio::sync::{broadcast, mpsc, oneshot};

/// What a publisher asks of its mailbox.
pub(crate) enum Request {
    /// To be told of the reply to a submission, also of one that is here already.
    Tell(Wanted),
    /// To forget the reply to a submission, because it is about to be sent again.
    Forget(Digest),
}

/// Somebody waits for a reply.
pub(crate) struct Wanted {
    pub(crate) message: Digest,
    pub(crate) tell: oneshot::Sender<Arc<Reply>>,
}

/// Every reply that comes from now on.
pub struct Replies(broadcast::Receiver<Arc<Reply>>);

impl Replies {
    pub(crate) fn new(all: &broadcast::Sender<Arc<Reply>>) -> Self {
        Self(all.subscribe())
    }

    /// The next reply; `None` once the publisher is gone.
    ///
    /// Who is slower than [`PUBLISHER_REPLIES_MAX`] replies misses some, as one does whose connection
    /// breaks: submitting again brings a reply back.
    pub async fn next(&mut self) -> Option<Arc<Reply>> {
        loop {
            match self.0.recv().await {
                Ok(reply) => return Some(reply),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The newest replies and who waits for others; owned by one task.
pub(crate) struct Mailbox {
    recent: VecDeque<Arc<Reply>>,
    wanted: Vec<Wanted>,
    all: broadcast::Sender<Arc<Reply>>,
}

impl Mailbox {
    pub(crate) fn new(all: broadcast::Sender<Arc<Reply>>) -> Self {
        Self { recent: VecDeque::new(), wanted: Vec::new(), all }
    }

    /// Serves until the subscription or the last asker is gone.
    pub(crate) async fn serve(
        mut self,
        mut replies: async_nats::Subscriber,
        mut requests: mpsc::Receiver<Request>,
    ) {
        loop {
            tokio::select! {
                message = replies.next() => match message {
                    Some(message) => self.take(&message.payload),
                    None => return,
                },
                request = requests.recv() => match request {
                    Some(Request::Tell(wanted)) => self.want(wanted),
                    Some(Request::Forget(message)) => {
                        self.recent.retain(|reply| reply.message != message);
                    }
                    None => return,
                },
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(reply) = Reply::decode(bytes).map(Arc::new) else {
            tracing::warn!("something that is no reply came on the receipt subject");
            return;
        };
        let answered = self.wanted.extract_if(.., |wanted| wanted.message == reply.message);
        for wanted in answered {
            // Whoever gave up waiting does not mind.
            wanted.tell.send(Arc::clone(&reply)).ok();
        }
        self.all.send(Arc::clone(&reply)).ok();
        if self.recent.len() == PUBLISHER_REPLIES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(reply);
    }

    fn want(&mut self, wanted: Wanted) {
        match self.recent.iter().rev().find(|reply| reply.message == wanted.message) {
            Some(reply) => {
                wanted.tell.send(Arc::clone(reply)).ok();
            }
            None => {
                self.wanted.retain(|wanted| !wanted.tell.is_closed());
                self.wanted.push(wanted);
            }
        }
    }
}
