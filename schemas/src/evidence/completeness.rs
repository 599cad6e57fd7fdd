//! Whether everything is there: inside by ordinals and the signers' own numbers, at the end by the ledger's claims.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;
use super::scope::{History, Scope, is_own};
use super::view::{Shown, View};
use crate::checkpoint::Checkpoint;
use crate::claim::{Claim, ClaimError};
use crate::era::Eras;
use crate::id::{Index, SessionId, TreeSize};
use crate::sequence::Session;
use crate::terms::{Key, Term};
use crate::tree::verify_consistency;

/// What the ledger claims to fit some terms in a tree, each claim proved to speak of the checkpoint's log.
pub(super) struct Claims(BTreeMap<Question, u64>);

/// The size of a tree, and the terms.
type Question = (TreeSize, Vec<(Key, String)>);

impl Claims {
    /// Verifies the claims of a bundle.
    pub(super) fn verify(
        view: &View<'_>,
        eras: &Eras,
        head: &Checkpoint,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut claims = BTreeMap::new();
        for claimed in &view.bundle.claims {
            let claim = match verified(&claimed.claim, eras) {
                Ok(claim) => claim,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            let size = claim.size;
            let path = &claimed.path;
            if verify_consistency(size, &claim.root, head.size, &head.root, path).is_err() {
                faults.push(Fault::ClaimTree { size });
                continue;
            }
            let before = claims.insert((size, claim.terms), claim.count);
            if before.is_some_and(|before| before != claim.count) {
                faults.push(Fault::Contradiction { size });
            }
        }
        Self(claims)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many entries the ledger claims to fit `terms` in the tree of `size` entries.
    fn count(&self, terms: &[(Key, String)], size: TreeSize) -> Option<u64> {
        self.0.get(&(size, terms.to_vec())).copied()
    }
}

/// A claim under any key and name that the ledger had.
fn verified(claim: &[u8], eras: &Eras) -> Result<Claim, Fault> {
    let mut refused = None;
    for era in eras.iter() {
        match Claim::verify(claim, &era.key) {
            Ok(claim) if claim.origin == era.origin => return Ok(claim),
            Ok(claim) => refused = Some(Fault::ClaimOrigin { origin: claim.origin }),
            Err(fault @ ClaimError::OtherKey(_)) => {
                refused.get_or_insert(Fault::Claim(fault));
            }
            Err(fault) => return Err(Fault::Claim(fault)),
        }
    }
    Err(refused.unwrap_or(Fault::NoGenesis))
}

/// Judges the answer: that all of what was asked for is there.
pub(super) fn judge(view: &View<'_>, claims: &Claims, head: &Checkpoint, faults: &mut Vec<Fault>) {
    let Some(scope) = &view.scope else { return };
    if scope.since > scope.until || scope.until > head.size.0 {
        faults.push(Fault::Window { since: scope.since, until: scope.until });
        return;
    }
    faults.append(&mut inside(view));
    if scope.is_everything() {
        return;
    }
    match claimed(scope, claims) {
        None => faults.push(Fault::Open),
        Some(claimed) => {
            let shown = u64::try_from(view.asked().count()).unwrap_or(u64::MAX);
            if shown != claimed {
                faults.push(Fault::Count { shown, claimed });
            }
        }
    }
}

/// The gaps that the entries themselves show.
pub(super) fn inside(view: &View<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(scope) = &view.scope else { return faults };
    ordinals(view, scope, &mut faults);
    sequences(view, scope, &mut faults);
    if scope.is_everything() {
        let there: BTreeSet<u64> = view.asked().map(|shown| shown.leaf.index.0).collect();
        if let Some(index) = (scope.since..scope.until).find(|index| !there.contains(index)) {
            faults.push(Fault::Missing { index: Index(index) });
        }
    }
    faults
}

/// How many entries the ledger claims that there are to show.
fn claimed(scope: &Scope, claims: &Claims) -> Option<u64> {
    let terms = scope.terms()?;
    let (until, since) = scope.sizes();
    let before = match since {
        Some(size) => claims.count(&terms, size)?,
        None => 0,
    };
    claims.count(&terms, until)?.checked_sub(before)
}

/// No gap inside a workflow, session or agent, by the ordinals in its leaves.
fn ordinals(view: &View<'_>, scope: &Scope, faults: &mut Vec<Fault>) {
    let Some((key, value)) = scope.ordinal() else { return };
    let mut expected = (scope.since == 0).then_some(1);
    for shown in view.asked().filter(|shown| shown.accepted()) {
        let (counts, Some(body)) = (shown.leaf.counts, shown.body()) else { continue };
        let (named, found) = match key {
            Key::Agent => (body.agent().map(str::to_owned), counts.agent),
            Key::Session => (body.session().map(|session| session.to_string()), counts.session),
            _ => (body.correlation().map(str::to_owned), counts.correlation),
        };
        // What is only about an agent, as the enrolment of its key, is found under it and not counted.
        if named.as_deref() != Some(value) {
            continue;
        }
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            faults.push(Fault::Ordinal { index: shown.leaf.index, found, expected });
            return;
        }
        expected = found.checked_add(1);
    }
}

/// What signers counted and the ledger never got, between what is shown of them.
fn sequences(view: &View<'_>, scope: &Scope, faults: &mut Vec<Fault>) {
    let whole = matches!(scope.ordinal(), Some((Key::Session, _))) && scope.since == 0;
    let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
    let mut asked: BTreeMap<(&str, SessionId), (u64, u64)> = BTreeMap::new();
    for shown in &view.entries {
        let Some(((signer, session), n)) = numbered(shown) else { continue };
        sessions.entry(session).or_default().add(signer, n, shown.leaf.counts.session);
        if shown.asked {
            let (first, last) = asked.entry((signer, session)).or_insert((n, n));
            (*first, *last) = (n.min(*first), n.max(*last));
        }
    }
    for ((signer, session), (first, last)) in asked {
        let before = (whole && first > 1).then(|| (1, first - 1));
        let between = sessions.get(&session).map(|at_hand| at_hand.missing(signer, first, last));
        for (from, to) in before.into_iter().chain(between.into_iter().flatten()) {
            faults.push(Fault::Sequence { signer: signer.to_owned(), session, from, to });
        }
    }
}

fn numbered<'v>(shown: &'v Shown<'_>) -> Option<((&'v str, SessionId), u64)> {
    let body = shown.body()?;
    Some(((body.signer(), body.session()?), body.seq()?.n))
}

