//! The disk of the store: looked at again and again, so that events wait before it is full.
//!
//! A write that fails for want of room ends the process; what waits at the broker is not lost.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ingest::Room;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

/// How often it is looked at.
const PACE: Duration = Duration::from_secs(1);

/// Where the store is, and how many bytes events leave free there.
pub(crate) struct Disk {
    pub(crate) store: PathBuf,
    pub(crate) reserve: u64,
}

impl Disk {
    /// Its room as it is now, and then for as long as the task is kept, which runs on `runtime`.
    ///
    /// # Errors
    /// When the file system does not say.
    pub(crate) fn watched(
        self,
        runtime: &Handle,
    ) -> io::Result<(watch::Receiver<Room>, AbortOnDropHandle<()>)> {
        let room = self.room()?;
        if room.is_short() {
            tell(room);
        }
        let (sender, receiver) = watch::channel(room);
        let watching = runtime.spawn(watch(Arc::new(self), sender));
        Ok((receiver, AbortOnDropHandle::new(watching)))
    }

    /// Its room as it is now.
    ///
    /// # Errors
    /// When the file system does not say.
    pub(crate) fn room(&self) -> io::Result<Room> {
        let disk = rustix::fs::statvfs(self.store.as_path())?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(Room { free, reserve: self.reserve })
    }
}

async fn watch(disk: Arc<Disk>, sender: watch::Sender<Room>) {
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let disk = Arc::clone(&disk);
        // One call of the system, but of a disk that may hang.
        let seen = spawn_blocking(move || disk.room()).await;
        match seen.unwrap_or_else(|error| Err(error.into())) {
            Ok(room) => {
                let before = sender.send_replace(room);
                if before.is_short() != room.is_short() {
                    tell(room);
                }
            }
            Err(error) => tracing::error!(%error, "the room on the store's disk is not known"),
        }
    }
}

fn tell(room: Room) {
    let Room { free, reserve } = room;
    if room.is_short() {
        tracing::error!(free, reserve, "the disk is short: events wait at the broker");
    } else {
        tracing::info!(free, reserve, "the disk has room again: events come in");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_disk_says_what_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let disk = |reserve| Disk { store: directory.path().to_owned(), reserve };
        assert!(disk(u64::MAX).room().unwrap().is_short());
        assert!(!disk(0).room().unwrap().is_short());
        let gone = Disk { store: directory.path().join("gone"), reserve: 0 };
        assert_eq!(gone.room().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
