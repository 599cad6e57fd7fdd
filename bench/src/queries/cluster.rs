//! A PostgreSQL of our own, started for the benchmark.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::postgres::Postgres;
use crate::round::Failure;

/// Where it is installed, newest first, when it is not in the path.
const PLACES: &[&str] = &["/usr/lib/postgresql/15/bin", "/usr/local/bin", "/usr/bin"];
/// What somebody would set who has read the manual, on a machine of 16 GiB or more, beside [`memory`].
const SETTINGS: &[&str] = &[
    "work_mem=64MB",
    "maintenance_work_mem=1GB",
    "random_page_cost=1.1",
    "max_wal_size=1GB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "synchronous_commit=off",
    "jit=off",
    "listen_addresses=''",
];

/// A running server; it stops when this is dropped.
pub(crate) struct Cluster {
    binaries: PathBuf,
    data: PathBuf,
    sockets: TempDir,
    user: Option<User>,
}

/// Whom it runs as: it refuses to run as root.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Starts a server over `data`, which is made if it is not there; `None` if PostgreSQL is not installed.
    pub(crate) fn start(data: &Path) -> Result<Option<Self>, Failure> {
        let installed = |place: &&&str| Path::new(place).join("pg_ctl").exists();
        let Some(binaries) = PLACES.iter().find(installed) else { return Ok(None) };
        let user = user()?;
        let sockets = tempfile::tempdir()?;
        fs::create_dir_all(data)?;
        if let Some(User { uid, gid }) = user {
            chown(data, Some(uid), Some(gid))?;
            chown(sockets.path(), Some(uid), Some(gid))?;
        }
        let data = fs::canonicalize(data)?;
        let cluster = Self { binaries: PathBuf::from(binaries), data, sockets, user };
        if !cluster.data.join("PG_VERSION").exists() {
            let made = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N"];
            cluster.call("initdb", made.map(OsStr::new))?;
        }
        let settings: String = SETTINGS.iter().map(|setting| format!("-c {setting} ")).collect();
        let sockets = cluster.sockets.path().display();
        let memory = memory(&fs::read_to_string("/proc/meminfo")?)?;
        let options = format!("{settings}{memory} -c unix_socket_directories={sockets} -p 5432");
        let log = cluster.data.join("log.txt");
        let asked = ["-w", "-t", "300", "-l"].map(OsStr::new);
        let asked = asked.into_iter().chain([log.as_os_str(), "-o".as_ref(), options.as_ref()]);
        cluster.call("pg_ctl", asked.chain(["start".as_ref()]))?;
        Ok(Some(cluster))
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<Postgres, Failure> {
        Postgres::local(self.sockets.path(), "postgres")
    }

    fn call<'a>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<(), Failure> {
        let mut command = Command::new(self.binaries.join(program));
        command.arg("-D").arg(&self.data).args(arguments).current_dir("/");
        if let Some(User { uid, gid }) = self.user {
            command.uid(uid).gid(gid);
        }
        // The server inherits what this has open, so nothing may wait for its end.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        let data = self.data.display();
        let failed = || format!("{program} over {data} failed ({status}); see log.txt there");
        if status.success() { Ok(()) } else { Err(failed().into()) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stop = ["-m", "fast", "-w", "stop"].map(OsStr::new);
        if let Err(error) = self.call("pg_ctl", stop) {
            eprintln!("{error}");
        }
    }
}

/// What the manual says of memory: a quarter of the machine's for itself, and to count on twice as much in the system's
/// cache.
fn memory(meminfo: &str) -> Result<String, Failure> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB"));
    let total: u64 = total.ok_or("no MemTotal in /proc/meminfo")?.trim().parse()?;
    Ok(format!("-c shared_buffers={}kB -c effective_cache_size={}kB", total / 4, total / 2))
}

/// The user of that name, if we are root.
fn user() -> Result<Option<User>, Failure> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let mut fields = users.lines().find_map(|line| line.strip_prefix("postgres:")).map(|line| {
        let mut numbers = line.split(':').skip(1).map(str::parse::<u32>);
        (numbers.next(), numbers.next())
    });
    match fields.take() {
        Some((Some(Ok(uid)), Some(Ok(gid)))) => Ok(Some(User { uid, gid })),
        _ => Err("PostgreSQL does not run as root, and there is no user named postgres".into()),
    }
}
