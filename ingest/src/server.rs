//! A nats-server of our own: found, checked, started, stopped.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use schemas::id::hex;
use schemas::limits::BROKER_PAYLOAD_BYTES_MAX;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout_at};

use crate::orphan;
use crate::version::Version;

/// Path of the executable, instead of looking for one.
const VARIABLE: &str = "SWORN_NATS_SERVER";
/// Where the setup script puts its own, below the cache directory.
const CACHED: &str = "sworn/nats-server-2.15.1/nats-server";
/// The port that is tried first. 4222 is left to the system's server.
const PORT: u16 = 14222;
/// Attempts to find a free port that nobody takes before the server does.
const PORTS_TRIED_MAX: u32 = 8;
/// Its configuration, below its directory.
pub(crate) const CONFIGURATION: &str = "nats-server.conf";
/// Where it writes its process id.
pub(crate) const PID: &str = "nats-server.pid";
/// How long a server may take to start or to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Longest greeting that is read.
const GREETING_BYTES_MAX: u64 = 16 << 10;
/// How often a starting server is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// No nats-server could be found, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nothing found.
    #[error("no nats-server was found (looked at {VARIABLE}, PATH and {cache}); needed {needed} or later", cache = .cache.display(), needed = Version::NEEDED)]
    Absent {
        /// Where one would be kept.
        cache: PathBuf,
    },
    /// Too old.
    #[error("found nats-server {found} at {path}, needed {needed} or later: older ones silently drop options", path = .path.display(), needed = Version::NEEDED)]
    TooOld {
        /// Where.
        path: PathBuf,
        /// Its version.
        found: Version,
    },
    /// Something else.
    #[error("{path} does not run as a nats-server", path = .0.display())]
    Other(PathBuf),
    /// Not executable, not readable, not writable.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory's name cannot be written into a configuration.
    #[error("{path} is not a name that nats-server's configuration can hold", path = .0.display())]
    Name(PathBuf),
    /// Another process runs its nats-server there.
    #[error("{directory} is in use by another process", directory = .0.display())]
    InUse(PathBuf),
    /// The port that was asked for is in use.
    #[error("port {0} is in use")]
    PortBusy(u16),
    /// It ended at once.
    #[error("nats-server ended with {status}; its log is {log}", log = .log.display())]
    Ended {
        /// How.
        status: ExitStatus,
        /// Where it says why.
        log: PathBuf,
    },
    /// It takes too long.
    #[error("nats-server did not come up in time; its log is {log}", log = .0.display())]
    Late(PathBuf),
    /// No randomness.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The nats-server to use: `explicit`, else the one that `SWORN_NATS_SERVER` names, else the first on
