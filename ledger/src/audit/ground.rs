//! The ground half: leaves, chain, statements, signatures, bodies and details.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::iter::Peekable;
use std::sync::mpsc::SyncSender;

use rayon::prelude::*;
use schemas::body::Body;
use schemas::id::{BodyDigest, Digest, Index, TreeSize, sha256};
use schemas::leaf::{Leaf, Status, chain_hash};
use schemas::limits::{
    ITEMS_MAX, VERIFY_CHUNK_BYTES_MAX, VERIFY_CHUNK_ENTRIES_MAX, VERIFY_COMMIT_ENTRIES_MAX,
};
use schemas::redaction::Redaction;
use schemas::refused;
use schemas::reject::Reason;
use schemas::residue::Residue;
use schemas::statement::{Preimage, Statement};
use schemas::submission::parse_manifest;
use schemas::tree;

use super::kept::Reached;
use super::{AuditError, Counter, Fault, Link, Tally, Verifier};
use crate::check::{Checked, KeySet, check};
use crate::error::ReadError;
use crate::fold::family_beside;
use crate::read::{parse_leaf, parse_statement};
use crate::refusal::Refusal;
use crate::replay::{self, Read, Rows, rows, rows_within};
use crate::store::{ColumnFamily, Store};

/// What one leaf's check found.
type Found = Vec<(ColumnFamily, Index, Fault)>;

