//! What lies around an action: the session that it was taken in, what set it off, what was decided, what came of it.

use ledger::{Entry, Ledger, ReadError};
use schemas::account::Account;
use schemas::body::Body;
use schemas::id::{EventId, Index, TreeSize};
use schemas::kind::Kind;
use schemas::limits::{PRINCIPALS_MAX, QUERY_SCAN_MAX, SESSION_SCAN_MAX, WHY_ENTRIES_MAX};
use schemas::terms::Key;

use super::is_of;
use crate::names::Names;
use crate::registry::findings::{cited, flagged_entry};
use crate::source::{Order, Seek, Source, Walk};
use crate::terms::term;

/// Hops from an entry up its causes to its trigger.
const CAUSE_HOPS_MAX: usize = 64;

/// Kinds of what belongs to an action that another entry began.
const FOLLOWS: &[Kind] = &[
    Kind::ActionOutcome,
    Kind::GateVerdict,
    Kind::ApprovalRequested,
    Kind::ApprovalDecided,
    Kind::WitnessObserved,
    Kind::Finding,
];

/// The entries around an action.
#[derive(Default)]
pub(super) struct Around {
    pub(super) session: Option<Entry>,
    pub(super) trigger: Option<Entry>,
    pub(super) verdicts: Vec<Entry>,
    /// What asked somebody to agree to it.
    pub(super) requests: Vec<Entry>,
    pub(super) outcomes: Vec<Entry>,
    pub(super) witnesses: Vec<Entry>,
    pub(super) findings: Vec<Entry>,
    /// Whether there may be more of them: there were too many to look through.
    pub(super) is_cut: bool,
}

impl Around {
    /// Those around an action of this agent, whose entry is at `index`.
    pub(super) fn of(
        known: &mut Names<'_>,
        index: Index,
        (body, agent): (&Body<'_>, &str),
        size: TreeSize,
    ) -> Result<Self, ReadError> {
        let ledger = known.ledger;
        let mut about = About { ledger, agent, size, is_cut: false };
        let mut around = Self {
            session: about.session(index, body)?,
            verdicts: about.citing(known, Kind::GateVerdict, body.id())?,
            requests: about.citing(known, Kind::ApprovalRequested, body.id())?,
            outcomes: about.citing(known, Kind::ActionOutcome, body.id())?,
            witnesses: about.citing(known, Kind::WitnessObserved, body.id())?,
            findings: about.findings(known, index, body.id())?,
            ..Self::default()
        };
        let mut refs: Vec<String> =
            body.text("tool.call_id").map(str::to_owned).into_iter().collect();
        for entry in &around.outcomes {
            let Some(outcome) = entry.body() else { continue };
            let names = ["outcome.external_ref", "tool.call_id"];
            refs.extend(names.iter().filter_map(|path| outcome.text(path)).map(str::to_owned));
            around.findings.extend(about.findings(known, entry.leaf.index, outcome.id())?);
        }
        // One may cite both the intent and what came of it.
        around.findings.sort_by_key(|finding| finding.leaf.index);
        around.findings.dedup_by_key(|finding| finding.leaf.index);
        refs.sort_unstable();
        refs.dedup();
        for name in refs {
            // An agent can name one reference for several actions: what was seen under it was the first.
            if about.first_under(known, &name)? != Some(index) {
                continue;
            }
            for seen in about.of_kind(known, Kind::WitnessObserved, (Key::Ref, &name))? {
                let place = seen.leaf.index;
                let of = intent_of(known, seen.clone())?;
                let is_anothers = of.leaf.index != index && is_of(&of, &[Kind::ActionIntent]);
                let is_known = around.witnesses.iter().any(|entry| entry.leaf.index == place);
                if !is_anothers && !is_known {
                    around.witnesses.push(seen);
                }
            }
        }
        let (trigger, is_lost) = trigger(known, (body, index), around.session.as_ref())?;
        around.trigger = trigger;
        // An action that names its trigger itself needs no look for one.
        around.is_cut = about.is_cut || is_lost && body.field("trigger").is_none();
        Ok(around)
    }
}

/// The intent that an entry belongs to; the entry itself if it is one, or belongs to none.
pub(crate) fn intent_of(names: &mut Names<'_>, entry: Entry) -> Result<Entry, ReadError> {
    let mut at = entry;
    for _ in 0..PRINCIPALS_MAX {
        if !is_of(&at, FOLLOWS) {
            break;
        }
        let Some(above) = above(names, &at)? else { break };
        at = above;
    }
    Ok(at)
}

/// What an entry is about: the intent among its causes, else what belongs to one, else whatever it cites first. Only the
/// ledger itself speaks of every agent's actions.
fn above(names: &mut Names<'_>, entry: &Entry) -> Result<Option<Entry>, ReadError> {
    let Some(says) = entry.body() else { return Ok(None) };
    if says.kind() == Kind::Finding {
        return flagged_entry(names, entry);
    }
    let (mut part, mut first) = (None, None);
    for (place, cause) in says.causes().into_iter().enumerate() {
        let Some(cited) = own(names, entry.leaf.index, &says, cause)? else { continue };
        if is_of(&cited, &[Kind::ActionIntent]) {
            return Ok(Some(cited));
        }
        if is_of(&cited, FOLLOWS) {
            part = part.or(Some(cited));
        } else if place == 0 {
            first = Some(cited);
        }
    }
    Ok(part.or(first))
}

/// Of several events with an id, the first before `index` that `says` may be about.
fn own(
    names: &mut Names<'_>,
    index: Index,
    says: &Body<'_>,
    id: EventId,
) -> Result<Option<Entry>, ReadError> {
    for at in names.ledger.find(id)?.into_iter().filter(|at| *at < index) {
        let Some(cited) = names.ledger.entry(at)? else { continue };
        let is_about = match cited.body().or_else(|| cited.residue()) {
            Some(of) => names.is_about((says, index), (&of, at))?,
            None => true,
        };
        if is_about {
            return Ok(Some(cited));
        }
    }
    Ok(None)
}

/// What was said of an agent's actions.
struct About<'l> {
    ledger: &'l Ledger,
    agent: &'l str,
    size: TreeSize,
    /// Whether a limit ended a look for more.
    is_cut: bool,
}

