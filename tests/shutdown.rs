//! A thousand open tails end in order with the server, and go on in its successor where they stood.

use std::process::Command;
use std::time::{Duration, Instant};

use schemas::kind::Stream;
use schemas::limits::SHUTDOWN_S_MAX;
use tail::{Decoder, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, World};
use crate::signer::{Signer, intent};

const READERS: u64 = 1_000;
/// Entries of each of the three times: before the tails come, while the server ends, after it is back.
const ENTRIES: usize = 20;

/// One connection, which takes the answer apart as it comes.
struct Connection {
    stream: TcpStream,
    /// Bytes of the answer that were not taken apart yet.
    raw: Vec<u8>,
    decoder: Decoder,
    /// The answer ended as HTTP has it, with an empty chunk.
    is_complete: bool,
}

impl Connection {
    async fn open(address: &str, since: u64, token: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let token = token.map(|token| format!("Last-Event-ID: {token}\r\n")).unwrap_or_default();
        let head =
            format!("GET /api/v1/tail?since={since} HTTP/1.1\r\nHost: {address}\r\n{token}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            raw.push(stream.read_u8().await.unwrap());
        }
        assert!(raw.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&raw));
        raw.clear();
        Self { stream, raw, decoder: Decoder::default(), is_complete: false }
    }

    /// The next events; `None` once the connection has ended.
    async fn next(&mut self) -> Option<Vec<Event>> {
        let read = self.stream.read_buf(&mut self.raw);
        if tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap() == 0 {
            assert!(self.raw.is_empty(), "an answer broke off");
            return None;
        }
        let mut events = Vec::new();
        while let Some(chunk) = self.chunk() {
            self.is_complete = chunk.is_empty();
            events.extend(self.decoder.push(&chunk).unwrap());
        }
        Some(events)
    }

    /// Takes a chunk that has come in full: its size in hex, a line end, its bytes, a line end.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.raw.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&self.raw[..line]).unwrap();
        let begin = line + 2;
        let end = begin + usize::from_str_radix(size, 16).unwrap();
        if self.raw.len() < end + 2 {
            return None;
        }
        let chunk = self.raw[begin..end].to_vec();
        self.raw.drain(..end + 2);
        Some(chunk)
    }
}

/// Who reads, over one connection after another.
struct Reader {
    since: u64,
    /// The entry that has to come next.
    next: u64,
    token: Option<String>,
}

impl Reader {
    async fn connect(&self, address: &str) -> Connection {
        Connection::open(address, self.since, self.token.as_deref()).await
    }

    /// Takes events, each entry the next one, up to one that is `last` or to the end; gives the last one.
    async fn read(
        &mut self,
        connection: &mut Connection,
        last: impl Fn(&Self, &Event) -> bool,
    ) -> Event {
        let mut newest = Event::default();
        while let Some(events) = connection.next().await {
            for event in events {
                if event.event == "entry" {
                    let entry: serde_json::Value = serde_json::from_str(&event.data).unwrap();
                    assert_eq!(entry["index"], self.next);
                    self.next += 1;
                }
                newest = event;
                if last(self, &newest) {
                    return newest;
                }
            }
        }
        self.token = connection.decoder.last_id().map(str::to_owned);
        newest
    }

    /// Reads to the end of a connection, which has to be in order.
    async fn part(mut self, mut connection: Connection) -> Self {
        let last = self.read(&mut connection, |_, _| false).await;
        assert_eq!((last.event.as_str(), last.data.as_str()), ("bye", r#"{"reason":"shutdown"}"#));
        assert!(connection.is_complete, "the answer has no end");
        self
    }
}

fn publish(world: &World, agent: &mut Signer) -> u64 {
    let id = agent.id.to_string();
    let bodies: Vec<_> = (0..ENTRIES).map(|_| agent.body(intent(&id, "workflow"))).collect();
    world.submit(&world.connect(&agent.id), &agent.sign(&bodies), Stream::In);
    world.get("/api/v1/status")["size"].as_u64().unwrap()
}

/// Both ends of every connection are files, of the server's and of this process.
fn allow_many_files() {
    let raise = "prlimit --pid $PPID --nofile=$(ulimit -Hn):";
    assert!(Command::new("sh").args(["-c", raise]).status().unwrap().success());
}

#[test]
fn a_thousand_tails_end_with_the_server_and_resume_without_a_gap() {
    allow_many_files();
    let mut world = World::new();
    let mut agent = world.agent("agent-1");
    let address = world.url("").trim_start_matches("http://").to_owned();
    let past = publish(&world, &mut agent);
    let readers = (0..READERS).map(|n| {
        let address = address.clone();
        world.runtime.spawn(async move {
            let mut reader = Reader { since: n % past, next: n % past, token: None };
            let mut connection = reader.connect(&address).await;
            // A third takes nothing before the server ends.
            if n % 3 > 0 {
                reader.read(&mut connection, |_, event| event.event == "caught-up").await;
            }
            (reader, connection)
        })
    });
    let readers: Vec<_> = readers.collect();
    let open: Vec<_> =
        readers.into_iter().map(|reader| world.runtime.block_on(reader).unwrap()).collect();
    publish(&world, &mut agent);
    let parting: Vec<_> = open
        .into_iter()
        .map(|(reader, connection)| world.runtime.spawn(reader.part(connection)))
        .collect();
    let began = Instant::now();
    world.stop();
    assert!(began.elapsed() < Duration::from_secs(SHUTDOWN_S_MAX), "{:?}", began.elapsed());
    assert!(!world.log().contains("did not end in time"), "{}", world.log());
    let readers: Vec<_> =
        parting.into_iter().map(|reader| world.runtime.block_on(reader).unwrap()).collect();
    world.serve();
    let end = publish(&world, &mut agent);
    let resuming = readers.into_iter().map(|mut reader| {
        let address = address.clone();
        world.runtime.spawn(async move {
            let mut connection = reader.connect(&address).await;
            reader.read(&mut connection, |reader, _| reader.next == end).await;
            assert_eq!(reader.next, end, "the tail ended");
        })
    });
    let resuming: Vec<_> = resuming.collect();
    for reader in resuming {
        world.runtime.block_on(reader).unwrap();
    }
    world.stop();
}
