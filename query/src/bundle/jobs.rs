//! Bundles under way, and those that were not fetched with the request that asked for them. So many, for so long,
//! and each for the reader who asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use schemas::id::{Micros, TreeSize, hex, sha256};
use schemas::limits::{BUNDLE_JOBS_MAX, BUNDLE_JOBS_PER_READER_MAX, BUNDLE_KEPT_S};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::work::Work;
use crate::error::Error;
use crate::reader::Reader;

/// How the making of a bundle ended.
pub(crate) type Ended = Arc<Result<Bytes, Error>>;

/// A clock that gives the time now.
type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// The jobs of a server.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<Table>);

#[derive(Default)]
struct Table {
    jobs: BTreeMap<String, Arc<Job>>,
    begun: u64,
}

/// A bundle under way or made.
pub(crate) struct Job {
    pub(crate) id: String,
    reader: Option<Reader>,
    began: u64,
    /// Size of the log when it was begun.
    pub(crate) size: TreeSize,
    work: Arc<Work>,
    end: watch::Receiver<Option<(Micros, Ended)>>,
    task: AbortHandle,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Job {
    /// Entries gathered, and those of them that have their proofs.
    pub(crate) fn done(&self) -> [usize; 2] {
        self.work.done()
    }

    /// Its end, once there is one.
    pub(crate) async fn ended(&self) -> Ended {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some((_, ended))) => Arc::clone(ended),
            _ => Arc::new(Err(Error::GivenUp)),
        }
    }

    /// Ends the work before its next entry, whoever waits for it.
    fn stop(&self) {
        self.task.abort();
        self.work.give_up();
    }

    /// When it ended.
    fn ended_at(&self) -> Option<Micros> {
        self.end.borrow().as_ref().map(|(at, _)| *at)
    }

    fn is_kept(&self, now: Micros) -> bool {
        let kept_us = BUNDLE_KEPT_S.saturating_mul(1_000_000);
        self.ended_at().is_none_or(|at| at.0.saturating_add(kept_us) > now.0)
    }
}

impl Table {
    /// Makes room for one more of this reader: of his own, what ended first goes first.
    fn make_room(&mut self, reader: Option<&Reader>) -> Result<(), Error> {
        let own = self.jobs.values().filter(|job| job.reader.as_ref() == reader);
        if own.clone().count() >= BUNDLE_JOBS_PER_READER_MAX {
            let ended = own.filter_map(|job| Some((job.ended_at()?, job.began, job.id.clone())));
            let (_, _, first) = ended.min().ok_or(Error::TooManyBundles)?;
            self.jobs.remove(&first);
        }
        if self.jobs.len() < BUNDLE_JOBS_MAX { Ok(()) } else { Err(Error::BundlesBusy) }
    }
}

impl Jobs {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to `make` a bundle for a reader, of a log of this size, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// [`Error::TooManyBundles`], [`Error::BundlesBusy`].
    pub(crate) fn begin(
        self: &Arc<Self>,
        reader: Option<Reader>,
        size: TreeSize,
        clock: Clock,
        make: impl FnOnce(&Arc<Work>) -> Result<Bytes, Error> + Send + 'static,
    ) -> Result<Arc<Job>, Error> {
        let now = clock();
        let mut table = self.table();
        table.jobs.retain(|_, job| job.is_kept(now));
        table.make_room(reader.as_ref())?;
        table.begun += 1;
        let began = table.begun;
        let (ending, end) = watch::channel(None);
        let work = Arc::<Work>::default();
        let run = run(Arc::downgrade(self), clock, ending, make, Arc::clone(&work));
        let task = tokio::spawn(run).abort_handle();
        let id = id(now, began);
        let job = Arc::new(Job { id: id.clone(), reader, began, size, work, end, task });
        table.jobs.insert(id, Arc::clone(&job));
        Ok(job)
    }

    /// A reader's job. Those of others are not there.
    pub(crate) fn find(&self, id: &str, reader: Option<&Reader>, now: Micros) -> Option<Arc<Job>> {
        let mut table = self.table();
        table.jobs.retain(|_, job| job.is_kept(now));
        table.jobs.get(id).filter(|job| job.reader.as_ref() == reader).map(Arc::clone)
    }

