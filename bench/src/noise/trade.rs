//! What agents do for a living: their actions, their contracts, their hours.

use serde_json::{Value as Json, json};

use super::rhythm::{ALWAYS, BOOKS, MACHINES, OFFICE, Rhythm};
use crate::random::Random;

/// A thing that an agent of a trade does.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    pub(crate) system: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) environment: &'static str,
    /// How often, among the trade's acts.
    pub(crate) weight: u64,
    pub(crate) gate: Option<&'static str>,
    /// A human allows it each time.
    pub(crate) asks: bool,
    pub(crate) witnessed: bool,
    /// Mean time that it takes.
    pub(crate) seconds: u64,
    /// Groups of targets that there are on the first day, and days after which there is another.
    groups: u64,
    fresh_days: u64,
}

const fn act(name: &'static str, class: &'static str, system: &'static str, weight: u64) -> Act {
    Act {
        name,
        class,
        system,
        tool: name,
        environment: "production",
        weight,
        gate: None,
        asks: false,
        witnessed: false,
        seconds: 2,
        groups: 4,
        fresh_days: 0,
    }
}

impl Act {
    const fn within(self, environment: &'static str) -> Self {
        Self { environment, ..self }
    }

    const fn gated(self, gate: &'static str) -> Self {
        Self { gate: Some(gate), ..self }
    }

    const fn asking(self) -> Self {
        Self { asks: true, ..self }
    }

    const fn seen(self) -> Self {
        Self { witnessed: true, ..self }
    }

    const fn taking(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    /// So many groups of targets, and a new one every so many days.
    const fn reaching(self, groups: u64, fresh_days: u64) -> Self {
        Self { groups, fresh_days, ..self }
    }

    /// What it acts on, by an agent on a day.
    pub(crate) fn target(&self, random: &mut Random, agent: usize, day: u64) -> String {
        let born = day.checked_div(self.fresh_days).unwrap_or(0);
        let group = random.favourite(self.groups + born);
        let n = random.below(500);
        match self.system {
            "mail" => format!("person-{n}@customer-{agent}-{group}.example"),
            "web" => format!("https://site-{group}.example/{}/{n}", random.below(40)),
            system => format!("{system}:{}-{group}/{n}", self.environment),
        }
    }
}

/// A trade.
#[derive(Debug)]
pub(crate) struct Trade {
    pub(crate) name: &'static str,
    pub(crate) rhythm: Rhythm,
    /// Sessions in the busiest hour of an agent of usual size, in thousandths.
    pub(crate) per_hour: u64,
    pub(crate) acts: &'static [Act],
    /// Its bounds that differ from the defaults.
    thresholds: &'static [(&'static str, u64)],
}

/// The trades, which agents have in turn.
pub(crate) static TRADES: [Trade; 5] = [
    Trade {
        name: "support",
        rhythm: ALWAYS,
        per_hour: 2200,
        acts: &[
            act("crm:read", "read", "crm", 50).reaching(6, 0),
            act("articles:search", "read", "articles", 25).reaching(9, 40),
            act("email.send", "communication", "mail", 23).gated("pii").seen().reaching(25, 21),
            act("refund.create", "payment", "billing", 2).gated("fraud").asking().seen(),
        ],
        thresholds: &[],
    },
    Trade {
        name: "coder",
        rhythm: OFFICE,
        per_hour: 4200,
        acts: &[
            act("repo:read", "read", "git", 45).within("development").reaching(8, 20),
            act("repo:push", "write", "git", 20).within("development").seen().reaching(8, 20),
            act("ci:run", "write", "ci", 20).within("staging").taking(240),
            act("pull_request:comment", "communication", "git", 14).within("development"),
            act("release:deploy", "write", "deploy", 1).gated("ci").asking().seen().taking(120),
        ],
        thresholds: &[("no_outcome", 7200)],
    },
    Trade {
        name: "operator",
        rhythm: MACHINES,
        per_hour: 2600,
        acts: &[
            act("metrics:read", "read", "metrics", 60).reaching(12, 0),
            act("logs:read", "read", "logs", 25).reaching(20, 25),
            act("backup:create", "write", "backup", 12).within("staging").taking(60).seen(),
            act("host:restart", "destructive", "hosts", 1).within("staging").asking().taking(30),
        ],
        thresholds: &[],
    },
    Trade {
        name: "accountant",
        rhythm: BOOKS,
        per_hour: 3800,
        acts: &[
            act("invoice:read", "read", "books", 70).reaching(5, 0),
            act("statement.send", "communication", "mail", 20).gated("pii").reaching(12, 28),
            act("payment:create", "payment", "bank", 10).gated("limits").asking().seen().taking(4),
        ],
        thresholds: &[],
    },
    Trade {
        name: "researcher",
        rhythm: OFFICE,
        per_hour: 3400,
        acts: &[
            act("web:fetch", "read", "web", 70).reaching(60, 1),
            act("notes:write", "write", "notes", 20).within("development"),
            act("chat.post", "communication", "chat", 10).reaching(6, 35),
        ],
        // Who reads the web is somewhere new all the time.
        thresholds: &[("new_target", 1_000_000_000)],
    },
];

