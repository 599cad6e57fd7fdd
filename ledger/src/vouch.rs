//! Marks that are kept elsewhere, held against this history.

use schemas::checkpoint::Note;
use schemas::id::TreeSize;

use crate::append::Writer;
use crate::error::{AppendError, ReadError};
use crate::read::Ledger;
use crate::seal::is_signed;

/// What a signed note that was kept elsewhere says of this ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vouched {
    /// This history holds it.
    Held(TreeSize),
    /// It was signed over more than there is: this is an older copy.
    Beyond(TreeSize),
    /// It was signed over another history.
    Forked(TreeSize),
    /// It is of an epoch that was given up for the current one.
    Superseded,
    /// This ledger never signed it.
    Foreign,
}

impl Writer {
    /// Puts a note that vouches for more than there is in the mark's place, so that this copy of the ledger is
    /// refused at its next start, and what it lost is named if it goes on in a new epoch.
    ///
    /// # Errors
    /// [`AppendError`] when the history cannot be read or the mark not be written. After a success this writer
    /// refuses further work.
    pub fn adopt_mark(&mut self, note: &str) -> Result<(), AppendError> {
        if matches!(self.ledger().vouched(note)?, Vouched::Beyond(_)) {
            self.mark.raise(note)?;
            self.poisoned = true;
        }
        Ok(())
    }
}

impl Ledger {
    /// Holds a note against the history.
    ///
    /// # Errors
    /// [`ReadError`] when tree or eras cannot be read.
    pub fn vouched(&self, note: &str) -> Result<Vouched, ReadError> {
        let parsed = Note::parse(note).and_then(|note| note.checkpoint().map(|at| (note, at)));
        let Ok((note, marked)) = parsed else { return Ok(Vouched::Foreign) };
        let eras = self.eras()?;
        if note.verify_checkpoint(&eras.at(marked.size).note_key()).is_ok() {
            return Ok(if marked.size > self.head().size {
                Vouched::Beyond(marked.size)
            } else if self.root(marked.size)? == marked.root {
                Vouched::Held(marked.size)
            } else {
                Vouched::Forked(marked.size)
            });
        }
        let is_signed = is_signed(&note, &marked.origin, &eras);
        Ok(match eras.epoch_of(&marked.origin) {
            Some(epoch) if !is_signed || epoch == eras.epoch() => Vouched::Foreign,
            Some(epoch) if epoch < eras.epoch() => Vouched::Superseded,
            Some(_later) => Vouched::Beyond(marked.size),
            None => Vouched::Foreign,
        })
    }
}
