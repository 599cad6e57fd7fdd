//! Redactions noted outside the store, so that a restored backup does not bring back what was erased since.
//!
//! One line each, in the file of the high-water mark with the extension `redactions`: the redaction's index, its
//! body in hex, and the ledger's signature over both.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use schemas::body::Body;
use schemas::era::Eras;
use schemas::id::{Digest, Index, hex, sha256, unhex};
use schemas::redaction::Redaction;

use crate::error::{AppendError, OpenError};

const CONTEXT: &[u8] = b"sworn 2026-11 redaction journal v1\0";

/// A redaction that was carried out at some time.
pub(crate) struct Noted {
    /// Where it stood in the log that it was noted for.
    pub(crate) index: Index,
    pub(crate) redaction: Redaction,
}

/// The first lines of a journal, as a store remembers them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Journaled {
    pub(crate) lines: u64,
    /// SHA-256 of them; `None` in a store that remembers their number alone.
    pub(crate) digest: Option<Digest>,
}

impl Journaled {
    /// Whether a journal that begins with `first` is the one that these are of.
    pub(crate) fn is_of(&self, first: &Self) -> bool {
        self.lines == first.lines && (self.digest.is_none() || self.digest == first.digest)
    }
}

/// The journal beside a mark.
pub(crate) struct Journal(PathBuf);

impl Journal {
    pub(crate) fn beside(mark: &Path) -> Self {
        Self(mark.with_extension("redactions"))
    }

    /// Notes a redaction, durably; gives all lines with it.
    pub(crate) fn note(
        &self,
        index: Index,
        body: &[u8],
        key: &SigningKey,
    ) -> Result<Journaled, AppendError> {
        let failed = |source| AppendError::Journal { path: self.0.clone(), source };
        let signature = key.sign(&message(index, body)).to_bytes();
        let line = format!("{} {} {}\n", index.0, hex(body), hex(&signature));
        let file = OpenOptions::new().create(true).append(true).open(&self.0);
        let mut file = file.map_err(failed)?;
        self.drop_cut_line(&file).map_err(failed)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        // The file's name is durable with its directory.
        let directory = self.0.parent().map(File::open).transpose().map_err(failed)?;
        directory.map_or(Ok(()), |directory| directory.sync_all()).map_err(failed)?;
        self.first(u64::MAX)
    }

    /// Takes out a last line that a crash cut short, for the next one would stand in it.
    fn drop_cut_line(&self, file: &File) -> std::io::Result<()> {
        let text = fs::read(&self.0)?;
        let cut = text.iter().rev().take_while(|byte| **byte != b'\n').fold(0, |n: u64, _| n + 1);
        match file.metadata()?.len().checked_sub(cut).filter(|_| cut > 0) {
            Some(complete) => file.set_len(complete),
            None => Ok(()),
        }
    }

    /// Its first lines, at most so many.
    pub(crate) fn first(&self, most: u64) -> Result<Journaled, AppendError> {
        let text = match fs::read(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            text => text.map_err(|source| AppendError::Journal { path: self.0.clone(), source })?,
        };
        let ends = (1_usize..).zip(&text).filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end);
        let (lines, end) = (1..=most).zip(ends).last().unwrap_or_default();
        let digest = text.get(..end).map(|lines| Digest(sha256(lines)));
        Ok(Journaled { lines, digest })
    }

    /// What was noted, in order. A last line that was cut short was never carried out.
    ///
    /// # Errors
    /// [`OpenError::Journal`] for a line that the ledger did not sign.
    pub(crate) fn read(&self, eras: &Eras) -> Result<Vec<Noted>, OpenError> {
        let text = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|source| OpenError::File { path: self.0.clone(), source })?,
        };
        let complete = text.rsplit_once('\n').map_or("", |(complete, _cut)| complete);
        let lines = complete.lines().enumerate();
        let read = lines.map(|(at, line)| {
            let line_number = at + 1;
            let unsigned = || OpenError::Journal { path: self.0.clone(), line: line_number };
            parse(line, eras).ok_or_else(unsigned)
        });
        read.collect()
    }
}

fn parse(line: &str, eras: &Eras) -> Option<Noted> {
    let mut words = line.split(' ');
    let index = Index(words.next()?.parse().ok()?);
    let body = unhex(words.next()?)?;
    let signature = unhex(words.next()?)?;
    let signature = <&[u8; 64]>::try_from(signature.as_slice()).ok()?;
    let message = message(index, &body);
    let signed = eras.iter().any(|era| era.key.verifies(&message, signature));
    let redaction = Redaction::of(&Body::parse(&body).ok()?)?;
    (signed && words.next().is_none()).then_some(Noted { index, redaction })
}

fn message(index: Index, body: &[u8]) -> Vec<u8> {
    [CONTEXT, &index.0.to_be_bytes(), body].concat()
}
