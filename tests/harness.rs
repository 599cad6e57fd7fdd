//! A world of its own for each test: nats-server, ledger and `sworn serve` as real processes.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use ingest::{Broker, OwnServer, Publisher};
use schemas::id::{Index, Micros, SignerId, sha256};
use schemas::key::PublicKey;
use schemas::kind::Stream;
use schemas::leaf::Leaf;
use schemas::reply::{Fate, Outcome, Reply};

use crate::signer::{Signer, tenant};

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The binary under test.
pub(crate) const SWORN: &str = env!("CARGO_BIN_EXE_sworn");

/// A deadline for [`Publisher`].
pub(crate) fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + PATIENCE
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        // The pace of asking, not a wait for anything to happen.
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A port that nobody listens on. It lies below those that the system gives to outgoing connections, and each is given
/// once, so that nobody takes it before the server does. Only asked for, never opened: a process that is being started
/// beside us holds for a moment whatever we have open, and the server would find it busy.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 100).unwrap() * 200;
    let ports = std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed) % 2000);
    ports.take(2000).find(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()).unwrap()
}

/// A world.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) operator: Signer,
    nats: Option<OwnServer>,
    nats_port: u16,
    server: Option<Child>,
    http_port: u16,
    ledger_key: SigningKey,
    key_name: String,
    /// What events leave free on the disk, in MiB: nothing, however little this machine has.
    pub(crate) reserve_mib: u32,
}

impl World {
    /// With a ledger that holds its genesis entry, and the server running.
    pub(crate) fn new() -> Self {
        Self::founded(false)
    }

    /// The same, and findings follow what breaks a rule.
    pub(crate) fn finding() -> Self {
        Self::founded(true)
    }

    fn founded(finds: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let binary = ingest::find(None).unwrap();
        let nats_directory = directory.path().join("nats");
        let start = || runtime.block_on(ingest::start(&binary, &nats_directory, Some(free_port())));
        // Starting tries the port by opening it, and the same holds for that.
        let nats = std::iter::repeat_with(start)
            .find(|started| !matches!(started, Err(ingest::ServerError::PortBusy(_))))
            .unwrap()
            .unwrap();
        let ledger_signer = Signer::new("ledger");
        ledger_signer.save(&directory.path().join("ledger.key"));
        let operator = Signer::new("operator");
        operator.save(&directory.path().join("operator.key"));
        let mut world = Self {
            nats_port: nats.port(),
            nats: Some(nats),
            runtime,
            operator,
            server: None,
            http_port: free_port(),
            ledger_key: ledger_signer.key,
            key_name: "ledger.key".to_owned(),
            reserve_mib: 0,
            directory,
        };
        let genesis = ledger::Genesis {
            tenant: tenant(),
            host: "ledger.example".to_owned(),
            operator: world.operator.id.clone(),
            operator_key: world.operator.public(),
            clock_start: None,
            finds,
        };
        let now = Micros(jiff::Timestamp::now().as_microsecond().unsigned_abs());
        ledger::create(&world.ledger_config(), world.ledger_key.clone(), &genesis, now).unwrap();
        world.serve();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn ledger_config(&self) -> ledger::Config {
        ledger::Config {
            store: self.path("data/store"),
            mark: self.path("mark").join(format!("{}.note", tenant())),
        }
    }

    pub(crate) fn ledger_public(&self) -> PublicKey {
        PublicKey::of(&self.ledger_key)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http_port)
    }

