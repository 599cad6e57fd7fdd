//! TLS by real connections: both protocols, and a client that says nothing.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use schemas::limits::HTTP_HEADER_S_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_util::sync::CancellationToken;

use super::super::{Guard, Tls, TlsError, guarded, serve};
use crate::client::{Client, authorities_in};
use crate::clock::Clock;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// The server's key, kept as it has to be.
fn private_key() -> tempfile::TempPath {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), std::fs::read(file("server.key")).unwrap()).unwrap();
    key.into_temp_path()
}

async fn listening(shutdown: &CancellationToken) -> SocketAddr {
    let tls = Tls::load(&file("server.pem"), &private_key()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/livez", get(|| async { "ok\n" }));
    let router = guarded(router, Guard::new(Clock::system()));
    tokio::spawn(serve(listener, Some(tls), router, shutdown.clone()));
    address
}

async fn greet(address: SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("authority.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_knows_the_server_by_its_authority_alone() {
    let shutdown = CancellationToken::new();
    let address = listening(&shutdown).await;
    let url = format!("https://localhost:{}", address.port());
    let asked = tokio::task::spawn_blocking(move || {
        let authorities = authorities_in(&file("authority.pem")).unwrap();
        let known = Client::with(&url, None, Some(authorities)).unwrap();
        let stranger = Client::new(&url).unwrap();
        (known.bytes("/livez", &[], "text/plain"), stranger.bytes("/livez", &[], "text/plain"))
    });
    let (known, stranger) = asked.await.unwrap();
    assert_eq!(known.unwrap(), b"ok\n");
    assert!(stranger.is_err());
    shutdown.cancel();
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn http2_is_spoken_where_the_client_asks_for_it() {
    let shutdown = CancellationToken::new();
    let address = listening(&shutdown).await;
    let mut stream = greet(address, b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    // GET, https, /livez, localhost: RFC 7541 §6, names by index, values in full.
    let head = [b"\x82\x87\x04\x06/livez\x01\x09localhost".as_slice()].concat();
    let mut asked = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    asked.extend(frame(4, 0, 0, &[]));
    asked.extend(frame(1, 5, 1, &head));
    stream.write_all(&asked).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            // The status 200 by its index.
            assert_eq!(payload[0], 0x88);
            break;
        }
    }
    shutdown.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_nothing_is_cut() {
    let shutdown = CancellationToken::new();
    let address = listening(&shutdown).await;
    let deadline = Duration::from_secs(HTTP_HEADER_S_MAX * 3);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(deadline, silent.read_to_end(&mut rest)).await.unwrap().unwrap();
    let mut greeted = greet(address, b"h2").await;
    let cut = tokio::time::timeout(deadline, greeted.read_to_end(&mut rest)).await;
    assert!(cut.is_ok(), "the connection is still open");
}

#[test]
fn what_is_no_certificate_is_named() {
    let (certificate, key, exposed) = (file("server.pem"), private_key(), private_key());
    let load = |certificate: &Path, key: &Path| Tls::load(certificate, key).err().unwrap();
    assert!(matches!(load(&file("nowhere.pem"), &key), TlsError::Pem { .. }));
    assert!(matches!(load(&key, &key), TlsError::Empty { .. }));
    assert!(matches!(load(&certificate, &file("nowhere.key")), TlsError::Pem { .. }));
    std::fs::set_permissions(&exposed, Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(load(&certificate, &exposed), TlsError::Exposed { .. }));
    assert!(matches!(load(&file("authority.pem"), &key), TlsError::Pair(_)));
}
