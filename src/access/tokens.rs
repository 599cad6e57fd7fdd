//! The file of tokens: `<data>/access/tokens.toml`, readable by its owner only, replaced as a whole.
//!
//! The command line writes it and the server reads it: whoever may write the ledger's directory is its operator
//! already, and so there is a first token without one, and a last one can be revoked while the server is down.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use schemas::limits::TOKENS_MAX;

use super::rows::Row;
use crate::private::{OTHERS, exposed};
use crate::stamp::Stamp;

/// Largest file that is read, in bytes; a row takes about 400.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why tokens cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    /// The file system.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("{path} has mode {mode:04o}: others can read or write it", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a file of tokens.
    #[error("{path} is no file of tokens, each a table [[token]]", path = path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
    },
    /// A row that is not what it must be.
    #[error("{path}: token {number}: {field} must be {expected}", path = path.display())]
    Row {
        /// In which file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
        /// Which line.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A name that is taken.
    #[error("there is a token {0:?} already")]
    Exists(String),
    /// A name that nothing has.
    #[error("there is no token {0:?}")]
    Absent(String),
    /// As many as there may be.
    #[error("there are {TOKENS_MAX} tokens already: revoke those that have expired")]
    Full,
}

/// Where tokens are kept.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
}

impl Tokens {
    /// Below the ledger's directory.
    pub(crate) fn below(data: &Path) -> Self {
        Self { path: data.join("access").join("tokens.toml") }
    }

