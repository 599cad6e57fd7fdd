//! What an accepted entry leaves behind for later ones.

use super::deed::Deed;
use super::facts::Facts;
use super::intent::{Intent, Rest, Told};
use super::join::{alias_key, call_key, intent_key, request_key};
use super::memory::{met_key, stopped_key, unpack_uses, uses_key};
use super::pack::{Pack, Unpack};
use super::rows::{Key, Rows, key};
use super::session::{Session, begins};
use super::sweep;
use super::view::{View, latest_s};
use super::wait::Cited;
use super::{DAY_US, HOUR_US};
use crate::body::Body;
use crate::contract::Contract;
use crate::id::{EventId, Micros};
use crate::kind::Kind;
use crate::limits::{CREDENTIAL_DAYS_KEPT, GRANT_USES_MAX, INTENT_HOURS_KEPT, USE_DAYS_KEPT};
use crate::mark::{Mark, mark, mark_of};
use crate::registry::HumanMark;

/// Writes what follows from an entry.
pub(crate) fn settle<R: Rows>(rows: &mut R, view: &View<'_>) -> Result<(), R::Error> {
    match view.facts.kind {
        Kind::ActionIntent => intent(rows, view)?,
        Kind::ActionOutcome | Kind::WitnessObserved => execution(rows, view),
        Kind::GateVerdict => verdict(rows, view),
        Kind::ApprovalRequested => requested(rows, view)?,
        Kind::ApprovalDecided => decided(rows, view),
        Kind::AgentSuspended | Kind::AgentDisabled | Kind::AgentRetired => stop(rows, view)?,
        Kind::AgentEnabled => {
            rows.delete(&stopped_key(view.facts.agent.unwrap_or_default()));
        }
        Kind::DelegationGranted => {
            if let Some(grant) = view.body.event_id("grant.id") {
                rows.delete(&uses_key(grant));
            }
        }
        _ => {}
    }
    uses(rows, view)?;
    met(rows, view);
    Ok(())
}

/// What an accepted entry changes in its session; of a refused one only its number counts.
pub(crate) fn session(after: &mut Session, facts: &Facts<'_>, body: &Body<'_>) {
    after.untold = 0;
    after.begun |= begins(facts.kind);
    match facts.kind {
        Kind::SessionStart => {
            after.declared = true;
            after.attested = mark_of(facts.attested().filter(|name| !name.is_empty()));
        }
        Kind::SessionEnd => after.ended = true,
        Kind::GapDeclared => {
            if let (Some(from), Some(to)) = (body.uint("gap.from"), body.uint("gap.to")) {
                after.declare(from, to);
            }
        }
        _ => {}
    }
}

/// Until when an intent and what belongs to it are kept: an hour longer than anything waits for it.
fn kept_until(view: &View<'_>, contract: Option<&Contract>) -> u64 {
    let waits_us = latest_s(contract).saturating_mul(1_000_000);
    let kept_us = waits_us.saturating_add(HOUR_US).max(INTENT_HOURS_KEPT * HOUR_US);
    view.facts.at.0.saturating_add(kept_us)
}

/// The row of an intent that something came of.
fn keep<R: Rows>(rows: &mut R, view: &View<'_>, id: EventId, intent: &Intent) {
    let until = kept_until(view, view.contract_of(intent));
    intent.pack(until, &mut Pack(rows.put(intent_key(id))));
}

/// A new row that ends, up to its end, which is planned.
fn put_for<R: Rows>(rows: &mut R, row: Key, until: u64) -> Pack<'_> {
    sweep::plan(rows, &row, Micros(until));
    let mut row = Pack(rows.put(row));
    row.u64(until);
    row
}

