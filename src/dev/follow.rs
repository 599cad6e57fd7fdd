//! The live tail: a client of the server's own stream of events, which also counts what it is given.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value as Json;
use tail::Decoder;
use tokio::sync::watch;

use crate::cli::line::line;
use crate::cli::out::Out;
use crate::client::{Client, ClientError};

/// What the tail has delivered so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// The entry that must come next.
    pub(crate) next: u64,
    /// Entries delivered.
    pub(crate) delivered: u64,
    /// The first thing that should not have happened.
    pub(crate) fault: Option<String>,
}

/// Follows the tail from an index on, on a thread of its own that ends with the stream.
pub(crate) struct Follower {
    seen: watch::Receiver<Seen>,
    shown: Arc<AtomicBool>,
}

impl Follower {
    /// Asks for every entry from `first` on.
    pub(crate) fn start(client: Client, first: u64, out: Out) -> Self {
        let (sender, seen) = watch::channel(Seen { next: first, delivered: 0, fault: None });
        let shown = Arc::new(AtomicBool::new(false));
        let reader = Reader { seen: sender, shown: Arc::clone(&shown), out };
        std::thread::spawn(move || {
            if let Err(error) = reader.read(&client, first) {
                reader.fault(error.to_string());
            }
        });
        Self { seen, shown }
    }

    /// From now on each entry is printed on a line of its own.
    pub(crate) fn show(&self) {
        self.shown.store(true, Ordering::SeqCst);
    }

    /// Waits until everything before `size` was delivered, at most `patience`; what was by then.
    pub(crate) async fn reach(&mut self, size: u64, patience: Duration) -> Seen {
        let there = self.seen.wait_for(|seen| seen.next >= size || seen.fault.is_some());
        // Whichever way it ends, what was seen by then is the answer.
        let _ = tokio::time::timeout(patience, there).await;
        self.seen.borrow().clone()
    }
}

struct Reader {
    seen: watch::Sender<Seen>,
    shown: Arc<AtomicBool>,
    out: Out,
}

impl Reader {
    fn read(&self, client: &Client, first: u64) -> Result<(), ClientError> {
        let since = format!("since:{first}");
        let Some(mut stream) = client.stream("/api/v1/tail", &[("q", &since)], None)? else {
            return Ok(());
        };
        let (mut decoder, mut buffer) = (Decoder::default(), [0; 16 << 10]);
        loop {
            let count = stream.read(&mut buffer).map_err(|source| client.broke_off(source))?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            match decoder.push(bytes) {
                Ok(events) => events.iter().for_each(|event| self.take(event)),
                Err(error) => self.fault(error.to_string()),
            }
        }
    }

    fn take(&self, event: &tail::Event) {
        match event.event.as_str() {
            "entry" => match serde_json::from_str(&event.data) {
                Ok(entry) => self.entry(&entry),
                Err(error) => self.fault(format!("an entry is not JSON: {error}")),
            },
            "reset" => self.fault(format!("the tail was reset: {}", event.data)),
            _ => {}
        }
    }

    fn entry(&self, entry: &Json) {
        let index = entry.get("index").and_then(Json::as_u64);
        self.seen.send_modify(|seen| match index {
            Some(index) if index == seen.next => {
                seen.next += 1;
                seen.delivered += 1;
            }
            other => {
                let fault = format!("the tail gave #{other:?} instead of #{}", seen.next);
                seen.fault.get_or_insert(fault);
            }
        });
        if self.shown.load(Ordering::SeqCst) {
            // A closed terminal ends the process by a signal of its own.
            let _ = writeln!(std::io::stdout(), "{}", line(entry, self.out));
        }
    }

    fn fault(&self, what: String) {
        self.seen.send_modify(|seen| {
            seen.fault.get_or_insert(what);
        });
    }
}
