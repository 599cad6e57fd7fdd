//! The server: the ledger, what feeds it, what reads from it, and their common end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ingest::IngestError;
use ledger::{Ledger, OpenError, Writer};
use schemas::limits::SHUTDOWN_S_MAX;
use schemas::policy::{Policy, PolicyError};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::access::{Gate, GateError, Recorder, Tokens};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Flags, Http};
use crate::disk::Disk;
use crate::http::{self, Admin, Guard, Metrics, Names, Tls, TlsError};
use crate::keyfile::{KeyFile, KeyFileError};
use crate::routes::{self, Dispatch, Routing, RoutingError};
use crate::runtimes::Runtimes;
use crate::telemetry::{self, TelemetryError};
use crate::witness::{self, Witnesses};

/// How long threads that still read may take to end.
const CLOSING_S_MAX: u64 = 2;

/// Runs the server of a ledger that exists
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// How log lines look; SWORN_LOG chooses which there are
    #[arg(long, value_enum, default_value_t)]
    log: telemetry::Format,
    /// Go on from a store that is older than its high-water mark, under a new origin: what was receipted
    /// beyond it is lost here, and everybody who saw it will notice. Verify the store first
    #[arg(long)]
    new_epoch: bool,
    /// Operators' agreement to it, where several have to agree: files of `sworn proposal new-epoch`
    #[arg(long, value_name = "FILE", requires = "new_epoch")]
    agreed: Vec<PathBuf>,
}

/// Why a server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logging.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The ledger's key file.
    #[error("the ledger's key: {0}")]
    Key(#[from] KeyFileError),
    /// The ledger does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A ledger with a simulated clock proves nothing about real time.
    #[error(
        "this ledger was made by `sworn dev` and has a simulated clock; it is not for `sworn serve`"
    )]
    Simulated,
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Who may come in cannot be read.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The policy cannot be read.
    #[error("{path}: {source}", path = path.display())]
    PolicyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The policy is none.
    #[error("{path}, {source}", path = path.display())]
    Policy {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: PolicyError,
    },
    /// An operator's agreement cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Agreed {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory of copies.
    #[error("{path}: {source}", path = path.display())]
    Copies {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Routes for findings.
    #[error("the routes: {0}")]
    Routing(#[from] RoutingError),
    /// The runtime or its signals.
    #[error("the system: {0}")]
    System(#[from] std::io::Error),
    /// Nothing can be taken in any more.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A task panicked.
    #[error("a task of the server failed: {0}")]
    Task(#[from] JoinError),
    /// The listener ended by itself; never seen.
    #[error("the listener ended by itself")]
    Unserved,
    /// A second signal came before the end.
    #[error("interrupted; nothing that was acknowledged is lost")]
    Interrupted,
    /// The last commit took too long.
    #[error("the last batch was not committed within {SHUTDOWN_S_MAX} s of the signal to stop")]
    Late,
}

/// `sworn serve`: until SIGINT or SIGTERM; SIGHUP does not end it.
///
/// # Errors
/// [`ServeError`]; then the process must end.
pub(crate) fn main(args: &Args) -> Result<(), ServeError> {
    telemetry::init("info", args.log)?;
    let config = Config::load(&args.flags)?;
    let agreed: Vec<_> =
        args.agreed.iter().map(|file| read_agreed(file)).collect::<Result<_, _>>()?;
    let epoch = args.new_epoch.then_some(agreed);
    let runtimes = Runtimes::start()?;
    let ended = runtimes.block_on(|intake| async {
        let signals = Signals::of_service()?;
        tokio::select! {
            ended = run(config, epoch, intake, signals.shutdown.clone()) => ended,
            // A crash at any moment is safe, so an impatient operator may have one.
            () = signals.hurry.cancelled() => Err(ServeError::Interrupted),
        }
    });
    // The store must be closed before the process ends: its own threads do not survive the end.
    runtimes.shut_down(Duration::from_secs(CLOSING_S_MAX));
    ended
}

fn read_agreed(path: &Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|source| ServeError::Agreed { path: path.to_owned(), source })
}

/// Runs the server until `shutdown`; in a new epoch, if it is told to begin one, with what operators agree with.
///
/// # Errors
/// [`ServeError`]; then the process must end.
pub(crate) async fn run(
    config: Config,
    epoch: Option<Vec<Vec<u8>>>,
    intake: Handle,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let key = KeyFile::load(&config.key)?;
    ledger::share_block_cache(config.cache_mib << 20);
    let clock = Clock::system();
    let writer = match &epoch {
        None => ledger::open(&config.ledger(), key.key)?,
        Some(agreed) => ledger::open_new_epoch(&config.ledger(), key.key, clock.now(), agreed)?,
    };
    if writer.ledger().identity().clock_start.is_some() && !clock.is_simulated() {
        return Err(ServeError::Simulated);
    }
    let access = Access::new(&config, &clock)?;
    let address = config.http.listen;
    let listener =
        http::listen(address).map_err(|source| ServeError::Listen { address, source })?;
    let (origin, size) = (writer.ledger().identity().origin.clone(), writer.ledger().head().size);
    if epoch.is_some() {
        tracing::warn!(origin, %size, "a new epoch begins: publish its name beside the TRUST");
    }
    tracing::info!(%address, origin, %size, "serving");
    let copies = config.data.join("copies");
    let policy = config.policy.as_deref().map(read_policy).transpose()?;
    let routing = config.routing();
    let disk = Disk { store: config.ledger().store, reserve: config.reserve_mib << 20 };
    let (room, _watched) = disk.watched(&intake)?;
    let mut ingest = config.nats;
    ingest.room = room;
    Server { policy, routing, writer, listener, ingest, intake, copies, clock, access }
        .run(shutdown)
        .await
}

/// Who may come in, and how; by default everybody on this machine.
#[derive(Default)]
pub(crate) struct Access {
    names: Names,
    gate: Option<Arc<Gate>>,
    records: bool,
    tls: Option<Tls>,
}

impl Access {
    fn new(config: &Config, clock: &Clock) -> Result<Self, ServeError> {
        let Http { names, auth, record_reads, tls, oidc, .. } = config.http.clone();
        let tls = tls.map(|(certificate, key)| Tls::load(&certificate, &key)).transpose()?;
        let tokens = Tokens::below(&config.data);
        let open = || Gate::open(config.tenant.clone(), tokens, oidc, clock.clone());
        let gate = auth.then(open).transpose()?.map(Arc::new);
        // A name that is not this machine's may be anybody's page, unless a token says who asks.
        let names = if gate.is_some() { Names::new(names) } else { Names::default() };
        Ok(Self { names, records: gate.is_some() || record_reads, gate, tls })
    }

    fn guard(&self, recorder: Option<Arc<Recorder>>, metrics: Arc<Metrics>, clock: Clock) -> Guard {
        let mut guard = Guard::new(clock);
        guard.names = self.names.clone();
        guard.gate = self.gate.clone();
        guard.recorder = recorder;
        guard.metrics = metrics;
        guard
    }
}

/// A server that is ready to run: the ledger open, the port taken.
pub(crate) struct Server {
    pub(crate) writer: Writer,
    pub(crate) listener: TcpListener,
    pub(crate) ingest: ingest::Config,
    /// Where submissions are taken in.
    pub(crate) intake: Handle,
    /// Where copies for verification are put.
    pub(crate) copies: PathBuf,
    pub(crate) clock: Clock,
    /// Who may come in, and how.
    pub(crate) access: Access,
    /// Witnesses to ask, and which of them are enough.
    pub(crate) policy: Option<Policy>,
    /// Where findings go.
    pub(crate) routing: Routing,
}

/// The witnesses that are asked.
///
/// # Errors
/// [`ServeError::PolicyFile`], [`ServeError::Policy`].
pub(crate) fn read_policy(path: &Path) -> Result<Policy, ServeError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(ServeError::PolicyFile { path, source }),
    };
    Policy::parse(&text).map_err(|source| ServeError::Policy { path, source })
}

