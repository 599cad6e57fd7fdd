//! The server's certificate and its key as they are at the moment: their files are read again when they change.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::tls::TlsError;
use crate::private::{STRANGERS, exposed};
use crate::stamp::Stamp;

/// Largest key file that is read, in bytes; real ones take some thousand.
const KEY_BYTES_MAX: u64 = 1 << 20;

/// A certificate chain and its key.
#[derive(Debug)]
pub(super) struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    used: RwLock<Used>,
}

/// What clients are greeted with.
#[derive(Clone, Debug)]
struct Used {
    certified: Arc<CertifiedKey>,
    /// Of the files that it was read from; without them they are read again.
    stamps: Option<Stamps>,
    /// Why it is not what the files say, as it was logged.
    fault: Option<String>,
}

/// Of the certificate and of the key.
type Stamps = (Stamp, Stamp);

impl Pair {
    /// That of these files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        // Before the content: what changes in between is read again.
        let stamps = stamps(certificate, key);
        let certified = Arc::new(read(certificate, key)?);
        let used = RwLock::new(Used { certified, stamps, fault: None });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), used })
    }

    /// Takes over what changed. Where that cannot be used, the one before stays until it can.
    pub(super) fn refresh(&self) {
        let before = self.used();
        let stamps = stamps(&self.certificate, &self.key);
        if stamps.is_some() && stamps == before.stamps {
            return;
        }
        let used = match read(&self.certificate, &self.key) {
            Ok(certified) => {
                tracing::info!("the certificate has changed");
                Used { certified: Arc::new(certified), stamps, fault: None }
            }
            Err(error) => {
                let fault = Some(error.to_string());
                if before.fault == fault {
                    return;
                }
                tracing::error!(%error, "the certificate from before is used until this can be");
                Used { stamps: None, fault, ..before }
            }
        };
        *self.used.write().unwrap_or_else(PoisonError::into_inner) = used;
    }

    fn used(&self) -> Used {
        self.used.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.used().certified)
    }
}

fn stamps(certificate: &Path, key: &Path) -> Option<Stamps> {
    let of = |path: &Path| Stamp::of(path).ok().flatten();
    Some((of(certificate)?, of(key)?))
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |source| TlsError::Pem { path: certificate.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(wrong)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: certificate.to_owned() });
    }
    Ok(CertifiedKey::from_der(chain, read_key(key)?, &ring::default_provider())?)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wrong = |source| TlsError::Pem { path: path.to_owned(), source };
    let failed = |error: io::Error| wrong(pem::Error::Io(error));
    let file = File::open(path).map_err(failed)?;
    if let Some(mode) = exposed(&file, STRANGERS).map_err(failed)? {
        return Err(TlsError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(Vec::new());
    file.take(KEY_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_pair_is_taken_over_once_it_can_be_used() {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key] = ["server.pem", "server.key"].map(|name| {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
            let to = directory.path().join(name);
            fs::copy(from, &to).unwrap();
            to
        });
        let set = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        set(0o644);
        let exposed = Pair::load(&certificate, &key).unwrap_err();
        assert!(matches!(exposed, TlsError::Exposed { mode: 0o644, .. }), "{exposed}");
        set(0o640);
        let pair = Pair::load(&certificate, &key).unwrap();
        let first = pair.used().certified;
        let changes = || {
            pair.refresh();
            !Arc::ptr_eq(&first, &pair.used().certified)
        };
        assert!(!changes(), "nothing has");
        let good = fs::read(&certificate).unwrap();
        fs::write(&certificate, "no certificate").unwrap();
        assert!(!changes(), "it cannot be used");
        fs::write(&certificate, &good).unwrap();
        set(0o604);
        assert!(!changes(), "others could read the key");
        set(0o600);
        assert!(changes());
    }
}
