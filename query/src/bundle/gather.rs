//! Which entries belong into a bundle: those asked for, and those that make their signatures valid.

mod numbers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::{Entry, Ledger, ReadError};
use schemas::body::{Body, LEDGER_SIGNER};
use schemas::evidence::{History, Scope, Signed};
use schemas::id::{Digest, Index, SessionId, TreeSize};
use schemas::leaf::Status;
use schemas::limits::{BUNDLE_BYTES_MAX, BUNDLE_ENTRIES_MAX, BUNDLE_LAP_ENTRIES, QUERY_SCAN_MAX};
use schemas::query::Expr;
use schemas::redaction::Redaction;
use schemas::refused;
use schemas::sequence::Session;
use schemas::terms::Key;

use super::work::Work;
use crate::error::Error;
use crate::plan::Plan;
use crate::source::{Order, Seek, Source, Walk};
use crate::terms::term;

/// Bytes of bodies and statements; the rest of a bundle is a few times as much.
const GATHERED_BYTES_MAX: usize = BUNDLE_BYTES_MAX / 8;

/// The entries of a bundle.
#[derive(Default)]
pub(super) struct Gathered {
    /// By index, and whether the query asks for the entry.
    pub(super) entries: BTreeMap<u64, bool>,
    /// What is kept of each.
    pub(super) bodies: BTreeMap<u64, Vec<u8>>,
    /// Statements by their digest.
    pub(super) statements: BTreeMap<Digest, Signed>,
    /// Whose registry history is in it.
    pub(super) subjects: BTreeSet<String>,
    waiting: BTreeSet<String>,
    /// What is here of each session.
    sessions: BTreeMap<SessionId, Session>,
    /// The first and the last number of each signer in a session that the query asks for.
    asked: BTreeMap<(String, SessionId), (u64, u64)>,
    /// Every redaction, once any was asked for.
    redactions: Option<Vec<(Index, Redaction)>>,
    bytes: usize,
    work: Arc<Work>,
}

impl Gathered {
    /// What a bundle over the first `size` entries holds.
    pub(super) fn of(
        ledger: &Ledger,
        expr: &Expr,
        scope: &Scope,
        size: TreeSize,
        work: Arc<Work>,
    ) -> Result<Self, Error> {
        let mut gathered = Self { work, ..Self::default() };
        gathered.take_asked(ledger, expr, scope)?;
        for era in ledger.eras()?.iter().filter(|era| era.from.0 < size.0) {
            gathered.take(ledger, era.from, false)?;
        }
        gathered.take_history(ledger, History::Agreed, size)?;
        let mut counted = gathered.counted(ledger)?;
        // Either can bring in what the other has to look at.
        loop {
            let before = gathered.entries.len();
            gathered.take_missing_numbers(ledger, &mut counted, size)?;
            gathered.take_histories(ledger, size)?;
            if gathered.entries.len() == before {
                return Ok(gathered);
            }
        }
    }

    /// Takes the histories of those whom the entries so far name.
    fn take_histories(&mut self, ledger: &Ledger, size: TreeSize) -> Result<(), Error> {
        while let Some(subject) = self.waiting.pop_first() {
            for history in History::of(&subject) {
                self.take_history(ledger, history, size)?;
            }
            self.subjects.insert(subject);
        }
        Ok(())
    }

    fn take_asked(&mut self, ledger: &Ledger, expr: &Expr, scope: &Scope) -> Result<(), Error> {
        let plan = Plan::of(ledger, expr)?;
        let mut source = plan.step.open(ledger, &(scope.since..scope.until));
        let mut budget = QUERY_SCAN_MAX;
        let mut at = scope.since;
        while let Some(hit) = self.seek(&mut source, at, &mut budget)? {
            if hit >= scope.until {
                break;
            }
            at = hit + 1;
            let Some(entry) = ledger.entry(Index(hit))? else { break };
            if plan.is_exact() || entry.terms(ledger, |terms| plan.accepts(terms))? {
                self.keep(ledger, &entry, true)?;
            }
        }
        Ok(())
    }

    /// The next of `source` from `at` on, for which it looks in laps: between two the work may be given up.
    fn seek(
        &self,
        source: &mut Source<'_>,
        mut at: u64,
        budget: &mut usize,
    ) -> Result<Option<u64>, Error> {
        while *budget > 0 {
            self.work.go_on()?;
            let lap = (*budget).min(BUNDLE_LAP_ENTRIES);
            let mut walk = Walk::new(Order::Oldest, lap);
            let sought = source.seek(at, &mut walk)?;
            *budget = budget.saturating_sub(lap.saturating_sub(walk.budget));
            match sought {
                Seek::At(hit) => return Ok(Some(hit)),
                Seek::End => return Ok(None),
                Seek::Spent(from) => at = from,
            }
        }
        Err(Error::BundleTooLarge { what: "entries to look at", limit: QUERY_SCAN_MAX })
    }

    /// The accepted entries of a history.
    fn accepted(
        &self,
        ledger: &Ledger,
        history: History<'_>,
        size: TreeSize,
    ) -> Result<Vec<Index>, Error> {
        let terms = history.terms(false);
        let (kinds, about): (Vec<_>, Vec<_>) = terms.iter().partition(|(key, _)| *key == Key::Kind);
        let of = |(key, value): &(Key, String)| term(ledger, *key, value);
        let kinds = Source::any(kinds.into_iter().map(of));
        let mut sources: Vec<_> = about.into_iter().map(of).collect();
        sources.push(kinds);
        let mut source = Source::All(sources);
        let (mut found, mut at, mut budget) = (Vec::new(), 0, usize::MAX);
        while let Some(index) = self.seek(&mut source, at, &mut budget)? {
            if index >= size.0 {
                break;
            }
            if ledger.leaf(Index(index))?.status == Status::Accepted {
                found.push(Index(index));
            }
            at = index + 1;
        }
        Ok(found)
    }

