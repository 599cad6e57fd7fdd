//! A message of the broker, and where it came from.

use async_nats::Subject;
use async_nats::jetstream;
use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use schemas::kind::Stream;
use schemas::leaf::Source;
use serde_json::json;

use crate::error::Trouble;
use crate::stream::ask;
use crate::subjects;

/// A message.
pub(crate) struct Incoming {
    payload: Bytes,
    subject: Subject,
    pub(crate) stream: Stream,
    pub(crate) source: Source,
    hold: Hold,
}

/// How the broker is told that it may forget a message.
enum Hold {
    /// It was delivered.
    Delivered(Acker),
    /// It was looked up where it is stored.
    Stored { context: jetstream::Context, stream_name: String },
}

impl Incoming {
    /// As it was delivered.
    pub(crate) fn delivered(message: jetstream::Message, stream: Stream, source: Source) -> Self {
        let (message, acker) = message.split();
        let (payload, subject) = (message.payload, message.subject);
        Self { payload, subject, stream, source, hold: Hold::Delivered(acker) }
    }

    /// As it is stored.
    pub(crate) fn stored(
        context: &jetstream::Context,
        stream_name: &str,
        (subject, payload): (&str, Vec<u8>),
        stream: Stream,
        source: Source,
    ) -> Self {
        let (context, stream_name) = (context.clone(), stream_name.to_owned());
        let hold = Hold::Stored { context, stream_name };
        Self { payload: payload.into(), subject: subject.into(), stream, source, hold }
    }

    /// The submission's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.payload
    }

    /// Last token of the subject, under which its publisher reads the reply.
    pub(crate) fn token(&self) -> &str {
        subjects::token(&self.subject)
    }

    /// Lets the broker forget it.
    pub(crate) async fn ack(&self) -> Result<(), Trouble> {
        match &self.hold {
            Hold::Delivered(acker) => acker.ack().await.map_err(Trouble::Publish),
            Hold::Stored { context, stream_name } => {
                let body = json!({ "seq": self.source.sequence, "no_erase": true });
                let deleted =
                    ask(context, &format!("STREAM.MSG.DELETE.{stream_name}"), &body).await;
                deleted.map(drop)
            }
        }
    }
}
