//! What proves to a receiver that a message is the ledger's, and fresh.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::id::hex;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::private::{OTHERS, exposed};

/// Header with the time and the signature: `t=<seconds since 1970>,v1=<HMAC-SHA256 in hex>`.
pub(crate) const SIGNATURE_HEADER: &str = "Sworn-Signature";

/// Shortest secret, in bytes: shorter ones can be guessed.
const SECRET_BYTES_MIN: usize = 16;
/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// A key that the ledger shares with one receiver. Wiped from memory when it is dropped; has no text form.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error("{path} has mode {mode:04o}: others can read or write it", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Too short or too long.
    #[error("{path} must hold {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes", path = path.display())]
    Length {
        /// Which.
        path: PathBuf,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads a secret; line ends at its end do not count.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(crate) fn load(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if let Some(mode) = exposed(&file, OTHERS).map_err(failed)? {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= SECRET_BYTES_MAX);
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        match fits && bytes.len() >= SECRET_BYTES_MIN {
            true => Ok(Self(bytes)),
            false => Err(SecretError::Length { path: path.to_owned() }),
        }
    }

    /// A fresh one.
    pub(crate) fn generate() -> Self {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
        Self(bytes)
    }

    /// The value of [`SIGNATURE_HEADER`] for `body`, sent `time_s` seconds after 1970.
    pub(crate) fn signature(&self, time_s: u64, body: &[u8]) -> String {
        format!("t={time_s},v1={}", hex(&self.mac(time_s, body).finalize().into_bytes()))
    }

    /// Whether the value of [`SIGNATURE_HEADER`] is that of `body`, compared in constant time.
    pub(crate) fn verifies(&self, header: &str, body: &[u8]) -> bool {
        let parts = header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1="));
        let parts = parts.and_then(|(time, mac)| time.parse().ok().zip(schemas::id::unhex(mac)));
        parts.is_some_and(|(time, mac)| self.mac(time, body).verify_slice(&mac).is_ok())
    }

    fn mac(&self, time_s: u64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{time_s}.").as_bytes());
        mac.update(body);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_time_and_body() {
        let secret = Secret(Zeroizing::new(b"0123456789abcdef".to_vec()));
        // printf '1775599200.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let expected = "2d83b8bde85cba7a83356ff4707adc35a7d2ee47f5c6b2eea91cd5007a82e5b6";
        let header = secret.signature(1_775_599_200, b"{\"a\":1}");
        assert_eq!(header, format!("t=1775599200,v1={expected}"));
        assert!(secret.verifies(&header, b"{\"a\":1}"));
        for (header, body) in [
            (header.clone(), "{\"a\":2}"),
            (header.replace("t=1", "t=2"), "{\"a\":1}"),
            (header.replace("v1=", "v0="), "{\"a\":1}"),
            (String::new(), "{\"a\":1}"),
        ] {
            assert!(!secret.verifies(&header, body.as_bytes()), "{header}");
        }
        assert!(!Secret::generate().verifies(&header, b"{\"a\":1}"));
    }
}
