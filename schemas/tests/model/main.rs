//! The registry against a model of it: random sequences, every verdict, the whole state after each entry, every chain.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

mod beginning;
mod chains;
mod generate;
mod random;
mod reference;
mod step;
mod verdict;
mod view;

use std::collections::BTreeMap;

use beginning::beginning;
use generate::Generator;
use random::Random;
use reference::Reference;
use schemas::body::{self, Body};
use schemas::id::{Index, Micros, hex};
use schemas::registry::Registry;
use serde_json::json;
use step::{START, Step, What, event_id, public};
use verdict::Verdict;

/// Sequences in all, over four tests that run side by side.
const SEQUENCES: u64 = 12_000;
const STEPS: u64 = 30;

fn founded() -> Registry {
    let genesis = json!({
        "v": 1, "kind": "ledger.genesis", "id": event_id(9_000_000).to_string(),
        "salt": "00".repeat(16), "tenant": "test", "time": START, "signer": "ledger",
        "code": "genesis",
        "registry": {
            "operator": "operator", "operator_key": {"hex": hex(public(2).as_bytes())},
            "ledger_key": {"hex": hex(public(1).as_bytes())},
        },
    });
    let bytes = body::from_json(&genesis).unwrap();
    let mut registry = Registry::default();
    registry.apply(Index(0), Micros(START), &Body::parse(&bytes).unwrap());
    registry
}

/// How often each thing was seen.
type Seen = BTreeMap<String, u64>;

/// Both sides of a sequence.
struct Both {
    model: Reference,
    registry: Registry,
    now: u64,
    size: u64,
}

impl Both {
    fn new() -> Self {
        Self { model: Reference::new(), registry: founded(), now: START, size: 1 }
    }

    /// Does one step on both sides.
    fn take(&mut self, step: &Step, seen: &mut Seen) -> Result<(), String> {
        self.now += step.after;
        let expected = self.model.judge(step, self.now);
        let mut see = |what: String| *seen.entry(what).or_default() += 1;
        see(match &expected {
            Verdict::Reject(reason, path) => format!("{reason} {path}"),
            Verdict::Duplicate(_) => "duplicate".to_owned(),
            Verdict::Commit => {
                format!("committed {}", step.what.fields()["kind"].as_str().unwrap())
            }
        });
        // What the ledger decides before it asks the registry.
        if matches!(
            expected,
            Verdict::Duplicate(_) | Verdict::Reject("wrong_signer" | "id_conflict", _)
        ) {
            return Ok(());
        }
        let bytes = step.body();
        let body = Body::parse(&bytes).map_err(|reject| reject.to_string())?;
        let verdict = self.registry.permits(&body, &public(step.key).kid(), Micros(self.now));
        let verdict = verdict.map_err(|reject| (reject.reason.as_str(), reject.cause.path));
        match (&expected, &verdict) {
            (Verdict::Commit, Ok(())) => {}
            (Verdict::Reject(reason, path), Err((said, at))) if reason == said && path == at => {}
            _ => return Err(format!("expected {expected:?}, was {verdict:?}")),
        }
        if expected == Verdict::Commit {
            if let What::Act(action) = &step.what {
                let expected = self.model.chain(action, self.now);
                expected.iter().flat_map(|(_, faults)| faults).for_each(|fault| see(fault.clone()));
                let found = view::found(&self.registry.check_chain(&body, Micros(self.now)));
                same("chain", &expected, &found)?;
            }
            self.model.accept(step, self.size, self.now);
            if let What::Approve { id } = step.what
                && let Some(decided) = self.model.proposal(id)
                && decided.in_force == Some(self.size)
            {
                see(format!("in force {}", decided.operation.fields()["kind"].as_str().unwrap()));
            }
            self.registry.apply(Index(self.size), Micros(self.now), &body);
            self.size += 1;
        }
        same("state", &view::expected(&self.model), &view::actual(&self.registry))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &[T],
    found: &[T],
) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let only = |of: &[T], other: &[T]| {
        let only = of.iter().filter(|line| !other.contains(line));
        only.map(|line| format!("\n    {line:?}")).collect::<String>()
    };
    let (missing, more) = (only(expected, found), only(found, expected));
    Err(format!("{what}\n  expected:{missing}\n  found:{more}"))
}

