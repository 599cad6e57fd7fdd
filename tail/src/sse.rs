//! Server-sent events: writing ours, reading them again (WHATWG HTML §9.2).
//!
//! What the log's signers wrote stands only inside JSON on a `data:` line, and JSON has no raw line
//! breaks; ids are [`Token`]s and names an enum. So no foreign text can forge a line.

use bytes::Bytes;
use schemas::limits::TAIL_EVENT_BYTES_MAX;
use serde::Serialize;

use crate::cursor::Token;

/// Media type of a stream of events.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// Names of the events of a tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Name {
    /// An entry that fits the query.
    Entry,
    /// A published checkpoint, and the proof that it extends the one sent before.
    Checkpoint,
    /// What follows happens now.
    CaughtUp,
    /// What follows is late; nothing is lost.
    FellBehind,
    /// The resume token is not of this history; the stream ends.
    Reset,
    /// The stream ends.
    Bye,
}

impl Name {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Checkpoint => "checkpoint",
            Self::CaughtUp => "caught-up",
            Self::FellBehind => "fell-behind",
            Self::Reset => "reset",
            Self::Bye => "bye",
        }
    }
}

/// An event.
pub(crate) fn event(id: Option<Token>, name: Name, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let mut event = format!("{id}event: {}\ndata: ", name.as_str()).into_bytes();
    serde_json::to_writer(&mut event, data).expect("text keys, and memory to write to");
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// An id without data: it moves the reader's cursor and says nothing.
pub(crate) fn bare_id(id: Token) -> Bytes {
    Bytes::from(format!("id: {id}\ndata:\n\n"))
}

/// A comment, so that a silent stream is seen to be alive.
pub(crate) fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// How long to wait before connecting again.
pub(crate) fn retry(milliseconds: u64) -> Bytes {
    Bytes::from(format!("retry: {milliseconds}\n\n"))
}

/// An event as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// The id that it carries itself; [`Decoder::last_id`] is what to resume from.
    pub id: Option<String>,
    /// Its name; `message` where it has none.
    pub event: String,
    /// Its data lines, joined by line feeds.
    pub data: String,
}

/// An event is larger than [`TAIL_EVENT_BYTES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server sent an event of more than {TAIL_EVENT_BYTES_MAX} bytes")]
pub struct TooLarge;

/// Takes a stream of bytes apart into events, however it is cut.
///
/// ```
/// let mut decoder = tail::Decoder::default();
/// assert_eq!(decoder.push(b"id: 7\nevent: entry\nda")?, []);
/// let events = decoder.push(b"ta: {}\n\n")?;
/// assert_eq!((events[0].event.as_str(), events[0].data.as_str()), ("entry", "{}"));
/// assert_eq!(decoder.last_id(), Some("7"));
/// # Ok::<(), tail::TooLarge>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed after it belongs to it.
    after_return: bool,
    begun: bool,
    id: Option<String>,
    name: String,
    /// Each data line with a line feed after it.
    data: String,
    last_id: Option<String>,
    retry_ms: Option<u64>,
}

