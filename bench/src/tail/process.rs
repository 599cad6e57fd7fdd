//! Servers in processes of their own, so that what is measured of them is not their clients' part.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ingest::{Broker, OwnServer, Publisher};
use schemas::id::{Micros, hex};
use schemas::key::PublicKey;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::events::{START_US, Workload, key, tenant};
use crate::ingest::{checked, create};
use crate::receipts;
use crate::round::Failure;

/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pace of asking whether it is.
const PACE: Duration = Duration::from_millis(20);

/// Lets this process, and those it starts from now on, open as many files as it may: both ends of every connection
/// are one.
pub(crate) fn allow_many_files() -> Result<(), Failure> {
    let raise = "prlimit --pid $PPID --nofile=$(ulimit -Hn):";
    match Command::new("sh").args(["-c", raise]).status()?.success() {
        true => Ok(()),
        false => Err("the limit of open files could not be raised".into()),
    }
}

/// A server, which ends with this.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// A server of constant frames: this program, started once more.
    pub(crate) fn constant(frames: usize) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--tail", "--constant", &frames.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// CPU time that it has used, from Linux's own account.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in the second field may hold anything, so what follows it is counted from its end.
        let rest = text.rsplit(')').next().unwrap_or_default();
        let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        // A hundred ticks a second on every machine that Linux runs on.
        let ticks = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Memory that it occupies, in kibibytes; what the kernel holds for its connections is not part of it.
    pub(crate) fn memory_kib(&self) -> Result<u64, Failure> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
        Ok(kib.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// `sworn serve` with a ledger that knows the agents of a workload, and its broker.
pub(crate) struct Sworn {
    pub(crate) process: Process,
    pub(crate) publishers: Vec<Publisher>,
    /// Entries that were there when it started.
    pub(crate) first: usize,
    _nats: OwnServer,
    _directory: tempfile::TempDir,
}

impl Sworn {
    /// Starts it and waits until it takes submissions in.
    pub(crate) async fn start(workload: &Workload) -> Result<Self, Failure> {
        let binary = binary()?;
        let directory = tempfile::tempdir()?;
        let path = directory.path();
        let data = path.join("data");
        let first = {
            let mut writer = create(&data, false)?;
            let keys = writer.ledger().key_set();
            writer.append(checked(&workload.registrations, &keys), Micros(START_US), &[])?;
            usize::try_from(writer.ledger().head().size.0)?
        };
        let key_file = path.join("ledger.key");
        save_key(&key_file)?;
        let broker = ingest::find(None)?;
        let nats = ingest::start(&broker, &path.join("nats"), None).await?;
        let address = free_address()?;
        let child = Command::new(&binary)
            .args(["serve", "--tenant", tenant().as_str(), "--host", "bench.example"])
            .args(["--listen", &address.to_string(), "--nats", &nats.url(), "--data"])
            .arg(&data)
            .arg("--mark")
            .arg(data.join("mark"))
            .arg("--key")
            .arg(&key_file)
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(path.join("log"))?)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut process = Process { child, address };
        if let Err(failure) = ready(&mut process).await {
            let log = std::fs::read_to_string(path.join("log")).unwrap_or_default();
            return Err(format!("{failure}: {log}").into());
        }
        let publishers = receipts::connect(&Broker::at(&nats.url()), workload).await?;
        Ok(Self { process, publishers, first, _nats: nats, _directory: directory })
    }

    /// Number of its entries.
    pub(crate) async fn size(&self) -> Result<usize, Failure> {
        let answer = get(self.process.address, "/api/v1/status").await?;
        let size = answer.get("size").and_then(Json::as_u64).ok_or("a status without a size")?;
        Ok(usize::try_from(size)?)
    }
}

/// The product, which is built into the same directory as this program.
fn binary() -> Result<PathBuf, Failure> {
    let binary = std::env::current_exe()?.with_file_name("sworn");
    match binary.is_file() {
        true => Ok(binary),
        false => Err(format!("{} is not there: cargo build", binary.display()).into()),
    }
}

fn save_key(path: &Path) -> Result<(), Failure> {
    let (secret, public) = (key(1), PublicKey::of(&key(1)));
    let text = format!(
        "signer = \"ledger\"\nkid = \"{}\"\npublic = \"{}\"\nseed = \"{}\"\n",
        public.kid(),
        hex(public.as_bytes()),
        hex(secret.as_bytes()),
    );
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

async fn ready(process: &mut Process) -> Result<(), Failure> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = process.child.try_wait()? {
            return Err(format!("the server ended with {status}").into());
        }
        if get(process.address, "/readyz").await.is_ok_and(|answer| answer.get("ready").is_some()) {
            return Ok(());
        }
        sleep(PACE).await;
    }
    Err("the server is not ready".into())
}

/// The JSON at a path.
async fn get(address: SocketAddr, path: &str) -> Result<Json, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    // An answer to HTTP/1.0 ends with its connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a body")?;
    Ok(serde_json::from_str(body)?)
}