    /// Ends a job, under way or made; false if there is none that this reader may end: his own, or whosever where he
    /// administers the server.
    pub(crate) fn cancel(
        &self,
        id: &str,
        reader: Option<&Reader>,
        administers: bool,
        now: Micros,
    ) -> bool {
        let mut table = self.table();
        table.jobs.retain(|_, job| job.is_kept(now));
        let may = |job: &&Arc<Job>| administers || job.reader.as_ref() == reader;
        if table.jobs.get(id).filter(may).is_none() {
            return false;
        }
        // Whoever waits for it holds it, too, so letting go of it here would not end it.
        table.jobs.remove(id).inspect(|job| job.stop()).is_some()
    }

    /// Lets go of a job.
    pub(crate) fn forget(&self, id: &str) {
        self.table().jobs.remove(id);
    }
}

/// Unlike any other of this server, and of the one before it.
fn id(now: Micros, began: u64) -> String {
    let digest = sha256(&[now.0.to_be_bytes(), began.to_be_bytes()].concat());
    hex(digest.get(..8).unwrap_or_default())
}

/// Makes the bundle, and sees to it that it is not kept for longer than is promised.
async fn run(
    jobs: Weak<Jobs>,
    clock: Clock,
    ending: watch::Sender<Option<(Micros, Ended)>>,
    make: impl FnOnce(&Arc<Work>) -> Result<Bytes, Error> + Send + 'static,
    work: Arc<Work>,
) {
    let stop = GiveUp(Arc::clone(&work));
    let made = tokio::task::spawn_blocking(move || make(&work)).await;
    let made = made.unwrap_or_else(|stopped| Err(stopped.into()));
    drop(stop);
    ending.send_replace(Some((clock(), Arc::new(made))));
    tokio::time::sleep(Duration::from_secs(BUNDLE_KEPT_S)).await;
    if let Some(jobs) = jobs.upgrade() {
        let now = clock();
        jobs.table().jobs.retain(|_, job| job.is_kept(now));
    }
}

