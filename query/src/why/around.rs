//! What lies around an action: the session that it was taken in, what set it off, what was decided, what came of it.

use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{EventId, Index, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{PRINCIPALS_MAX, QUERY_SCAN_MAX, SESSION_SCAN_MAX, WHY_ENTRIES_MAX};
use schemas::terms::Key;

use super::{entry_of, is_of};
use crate::source::{Order, Seek, Source, Walk};

/// Hops from an entry up its causes to its trigger.
const CAUSE_HOPS_MAX: usize = 64;

/// The entries around an action.
#[derive(Default)]
pub(super) struct Around {
    pub(super) session: Option<Entry>,
    pub(super) trigger: Option<Entry>,
    pub(super) verdicts: Vec<Entry>,
    pub(super) outcomes: Vec<Entry>,
    pub(super) witnesses: Vec<Entry>,
    pub(super) findings: Vec<Entry>,
}

impl Around {
    pub(super) fn of(ledger: &Ledger, body: &Body<'_>, size: TreeSize) -> Result<Self, ReadError> {
        let mut around = Self { session: session(ledger, body, size)?, ..Self::default() };
        let mut refs: Vec<String> =
            body.text("tool.call_id").map(str::to_owned).into_iter().collect();
        for entry in caused(ledger, body.id(), size)? {
            if is_of(&entry, &[Kind::ActionOutcome]) {
                let outcome = entry.body();
                let names = ["outcome.external_ref", "tool.call_id"];
                let names = names.iter().filter_map(|path| outcome.as_ref()?.text(path));
                refs.extend(names.map(str::to_owned));
                if let Some(outcome) = &outcome {
                    around.flagged(ledger, outcome.id(), size)?;
                }
                around.outcomes.push(entry);
            } else if is_of(&entry, &[Kind::GateVerdict]) {
                around.verdicts.push(entry);
            } else if is_of(&entry, &[Kind::WitnessObserved]) {
                around.witnesses.push(entry);
            } else if is_of(&entry, &[Kind::Finding]) {
                around.findings.push(entry);
            }
        }
        refs.sort_unstable();
        refs.dedup();
        for name in refs {
            let seen = citing(ledger, Key::Ref, &name, size)?;
            let known: Vec<_> = around.witnesses.iter().map(|entry| entry.leaf.index).collect();
            around.witnesses.extend(seen.into_iter().filter(|entry| {
                is_of(entry, &[Kind::WitnessObserved]) && !known.contains(&entry.leaf.index)
            }));
        }
        around.trigger = trigger(ledger, body, around.session.as_ref())?;
        Ok(around)
    }

    fn flagged(&mut self, ledger: &Ledger, id: EventId, size: TreeSize) -> Result<(), ReadError> {
        self.findings.extend(of_kind(ledger, id, Kind::Finding, size)?);
        Ok(())
    }
}

/// The intent that an entry belongs to; the entry itself if it is one, or belongs to none.
pub(crate) fn intent_of(ledger: &Ledger, entry: Entry) -> Result<Entry, ReadError> {
    let mut at = entry;
    for _ in 0..PRINCIPALS_MAX {
        let follows = [
            Kind::ActionOutcome,
            Kind::GateVerdict,
            Kind::ApprovalRequested,
            Kind::ApprovalDecided,
            Kind::WitnessObserved,
            Kind::Finding,
        ];
        if !is_of(&at, &follows) {
            break;
        }
        let causes = at.body().map(|body| body.causes()).unwrap_or_default();
        let Some(cause) = causes.first() else { break };
        match entry_of(ledger, *cause)? {
            Some(above) if above.leaf.index < at.leaf.index => at = above,
            _ => break,
        }
    }
    Ok(at)
}

/// What followed from an event. Of each kind by itself: whoever cites an event often hides nothing.
fn caused(ledger: &Ledger, id: EventId, size: TreeSize) -> Result<Vec<Entry>, ReadError> {
    let kinds = [Kind::GateVerdict, Kind::ActionOutcome, Kind::WitnessObserved, Kind::Finding];
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(of_kind(ledger, id, kind, size)?);
    }
    Ok(found)
}

/// Accepted entries of a kind that cite an event, the oldest first.
fn of_kind(
    ledger: &Ledger,
    id: EventId,
    kind: Kind,
    size: TreeSize,
) -> Result<Vec<Entry>, ReadError> {
    let term = |key, value: &str| Source::Term(Box::new(ledger.postings(key, value)));
    let mut source =
        Source::All(vec![term(Key::Cause, &id.to_string()), term(Key::Kind, kind.as_str())]);
    let mut walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
    let (mut at, mut found) = (0, Vec::new());
    while let Seek::At(index) = source.seek(at, &mut walk)? {
        if index >= size.0 || found.len() == WHY_ENTRIES_MAX {
            break;
        }
        found.extend(ledger.entry(Index(index))?.filter(|entry| is_of(entry, &[kind])));
        at = index + 1;
    }
    Ok(found)
}

/// Entries with this term, the oldest first.
fn citing(ledger: &Ledger, key: Key, value: &str, size: TreeSize) -> Result<Vec<Entry>, ReadError> {
    let mut postings = ledger.postings(key, value);
    let (mut at, mut found) = (0, Vec::new());
    while let Some(index) = postings.at_or_after(at)?.filter(|index| index.0 < size.0) {
        if found.len() == WHY_ENTRIES_MAX {
            break;
        }
        found.extend(ledger.entry(index)?);
        at = index.0 + 1;
    }
    Ok(found)
}

/// The declaration of the session that the action was taken in.
fn session(ledger: &Ledger, body: &Body<'_>, size: TreeSize) -> Result<Option<Entry>, ReadError> {
    let Some(session) = body.session() else { return Ok(None) };
    let term = |key, value: &str| Source::Term(Box::new(ledger.postings(key, value)));
    let mut source = Source::All(vec![
        term(Key::Session, &session.to_string()),
        term(Key::Signer, body.signer()),
        term(Key::Kind, Kind::SessionStart.as_str()),
    ]);
    let mut walk = Walk::new(Order::Oldest, SESSION_SCAN_MAX);
    let mut at = 0;
    while let Seek::At(index) = source.seek(at, &mut walk)? {
        if index >= size.0 {
            break;
        }
        let entry = ledger.entry(Index(index))?;
        if let Some(entry) = entry.filter(|entry| is_of(entry, &[Kind::SessionStart])) {
            return Ok(Some(entry));
        }
        at = index + 1;
    }
    Ok(None)
}

/// What set it off: the first trigger up its causes, or up those of its session.
fn trigger(
    ledger: &Ledger,
    body: &Body<'_>,
    session: Option<&Entry>,
) -> Result<Option<Entry>, ReadError> {
    let mut causes = body.causes();
    causes.extend(session.and_then(Entry::body).map(|body| body.causes()).unwrap_or_default());
    let mut place = 0;
    while let Some(cause) = causes.get(place).copied().filter(|_| place < CAUSE_HOPS_MAX) {
        place += 1;
        let Some(entry) = entry_of(ledger, cause)? else { continue };
        if is_of(&entry, &[Kind::TriggerObserved]) {
            return Ok(Some(entry));
        }
        let above = entry.body().map(|body| body.causes()).unwrap_or_default();
        causes
            .extend(above.into_iter().filter(|cause| !causes.contains(cause)).collect::<Vec<_>>());
    }
    Ok(None)
}
