//! The last number of each session of one signer, beside its spool: a later run goes on from there.
//!
//! A file of lines `<session> <n> <prev>`, of which the last about a session counts. A line is on disk before what it is
//! about is sent; what a crash leaves without a line is in the spool, and is noted when it is read there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use schemas::body::Seq;
use schemas::id::{BodyDigest, SessionId};
use schemas::limits::SPOOL_SESSIONS_MAX;

use crate::spool::{SpoolError, UNFINISHED, at};

/// The numbers of one signer; whoever has them holds the spool.
#[derive(Debug)]
pub(crate) struct Numbers {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    last: Last,
    lines: usize,
}

impl Numbers {
    /// Reads the numbers of `owner` in the spool's directory.
    ///
    /// # Errors
    /// [`SpoolError::Numbers`] for a line that is none, [`SpoolError::File`].
    pub(crate) fn open(dir: &Path, owner: &str) -> Result<Self, SpoolError> {
        let path = dir.join(format!("numbers-{owner}"));
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.map_err(at(&path))?,
        };
        // Of a line that was cut short nothing was sent yet.
        let complete = text.rsplit_once('\n').map_or("", |(complete, _cut)| complete);
        let read = |(place, line)| {
            let (session, seq) = parse(line).ok_or_else(|| SpoolError::Numbers(path.clone()))?;
            Ok((session, (place, seq)))
        };
        let last: Last =
            (0..).zip(complete.lines()).map(read).collect::<Result<_, SpoolError>>()?;
        let (last, file) = renewed(dir, &path, &last)?;
        Ok(Self { dir: dir.to_owned(), path, file, lines: last.len(), last })
    }

    /// The last number and link of each session.
    pub(crate) fn last(&self) -> impl Iterator<Item = (SessionId, Seq)> {
        self.last.iter().map(|(session, (_, seq))| (*session, *seq))
    }

    /// Notes where sessions ended, as far as that is news; durable when this returns.
    ///
    /// # Errors
    /// [`SpoolError::File`].
    pub(crate) fn note(&mut self, ends: &[(SessionId, Seq)]) -> Result<(), SpoolError> {
        let is_news = |(session, seq): &&(SessionId, Seq)| {
            self.last.get(session).is_none_or(|(_, known)| known.n < seq.n)
        };
        let news: Vec<_> = ends.iter().filter(is_news).copied().collect();
        if news.is_empty() {
            return Ok(());
        }
        let text: String = news.iter().map(|(session, seq)| line(*session, *seq)).collect();
        let written = self.file.write_all(text.as_bytes());
        written.and_then(|()| self.file.sync_data()).map_err(at(&self.path))?;
        for (session, seq) in news {
            self.last.insert(session, (self.lines, seq));
            self.lines += 1;
        }
        if self.lines >= 2 * SPOOL_SESSIONS_MAX {
            (self.last, self.file) = renewed(&self.dir, &self.path, &self.last)?;
            self.lines = self.last.len();
        }
        Ok(())
    }
}

/// The last of each session, and how many lines were there before it.
type Last = HashMap<SessionId, (usize, Seq)>;

/// Writes the file anew: one line for each of the sessions that were numbered last.
fn renewed(dir: &Path, path: &Path, last: &Last) -> Result<(Last, File), SpoolError> {
    let all = last.iter().map(|(session, (place, seq))| (*place, *session, *seq));
    let mut newest: Vec<_> = all.collect();
    newest.sort_unstable_by_key(|(place, ..)| Reverse(*place));
    newest.truncate(SPOOL_SESSIONS_MAX);
    newest.reverse();
    let text: String = newest.iter().map(|(_, session, seq)| line(*session, *seq)).collect();
    let part = path.with_extension(UNFINISHED);
    let write = || -> io::Result<File> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(file)
    };
    let file = write().map_err(at(&part))?;
    fs::rename(&part, path).map_err(at(path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))?;
    let places = (0..).zip(newest).map(|(place, (_, session, seq))| (session, (place, seq)));
    Ok((places.collect(), file))
}

fn line(session: SessionId, Seq { n, prev }: Seq) -> String {
    format!("{session} {n} {prev}\n")
}

fn parse(line: &str) -> Option<(SessionId, Seq)> {
    let mut words = line.split(' ');
    let session = SessionId::from_hex(words.next()?)?;
    let n = words.next()?.parse().ok()?;
    let prev = BodyDigest::from_hex(words.next()?)?;
    words.next().is_none().then_some((session, Seq { n, prev }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn end(session: u64, n: u64) -> (SessionId, Seq) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&session.to_be_bytes());
        (SessionId(id), Seq { n, prev: BodyDigest([7; 32]) })
    }

    fn sorted(numbers: &Numbers) -> Vec<(SessionId, Seq)> {
        let mut last: Vec<_> = numbers.last().collect();
        last.sort_unstable_by_key(|(session, _)| *session);
        last
    }

    #[test]
    fn a_later_run_goes_on_where_sessions_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut numbers = Numbers::open(dir.path(), "acme-a").unwrap();
        numbers.note(&[end(1, 1), end(2, 4)]).unwrap();
        numbers.note(&[end(1, 2)]).unwrap();
        // Of the spool's, which may be older.
        numbers.note(&[end(1, 1), end(2, 4)]).unwrap();
        drop(numbers);
        // A crash in the middle of a line.
        let path = dir.path().join("numbers-acme-a");
        let cut = line(end(1, 3).0, end(1, 3).1);
        let text = fs::read_to_string(&path).unwrap() + cut.trim_end();
        fs::write(&path, text).unwrap();
        let mut numbers = Numbers::open(dir.path(), "acme-a").unwrap();
        assert_eq!(sorted(&numbers), [end(1, 2), end(2, 4)]);
        numbers.note(&[end(1, 3)]).unwrap();
        drop(numbers);
        let numbers = Numbers::open(dir.path(), "acme-a").unwrap();
        assert_eq!(sorted(&numbers), [end(1, 3), end(2, 4)]);
        let other = Numbers::open(dir.path(), "acme-b").unwrap();
        assert_eq!(other.last().count(), 0, "another signer's");
    }

    #[test]
    fn the_sessions_that_were_numbered_last_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut numbers = Numbers::open(dir.path(), "acme-a").unwrap();
        let sessions = u64::try_from(SPOOL_SESSIONS_MAX).unwrap() + 1;
        for n in 1..=2 {
            let ends: Vec<_> = (0..sessions).map(|session| end(session, n)).collect();
            numbers.note(&ends).unwrap();
        }
        let expected: Vec<_> = (1..sessions).map(|session| end(session, 2)).collect();
        assert_eq!(sorted(&numbers), expected);
        drop(numbers);
        assert_eq!(sorted(&Numbers::open(dir.path(), "acme-a").unwrap()), expected);
    }

    #[test]
    fn a_line_that_numbers_nothing_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("numbers-acme-a"), "nonsense\n").unwrap();
        let refused = Numbers::open(dir.path(), "acme-a");
        assert!(matches!(refused, Err(SpoolError::Numbers(_))));
    }
}