    pub(crate) fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.nats_port)
    }

    /// Starts the server and waits until it takes submissions in.
    pub(crate) fn serve(&mut self) {
        self.serve_with(&[]);
    }

    /// Starts the server with more arguments, and waits until it takes submissions in.
    pub(crate) fn serve_with(&mut self, arguments: &[&str]) {
        self.server = Some(self.spawn(arguments));
        self.answers("/readyz");
    }

    /// Starts the server and waits until it answers readers, whether it takes submissions in or not.
    pub(crate) fn serve_readers(&mut self) {
        self.server = Some(self.spawn(&[]));
        self.answers("/livez");
    }

    fn answers(&mut self, path: &str) {
        let asked = self.url(path);
        until("the server", || {
            let server = self.server.as_mut().unwrap();
            if let Some(status) = server.try_wait().unwrap() {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            ureq::get(&asked).call().ok()
        });
    }

    /// Starts a server that must end by itself; gives its exit code.
    pub(crate) fn refused(&self) -> Option<i32> {
        self.refused_with(&[])
    }

    /// The same, with more arguments.
    pub(crate) fn refused_with(&self, arguments: &[&str]) -> Option<i32> {
        self.spawn(arguments).wait().unwrap().code()
    }

    /// Rotates the key of a stopped server's ledger to one in `new.key`; gives what the command says.
    pub(crate) fn rotate_key(&self) -> Output {
        let [data, mark, old, new] = ["data", "mark", &self.key_name, "new.key"]
            .map(|name| self.path(name).display().to_string());
        let place = ["--data", &data, "--mark", &mark, "--host", "ledger.example"];
        let keys = ["admin", "rotate-key", "--new-key", &new, "--key", &old];
        let rotated = self.sworn(&[&keys[..], &place].concat());
        assert!(rotated.status.success(), "{}", text(&rotated));
        rotated
    }

    /// Serves with another key file of the world's from now on.
    pub(crate) fn set_key(&mut self, name: &str) {
        name.clone_into(&mut self.key_name);
    }

    /// What servers have logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap()
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("serve.log"))
            .unwrap();
        Command::new(SWORN)
            .args(["serve", "--tenant", tenant().as_str(), "--host", "ledger.example"])
            .arg("--key")
            .arg(self.path(&self.key_name))
            .args(arguments)
            .args(["--listen", &format!("127.0.0.1:{}", self.http_port)])
            .args(["--nats", &self.nats_url()])
            .arg("--data")
            .arg(self.path("data"))
            .arg("--mark")
            .arg(self.path("mark"))
            .env("SWORN_STORE_RESERVE_MIB", self.reserve_mib.to_string())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn server_id(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.server_id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.server.take().unwrap().wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Stops nats-server; [`World::restart_nats`] is not for afterwards.
    pub(crate) fn stop_nats(&mut self) {
        let nats = self.nats.take().unwrap();
        self.runtime.block_on(nats.stop()).unwrap();
    }

    /// Restarts nats-server on the same port with what it had.
    pub(crate) fn restart_nats(&mut self) {
        let binary = ingest::find(None).unwrap();
        let nats = self.nats.take().unwrap();
        let directory = self.path("nats");
        let port = self.nats_port;
        self.nats = Some(self.runtime.block_on(async {
            nats.stop().await.unwrap();
            ingest::start(&binary, &directory, Some(port)).await.unwrap()
        }));
    }

    pub(crate) fn connect(&self, signer: &SignerId) -> Publisher {
        let broker = Broker::at(&self.nats_url());
        self.runtime.block_on(Publisher::connect(&broker, &tenant(), signer)).unwrap()
    }

    /// Submits and waits for the reply.
    pub(crate) fn submit(
        &self,
        publisher: &Publisher,
        message: &[u8],
        stream: Stream,
    ) -> std::sync::Arc<Reply> {
        let sent = publisher.publish_until_receipted(message.to_vec(), stream, deadline());
        self.runtime.block_on(sent).unwrap()
    }

    /// Registers an agent through the broker.
    pub(crate) fn agent(&mut self, id: &str) -> Signer {
        let agent = Signer::new(id);
        let messages = self.operator.register(&agent);
        let publisher = self.connect(&self.operator.id);
        for message in messages {
            let reply = self.submit(&publisher, &message, Stream::Op);
            assert!(matches!(reply.outcomes[0].fate, Fate::Committed(_)), "{reply:?}");
        }
        agent
    }

    /// JSON of the API.
    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        let mut response = ureq::get(self.url(path)).call().unwrap();
        response.body_mut().read_json().unwrap()
    }

    /// Runs a command of the product against this world.
    pub(crate) fn sworn(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Starts a command that goes on while the test does, and is talked to.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SWORN);
        command
            .args(arguments)
            .env("SWORN_URL", self.url(""))
            .env("SWORN_NATS_URL", self.nats_url())
            .env("SWORN_TENANT", tenant().as_str())
            .env("HOME", self.directory.path())
            .env_remove("XDG_STATE_HOME")
            .current_dir(self.directory.path());
        command
    }

    /// Verifies the whole ledger, which nobody may have open.
    pub(crate) fn audit(&self) -> ledger::Report {
        let config = self.ledger_config();
        let mark = ledger::read_mark(&config.mark).unwrap();
        let audit = ledger::Audit {
            store: &config.store,
            trust: Some(self.ledger_public()),
            mark: mark.as_deref(),
            state: None,
        };
        ledger::audit(&audit, &|_| ()).unwrap()
    }

    /// Opens the ledger of a stopped server.
    pub(crate) fn open(&self) -> ledger::Ledger {
        ledger::open(&self.ledger_config(), self.ledger_key.clone()).unwrap().ledger()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Verifies the receipt of a committed or duplicate event; gives its index.
pub(crate) fn verified(outcome: &Outcome, message: &[u8], ledger: &PublicKey) -> Index {
    let (Fate::Committed(receipt) | Fate::Duplicate(receipt)) = &outcome.fate else {
        panic!("not committed: {outcome:?}");
    };
    let found = schemas::receipt::verify(receipt, &outcome.leaf, ledger.verifying_key()).unwrap();
    let leaf = Leaf::decode(&outcome.leaf).unwrap();
    let opened = schemas::submission::open(message).unwrap();
    assert_eq!(leaf.statement.0, sha256(opened.statement().bytes()));
    assert_eq!((found.index, leaf.index), (outcome.index, outcome.index));
    outcome.index
}

/// Size of the newest published checkpoint, once it covers the whole log.
pub(crate) fn published(world: &World) -> u64 {
    until("the newest checkpoint", || {
        let size = world.get("/api/v1/status")["size"].as_u64().unwrap();
        let newest = world.get("/api/v1/checkpoints");
        (newest["size"].as_u64() == Some(size)).then_some(size)
    })
}

/// What a command wrote, to either stream.
pub(crate) fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Puts a copy of a directory where another one may be.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}
