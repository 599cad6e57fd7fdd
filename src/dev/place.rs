//! The directory of a development ledger: its keys, its store, its broker's streams.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use schemas::id::{SignerId, Tenant};

use super::DevError;
use crate::keyfile::KeyFile;

/// Tenant of every development ledger.
const TENANT: &str = "dev";
/// File that says whose directory it is, and is locked while it is in use.
const LOCK: &str = "sworn-dev.lock";
/// File with the server's address, while it runs.
const ADDRESS: &str = "address";
/// File with the broker's process id.
const BROKER: &str = "nats-server.pid";
/// File with how far the routes came.
const POSITION: &str = "routes.position";
/// All that `--fresh` removes.
const KEPT: [&str; 8] = ["keys", "store", "mark", "nats", "copies", ADDRESS, BROKER, POSITION];

/// A directory that this process alone uses.
#[derive(Debug)]
pub(crate) struct Place {
    dir: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes the directory, making it if need be.
    ///
    /// # Errors
    /// [`DevError::InUse`]; [`DevError::NotOurs`] for a directory with other things in it.
    pub(crate) fn take(dir: &Path) -> Result<Self, DevError> {
        let failed = |source| DevError::File { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let lock = dir.join(LOCK);
        let foreign = !lock.exists() && fs::read_dir(dir).map_err(failed)?.next().is_some();
        if foreign {
            return Err(DevError::NotOurs(dir.to_owned()));
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: file }),
            Err(TryLockError::WouldBlock) => Err(DevError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Removes everything that an earlier run kept.
    pub(crate) fn wipe(&self) -> Result<(), DevError> {
        for name in KEPT {
            let path = self.dir.join(name);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(DevError::File { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn ledger(&self) -> ledger::Config {
        ledger_in(&self.dir)
    }

    pub(crate) fn copies(&self) -> PathBuf {
        self.dir.join("copies")
    }

    pub(crate) fn position(&self) -> PathBuf {
        self.dir.join(POSITION)
    }

    pub(crate) fn nats(&self) -> PathBuf {
        self.dir.join("nats")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The key of `signer`, made the first time.
    pub(crate) fn key(&self, signer: &str) -> Result<KeyFile, DevError> {
        let path = self.keys().join(format!("{signer}.key"));
        if path.exists() {
            return Ok(KeyFile::load(&path)?);
        }
        let keys = self.keys();
        let failed = |source| DevError::File { path: keys.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(failed)?;
        let signer = SignerId::parse(signer).ok_or_else(|| DevError::Name(signer.to_owned()))?;
        let key = KeyFile::generate(signer);
        key.save(&path)?;
        Ok(key)
    }

    /// The broker that an earlier run left behind, if it still runs: two must not share one directory.
    pub(crate) fn orphan(&self) -> Option<u32> {
        let id = fs::read_to_string(self.dir.join(BROKER)).ok()?.trim().parse().ok()?;
        let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let directory = self.nats().canonicalize().ok()?;
        let named = directory.as_os_str().as_bytes();
        // The number may have come round to some other process since.
        let ours = command.windows(named.len()).any(|window| window == named);
        ours.then_some(id)
    }

    /// Remembers the broker's process, so that a later run knows it again.
    pub(crate) fn note_broker(&self, id: u32) -> Result<(), DevError> {
        let path = self.dir.join(BROKER);
        fs::write(&path, id.to_string()).map_err(|source| DevError::File { path, source })
    }

    /// Says where the server listens.
    pub(crate) fn announce(&self, url: &str) -> Result<Announced, DevError> {
        let path = self.dir.join(ADDRESS);
        fs::write(&path, url).map_err(|source| DevError::File { path: path.clone(), source })?;
        Ok(Announced(path))
    }
}

/// The server's address is in its file until this is dropped.
#[derive(Debug)]
pub(crate) struct Announced(PathBuf);

impl Drop for Announced {
    fn drop(&mut self) {
        // Left behind, it names a server that does not answer: whoever reads it copes with that.
        let _ = fs::remove_file(&self.0);
    }
}

/// Where the server of the development ledger in `dir` listens, if one runs.
pub(crate) fn announced(dir: &Path) -> Option<String> {
    fs::read_to_string(dir.join(ADDRESS)).ok()
}

/// The ledger's files in a development directory.
pub(crate) fn ledger_in(dir: &Path) -> ledger::Config {
    ledger::Config {
        store: dir.join("store"),
        mark: dir.join("mark").join(format!("{TENANT}.note")),
    }
}

/// The ledger's own key in a development directory.
pub(crate) fn ledger_key_in(dir: &Path) -> PathBuf {
    dir.join("keys").join(format!("{LEDGER_KEY}.key"))
}

/// The signer of the ledger's own entries.
pub(crate) const LEDGER_KEY: &str = schemas::body::LEDGER_SIGNER;

/// The tenant.
pub(crate) fn tenant() -> Tenant {
    Tenant::parse(TENANT).expect("the name is one")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_directory_is_used_once_and_wiped_only_if_ours() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("dev");
        let place = Place::take(&dir).unwrap();
        assert!(matches!(Place::take(&dir), Err(DevError::InUse(_))));
        let first = place.key("a").unwrap().kid();
        assert_eq!(place.key("a").unwrap().kid(), first);
        fs::write(dir.join("notes.txt"), "mine").unwrap();
        place.wipe().unwrap();
        assert!(dir.join("notes.txt").exists() && !dir.join("keys").exists());
        assert_ne!(place.key("a").unwrap().kid(), first);
        drop(place);
        crate::patience::soon(|| Place::take(&dir));
        assert!(matches!(Place::take(temp.path()), Err(DevError::NotOurs(_))));
    }

    #[test]
    fn only_a_broker_of_this_directory_is_an_orphan() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::take(temp.path()).unwrap();
        fs::create_dir(place.nats()).unwrap();
        assert_eq!(place.orphan(), None);
        // This very process runs, but on no such directory.
        place.note_broker(std::process::id()).unwrap();
        assert_eq!(place.orphan(), None);
        let named = place.nats().canonicalize().unwrap();
        let waits = std::process::Command::new("sh")
            .args(["-c", "echo here; read line"])
            .arg(named.join("nats-server.conf"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = waits.unwrap();
        // Until it says so, the system may not know its command line yet.
        child.stdout.take().unwrap().read_exact(&mut [0; 5]).unwrap();
        place.note_broker(child.id()).unwrap();
        assert_eq!(place.orphan(), Some(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(place.orphan(), None);
    }

    #[test]
    fn an_address_is_there_while_the_server_is() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::take(temp.path()).unwrap();
        assert_eq!(announced(temp.path()), None);
        let announcement = place.announce("http://127.0.0.1:1").unwrap();
        assert_eq!(announced(temp.path()).as_deref(), Some("http://127.0.0.1:1"));
        drop(announcement);
        assert_eq!(announced(temp.path()), None);
    }
}