/// Makes a sequence and does it; gives its steps, and what went wrong at the last of them.
fn sequence(seed: u64, seen: &mut Seen) -> (Vec<Step>, Result<(), String>) {
    let mut random = Random::new(seed);
    let mut both = Both::new();
    let mut steps = Vec::new();
    let begun = if random.chance(90) { beginning(&mut random) } else { Vec::new() };
    let count = begun.len() as u64 + STEPS;
    for n in 0..count {
        let step = match begun.get(n as usize) {
            Some(step) => step.clone(),
            None => Generator::new(&mut random, &both.model, both.now).step(n),
        };
        steps.push(step.clone());
        let done = both.take(&step, seen);
        if done.is_err() {
            return (steps, done);
        }
    }
    (steps, Ok(()))
}

fn replay(steps: &[Step]) -> Result<(), String> {
    let mut both = Both::new();
    steps.iter().try_for_each(|step| both.take(step, &mut Seen::new()))
}

/// Leaves out what is not needed for something to go wrong.
fn shrunk(mut steps: Vec<Step>) -> Vec<Step> {
    let mut at = steps.len();
    while at > 0 {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        if replay(&fewer).is_err() {
            steps = fewer;
            at = at.min(steps.len());
        }
    }
    steps
}

fn quarter(which: u64) {
    let mut seen = Seen::new();
    for seed in (which * SEQUENCES / 4)..((which + 1) * SEQUENCES / 4) {
        let (steps, done) = sequence(seed, &mut seen);
        if let Err(fault) = done {
            let steps = shrunk(steps);
            let fault = replay(&steps).err().unwrap_or(fault);
            panic!("seed {seed}: {fault}\nafter {steps:#?}");
        }
    }
    everything_happened(&seen);
}

/// What a test of random sequences has to have seen, or it tests less than it seems to.
const HAPPENS: &str = "
    committed action.intent, committed action.outcome, committed agent.disabled,
    committed agent.enabled, committed agent.registered, committed agent.retired,
    committed agent.suspended, committed agent.updated, committed authz.transition,
    committed contract.registered, committed contract.reviewed, committed contract.withdrawn,
    committed credential.registered, committed credential.revoked, committed delegation.granted,
    committed delegation.revoked, committed hold.lifted, committed hold.placed,
    committed key.enrolled, committed key.revoked, committed key.rotated,
    committed policy.registered, committed principal.disabled, committed principal.registered,
    committed proposal, committed proposal.approved, committed witness.observed,
    in force principal.registered, in force principal.disabled, in force key.enrolled,
    in force key.revoked, in force quorum,
    duplicate, wrong_signer signer, id_conflict id, unregistered_key statement.protected.4,
    revoked_key statement.protected.4, expired_key statement.protected.4, disabled_agent signer,
    role_not_allowed kind, role_not_allowed signer,
    invalid_field agent.id, invalid_field causes, invalid_field contract,
    invalid_field credential.expires, invalid_field credential.id, invalid_field grant.expires,
    invalid_field grant.id, invalid_field grant.parent, invalid_field hold.query, invalid_field id,
    invalid_field registry.addresses, invalid_field registry.agent.expiry,
    invalid_field registry.agent.name, invalid_field registry.agent.owner,
    invalid_field registry.external, invalid_field registry.id, invalid_field registry.key,
    invalid_field registry.kid, invalid_field registry.m, invalid_field registry.operation.kind,
    invalid_field registry.operation.m, invalid_field registry.replaces,
    invalid_field registry.signer, invalid_field transition.applies_to,
    invalid_field transition.to,
    grant_missing:unnamed, grant_missing:unknown, grant_missing:revoked, grant_missing:expired,
    grantor_inactive, intent_unproven, principal_mismatch, root_unregistered,
    scope_widened:scope, scope_widened:system, scope_widened:target, scope_widened:data_class,
    scope_widened:environment, scope_widened:expiry,
    out_of_scope:scope, out_of_scope:system, out_of_scope:target, out_of_scope:data_class,
    out_of_scope:environment,
";

fn everything_happened(seen: &Seen) {
    let never: Vec<_> = HAPPENS
        .split(',')
        .map(str::trim)
        .filter(|what| !what.is_empty() && !seen.contains_key(*what))
        .collect();
    assert!(never.is_empty(), "never seen: {never:?}\n{seen:#?}");
}

#[test]
fn the_first_quarter_agrees_with_the_model() {
    quarter(0);
}

#[test]
fn the_second_quarter_agrees_with_the_model() {
    quarter(1);
}

#[test]
fn the_third_quarter_agrees_with_the_model() {
    quarter(2);
}

#[test]
fn the_fourth_quarter_agrees_with_the_model() {
    quarter(3);
}
