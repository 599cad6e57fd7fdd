//! What can go wrong between the broker and the ledger. A refusal of a submission is none of it.

use std::path::PathBuf;

use async_nats::jetstream;
use schemas::id::TreeSize;
use schemas::kind::Stream;

use crate::version::Version;

/// Why [`crate::run`] ended: the process must end, too.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The ledger could not commit. Nothing was acknowledged.
    #[error(transparent)]
    Append(#[from] ledger::AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ledger::ReadError),
    /// The broker, as it is configured, would lose or withhold messages.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The configuration names no broker that could be reached by waiting.
    #[error(transparent)]
    Broker(BrokerError),
    /// The mark at the broker is not one of this history.
    #[error(transparent)]
    Mark(#[from] MarkFault),
    /// A thread that held the writer came to an unexpected end.
    #[error("the writing thread failed: {0}")]
    Worker(#[from] tokio::task::JoinError),
    /// A commit was begun and the writer did not come; never seen.
    #[error("a commit ended without the writer")]
    NoWriter,
    /// No randomness.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// What the mark at the broker says against the ledger.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MarkFault {
    /// It was raised further than the ledger goes.
    #[error(
        "the mark at the broker vouches for {marked} entries, the store holds {size}: it is an older copy"
    )]
    Beyond {
        /// By the mark.
        marked: TreeSize,
        /// In the ledger.
        size: TreeSize,
        /// The mark.
        note: String,
    },
    /// It was signed over another history.
    #[error(
        "the mark at the broker vouches for another history of the first {0} entries: this ledger was forked"
    )]
    Forked(TreeSize),
    /// It is no note of this ledger.
    #[error(
        "the mark at the broker is not signed by this ledger: another ledger writes this tenant, or somebody changed it"
    )]
    Foreign,
    /// It changes under our hands.
    #[error("another process raises the mark at the broker: two writers of one ledger run")]
    Contended,
}

/// What we do not work with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Too old a server.
    #[error("found nats-server {found}, needed {needed} or later: older ones silently drop options", needed = Version::NEEDED)]
    Version {
        /// As the server says.
        found: String,
    },
    /// No JetStream.
    #[error("the nats-server at this address runs without JetStream")]
    NoJetStream,
    /// Smaller messages than a submission may have.
    #[error("the nats-server takes messages of {found} bytes, needed {needed} (max_payload)")]
    Payload {
        /// Of the server.
        found: usize,
        /// By us.
        needed: usize,
    },
    /// A setting of a stream or of its consumer.
    #[error("{place} has {setting} = {found}, wanted {wanted}")]
    Setting {
        /// Name of the stream, and of the consumer where it is its.
        place: String,
        /// As nats-server calls it.
        setting: String,
        /// By us, as JSON.
        wanted: String,
        /// At the broker, as JSON.
        found: String,
    },
    /// Somebody else takes messages from our stream.
    #[error("stream {stream} has a consumer that is not ours: {consumer}")]
    ForeignConsumer {
        /// Name of the stream.
        stream: String,
        /// Name of the consumer.
        consumer: String,
    },
}

/// The broker could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No address given.
    #[error("no address of a NATS server is configured")]
    NoUrl,
    /// Not an address.
    #[error("NATS address {at} of the configuration: {source}")]
    Url {
        /// Which, from 0.
        at: usize,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody there, or we were not let in.
    #[error("NATS: {0}")]
    Connect(#[from] async_nats::ConnectError),
}

/// What is tried again until it works.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{request}: {source}")]
    Request { request: String, source: jetstream::context::RequestError },
    #[error("{request}: {error}")]
    Answer { request: String, error: Box<dyn std::error::Error + Send + Sync> },
    #[error("{0}: the pull failed: {1}")]
    Pull(&'static str, jetstream::consumer::pull::MessagesError),
    #[error("{0}: the pull ended")]
    Ended(&'static str),
    #[error("{0}: the pull could not begin: {1}")]
    Begin(&'static str, jetstream::consumer::StreamError),
    #[error("{0}: messages wait and none comes")]
    Stalled(&'static str),
    #[error("the connection was lost")]
    Disconnected,
    #[error("the broker did not take our replies in time")]
    Replies,
    #[error("a reply could not be published: {0}")]
    Publish(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a session with the broker ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error(transparent)]
    Fatal(#[from] IngestError),
}

impl Stop {
    /// The trouble, if there is any use in another session.
    pub(crate) fn unless_fatal(self) -> Result<Trouble, IngestError> {
        match self {
            Self::Trouble(trouble) => Ok(trouble),
            Self::Fatal(error) => Err(error),
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Trouble(refusal.into())
    }
}

impl From<tokio::task::JoinError> for Stop {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Fatal(error.into())
    }
}

impl Trouble {
    /// The trouble itself, unless waiting cannot help: with `first` nothing was ever read, and then it
    /// is the configuration that is wrong.
    pub(crate) fn unless_final(self, first: bool) -> Result<Self, IngestError> {
        match self {
            Self::Refused(refusal) if first => Err(refusal.into()),
            Self::Broker(BrokerError::Connect(error)) => Ok(BrokerError::Connect(error).into()),
            Self::Broker(error) if first => Err(IngestError::Broker(error)),
            trouble => Ok(trouble),
        }
    }
}

/// A submission's end is not known, or it cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker could not be reached.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// We may not read our receipts.
    #[error("receipts cannot be read: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
    /// Larger than a submission may be, or than the server takes.
    #[error("the submission has {size} bytes, at most {max} are taken")]
    TooLarge {
        /// Of the submission.
        size: usize,
        /// Of the format or of the server.
        max: usize,
    },
    /// Nobody submits there.
    #[error("{0:?} is no stream for submissions")]
    NoStream(Stream),
    /// The broker did not acknowledge it.
    #[error("the broker did not take the submission: {0}")]
    Unacknowledged(#[from] jetstream::context::PublishError),
    /// No reply in time. It may be in the ledger or not: sending it again is safe.
    #[error("no receipt in time for submission {0}; whether it was recorded is not known")]
    Unknown(schemas::id::Digest),
    /// The connection was closed for good.
    #[error("the connection was closed")]
    Closed,
}
