//! Where commits end: their notes, the cosignatures of these, and the mark.

use std::iter::Peekable;

use rocksdb::Direction;
use schemas::checkpoint::{Checkpoint, Note};
use schemas::id::{Index, TreeHash, TreeSize};

use super::kept::{Reached, Scratch};
use super::{AuditError, Fault, Verifier};
use crate::cosignatures::is_line;
use crate::error::ReadError;
use crate::keys;
use crate::replay;
use crate::store::{ColumnFamily, Store};
use crate::tiles::Growth;

/// The published notes ahead, ascending.
pub(super) struct Notes<'s>(Peekable<Box<dyn Iterator<Item = NoteRow> + Send + 's>>);

type NoteRow = Result<(TreeSize, Box<[u8]>), ReadError>;

impl<'s> Notes<'s> {
    pub(super) fn beyond(store: &'s Store, size: TreeSize) -> Result<Self, ReadError> {
        let rows: Box<dyn Iterator<Item = NoteRow> + Send + 's> =
            Box::new(replay::notes_beyond(store, size));
        Ok(Self(rows.peekable()))
    }

    /// The next note up to `size`.
    fn up_to(&mut self, size: TreeSize) -> Option<NoteRow> {
        self.0.next_if(|row| row.as_ref().map_or(true, |(at, _)| *at <= size))
    }
}

impl Verifier<'_> {
    /// Takes in that a commit ends here. Its note must be signed, and over the tree that the leaves give.
    pub(super) fn check_end(&mut self, size: TreeSize, root: TreeHash) -> Result<(), ReadError> {
        if self.marked.as_ref().is_some_and(|mark| mark.size == size) {
            self.root_at_mark = Some(root);
        }
        while let Some(row) = self.notes.up_to(size) {
            let (at, text) = row?;
            let key = keys::note(at);
            let noted = std::str::from_utf8(&text).ok().and_then(|text| self.noted(text));
            match noted {
                _ if at < size => {
                    self.row(ColumnFamily::Checkpoints, &keys::boundary(at), Fault::Missing);
                }
                Some(noted) if noted.size == size && noted.root == root => self.tally.notes += 1,
                Some(_) => self.row(ColumnFamily::Checkpoints, &key, Fault::Root),
                None => self.row(ColumnFamily::Checkpoints, &key, Fault::Note),
            }
        }
        Ok(())
    }

    /// Notes of trees that the log does not reach.
    pub(super) fn check_last_notes(&mut self) -> Result<(), ReadError> {
        while let Some(row) = self.notes.up_to(TreeSize(u64::MAX)) {
            self.row(ColumnFamily::Checkpoints, &keys::boundary(row?.0), Fault::Missing);
        }
        Ok(())
    }

    /// The checkpoint of a note that the ledger signed.
    fn noted(&self, text: &str) -> Option<Checkpoint> {
        let note = Note::parse(text).ok()?;
        let era = self.eras.at(note.checkpoint().ok()?.size);
        note.verify_checkpoint(&era.note_key()).ok()
    }

    /// The mark must be signed, and of a tree that the log went through; and cosignatures be of notes.
    pub(super) fn check_mark(
        &mut self,
        mark: Option<&str>,
        scratch: &Scratch,
    ) -> Result<(), AuditError> {
        self.cosignatures()?;
        let Some(mark) = mark else { return Ok(()) };
        let Some(marked) = self.noted(mark) else {
            self.row(ColumnFamily::Checkpoints, b"mark", Fault::Note);
            return Ok(());
        };
        if marked.size > self.size {
            let fault = Fault::Short { marked: marked.size };
            self.row(ColumnFamily::Checkpoints, b"mark", fault);
            return Ok(());
        }
        let root = match self.root_at_mark {
            None if marked.size <= scratch.reached.size => {
                Some(scratch.root(self.store, marked.size)?)
            }
            root => root,
        };
        match root {
            None => {
                let key = keys::boundary(marked.size);
                self.row(ColumnFamily::Checkpoints, &key, Fault::Missing);
            }
            // The chain holds, so nothing before the last entry can have changed.
            Some(root) if root != marked.root => {
                self.entry(ColumnFamily::Leaves, Index(self.size.0 - 1), Fault::Root);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Cosignatures are of published notes. Whose they are is for a reader's own policy.
    fn cosignatures(&mut self) -> Result<(), ReadError> {
        let family = ColumnFamily::Checkpoints;
        let store = self.store;
        let mut from = keys::cosignatures(self.before);
        if self.before.0 == 0 {
            from.truncate(1);
        }
        for row in store.scan(family, &from, Direction::Forward) {
            let (key, line) = row?;
            let noted = match keys::parse_cosignature(&key) {
                Some(size) => store.get(family, &keys::note(size))?.is_some(),
                None => false,
            };
            if !noted {
                self.row(family, &key, Fault::Extra);
            } else if !std::str::from_utf8(&line).is_ok_and(is_line) {
                self.row(family, &key, Fault::Damaged);
            }
        }
        Ok(())
    }
}

impl Scratch {
    /// Root of the first `size` leaves of `log`, its full tiles being ours.
    fn root(&self, log: &Store, size: TreeSize) -> Result<TreeHash, ReadError> {
        Ok(Growth::load_from(log, &self.store, size)?.root())
    }
}

impl Reached {
    /// The tree so far, which the log must still have.
    pub(super) fn tree(
        &self,
        log: &Store,
        scratch: &Scratch,
    ) -> Result<schemas::tree::Frontier, AuditError> {
        if self.size.0 == 0 {
            return Ok(schemas::tree::Frontier::default());
        }
        let growth = Growth::load_from(log, &scratch.store, self.size);
        let growth = growth.map_err(|_absent| AuditError::OtherState)?;
        let last = keys::index(Index(self.size.0.saturating_sub(1)));
        let last = log.get(ColumnFamily::Leaves, &last)?;
        let is_same = last.is_some_and(|leaf| schemas::leaf::chain_hash(&leaf) == self.chain);
        if is_same && growth.root() == self.root {
            Ok(growth.frontier().clone())
        } else {
            Err(AuditError::OtherState)
        }
    }
}
