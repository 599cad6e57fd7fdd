//! One owner for a server's directory, and an end for a server whose owner was killed: two servers that
//! write to the same streams destroy them.

use std::fs::{self, File, TryLockError};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::{Instant, interval};

use crate::server::{CONFIGURATION, LOOK, PATIENCE, PID, ServerError};

/// The directory's lock, ours until the file is closed.
pub(crate) fn lock(dir: &Path) -> Result<File, ServerError> {
    let path = dir.join("lock");
    let failed = |source| ServerError::File { path: path.clone(), source };
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServerError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Ends a server that still runs on the directory. Call with the [`lock`] held: then nobody owns it.
pub(crate) async fn end(binary: &Path, dir: &Path) -> Result<(), ServerError> {
    let text = fs::read_to_string(dir.join(PID)).unwrap_or_default();
    let Ok(id) = text.trim().parse() else { return Ok(()) };
    if !runs(id, dir) {
        return Ok(());
    }
    tracing::warn!(id, "a nats-server outlived its owner; ending it");
    terminate(binary, id).await;
    let deadline = Instant::now() + PATIENCE;
    let mut looks = interval(LOOK);
    while runs(id, dir) {
        if looks.tick().await > deadline {
            return Err(ServerError::InUse(dir.to_owned()));
        }
    }
    Ok(())
}

/// Whether the process is a server with this directory's configuration: ids are used again.
fn runs(id: u32, dir: &Path) -> bool {
    let file = dir.join(CONFIGURATION);
    let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|word| word == file.as_os_str().as_bytes())
}

/// Sends SIGTERM, by nats-server's own means. Whether it was sent.
pub(crate) async fn terminate(binary: &Path, id: u32) -> bool {
    let status = Command::new(binary)
        .args(["--signal", &format!("term={id}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.await.is_ok_and(|status| status.success())
}
