//! Lets time pass: who says what when, and when it reaches the ledger.

use std::collections::BTreeMap;

use schemas::id::{EventId, Kid, sha256};
use schemas::key::PublicKey;
use serde_json::Value as Json;

use super::agent::Agent;
use super::publisher::{Publisher, Session};
use super::trade::TRADES;
use super::{DAY_US, Plan, SECOND_US, START_US, registrar};
use crate::random::Random;

/// People who give work and allow it.
const PEOPLE: usize = 5;
/// Days on which nobody reaches the ledger for a while, and from and to when.
const LEDGER_OUTAGES: [(u64, u64, u64); 2] =
    [(9, 50_400 * SECOND_US, 51_100 * SECOND_US), (37, 36_000 * SECOND_US, 37_500 * SECOND_US)];

/// Something that is said.
pub(crate) struct Emission {
    pub(crate) at: u64,
    pub(crate) by: usize,
    pub(crate) session: Session,
    pub(crate) id: EventId,
    pub(crate) fields: Json,
    pub(crate) detail: Option<Vec<u8>>,
    /// Nobody goes on before its receipt is there, so nothing overtakes it.
    pub(crate) is_prompt: bool,
}

/// Something that reaches the ledger.
pub(crate) struct Arrival {
    pub(crate) at: u64,
    pub(crate) by: usize,
    pub(crate) kid: Kid,
    pub(crate) body: Vec<u8>,
    pub(crate) detail: Option<Vec<u8>>,
}

/// Who takes part.
pub(crate) struct Cast {
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) operator: usize,
    pub(crate) owner: usize,
    pub(crate) gate: usize,
    pub(crate) witness: usize,
    pub(crate) people: Vec<usize>,
}

impl Cast {
    fn new() -> Self {
        let mut cast = Self {
            publishers: Vec::new(),
            operator: 0,
            owner: 1,
            gate: 2,
            witness: 3,
            people: Vec::new(),
        };
        for id in ["operator", "owner@example.com", "gate", "proxy"] {
            cast.add(id, false);
        }
        for n in 0..PEOPLE {
            let person = cast.add(&format!("person-{n}@example.com"), false);
            cast.people.push(person);
        }
        cast
    }

    fn add(&mut self, id: &str, is_agent: bool) -> usize {
        self.publishers.push(Publisher::new(id, is_agent));
        self.publishers.len() - 1
    }

    pub(crate) fn name(&self, who: usize) -> &str {
        self.publishers.get(who).map(|publisher| publisher.id.as_str()).unwrap_or_default()
    }

    /// What is sent for something that arrives.
    pub(crate) fn sign(&self, arrival: &Arrival) -> Vec<u8> {
        let publisher = self.publishers.get(arrival.by).expect("somebody of the cast");
        publisher.sign(arrival.body.clone(), arrival.detail.clone())
    }

    /// The key of whoever has this name.
    pub(crate) fn key(&self, id: &str) -> PublicKey {
        let known = self.publishers.iter().find(|publisher| publisher.id.as_str() == id);
        known.expect("somebody of the cast").public()
    }
}

