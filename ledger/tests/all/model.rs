//! A ledger on a real store against the model of the registry that `schemas` is held against: every verdict and index,
//! the whole state after each commit and as of each size, every chain, with a restart and a rebuild on the way.

#[path = "../../../schemas/tests/model/beginning.rs"]
mod beginning;
#[path = "../../../schemas/tests/model/chains.rs"]
mod chains;
#[path = "../../../schemas/tests/model/generate.rs"]
mod generate;
#[path = "../../../schemas/tests/model/random.rs"]
mod random;
#[path = "../../../schemas/tests/model/reference.rs"]
mod reference;
#[path = "../../../schemas/tests/model/step.rs"]
mod step;
#[path = "../../../schemas/tests/model/verdict.rs"]
mod verdict;
#[path = "../../../schemas/tests/model/view.rs"]
mod view;

use std::collections::BTreeMap;
use std::path::Path;

use beginning::beginning;
use chains::Found;
use generate::Generator;
use ledger::{Audit, ColumnFamily, Ledger};
use random::Random;
use reference::Reference;
use rocksdb::{DB, IteratorMode, Options};
use schemas::id::{Index, SignerId, Tenant, TreeSize};
use schemas::reply::{Fate, Outcome};
use schemas::submission;
use serde_json::json;
use step::{AGENTS, Action, GrantSpec, Hop, KEYS, START, Step, What, event_id, names, seeds};
use verdict::Verdict;

use crate::bench::Bench;

/// Sequences in all, over two tests that run side by side.
const SEQUENCES: u64 = 8;
const STEPS: u64 = 180;
/// What `Bench::commit` lets pass before it commits.
const PAUSE: u64 = 10_000;

/// Steps that are committed together, and what should become of each: its verdict and index.
struct Batch {
    after: u64,
    steps: Vec<(Step, Verdict, u64)>,
}

/// A sequence and everything that should come of it, as the model alone says.
#[derive(Default)]
struct Plan {
    batches: Vec<Batch>,
    /// By size; that of nothing is left empty.
    states: Vec<Vec<String>>,
    /// Of accepted actions, by index: the chain, and where it was frozen from.
    actions: BTreeMap<u64, (Vec<Found>, Option<u64>)>,
    grants: Vec<u64>,
}

