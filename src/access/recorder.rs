//! Reads on their way into the log: counted by reader, query and minute, so that reading much writes little.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use ingest::{Door, DoorError};
use ledger::Memo;
use schemas::limits::{ACCESS_FLUSH_S, ACCESS_READS_MAX, DOOR_BATCH_MAX, QUERY_BYTES_MAX};
use tokio_util::sync::CancellationToken;

/// The reader under which reads are counted that there was no place left for.
const OTHERS: &str = "others";
/// How a refused read ended.
const DENIED: &str = "denied";
/// How long the last reads may take to be recorded, in seconds.
const LAST_S_MAX: u64 = 10;
/// How long the last reads wait for a door that is full.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// One read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Read {
    /// Who; `unknown` for whoever bears no valid token.
    pub(crate) reader: Arc<str>,
    /// What was asked for: a query, or a path.
    pub(crate) query: String,
    /// The entry that it showed, where it was one.
    pub(crate) index: Option<u64>,
    /// Whether it was refused.
    pub(crate) denied: bool,
}

/// Counts reads, and hands them to the ledger each minute.
#[derive(Debug)]
pub(crate) struct Recorder {
    door: Door,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    reads: HashMap<Read, u64>,
    /// Nothing is read any more that could not be recorded.
    is_closed: bool,
}

impl Kept {
    fn count(&mut self, read: Read, times: u64) {
        let is_full = self.reads.len() >= ACCESS_READS_MAX;
        let counted = match self.reads.entry(read) {
            Entry::Occupied(counted) => counted.into_mut(),
            Entry::Vacant(free) if !is_full => free.insert(0),
            Entry::Vacant(refused) => {
                let read = Read {
                    reader: OTHERS.into(),
                    query: String::new(),
                    index: None,
                    denied: refused.key().denied,
                };
                self.reads.entry(read).or_insert(0)
            }
        };
        *counted = counted.saturating_add(times);
    }
}

impl Recorder {
    /// Hands what it counts to `door`.
    pub(crate) fn new(door: Door) -> Self {
        Self { door, kept: Mutex::default() }
    }

    /// Whether a read would still be recorded. One that would not must not be answered.
    pub(crate) fn is_open(&self) -> bool {
        !self.kept().is_closed
    }

    /// Counts a read; false where that comes too late to be recorded.
    pub(crate) fn note(&self, mut read: Read) -> bool {
        read.query.truncate(read.query.floor_char_boundary(QUERY_BYTES_MAX));
        let mut kept = self.kept();
        if !kept.is_closed {
            kept.count(read, 1);
        }
        !kept.is_closed
    }

    /// Records each minute until `shutdown`, and then the last.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(Duration::from_secs(ACCESS_FLUSH_S)) => self.flush().await,
            }
        }
        self.kept().is_closed = true;
        let last = async {
            self.flush().await;
            while !self.kept().reads.is_empty() {
                tokio::time::sleep(LAST_PAUSE).await;
                self.flush().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(LAST_S_MAX), last).await.is_err() {
            tracing::error!("the last reads were not recorded in time");
        }
    }

    async fn flush(&self) {
        let reads = std::mem::take(&mut self.kept().reads);
        let record = |(read, times): (Read, u64)| async move {
            let memo = memo(&read, times);
            (read, times, self.door.record(memo).await)
        };
        let mut recorded =
            futures_util::stream::iter(reads).map(record).buffer_unordered(DOOR_BATCH_MAX);
        while let Some((read, times, outcome)) = recorded.next().await {
            match outcome {
                Ok(()) => {}
                // The next time's, then.
                Err(DoorError::Full) => self.kept().count(read, times),
                Err(error @ DoorError::Closed) => {
                    tracing::error!(reader = %read.reader, times, %error, "a read was not recorded");
                }
            }
        }
    }

    /// What was counted.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> HashMap<Read, u64> {
        std::mem::take(&mut self.kept().reads)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn memo(read: &Read, count: u64) -> Memo {
    Memo::Access {
        reader: read.reader.to_string(),
        query: read.query.clone(),
        range: read.index.map(|index| (index, index)),
        count,
        code: read.denied.then(|| DENIED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use schemas::limits::DOOR_WAITING_MAX;

    use super::*;

    fn read(reader: &str, query: &str) -> Read {
        Read { reader: reader.into(), query: query.to_owned(), index: None, denied: false }
    }

    #[test]
    fn reads_are_counted_and_bounded() {
        let recorder = Recorder::new(Door::default());
        for _ in 0..3 {
            recorder.note(read("one", "corr:w"));
        }
        recorder.note(Read { denied: true, ..read("one", "corr:w") });
        assert_eq!(recorder.kept().reads.len(), 2);
        assert_eq!(recorder.kept().reads[&read("one", "corr:w")], 3);
        for n in 0..ACCESS_READS_MAX * 2 {
            recorder.note(read("two", &format!("corr:{n}")));
        }
        let kept = recorder.kept();
        assert_eq!(kept.reads.len(), ACCESS_READS_MAX + 1);
        let all: u64 = kept.reads.values().sum();
        assert_eq!(all, 4 + 2 * u64::try_from(ACCESS_READS_MAX).unwrap());
        assert!(kept.reads[&read(OTHERS, "")] > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorder_that_has_ended_is_closed() {
        let (door, shutdown) = (Door::default(), CancellationToken::new());
        let recorder = Arc::new(Recorder::new(door));
        assert!(recorder.is_open());
        shutdown.cancel();
        Arc::clone(&recorder).run(shutdown).await;
        assert!(!recorder.is_open());
        assert!(!recorder.note(read("one", "corr:w")));
        assert!(recorder.taken().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_reads_wait_for_a_door_that_is_full() {
        let (door, shutdown) = (Door::default(), CancellationToken::new());
        for _ in 0..DOOR_WAITING_MAX {
            let door = door.clone();
            tokio::spawn(async move { door.submit(bytes::Bytes::new()).await });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let recorder = Arc::new(Recorder::new(door));
        assert!(recorder.note(read("one", "corr:w")));
        shutdown.cancel();
        let began = tokio::time::Instant::now();
        Arc::clone(&recorder).run(shutdown).await;
        assert!(began.elapsed() >= Duration::from_secs(LAST_S_MAX));
    }
}
