//! The derived half: admission, ordinals, and every row that a rebuild would make.

use std::collections::HashSet;
use std::sync::mpsc::Receiver;

use rayon::prelude::*;
use rocksdb::Direction;
use schemas::body::Body;
use schemas::id::{Index, Kid, Tenant, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::Leaf;
use schemas::redaction::Redaction;
use schemas::statement::Statement;
use schemas::terms::Key;

use super::epoch::EpochBegun;
use super::kept::{Reached, Scratch, Touched};
use super::{AuditError, Counter, DIVERGENCES_MAX, Fault, Verifier};
use crate::error::ReadError;
use crate::fold::Fold;
use crate::keys;
use crate::meta;
use crate::open::identity;
use crate::postings::Postings;
use crate::read::parse_statement;
use crate::rebuild::{Checking, fold_commit};
use crate::store::{ColumnFamily, KeyValue, Row, Store};
use crate::tiles::Growth;

/// Rows that changed, compared at a time.
const TOUCHED_CHUNK: usize = 8192;
/// Of them, read from a store in one go.
const READ_TOGETHER: usize = 256;

/// The derived half under way.
pub(super) struct Derivation<'s> {
    log: &'s Store,
    scratch: &'s Scratch,
    fold: Fold,
    /// Whose log it is.
    tenant: Tenant,
    from: u64,
    found: Found,
    /// The first entry whose body was erased: findings from there on cannot be derived again.
    erased: Option<Index>,
}

/// What the derived half found.
pub(super) type Found = Vec<Wrong>;

/// An entry that is not what it should be.
pub(super) type Wrong = (ColumnFamily, Index, Fault);

/// A derived row that is not what it should be.
type WrongRow = (ColumnFamily, Box<[u8]>, Fault);

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
            Fold { state: scratch.load()?, growth }
        };
        let erased = first_erased(log, TreeSize(0))?;
        let tenant = identity(log)?.tenant;
        Ok(Self { log, scratch, fold, tenant, from: before.0, found: Found::new(), erased })
    }

    /// Derives the rows of each commit that is told of, until there are no more or something is wrong.
    pub(super) fn run(
        mut self,
        commits: &Receiver<Reached>,
        counter: &Counter<'_>,
    ) -> Result<Found, ReadError> {
        while let Ok(reached) = commits.recv() {
            let rows = self.commit(reached.size)?;
            if !self.found.is_empty() {
                break;
            }
            self.scratch.advance(rows, reached)?;
            self.from = reached.size.0;
            counter.derived(self.from);
        }
        Ok(self.found)
    }

    fn commit(&mut self, to: TreeSize) -> Result<Vec<Row>, ReadError> {
        let Self { log, scratch, fold, tenant, from, found, .. } = self;
        let scratch = &scratch.store;
        let mut current: Option<CurrentStatement> = None;
        // The scratch store learns of a commit's events when it ends.
        let mut accepted = HashSet::new();
        let mut epoch = EpochBegun::default();
        let before = TreeSize(*from);
        let folded = fold_commit(fold, log, scratch, *from, to.0, &mut |entry, fold| {
            let leaf = &entry.read.leaf;
            let mut fault = |fault| found.push((ColumnFamily::Leaves, leaf.index, fault));
            if entry.counts != leaf.counts {
                fault(Fault::Counts);
            }
            if let Some(body) = entry.body {
                CurrentStatement::advance(&mut current, log, leaf, entry.statement)?;
                let kid = current.as_ref().map(|statement| statement.kid);
                if let Err(why) = admissible(fold, scratch, entry, body, current.as_ref(), tenant)?
                {
                    fault(Fault::Admission(why));
                }
                if !accepted.insert(keys::event(body.id(), body.signer())) {
                    fault(Fault::Admission("the event was accepted before".to_owned()));
                }
                found.extend(epoch.take(before, leaf, body, kid, &fold.state.registry));
            }
            found.truncate(DIVERGENCES_MAX);
            Ok(())
        })?;
        found.extend(epoch.end());
        // What was erased gave findings that nobody can recompute any more.
        let is_derived = |index: Index| self.erased.is_none_or(|erased| index < erased);
        if let Some((index, why)) = folded.fault.filter(|(index, _)| is_derived(*index)) {
            found.push((ColumnFamily::Leaves, index, Fault::Admission(why)));
        }
        Ok(folded.rows)
    }
}

