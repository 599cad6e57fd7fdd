//! TLS of the listener (rustls): a certificate chain and its key, from files that are looked at again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemas::limits::ACCESS_RELOAD_MS;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::pair::Pair;

/// Protocols that are offered, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file that holds no PEM of the kind that belongs there.
    #[error("{path}: {source}", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Everybody on this machine may read or write the key.
    #[error("{path} has mode {mode:04o}: others can read or write it", path = path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No certificate.
    #[error("{path} holds no certificate", path = path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The certificate and the key do not belong together, or are of an unknown kind.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// Greets clients.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    pair: Arc<Pair>,
}

impl Tls {
    /// With the chain in `certificate`, the server's own first, and its `key`.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let pair = Arc::new(Pair::load(certificate, key)?);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Pair>::clone(&pair));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), pair })
    }

    /// Looks at the files again and again, until `shutdown`.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        let mut pace = tokio::time::interval(Duration::from_millis(ACCESS_RELOAD_MS));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = pace.tick() => {}
            }
            let pair = Arc::clone(&self.pair);
            // Two `stat`s, but of a disk that may hang.
            if let Err(error) = tokio::task::spawn_blocking(move || pair.refresh()).await {
                tracing::error!(%error, "the certificate is not looked at any more");
            }
        }
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}
