//! A real ledger that takes the traffic in.

use ledger::{Submission, Writer};
use schemas::id::Micros;
use schemas::reply::Fate;
use tempfile::TempDir;

use super::month::Cast;
use super::{DAY_US, START_US};
use crate::ingest;
use crate::round::Failure;

/// A ledger, begun a day before the first month.
pub(crate) struct Book {
    pub(crate) writer: Writer,
    _directory: TempDir,
}

impl Book {
    /// A ledger of these people's; no rule looks unless it `finds`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(cast: &Cast, finds: bool) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let begun = Micros(START_US - DAY_US);
        let writer = ingest::create_for(directory.path(), cast.key("operator"), finds, begun)?;
        Ok(Self { writer, _directory: directory })
    }

    /// Makes one commit.
    ///
    /// # Errors
    /// If it fails, or anything in it is not committed.
    pub(crate) fn append(&mut self, batch: Vec<Submission<'_>>, at: Micros) -> Result<(), Failure> {
        let done = self.writer.append(batch, at, &[])?;
        let mut ends = done.replies.iter().flat_map(|reply| &reply.outcomes);
        match ends.find(|end| !matches!(end.fate, Fate::Committed(_))) {
            None => Ok(()),
            Some(end) => Err(format!("not committed: {end:?}").into()),
        }
    }

    /// Entries so far.
    pub(crate) fn size(&self) -> u64 {
        self.writer.ledger().head().size.0
    }
}
