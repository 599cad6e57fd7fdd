//! Erasing what redactions say: details and bodies go, a residue stays, and everything derived from what is gone is
//! rewritten to what a rebuild would make.
//!
//! It happens after the commit of the redaction, in one batch for each, and again at opening if it was interrupted.

use std::collections::BTreeMap;

use schemas::body::Body;
use schemas::encode::{Value, map};
use schemas::id::{Index, Micros, TreeSize};
use schemas::kind::Kind;
use schemas::leaf::{Leaf, Status};
use schemas::limits::{REDACT_ENTRIES_MAX, REDACT_RANGES_MAX};
use schemas::redaction::Redaction;
use schemas::refused;
use schemas::reject::{Reason, Reject};
use schemas::residue::{self, Residue};
use schemas::terms::{self, Key, Term};

use crate::append::Writer;
use crate::error::{AppendError, OpenError, ReadError};
use crate::fold::family_beside;
use crate::journal::{Journal, Noted};
use crate::keys;
use crate::meta;
use crate::postings;
use crate::read::{Ledger, damaged, parse_leaf};
use crate::refusal::Refusal;
use crate::store::{ColumnFamily, Row};
use crate::term_row::{parse_term_row, term_row};

/// What a redaction changes in the store.
#[derive(Default)]
struct Erasure {
    puts: Vec<Row>,
    deletes: Vec<(ColumnFamily, Vec<u8>)>,
    /// Entries that carry a term no more, by the term's key in `terms`.
    terms: BTreeMap<Vec<u8>, Vec<u64>>,
}

/// What a redaction would still erase.
#[derive(Default)]
struct Left {
    /// Ranges of indexes, as in a redaction.
    erasable: Vec<(u64, u64)>,
    /// Entries under a hold.
    held: Vec<u64>,
}

impl Erasure {
    /// Takes the body out of the indexes; gives the fields that stay.
    fn reduce(&mut self, leaf: &Leaf, body: &Body<'_>) -> Option<Vec<u8>> {
        let left = residue::fields(body);
        // Its agent's id and owner follow from the name of that, which stays: nothing that may go states one.
        let stays = Body::residue(&left)?;
        let (before, after) =
            (terms::indexed(leaf, body, None), terms::indexed(leaf, &stays, None));
        self.unlist(leaf, &before, &after);
        Some(left)
    }

    fn unlist(&mut self, leaf: &Leaf, before: &[Term<'_>], after: &[Term<'_>]) {
        for term in before.iter().filter(|term| !after.contains(term)) {
            let key = keys::term(term.key, &term.value);
            self.terms.entry(key).or_default().push(leaf.index.0);
        }
    }
}

impl Writer {
    /// Erases what the redactions in `ledger` say and is still there; whether there was any.
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub(crate) fn erase_due(&mut self, ledger: &Ledger) -> Result<bool, AppendError> {
        let mut erased = false;
        while let Some((index, redaction)) = self.next_redaction(ledger)? {
            let mut erasure = Erasure::default();
            for covered in redaction.indexes() {
                self.erase(Index(covered), &redaction, &mut erasure)?;
            }
            self.unlist(&mut erasure)?;
            // Before the bytes go: a note too many does no harm, a backup that brings them back does.
            let body = self.store.get(ColumnFamily::Bodies, &keys::index(index))?;
            let journal = Journal::beside(self.mark.path());
            let noted = journal.note(index, &body.unwrap_or_default(), self.seal.key())?;
            erasure.puts.push(meta::erased_row(index.0 + 1));
            // While lines before it are still carried out again, it does not make them known. Where it is one of fewer
            // than were known, the journal was lost and begins again.
            if noted.lines <= meta::read_journaled(&self.store)?.lines.saturating_add(1) {
                erasure.puts.push(meta::journaled_row(&noted));
            }
            self.store.rewrite_synced(&erasure.puts, &erasure.deletes)?;
            erased = true;
        }
        Ok(erased)
    }

