//! Named contexts: which server, whose ledger, which trusted key, and the last checkpoint verified there.
//!
//! ```text
//! $XDG_CONFIG_HOME/sworn/       else ~/.config/sworn/
//!   contexts/<name>.toml        url, tenant, nats, trust, token_file, ca
//!   contexts/<name>.note        the pinned checkpoint
//!   contexts/selected           the name in use, and on a second line the one before
//!   pins/<kid>.note             where no context is in use: the pin of the key in SWORN_TRUST
//!   pins/url-<digest>.note      where nobody said whom to trust: the pin of the server's address
//! ```

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemas::id::{Digest, Kid, sha256};

use crate::pin::{Pin, replace};

/// Longest name.
const NAME_BYTES_MAX: usize = 63;
/// What a context's file may say.
const FIELDS: [&str; 6] = ["url", "tenant", "nats", "trust", "token_file", "ca"];

/// A context's settings; what is absent comes from elsewhere.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Settings {
    /// Address of the server.
    pub(crate) url: Option<String>,
    /// Whose ledger.
    pub(crate) tenant: Option<String>,
    /// Address of the broker.
    pub(crate) nats: Option<String>,
    /// The ledger key that is trusted.
    pub(crate) trust: Option<String>,
    /// File with the token to show the server.
    pub(crate) token_file: Option<String>,
    /// File with the authorities to know it by.
    pub(crate) ca: Option<String>,
}

/// Why contexts cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    /// Neither `XDG_CONFIG_HOME` nor `HOME` says where.
    #[error("neither XDG_CONFIG_HOME nor HOME is set")]
    Nowhere,
    /// Not a name.
    #[error("{0:?} is no name of a context: 1 to 63 of a-z, 0-9, - and _")]
    Name(String),
    /// There is no such context.
    #[error("there is no context {0:?}")]
    Absent(String),
    /// There is one already.
    #[error("there is a context {0:?} already")]
    Exists(String),
    /// None was selected before.
    #[error("no context was selected before")]
    NoneBefore,
    /// A file that is not what was written.
    #[error("{}: {expected}", path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What it must be.
        expected: String,
    },
    /// The file system.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where contexts and pins are kept.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    root: PathBuf,
}