/// The session of somebody who restarts once a week.
pub(crate) fn week_of(who: usize, at: u64) -> Session {
    let digest = sha256(format!("week {who} {}", at / (7 * DAY_US)).as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

enum Task {
    /// An agent begins a session.
    Wake(usize),
    Say(Box<Emission>),
}

/// The time that passes.
pub(crate) struct Month {
    plan: Plan,
    random: Random,
    pub(crate) cast: Cast,
    agents: Vec<Agent>,
    /// By time, and in the order in which they were thought of.
    tasks: BTreeMap<(u64, u64), Task>,
    arrivals: BTreeMap<(u64, u64), Arrival>,
    order: u64,
    /// When the last in order of each publisher arrives.
    latest: Vec<u64>,
}

impl Month {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut random = Random(plan.seed);
        let mut cast = Cast::new();
        let agents = (0..plan.agents).map(|n| hire(&mut cast, &mut random, plan, n)).collect();
        let latest = vec![0; cast.publishers.len()];
        let (tasks, arrivals) = (BTreeMap::new(), BTreeMap::new());
        let mut month = Self { plan, random, cast, agents, tasks, arrivals, order: 0, latest };
        for emission in registrar::all(&month.cast, &month.agents, plan) {
            month.plan_saying(emission);
        }
        for n in 0..month.agents.len() {
            month.plan_session(n, START_US);
        }
        month
    }

    /// What reaches the ledger next.
    pub(crate) fn next(&mut self) -> Option<Arrival> {
        loop {
            let next = self.tasks.first_key_value().map(|((at, _), _)| *at);
            let arrives = self.arrivals.first_key_value().map(|((at, _), _)| *at);
            match (next, arrives) {
                (Some(next), Some(arrives)) if arrives <= next => break,
                (None, _) => break,
                _ => {}
            }
            if let Some(((at, _), task)) = self.tasks.pop_first() {
                match task {
                    Task::Wake(n) => self.wake(n, at),
                    Task::Say(emission) => self.say(*emission),
                }
            }
        }
        self.arrivals.pop_first().map(|(_, arrival)| arrival)
    }

    fn place(&mut self, at: u64) -> (u64, u64) {
        self.order += 1;
        (at, self.order)
    }

    fn plan_saying(&mut self, emission: Emission) {
        let place = self.place(emission.at);
        self.tasks.insert(place, Task::Say(Box::new(emission)));
    }

    fn plan_session(&mut self, n: usize, from: u64) {
        let Some(agent) = self.agents.get(n) else { return };
        let rhythm = agent.trade.rhythm;
        let at = rhythm.next(&mut self.random, agent.zone_h, agent.per_hour, from);
        if at < START_US + self.plan.days * DAY_US {
            let place = self.place(at);
            self.tasks.insert(place, Task::Wake(n));
        }
    }

    fn wake(&mut self, n: usize, at: u64) {
        let Some(agent) = self.agents.get_mut(n) else { return };
        let script = agent.session(&self.cast, &mut self.random, at);
        for emission in script.emissions {
            self.plan_saying(emission);
        }
        self.plan_session(n, script.ends);
    }

    fn say(&mut self, emission: Emission) {
        let Emission { at, by, session, id, fields, detail, is_prompt } = emission;
        let arrives = self.arrival(by, at, is_prompt);
        let Some(publisher) = self.cast.publishers.get_mut(by) else { return };
        let (kid, body) = (publisher.kid(), publisher.body(at, id, session, fields));
        let place = self.place(arrives);
        self.arrivals.insert(place, Arrival { at: arrives, by, kid, body, detail });
    }

    /// The agent that has this place in the cast: they stand there one behind the other.
    fn agent(&self, who: usize) -> Option<&Agent> {
        let first = self.agents.first()?.who;
        self.agents.get(who.checked_sub(first)?)
    }

    /// When what is said then arrives: in order, after an outage at the earliest; now and then it is sent again.
    fn arrival(&mut self, by: usize, at: u64, is_prompt: bool) -> u64 {
        let reaches = match self.agent(by) {
            Some(agent) => agent.reaches(at),
            None => ledger_outages()
                .into_iter()
                .find(|(from, to)| (*from..*to).contains(&at))
                .map_or(at, |(_, to)| to),
        };
        let arrives = reaches + 3_000 + self.random.wait(15_000);
        if !is_prompt && self.random.happens(5) {
            return arrives + 200_000 + self.random.wait(3 * SECOND_US);
        }
        match self.latest.get_mut(by) {
            Some(latest) => {
                *latest = arrives.max(*latest + 1);
                *latest
            }
            None => arrives,
        }
    }
}

fn ledger_outages() -> [(u64, u64); 2] {
    LEDGER_OUTAGES.map(|(day, from, to)| {
        let midnight = START_US + day * DAY_US;
        (midnight + from, midnight + to)
    })
}

/// The `n`-th agent.
fn hire(cast: &mut Cast, random: &mut Random, plan: Plan, n: usize) -> Agent {
    let trade = TRADES.get(n % TRADES.len()).expect("a remainder");
    let name = format!("{}-{n}", trade.name);
    let who = cast.add(&name, true);
    let mut agent = Agent::new(n, who, name, trade);
    // From a third to three times the usual.
    let size = 330 + random.favourite(2700);
    agent.per_hour = trade.per_hour * size / 1000 * plan.pace / 1000;
    agent.zone_h = random.below(3);
    agent.person = cast.people.get(n % PEOPLE).copied().unwrap_or_default();
    if n % 10 >= 5 {
        // The last one hired before it for the same trade.
        let peer = who - TRADES.len();
        agent.peer = Some((peer, cast.name(peer).to_owned()));
    }
    agent.outages = outages(random, plan.days);
    agent
}

/// When one agent does not reach the ledger: mostly minutes, at times an hour.
fn outages(random: &mut Random, days: u64) -> Vec<(u64, u64)> {
    let mut outages = Vec::new();
    let mut at = START_US;
    while at < START_US + days * DAY_US {
        at += random.wait(12 * DAY_US);
        let mean = if random.below(10) < 7 { 360 } else { 3600 };
        let to = at + random.wait(mean * SECOND_US);
        outages.push((at, to));
        at = to;
    }
    outages.extend(ledger_outages());
    outages.sort_unstable();
    outages
}