/// Ends the work with the task that waits for it, as when the server ends.
struct GiveUp(Arc<Work>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    use super::*;

    struct World {
        jobs: Arc<Jobs>,
        time: Arc<AtomicU64>,
    }

    impl World {
        fn new() -> Self {
            Self { jobs: Arc::default(), time: Arc::default() }
        }

        fn now(&self) -> Micros {
            Micros(self.time.load(Ordering::Relaxed))
        }

        fn begin(
            &self,
            reader: &str,
            make: impl FnOnce(&Arc<Work>) -> Result<Bytes, Error> + Send + 'static,
        ) -> Result<Arc<Job>, Error> {
            let time = Arc::clone(&self.time);
            let clock = Arc::new(move || Micros(time.load(Ordering::Relaxed)));
            self.jobs.begin(Some(Reader(reader.into())), TreeSize(1), clock, make)
        }

        fn find(&self, id: &str, reader: &str) -> Option<Arc<Job>> {
            self.jobs.find(id, Some(&Reader(reader.into())), self.now())
        }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(test);
    }

    /// Work that goes on until the sender says something, or is dropped.
    fn waits(until: mpsc::Receiver<()>) -> impl FnOnce(&Arc<Work>) -> Result<Bytes, Error> {
        move |_work| {
            let _ended = until.recv();
            Ok(Bytes::from_static(b"made"))
        }
    }

    #[test]
    fn a_job_is_its_readers_alone_and_not_kept_for_ever() {
        run(async {
            let world = World::new();
            let job = world.begin("ann", |_work| Ok(Bytes::from_static(b"made"))).unwrap();
            assert_eq!(job.ended().await.as_ref().as_ref().unwrap().as_ref(), b"made");
            assert!(world.find(&job.id, "ann").is_some());
            assert!(world.find(&job.id, "bob").is_none());
            assert!(world.jobs.find(&job.id, None, world.now()).is_none());
            assert!(world.find("0011223344556677", "ann").is_none());
            world.time.fetch_add(BUNDLE_KEPT_S * 1_000_000 - 1, Ordering::Relaxed);
            assert!(world.find(&job.id, "ann").is_some());
            world.time.fetch_add(1, Ordering::Relaxed);
            assert!(world.find(&job.id, "ann").is_none());
        });
    }

    #[test]
    fn so_many_are_under_way_and_no_more() {
        run(async {
            let world = World::new();
            let mut held = Vec::new();
            let mut hold = |reader: &str| {
                let (end, until) = mpsc::channel();
                held.push(end);
                world.begin(reader, waits(until))
            };
            for _ in 0..BUNDLE_JOBS_PER_READER_MAX {
                hold("ann").unwrap();
            }
            assert!(matches!(hold("ann"), Err(Error::TooManyBundles)));
            for n in BUNDLE_JOBS_PER_READER_MAX..BUNDLE_JOBS_MAX {
                hold(&format!("reader-{n}")).unwrap();
            }
            assert!(matches!(hold("zoe"), Err(Error::BundlesBusy)));
            // What is under way is kept, however long it takes.
            world.time.fetch_add(BUNDLE_KEPT_S * 2_000_000, Ordering::Relaxed);
            assert!(matches!(hold("ann"), Err(Error::TooManyBundles)));
        });
    }

    #[test]
    fn of_ones_own_what_ended_first_makes_room() {
        run(async {
            let world = World::new();
            let mut made = Vec::new();
            for _ in 0..=BUNDLE_JOBS_PER_READER_MAX {
                let job = world.begin("ann", |_work| Err(Error::Unpublished)).unwrap();
                assert!(matches!(job.ended().await.as_ref(), Err(Error::Unpublished)));
                made.push(job.id.clone());
            }
            assert!(world.find(&made[0], "ann").is_none());
            assert!(made[1..].iter().all(|id| world.find(id, "ann").is_some()));
        });
    }

    #[test]
    fn a_cancelled_job_stops_at_its_next_entry_and_is_gone_for_everybody() {
        let (told, ended) = mpsc::channel();
        let (began, begun) = mpsc::channel();
        let world = World::new();
        run(async {
            let work = move |work: &Arc<Work>| {
                began.send(()).unwrap();
                let mut since_told = 0;
                while work.gathered().is_ok() {
                    since_told += usize::from(work.given_up.load(Ordering::Relaxed));
                    std::thread::yield_now();
                }
                told.send(since_told).unwrap();
                Err(Error::GivenUp)
            };
            let held = world.begin("ann", work).unwrap();
            tokio::task::yield_now().await;
            tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
            let cancel = |id: &str, reader: &str, administers| {
                world.jobs.cancel(id, Some(&Reader(reader.into())), administers, world.now())
            };
            assert!(!cancel(&held.id, "bob", false), "it is another's");
            assert!(!cancel("0011223344556677", "ann", true), "there is none");
            assert!(world.find(&held.id, "ann").is_some());
            assert!(cancel(&held.id, "ann", false));
            assert!(world.find(&held.id, "ann").is_none());
            assert!(!cancel(&held.id, "ann", false), "it is gone already");
            // Whoever was waiting for it hears of it.
            assert!(matches!(held.ended().await.as_ref(), Err(Error::GivenUp)));
            let other = world.begin("ann", |_work| Ok(Bytes::from_static(b"made"))).unwrap();
            assert!(other.ended().await.is_ok());
            assert!(cancel(&other.id, "root", true), "who administers ends whatever there is");
            assert!(world.find(&other.id, "ann").is_none());
        });
        assert!(ended.recv().unwrap() <= 1, "at most the entry that it was at");
    }

    #[test]
    fn nobody_works_for_a_server_that_ended() {
        let (told, ended) = mpsc::channel();
        let (began, begun) = mpsc::channel();
        let world = World::new();
        run(async {
            let work = move |work: &Arc<Work>| {
                began.send(()).unwrap();
                while work.gathered().is_ok() {
                    std::thread::yield_now();
                }
                told.send(()).unwrap();
                Err(Error::GivenUp)
            };
            world.begin("ann", work).unwrap();
            tokio::task::yield_now().await;
            tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
        });
        ended.recv().unwrap();
    }
}