/// IMPORTANT: an id that another signer used first stays his, or outcomes of his would join another's intent.
fn intent<R: Rows>(rows: &mut R, view: &View<'_>) -> Result<(), R::Error> {
    let facts = view.facts;
    let (Some(agent), Some(deed)) = (facts.agent, view.memory.deed) else { return Ok(()) };
    if view.memory.is_taken || agent != facts.signer {
        return Ok(());
    }
    let until = kept_until(view, view.contract);
    let intent = new_intent(view, deed);
    let row = intent_key(facts.id);
    intent.pack(until, &mut Pack(rows.put(row)));
    if let Some(call) = facts.call.map(|call| call_key(agent, call))
        && rows.get(&call)?.is_none()
    {
        Pack(rows.put(call)).room(24).u64(until).raw(&facts.id.0);
        sweep::plan_both(rows, &row, &call, Micros(until));
    } else {
        sweep::plan(rows, &row, Micros(until));
    }
    Ok(())
}

fn new_intent(view: &View<'_>, deed: Deed) -> Intent {
    let hops = view.facts.principals.iter().filter_map(|hop| hop.get("id")?.text());
    // The last one is mostly itself.
    let chain = hops.filter_map(|hop| match hop == view.facts.signer && view.facts.by_agent {
        true => Some(view.facts.by),
        false => Some(view.registry.agent(hop)?.mark),
    });
    Intent {
        id: view.facts.id,
        index: view.facts.index,
        agent: view.facts.by,
        deed,
        asks: view.needs_approval(),
        is_dangerous: view.is_dangerous(),
        is_mislabelled: view.mislabels().next().is_some(),
        allowed: Micros(0),
        by_human: Micros(0),
        refused: false,
        clock: view.facts.at,
        told: Told::default(),
        is_over: false,
        is_weighed: false,
        is_told: false,
        rest: Rest::new(&Cited::of(view.facts), chain, view.gates.iter().map(|gate| mark(gate))),
    }
}

fn execution<R: Rows>(rows: &mut R, view: &View<'_>) {
    let (facts, memory) = (view.facts, view.memory);
    let is_witness = facts.kind == Kind::WitnessObserved;
    if let Some((id, before)) = memory.intents.first() {
        let mut intent = before.clone();
        if !memory.is_repeat {
            intent.count(facts);
        }
        if facts.is_execution() {
            intent.is_weighed |= view.is_dangerous();
            intent.is_told |= before.is_denied();
        }
        // A witness that had waited for its outcome is this intent's from now on.
        let waited = memory.reference.intent.is_none() && !is_witness;
        if waited && memory.reference.witness.is_some_and(|(seen, _)| before.index < seen) {
            intent.told.witnessed = intent.told.witnessed.saturating_add(1);
        }
        keep(rows, view, *id, &intent);
    }
    reference(rows, view, is_witness);
}

fn reference<R: Rows>(rows: &mut R, view: &View<'_>, is_witness: bool) {
    let memory = view.memory;
    let Some(at) = memory.reference_key else { return };
    let mut after = memory.reference;
    let joined = memory.intents.first().map(|(id, intent)| (*id, intent.index));
    after.intent = after.intent.or(joined);
    if is_witness && after.witness.is_none() {
        after.witness = memory.deed.map(|deed| (view.facts.index, deed));
    }
    if after == memory.reference {
        return;
    }
    let until = kept_until(view, view.contract);
    let row = key(b'R', &at);
    if memory.reference == super::reference::Reference::default() {
        sweep::plan(rows, &row, Micros(until));
    }
    after.pack(until, &mut Pack(rows.put(row)));
}

fn verdict<R: Rows>(rows: &mut R, view: &View<'_>) {
    for (id, before) in &view.memory.intents {
        let mut intent = before.clone();
        for (gate, allows) in words(view) {
            intent.judge(gate, allows);
            if allows {
                intent.clock = view.facts.at;
            }
        }
        keep(rows, view, *id, &intent);
    }
}

/// The gates of a verdict, and whether each allows.
pub(crate) fn words(view: &View<'_>) -> impl Iterator<Item = (Mark, bool)> {
    let verdicts = view.body.list("verdicts");
    verdicts.iter().filter_map(|verdict| {
        let gate = verdict.get("gate")?.text()?;
        Some((mark(gate), verdict.get("decision")?.text()? == "allow"))
    })
}

