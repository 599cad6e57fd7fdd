//! A client of the tail, as cheap as one can be.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tail::{Decoder, Event};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::round::Failure;

const BUFFER_BYTES: usize = 64 << 10;

/// Entries that came, and when.
pub(crate) type Noted = Arc<Mutex<Vec<(usize, Instant)>>>;

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
    /// What of the buffer was read and not yet taken.
    held: Range<usize>,
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
        Self::over(TcpStream::connect(address).await?, query, None, BUFFER_BYTES).await
    }

    /// Goes on behind a token.
    pub(crate) async fn resume(
        address: SocketAddr,
        query: &str,
        token: Option<&str>,
    ) -> Result<Self, Failure> {
        Self::over(TcpStream::connect(address).await?, query, token, BUFFER_BYTES).await
    }

    /// The same over a connection that is there, reading so many bytes at a time.
    pub(crate) async fn over(
        mut stream: TcpStream,
        query: &str,
        token: Option<&str>,
        buffer_bytes: usize,
    ) -> Result<Self, Failure> {
        stream.set_nodelay(true)?;
        let token = token.map(|token| format!("Last-Event-ID: {token}\r\n")).unwrap_or_default();
        let request = format!("GET /api/v1/tail{query} HTTP/1.1\r\nHost: localhost\r\n{token}\r\n");
        stream.write_all(request.as_bytes()).await?;
        let (buffer, events) = (vec![0; buffer_bytes], Vec::new());
        let (decoder, chunks) = (Decoder::default(), Chunks::default());
        let mut reader = Self { stream, buffer, held: 0..0, decoder, chunks, events };
        reader.head().await?;
        Ok(reader)
    }

    /// Reads the head of the answer; what came behind it in the same piece is held.
    async fn head(&mut self) -> Result<(), Failure> {
        let mut head = Vec::new();
        loop {
            let piece = self.read().await?.to_vec();
            let before = head.len();
            head.extend_from_slice(&piece);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                self.held = end + 4 - before..piece.len();
                break;
            }
        }
        if head.starts_with(b"HTTP/1.1 200") {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&head).into_owned().into())
    }

    async fn read(&mut self) -> Result<&[u8], Failure> {
        let mut range = std::mem::replace(&mut self.held, 0..0);
        if range.is_empty() {
            range = 0..self.stream.read(&mut self.buffer).await?;
        }
        match self.buffer.get(range) {
            Some(bytes @ [_, ..]) => Ok(bytes),
            _ => Err("the server ended a stream".into()),
        }
    }

    /// Reads once and takes at most `most` of the bytes: how many, and the events that they complete.
    pub(crate) async fn take(&mut self, most: usize) -> Result<(usize, Vec<Event>), Failure> {
        let bytes = self.read().await?;
        let bytes = bytes.get(..most.min(bytes.len())).unwrap_or_default().to_vec();
        let payload = self.chunks.payload(&bytes)?;
        Ok((bytes.len(), self.decoder.push(&payload)?))
    }

    /// The token of the last event that came in full.
    pub(crate) fn token(&self) -> Option<&str> {
        self.decoder.last_id()
    }

    async fn more(&mut self) -> Result<(), Failure> {
        let (_, events) = self.take(usize::MAX).await?;
        self.events.extend(events);
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
                let Some(index) = entry(&event)? else { continue };
                taken.push(moments.since(index));
                if index + 1 == moments.len() {
                    return Ok(taken);
                }
            }
            self.more().await?;
        }
    }

    /// Reads on for ever, and notes every entry.
    pub(crate) async fn note(mut self, noted: Noted) -> Result<(), Failure> {
        loop {
            let events = std::mem::take(&mut self.events);
            let entries = events.iter().filter_map(|event| entry(event).transpose());
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let now = Instant::now();
            let entries = entries.into_iter().map(|index| (index, now));
            noted.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
            self.more().await?;
        }
    }

    /// Reads so many events of a name, without taking them apart.
    pub(crate) async fn count(&mut self, name: &str, events: usize) -> Result<(), Failure> {
        let mut seen = 0;
        let name = format!("event: {name}\n").into_bytes();
        // The beginning of a line that is cut in two.
        let mut begun: Vec<u8> = Vec::new();
        while seen < events {
            for piece in self.read().await?.split_inclusive(|byte| *byte == b'\n') {
                if begun.is_empty() && piece.ends_with(b"\n") {
                    seen += usize::from(piece == name);
                    continue;
                }
                begun.extend_from_slice(piece);
                if begun.ends_with(b"\n") {
                    seen += usize::from(begun == name);
                    begun.clear();
                }
            }
        }
        Ok(())
    }

    /// Takes as much as the buffer holds, once.
    pub(crate) async fn sip(&mut self) -> Result<(), Failure> {
        self.read().await.map(drop)
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

/// The index of an entry; `None` where it is another event.
pub(crate) fn entry(event: &Event) -> Result<Option<usize>, Failure> {
    if event.event != "entry" {
        return Ok(None);
    }
    let index = event.id.as_deref().and_then(|id| id.split('.').nth(1));
    Ok(Some(index.ok_or("an entry without an id")?.parse()?))
}
