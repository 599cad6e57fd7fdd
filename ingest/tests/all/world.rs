//! A nats-server, a ledger and what takes submissions in, all real and in a temporary directory.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use ingest::{Broker, Config, Connection, IngestError, OwnServer, Publisher, Room, ServerError};
use ledger::{Audit, Genesis, Ledger, OpenError, Writer};
use schemas::id::Micros;
use schemas::key::PublicKey;
use schemas::kind::Stream;
use schemas::leaf::{Leaf, Status};
use schemas::reply::{Fate, Outcome, Reply};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::signer::{Signer, key, tenant};

pub(crate) const START: Micros = Micros(1_775_599_200_000_000);
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whatever a test waits for has to come in time.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.unwrap()
}

pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// A port that no other world is given: a server that stops for a while must find it free again. It lies below
/// those that the system gives to outgoing connections.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 100).unwrap() * 200;
    first + NEXT.fetch_add(1, Ordering::Relaxed) % 2000
}

/// A server on a port of its own. One that is busy is left for the next: a process that is being started beside us
/// holds for a moment whatever we have open, a port that was only tried, too.
async fn start_anywhere(files: &Path) -> OwnServer {
    let binary = ingest::find(None).unwrap();
    loop {
        match ingest::start(&binary, files, Some(next_port())).await {
            Err(ServerError::PortBusy(_)) => {}
            started => return started.unwrap(),
        }
    }
}

pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) server: Option<OwnServer>,
    pub(crate) port: u16,
    pub(crate) operator: Signer,
    /// Whether the mark is kept at the broker, too.
    pub(crate) marks: bool,
    /// Whether committed entries are published.
    pub(crate) committed: bool,
    /// Room on the store's disk.
    pub(crate) room: watch::Receiver<Room>,
    writer: Option<Writer>,
    now: Arc<AtomicU64>,
}

/// [`ingest::run`], and what can be seen of it.
pub(crate) struct Running {
    pub(crate) ledger: Ledger,
    pub(crate) connection: watch::Receiver<Connection>,
    shutdown: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), IngestError>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = start_anywhere(&directory.path().join("nats")).await;
        let operator = Signer::new("operator", 2);
        let genesis = Genesis {
            tenant: tenant(),
            host: "ledger.example".to_owned(),
            operator: operator.id.clone(),
            operator_key: PublicKey::of(&operator.key),
            clock_start: None,
            finds: false,
        };
        let writer = ledger::create(&Self::files(&directory), key(1), &genesis, START).unwrap();
        let (port, now) = (server.port(), Arc::new(AtomicU64::new(START.0)));
        let (server, writer) = (Some(server), Some(writer));
        let (marks, committed) = (false, false);
        let room = watch::channel(Room::UNLIMITED).1;
        Self { directory, server, port, operator, marks, committed, room, writer, now }
    }

    pub(crate) fn files(directory: &tempfile::TempDir) -> ledger::Config {
        let directory = directory.path();
        ledger::Config { store: directory.join("store"), mark: directory.join("mark/test.note") }
    }

    pub(crate) fn mark(&self) -> PathBuf {
        Self::files(&self.directory).mark
    }

    pub(crate) fn broker(&self) -> Broker {
        Broker::at(&format!("nats://127.0.0.1:{}", self.port))
    }

    /// Starts taking submissions in, on a ledger that is opened for it.
    pub(crate) fn run(&mut self) -> Running {
        let writer = self.writer.take();
        // What was being read when the ledger stopped may hold its store for a moment.
        let until = deadline();
        let open = || loop {
            match ledger::open(&Self::files(&self.directory), key(1)) {
                Err(OpenError::Locked(_)) if Instant::now() < until => std::thread::yield_now(),
                opened => break opened.unwrap(),
            }
        };
        let writer = writer.unwrap_or_else(open);
        let ledger = writer.ledger();
        let mut config = Config::new(self.broker(), tenant());
        config.mark = self.marks;
        config.committed = self.committed;
        config.room = self.room.clone();
        let (connection, shutdown) = (config.connection(), CancellationToken::new());
        let now = Arc::clone(&self.now);
        // A second a commit: the bound on rejections per second is not at issue here.
        let clock = move || Micros(now.fetch_add(1_000_000, Ordering::Relaxed));
        let task = tokio::spawn(Box::pin(ingest::run(writer, config, clock, shutdown.clone())));
        Running { ledger, connection, shutdown, task }
    }

    pub(crate) async fn up(&mut self) -> Running {
        let mut running = self.run();
        running.wait(Connection::Up).await;
        running
    }

    pub(crate) async fn publisher(&self, signer: &Signer) -> Publisher {
        Publisher::connect(&self.broker(), &tenant(), &signer.id).await.unwrap()
    }

    /// Registers an agent through the broker.
    pub(crate) async fn agent(&mut self, id: &str, seed: u16) -> (Signer, Publisher) {
        let agent = Signer::new(id, seed);
        let operator = self.publisher(&self.operator).await;
        for message in self.operator.register(&agent) {
            let reply = operator.publish_until_receipted(message, Stream::Op, deadline()).await;
            receipt(&only(&reply.unwrap()));
        }
        let publisher = self.publisher(&agent).await;
        (agent, publisher)
    }

    pub(crate) async fn stop_server(&mut self) {
        self.server.take().unwrap().stop().await.unwrap();
    }

    pub(crate) async fn start_server(&mut self) {
        let binary = ingest::find(None).unwrap();
        let directory = self.directory.path().join("nats");
        self.server = Some(ingest::start(&binary, &directory, Some(self.port)).await.unwrap());
    }

    /// Somebody with every right on the broker.
    pub(crate) async fn intruder(&self) -> async_nats::jetstream::Context {
        let client = async_nats::connect(format!("nats://127.0.0.1:{}", self.port)).await.unwrap();
        async_nats::jetstream::new(client)
    }

    /// Verifies everything that the stopped ledger holds, from genesis.
    pub(crate) fn audit(&mut self) {
        assert!(self.writer.is_none(), "still in use");
        let files = Self::files(&self.directory);
        let mark = std::fs::read_to_string(&files.mark).unwrap();
        let trust = Some(PublicKey::of(&key(1)));
        let audit = Audit { store: &files.store, trust, mark: Some(&mark), state: None };
        let report = ledger::audit(&audit, &|_| ()).unwrap();
        assert_eq!(report.divergences, []);
    }
}