impl Decoder {
    /// Takes the next bytes and returns the events that they complete.
    ///
    /// # Errors
    /// [`TooLarge`]; the decoder is of no more use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let second_half = piece == b"\n" && self.after_return;
            self.after_return = piece.ends_with(b"\r");
            if second_half {
                continue;
            }
            let text = piece.strip_suffix(b"\n").or_else(|| piece.strip_suffix(b"\r"));
            self.hold(text.unwrap_or(piece))?;
            if text.is_some() {
                events.extend(self.end_line());
            }
        }
        Ok(events)
    }

    /// The id to resume from: the last one that was complete.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the server asks to wait before connecting again, in milliseconds.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn hold(&mut self, text: &[u8]) -> Result<(), TooLarge> {
        let held = [self.line.len(), self.data.len(), text.len()];
        if held.into_iter().fold(0, usize::saturating_add) > TAIL_EVENT_BYTES_MAX {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(text);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        self.field(field, value.strip_prefix(' ').unwrap_or(value));
        None
    }

    fn field(&mut self, field: &str, value: &str) {
        match field {
            "data" => self.data.extend([value, "\n"]),
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok().or(self.retry_ms);
            }
            // Comments and unknown fields.
            _ => {}
        }
    }

    fn end_event(&mut self) -> Option<Event> {
        let id = self.id.take();
        if id.is_some() {
            self.last_id.clone_from(&id);
        }
        let name = std::mem::take(&mut self.name);
        let event = if name.is_empty() { "message".to_owned() } else { name };
        let mut data = std::mem::take(&mut self.data);
        data.pop().map(|_last_line_feed| Event { id, event, data })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;
    use schemas::id::{ChainHash, Index};
    use serde_json::{Value as Json, json};

    use super::*;

    const HOSTILE: &str =
        "a\r\nid: 9\n\nevent: bye\rdata: x\n\n\0\u{2028}\u{2029}\u{85}\u{feff}\u{1b}[2J\u{202e}";

    fn token() -> Token {
        Token::new(&ChainHash([1; 32]), Index(7), &ChainHash([2; 32]))
    }

    fn decode(bytes: &[u8]) -> (Vec<Event>, Decoder) {
        let mut decoder = Decoder::default();
        let events = decoder.push(bytes).unwrap();
        (events, decoder)
    }

    fn event_of(name: &str, data: &str) -> Event {
        Event { id: None, event: name.into(), data: data.into() }
    }

    #[test]
    fn hostile_text_forges_no_line() {
        let data = json!({ "text": HOSTILE, HOSTILE: 1 });
        let bytes = event(Some(token()), Name::Entry, &data);
        assert!(!bytes.contains(&b'\r') && !bytes.contains(&0));
        assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 5, "id, event, data, two ends");
        let (events, decoder) = decode(&bytes);
        let [event] = events.as_slice() else { unreachable!("{events:?}") };
        assert_eq!((event.event.as_str(), &event.id), ("entry", &Some(token().to_string())));
        assert_eq!(serde_json::from_str::<Json>(&event.data).unwrap(), data);
        assert_eq!(decoder.last_id().and_then(Token::parse), Some(token()));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let id = Some(token().to_string());
        let (events, decoder) = decode(&retry(1500));
        assert_eq!((events.len(), decoder.retry_ms()), (0, Some(1500)));
        assert_eq!(decode(&comment()).0, []);
        let bare = Event { id, event: "message".into(), data: String::new() };
        assert_eq!(decode(&bare_id(token())).0, [bare]);
        assert_eq!(decode(&event(None, Name::Bye, &json!({}))).0, [event_of("bye", "{}")]);
    }

    #[test]
    fn the_standard_is_followed() {
        let cases: &[(&str, &[Event])] = &[
            ("data: a\n\n", &[event_of("message", "a")]),
            ("data:a\r\rdata:  b\r\n\r\n", &[event_of("message", "a"), event_of("message", " b")]),
            ("\u{feff}data: a\n\n", &[event_of("message", "a")]),
            ("data: a\n\u{feff}data: b\n\n", &[event_of("message", "a")]),
            ("data\n\n", &[event_of("message", "")]),
            ("data\ndata\n\n", &[event_of("message", "\n")]),
            ("data: YHOO\ndata: +2\n\n", &[event_of("message", "YHOO\n+2")]),
            ("event: x\n\ndata: a\n\n", &[event_of("message", "a")]),
            (": note\nnope: 1\ndata: a:b\nevent: x\n\n", &[event_of("x", "a:b")]),
            ("data: a\n", &[]),
            ("data: \u{2028}\u{85}\n\n", &[event_of("message", "\u{2028}\u{85}")]),
        ];
        for (text, events) in cases {
            assert_eq!(decode(text.as_bytes()).0, *events, "{text:?}");
        }
    }

    #[test]
    fn ids_last_and_those_with_nul_do_not_count() {
        let (events, decoder) =
            decode(b"id: 1\ndata: a\n\nid: \x002\ndata: b\n\nretry: x\nid: 3\n");
        let ids: Vec<_> = events.iter().map(|event| event.id.as_deref()).collect();
        assert_eq!(ids, [Some("1"), None]);
        assert_eq!((decoder.last_id(), decoder.retry_ms()), (Some("1"), None), "3 is incomplete");
        let (_, decoder) = decode(b"id: 1\n\nid\n\n");
        assert_eq!(decoder.last_id(), Some(""), "an empty id takes the old one back");
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = Decoder::default();
        let line = [b"data: ".as_slice(), &[b'x'; 1 << 16], b"\n"].concat();
        let mut lines = std::iter::repeat_with(|| decoder.push(&line));
        assert_eq!(lines.by_ref().take(17).find_map(Result::err), Some(TooLarge));
        assert_eq!(Decoder::default().push(&vec![b'x'; TAIL_EVENT_BYTES_MAX + 1]), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            bytes in "(data|id|event|retry|: |\\u{feff}|\r|\n|\r\n|[a-z0-9\0\u{2028}]){0,60}",
            cuts in prop::collection::vec(0usize..100, 0..8),
        ) {
            let bytes = bytes.as_bytes();
            let (whole, at_once) = decode(bytes);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            for pair in cuts.windows(2) {
                if let [from, to] = pair {
                    events.extend(decoder.push(bytes.get(*from..*to).unwrap()).unwrap());
                }
            }
            prop_assert_eq!(events, whole);
            prop_assert_eq!(decoder.last_id(), at_once.last_id());
        }
    }
}
