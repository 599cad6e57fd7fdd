//! Messages whose subject or headers the client library cannot read.
//!
//! nats-server stores whatever a publisher puts there. The library answers a header that is no text by
//! dropping the connection, and then the same message comes again, for ever: one publisher would stop
//! everyone. So before a session reads a stream, it looks through what may be delivered, by a request
//! whose answer is JSON; what is odd is taken in from there, ends as any other submission, and only then
//! does reading begin. One that comes later ends the session, and the next session finds it.

use async_nats::jetstream::{self, ErrorCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemas::kind::Stream;
use schemas::leaf::Source;
use schemas::limits::{ACK_PENDING_MAX, BATCH_BYTES_MAX, BATCH_MESSAGES_MAX};
use serde_json::{Value, json};

use crate::error::Trouble;
use crate::incoming::Incoming;
use crate::stream::{ask, is};

/// How a message's headers begin.
const HEADER_START: &str = "NATS/1.0\r\n";

/// A message as the broker shows it.
struct Stored {
    sequence: u64,
    /// Bytes that are no text stand as U+FFFD.
    subject: String,
    headers: Vec<u8>,
    payload: Vec<u8>,
}

/// The odd ones among the messages that can be delivered before any is acknowledged, up to a batch.
pub(crate) async fn screen(
    context: &jetstream::Context,
    stream_name: &str,
    stream: Stream,
    epoch: [u8; 16],
) -> Result<Vec<Incoming>, Trouble> {
    let mut odd = Vec::new();
    let (mut from, mut bytes) = (1, 0);
    for _ in 0..ACK_PENDING_MAX {
        let Some(stored) = look(context, stream_name, from).await? else { break };
        from = stored.sequence.saturating_add(1);
        if stored.is_plain() {
            continue;
        }
        let sequence = stored.sequence;
        tracing::warn!(stream_name, sequence, "a message with an odd subject or odd headers");
        bytes += stored.payload.len();
        let message = (stored.subject.as_str(), stored.payload);
        let source = Source { epoch, sequence };
        odd.push(Incoming::stored(context, stream_name, message, stream, source));
        if odd.len() == BATCH_MESSAGES_MAX || bytes >= BATCH_BYTES_MAX {
            break;
        }
    }
    Ok(odd)
}

/// The first message at or after `from`.
async fn look(
    context: &jetstream::Context,
    stream_name: &str,
    from: u64,
) -> Result<Option<Stored>, Trouble> {
    let request = format!("STREAM.MSG.GET.{stream_name}");
    match ask(context, &request, &json!({ "seq": from, "next_by_subj": ">" })).await {
        Ok(answer) => {
            let stored = answer.get("message").and_then(Stored::read);
            let unreadable = || Trouble::Answer { request, error: "not a message".into() };
            stored.map(Some).ok_or_else(unreadable)
        }
        Err(Trouble::Answer { error, .. }) if is(&*error, ErrorCode::NO_MESSAGE_FOUND) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

impl Stored {
    fn read(message: &Value) -> Option<Self> {
        let bytes = |field| match message.get(field) {
            None => Some(Vec::new()),
            Some(text) => BASE64_STANDARD.decode(text.as_str()?).ok(),
        };
        Some(Self {
            sequence: message.get("seq")?.as_u64()?,
            subject: message.get("subject")?.as_str()?.to_owned(),
            headers: bytes("hdrs")?,
            payload: bytes("data")?,
        })
    }

    /// Whether any client can read it.
    fn is_plain(&self) -> bool {
        let letter = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>');
        self.subject.bytes().all(letter) && (self.headers.is_empty() || are_plain(&self.headers))
    }
}

/// Whether headers are lines of `name: value` in text without control characters, and no status, which
/// the library would take for the broker's own word.
fn are_plain(headers: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(headers) else { return false };
    let Some(lines) = text.strip_prefix(HEADER_START).and_then(|text| text.strip_suffix("\r\n"))
    else {
        return false;
    };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    lines.split_terminator("\r\n").all(|line| match line.split_once(':') {
        Some((name, value)) => {
            !name.is_empty() && name.bytes().all(letter) && !value.chars().any(char::is_control)
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::are_plain;

    #[test]
    fn knows_plain_headers_from_odd_ones() {
        let check =
            |headers: &[u8], expected| assert_eq!(are_plain(headers), expected, "{headers:?}");
        check(b"NATS/1.0\r\n\r\n", true);
        check(b"NATS/1.0\r\ntraceparent: 00-4bf9-01\r\nX_y: \r\n\r\n", true);
        check("NATS/1.0\r\nname: \u{e9}\r\n\r\n".as_bytes(), true);
        check(b"NATS/1.0 409 Consumer Deleted\r\n\r\n", false);
        check(b"NATS/1.0\r\nx: \xff\r\n\r\n", false);
        check(b"NATS/1.0\r\nx: a\rb\r\n\r\n", false);
        check(b"NATS/1.0\r\nno colon\r\n\r\n", false);
        check(b"NATS/1.0\r\n folded: x\r\n\r\n", false);
        check(b"NATS/1.0\r\n: x\r\n\r\n", false);
        check(b"NATS/1.0\r\nx: y", false);
        check(b"garbage", false);
    }
}
