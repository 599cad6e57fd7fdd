//! A client of the tail, as cheap as one can be.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tail::{Decoder, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::round::Failure;

const BUFFER_BYTES: usize = 64 << 10;

/// When each entry was committed.
pub(crate) struct Moments(Vec<OnceLock<Instant>>);

impl Moments {
    /// Of so many entries.
    pub(crate) fn new(entries: usize) -> Self {
        Self((0..entries).map(|_| OnceLock::new()).collect())
    }

    /// These were committed now.
    pub(crate) fn set(&self, entries: Range<usize>) {
        let now = Instant::now();
        for moment in self.0.get(entries).into_iter().flatten() {
            moment.get_or_init(|| now);
        }
    }

    /// How long ago; nothing where the frame was there before the writer had said so.
    pub(crate) fn since(&self, entry: usize) -> Duration {
        self.0.get(entry).and_then(OnceLock::get).map_or(Duration::ZERO, Instant::elapsed)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// One connection.
pub(crate) struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    decoder: Decoder,
    chunks: Chunks,
    events: Vec<Event>,
}

/// Takes HTTP's chunks apart: sizes in hex on lines of their own.
#[derive(Default)]
struct Chunks {
    /// Bytes of the current chunk, with the line end behind it.
    left: usize,
    line: Vec<u8>,
}

impl Chunks {
    /// The payload in these bytes.
    fn payload(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut payload = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            if self.left > 0 {
                let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
                let text = part.len().min(self.left.saturating_sub(2));
                payload.extend_from_slice(part.get(..text).unwrap_or_default());
                self.left -= part.len();
                bytes = rest;
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
            self.line.extend_from_slice(part);
            bytes = rest;
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let size = usize::from_str_radix(std::str::from_utf8(&line)?.trim(), 16)?;
                self.left = size + 2;
            }
        }
        Ok(payload)
    }
}

impl Reader {
    /// Asks for a tail.
    pub(crate) async fn connect(address: SocketAddr, query: &str) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!("GET /api/v1/tail{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&head).into_owned().into());
        }
        let (buffer, events) = (vec![0; BUFFER_BYTES], Vec::new());
        Ok(Self { stream, buffer, decoder: Decoder::default(), chunks: Chunks::default(), events })
    }

    async fn read(&mut self) -> Result<&[u8], Failure> {
        let read = self.stream.read(&mut self.buffer).await?;
        match self.buffer.get(..read) {
            Some(bytes @ [_, ..]) => Ok(bytes),
            _ => Err("the server ended a stream".into()),
        }
    }

    async fn more(&mut self) -> Result<(), Failure> {
        let read = self.stream.read(&mut self.buffer).await?;
        let bytes = self.buffer.get(..read).filter(|bytes| !bytes.is_empty());
        let payload = self.chunks.payload(bytes.ok_or("the server ended a stream")?)?;
        self.events.extend(self.decoder.push(&payload)?);
        Ok(())
    }

    /// Reads up to an event of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Result<(), Failure> {
        loop {
            if let Some(at) = self.events.iter().position(|event| event.event == name) {
                self.events.drain(..=at);
                return Ok(());
            }
            self.events.clear();
            self.more().await?;
        }
    }

    /// Reads up to the last of the entries; how long after its commit each was there.
    pub(crate) async fn watch(mut self, moments: Arc<Moments>) -> Result<Vec<Duration>, Failure> {
        let mut taken = Vec::new();
        loop {
            for event in std::mem::take(&mut self.events) {
                if event.event != "entry" {
                    continue;
                }
                let index = event.id.as_deref().and_then(|id| id.split('.').nth(1));
                let index: usize = index.ok_or("an entry without an id")?.parse()?;
                taken.push(moments.since(index));
                if index + 1 == moments.len() {
                    return Ok(taken);
                }
            }
            self.more().await?;
        }
    }

    /// Reads so many entries, without taking them apart.
    pub(crate) async fn count(&mut self, entries: usize) -> Result<(), Failure> {
        let mut seen = 0;
        // A name that is cut in two is counted once: what was at the end is looked at again.
        let name = b"event: entry\n";
        let mut rest: Vec<u8> = Vec::new();
        while seen < entries {
            let bytes = self.read().await?;
            rest.extend_from_slice(bytes);
            seen += rest.windows(name.len()).filter(|window| window == name).count();
            rest.drain(..rest.len().saturating_sub(name.len() - 1));
        }
        Ok(())
    }

    /// Takes whatever comes, for ever.
    pub(crate) async fn drain(mut self) -> Result<(), Failure> {
        loop {
            self.read().await?;
        }
    }

    /// The connection alone.
    pub(crate) fn slim(self) -> TcpStream {
        self.stream
    }
}