impl<'l> About<'l> {
    fn citing(
        &mut self,
        known: &mut Names<'_>,
        kind: Kind,
        id: EventId,
    ) -> Result<Vec<Entry>, ReadError> {
        self.of_kind(known, kind, (Key::Cause, &id.to_string()))
    }

    /// The ledger's findings that cite the entry at `index`, and not another signer's event of the same id.
    fn findings(
        &mut self,
        known: &mut Names<'_>,
        index: Index,
        id: EventId,
    ) -> Result<Vec<Entry>, ReadError> {
        let (id, kind) = (id.to_string(), Kind::Finding.as_str());
        let terms = self.terms(&[(Key::Cause, &id), (Key::Kind, kind)]);
        let mut found = Vec::new();
        for finding in self.entries(terms, |entry| Ok(is_of(entry, &[Kind::Finding])))? {
            // An erased one does not say any more which it cites.
            let is_erased = finding.body().is_none();
            let cites = |cited: &Entry| cited.leaf.index == index;
            if is_erased || cited(known, &finding)?.iter().any(cites) {
                found.push(finding);
            }
        }
        Ok(found)
    }

    /// Accepted entries of a kind with this term that are about the agent's own actions, the oldest first. Of each kind
    /// by itself, and without what others say: whoever cites an event often hides nothing.
    fn of_kind(
        &mut self,
        known: &mut Names<'_>,
        kind: Kind,
        (key, value): (Key, &str),
    ) -> Result<Vec<Entry>, ReadError> {
        let agent = self.agent;
        let mut terms = self.terms(&[(key, value), (Key::Kind, kind.as_str())]);
        terms.push(term(self.ledger, Key::Agent, agent));
        if kind == Kind::ActionOutcome {
            terms.push(term(self.ledger, Key::Signer, agent));
        }
        self.entries(terms, |entry| {
            let body = entry.body().or_else(|| entry.residue());
            let Some(body) = body.filter(|_| is_of(entry, &[kind])) else { return Ok(false) };
            let named = known.agent_of(&body, entry.leaf.index)?;
            Ok(Account::of(body.kind(), body.signer(), named.as_deref()).is_of(agent))
        })
    }

    /// The action of which the agent named a reference first.
    fn first_under(
        &mut self,
        names: &mut Names<'_>,
        reference: &str,
    ) -> Result<Option<Index>, ReadError> {
        let kinds = [Kind::ActionIntent, Kind::ActionOutcome];
        let mut terms = self.terms(&[(Key::Ref, reference), (Key::Signer, self.agent)]);
        terms.push(Source::any(kinds.map(|kind| term(self.ledger, Key::Kind, kind.as_str()))));
        let walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
        let (found, is_cut) = self.first(terms, 1, walk, |entry| Ok(is_of(entry, &kinds)))?;
        // One is all that is looked for.
        self.is_cut |= is_cut && found.is_empty();
        match found.into_iter().next() {
            Some(told) => Ok(Some(intent_of(names, told)?.leaf.index)),
            None => Ok(None),
        }
    }