/// Judges that the registry's history of everybody whom the bundle rests on is all there, and all that operators
/// agreed to, for that may be about any of them.
pub(super) fn histories(
    view: &View<'_>,
    claims: &Claims,
    head: &Checkpoint,
    faults: &mut Vec<Fault>,
) {
    let found = |history: History<'_>| judge_history(view, claims, head, history);
    match found(History::Agreed) {
        Ok(()) => {}
        Err(None) => faults.push(Fault::NoAgreed),
        Err(Some((shown, claimed))) => faults.push(Fault::Agreed { shown, claimed }),
    }
    for subject in view.subjects().into_iter().filter(|subject| !is_own(subject)) {
        let wrong = History::of(subject).into_iter().find_map(|history| found(history).err());
        let subject = subject.to_owned();
        faults.extend(wrong.map(|wrong| match wrong {
            None => Fault::NoHistory { subject },
            Some((shown, claimed)) => Fault::History { subject, shown, claimed },
        }));
    }
}

/// Where it is not complete: how many are shown, and how many the ledger claims; `None` where it claims nothing.
fn judge_history(
    view: &View<'_>,
    claims: &Claims,
    head: &Checkpoint,
    history: History<'_>,
) -> Result<(), Option<(u64, u64)>> {
    let unclaimed = None::<(u64, u64)>;
    let terms = history.terms(false);
    let all = claims.count(&terms, head.size).ok_or(unclaimed)?;
    // Only what was accepted changes the registry, so what was refused need not be shown.
    let refused = claims.count(&history.terms(true), head.size).ok_or(unclaimed)?;
    let fits = |shown: &&Shown<'_>| {
        shown.accepted()
            && shown.body().is_some_and(|body| history.kinds().contains(&body.kind()))
            && shown.terms(|of| carries(of, &terms))
    };
    let shown = u64::try_from(view.entries.iter().filter(fits).count()).unwrap_or(u64::MAX);
    let claimed = all.saturating_sub(refused);
    if shown == claimed { Ok(()) } else { Err(Some((shown, claimed))) }
}

/// Whether the entry's terms hold the one of `terms` that is no kind.
fn carries(of: &[Term<'_>], terms: &[(Key, String)]) -> bool {
    terms
        .iter()
        .filter(|(key, _)| *key != Key::Kind)
        .all(|(key, value)| of.iter().any(|term| term.key == *key && term.value == *value))
}
