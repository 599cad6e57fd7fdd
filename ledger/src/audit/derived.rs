//! The derived half: admission, ordinals, and every row that a rebuild would make.

use std::collections::{BTreeSet, HashSet};
use std::sync::mpsc::Receiver;

use rocksdb::Direction;
use schemas::body::Body;
use schemas::id::{Index, Kid, TreeSize};
use schemas::leaf::Leaf;
use schemas::statement::Statement;

use super::kept::{Reached, Scratch};
use super::{AuditError, Counter, DIVERGENCES_MAX, Fault, Verifier};
use crate::error::{OpenError, ReadError};
use crate::fold::Fold;
use crate::keys;
use crate::meta;
use crate::read::parse_statement;
use crate::rebuild::{Checking, fold_commit};
use crate::state::State;
use crate::store::{ColumnFamily, Row, Store};
use crate::tiles::Growth;

/// Keys that the new entries touch: more than these, and all rows are compared.
const TOUCHED_MAX: usize = 1 << 20;

/// The derived half under way.
pub(super) struct Derivation<'s> {
    log: &'s Store,
    scratch: &'s Scratch,
    fold: Fold,
    from: u64,
    derived: Derived,
}

/// What the derived half found.
pub(super) struct Derived {
    found: Vec<(ColumnFamily, Index, Fault)>,
    /// Rows that differ from those of the last verification; `None` for all of them.
    touched: Option<BTreeSet<(ColumnFamily, Vec<u8>)>>,
}

impl<'s> Derivation<'s> {
    pub(super) fn new(
        log: &'s Store,
        scratch: &'s Scratch,
        size: TreeSize,
    ) -> Result<Self, AuditError> {
        let before = scratch.reached.size;
        if before > size {
            return Err(AuditError::OtherState);
        }
        let fold = if before.0 == 0 {
            Fold::default()
        } else {
            let growth = Growth::load_from(log, &scratch.store, before);
            let growth = growth.map_err(|_absent| AuditError::OtherState)?;
            Fold { state: State::load(&scratch.store)?, growth }
        };
        let touched = (before.0 > 0 && scratch.compared == before).then(BTreeSet::new);
        let derived = Derived { found: Vec::new(), touched };
        Ok(Self { log, scratch, fold, from: before.0, derived })
    }

    /// Derives the rows of each commit that is told of, until there are no more or something is wrong.
    pub(super) fn run(
        mut self,
        commits: &Receiver<Reached>,
        counter: &Counter<'_>,
    ) -> Result<Derived, ReadError> {
        while let Ok(reached) = commits.recv() {
            let rows = self.commit(reached.size)?;
            if !self.derived.found.is_empty() {
                break;
            }
            self.derived.touch(&rows);
            self.scratch.advance(rows, reached)?;
            counter.add(reached.size.0 - self.from);
            self.from = reached.size.0;
        }
        Ok(self.derived)
    }

    fn commit(&mut self, to: TreeSize) -> Result<Vec<Row>, ReadError> {
        let Self { log, scratch, fold, from, derived } = self;
        let scratch = &scratch.store;
        let mut current: Option<CurrentStatement> = None;
        // The scratch store learns of a commit's events when it ends.
        let mut accepted = HashSet::new();
        fold_commit(fold, log, scratch, *from, to.0, &mut |entry, fold| {
            let leaf = &entry.read.leaf;
            let mut fault = |fault| derived.found.push((ColumnFamily::Leaves, leaf.index, fault));
            if entry.counts != leaf.counts {
                fault(Fault::Counts);
            }
            if let Some(body) = entry.body {
                CurrentStatement::advance(&mut current, log, leaf)?;
                let kid = current.as_ref().map(|statement| statement.kid);
                if let Err(why) = admissible(fold, scratch, entry, body, kid)? {
                    fault(Fault::Admission(why));
                }
                if !accepted.insert(keys::event(body.id(), body.signer())) {
                    fault(Fault::Admission("the event was accepted before".to_owned()));
                }
            }
            derived.found.truncate(DIVERGENCES_MAX);
            Ok(())
        })
    }
}

impl Derived {
    fn touch(&mut self, rows: &[Row]) {
        let Some(touched) = &mut self.touched else { return };
        touched.extend(rows.iter().map(|row| (row.family, row.key.clone())));
        if touched.len() > TOUCHED_MAX {
            self.touched = None;
        }
    }
}