impl Verifier<'_> {
    /// Checks what came since the last verification, and tells of each commit's end up to which it holds.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "its end, however it comes, ends the other half"
    )]
    pub(super) fn ground(
        &mut self,
        commits: SyncSender<Reached>,
        counter: &Counter<'_>,
    ) -> Result<(), AuditError> {
        let mut boundaries = replay::boundaries_beyond(self.store, self.before).peekable();
        let mut ended: Option<Reached> = None;
        let mut from = self.before.0;
        while from < self.size.0 && self.divergences.is_empty() {
            let (beside, to) = Beside::read_chunk(self.store, from, self.size.0)?;
            let leaves = self.read_leaves(from, to)?;
            let chunk = self.check_chunk(&leaves, &beside)?;
            for read in &leaves {
                self.check_link(read)?;
                // A commit's end holds only once the leaf after it links to it.
                self.settle(ended.take(), &commits)?;
                if self.tree.push(tree::leaf_hash(&read.bytes)).is_err() {
                    break;
                }
                self.count(read, &chunk)?;
                ended = self.take_boundary(&mut boundaries)?;
            }
            counter.ground(to);
            from = to;
        }
        self.settle(ended.take(), &commits)?;
        if self.divergences.is_empty() {
            for index in std::mem::take(&mut self.unexplained) {
                self.entry(ColumnFamily::Bodies, Index(index), Fault::NotRedacted);
            }
            self.check_last_notes()?;
            let left = boundaries.next().transpose()?.map(|(size, _)| size);
            let is_end = match replay::boundary(self.store, self.size)? {
                Some(_) => self.size.0 == from,
                None => false,
            };
            self.check_ends(is_end, left)?;
        }
        Ok(())
    }

    /// Tells of a commit's end, if everything up to it holds.
    fn settle(
        &mut self,
        ended: Option<Reached>,
        commits: &SyncSender<Reached>,
    ) -> Result<(), AuditError> {
        let Some(ended) = ended.filter(|_| self.divergences.is_empty()) else { return Ok(()) };
        self.check_end(ended.size, ended.root)?;
        if self.divergences.is_empty() {
            let reached =
                Reached { tally: Tally { notes: self.tally.notes, ..ended.tally }, ..ended };
            // Whoever derives has stopped if he found something, and says so himself.
            let _stopped = commits.send(reached);
        }
        Ok(())
    }

    fn count(&mut self, read: &Read, chunk: &Chunk) -> Result<(), ReadError> {
        match read.leaf.status {
            Status::Accepted => self.tally.accepted += 1,
            Status::Rejected(_) => self.tally.rejected += 1,
        }
        let index = read.leaf.index;
        self.tally.signatures += u64::from(chunk.signed.contains(&index.0));
        if chunk.residues.contains(&index.0) {
            self.unexplained.insert(index.0);
        }
        match chunk.redactions.iter().find(|(at, _)| *at == index.0) {
            Some((_, redaction)) => self.check_redaction(index, redaction),
            None => Ok(()),
        }
    }

    /// The end of a commit, if the last leaf is one.
    fn take_boundary(
        &mut self,
        boundaries: &mut Peekable<impl Iterator<Item = Result<(TreeSize, Box<[u8]>), ReadError>>>,
    ) -> Result<Option<Reached>, ReadError> {
        let size = self.tree.size();
        let mut ended = None;
        while let Some(row) =
            boundaries.next_if(|row| row.as_ref().map_or(true, |(at, _)| *at <= size))
        {
            let (at, time) = row?;
            let key = crate::keys::boundary(at);
            if at < size {
                self.row(ColumnFamily::Checkpoints, &key, Fault::Extra);
                continue;
            }
            if *time != self.link.received_at.0.to_be_bytes() {
                self.row(ColumnFamily::Checkpoints, &key, Fault::Damaged);
            }
            self.committed = size.0;
            ended = Some(self.reached());
        }
        if size.0.saturating_sub(self.committed) == VERIFY_COMMIT_ENTRIES_MAX {
            self.row(ColumnFamily::Checkpoints, &crate::keys::boundary(size), Fault::Missing);
        }
        Ok(ended)
    }

    /// The log ends at a commit's end, and nothing lies beyond it.
    fn check_ends(&mut self, is_end: bool, left: Option<TreeSize>) -> Result<(), AuditError> {
        if !is_end {
            let key = crate::keys::boundary(self.size);
            self.row(ColumnFamily::Checkpoints, &key, Fault::Missing);
        }
        if let Some(size) = left {
            self.row(ColumnFamily::Checkpoints, &crate::keys::boundary(size), Fault::Extra);
        }
        for family in [ColumnFamily::Statements, ColumnFamily::Bodies, ColumnFamily::Details] {
            if let Some(index) = replay::beyond(self.store, family, self.size)? {
                self.entry(family, index, Fault::Extra);
            }
        }
        Ok(())
    }

    /// The leaves of a chunk up to the first that cannot be read.
    fn read_leaves(&mut self, from: u64, to: u64) -> Result<Vec<Read>, ReadError> {
        let mut rows = rows(self.store, ColumnFamily::Leaves, from..to)?;
        let mut leaves = Vec::with_capacity(rows.len());
        for at in from..to {
            let index = Index(at);
            let Some(bytes) = rows.remove(&at) else {
                self.entry(ColumnFamily::Leaves, index, Fault::Missing);
                break;
            };
            match parse_leaf(index, &bytes) {
                Ok(leaf) => leaves.push(Read { leaf, bytes }),
                Err(_damaged) => {
                    self.entry(ColumnFamily::Leaves, index, Fault::Damaged);
                    break;
                }
            }
        }
        Ok(leaves)
    }

    /// Checks that `read` continues the chain; if not, finds out which of the two leaves changed.
    fn check_link(&mut self, read: &Read) -> Result<(), ReadError> {
        let link = self.link;
        let index = read.leaf.index;
        let continues = read.leaf.previous == link.chain;
        if !continues || read.leaf.received_at < link.received_at {
            let changed = if continues || self.link_after_holds(read)? {
                Index(index.0.saturating_sub(u64::from(!continues)))
            } else {
                index
            };
            self.entry(ColumnFamily::Leaves, changed, Fault::Chain);
        }
        self.link = Link { chain: chain_hash(&read.bytes), received_at: read.leaf.received_at };
        Ok(())
    }

    /// Whether the leaf after `read` still links to it; for the last one, whether the tree that was noted
    /// holds it as it is.
    fn link_after_holds(&self, read: &Read) -> Result<bool, ReadError> {
        let next = Index(read.leaf.index.0 + 1);
        let Some(bytes) = self.store.get(ColumnFamily::Leaves, &crate::keys::index(next))? else {
            return self.last_leaf_is_noted(read);
        };
        Ok(parse_leaf(next, &bytes).is_ok_and(|leaf| leaf.previous == chain_hash(&read.bytes)))
    }

    /// For a link broken before the last leaf: with the link mended the noted root must come out, if it
    /// was the last leaf that changed.
    fn last_leaf_is_noted(&self, read: &Read) -> Result<bool, ReadError> {
        let before = Index(read.leaf.index.0.saturating_sub(1));
        let Some(bytes) = self.store.get(ColumnFamily::Leaves, &crate::keys::index(before))? else {
            return Ok(true);
        };
        let mended = Leaf { previous: chain_hash(&bytes), ..read.leaf.clone() }.encode();
        let mut tree = self.tree.clone();
        let _full = tree.push(tree::leaf_hash(&mended));
        let noted = self
            .marked
            .as_ref()
            .is_some_and(|mark| mark.size == tree.size() && mark.root == tree.root());
        Ok(!noted)
    }

    /// Checks what lies beside the leaves.
    fn check_chunk(&mut self, leaves: &[Read], beside: &Beside<'_>) -> Result<Chunk, AuditError> {
        let mut chunk = Chunk::default();
        for index in beside.extra(leaves) {
            self.entry(index.0, index.1, Fault::Extra);
        }
        let statements = beside.check_statements(leaves, &self.keys);
        for (index, checked) in &statements.rows {
            match checked {
                Ok(_) => drop(chunk.signed.insert(index.0)),
                Err(Fault::UnknownKey(kid)) => {
                    let key = crate::keys::key(kid);
                    self.row(ColumnFamily::State, &key, Fault::Missing);
                    self.entry(ColumnFamily::Statements, *index, Fault::UnknownKey(*kid));
                }
                Err(fault) => self.entry(ColumnFamily::Statements, *index, fault.clone()),
            }
        }
        let found: Vec<Found> = leaves
            .par_iter()
            .map(|read| beside.check_entry(&read.leaf, &statements, &self.keys))
            .collect::<Result<_, _>>()?;
        for (family, index, fault) in found.into_iter().flatten() {
            self.entry(family, index, fault);
        }
        for Read { leaf, .. } in leaves {
            let index = leaf.index.0;
            let Some(row) = beside.bodies.get(&index) else { continue };
            if leaf.status != Status::Accepted {
                let kept = Refusal::decode(row).and_then(|refusal| refusal.bytes);
                if kept.is_some_and(|kept| refused::is_erased(leaf, &kept)) {
                    chunk.residues.insert(index);
                }
            } else if Residue::is_one(row) {
                chunk.residues.insert(index);
            } else if let Some(redaction) = Redaction::in_row(row) {
                chunk.redactions.push((index, redaction));
            }
        }
        Ok(chunk)
    }
}