impl Verifier<'_> {
    /// Takes in what the derived half found, and compares the ledger's rows with its rows.
    pub(super) fn derived(&mut self, found: Found, scratch: &Scratch) -> Result<(), AuditError> {
        if !found.is_empty() {
            // Nothing was derived from there on, so that every later row would seem to be one too many.
            found.into_iter().for_each(|(family, index, fault)| self.entry(family, index, fault));
            return self.meta();
        }
        let is_erased = first_erased(self.store, TreeSize(0))?.is_some();
        if scratch.compares_touched() {
            self.compare_touched(scratch, is_erased)?;
        } else {
            let compare = |family| compare(family, self.store, &scratch.store, is_erased);
            let wrong: Result<Vec<_>, _> =
                ColumnFamily::DERIVED.into_par_iter().map(compare).collect();
            self.wrong_rows(wrong?, is_erased);
        }
        self.meta()
    }

    fn compare_touched(&mut self, scratch: &Scratch, is_erased: bool) -> Result<(), AuditError> {
        let mut touched = scratch.touched();
        loop {
            let chunk: Vec<Touched> =
                touched.by_ref().take(TOUCHED_CHUNK).collect::<Result<_, _>>()?;
            if chunk.is_empty() {
                return Ok(());
            }
            let compare = |rows: &[Touched]| compare_rows(rows, self.store, &scratch.store);
            let wrong: Result<Vec<_>, _> = chunk.par_chunks(READ_TOGETHER).map(compare).collect();
            self.wrong_rows(wrong?, is_erased);
        }
    }

    fn wrong_rows(
        &mut self,
        rows: impl IntoIterator<Item: IntoIterator<Item = WrongRow>>,
        is_erased: bool,
    ) {
        for (family, key, fault) in rows.into_iter().flatten() {
            let is_remembered = key.first() == Some(&keys::REMEMBERED);
            if is_erased && family == ColumnFamily::State && is_remembered {
                continue;
            }
            self.row(family, &key, fault);
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

/// Compares rows that were touched, which stand in the order of their families and keys.
fn compare_rows(
    rows: &[Touched],
    log: &Store,
    scratch: &Store,
) -> Result<Vec<WrongRow>, ReadError> {
    let mut wrong = Vec::new();
    for rows in rows.chunk_by(|(one, _), (next, _)| one == next) {
        let Some((family, _)) = rows.first() else { continue };
        let keys: Vec<_> = rows.iter().map(|(_, key)| key.as_slice()).collect();
        let (theirs, ours) = (log.get_many(*family, &keys), scratch.get_many(*family, &keys));
        for ((key, theirs), ours) in keys.into_iter().zip(theirs).zip(ours) {
            let fault = match (theirs?, ours?) {
                (theirs, ours) if theirs == ours => continue,
                (None, _) => Fault::Missing,
                (Some(_), _) => Fault::Derived,
            };
            wrong.push((*family, key.into(), fault));
        }
    }
    Ok(wrong)
}

/// Walks both stores side by side.
fn compare(
    family: ColumnFamily,
    log: &Store,
    scratch: &Store,
    is_erased: bool,
) -> Result<Vec<WrongRow>, ReadError> {
    // What the rules remember of erased bodies cannot be derived again.
    let skips = |row: &Result<KeyValue, ReadError>| {
        let is_remembered = |key: &[u8]| key.first() == Some(&keys::REMEMBERED);
        is_erased
            && family == ColumnFamily::State
            && row.as_ref().is_ok_and(|(key, _)| is_remembered(key))
    };
    let mut theirs = log.scan(family, &[], Direction::Forward).filter(|row| !skips(row));
    let mut ours = scratch.scan(family, &[], Direction::Forward).filter(|row| !skips(row));
    let (mut their, mut our) = (theirs.next().transpose()?, ours.next().transpose()?);
    let mut wrong = Vec::new();
    while wrong.len() < DIVERGENCES_MAX {
        match (&their, &our) {
            (None, None) => break,
            (Some((key, value)), Some((our_key, our_value))) if key == our_key => {
                if value != our_value {
                    wrong.push((family, key.clone(), Fault::Derived));
                }
                their = theirs.next().transpose()?;
                our = ours.next().transpose()?;
            }
            (Some((key, _)), Some((our_key, _))) if key < our_key => {
                wrong.push((family, key.clone(), Fault::Extra));
                their = theirs.next().transpose()?;
            }
            (Some((key, _)), None) => {
                wrong.push((family, key.clone(), Fault::Extra));
                their = theirs.next().transpose()?;
            }
            (_, Some((key, _))) => {
                wrong.push((family, key.clone(), Fault::Missing));
                our = ours.next().transpose()?;
            }
        }
    }
    Ok(wrong)
}

/// The statement that the entries being folded rest on.
struct CurrentStatement {
    digest: schemas::id::Digest,
    kid: Kid,
    tenant: Tenant,
}

impl CurrentStatement {
    /// `here` is the statement's row that lies at the leaf's own place, as most do.
    fn advance(
        current: &mut Option<Self>,
        log: &Store,
        leaf: &Leaf,
        here: Option<&[u8]>,
    ) -> Result<(), ReadError> {
        if current.as_ref().is_some_and(|statement| statement.digest == leaf.statement) {
            return Ok(());
        }
        if let Some(found) = here.and_then(|row| Self::of(row, leaf)) {
            *current = Some(found);
            return Ok(());
        }
        // Rejected items may lie between a statement's row and its first accepted item.
        let rows = log.scan(ColumnFamily::Statements, &keys::index(leaf.index), Direction::Reverse);
        for row in rows.take(schemas::limits::ITEMS_MAX) {
            if let Some(found) = Self::of(&row?.1, leaf) {
                *current = Some(found);
                break;
            }
        }
        Ok(())
    }

    /// The statement in a row, if the leaf rests on it.
    fn of(row: &[u8], leaf: &Leaf) -> Option<Self> {
        let row = parse_statement(row)?;
        let statement = Statement::parse(&row.statement).ok()?;
        (statement.digest() == leaf.statement).then_some(())?;
        Some(Self { digest: leaf.statement, kid: statement.kid, tenant: statement.tenant })
    }
}

/// The first entry that the redactions among the entries from `from` on take the body of.
pub(super) fn first_erased(log: &Store, from: TreeSize) -> Result<Option<Index>, ReadError> {
    let term = keys::term_hash(Key::Kind, Kind::Redaction.as_str());
    let mut postings = Postings::new(log, term, TreeSize(u64::MAX));
    let (mut at, mut first) = (from.0, None);
    while let Some(index) = postings.at_or_after(at)? {
        // What stands beside a refused one is no body.
        let row = log.get(ColumnFamily::Bodies, &keys::index(index))?;
        let redaction = row.and_then(|row| Redaction::in_row(&row)).filter(|said| said.body);
        let erased = redaction.and_then(|said| said.indexes().next()).map(Index);
        first = [first, erased].into_iter().flatten().min();
        at = index.0 + 1;
    }
    Ok(first)
}

/// Whether the registry as of the entry before, and the events before it, admit the entry.
fn admissible(
    fold: &Fold,
    scratch: &Store,
    entry: &Checking<'_>,
    body: &Body<'_>,
    statement: Option<&CurrentStatement>,
    tenant: &Tenant,
) -> Result<Result<(), String>, ReadError> {
    if entry.read.leaf.index == Index(0) {
        return Ok(Ok(())); // Genesis founds the registry; its key is compared with the trusted one.
    }
    let registry = &fold.state.registry;
    let Some(statement) = statement else {
        return Ok(Err("its statement is missing".to_owned()));
    };
    if statement.tenant != *tenant || body.tenant() != tenant.as_str() {
        return Ok(Err(format!("it was signed for the log of another tenant than {tenant}")));
    }
    let kid = statement.kid;
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