impl Verifier<'_> {
    /// Takes in what the derived half found, and compares the ledger's rows with its rows.
    pub(super) fn derived(
        &mut self,
        derived: Derived,
        scratch: &Scratch,
    ) -> Result<(), AuditError> {
        for (family, index, fault) in derived.found {
            self.entry(family, index, fault);
        }
        match derived.touched {
            Some(touched) => self.compare_touched(&touched, &scratch.store)?,
            None => {
                for family in ColumnFamily::DERIVED {
                    self.compare(family, &scratch.store)?;
                }
            }
        }
        self.meta()
    }

    fn compare_touched(
        &mut self,
        touched: &BTreeSet<(ColumnFamily, Vec<u8>)>,
        scratch: &Store,
    ) -> Result<(), ReadError> {
        for (family, key) in touched {
            match self.store.get(*family, key)? {
                None => self.row(*family, key, Fault::Missing),
                theirs if theirs != scratch.get(*family, key)? => {
                    self.row(*family, key, Fault::Derived);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Walks both stores side by side.
    fn compare(&mut self, family: ColumnFamily, scratch: &Store) -> Result<(), OpenError> {
        let mut theirs = self.store.scan(family, &[], Direction::Forward);
        let mut ours = scratch.scan(family, &[], Direction::Forward);
        let (mut their, mut our) = (theirs.next().transpose()?, ours.next().transpose()?);
        loop {
            match (&their, &our) {
                (None, None) => return Ok(()),
                (Some((key, value)), Some((our_key, our_value))) if key == our_key => {
                    if value != our_value {
                        self.row(family, key, Fault::Derived);
                    }
                    their = theirs.next().transpose()?;
                    our = ours.next().transpose()?;
                }
                (Some((key, _)), Some((our_key, _))) if key < our_key => {
                    self.row(family, key, Fault::Extra);
                    their = theirs.next().transpose()?;
                }
                (Some((key, _)), None) => {
                    self.row(family, key, Fault::Extra);
                    their = theirs.next().transpose()?;
                }
                (_, Some((key, _))) => {
                    self.row(family, key, Fault::Missing);
                    our = ours.next().transpose()?;
                }
            }
        }
    }

    fn meta(&mut self) -> Result<(), AuditError> {
        for row in self.store.scan(ColumnFamily::Meta, &[], Direction::Forward) {
            let (key, value) = row?;
            if !meta::row_is_sound(&value) {
                self.row(ColumnFamily::Meta, &key, Fault::Damaged);
            }
        }
        Ok(())
    }
}

/// The statement that the entries being folded rest on.
struct CurrentStatement {
    digest: schemas::id::Digest,
    kid: Kid,
}

impl CurrentStatement {
    fn advance(current: &mut Option<Self>, log: &Store, leaf: &Leaf) -> Result<(), ReadError> {
        if current.as_ref().is_some_and(|statement| statement.digest == leaf.statement) {
            return Ok(());
        }
        // Rejected items may lie between a statement's row and its first accepted item.
        let rows = log.scan(ColumnFamily::Statements, &keys::index(leaf.index), Direction::Reverse);
        for row in rows.take(schemas::limits::ITEMS_MAX) {
            let Some(row) = parse_statement(&row?.1) else { continue };
            let Ok(statement) = Statement::parse(&row.statement) else { continue };
            if statement.digest() == leaf.statement {
                *current = Some(Self { digest: leaf.statement, kid: statement.kid });
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Whether the registry as of the entry before, and the events before it, admit the entry.
fn admissible(
    fold: &Fold,
    scratch: &Store,
    entry: &Checking<'_>,
    body: &Body<'_>,
    kid: Option<Kid>,
) -> Result<Result<(), String>, ReadError> {
    if entry.read.leaf.index == Index(0) {
        return Ok(Ok(())); // Genesis founds the registry; its key is compared with the trusted one.
    }
    let registry = &fold.state.registry;
    let Some(kid) = kid else { return Ok(Err("its statement is missing".to_owned())) };
    let owner = registry.key(&kid).map(|record| record.signer.as_str());
    if owner != Some(body.signer()) {
        return Ok(Err(format!("its key is not {}'s", body.signer())));
    }
    if let Err(reject) = registry.permits(body, &kid, entry.read.leaf.received_at) {
        return Ok(Err(reject.to_string()));
    }
    let twice = scratch.get(ColumnFamily::Ids, &keys::event(body.id(), body.signer()))?.is_some();
    Ok(if twice { Err("the event was accepted before".to_owned()) } else { Ok(()) })
}