impl Server {
    /// Runs until `shutdown` or until nothing can be taken in any more. The last batch is finished first,
    /// then the readers' streams end, so that they see it.
    ///
    /// # Errors
    /// [`ServeError`]; then the process must end.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), ServeError> {
        let ledger = self.writer.ledger();
        let readers = CancellationToken::new();
        let asked = |policy| Witnesses::new(ledger.clone(), self.ingest.door(), policy);
        let witnesses = self.policy.clone().map(asked);
        let metrics = Arc::<Metrics>::default();
        let dispatch = Dispatch::new(ledger.clone(), self.ingest.door(), self.routing.clone())?;
        let router = self
            .router(&ledger, &shutdown, &readers, &metrics)?
            .merge(witness::routes(witnesses.clone()))
            .merge(routes::api(Arc::clone(&dispatch)));
        let recorder = self.access.records.then(|| Arc::new(Recorder::new(self.ingest.door())));
        let guard = self.access.guard(recorder.clone(), metrics, self.clock.clone());
        let router = http::guarded(router, guard);
        let Self { writer, listener, ingest, intake, clock, access, .. } = self;
        let watching = access
            .gate
            .map(|gate| AbortOnDropHandle::new(tokio::spawn(gate.watch(readers.clone()))));
        let certifying = access
            .tls
            .clone()
            .map(|tls| AbortOnDropHandle::new(tokio::spawn(tls.watch(readers.clone()))));
        let asking = witnesses
            .map(|witnesses| AbortOnDropHandle::new(tokio::spawn(witnesses.run(shutdown.clone()))));
        let routing = AbortOnDropHandle::new(tokio::spawn(dispatch.run(shutdown.clone())));
        // The last reads are recorded before nothing is taken in any more.
        let recorded = CancellationToken::new();
        let recording = recording(recorder, shutdown.clone(), recorded.clone());
        let recording = AbortOnDropHandle::new(tokio::spawn(recording));
        let taken = ingest::run(writer, ingest, move || clock.now(), recorded);
        let mut taken = AbortOnDropHandle::new(intake.spawn(taken));
        let served = http::serve(listener, access.tls, router, readers.clone());
        let mut served = AbortOnDropHandle::new(tokio::spawn(served));
        let mut late = pin!(overdue(&shutdown));
        let ended = tokio::select! {
            taken = &mut taken => taken?.map_err(ServeError::from),
            served = &mut served => return Err(served.map_or_else(ServeError::Task, |()| ServeError::Unserved)),
            // Readers have had their time, too.
            () = &mut late => return Err(ServeError::Late),
        };
        // After a failure too: not ready any more, and the streams say that they end.
        shutdown.cancel();
        readers.cancel();
        tokio::select! {
            served = &mut served => served?,
            () = &mut late => tracing::warn!("some requests did not end in time and were cut"),
        }
        drop((asking, watching, certifying, recording, routing));
        ended
    }

    fn router(
        &self,
        ledger: &Ledger,
        shutdown: &CancellationToken,
        readers: &CancellationToken,
        metrics: &Arc<Metrics>,
    ) -> Result<axum::Router, ServeError> {
        let admin = Admin::new(ledger.clone(), &self.copies, &self.clock)
            .map_err(|source| ServeError::Copies { path: self.copies.clone(), source })?;
        let health = http::Health {
            ledger: ledger.clone(),
            connection: self.ingest.connection(),
            room: self.ingest.room.clone(),
            shutdown: shutdown.clone(),
            clock: self.clock.clone(),
        };
        let intake = http::Intake {
            door: self.ingest.door(),
            room: self.ingest.room.clone(),
            ledger: ledger.clone(),
            clock: self.clock.clone(),
        };
        let clock = self.clock.clone();
        let router = http::routes(health, admin, intake, Arc::clone(metrics))
            .merge(query::routes(ledger.clone(), move || clock.now()))
            .merge(tail::routes(ledger.clone(), readers.clone()));
        Ok(router)
    }
}

