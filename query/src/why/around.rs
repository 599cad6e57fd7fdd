//! What lies around an action: the session that it was taken in, what set it off, what was decided, what came of it.

use ledger::{Entry, Ledger, ReadError};
use schemas::account::Account;
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
        let about = About { ledger, agent: body.agent().unwrap_or_else(|| body.signer()), size };
        let mut around = Self {
            session: session(ledger, body, size)?,
            verdicts: about.citing(Kind::GateVerdict, body.id())?,
            outcomes: about.citing(Kind::ActionOutcome, body.id())?,
            witnesses: about.citing(Kind::WitnessObserved, body.id())?,
            findings: about.findings(body.id())?,
            ..Self::default()
        };
        let mut refs: Vec<String> =
            body.text("tool.call_id").map(str::to_owned).into_iter().collect();
        for outcome in around.outcomes.iter().filter_map(Entry::body) {
            let names = ["outcome.external_ref", "tool.call_id"];
            refs.extend(names.iter().filter_map(|path| outcome.text(path)).map(str::to_owned));
            around.findings.extend(about.findings(outcome.id())?);
        }
        refs.sort_unstable();
        refs.dedup();
        for name in refs {
            let seen = about.of_kind(Kind::WitnessObserved, Key::Ref, &name)?;
            let known: Vec<_> = around.witnesses.iter().map(|entry| entry.leaf.index).collect();
            let is_new = |entry: &Entry| !known.contains(&entry.leaf.index);
            around.witnesses.extend(seen.into_iter().filter(is_new));
        }
        around.trigger = trigger(ledger, body, around.session.as_ref())?;
        Ok(around)
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
            Some(above) if above.leaf.index < at.leaf.index && is_about(&at, &above) => at = above,
            _ => break,
        }
    }
    Ok(at)
}

/// Whether an entry may be about what it cites: only the ledger itself speaks of every agent's actions.
fn is_about(entry: &Entry, cited: &Entry) -> bool {
    let Some(says) = entry.body() else { return false };
    let agent = cited.body().or_else(|| cited.residue()).and_then(|body| body.agent());
    says.kind() == Kind::Finding || agent.is_none_or(|agent| Account::of_body(&says).is_of(agent))
}

/// What was said of an agent's actions.
struct About<'l> {
    ledger: &'l Ledger,
    agent: &'l str,
    size: TreeSize,
}

impl About<'_> {
    fn citing(&self, kind: Kind, id: EventId) -> Result<Vec<Entry>, ReadError> {
        self.of_kind(kind, Key::Cause, &id.to_string())
    }

    /// The ledger's findings on an event.
    fn findings(&self, id: EventId) -> Result<Vec<Entry>, ReadError> {
        let terms = [(Key::Cause, id.to_string()), (Key::Kind, Kind::Finding.as_str().to_owned())];
        self.entries(&terms, |entry| is_of(entry, &[Kind::Finding]))
    }

    /// Accepted entries of a kind with this term that are about the agent's own actions, the oldest first. Of each kind
    /// by itself, and without what others say: whoever cites an event often hides nothing.
    fn of_kind(&self, kind: Kind, key: Key, value: &str) -> Result<Vec<Entry>, ReadError> {
        let mut terms = vec![
            (key, value.to_owned()),
            (Key::Kind, kind.as_str().to_owned()),
            (Key::Agent, self.agent.to_owned()),
        ];
        if kind == Kind::ActionOutcome {
            terms.push((Key::Signer, self.agent.to_owned()));
        }
        self.entries(&terms, |entry| {
            let body = entry.body().or_else(|| entry.residue());
            let is_own = body.is_some_and(|body| Account::of_body(&body).is_of(self.agent));
            is_own && is_of(entry, &[kind])
        })
    }

    /// The oldest entries with all of these terms that fit.
    fn entries(
        &self,
        terms: &[(Key, String)],
        fits: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Entry>, ReadError> {
        let term = |(key, value): &(Key, String)| {
            Source::Term(Box::new(self.ledger.postings(*key, value)))
        };
        let mut source = Source::All(terms.iter().map(term).collect());
        let mut walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
        let (mut at, mut found) = (0, Vec::new());
        while let Seek::At(index) = source.seek(at, &mut walk)? {
            if index >= self.size.0 || found.len() == WHY_ENTRIES_MAX {
                break;
            }
            found.extend(self.ledger.entry(Index(index))?.filter(|entry| fits(entry)));
            at = index + 1;
        }
        Ok(found)
    }
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