    fn terms(&self, terms: &[(Key, &str)]) -> Vec<Source<'l>> {
        terms.iter().map(|(key, value)| term(self.ledger, *key, value)).collect()
    }

    /// The declaration of the session that the action at `index` was taken in; what is declared later says nothing of it.
    fn session(&mut self, index: Index, body: &Body<'_>) -> Result<Option<Entry>, ReadError> {
        let Some(session) = body.session() else { return Ok(None) };
        let (session, kind) = (session.to_string(), Kind::SessionStart);
        let terms = self.terms(&[
            (Key::Session, session.as_str()),
            (Key::Signer, body.signer()),
            (Key::Kind, kind.as_str()),
        ]);
        let walk = Walk::new(Order::Oldest, SESSION_SCAN_MAX);
        let (found, is_cut) = self.first(terms, 1, walk, |entry| Ok(is_of(entry, &[kind])))?;
        // One is all that is looked for.
        self.is_cut |= is_cut && found.is_empty();
        Ok(found.into_iter().next().filter(|declared| declared.leaf.index <= index))
    }

    /// The oldest entries with all of these terms that fit.
    fn entries(
        &mut self,
        terms: Vec<Source<'l>>,
        fits: impl FnMut(&Entry) -> Result<bool, ReadError>,
    ) -> Result<Vec<Entry>, ReadError> {
        let walk = Walk::new(Order::Oldest, QUERY_SCAN_MAX);
        let (found, is_cut) = self.first(terms, WHY_ENTRIES_MAX, walk, fits)?;
        self.is_cut |= is_cut;
        Ok(found)
    }

    /// At most so many of them, and whether a limit ended the look for more.
    fn first(
        &self,
        terms: Vec<Source<'l>>,
        most: usize,
        mut walk: Walk,
        mut fits: impl FnMut(&Entry) -> Result<bool, ReadError>,
    ) -> Result<(Vec<Entry>, bool), ReadError> {
        let mut source = Source::All(terms);
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let index = match source.seek(at, &mut walk)? {
                Seek::At(index) if index < self.size.0 => index,
                Seek::Spent(reached) if reached < self.size.0 => return Ok((found, true)),
                Seek::At(_) | Seek::Spent(_) | Seek::End => return Ok((found, false)),
            };
            if found.len() == most {
                return Ok((found, true));
            }
            if let Some(entry) = self.ledger.entry(Index(index))?
                && fits(&entry)?
            {
                found.push(entry);
            }
            at = index + 1;
        }
    }
}

/// What set it off: the first trigger up its causes, or up those of its session; and whether there were more causes than
/// are followed.
fn trigger(
    names: &mut Names<'_>,
    body: (&Body<'_>, Index),
    session: Option<&Entry>,
) -> Result<(Option<Entry>, bool), ReadError> {
    let mut above = causes(names, body)?;
    if let Some((declared, at)) = session.and_then(|entry| Some((entry.body()?, entry.leaf.index)))
    {
        above.extend(causes(names, (&declared, at))?);
    }
    let mut place = 0;
    while let Some(at) = above.get(place).copied().filter(|_| place < CAUSE_HOPS_MAX) {
        place += 1;
        let Some(entry) = names.ledger.entry(at)? else { continue };
        if is_of(&entry, &[Kind::TriggerObserved]) {
            return Ok((Some(entry), false));
        }
        let Some(body) = entry.body() else { continue };
        let further = causes(names, (&body, at))?;
        let new: Vec<_> = further.into_iter().filter(|at| !above.contains(at)).collect();
        above.extend(new);
    }
    Ok((None, place < above.len()))
}

/// Where the entries are that a body at an index cites.
fn causes(names: &mut Names<'_>, body: (&Body<'_>, Index)) -> Result<Vec<Index>, ReadError> {
    let cited = body.0.causes().into_iter();
    cited.filter_map(|id| names.meant_in(id, body).transpose()).collect()
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
        let about = About { ledger: &ledger, agent: "a", size: TreeSize(9), is_cut: false };
        let kind = [(Key::Kind, Kind::LedgerIncident.as_str())];
        let look = |most: usize, budget: usize| {
            let walk = Walk::new(Order::Oldest, budget);
            let (found, is_cut) =
                about.first(about.terms(&kind), most, walk, |_| Ok(true)).unwrap();
            (found.len(), is_cut)
        };
        assert_eq!(look(100, 100), (8, false));
        assert_eq!(look(100, 3), (3, true));
        assert_eq!(look(5, 100), (5, true));
    }
}