    /// Every token, in the order they were made; none where there is no file.
    ///
    /// # Errors
    /// [`TokensError`] of reading.
    pub(crate) fn read(&self) -> Result<Vec<Row>, TokensError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(|source| self.failed(source))?,
        };
        let exposed = exposed(&file, OTHERS).map_err(|source| self.failed(source))?;
        if let Some(mode) = exposed {
            return Err(TokensError::Exposed { path: self.path.clone(), mode });
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|source| self.failed(source))?;
        self.parse(&text)
    }

    fn parse(&self, text: &str) -> Result<Vec<Row>, TokensError> {
        let syntax = || TokensError::Syntax { path: self.path.clone() };
        let table = text.parse::<toml::Table>().map_err(|_syntax| syntax())?;
        let tables = match table.get("token") {
            None if table.is_empty() => return Ok(Vec::new()),
            Some(toml::Value::Array(tables)) if table.len() == 1 => tables,
            _ => return Err(syntax()),
        };
        let mut rows: Vec<Row> = Vec::new();
        for (place, table) in tables.iter().enumerate() {
            let fault = |(field, expected)| TokensError::Row {
                path: self.path.clone(),
                number: place + 1,
                field,
                expected,
            };
            let row = Row::read(table.as_table().ok_or_else(syntax)?).map_err(fault)?;
            if rows.iter().any(|other| other.name == row.name || other.hash == row.hash) {
                return Err(fault(("name and hash", "its alone")));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Keeps one more.
    ///
    /// # Errors
    /// [`TokensError::Exists`], [`TokensError::Full`], [`TokensError`] of reading.
    pub(crate) fn add(&self, row: Row) -> Result<(), TokensError> {
        let _lock = self.lock()?;
        let mut rows = self.read()?;
        if rows.iter().any(|other| other.name == row.name) {
            return Err(TokensError::Exists(row.name));
        }
        if rows.len() >= TOKENS_MAX {
            return Err(TokensError::Full);
        }
        rows.push(row);
        self.write(&rows)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// [`TokensError::Absent`], [`TokensError`] of reading.
    pub(crate) fn remove(&self, name: &str) -> Result<(), TokensError> {
        let _lock = self.lock()?;
        let mut rows = self.read()?;
        let before = rows.len();
        rows.retain(|row| row.name != name);
        if rows.len() == before {
            return Err(TokensError::Absent(name.to_owned()));
        }
        self.write(&rows)
    }

    /// Changes whenever the file does.
    ///
    /// # Errors
    /// [`TokensError::File`].
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, TokensError> {
        Stamp::of(&self.path).map_err(|source| self.failed(source))
    }

    /// Two commands at once must not lose one's row: it could be a revocation that was undone.
    fn lock(&self) -> Result<File, TokensError> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let locked = || {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(directory.join("lock"))?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(|source| self.failed(source))
    }

    fn write(&self, rows: &[Row]) -> Result<(), TokensError> {
        let mut table = toml::Table::new();
        let rows: Vec<_> = rows.iter().map(|row| toml::Value::Table(row.to_toml())).collect();
        table.insert("token".to_owned(), toml::Value::Array(rows));
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let replaced = || {
            // A temporary file has mode 0600, which the rename keeps.
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.write_all(table.to_string().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()
        };
        replaced().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> TokensError {
        TokensError::File { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use schemas::access::Role;
    use schemas::id::{Micros, Tenant};

    use super::super::token::Token;
    use super::*;

    fn row(name: &str) -> Row {
        Row {
            name: name.to_owned(),
            hash: Token::generate().digest(),
            role: Role::Auditor,
            tenant: Tenant::parse("acme").unwrap(),
            scope: Some("agent:\"pay bot\"".to_owned()),
            created: Micros(1_775_599_200_000_000),
            expires: Micros(1_775_599_200_000_001),
        }
    }

    #[test]
    fn there_are_so_many_tokens_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let tokens = Tokens::below(directory.path());
        let named = |n: usize| Row { name: n.to_string(), ..row("") };
        tokens.add(named(0)).unwrap();
        tokens.write(&(1..TOKENS_MAX).map(named).collect::<Vec<_>>()).unwrap();
        tokens.add(named(0)).unwrap();
        assert!(matches!(tokens.add(named(TOKENS_MAX)), Err(TokensError::Full)));
        tokens.remove("1").unwrap();
        tokens.add(named(TOKENS_MAX)).unwrap();
        assert_eq!(tokens.read().unwrap().len(), TOKENS_MAX);
    }

    #[test]
    fn tokens_are_kept_for_their_owner_alone_and_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let tokens = Tokens::below(directory.path());
        assert_eq!((tokens.read().unwrap(), tokens.stamp().unwrap()), (Vec::new(), None));
        let (one, two) = (row("one"), row("two"));
        tokens.add(one.clone()).unwrap();
        let stamp = tokens.stamp().unwrap();
        tokens.add(two.clone()).unwrap();
        assert_ne!(tokens.stamp().unwrap(), stamp);
        assert_eq!(tokens.read().unwrap(), [one.clone(), two.clone()]);
        assert!(matches!(tokens.add(row("one")), Err(TokensError::Exists(name)) if name == "one"));
        tokens.remove("one").unwrap();
        assert!(matches!(tokens.remove("one"), Err(TokensError::Absent(_))));
        assert_eq!(tokens.read().unwrap(), [two]);
        let mode = fs::metadata(&tokens.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        fs::set_permissions(&tokens.path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(tokens.read(), Err(TokensError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_row_that_is_not_understood_is_no_row_at_all() {
        let tokens = Tokens::below(Path::new("/nowhere"));
        let good = toml::Value::Table(row("one").to_toml());
        let text = |value: &toml::Value| {
            let mut table = toml::Table::new();
            table.insert("token".to_owned(), toml::Value::Array(vec![value.clone()]));
            table.to_string()
        };
        assert_eq!(tokens.parse(&text(&good)).unwrap().len(), 1);
        assert!(tokens.parse("").unwrap().is_empty());
        for (field, value) in [
            ("name", "a:b"),
            ("hash", "00"),
            ("role", "root"),
            ("tenant", "ACME"),
            ("scope", "agent:a since:1h"),
            ("scope", ""),
            ("scope", "(agent:a"),
            ("expires", "soon"),
        ] {
            let mut bad = good.clone();
            bad.as_table_mut().unwrap().insert(field.to_owned(), value.into());
            match tokens.parse(&text(&bad)) {
                Err(TokensError::Row { number: 1, field: named, .. }) => assert_eq!(named, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        for text in ["[token]\n", "tokens = 1\n", "token = [1]\n", "]"] {
            assert!(matches!(tokens.parse(text), Err(TokensError::Syntax { .. })), "{text}");
        }
        let twice = format!("{}{}", text(&good), text(&good).replace("\"one\"", "\"two\""));
        assert!(matches!(tokens.parse(&twice), Err(TokensError::Row { number: 2, .. })));
    }
}