impl Reference {
    /// The freeze that an action falls under.
    fn frozen(&self, action: &Action) -> Option<u64> {
        let covers = |over| match over {
            "*" => true,
            "env:production" => action.environment == Some("production"),
            "system:mail" => action.system == "mail",
            other => panic!("a freeze of {other}"),
        };
        let mut freezes = self.freezes.iter();
        freezes.find(|freeze| freeze.to.is_none() && covers(freeze.over)).map(|freeze| freeze.from)
    }
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut model = Reference::new();
        let states = vec![Vec::new(), view::expected(&model)];
        let mut plan = Self { states, ..Self::default() };
        let mut begun = beginning(&mut random).into_iter();
        let (mut now, mut made) = (START, 0);
        let mut refused = Vec::new();
        while made < STEPS {
            let mut batch = Batch { after: 0, steps: Vec::new() };
            for place in 0..1 + random.below(4) {
                let next = begun.next();
                let step =
                    next.unwrap_or_else(|| Generator::new(&mut random, &model, now).step(made));
                if place == 0 {
                    batch.after = step.after;
                    now += step.after + PAUSE;
                }
                made += 1;
                let (verdict, index) = plan.take(&mut model, &mut refused, &step, now);
                batch.steps.push((step, verdict, index));
            }
            plan.batches.push(batch);
        }
        plan.grants = model.grants.iter().map(|given| given.grant.id).collect();
        plan
    }

    fn size(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    /// Does one step in the model; gives its verdict, and the index that it ends at.
    fn take(
        &mut self,
        model: &mut Reference,
        refused: &mut Vec<(Step, &'static str, u64)>,
        step: &Step,
        now: u64,
    ) -> (Verdict, u64) {
        let verdict = model.judge(step, now);
        let size = self.size();
        let index = match &verdict {
            Verdict::Duplicate(index) => *index,
            Verdict::Commit => {
                if let What::Act(action) = &step.what {
                    let found = (model.chain(action, now), model.frozen(action));
                    self.actions.insert(size, found);
                }
                model.accept(step, size, now);
                size
            }
            Verdict::Reject(reason, _) => {
                // The same bytes refused for the same reason make no second leaf.
                let same = Step { after: 0, ..step.clone() };
                let mut before = refused.iter();
                let before = before.find(|(known, why, _)| *known == same && why == reason);
                match before.map(|(.., index)| *index) {
                    Some(index) => index,
                    None => {
                        refused.push((same, reason, size));
                        size
                    }
                }
            }
        };
        if index == size {
            self.states.push(view::expected(model));
        }
        (verdict, index)
    }
}

fn message(step: &Step) -> Vec<u8> {
    let signer = SignerId::parse(&step.signer).unwrap();
    let tenant = Tenant::parse("test").unwrap();
    let items = [(step.body(), step.what.detail())];
    submission::sign(&KEYS[step.key as usize].0, &signer, &tenant, &items)
}

fn ended(outcome: &Outcome) -> (Verdict, u64) {
    let index = outcome.index.0;
    let verdict = match &outcome.fate {
        Fate::Committed(_) => Verdict::Commit,
        Fate::Duplicate(_) => Verdict::Duplicate(index),
        Fate::Rejected(reject) => {
            Verdict::Reject(reject.reason.as_str(), reject.cause.path.clone().leak())
        }
    };
    (verdict, index)
}

/// Plays a plan on a ledger; `between` may do something to it after each batch.
fn play(plan: &Plan, mut between: impl FnMut(usize, &mut Bench)) -> Bench {
    let mut bench = Bench::new();
    let mut size = 1;
    for (place, batch) in plan.batches.iter().enumerate() {
        bench.now.0 += batch.after;
        let messages: Vec<_> = batch.steps.iter().map(|(step, ..)| message(step)).collect();
        let replies = bench.commit(&messages).replies;
        for ((step, verdict, index), reply) in batch.steps.iter().zip(&replies) {
            let found = ended(&reply.outcomes[0]);
            assert_eq!(found, (verdict.clone(), *index), "batch {place}: {step:#?}");
            size = size.max(index + 1);
        }
        between(place, &mut bench);
        let ledger = bench.ledger();
        assert_eq!(ledger.head().size.0, size, "batch {place}");
        let state = view::actual(&ledger.registry().unwrap());
        assert_eq!(state, plan.states[size as usize], "state after batch {place}");
    }
    bench
}

fn as_of_every_size(plan: &Plan, ledger: &Ledger) {
    let states = || plan.states.iter().enumerate().skip(1);
    // From either end and from the middle, so that what was folded before is of no, some and all later questions.
    let middle = plan.states.len() / 2;
    for (size, expected) in states().rev().chain(states().skip(middle)).chain(states()) {
        let registry = ledger.registry_at(TreeSize(size as u64)).unwrap();
        assert_eq!(view::actual(&registry), *expected, "as of size {size}");
        let Some((chain, frozen)) = plan.actions.get(&(size as u64)) else { continue };
        let index = Index(size as u64);
        let entry = ledger.entry(index).unwrap().unwrap();
        let found =
            entry.terms(ledger, |terms| registry.frozen(terms).map(|freeze| freeze.frozen.0));
        let found = found.unwrap();
        assert_eq!(found, *frozen, "freeze of {index}");
        let worth = chain.iter().any(|(grant, faults)| grant.is_some() || !faults.is_empty());
        let kept = ledger.chain_check(index).unwrap().map(|check| view::found(&check));
        assert_eq!(kept, worth.then(|| chain.clone()), "chain of {index}");
    }
}

/// Single records are those of the whole.
fn one_by_one(plan: &Plan, ledger: &Ledger) {
    let registry = ledger.registry().unwrap();
    for agent in AGENTS {
        assert_eq!(ledger.agent(agent).unwrap().as_ref(), registry.agent(agent));
        assert_eq!(ledger.contract(agent).unwrap().as_ref(), registry.contract(agent));
    }
    for name in names() {
        assert_eq!(ledger.principal(name).unwrap().as_ref(), registry.principal(name));
    }
    for grant in &plan.grants {
        let id = event_id(*grant);
        assert_eq!(ledger.grant(id).unwrap().as_ref(), registry.grant(id));
    }
    for credential in registry.credentials() {
        assert_eq!(ledger.credential(&credential.id).unwrap().as_ref(), Some(credential));
    }
    for proposal in registry.proposals() {
        assert_eq!(ledger.proposal(proposal.id).unwrap().as_ref(), Some(proposal));
    }
    assert_eq!(ledger.agents("", 100).unwrap().iter().collect::<Vec<_>>(), registry.agents());
    assert_eq!(ledger.holds(true).unwrap(), registry.holds());
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Rows of a copy of the store, by column family.
fn rows(copy: &Path) -> BTreeMap<&'static str, Rows> {
    let families = [ColumnFamily::State, ColumnFamily::Ids, ColumnFamily::Tiles];
    let names = families.map(ColumnFamily::as_str);
    let db = DB::open_cf_for_read_only(&Options::default(), copy, names, false).unwrap();
    let read = |name| {
        let rows = db.iterator_cf(db.cf_handle(name).unwrap(), IteratorMode::Start);
        (
            name,
            rows.map(|row| row.unwrap()).map(|(key, value)| (key.into(), value.into())).collect(),
        )
    };
    names.into_iter().map(read).collect()
}

fn copied(bench: &mut Bench, name: &str) -> std::path::PathBuf {
    let copy = bench.directory.path().join(name);
    bench.ledger().copy_to(&copy).unwrap();
    copy
}

fn sequence(seed: u64) {
    eprintln!("sequence {seed}");
    let plan = Plan::new(seed);
    let mut plain = play(&plan, |_place, _bench| ());
    let (restart, rebuild) = (plan.batches.len() / 3, plan.batches.len() * 2 / 3);
    let mut interrupted = play(&plan, |place, bench| {
        if place == rebuild {
            bench.writer = None;
            ledger::rebuild(&bench.config(), |_, _| ()).unwrap();
        }
        if place == restart || place == rebuild {
            bench.reopen();
        }
    });
    let expected = {
        let copy = copied(&mut plain, "copy");
        let found = rows(&copy);
        assert!(!found["state"].is_empty() && !found["ids"].is_empty());
        let audit = Audit { store: &copy, trust: None, mark: None, state: None };
        assert_eq!(ledger::audit(&audit, &|_| ()).unwrap().divergences, []);
        let config = ledger::Config { store: copy.clone(), mark: plain.config().mark };
        ledger::rebuild(&config, |_, _| ()).unwrap();
        assert_eq!(rows(&copy), found, "rows after a rebuild");
        found
    };
    let copy = copied(&mut interrupted, "copy");
    assert_eq!(rows(&copy), expected, "rows after a restart and a rebuild on the way");
    for bench in [&mut plain, &mut interrupted] {
        let ledger = bench.ledger();
        as_of_every_size(&plan, &ledger);
        one_by_one(&plan, &ledger);
    }
}

#[test]
fn a_ledger_does_what_the_model_says() {
    (0..SEQUENCES / 2).for_each(sequence);
}

#[test]
fn another_ledger_does_what_the_model_says() {
    (SEQUENCES / 2..SEQUENCES).for_each(sequence);
}

#[test]
fn an_erased_action_keeps_no_chain_and_a_rebuild_agrees() {
    let mut bench = Bench::new();
    let (agent, key) = (AGENTS[0].to_owned(), seeds(AGENTS[0])[0]);
    let hop = |id: &str, grant| Hop { id: id.to_owned(), human: false, evidence: false, grant };
    let spec = GrantSpec {
        id: 100,
        to: agent.clone(),
        parent: None,
        scope: None,
        systems: None,
        targets: None,
        data_classes: None,
        environment: None,
        expires: None,
    };
    let action = Action {
        kind: "action.intent",
        agent: agent.clone(),
        chain: vec![hop("operator", None), hop(&agent, Some(100))],
        scope: Vec::new(),
        system: "mail",
        target: "a",
        environment: Some("staging"),
        data_classes: Vec::new(),
    };
    let (addresses, external, owner) = (Vec::new(), Vec::new(), "owner-0".to_owned());
    let enrol = What::Enrol { signer: agent.clone(), key, from: None, until: None };
    let operator = "operator".to_owned();
    let steps = [
        (&operator, 2, What::Register { agent: agent.clone(), owner, addresses, external }),
        (&operator, 2, enrol),
        (&operator, 2, What::Grant(spec)),
        (&agent, key, What::Act(Box::new(action))),
    ];
    for ((signer, key, what), id) in steps.into_iter().zip(0..) {
        let step = Step { after: 0, signer: signer.clone(), key, id, what };
        assert!(matches!(bench.one(&message(&step)).fate, Fate::Committed(_)), "{step:?}");
    }
    let at = Index(4);
    assert!(bench.ledger().chain_check(at).unwrap().is_some());
    let redaction = bench.operator.event(json!({
        "kind": "redaction",
        "redact": {"basis": "gdpr-17", "parts": ["body"], "ranges": [[at.0, at.0]]},
    }));
    assert!(matches!(bench.one(&redaction).fate, Fate::Committed(_)));
    assert_eq!(bench.ledger().chain_check(at).unwrap(), None);
    let copy = copied(&mut bench, "copy");
    let before = rows(&copy);
    let config = ledger::Config { store: copy.clone(), mark: bench.config().mark };
    ledger::rebuild(&config, |_, _| ()).unwrap();
    assert_eq!(rows(&copy), before);
}