/// What the check of a chunk found that later checks rest on.
#[derive(Default)]
struct Chunk {
    /// Where statements begin that verify.
    signed: BTreeSet<u64>,
    /// Entries whose body is erased.
    residues: BTreeSet<u64>,
    redactions: Vec<(u64, Redaction)>,
}

/// Whether the entries of `range` continue the chain, and are what was signed.
pub(crate) fn range_is_sound(
    store: &Store,
    keys: &KeySet,
    range: std::ops::Range<u64>,
) -> Result<bool, ReadError> {
    let leaves = replay::leaves(store, range.start.saturating_sub(1)..range.end)?;
    let linked = leaves.windows(2).all(|pair| match pair {
        [before, after] => {
            after.leaf.previous == chain_hash(&before.bytes)
                && after.leaf.received_at >= before.leaf.received_at
        }
        _ => true,
    });
    let beside = Beside::read(store, range.start, range.end)?;
    let statements = beside.check_statements(&leaves, keys);
    let new = leaves.iter().filter(|read| range.contains(&read.leaf.index.0));
    let mut signed = true;
    for read in new {
        signed &= beside.check_entry(&read.leaf, &statements, keys)?.is_empty();
    }
    Ok(linked && signed)
}

/// Where the statement of the entry at `index` may be.
fn statements_from(index: u64) -> u64 {
    index.saturating_sub(u64::try_from(ITEMS_MAX).unwrap_or(u64::MAX))
}

/// The rows beside a chunk of leaves; statements reach back to where a batch may have begun.
struct Beside<'s> {
    store: &'s Store,
    /// Where the chunk begins.
    from: u64,
    statements: Rows,
    bodies: Rows,
}

/// A statement whose signature verified.
struct Signed {
    preimage: Preimage,
    payload: Vec<u8>,
    digests: Vec<BodyDigest>,
}

/// What the check of a statement's row found.
type StatementCheck = Result<(Digest, Signed), Fault>;

struct Statements {
    rows: Vec<(Index, StatementCheck)>,
    by_digest: HashMap<Digest, usize>,
}

