//! Our own nats-server: one owner, a port of its own, the same streams when started again.

use ingest::{OwnServer, ServerError, Version};
use tokio::io::AsyncReadExt as _;

use crate::world::soon;

async fn start(directory: &tempfile::TempDir, port: Option<u16>) -> Result<OwnServer, ServerError> {
    ingest::start(&ingest::find(None).unwrap(), directory.path(), port).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_never_share_a_directory_or_a_port() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = start(&one, None).await.unwrap();
    let shared = start(&one, None).await;
    assert!(matches!(shared, Err(ServerError::InUse(_))), "{shared:?}");
    let port = first.port();
    let busy = start(&two, Some(port)).await;
    assert!(matches!(busy, Err(ServerError::PortBusy(found)) if found == port), "{busy:?}");
    let second = start(&two, None).await.unwrap();
    assert_ne!(second.port(), port);
    assert!(Version::parse(first.version()).unwrap() >= Version::NEEDED);
    assert_eq!(first.url(), format!("nats://127.0.0.1:{port}"));
    first.stop().await.unwrap();
    let again = start(&one, Some(port)).await.unwrap();
    assert_eq!(again.port(), port);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_owner_was_killed_is_ended_first() {
    let directory = tempfile::tempdir().unwrap();
    start(&directory, None).await.unwrap().stop().await.unwrap();
    // Started by somebody who is gone: nobody holds the lock.
    let path = directory.path().canonicalize().unwrap();
    let mut orphan = tokio::process::Command::new(ingest::find(None).unwrap())
        .arg("--config")
        .arg(path.join("nats-server.conf"))
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = orphan.stderr.take().unwrap();
    let mut text = String::new();
    while !text.contains("Server is ready") {
        let mut bytes = [0; 4096];
        let read = soon(log.read(&mut bytes)).await.unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    let server = tokio::join!(start(&directory, None), async {
        soon(orphan.wait()).await.unwrap();
    });
    server.0.unwrap().stop().await.unwrap();
}
