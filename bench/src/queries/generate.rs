//! The ledger that is asked, made once: by as many agents as a tenant has, in commits as a busy ledger makes them.

use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use ledger::{Config, Ledger, Writer};
use rayon::prelude::*;
use schemas::id::{EventId, Micros, hex};
use schemas::key::PublicKey;
use schemas::reply::Fate;
use schemas::submission;
use serde_json::{Value as Json, json};

use super::team::{AGENTS, GATE, Team};
use crate::events::{START_US, key, operator, tenant};
use crate::ingest::{checked, create};
use crate::noise::publisher::Publisher;
use crate::random::Random;
use crate::round::Failure;

/// Teams in a large ledger: 2,000 agents.
const TEAMS_MAX: u64 = 500;
/// Entries that each agent has at least, so that teams are fewer in a small ledger.
const ENTRIES_OF_AGENT: u64 = 500;
/// Entries of the largest workflows.
pub(crate) const LARGE: u64 = 1000;
/// Entries of a small workflow that is asked for.
pub(crate) const SMALL: u64 = 20;
/// Other entries between two large workflows: a million entries have enough of these to ask for another each time.
const BETWEEN_LARGE: u64 = 2000;
/// Entries of a shift, if it has no large workflow.
const SHIFT: u64 = 100;
/// Entries of a commit, about.
const COMMIT: u64 = 250;
/// Time between two entries.
const SPACING_US: u64 = 250_000;
/// Entries between two words of progress.
const TELL: u64 = 200_000;
/// Batches that may wait for the writer.
const WAITING: usize = 1;

/// When the entry with this number happens.
pub(crate) fn time(number: u64) -> u64 {
    START_US + number * SPACING_US
}

/// Opens the ledger in `directory`, which is made if there is none of so many entries yet.
pub(crate) fn ledger(directory: &Path, entries: u64) -> Result<Ledger, Failure> {
    let done = directory.join("done");
    let config = Config { store: directory.join("store"), mark: directory.join("mark/bench.note") };
    if fs::read_to_string(&done).is_ok_and(|text| text == entries.to_string()) {
        println!("the ledger in {} is used", directory.display());
        return Ok(ledger::open(&config, key(1))?.ledger());
    }
    if config.store.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let began = Instant::now();
    let mut writer = create(directory, false)?;
    generate(&mut writer, entries)?;
    let ledger = writer.ledger();
    println!("{} entries written in {:.0?}", ledger.head().size, began.elapsed());
    fs::write(done, entries.to_string())?;
    Ok(ledger)
}

fn generate(writer: &mut Writer, entries: u64) -> Result<(), Failure> {
    let agents = u64::try_from(AGENTS)?;
    let teams = (entries / ENTRIES_OF_AGENT / agents).clamp(2, TEAMS_MAX);
    let mut teams: Vec<_> = (0..teams).map(Team::new).collect();
    append(writer, &registrations(&teams), time(0))?;
    let (send, receive) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut planner = Planner { random: Random(7), made: 0, since_large: 0 };
            while planner.made < entries {
                let messages = planner.batch(&mut teams, entries);
                if send.send((messages, planner.made)).is_err() {
                    return;
                }
            }
        });
        let mut told = 0;
        for (messages, made) in receive {
            append(writer, &messages, time(made))?;
            if made / TELL > told {
                told = made / TELL;
                println!("  {made} of {entries} entries");
            }
        }
        Ok::<_, Failure>(())
    })?;
    Ok(writer.publish()?)
}

/// What comes next.
struct Planner {
    random: Random,
    /// Entries so far.
    made: u64,
    since_large: u64,
}

impl Planner {
    /// Submissions of one commit: each of some teams works one shift.
    fn batch(&mut self, teams: &mut [Team], entries: u64) -> Vec<Vec<u8>> {
        // Whoever comes next is drawn by lots.
        let mut order: Vec<_> = teams.iter_mut().map(|team| (self.random.bits(), team)).collect();
        order.sort_unstable_by_key(|(lot, _)| *lot);
        let (mut work, mut planned) = (Vec::new(), 0);
        for (_, team) in order {
            let sizes = self.sizes();
            let count: u64 = sizes.iter().sum();
            work.push((team, sizes, self.made + planned));
            planned += count;
            if planned >= COMMIT || self.made + planned >= entries {
                break;
            }
        }
        let shifts: Vec<_> = work
            .into_par_iter()
            .map(|(team, sizes, from)| team.shift(&sizes, time(from), SPACING_US))
            .collect();
        self.made += shifts.iter().map(|shift| shift.events).sum::<u64>();
        shifts.into_iter().flat_map(|shift| shift.messages).collect()
    }

    /// Sizes of the workflows of a shift.
    fn sizes(&mut self) -> Vec<u64> {
        if self.since_large >= BETWEEN_LARGE {
            self.since_large = 0;
            return vec![LARGE];
        }
        let mut sizes = Vec::new();
        while sizes.iter().sum::<u64>() < SHIFT {
            sizes.push(5 + self.random.below(46));
        }
        self.since_large += sizes.iter().sum::<u64>();
        sizes
    }
}

/// One commit, of which nothing may be refused.
fn append(writer: &mut Writer, messages: &[Vec<u8>], now: u64) -> Result<(), Failure> {
    let keys = writer.ledger().key_set();
    let done = writer.append(checked(messages, &keys), Micros(now), &[])?;
    let mut outcomes = done.replies.iter().flat_map(|reply| &reply.outcomes);
    match outcomes.find(|end| !matches!(end.fate, Fate::Committed(_))) {
        None => Ok(()),
        Some(refused) => Err(format!("refused: {:?}", refused.fate).into()),
    }
}

/// Says who the agents and the gate are.
struct Registrar {
    /// Makes bodies; the ledger knows another key of the operator's.
    bodies: Publisher,
    messages: Vec<Vec<u8>>,
}

fn registrations(teams: &[Team]) -> Vec<Vec<u8>> {
    let (id, _) = operator();
    let bodies = Publisher::new(id.as_str(), false);
    let mut registrar = Registrar { bodies, messages: Vec::new() };
    registrar.say(json!({
        "kind": "principal.registered", "registry": {"id": GATE, "roles": ["gate"]},
    }));
    registrar.enrol(GATE, &Publisher::new(GATE, false).public());
    for (id, public) in teams.iter().flat_map(Team::agents) {
        registrar.say(json!({
            "kind": "agent.registered", "agent": {"id": id.as_str()}, "owner": "team@example.com",
        }));
        registrar.enrol(id.as_str(), &public);
    }
    registrar.messages
}

impl Registrar {
    fn enrol(&mut self, signer: &str, public: &PublicKey) {
        let registry = json!({"signer": signer, "key": hex(public.as_bytes())});
        self.say(json!({"kind": "key.enrolled", "registry": registry}));
    }

    fn say(&mut self, fields: Json) {
        let (id, key) = operator();
        let [a, b, c, d, e, f, g, h] = self.messages.len().to_be_bytes();
        let event = EventId::new(START_US / 1000, &[a, b, c, d, e, f, g, h, 0, 0]);
        let body = self.bodies.body(START_US, event, [2; 16], fields);
        self.messages.push(submission::sign(&key, &id, &tenant(), &[(body, None)]));
    }
}
