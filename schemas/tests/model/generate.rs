//! Random steps, from few names, so that they meet: mostly such as may be accepted in the state that they come in.

use super::random::Random;
use super::reference::Reference;
use super::step::{
    AGENTS, Action, DAY, GrantSpec, HOUR, Hop, OPERATORS, OWNERS, PEOPLE, START, Step, What,
    midnight, names, seeds,
};

pub(crate) const ADDRESSES: [&str; 4] = ["a@example.com", "b@example.com", "+15550001", "entra:1"];
const CREDENTIALS: [&str; 6] = ["cred-0", "cred-1", "cred-2", "cred-3", "cred-4", "cred-5"];
pub(crate) const ROLES: [&[&str]; 7] = [
    &["operator"],
    &["operator", "owner"],
    &["owner"],
    &["human"],
    &["auditor", "responder"],
    &["witness"],
    &["authority"],
];
const SCOPES: [&str; 4] = ["db:migrate", "db:drop", "db:*", "mail"];
const SYSTEMS: [&str; 2] = ["postgres", "mail"];
const TARGETS: [&str; 4] = ["pg:staging/a", "pg:staging/*", "pg:*", "pg:prod/a"];
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
const CLASSES: [&str; 2] = ["personal", "health"];
/// What is frozen or held; the last one is no query.
const QUERIES: [&str; 4] = ["*", "env:production", "system:mail", "(env:"];
const GRANTS: u64 = 8;
/// Grants' ids begin here, apart from those of events.
const GRANT: u64 = 1_000_000;

/// Makes the steps of one sequence.
pub(crate) struct Generator<'r> {
    random: &'r mut Random,
    model: &'r Reference,
    now: u64,
}

impl<'r> Generator<'r> {
    pub(crate) fn new(random: &'r mut Random, model: &'r Reference, now: u64) -> Self {
        Self { random, model, now }
    }

    /// The `n`-th step of a sequence.
    pub(crate) fn step(&mut self, n: u64) -> Step {
        let ends = self.ends();
        let after = match self.random.below(20) {
            0 if !ends.is_empty() => *self.random.pick(&ends) - self.now - self.random.below(2),
            0 => 5 * DAY,
            1..=2 => 6 * HOUR,
            3..=7 => HOUR,
            _ => 1_000_000,
        };
        // Now and then the same again.
        if !self.model.accepted.is_empty() && self.random.chance(3) {
            let (signer, id, what, _) = self.random.pick(&self.model.accepted).clone();
            return Step { after, key: self.key(&signer), signer, id, what };
        }
        let what = self.what();
        let signer = self.signer(&what);
        let key = self.key(&signer);
        // Now and then an id that was used before, by the same signer or another.
        let proposed = self.model.proposals.iter().map(|known| known.id);
        let proposed: Vec<_> = proposed.filter(|_| matches!(what, What::Propose { .. })).collect();
        let id = match self.random.below(100) {
            0..25 if !proposed.is_empty() => *self.random.pick(&proposed),
            95.. if n > 0 => self.random.below(n),
            _ => n,
        };
        Step { after, signer, key, id, what }
    }

    /// Times at which something begins or ends.
    fn ends(&self) -> Vec<u64> {
        let grants = self.model.grants.iter().filter_map(|given| given.grant.expires);
        let keys = self.model.keys.iter().flat_map(|key| [key.from, key.until]).flatten();
        let proposals = self.model.proposals.iter().map(|known| known.time + 30 * DAY);
        let contracts = [midnight(1), midnight(3)].into_iter();
        let ends = grants.chain(keys).chain(proposals).chain(contracts);
        ends.filter(|end| *end > self.now).collect()
    }