    /// Carries out again what the journal knows and this log, restored from an older copy of `size` entries, does
    /// not: by entries of the ledger's own. What a hold of the copy keeps stays, and that is said. Lines that the
    /// store knows of are not looked at again, for other entries stand meanwhile where the lost ones stood.
    ///
    /// # Errors
    /// [`OpenError::Journal`]; else as for [`Writer::append`].
    pub(crate) fn redact_restored(&mut self, size: TreeSize) -> Result<(), OpenError> {
        let eras = self.ledger().eras()?;
        let journal = Journal::beside(self.mark.path());
        let noted = journal.read(&eras)?;
        let known = self.known_lines(&journal, &noted, size)?;
        let mut is_known = true;
        for (line, Noted { mut redaction, .. }) in (0..).zip(noted) {
            if line < known {
                continue;
            }
            is_known = false;
            let left = self.left(&redaction, size)?;
            redaction.ranges = left.erasable;
            self.redact_own(&redaction, "restored", Micros(0))?;
            if let Some(first) = left.held.first() {
                let note = format!(
                    "{} entries that had been erased are held here and stay, the first is {first}",
                    left.held.len()
                );
                self.incident("redaction_held", &note, Micros(0))?;
            }
        }
        if !is_known {
            let row = meta::journaled_row(&journal.first(u64::MAX)?);
            self.store.write_synced(&[row]).map_err(ReadError::from)?;
        }
        Ok(())
    }

    /// How many of the journal's lines the store knows of. A journal that does not begin with those that it knew was
    /// begun again after the one before was lost: of that it knows what was noted for entries below `size`.
    fn known_lines(
        &self,
        journal: &Journal,
        noted: &[Noted],
        size: TreeSize,
    ) -> Result<u64, OpenError> {
        let known = meta::read_journaled(&self.store)?;
        if known.is_of(&journal.first(known.lines)?) {
            return Ok(known.lines);
        }
        let own = noted.iter().take_while(|noted| noted.index.0 < size.0);
        let known = own.fold(0, |lines: u64, _line| lines.saturating_add(1));
        let row = meta::journaled_row(&journal.first(known)?);
        self.store.write_synced(&[row]).map_err(ReadError::from)?;
        Ok(known)
    }

    /// What is left below `size` of that which a redaction erases. Entries of the registry are none of it.
    fn left(&self, redaction: &Redaction, size: TreeSize) -> Result<Left, ReadError> {
        let (ledger, holds) = (self.ledger(), self.fold.state.registry.holds());
        let mut left = Left::default();
        for index in redaction.indexes().take_while(|index| *index < size.0) {
            let Some(entry) = ledger.entry(Index(index))? else { continue };
            let kept =
                entry.body().is_some_and(|body| redaction.body && !body.kind().is_erasable());
            if kept || !self.is_left(Index(index), redaction)? {
                continue;
            }
            if entry.held(&ledger, holds)?.is_some() {
                left.held.push(index);
                continue;
            }
            match left.erasable.last_mut() {
                Some((_, to)) if to.checked_add(1) == Some(index) => *to = index,
                _ => left.erasable.push((index, index)),
            }
        }
        Ok(left)
    }

    /// Whether anything of the entry would go.
    fn is_left(&self, index: Index, redaction: &Redaction) -> Result<bool, ReadError> {
        let mut erasure = Erasure::default();
        self.erase(index, redaction, &mut erasure)?;
        // A detail goes unseen.
        let detail = self.store.get(ColumnFamily::Details, &keys::index(index))?;
        Ok(detail.is_some() || !erasure.puts.is_empty())
    }