impl Statements {
    fn get(&self, digest: &Digest) -> Option<&Signed> {
        let (_, checked) = self.rows.get(*self.by_digest.get(digest)?)?;
        checked.as_ref().ok().map(|(_, signed)| signed)
    }
}

impl<'s> Beside<'s> {
    fn read(store: &'s Store, from: u64, to: u64) -> Result<Self, ReadError> {
        Ok(Self {
            store,
            from,
            statements: rows(store, ColumnFamily::Statements, statements_from(from)..to)?,
            bodies: rows(store, ColumnFamily::Bodies, from..to)?,
        })
    }

    /// As many as are checked at a time, and where they end.
    fn read_chunk(store: &'s Store, from: u64, size: u64) -> Result<(Self, u64), ReadError> {
        let within = |family, range| rows_within(store, family, range, VERIFY_CHUNK_BYTES_MAX);
        let to = from.saturating_add(VERIFY_CHUNK_ENTRIES_MAX).min(size);
        let (mut bodies, to) = within(ColumnFamily::Bodies, from..to)?;
        let (mut statements, to) = within(ColumnFamily::Statements, from..to)?;
        bodies.split_off(&to);
        statements.extend(rows(store, ColumnFamily::Statements, statements_from(from)..from)?);
        Ok((Self { store, from, statements, bodies }, to))
    }

    /// Rows beside leaves that have no such thing.
    fn extra(&self, leaves: &[Read]) -> Vec<(ColumnFamily, Index)> {
        let mut extra = Vec::new();
        for Read { leaf, .. } in leaves {
            let at = &leaf.index.0;
            if leaf.refused_whole() && self.bodies.contains_key(at) {
                extra.push((ColumnFamily::Bodies, leaf.index));
            }
            if let Some(row) = self.statements.get(at)
                && !leaf.refused_whole()
                && parse_statement(row)
                    .is_some_and(|row| sha256(&row.statement) != leaf.statement.0)
            {
                extra.push((ColumnFamily::Statements, leaf.index));
            }
        }
        extra
    }

    /// Verifies every statement row, in parallel; rows of whole refusals are left out, and rows before the chunk,
    /// which were verified with the chunk before, unless one of its leaves rests on them.
    fn check_statements(&self, leaves: &[Read], keys: &KeySet) -> Statements {
        let wanted: HashSet<_> = leaves.iter().map(|read| read.leaf.statement).collect();
        let rests_here = |row: &[u8]| {
            parse_statement(row).is_some_and(|row| wanted.contains(&Digest(sha256(&row.statement))))
        };
        let rows: Vec<_> = self
            .statements
            .par_iter()
            .filter(|(at, row)| **at >= self.from || rests_here(row))
            .filter(|(_, row)| Refusal::decode(row).is_none())
            .map(|(at, row)| (Index(*at), check_statement(row, keys)))
            .collect();
        let place = |(place, (_, checked)): (usize, &(Index, StatementCheck))| {
            checked.as_ref().ok().map(|(digest, _)| (*digest, place))
        };
        let by_digest = rows.iter().enumerate().filter_map(place).collect();
        Statements { rows, by_digest }
    }

    fn check_entry(
        &self,
        leaf: &Leaf,
        statements: &Statements,
        keys: &KeySet,
    ) -> Result<Found, ReadError> {
        let family = family_beside(leaf);
        let rows = if family == ColumnFamily::Bodies { &self.bodies } else { &self.statements };
        let mut found = Found::new();
        let mut fault = |family, fault| found.push((family, leaf.index, fault));
        let Some(row) = rows.get(&leaf.index.0) else {
            fault(family, Fault::Missing);
            return Ok(found);
        };
        if !leaf.refused_whole() {
            match statements.get(&leaf.statement) {
                Some(signed) => {
                    if let Err(wrong) = signed_at(signed, leaf) {
                        fault(ColumnFamily::Statements, wrong);
                    }
                }
                None => fault(ColumnFamily::Statements, Fault::Missing),
            }
        }
        let beside = match leaf.status {
            Status::Accepted => check_body(leaf, row),
            Status::Rejected(reason) => check_refusal(leaf, reason, row, keys).map(|()| None),
        };
        // Details are large: one at a time.
        let detail = self.store.get(ColumnFamily::Details, &crate::keys::index(leaf.index))?;
        match (beside, detail) {
            (Err(wrong), _) => fault(family, wrong),
            (Ok(_), None) => {}
            (Ok(Some(digest)), Some(detail)) if digest.0 == sha256(&detail) => {}
            (Ok(Some(_)), Some(_)) => fault(ColumnFamily::Details, Fault::Digest),
            (Ok(None), Some(_)) => fault(ColumnFamily::Details, Fault::Extra),
        }
        Ok(found)
    }
}