    fn what(&mut self) -> What {
        match self.random.below(100) {
            0..4 => self.register(),
            4..7 => What::Update {
                agent: self.agent(),
                owner: self.random.maybe(40, |random| (*random.pick(&OWNERS)).to_owned()),
                addresses: self.random.maybe(60, addresses),
            },
            7..13 => {
                let to = *self.random.pick(&[
                    "suspended",
                    "disabled",
                    "enabled",
                    "enabled",
                    "enabled",
                    "enabled",
                    "retired",
                ]);
                What::State { agent: self.agent(), to }
            }
            13..16 => self.credential(),
            16..18 => What::RevokeCredential {
                id: match self.model.holdings.as_slice() {
                    held @ [_, ..] if self.random.chance(80) => self.random.pick(held).id.clone(),
                    _ => (*self.random.pick(&CREDENTIALS)).to_owned(),
                },
                agent: self.random.maybe(50, |random| (*random.pick(&AGENTS)).to_owned()),
            },
            18..22 => self.contract(),
            22..24 => {
                let (agent, text) = match self.model.contracts.as_slice() {
                    all @ [_, ..] if self.random.chance(80) => {
                        let contract = self.random.pick(all);
                        (contract.agent.clone(), contract.text)
                    }
                    _ => (self.agent(), self.random.below(2) as u8),
                };
                if self.random.chance(50) {
                    What::Review { agent, text }
                } else {
                    What::Withdraw { agent, text }
                }
            }
            24..26 => What::Policy {
                text: self.random.below(3) as u8,
                name: self.random.maybe(50, |random| format!("policy-{}", random.below(2))),
            },
            26..42 => What::Grant(self.grant()),
            42..45 => What::Ungrant { id: self.grant_id() },
            45..49 => {
                let to = *self.random.pick(&["frozen", "open"]);
                let from = *self.random.pick(&["frozen", "open", "open"]);
                What::Transit { from, to, over: self.random.word(&QUERIES) }
            }
            49..54 => What::Propose {
                m: self.random.below(4),
                operation: Box::new(match self.random.below(4) {
                    0 => What::Quorum { m: self.random.below(4) },
                    1 => What::State { agent: self.agent(), to: "retired" },
                    _ => self.administration(),
                }),
            },
            54..62 if self.model.proposals.is_empty() => What::Propose {
                m: self.model.operators(self.now),
                operation: Box::new(self.administration()),
            },
            54..62 => What::Approve { id: self.proposal() },
            62..64 => What::Hold { query: self.random.word(&QUERIES[1..]) },
            64..66 => {
                let ids: Vec<_> = self.model.holds.iter().map(|hold| hold.id).collect();
                What::Lift { id: if ids.is_empty() { 0 } else { *self.random.pick(&ids) } }
            }
            66..76 => self.administration(),
            _ => What::Act(Box::new(self.action())),
        }
    }

    fn register(&mut self) -> What {
        What::Register {
            agent: self.agent(),
            owner: (*self.random.pick(&OWNERS)).to_owned(),
            addresses: addresses(self.random),
            external: addresses(self.random),
        }
    }

    /// Changes of people and keys: what a proposal may propose.
    fn administration(&mut self) -> What {
        match self.random.below(10) {
            0..4 => What::Person { id: self.person(), roles: self.random.pick(&ROLES).to_vec() },
            4 => What::Leave { id: self.person() },
            5..8 => {
                let signer = self.anyone();
                let key = *self.random.pick(&seeds(&signer));
                let time = |random: &mut Random| START + random.below(80) * 6 * HOUR;
                let from = self.random.maybe(10, time);
                What::Enrol { signer, key, from, until: self.random.maybe(15, time) }
            }
            8 => {
                let signer = self.anyone();
                let seeds = seeds(&signer);
                let (key, replaces) = (*self.random.pick(&seeds), *self.random.pick(&seeds));
                What::Rotate { signer, key, replaces }
            }
            _ => {
                let signer = self.anyone();
                let key = *self.random.pick(&seeds(&signer));
                What::Revoke { signer, key }
            }
        }
    }

    fn credential(&mut self) -> What {
        let time = |random: &mut Random| START + random.below(8) * DAY;
        What::Credential {
            id: (*self.random.pick(&CREDENTIALS)).to_owned(),
            agent: self.agent(),
            issued: self.random.maybe(50, time),
            expires: self.random.maybe(50, time),
        }
    }

