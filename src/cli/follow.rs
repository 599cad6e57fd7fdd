//! The connection of a tail: read, lost, made again where it stood.

use std::io::Read;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tail::{Decoder, Event};

use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::client::{Client, ClientError};

/// Where the server streams.
pub(crate) const PATH: &str = "/api/v1/tail";
/// The parameter that names the last checkpoint.
const CHECKPOINT: &str = "checkpoint";
/// Attempts in a row without a word of the server after which a tail gives up.
const ATTEMPTS_MAX: u32 = 10;
/// First pause before connecting again, unless the server asks for another.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What the reading thread has to say.
pub(crate) enum News {
    /// An event.
    Event(Event),
    /// The connection was lost and made again.
    Resumed {
        /// Token of the last entry before, if any was known.
        after: Option<String>,
    },
    /// Nothing more will come.
    Finished,
    /// Nothing more can come.
    Failed(Failure),
}

/// The connection, made again whenever it is lost.
pub(crate) struct Reader {
    client: Client,
    params: Vec<(String, String)>,
    decoder: Decoder,
    last_id: Option<String>,
    /// Size of the last checkpoint: the next connection has to prove that it extends that one.
    checkpoint: Option<String>,
    /// A new connection, and where it resumed, of which nobody was told yet.
    resumed: Option<Option<String>>,
}

/// Bytes of a connection.
pub(crate) type Stream = Box<dyn Read + Send>;

impl Reader {
    /// For these parameters; nothing is asked yet.
    pub(crate) fn new(client: Client, params: Vec<(String, String)>) -> Self {
        Self {
            client,
            params,
            decoder: Decoder::default(),
            last_id: None,
            checkpoint: None,
            resumed: None,
        }
    }

    /// Connects; `None` where nothing more will come.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn open(&mut self) -> Result<Option<Stream>, ClientError> {
        let params = self.params.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let checkpoint = self.checkpoint.iter().map(|size| (CHECKPOINT, size.as_str()));
        let params: Vec<_> = params.chain(checkpoint).collect();
        self.decoder = Decoder::default();
        self.client.stream(PATH, &params, self.last_id.as_deref())
    }

    /// Reads until the end or until nobody listens.
    pub(crate) fn follow(mut self, first: Stream, sender: &SyncSender<News>) {
        let mut stream = first;
        loop {
            let lost = match self.read(stream, sender) {
                Ended::Lost(lost) => lost,
                Ended::Finished => return tell(sender, News::Finished),
                Ended::Unheard => return,
            };
            stream = match self.reopen(lost) {
                Ok(Some(stream)) => stream,
                Ok(None) => return tell(sender, News::Finished),
                Err(failure) => return tell(sender, News::Failed(failure)),
            };
            self.resumed = Some(self.last_id.clone());
        }
    }

    fn read(&mut self, mut stream: Stream, sender: &SyncSender<News>) -> Ended {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = match stream.read(&mut buffer) {
                Ok(0) => return Ended::Lost(self.ended()),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Ended::Lost(self.client.broke_off(error)),
            };
            let events = self.decoder.push(buffer.get(..read).unwrap_or_default());
            let events = match events {
                Ok(events) => events,
                Err(error) => {
                    return Ended::Lost(self.client.broke_off(std::io::Error::other(error)));
                }
            };
            if let Some(id) = self.decoder.last_id() {
                self.last_id = Some(id.to_owned());
            }
            for event in events {
                if event.event == "checkpoint" {
                    self.checkpoint = checkpoint(&event).or(self.checkpoint.take());
                }
                let ending = ending(&event);
                // Only now is it certain that this is the same log.
                if !matches!(ending, Ending::Reset(_))
                    && let Some(after) = self.resumed.take()
                    && sender.send(News::Resumed { after }).is_err()
                {
                    return Ended::Unheard;
                }
                match ending {
                    Ending::None => {
                        if sender.send(News::Event(event)).is_err() {
                            return Ended::Unheard;
                        }
                    }
                    Ending::Final => return Ended::Finished,
                    Ending::Passing => return Ended::Lost(self.ended()),
                    Ending::Reset(reason) => {
                        tell(sender, News::Failed(Failure::Reset { reason }));
                        return Ended::Unheard;
                    }
                }
            }
        }
    }

    fn ended(&self) -> ClientError {
        self.client.broke_off(std::io::ErrorKind::UnexpectedEof.into())
    }

    /// Connects again, with pauses that grow.
    fn reopen(&mut self, lost: ClientError) -> Result<Option<Stream>, Failure> {
        let mut source = lost;
        let mut pause = self.decoder.retry_ms().map_or(PAUSE, Duration::from_millis).min(PAUSE_MAX);
        for _attempt in 0..ATTEMPTS_MAX {
            rest(pause);
            match self.open() {
                Ok(stream) => return Ok(stream),
                Err(error) if !may_pass(&error) => return Err(error.into()),
                Err(error) => source = error,
            }
            pause = (pause * 2).max(asked(&source)).min(PAUSE_MAX);
        }
        Err(Failure::Broken { attempts: ATTEMPTS_MAX, source })
    }
}

/// How reading a connection ended.
enum Ended {
    Lost(ClientError),
    Finished,
    Unheard,
}

/// What an event says about the stream itself.
enum Ending {
    None,
    Final,
    Passing,
    Reset(String),
}