fn check_statement(row: &[u8], keys: &KeySet) -> StatementCheck {
    let row = parse_statement(row).ok_or(Fault::Damaged)?;
    let statement = Statement::parse(&row.statement).map_err(|_refused| Fault::Damaged)?;
    let key = keys.get(&statement.kid).ok_or(Fault::UnknownKey(statement.kid))?;
    if !statement.verifies(key) {
        return Err(Fault::Signature);
    }
    let digests = match (statement.preimage, &row.manifest) {
        (Preimage::Event, None) => Vec::new(),
        (Preimage::Manifest, Some(manifest)) if sha256(manifest) == *statement.payload() => {
            parse_manifest(manifest).ok_or(Fault::Damaged)?
        }
        _ => return Err(Fault::Digest),
    };
    let payload = statement.payload().to_vec();
    Ok((statement.digest(), Signed { preimage: statement.preimage, payload, digests }))
}

/// The statement must cover what the leaf says it covers; of a body that was not the signed one, only the
/// place is covered.
fn signed_at(signed: &Signed, leaf: &Leaf) -> Result<(), Fault> {
    let mismatched = leaf.status == Status::Rejected(Reason::DigestMismatch);
    let place = usize::try_from(leaf.position).map_err(|_beyond| Fault::Digest)?;
    let covered = match signed.preimage {
        Preimage::Event => (place == 0).then_some(signed.payload.as_slice()),
        Preimage::Manifest => signed.digests.get(place).map(|digest| digest.as_bytes()),
    };
    match covered {
        Some(digest) if digest == leaf.body.as_bytes() || mismatched => Ok(()),
        _ => Err(Fault::Digest),
    }
}

/// Gives the digest of the detail that may stand beside the body: beside a residue there is none. Whether a residue is
/// one is settled with the redaction that it must have.
fn check_body(leaf: &Leaf, row: &[u8]) -> Result<Option<Digest>, Fault> {
    let (id, detail) = if Residue::is_one(row) {
        let residue = Residue::parse(row).ok_or(Fault::Damaged)?;
        (Body::residue(residue.fields).ok_or(Fault::Damaged)?.id(), None)
    } else {
        if Body::digest(row) != leaf.body {
            return Err(Fault::Digest);
        }
        let body = Body::parse(row).map_err(|_refused| Fault::Damaged)?;
        (body.id(), body.detail())
    };
    if leaf.id == Some(id) { Ok(detail) } else { Err(Fault::Digest) }
}

fn check_refusal(leaf: &Leaf, reason: Reason, row: &[u8], keys: &KeySet) -> Result<(), Fault> {
    let refusal = Refusal::decode(row).ok_or(Fault::Damaged)?;
    let Some(bytes) = &refusal.bytes else { return Ok(()) };
    if refused::is_erased(leaf, bytes) {
        let residue = Residue::parse(bytes).ok_or(Fault::Damaged)?;
        let left = Body::residue(residue.fields).ok_or(Fault::Damaged)?;
        return if leaf.id == Some(left.id()) { Ok(()) } else { Err(Fault::Digest) };
    }
    let committed =
        if leaf.refused_whole() { leaf.statement.as_bytes() } else { leaf.body.as_bytes() };
    if sha256(bytes) != *committed || u64::try_from(bytes.len()) != Ok(refusal.size) {
        return Err(Fault::Digest);
    }
    if !leaf.refused_whole() {
        return Ok(());
    }
    // What the bytes alone decide must come out again; a key may have been enrolled since.
    match check(bytes, keys) {
        Checked::Refused(reject) if reason != Reason::UnregisteredKey => {
            let same = reject.reason == reason && reject.cause == refusal.cause;
            if same { Ok(()) } else { Err(Fault::Admission(reject.to_string())) }
        }
        _ => Ok(()),
    }
}
