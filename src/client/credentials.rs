//! What a client shows, and by which authorities it knows a server.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemas::limits::JWT_BYTES_MAX;
use ureq::tls::{PemItem, RootCerts, parse_pem};
use zeroize::Zeroizing;

use crate::private::{OTHERS, exposed};

/// Largest file of certificates that is read, in bytes.
const CERTIFICATES_BYTES_MAX: u64 = 1 << 20;

/// A bearer token. It is shown to servers alone.
#[derive(Clone)]
pub(crate) struct Bearer(Zeroizing<String>);

impl Bearer {
    /// The value of `Authorization`.
    pub(super) fn header(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.0.as_str()))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(withheld)")
    }
}

impl FromStr for Bearer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let fits = (1..=JWT_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(Zeroizing::new(text.to_owned()))).ok_or("expected a token")
    }
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// A file.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read the token.
    #[error("{path} has mode {mode:04o}: others can read or write it", path = path.display())]
    Exposed {
        /// Its file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a token.
    #[error("{origin} is no token: one line of letters, digits and -._~+/=")]
    Token {
        /// Where it came from.
        origin: String,
    },
    /// No certificate.
    #[error("{} holds no certificate in PEM", .0.display())]
    Certificates(PathBuf),
}

/// The token in a file that only its owner may read.
///
/// # Errors
/// [`CredentialError`].
pub(crate) fn token_in(path: &Path) -> Result<Bearer, CredentialError> {
    let failed = |source| CredentialError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if let Some(mode) = exposed(&file, OTHERS).map_err(failed)? {
        return Err(CredentialError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    let limit = u64::try_from(JWT_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(2)).read_to_string(&mut text).map_err(failed)?;
    let origin = || path.display().to_string();
    text.trim().parse().map_err(|_unfit| CredentialError::Token { origin: origin() })
}

/// The authorities in a file, and no others: whoever names one does not mean the public ones beside it.
///
/// # Errors
/// [`CredentialError`].
pub(crate) fn authorities_in(path: &Path) -> Result<RootCerts, CredentialError> {
    let failed = |source| CredentialError::File { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(CERTIFICATES_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(CredentialError::Certificates(path.to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_read_from_a_private_file_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "sworn_00ff\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(token_in(&path), Err(CredentialError::Exposed { mode: 0o644, .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let token = token_in(&path).unwrap();
        assert_eq!(token.header().as_str(), "Bearer sworn_00ff");
        assert_eq!(format!("{token:?}"), "Bearer(withheld)");
        for wrong in ["", "a b", "a\r\nX-Evil: 1", "\u{fc}"] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(token_in(&path), Err(CredentialError::Token { .. })), "{wrong:?}");
        }
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(authorities_in(&path), Err(CredentialError::Certificates(_))));
    }
}