impl Running {
    pub(crate) async fn wait(&mut self, state: Connection) {
        soon(self.connection.wait_for(|now| *now == state)).await.unwrap();
    }

    /// Waits until the log has that many entries.
    pub(crate) async fn reaches(&self, size: u64) {
        soon(self.ledger.watch().wait_for(|head| head.size.0 >= size)).await.unwrap();
    }

    /// Stops it; nobody has the ledger open then.
    pub(crate) async fn stop(self) {
        let Self { ledger, shutdown, task, .. } = self;
        drop(ledger);
        shutdown.cancel();
        soon(task).await.unwrap().unwrap();
    }

    /// Codes and notes of the incidents in the log.
    pub(crate) fn incidents(&self) -> Vec<(String, String)> {
        let entries = self.ledger.entries(0..u64::MAX).unwrap();
        let incident = |entry: &ledger::Entry| {
            let body = entry.body()?;
            let of_kind = body.kind() == schemas::kind::Kind::LedgerIncident;
            of_kind.then(|| {
                let text = |field| body.text(field).unwrap().to_owned();
                (text("code"), text("note"))
            })
        };
        entries.iter().filter_map(incident).collect()
    }

    /// How many entries were accepted with this kind.
    pub(crate) fn accepted(&self, kind: schemas::kind::Kind) -> usize {
        let entries = self.ledger.entries(0..u64::MAX).unwrap();
        let of_kind = |entry: &&ledger::Entry| {
            entry.leaf.status == Status::Accepted
                && entry.body().is_some_and(|body| body.kind() == kind)
        };
        entries.iter().filter(of_kind).count()
    }
}

pub(crate) fn only(reply: &Reply) -> Outcome {
    let [outcome] = reply.outcomes.as_slice() else { panic!("one outcome: {reply:?}") };
    outcome.clone()
}

/// The receipt, which verifies under the ledger's key.
pub(crate) fn receipt(outcome: &Outcome) -> Vec<u8> {
    let receipt = match &outcome.fate {
        Fate::Committed(receipt) | Fate::Duplicate(receipt) => receipt.clone(),
        Fate::Rejected(reject) => panic!("rejected: {reject}"),
    };
    let verified = schemas::receipt::verify(&receipt, &outcome.leaf, &key(1).verifying_key());
    assert_eq!(verified.unwrap().index, outcome.index);
    assert_eq!(Leaf::decode(&outcome.leaf).unwrap().index, outcome.index);
    receipt
}

pub(crate) fn reason(outcome: &Outcome) -> &'static str {
    match &outcome.fate {
        Fate::Rejected(reject) => reject.reason.as_str(),
        fate => panic!("not rejected: {fate:?}"),
    }
}
