//! Key files: a signer's id with its Ed25519 key, readable by its owner only.
//!
//! ```toml
//! signer = "billing-ops-agent"
//! kid = "…"     # key thumbprint, hex
//! public = "…"  # 32 bytes, hex
//! seed = "…"    # 32 bytes, hex: the secret
//! ```

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use schemas::id::{Kid, SignerId, hex, unhex};
use schemas::key::PublicKey;
use zeroize::Zeroizing;

use crate::private::{OTHERS, exposed};

/// Largest key file that is read, in bytes; real ones take about 500.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// Why a key file is not used or not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// The file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key is never overwritten.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// Others than the owner may read or write it.
    #[error("{path} has mode {mode:04o}: others can read or write it", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is missing, unknown or not what it must be.
    #[error("{path}: {field} must be {expected}", path = path.display())]
    Field {
        /// Which file.
        path: PathBuf,
        /// Which line.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
}

/// A signer with its key.
///
/// The secret is wiped from memory when it is dropped and has no text form but the file's.
#[derive(Clone)]
pub(crate) struct KeyFile {
    /// Who signs.
    pub(crate) signer: SignerId,
    /// With what.
    pub(crate) key: SigningKey,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({}, {})", self.signer, self.kid())
    }
}

impl KeyFile {
    /// A fresh key for `signer`.
    pub(crate) fn generate(signer: SignerId) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system gives randomness");
        Self { signer, key: SigningKey::from_bytes(&seed) }
    }

    /// The public key.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// The key's thumbprint.
    pub(crate) fn kid(&self) -> Kid {
        self.public().kid()
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError`], above all for a file that others than its owner may open.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if let Some(mode) = exposed(&file, OTHERS).map_err(failed)? {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, KeyFileError> {
        let wrong =
            |field, expected| KeyFileError::Field { path: path.to_owned(), field, expected };
        // A message of the TOML parser could repeat the line with the secret.
        let table = text.parse::<toml::Table>();
        let table = Table(table.map_err(|_secret| wrong("the file", "TOML"))?);
        let known = ["signer", "kid", "public", "seed"];
        if table.0.keys().any(|key| !known.contains(&key.as_str())) {
            return Err(wrong("the file", "the lines signer, kid, public and seed, and no other"));
        }
        let signer = table.text("signer").and_then(SignerId::parse);
        let signer = signer.ok_or_else(|| wrong("signer", "an id of 1 to 256 bytes"))?;
        let seed = table.text("seed").and_then(unhex).map(Zeroizing::new);
        let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed.as_slice()).ok());
        let seed = Zeroizing::new(seed.ok_or_else(|| wrong("seed", "32 bytes in hex"))?);
        let file = Self { signer, key: SigningKey::from_bytes(&seed) };
        if table.text("public") != Some(&hex(file.public().as_bytes())) {
            return Err(wrong("public", "the public key of the seed"));
        }
        if table.text("kid") != Some(&file.kid().to_string()) {
            return Err(wrong("kid", "the thumbprint of the public key"));
        }
        Ok(file)
    }

    /// Writes the key file with mode 0600 and syncs it.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] rather than overwriting anything, [`KeyFileError::File`].
    pub(crate) fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => KeyFileError::File { path: path.to_owned(), source },
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(self.text().as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
    }

    fn text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.key.to_bytes());
        let signer = toml::Value::String(self.signer.as_str().to_owned());
        let (kid, public) = (self.kid(), hex(self.public().as_bytes()));
        let seed = Zeroizing::new(hex(seed.as_slice()));
        Zeroizing::new(format!(
            "signer = {signer}\nkid = \"{kid}\"\npublic = \"{public}\"\nseed = \"{}\"\n",
            seed.as_str()
        ))
    }
}

/// A parsed key file, whose secret is wiped when it is dropped.
struct Table(toml::Table);

impl Table {
    fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some(toml::Value::String(seed)) = self.0.get_mut("seed") {
            zeroize::Zeroize::zeroize(seed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fresh() -> KeyFile {
        KeyFile::generate(SignerId::parse("agent \"x\" \\ ünï").unwrap())
    }

    #[test]
    fn a_key_comes_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.key");
        let file = fresh();
        file.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let again = KeyFile::load(&path).unwrap();
        assert_eq!((again.signer, again.key), (file.signer, file.key));
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.key");
        let first = fresh();
        first.save(&path).unwrap();
        assert!(matches!(fresh().save(&path), Err(KeyFileError::Exists(_))));
        assert_eq!(KeyFile::load(&path).unwrap().kid(), first.kid());
    }

    #[test]
    fn an_exposed_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.key");
        fresh().save(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = KeyFile::load(&path).unwrap_err();
            assert!(matches!(refused, KeyFileError::Exposed { mode: found, .. } if found == mode));
        }
    }

    #[test]
    fn a_wrong_line_is_named_and_no_secret_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.key");
        let file = fresh();
        let (good, other) = (file.text(), fresh());
        let seed = hex(&file.key.to_bytes());
        let cases = [
            ("signer", good.replace("signer = ", "singer = ")),
            ("the file", good.replace("signer = ", "signer ")),
            ("the file", format!("{}extra = 1\n", good.as_str())),
            ("signer", good.replace("signer = ", "signer = \"a\\u0007\" # ")),
            ("seed", good.replace(&seed, &seed[2..])),
            ("public", good.replace(&seed, &hex(&other.key.to_bytes()))),
            ("kid", good.replace(&file.kid().to_string(), &other.kid().to_string())),
        ];
        for (place, (_, text)) in cases.iter().enumerate() {
            let refused = KeyFile::parse(text, &path).unwrap_err();
            let KeyFileError::Field { field, .. } = &refused else { panic!("{refused}") };
            let expected = if place == 0 { "the file" } else { cases[place].0 };
            assert_eq!(*field, expected, "case {place}");
            assert!(!format!("{refused} {refused:?}").contains(&seed));
        }
        assert!(!format!("{file:?}").contains(&seed));
    }
}