fn ending(event: &Event) -> Ending {
    let reason = || {
        let data: Json = serde_json::from_str(&event.data).unwrap_or_default();
        text(&data, "reason").unwrap_or("unknown").to_owned()
    };
    match event.event.as_str() {
        "reset" => Ending::Reset(reason()),
        "bye" if reason() == "until" => Ending::Final,
        "bye" => Ending::Passing,
        _ => Ending::None,
    }
}

/// The size of a checkpoint, as the server says. Whoever is told the event verifies it.
fn checkpoint(event: &Event) -> Option<String> {
    let data: Json = serde_json::from_str(&event.data).ok()?;
    Some(data.get("size")?.as_u64()?.to_string())
}

fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Problem { status, .. } => *status >= 500 || *status == 429,
        ClientError::Unreachable { .. } | ClientError::BrokeOff { .. } => true,
        ClientError::Address { .. } | ClientError::Insecure { .. } | ClientError::Answer { .. } => {
            false
        }
    }
}

/// How long the server asks to be left alone.
fn asked(error: &ClientError) -> Duration {
    match error {
        ClientError::Problem { after_s: Some(seconds), .. } => Duration::from_secs(*seconds),
        _ => Duration::ZERO,
    }
}

/// Waits. This thread has nothing else to do, and nobody unparks it.
fn rest(pause: Duration) {
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
        std::thread::park_timeout(left);
    }
}

fn tell(sender: &SyncSender<News>, news: News) {
    // Whoever is gone does not mind.
    let _unheard = sender.send(news);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::sync::mpsc::sync_channel;

    use schemas::limits::READ_AHEAD_MAX;

    use super::*;
    use crate::scripted::server;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

    fn entry(index: u64) -> String {
        format!(
            "retry: 1\nid: 00000000.{index}.00000000\nevent: entry\ndata: {{\"index\":{index}}}\n\n"
        )
    }

    fn follow(answers: Vec<String>) -> (Vec<String>, Vec<String>) {
        let (url, asked) = server(answers);
        let params = vec![("q".to_owned(), String::new())];
        let client = Client::new(&url).unwrap();
        let mut reader = Reader::new(client, params);
        let stream = reader.open().unwrap().unwrap();
        let (sender, news) = sync_channel(READ_AHEAD_MAX);
        reader.follow(stream, &sender);
        drop(sender);
        let said = news.iter().map(|news| match news {
            News::Event(event) => event.data,
            News::Resumed { after } => format!("resumed after {}", after.unwrap_or_default()),
            News::Finished => "finished".to_owned(),
            News::Failed(failure) => failure.to_string(),
        });
        (said.collect(), asked.join().unwrap())
    }

    #[test]
    fn a_lost_connection_is_resumed_where_it_stood() {
        let bye = "event: bye\ndata: {\"reason\":\"until\"}\n\n";
        let torn = "id: 00000000.3.00000000\nevent: entry\nda";
        let (said, asked) = follow(vec![
            format!("{HEAD}{}{}{torn}", entry(1), entry(2)),
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            format!("{HEAD}{}{bye}", entry(3)),
        ]);
        let expected = [
            "{\"index\":1}",
            "{\"index\":2}",
            "resumed after 00000000.2.00000000",
            "{\"index\":3}",
            "finished",
        ];
        assert_eq!(said, expected);
        assert!(!asked[0].to_lowercase().contains("last-event-id"));
        for later in &asked[1..] {
            let later = later.to_lowercase();
            assert!(later.contains("last-event-id: 00000000.2.00000000\r\n"), "{later}");
        }
    }

    #[test]
    fn a_server_that_says_when_is_not_asked_before() {
        let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let bye = "event: bye\ndata: {\"reason\":\"until\"}\n\n";
        let began = Instant::now();
        let (said, _) =
            follow(vec![format!("{HEAD}{}", entry(1)), busy.to_owned(), format!("{HEAD}{bye}")]);
        assert_eq!(said.last().map(String::as_str), Some("finished"));
        assert!(began.elapsed() >= Duration::from_secs(1));
    }

    #[test]
    fn a_new_connection_has_to_extend_the_last_checkpoint() {
        let checkpoint = "retry: 1\nevent: checkpoint\ndata: {\"size\":12}\n\n";
        let bye = "event: bye\ndata: {\"reason\":\"until\"}\n\n";
        let (_, asked) =
            follow(vec![format!("{HEAD}{checkpoint}"), HEAD.to_owned(), format!("{HEAD}{bye}")]);
        assert!(asked[0].starts_with("GET /api/v1/tail?q= "), "{}", asked[0]);
        for later in &asked[1..] {
            assert!(later.starts_with("GET /api/v1/tail?q=&checkpoint=12 "), "{later}");
        }
    }

    #[test]
    fn a_reset_stops_loudly() {
        let reset = "event: reset\ndata: {\"reason\":\"shorter\",\"origin\":\"o\"}\n\n";
        let (said, _) =
            follow(vec![format!("{HEAD}{}", entry(1)), format!("{HEAD}{reset}{}", entry(7))]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[1], "the log is not the one that was being read: shorter");
    }

    #[test]
    fn what_waiting_cannot_change_is_not_tried_again() {
        let refused =
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 12\r\n\r\n{\"title\":\"\"}".to_owned();
        let (said, asked) = follow(vec![format!("{HEAD}{}", entry(1)), refused]);
        assert_eq!((said.len(), asked.len()), (2, 2), "{said:?}");
    }
}