fn requested<R: Rows>(rows: &mut R, view: &View<'_>) -> Result<(), R::Error> {
    let request = view.body.event_id("approval.request");
    let ends = view.body.uint("approval.expires").unwrap_or_default();
    let until = kept_until(view, view.contract);
    let alias = request.map(alias_key);
    for row in std::iter::once(request_key(view.facts.id)).chain(alias) {
        if rows.get(&row)?.is_none() {
            let mut value = put_for(rows, row, until);
            value.u64(ends);
            for (intent, _) in &view.memory.intents {
                value.raw(&intent.0);
            }
        }
    }
    Ok(())
}

fn decided<R: Rows>(rows: &mut R, view: &View<'_>) {
    let allows = view.body.text("approval.decision") == Some("allow");
    let own = view.body.uint("approval.expires").map(Micros);
    let ends = own.or(view.memory.request_ends).unwrap_or(Micros(u64::MAX));
    for (id, before) in &view.memory.intents {
        // Nobody allows himself anything.
        if allows && is_self(view, before) {
            continue;
        }
        let mut intent = before.clone();
        intent.refused = !allows;
        intent.allowed = if allows { ends } else { Micros(0) };
        if allows {
            intent.clock = view.facts.at;
        }
        // What a person allowed no service takes back by allowing it, too.
        if !allows || is_human(view) {
            intent.by_human = intent.allowed;
        }
        keep(rows, view, *id, &intent);
    }
}

/// Whether who decides acts himself, or is an agent of the chain.
pub(crate) fn is_self(view: &View<'_>, intent: &Intent) -> bool {
    let user = view.body.text("on_behalf_of");
    let names = std::iter::once(view.facts.signer).chain(user);
    names.into_iter().any(|name| {
        let name = view.registry.known(name).map_or(name, |agent| agent.id.as_str());
        let name = mark(name);
        name == intent.agent || intent.chain().any(|agent| agent == name)
    })
}

/// Whether a person decides: with a key of his own, or logged in at a service that may sign for people.
fn is_human(view: &View<'_>) -> bool {
    HumanMark::of(view.body, view.registry.principal(view.facts.signer)).is_human()
}

/// The first stop since an agent was last active counts.
fn stop<R: Rows>(rows: &mut R, view: &View<'_>) -> Result<(), R::Error> {
    let row = stopped_key(view.facts.agent.unwrap_or_default());
    if rows.get(&row)?.is_none() {
        Pack(rows.put(row)).u64(view.facts.at.0).raw(&view.facts.id.0);
    }
    Ok(())
}

/// Grants that an action names and nobody gave yet.
fn uses<R: Rows>(rows: &mut R, view: &View<'_>) -> Result<(), R::Error> {
    if view.faults("grant_missing").next().is_none() {
        return Ok(());
    }
    let unknown = |id: &EventId| view.registry.grant(*id).is_none();
    let hops = view.body.principals();
    for grant in hops.iter().filter_map(|hop| hop.grant).filter(unknown) {
        let row = uses_key(grant);
        let known = rows.get(&row)?.map(<[u8]>::to_vec);
        let until = view.facts.at.0.saturating_add(USE_DAYS_KEPT * DAY_US);
        if known.is_none() {
            sweep::plan(rows, &row, Micros(until));
        }
        let known = known.unwrap_or_default();
        if unpack_uses(&known).count() >= GRANT_USES_MAX {
            continue;
        }
        let mut value = Pack(rows.put(row));
        value.u64(until).raw(Unpack::ending(&known).0);
        Cited::of(view.facts).pack(&mut value);
    }
    Ok(())
}

/// Whom a credential that nobody holds was seen with first.
fn met<R: Rows>(rows: &mut R, view: &View<'_>) {
    let is_seen = view.facts.kind == Kind::WitnessObserved;
    let seen = view.facts.credential.zip(view.facts.agent).filter(|_| is_seen);
    let Some((credential, agent)) = seen.filter(|_| view.memory.met.is_none()) else { return };
    let record = view.registry.credential(credential);
    if record.is_some_and(|record| record.in_force().next().is_some()) {
        return;
    }
    let until = view.facts.at.0.saturating_add(CREDENTIAL_DAYS_KEPT * DAY_US);
    put_for(rows, met_key(credential), until).text(agent);
}
