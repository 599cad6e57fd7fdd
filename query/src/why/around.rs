//! What lies around an action: the session that it was taken in, what set it off, what was decided, what came of it.

use ledger::{Entry, Ledger, ReadError};
use schemas::body::Body;
use schemas::id::{EventId, Index, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{PRINCIPALS_MAX, QUERY_SCAN_MAX, SESSION_SCAN_MAX, WHY_ENTRIES_MAX};
use schemas::terms::Key;

use super::{entry_of, is_of};
use crate::accepted::term;
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
    /// Whether there may be more of them: there were too many to look through.
    pub(super) is_cut: bool,
}

impl Around {
    pub(super) fn of(ledger: &Ledger, body: &Body<'_>, size: TreeSize) -> Result<Self, ReadError> {
        let Look { found, is_cut } = session(ledger, body, size)?;
        let mut around = Self { session: found, is_cut, ..Self::default() };
        let mut refs: Vec<String> =
            body.text("tool.call_id").map(str::to_owned).into_iter().collect();
        let caused = caused(ledger, body.id(), size)?;
        for entry in around.looked(caused) {
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
            let seen = of_kind(ledger, (Key::Ref, name.as_str()), Kind::WitnessObserved, size)?;
            let seen = around.looked(seen);
            let known: Vec<_> = around.witnesses.iter().map(|entry| entry.leaf.index).collect();
            let is_new = |entry: &Entry| !known.contains(&entry.leaf.index);
            around.witnesses.extend(seen.into_iter().filter(is_new));
        }
        around.trigger = trigger(ledger, body, around.session.as_ref())?;
        Ok(around)
    }

    fn flagged(&mut self, ledger: &Ledger, id: EventId, size: TreeSize) -> Result<(), ReadError> {
        let id = id.to_string();
        let found = of_kind(ledger, (Key::Cause, id.as_str()), Kind::Finding, size)?;
        let found = self.looked(found);
        self.findings.extend(found);
        Ok(())
    }

    /// What was found; where the look did not reach the end, that is remembered.
    fn looked<T>(&mut self, look: Look<T>) -> T {
        self.is_cut |= look.is_cut;
        look.found
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

/// What was found, and whether a limit ended the look for more.
struct Look<T> {
    found: T,
    is_cut: bool,
}

/// What followed from an event. Of each kind by itself: whoever cites an event often hides nothing.
fn caused(ledger: &Ledger, id: EventId, size: TreeSize) -> Result<Look<Vec<Entry>>, ReadError> {
    let kinds = [Kind::GateVerdict, Kind::ActionOutcome, Kind::WitnessObserved, Kind::Finding];
    let (mut found, mut is_cut, id) = (Vec::new(), false, id.to_string());
    for kind in kinds {
        let look = of_kind(ledger, (Key::Cause, id.as_str()), kind, size)?;
        found.extend(look.found);
        is_cut |= look.is_cut;
    }
    Ok(Look { found, is_cut })
}

/// Accepted entries of a kind that have a term, the oldest first.
fn of_kind(
    ledger: &Ledger,
    (key, value): (Key, &str),
    kind: Kind,
    size: TreeSize,
) -> Result<Look<Vec<Entry>>, ReadError> {
    let source = vec![term(ledger, key, value), term(ledger, Key::Kind, kind.as_str())];
    let walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
    first(ledger, Source::All(source), (kind, WHY_ENTRIES_MAX), size, walk)
}

/// The first accepted entries of `source` that are of this kind, at most so many.
fn first(
    ledger: &Ledger,
    mut source: Source<'_>,
    (kind, most): (Kind, usize),
    size: TreeSize,
    mut walk: Walk,
) -> Result<Look<Vec<Entry>>, ReadError> {
    let (mut at, mut found) = (0, Vec::new());
    loop {
        let index = match source.seek(at, &mut walk)? {
            Seek::At(index) if index < size.0 => index,
            Seek::Spent(reached) if reached < size.0 => {
                return Ok(Look { found, is_cut: true });
            }
            Seek::At(_) | Seek::Spent(_) | Seek::End => {
                return Ok(Look { found, is_cut: false });
            }
        };
        if found.len() == most {
            return Ok(Look { found, is_cut: true });
        }
        found.extend(ledger.entry(Index(index))?.filter(|entry| is_of(entry, &[kind])));
        at = index + 1;
    }
}

/// The declaration of the session that the action was taken in.
fn session(
    ledger: &Ledger,
    body: &Body<'_>,
    size: TreeSize,
) -> Result<Look<Option<Entry>>, ReadError> {
    let Some(session) = body.session() else { return Ok(Look { found: None, is_cut: false }) };
    let source = Source::All(vec![
        term(ledger, Key::Session, &session.to_string()),
        term(ledger, Key::Signer, body.signer()),
        term(ledger, Key::Kind, Kind::SessionStart.as_str()),
    ]);
    let walk = Walk::new(Order::Oldest, SESSION_SCAN_MAX);
    let look = first(ledger, source, (Kind::SessionStart, 1), size, walk)?;
    let found = look.found.into_iter().next();
    // One is all that is looked for.
    let is_cut = look.is_cut && found.is_none();
    Ok(Look { found, is_cut })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::tests::incidents;

    #[test]
    fn a_look_that_a_limit_ended_says_so() {
        let dir = tempfile::TempDir::new().unwrap();
        let writer = incidents(&dir, 9);
        let ledger = writer.ledger();
        let look = |most: usize, budget: usize| {
            let every = Source::List((1..9).collect());
            let walk = Walk::new(Order::Oldest, budget);
            let kind = (Kind::LedgerIncident, most);
            let look = first(&ledger, every, kind, TreeSize(9), walk).unwrap();
            (look.found.len(), look.is_cut)
        };
        assert_eq!(look(100, 100), (8, false));
        assert_eq!(look(100, 3), (3, true));
        assert_eq!(look(5, 100), (5, true));
    }
}