    /// Records a redaction of the ledger's own, in as many entries as it takes, and carries it out.
    pub(crate) fn redact_own(
        &mut self,
        redaction: &Redaction,
        basis: &str,
        now: Micros,
    ) -> Result<(), AppendError> {
        let range =
            |(from, to): &(u64, u64)| Value::Array(vec![Value::from(*from), Value::from(*to)]);
        let parts = [("body", redaction.body), ("detail", redaction.detail)];
        let parts = parts.into_iter().filter(|(_, erased)| *erased);
        let parts = Value::Array(parts.map(|(part, _)| Value::from(part)).collect());
        for ranges in redaction.ranges.chunks(REDACT_RANGES_MAX) {
            let redact = map([
                ("basis", Value::from(basis)),
                ("parts", parts.clone()),
                ("ranges", Value::Array(ranges.iter().map(range).collect())),
            ]);
            self.own_entry(Kind::Redaction, vec![("redact", redact)], now)?;
        }
        Ok(())
    }

    /// The first redaction that is not carried out.
    fn next_redaction(&self, ledger: &Ledger) -> Result<Option<(Index, Redaction)>, ReadError> {
        let mut at = meta::read_erased(&self.store)?;
        let mut postings = ledger.postings(Key::Kind, Kind::Redaction.as_str());
        while let Some(index) = postings.at_or_after(at)? {
            at = index.0 + 1;
            if let Some(redaction) = ledger.redaction(index)? {
                return Ok(Some((index, redaction)));
            }
        }
        Ok(None)
    }

    fn erase(
        &self,
        index: Index,
        redaction: &Redaction,
        erasure: &mut Erasure,
    ) -> Result<(), ReadError> {
        let key = keys::index(index);
        erasure.deletes.push((ColumnFamily::Details, key.to_vec()));
        let bytes = self.store.row_at(ColumnFamily::Leaves, index)?;
        let leaf = parse_leaf(index, &bytes)?;
        if !redaction.body {
            return Ok(());
        }
        let family = family_beside(&leaf);
        let Some(row) = self.store.get(family, &key)? else { return Ok(()) };
        let broken = || damaged(family, &key);
        if leaf.status == Status::Accepted {
            if Residue::is_one(&row) {
                return Ok(());
            }
            let body = Body::parse(&row).map_err(|_refused| broken())?;
            let left = erasure.reduce(&leaf, &body).ok_or_else(broken)?;
            let row = residue::leave(&left, &bytes, self.seal.key());
            erasure.puts.push(Row::new(family, key, row));
            erasure.deletes.push((ColumnFamily::State, keys::chain_check(index)));
            return Ok(());
        }
        let mut refusal = Refusal::decode(&row).ok_or_else(broken)?;
        let Some(kept) = refusal.bytes.take() else { return Ok(()) };
        if refused::is_erased(&leaf, &kept) {
            return Ok(());
        }
        match refused::signed_body(&leaf, &kept) {
            Some(body) => {
                let left = erasure.reduce(&leaf, &body).ok_or_else(broken)?;
                refusal.bytes = Some(residue::leave(&left, &bytes, self.seal.key()));
            }
            None => {
                let claimed = refused::claimed_names(&leaf, &kept);
                erasure.unlist(
                    &leaf,
                    &terms::of_refusal(&leaf, &claimed),
                    &terms::of_refusal(&leaf, &[]),
                );
            }
        }
        erasure.puts.push(Row::new(family, key, refusal.encode()));
        Ok(())
    }

    /// Takes the entries out of the postings and the counts of the terms that they carry no more.
    fn unlist(&self, erasure: &mut Erasure) -> Result<(), ReadError> {
        for (term, gone) in &erasure.terms {
            let hash = keys::row_hash(term);
            let rows = postings::without(&self.store, hash, gone)?;
            erasure.puts.extend(rows.puts);
            erasure
                .deletes
                .extend(rows.deletes.into_iter().map(|key| (ColumnFamily::Postings, key)));
            let row = self.store.get(ColumnFamily::Terms, term)?;
            let broken = || damaged(ColumnFamily::Terms, term);
            let [_, _, count] = row.as_deref().and_then(parse_term_row).ok_or_else(broken)?;
            let left = count.saturating_sub(u64::try_from(gone.len()).unwrap_or(u64::MAX));
            match postings::ends_without(&self.store, hash, gone)? {
                Some((first, last)) if left > 0 => {
                    let row = term_row([first, last, left]);
                    erasure.puts.push(Row::new(ColumnFamily::Terms, term.clone(), row));
                }
                _ => erasure.deletes.push((ColumnFamily::Terms, term.clone())),
            }
        }
        Ok(())
    }

