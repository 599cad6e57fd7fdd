//! The derived half: admission, ordinals, and every row that a rebuild would make.

use std::collections::HashSet;

use rocksdb::Direction;
use schemas::body::Body;
use schemas::id::{Index, Kid};
use schemas::leaf::Leaf;
use schemas::statement::Statement;

use super::{AuditError, DIVERGENCES_MAX, Fault, Progress, Verifier};
use crate::error::{OpenError, ReadError};
use crate::fold::Fold;
use crate::keys;
use crate::meta;
use crate::read::parse_statement;
use crate::rebuild::{Checking, fold_commit};
use crate::store::{ColumnFamily, Store};

impl Verifier<'_> {
    pub(super) fn derived(
        &mut self,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), AuditError> {
        let directory = tempfile::tempdir().map_err(AuditError::Scratch)?;
        let scratch = Store::open(directory.path())?;
        let mut fold = Fold::default();
        let mut from = 0;
        let mut found: Vec<(ColumnFamily, Index, Fault)> = Vec::new();
        let mut current: Option<CurrentStatement> = None;
        let mut accepted = HashSet::new();
        let sizes: Vec<_> = self.roots.iter().map(|(size, _)| *size).collect();
        for to in sizes {
            // The scratch store learns of a commit's events when it ends.
            accepted.clear();
            let rows =
                fold_commit(&mut fold, self.store, &scratch, from, to.0, &mut |entry, fold| {
                    let leaf = &entry.read.leaf;
                    if entry.counts != leaf.counts {
                        found.push((ColumnFamily::Leaves, leaf.index, Fault::Counts));
                    }
                    if let Some(body) = entry.body {
                        CurrentStatement::advance(&mut current, self.store, leaf)?;
                        let kid = current.as_ref().map(|statement| statement.kid);
                        if let Err(why) = admissible(fold, &scratch, entry, body, kid)? {
                            found.push((ColumnFamily::Leaves, leaf.index, Fault::Admission(why)));
                        }
                        if !accepted.insert(keys::event(body.id(), body.signer())) {
                            let why = "the event was accepted before".to_owned();
                            found.push((ColumnFamily::Leaves, leaf.index, Fault::Admission(why)));
                        }
                    }
                    found.truncate(DIVERGENCES_MAX);
                    Ok(())
                })?;
            scratch.write_scratch(&rows).map_err(ReadError::from)?;
            from = to.0;
            progress(Progress { done: self.size.0 + from, total: self.size.0 * 2 });
        }
        for (family, index, fault) in found {
            self.entry(family, index, fault);
        }
        for family in ColumnFamily::DERIVED {
            self.compare(family, &scratch)?;
        }
        self.meta()
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
