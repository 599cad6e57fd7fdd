//! What each rule finds and what it leaves alone: published through the broker, found by the ledger, asked for over
//! HTTP. All rows are played on one server, side by side, each by agents of its own.

mod authority;
mod case;
mod contracts;
mod credentials;
mod evasion;
mod habits;
mod interfaces;
mod sessions;
mod witnesses;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemas::rules::RULES;
use serde_json::Value as Json;

use case::{Case, ENDS, SHARED, micros};
use world::World;

/// A concrete input, and every finding that follows from it.
struct Row {
    /// The rule that it is an example of: a positive one if it is among those found, else a negative one.
    rule: &'static str,
    what: &'static str,
    play: fn(&mut Case),
    /// Each as `rule (what of it) of agent: entries that it cites`; without the agent where that is `a` or none.
    found: &'static [&'static str],
}

impl Row {
    fn is_positive(&self) -> bool {
        self.found.iter().any(|found| rule_of(found) == self.rule)
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    let tables = [
        authority::ROWS,
        contracts::ROWS,
        credentials::ROWS,
        witnesses::ROWS,
        sessions::ROWS,
        habits::ROWS,
        evasion::ROWS,
    ];
    tables.into_iter().flatten()
}

fn rule_of(found: &str) -> &str {
    found.split([' ', ':']).next().unwrap()
}

#[test]
fn every_rule_has_a_positive_and_a_negative_row() {
    let examples = |is_positive: bool| {
        rows().filter(move |row| row.is_positive() == is_positive).map(|row| row.rule)
    };
    let known: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    for is_positive in [true, false] {
        let shown: BTreeSet<_> = examples(is_positive).collect();
        assert_eq!(Vec::from_iter(shown), known, "positive: {is_positive}");
    }
}

/// Plays a row on paper.
fn cases() -> Vec<(&'static Row, Case)> {
    let mut counts = HashMap::new();
    let case = |row: &'static Row| {
        let n = counts.entry(row.rule).or_insert(0);
        let mut case = Case::new(&format!("{}.{n}", row.rule));
        *n += 1;
        (row.play)(&mut case);
        case.close();
        (row, case)
    };
    rows().map(case).collect()
}

/// A finding as rows write it.
fn written(finding: &Json, case: &Case) -> String {
    let body = &finding["body"];
    let suffix = format!(".{}", case.name);
    let short = |text: &str| text.replace(&suffix, "");
    let detail = body["reason"].as_str().map(|detail| format!(" ({})", short(detail)));
    let count = body["count"].as_u64().map(|count| format!(" x{count}"));
    let agent = body["agent"]["id"].as_str().map(short).filter(|agent| agent != "a");
    let agent = agent.map(|agent| format!(" of {agent}"));
    let causes = body["causes"].as_array().unwrap().iter();
    let label = |id: &Json| case.labels.get(id.as_str().unwrap()).cloned();
    let cited: Vec<_> = causes.map(|id| label(id).unwrap_or_else(|| id.to_string())).collect();
    let [detail, count, agent] = [detail, count, agent].map(Option::unwrap_or_default);
    let rule = body["rule"]["name"].as_str().unwrap();
    format!("{rule}{detail}{count}{agent}: {}", cited.join(", "))
}

/// Findings by the row whose entry they flag.
fn by_row<'c>(found: &[Json], played: &'c [(&Row, Case)]) -> BTreeMap<&'c str, Vec<String>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for finding in found {
        let flagged = finding["body"]["causes"][0].as_str().unwrap();
        let case = played.iter().find(|(_, case)| case.labels.contains_key(flagged));
        let (_, case) = case.unwrap_or_else(|| panic!("of no row: {finding:#}"));
        told.entry(case.name.as_str()).or_default().push(written(finding, case));
    }
    told.values_mut().for_each(|told| told.sort());
    told
}

#[test]
fn every_example_of_every_rule_is_found_and_nothing_else() {
    let mut world = World::start();
    let mut shared = Case::new("shared");
    for (id, roles) in SHARED {
        shared.principal(id, roles);
    }
    world.play(&mut [shared]);
    let live = world.follow("finding:*");
    let (rows, mut cases): (Vec<_>, Vec<_>) = cases().into_iter().unzip();
    world.play(&mut cases);
    world.settle(micros(ENDS));
    let played: Vec<_> = rows.into_iter().zip(cases).collect();
    let told = by_row(&world.find("kind:finding"), &played);
    let mut wrong = Vec::new();
    for (row, case) in &played {
        let told = told.get(case.name.as_str()).map(Vec::as_slice).unwrap_or_default();
        if told != row.found {
            wrong.push(format!("{}, {}: {told:#?}, not {:#?}", case.name, row.what, row.found));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    by_rule_and_agent(&world, &played);
    interfaces::tell_it_live(&world, &live);
    interfaces::list_what_is_wrong(&world);
    interfaces::show_and_resolve(&mut world);
    world.verify();
}

/// Each rule's own question, and that of one agent, have these findings and no other.
fn by_rule_and_agent(world: &World, played: &[(&Row, Case)]) {
    for rule in RULES {
        let found = world.find(&format!("finding:{}", rule.name));
        let told = by_row(&found, played);
        for (row, case) in played {
            let expected: Vec<_> =
                row.found.iter().filter(|found| rule_of(found) == rule.name).copied().collect();
            let told = told.get(case.name.as_str()).map(Vec::as_slice).unwrap_or_default();
            assert_eq!(told, expected, "finding:{} of {}", rule.name, case.name);
        }
        let agents: BTreeSet<_> =
            found.iter().filter_map(|found| found["body"]["agent"]["id"].as_str()).collect();
        for agent in agents {
            let own: Vec<_> =
                found.iter().filter(|found| found["body"]["agent"]["id"] == agent).collect();
            let asked = world.find(&format!("finding:{} agent:{agent}", rule.name));
            assert_eq!(asked.iter().collect::<Vec<_>>(), own, "{agent}");
        }
    }
}