impl Trade {
    /// What an agent of this trade does next.
    pub(crate) fn pick(&self, random: &mut Random) -> Option<&'static Act> {
        let mut place = random.below(self.acts.iter().map(|act| act.weight).sum());
        self.acts.iter().find(|act| match place.checked_sub(act.weight) {
            Some(rest) => {
                place = rest;
                false
            }
            None => true,
        })
    }

    /// The names of its actions, which are its scopes, and the systems they are on.
    pub(crate) fn scopes(&self) -> Vec<&'static str> {
        self.acts.iter().map(|act| act.name).collect()
    }

    pub(crate) fn systems(&self) -> Vec<&'static str> {
        let mut systems: Vec<_> = self.acts.iter().map(|act| act.system).collect();
        systems.sort_unstable();
        systems.dedup();
        systems
    }

    /// The contract of an agent; `busy` is how many actions it may have in an hour.
    pub(crate) fn contract(&self, agent: &str, owner: &str, busy: u64) -> Json {
        let mut permissions = serde_json::Map::new();
        for system in self.systems() {
            let on = self.acts.iter().filter(|act| act.system == system);
            permissions.insert(system.to_owned(), on.map(|act| act.name).collect());
        }
        let each = |of: fn(&Act) -> Json, those: fn(&&Act) -> bool| -> Json {
            let acts = self.acts.iter().filter(those);
            acts.map(|act| (act.name.to_owned(), of(act))).collect::<serde_json::Map<_, _>>().into()
        };
        let names = |those: fn(&&Act) -> bool, name: fn(&Act) -> &str| -> Vec<&str> {
            let mut names: Vec<_> = self.acts.iter().filter(those).map(name).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let mut thresholds: serde_json::Map<_, _> = self
            .thresholds
            .iter()
            .map(|(rule, bound)| ((*rule).to_owned(), (*bound).into()))
            .collect();
        if busy > 60 {
            thresholds.insert("volume".to_owned(), busy.into());
        }
        json!({
            "agent": {
                "name": agent, "owner": owner, "purpose": self.name, "permissions": permissions,
                "execution_mode": "autonomous",
            },
            "environments": names(|_| true, |act| act.environment),
            "actions": each(|act| json!({"class": act.class, "system": act.system}), |_| true),
            "gates": each(|act| json!([act.gate]), |act| act.gate.is_some()),
            "approval_required": names(|act| act.asks, |act| act.name),
            "witnessed": self.witnessed(),
            "max_credential_age": "10d",
            "thresholds": thresholds,
        })
    }

    /// Systems on which each act is witnessed.
    fn witnessed(&self) -> Vec<&'static str> {
        let all = |system: &&str| {
            self.acts.iter().filter(|act| act.system == *system).all(|act| act.witnessed)
        };
        self.systems().into_iter().filter(all).collect()
    }
}