impl Contexts {
    /// As the environment says.
    ///
    /// # Errors
    /// [`ContextError::Nowhere`].
    pub(crate) fn of_user() -> Result<Self, ContextError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || set("HOME").map(|home| home.join(".config"));
        let root = set("XDG_CONFIG_HOME").or_else(home).ok_or(ContextError::Nowhere)?;
        Ok(Self { root: root.join("sworn") })
    }

    /// The name in use: `SWORN_CONTEXT`, else the one selected.
    ///
    /// # Errors
    /// [`ContextError::File`].
    pub(crate) fn in_use(&self) -> Result<Option<String>, ContextError> {
        let given = env::var("SWORN_CONTEXT").ok().filter(|name| !name.is_empty());
        Ok(given.or(self.selected()?.into_iter().next()))
    }

    /// The name selected and the one before it.
    fn selected(&self) -> Result<Vec<String>, ContextError> {
        let path = self.directory().join("selected");
        Ok(read(&path)?.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// Every context's name, in order.
    ///
    /// # Errors
    /// [`ContextError::File`].
    pub(crate) fn names(&self) -> Result<Vec<String>, ContextError> {
        let path = self.directory();
        let files = match fs::read_dir(&path) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(ContextError::File { path, source }),
        };
        let name = |file: io::Result<fs::DirEntry>| {
            Some(file.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned())
        };
        let mut names: Vec<_> = files.filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Makes a context.
    ///
    /// # Errors
    /// [`ContextError::Name`], [`ContextError::Exists`], [`ContextError::File`].
    pub(crate) fn add(&self, name: &str, settings: &Settings) -> Result<(), ContextError> {
        let path = self.settings_path(name)?;
        if path.exists() {
            return Err(ContextError::Exists(name.to_owned()));
        }
        let Settings { url, tenant, nats, trust, token_file, ca } = settings;
        let values = [url, tenant, nats, trust, token_file, ca];
        let line = |(field, value): (&str, &Option<String>)| {
            let value = toml::Value::String(value.clone()?);
            Some(format!("{field} = {value}\n"))
        };
        let text: String = FIELDS.into_iter().zip(values).filter_map(line).collect();
        write(&path, &text)
    }

    /// The settings of a context.
    ///
    /// # Errors
    /// [`ContextError::Name`], [`ContextError::Absent`], [`ContextError::Settings`],
    /// [`ContextError::File`].
    pub(crate) fn settings(&self, name: &str) -> Result<Settings, ContextError> {
        let path = self.settings_path(name)?;
        let text = read(&path)?.ok_or_else(|| ContextError::Absent(name.to_owned()))?;
        let wrong = |expected: String| ContextError::Settings { path: path.clone(), expected };
        let mut table = text.parse::<toml::Table>().map_err(|error| wrong(error.to_string()))?;
        let mut take = |field: &str| match table.remove(field) {
            None => Ok(None),
            Some(toml::Value::String(value)) => Ok(Some(value)),
            Some(_) => Err(wrong(format!("{field} must be text"))),
        };
        let settings = Settings {
            url: take("url")?,
            tenant: take("tenant")?,
            nats: take("nats")?,
            trust: take("trust")?,
            token_file: take("token_file")?,
            ca: take("ca")?,
        };
        match table.keys().next() {
            None => Ok(settings),
            Some(key) => {
                Err(wrong(format!("{key} is no setting; there are {}", FIELDS.join(", "))))
            }
        }
    }

    /// Uses a context from now on; `-` goes back to the one before.
    ///
    /// # Errors
    /// [`ContextError`].
    pub(crate) fn select(&self, name: &str) -> Result<String, ContextError> {
        let selected = self.selected()?;
        let name = match name {
            "-" => selected.get(1).cloned().ok_or(ContextError::NoneBefore)?,
            name => name.to_owned(),
        };
        if !self.settings_path(&name)?.exists() {
            return Err(ContextError::Absent(name));
        }
        let before = selected.into_iter().find(|other| *other != name).unwrap_or_default();
        write(&self.directory().join("selected"), &format!("{name}\n{before}\n"))?;
        Ok(name)
    }

    /// The pin of a context.
    ///
    /// # Errors
    /// [`ContextError::Name`].
    pub(crate) fn pin(&self, name: &str) -> Result<Pin, ContextError> {
        Ok(Pin::at(self.settings_path(name)?.with_extension("note")))
    }

    /// The pin of a trusted ledger key, where no context is in use.
    pub(crate) fn pin_of_key(&self, kid: &Kid) -> Pin {
        Pin::at(self.root.join("pins").join(format!("{kid}.note")))
    }

    /// The pin of an address, where no key is trusted: by nothing that the server says, or it could escape
    /// its pin by calling itself another ledger.
    pub(crate) fn pin_of_url(&self, url: &str) -> Pin {
        let digest = Digest(sha256(url.trim_end_matches('/').as_bytes()));
        Pin::at(self.root.join("pins").join(format!("url-{digest}.note")))
    }

    fn directory(&self) -> PathBuf {
        self.root.join("contexts")
    }

    fn settings_path(&self, name: &str) -> Result<PathBuf, ContextError> {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        let valid = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
        if !valid || name == "-" {
            return Err(ContextError::Name(name.to_owned()));
        }
        Ok(self.directory().join(format!("{name}.toml")))
    }
}

fn read(path: &Path) -> Result<Option<String>, ContextError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ContextError::File { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), ContextError> {
    replace(path, text).map_err(|source| ContextError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn contexts() -> (tempfile::TempDir, Contexts) {
        let directory = tempfile::tempdir().unwrap();
        let contexts = Contexts { root: directory.path().to_owned() };
        (directory, contexts)
    }

    fn settings(url: &str) -> Settings {
        Settings { url: Some(url.to_owned()), ..Settings::default() }
    }

    #[test]
    fn contexts_are_kept_selected_and_left_again() {
        let (_directory, contexts) = contexts();
        assert!(contexts.names().unwrap().is_empty());
        contexts.add("prod", &settings("https://a \"b\"")).unwrap();
        contexts.add("test", &settings("http://t")).unwrap();
        assert_eq!(contexts.names().unwrap(), ["prod", "test"]);
        assert_eq!(contexts.settings("prod").unwrap(), settings("https://a \"b\""));
        assert!(matches!(contexts.select("-"), Err(ContextError::NoneBefore)));
        contexts.select("prod").unwrap();
        contexts.select("test").unwrap();
        assert_eq!(contexts.select("-").unwrap(), "prod");
        assert_eq!(contexts.selected().unwrap(), ["prod", "test"]);
    }

    #[test]
    fn what_is_no_context_is_refused_by_its_own_error() {
        let (directory, contexts) = contexts();
        contexts.add("prod", &settings("https://a")).unwrap();
        assert!(matches!(contexts.add("prod", &settings("b")), Err(ContextError::Exists(_))));
        for name in ["", "-", "../x", "a/b", "Ä", "UPPER", &"a".repeat(64)] {
            assert!(matches!(contexts.settings(name), Err(ContextError::Name(_))), "{name}");
        }
        assert!(matches!(contexts.select("none"), Err(ContextError::Absent(_))));
        let path = directory.path().join("contexts/prod.toml");
        for text in ["colour = \"red\"", "url = 1", "url"] {
            std::fs::write(&path, text).unwrap();
            let refused = contexts.settings("prod");
            assert!(matches!(refused, Err(ContextError::Settings { .. })), "{text}");
        }
    }
}