/// `PATH` that is new enough, else the one that the setup script keeps in the cache directory.
///
/// Runs `nats-server --version`, so it blocks for a moment.
///
/// # Errors
/// [`ServerError::TooOld`] naming found and needed version, when there is none but that;
/// [`ServerError::Absent`] when there is none at all. One that was named is not replaced by another.
pub fn find(explicit: Option<&Path>) -> Result<PathBuf, ServerError> {
    let named = explicit.map(Path::to_owned);
    let named = named.or_else(|| variable(VARIABLE).map(PathBuf::from));
    if let Some(path) = named {
        return check(&path).map(|()| path);
    }
    let on_path = variable("PATH").unwrap_or_default();
    let cached = cache().join(CACHED);
    let places = std::env::split_paths(&on_path).map(|directory| directory.join("nats-server"));
    let mut refused = None;
    // An empty part of PATH would mean the working directory, where anybody may have put anything.
    let places = places.chain([cached.clone()]).filter(|path| path.is_absolute());
    for path in places.filter(|path| path.is_file()) {
        match check(&path) {
            Ok(()) => return Ok(path),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or(ServerError::Absent { cache: cached }))
}

fn at(path: &Path, source: io::Error) -> ServerError {
    ServerError::File { path: path.to_owned(), source }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn cache() -> PathBuf {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default()
}

fn check(path: &Path) -> Result<(), ServerError> {
    let asked = std::process::Command::new(path).arg("--version").stdin(Stdio::null()).output();
    let answer = asked.map_err(|source| at(path, source))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let version = text.strip_prefix("nats-server: ").and_then(Version::parse);
    match version {
        Some(version) if version >= Version::NEEDED => Ok(()),
        Some(found) => Err(ServerError::TooOld { path: path.to_owned(), found }),
        None => Err(ServerError::Other(path.to_owned())),
    }
}

/// A nats-server that is ours alone: on loopback, without authentication, killed when dropped.
#[derive(Debug)]
pub struct OwnServer {
    binary: PathBuf,
    port: u16,
    version: String,
    process: Child,
    /// Lets go of the directory when closed, also by our own sudden end.
    _lock: File,
}

/// Starts a nats-server that keeps its streams in `dir`, on `port` or else on 14222 or any free port.
///
/// Started again with the same directory and port, it has what it had before. Its log is
/// `nats-server.log` in `dir`.
///
/// # Errors
/// [`ServerError`] when the port asked for is in use or the server does not come up.
pub async fn start(binary: &Path, dir: &Path, port: Option<u16>) -> Result<OwnServer, ServerError> {
    std::fs::create_dir_all(dir).map_err(|source| at(dir, source))?;
    // An absolute name, because the server resolves others against its own directory.
    let dir = dir.canonicalize().map_err(|source| at(dir, source))?;
    let lock = orphan::lock(&dir)?;
    orphan::end(binary, &dir).await?;
    let (port, (process, version)) = match port {
        Some(port) if !is_free(port) => return Err(ServerError::PortBusy(port)),
        Some(port) => (port, launch(binary, &dir, port).await?),
        None => launch_anywhere(binary, &dir).await?,
    };
    tracing::info!(port, version, "own nats-server started");
    Ok(OwnServer { binary: binary.to_owned(), port, version, process, _lock: lock })
}

/// A server that runs, and its version.
type Launched = (Child, String);

async fn launch_anywhere(binary: &Path, dir: &Path) -> Result<(u16, Launched), ServerError> {
    let mut port = PORT;
    let mut tried = 0;
    loop {
        if !is_free(port) {
            port = any_port().map_err(|source| at(dir, source))?;
        }
        tried += 1;
        match launch(binary, dir, port).await {
            // Most likely somebody took the port since; the last attempt's error says what it was.
            Err(ServerError::Ended { .. }) if tried < PORTS_TRIED_MAX => {
                port = any_port().map_err(|source| at(dir, source))?;
            }
            end => return end.map(|launched| (port, launched)),
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn any_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn launch(binary: &Path, dir: &Path, port: u16) -> Result<Launched, ServerError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    // Under this name we know it again when it answers, should another server have the port.
    let name = format!("sworn-{}", hex(&random));
    let (file, log) = (dir.join(CONFIGURATION), dir.join("nats-server.log"));
    std::fs::write(&file, configuration(&name, dir, port)?).map_err(|source| at(&file, source))?;
    let sink = File::options().create(true).append(true).open(&log);
    let sink = sink.map_err(|source| at(&log, source))?;
    let errors = sink.try_clone().map_err(|source| at(&log, source))?;
    let mut process = Command::new(binary)
        .arg("--config")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(sink)
        .stderr(errors)
        // ^C in the terminal is for us; we stop the server when we are done with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| at(binary, source))?;
    let version = come_up(&mut process, port, &name, log).await?;
    Ok((process, version))
}

/// Waits until the server says its name, or has ended. Gives its version.
async fn come_up(
    process: &mut Child,
    port: u16,
    name: &str,
    log: PathBuf,
) -> Result<String, ServerError> {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = interval(LOOK);
    loop {
        let answer = timeout_at(deadline, async {
            looks.tick().await;
            greeting(port).await
        });
        match answer.await {
            Err(_elapsed) => return Err(ServerError::Late(log)),
            Ok(Some((said, version))) if said == name => return Ok(version),
            Ok(_not_yet) => {}
        }
        if let Some(status) = process.try_wait().map_err(|source| at(&log, source))? {
            return Err(ServerError::Ended { status, log });
        }
    }
}

fn configuration(name: &str, dir: &Path, port: u16) -> Result<String, ServerError> {
    let text = dir.to_str().filter(|text| !text.chars().any(char::is_control));
    let text = text.ok_or_else(|| ServerError::Name(dir.to_owned()))?;
    let dir = text.replace('\\', "\\\\").replace('"', "\\\"");
    let (store, pid) = (format!("{dir}/jetstream"), format!("{dir}/{PID}"));
    Ok(format!(
        "# Written at each start.\nserver_name: \"{name}\"\nhost: \"127.0.0.1\"\nport: {port}\n\
         max_payload: {BROKER_PAYLOAD_BYTES_MAX}\npid_file: \"{pid}\"\n\
         jetstream {{\n  store_dir: \"{store}\"\n}}\n"
    ))
}

impl OwnServer {
    /// `nats://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its version, like `2.15.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Asks it to end (SIGTERM) and waits until it has; kills it if it takes too long.
    ///
    /// # Errors
    /// [`ServerError::File`] when its end could not be waited for.
    pub async fn stop(mut self) -> Result<(), ServerError> {
        let failed = |source| at(&self.binary, source);
        let Some(id) = self.process.id() else { return Ok(()) };
        let deadline = Instant::now() + PATIENCE;
        let asked = timeout_at(deadline, orphan::terminate(&self.binary, id)).await;
        if asked.is_ok_and(|asked| asked)
            && let Ok(ended) = timeout_at(deadline, self.process.wait()).await
        {
            return ended.map(drop).map_err(failed);
        }
        self.process.kill().await.map_err(failed)
    }
}

/// Name and version that a server on `port` gives in its first line: `INFO {...}`.
async fn greeting(port: u16) -> Option<(String, String)> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(GREETING_BYTES_MAX)).read_line(&mut line).await.ok()?;
    let info: serde_json::Value = serde_json::from_str(line.strip_prefix("INFO ")?).ok()?;
    let text = |field| Some(info.get(field)?.as_str()?.to_owned());
    Some((text("server_name")?, text("version")?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_directory_stays_one_value_of_the_configuration() {
        let text = configuration("n", Path::new("/a \"b\\c }"), 1).unwrap();
        assert!(text.contains("store_dir: \"/a \\\"b\\\\c }/jetstream\"\n"), "{text}");
        assert!(configuration("n", Path::new("/a\nb"), 1).is_err());
    }
}
