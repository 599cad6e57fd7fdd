//! The ledger key that a user trusts: what `sworn init` printed, given out of band.

use std::path::Path;

use schemas::checkpoint::NoteKey;
use schemas::id::Kid;
use schemas::key::PublicKey;

use crate::cli::failure::Failure;

/// How a fingerprint begins.
const FINGERPRINT: &str = "SHA256:";

/// A trusted key, or all that is needed to recognise it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// The key with its log's name.
    Key(NoteKey),
    /// The key's thumbprint.
    Fingerprint(Kid),
}

impl Trust {
    /// Reads a verifier key, a fingerprint, or a file with one of them on a line of its own.
    ///
    /// # Errors
    /// [`Failure::Argument`], or [`Failure::File`] when the file cannot be read.
    pub(crate) fn read(value: &str) -> Result<Self, Failure> {
        if let Some(trust) = Self::parse(value) {
            return Ok(trust);
        }
        let wrong = || Failure::Argument {
            name: "--trust",
            value: value.to_owned(),
            expected: "a verifier key (host/tenant+…), a fingerprint (SHA256:…) or a file with one",
        };
        let path = Path::new(value);
        if !path.exists() {
            return Err(wrong());
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| Failure::File { path: path.to_owned(), source })?;
        text.lines().find_map(Self::parse).ok_or_else(wrong)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_prefix(FINGERPRINT) {
            Some(kid) => Kid::from_hex(kid).map(Self::Fingerprint),
            None => NoteKey::parse(text).ok().map(Self::Key),
        }
    }

    /// Thumbprint of the trusted key.
    pub(crate) fn kid(&self) -> Kid {
        match self {
            Self::Key(key) => kid_of(key),
            Self::Fingerprint(kid) => *kid,
        }
    }

    /// The key or fingerprint in one line, as it is read again.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Key(key) => key.vkey(),
            Self::Fingerprint(kid) => format!("{FINGERPRINT}{kid}"),
        }
    }

    /// The key, if the ledger's own is the trusted one.
    ///
    /// # Errors
    /// [`Failure::OtherKey`].
    pub(crate) fn accept(&self, ledger: NoteKey) -> Result<NoteKey, Failure> {
        let same = match self {
            Self::Key(key) => *key == ledger,
            Self::Fingerprint(kid) => *kid == kid_of(&ledger),
        };
        if same {
            return Ok(ledger);
        }
        Err(Failure::OtherKey { found: describe(&ledger), trusted: self.describe() })
    }

    fn describe(&self) -> String {
        match self {
            Self::Key(key) => describe(key),
            Self::Fingerprint(kid) => format!("{FINGERPRINT}{kid}"),
        }
    }
}

/// The key's fingerprint as it is printed.
pub(crate) fn fingerprint(key: &NoteKey) -> String {
    format!("{FINGERPRINT}{}", kid_of(key))
}

fn describe(key: &NoteKey) -> String {
    format!("{} of {}", fingerprint(key), key.name)
}

/// The key's thumbprint.
pub(crate) fn kid_of(key: &NoteKey) -> Kid {
    public(key).map_or(Kid::ZERO, |key| key.kid())
}

/// The key as everything but notes knows it; `None` for a weak one, which verifies nothing.
pub(crate) fn public(key: &NoteKey) -> Option<PublicKey> {
    PublicKey::from_bytes(key.public.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;

    use super::*;

    fn key(seed: u8, name: &str) -> NoteKey {
        let public = SigningKey::from_bytes(&[seed; 32]).verifying_key();
        NoteKey { name: name.to_owned(), public }
    }

    #[test]
    fn every_form_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("trust");
        let key = key(1, "localhost/acme");
        let forms = [key.vkey(), fingerprint(&key)];
        std::fs::write(&file, format!("# the ledger of acme\n{}\n{}\n", forms[0], forms[1]))
            .unwrap();
        for form in [forms[0].as_str(), forms[1].as_str(), file.to_str().unwrap()] {
            assert_eq!(Trust::read(form).unwrap().accept(key.clone()).unwrap(), key);
        }
        for wrong in ["", "SHA256:00", "localhost/acme", "/nonexistent", "a+b+c"] {
            assert!(matches!(Trust::read(wrong), Err(Failure::Argument { .. })), "{wrong}");
        }
    }

    #[test]
    fn another_key_or_another_log_is_refused() {
        let trusted = key(1, "localhost/acme");
        for form in [trusted.vkey(), fingerprint(&trusted)] {
            let refused = Trust::read(&form).unwrap().accept(key(2, "localhost/acme"));
            assert!(matches!(refused, Err(Failure::OtherKey { .. })));
        }
        let elsewhere = Trust::read(&trusted.vkey()).unwrap().accept(key(1, "localhost/other"));
        assert!(matches!(elsewhere, Err(Failure::OtherKey { .. })));
    }
}