    /// Why a redaction is not admitted, if it is not. `first` is the first entry of the commit under way.
    pub(crate) fn redaction_fault(
        &self,
        body: &Body<'_>,
        first: u64,
    ) -> Result<Option<Reject>, ReadError> {
        let invalid = |expected: String| {
            Ok(Some(Reject::new(Reason::InvalidField, "redact.ranges", expected)))
        };
        let Some(redaction) = Redaction::of(body) else { return Ok(None) };
        let last = redaction.ranges.last().map_or(0, |(_, to)| *to);
        if last >= first {
            return invalid(format!("entries that are in the log already, below {first}"));
        }
        if redaction.len() > REDACT_ENTRIES_MAX {
            return invalid(format!("at most {REDACT_ENTRIES_MAX} entries at a time"));
        }
        let ledger = self.ledger();
        let holds = self.fold.state.registry.holds();
        for index in redaction.indexes().map(Index) {
            let Some(entry) = ledger.entry(index)? else { continue };
            let whole = entry.body();
            let kind = whole.as_ref().map(Body::kind);
            if redaction.body && kind.is_some_and(|kind| !kind.is_erasable()) {
                let kind = kind.map(Kind::as_str).unwrap_or_default();
                return invalid(format!("no entries of the registry; {index} is {kind}"));
            }
            if let Some(hold) = entry.held(&ledger, holds)? {
                let (placed, query) = (hold.placed, &hold.query);
                return invalid(format!(
                    "no held entries; {index} is under hold {placed}, {query}"
                ));
            }
        }
        Ok(None)
    }
}

impl Ledger {
    /// The redaction at `index`; `None` if the entry is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn redaction(&self, index: Index) -> Result<Option<Redaction>, ReadError> {
        let Some(entry) = self.entry(index)? else { return Ok(None) };
        let accepted = entry.leaf.status == Status::Accepted;
        Ok(entry.body().filter(|_| accepted).as_ref().and_then(Redaction::of))
    }

    /// Every redaction, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn redactions(&self) -> Result<Vec<(Index, Redaction)>, ReadError> {
        let mut postings = self.postings(Key::Kind, Kind::Redaction.as_str());
        let (mut at, mut found) = (0, Vec::new());
        while let Some(index) = postings.at_or_after(at)? {
            found.extend(self.redaction(index)?.map(|redaction| (index, redaction)));
            at = index.0 + 1;
        }
        Ok(found)
    }

    /// The first redaction of the entry at `index` that erased what `erases` asks for.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn redaction_of(
        &self,
        index: Index,
        erases: impl Fn(&Redaction) -> bool,
    ) -> Result<Option<Index>, ReadError> {
        let mut postings = self.postings(Key::Kind, Kind::Redaction.as_str());
        let mut at = index.0.saturating_add(1);
        while let Some(found) = postings.at_or_after(at)? {
            if self.redaction(found)?.is_some_and(|said| said.covers(index) && erases(&said)) {
                return Ok(Some(found));
            }
            at = found.0 + 1;
        }
        Ok(None)
    }

    /// Rewrites the files that held what was erased, so that its bytes are in none of them. Takes as long as
    /// copying these parts of the store; readers and the writer go on meanwhile.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub fn purge_erased(&self) -> Result<(), ReadError> {
        Ok(self.store.purge(&[
            ColumnFamily::Bodies,
            ColumnFamily::Details,
            ColumnFamily::Postings,
            ColumnFamily::Terms,
        ])?)
    }
}