    /// Takes the accepted entries of a history.
    fn take_history(
        &mut self,
        ledger: &Ledger,
        history: History<'_>,
        size: TreeSize,
    ) -> Result<(), Error> {
        for index in self.accepted(ledger, history, size)? {
            self.take(ledger, index, false)?;
        }
        Ok(())
    }

    /// The first redaction that erases the entry's body: one of details alone explains no residue. All of them are read
    /// once.
    fn erased_by(&mut self, ledger: &Ledger, index: Index) -> Result<Option<Index>, ReadError> {
        let known = match self.redactions.take() {
            Some(known) => known,
            None => ledger.redactions()?,
        };
        let of = |(at, redaction): &&(Index, Redaction)| {
            *at > index && redaction.body && redaction.covers(index)
        };
        let by = known.iter().find(of).map(|(at, _)| *at);
        self.redactions = Some(known);
        Ok(by)
    }

    fn take(&mut self, ledger: &Ledger, index: Index, asked: bool) -> Result<(), Error> {
        if self.entries.contains_key(&index.0) {
            return Ok(());
        }
        match ledger.entry(index)? {
            Some(entry) => self.keep(ledger, &entry, asked),
            None => Ok(()),
        }
    }

    fn keep(&mut self, ledger: &Ledger, entry: &Entry, asked: bool) -> Result<(), Error> {
        let index = entry.leaf.index;
        if self.entries.len() >= BUNDLE_ENTRIES_MAX && !self.entries.contains_key(&index.0) {
            return Err(Error::BundleTooLarge { what: "entries", limit: BUNDLE_ENTRIES_MAX });
        }
        let known = self.entries.insert(index.0, asked);
        if let Some(before) = known {
            self.entries.insert(index.0, asked || before);
            // What supports another entry may be asked for itself.
            if asked
                && !before
                && let Some(body) = signed(entry)
            {
                self.note(ledger, entry, &body, asked)?;
            }
            return Ok(());
        }
        self.work.gathered()?;
        if let Some(kept) = entry.kept() {
            self.bytes += kept.len();
            self.bodies.insert(index.0, kept.to_vec());
        }
        let statement = entry.leaf.statement;
        if !entry.leaf.refused_whole()
            && !self.statements.contains_key(&statement)
            && let Some(row) = ledger.statement(index)?
        {
            self.bytes += row.statement.len() + row.manifest.as_ref().map_or(0, Vec::len);
            let signed = Signed { statement: row.statement, manifest: row.manifest };
            self.statements.insert(statement, signed);
        }
        if self.bytes > GATHERED_BYTES_MAX {
            return Err(Error::BundleTooLarge { what: "bytes", limit: GATHERED_BYTES_MAX });
        }
        if let Some(body) = signed(entry) {
            self.note(ledger, entry, &body, asked)?;
        }
        // What is erased must be shown to have been erased.
        if is_erased(entry)
            && let Some(by) = self.erased_by(ledger, index)?
        {
            self.take(ledger, by, false)?;
        }
        Ok(())
    }

    /// Notes whose history the entry needs, and where it stands in its signer's numbers.
    fn note(
        &mut self,
        ledger: &Ledger,
        entry: &Entry,
        body: &Body<'_>,
        asked: bool,
    ) -> Result<(), Error> {
        let agent = body.agent().filter(|_| asked);
        let known = match agent.filter(|name| *name != body.signer()) {
            Some(name) => ledger.agent_at(name, entry.leaf.index)?,
            None => None,
        };
        let known = known.as_ref().map(|record| record.id.as_str());
        for name in std::iter::once(body.signer()).chain(agent).chain(known) {
            if name != LEDGER_SIGNER && !self.subjects.contains(name) {
                self.waiting.insert(name.to_owned());
            }
        }
        if let (Some(session), Some(seq)) = (body.session(), body.seq()) {
            let ordinal = entry.leaf.counts.session;
            self.sessions.entry(session).or_default().add(body.signer(), seq.n, ordinal);
            if asked {
                let signer = (body.signer().to_owned(), session);
                let (first, last) = self.asked.entry(signer).or_insert((seq.n, seq.n));
                (*first, *last) = (seq.n.min(*first), seq.n.max(*last));
            }
        }
        Ok(())
    }
}

/// Whether only a residue is left of the entry's body.
fn is_erased(entry: &Entry) -> bool {
    let of_refusal = |kept: &[u8]| refused::is_erased(&entry.leaf, kept);
    match entry.leaf.status {
        Status::Accepted => entry.left.is_some(),
        Status::Rejected(_) => entry.kept().is_some_and(of_refusal),
    }
}

/// The body as far as its signature is valid.
fn signed(entry: &Entry) -> Option<Body<'_>> {
    match entry.leaf.status {
        Status::Accepted => entry.body().or_else(|| entry.residue()),
        Status::Rejected(_) => refused::signed_body(&entry.leaf, entry.kept()?),
    }
}