async fn recording(
    recorder: Option<Arc<Recorder>>,
    shutdown: CancellationToken,
    recorded: CancellationToken,
) {
    match recorder {
        Some(recorder) => recorder.run(shutdown).await,
        None => shutdown.cancelled().await,
    }
    recorded.cancel();
}

/// Ends when a shutdown takes too long.
async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(Duration::from_secs(SHUTDOWN_S_MAX)).await;
}

/// What the operator's signals ask for.
pub(crate) struct Signals {
    /// The first one: stop, in order.
    pub(crate) shutdown: CancellationToken,
    /// The second one: stop at once.
    pub(crate) hurry: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Signals {
    /// Listens for SIGINT, SIGTERM and SIGHUP, which a terminal sends as it closes. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Self::heard(true)
    }

    /// The same for a service, which SIGHUP does not end: it asks for files to be read again, which happens anyway.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub(crate) fn of_service() -> std::io::Result<Self> {
        Self::heard(false)
    }

    fn heard(ends_with_terminal: bool) -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (shutdown, hurry) = (CancellationToken::new(), CancellationToken::new());
        let tokens = [shutdown.clone(), hurry.clone()];
        let task = tokio::spawn(async move {
            for token in tokens {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => break,
                        _ = terminate.recv() => break,
                        _ = hangup.recv() => if ends_with_terminal {
                            break;
                        },
                    }
                    tracing::info!("SIGHUP: tokens, keys and certificates are read as they change");
                }
                token.cancel();
            }
        });
        Ok(Self { shutdown, hurry, _task: AbortOnDropHandle::new(task) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use ingest::Broker;
    use ledger::Genesis;
    use schemas::id::{Micros, SignerId, Tenant};
    use schemas::key::PublicKey;
    use tokio::runtime::Builder;

    use super::*;

    const START: Micros = Micros(1_775_599_200_000_000);

    #[test]
    fn a_last_commit_that_does_not_end_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let key = SigningKey::from_bytes(&[1; 32]);
        let tenant = Tenant::parse("acme").unwrap();
        let genesis = Genesis {
            tenant: tenant.clone(),
            host: "localhost".to_owned(),
            operator: SignerId::parse("operator").unwrap(),
            operator_key: PublicKey::of(&key),
            clock_start: None,
            finds: false,
        };
        let config = ledger::Config { store: place("store"), mark: place("mark") };
        let writer = ledger::create(&config, key, &genesis, START).unwrap();
        let runtime =
            || Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        // Nothing ever runs on the second.
        let (readers, intake) = (runtime(), runtime());
        let ended = readers.block_on(async {
            let shutdown = CancellationToken::new();
            shutdown.cancel();
            let server = Server {
                writer,
                listener: http::listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap(),
                ingest: ingest::Config::new(Broker::at("nats://127.0.0.1:4222"), tenant),
                intake: intake.handle().clone(),
                copies: place("copies"),
                clock: Clock::simulated(START),
                access: Access::default(),
                policy: None,
                routing: Routing { routes: Vec::new(), position: place("routes") },
            };
            server.run(shutdown).await
        });
        assert!(matches!(ended, Err(ServeError::Late)), "{ended:?}");
    }
}