    fn contract(&mut self) -> What {
        let agent = self.agent();
        let owner = self.model.agent(&agent).map_or("owner-0".to_owned(), |one| one.owner.clone());
        let other = |random: &mut Random| (*random.pick(&OWNERS)).to_owned();
        let owner = self.random.maybe(10, other).unwrap_or(owner);
        What::Contract {
            named: if self.random.chance(5) { self.agent() } else { agent.clone() },
            agent,
            says: self.random.maybe(10, other).unwrap_or(owner.clone()),
            owner,
            text: self.random.below(2) as u8,
            days: self.random.maybe(60, |random| *random.pick(&[0, 1, 3, 20])),
        }
    }

    fn grant(&mut self) -> GrantSpec {
        let list = |random: &mut Random, from: &[&'static str]| random.some(from, 60);
        GrantSpec {
            id: self.grant_id(),
            to: if self.random.chance(90) { self.agent() } else { self.anyone() },
            parent: match self.model.grants.as_slice() {
                known @ [_, ..] if self.random.chance(50) => Some(self.random.pick(known).grant.id),
                _ => self.random.chance(30).then(|| self.grant_id()),
            },
            scope: self.random.maybe(50, |random| list(random, &SCOPES)),
            systems: self.random.maybe(30, |random| list(random, &SYSTEMS)),
            targets: self.random.maybe(50, |random| list(random, &TARGETS)),
            data_classes: self.random.maybe(30, |random| list(random, &CLASSES)),
            environment: self.random.maybe(40, |random| *random.pick(&ENVIRONMENTS)),
            expires: self.random.maybe(30, |random| START + random.below(40) * 6 * HOUR),
        }
    }

    fn action(&mut self) -> Action {
        let kind = *self.random.pick(&[
            "action.intent",
            "action.intent",
            "action.intent",
            "action.outcome",
            "witness.observed",
        ]);
        let agent = self.agent();
        let open = kind != "action.intent";
        let mut chain = self.chain(&agent);
        if kind == "witness.observed" && self.random.chance(50) {
            chain.clear();
        }
        Action {
            kind,
            agent,
            chain,
            scope: self.random.some(&SCOPES, 30),
            system: self.random.word(&SYSTEMS),
            target: self.random.word(&TARGETS),
            environment: self
                .random
                .maybe(if open { 50 } else { 100 }, |random| *random.pick(&ENVIRONMENTS)),
            data_classes: self.random.some(&CLASSES, 30),
        }
    }

    /// A chain that ends in the agent: most follow grants that were given, up to the top or part of the way.
    fn chain(&mut self, agent: &str) -> Vec<Hop> {
        let human = |id: &str| !id.starts_with("agent");
        let hop = |random: &mut Random, id: &str, grant| Hop {
            id: id.to_owned(),
            human: human(id) != random.chance(3),
            evidence: random.chance(70),
            grant,
        };
        let own: Vec<_> =
            self.model.grants.iter().filter(|given| given.grant.to == agent).collect();
        let mut chain = Vec::new();
        if !own.is_empty() && self.random.chance(80) {
            let mut at = Some(*self.random.pick(&own));
            let mut top = None;
            while let Some(given) = at.filter(|_| chain.len() < 7) {
                chain.insert(0, hop(self.random, &given.grant.to, Some(given.grant.id)));
                top = Some(given.by.clone());
                at = given.grant.parent.and_then(|id| self.model.given(id));
                at = at.filter(|_| !self.random.chance(10));
            }
            chain.insert(0, hop(self.random, &top.unwrap(), None));
        } else {
            chain.push(hop(self.random, agent, None));
        }
        if self.random.chance(15) {
            let place = self.random.below(chain.len() as u64) as usize;
            match self.random.below(4) {
                0 => chain[place].grant = Some(self.grant_id()),
                1 => chain[place].grant = None,
                2 => chain[place].id = self.anyone(),
                _ => {
                    let id = self.anyone();
                    chain.insert(0, hop(self.random, &id, None));
                    chain.truncate(8);
                }
            }
        }
        chain
    }

    fn agent(&mut self) -> String {
        match self.model.agents.as_slice() {
            known @ [_, ..] if self.random.chance(60) => self.random.pick(known).id.clone(),
            _ if self.random.chance(3) => "ledger".to_owned(),
            _ => (*self.random.pick(&AGENTS)).to_owned(),
        }
    }

    fn person(&mut self) -> String {
        let all = [&OPERATORS[..], &OPERATORS, &OWNERS, &PEOPLE, &["agent-0", "ledger"]].concat();
        (*self.random.pick(&all)).to_owned()
    }

    fn anyone(&mut self) -> String {
        if self.random.chance(1) {
            "ledger".to_owned()
        } else {
            (*self.random.pick(&names())).to_owned()
        }
    }

    fn grant_id(&mut self) -> u64 {
        GRANT + self.random.below(GRANTS)
    }

    fn proposal(&mut self) -> u64 {
        let open = self.model.proposals.iter().filter(|known| known.in_force.is_none());
        let open: Vec<_> = open.map(|known| known.id).collect();
        if open.is_empty() || self.random.chance(5) { 0 } else { *self.random.pick(&open) }
    }

    /// Mostly somebody who may sign this.
    fn signer(&mut self, what: &What) -> String {
        let fits = |name: &&str, roles: &[&str]| {
            roles.iter().any(|role| self.model.has_role(name, role))
                && self.model.is_active(name)
                && self.model.keys.iter().any(|key| key.signer == **name && key.revoked.is_none())
        };
        let roles: &[&str] = match what {
            What::Act(action) if action.kind == "witness.observed" => &["witness"],
            What::Act(action) if self.random.chance(95) => return action.agent.clone(),
            What::Contract { owner, .. } if self.random.chance(90) => return owner.clone(),
            What::Review { agent, .. } | What::Withdraw { agent, .. }
                if self.random.chance(90) && self.model.agent(agent).is_some() =>
            {
                return self.model.agent(agent).unwrap().owner.clone();
            }
            What::Contract { .. } | What::Review { .. } | What::Withdraw { .. } => &["owner"],
            What::Grant(grant) => match grant.parent.and_then(|id| self.model.given(id)) {
                Some(parent) if self.random.chance(85) => return parent.grant.to.clone(),
                _ => &["human", "owner", "agent"],
            },
            What::Ungrant { id } if self.random.chance(80) => match self.model.given(*id) {
                Some(given) => return given.by.clone(),
                None => &["operator"],
            },
            _ => &["operator"],
        };
        let fitting: Vec<_> = names().into_iter().filter(|name| fits(name, roles)).collect();
        if fitting.is_empty() || self.random.chance(8) {
            self.anyone()
        } else {
            (*self.random.pick(&fitting)).to_owned()
        }
    }

    /// Mostly a valid key of the signer.
    fn key(&mut self, signer: &str) -> u8 {
        let now = self.now;
        let valid = self.model.keys.iter().filter(|key| {
            key.signer == signer
                && key.revoked.is_none()
                && key.until.is_none_or(|until| now < until)
        });
        let valid: Vec<_> = valid.map(|key| key.seed).collect();
        let revoked = self.model.keys.iter().filter(|key| key.signer == signer);
        let revoked: Vec<_> =
            revoked.filter(|key| key.revoked.is_some()).map(|key| key.seed).collect();
        if !revoked.is_empty() && self.random.chance(15) {
            *self.random.pick(&revoked)
        } else if valid.is_empty() || self.random.chance(4) {
            let whose = if self.random.chance(30) { self.anyone() } else { signer.to_owned() };
            *self.random.pick(&seeds(&whose))
        } else {
            *self.random.pick(&valid)
        }
    }
}

pub(crate) fn addresses(random: &mut Random) -> Vec<String> {
    random.some(&ADDRESSES, 20).into_iter().map(str::to_owned).collect()
}
