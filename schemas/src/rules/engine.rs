//! Runs every rule over the log, entry by entry, and keeps what they need between entries in small rows.
//!
//! `facts.rs` reads an entry once; `memory.rs` reads the rows that bear on it; the rules that `sort.rs` picks look at
//! both through `view.rs`; `settle.rs` writes what the entry leaves behind. `wait.rs` is what falls due. Nothing here
//! knows the time but from entries, nothing knows a store but through [`Rows`].

mod caps;
mod deed;
mod facts;
mod flag;
mod flood;
mod habits;
mod intent;
mod join;
mod marks;
mod memory;
mod pack;
mod reference;
mod rows;
mod session;
mod settle;
mod sort;
mod sweep;
pub(super) mod target;
mod view;
mod wait;
pub(super) mod zone;

pub(super) use caps::offset_s;
pub(super) use deed::Deed;
pub(super) use flag::Flag;
pub(super) use intent::Intent;
pub(super) use memory::unpack_uses;
#[cfg(test)]
pub(super) use rows::NAME_BYTES_MAX;
pub use rows::{DEADLINE, Deadline, Key, Rows, emptied};
pub(super) use session::{begins, link, session_key};
pub(super) use settle::{is_self, words};
pub(super) use sort::Sorts;
pub(super) use view::View;
pub(super) use wait::{Late, Ruling, Wait};

use facts::Facts;
use habits::Habits;
use marks::Marks;
use memory::Memory;
use reference::Reference;
use session::Session;
use wait::{Cited, HELD};

use super::{ABOUT, Baseline, Finding, RULES, Rule, When, odd_hour, rule};
use crate::body::{Body, LEDGER_SIGNER};
use crate::contract::Contract;
use crate::id::Micros;
use crate::leaf::{Leaf, Status};
use crate::limits::{FINDINGS_DUE_ROWS_MAX, FINDINGS_SEARCH_ROWS_MAX};
use crate::mark::mark;
use crate::registry::{ChainCheck, Registry};

const HOUR_US: u64 = 3_600_000_000;
pub(super) const DAY_US: u64 = 24 * HOUR_US;

/// Runs the rules. What it keeps itself it can do without.
#[derive(Default, Debug)]
pub struct Engine {
    marks: Marks,
}

impl Engine {
    /// Takes an entry in, in log order, before the registry does; returns the findings that follow it at once, in
    /// the order of their rules' names. Each flags the entry itself.
    ///
    /// Entries of the ledger's own are not looked at. A refused entry whose signature is valid counts in its session
    /// and is not flagged; others must not be given.
    ///
    /// `chain` is the entry's principal chain held against the same registry.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub fn observe<R: Rows>(
        &mut self,
        rows: &mut R,
        registry: &Registry,
        chain: &ChainCheck,
        leaf: &Leaf,
        body: &Body<'_>,
    ) -> Result<Vec<Finding>, R::Error> {
        if body.kind().is_own() || body.signer() == LEDGER_SIGNER {
            return Ok(Vec::new());
        }
        let facts = Facts::read(registry, &mut self.marks, leaf, body);
        let is_accepted = leaf.status == Status::Accepted;
        let mut memory = Memory::default();
        memory.step(rows, &facts, leaf, |before, after| match is_accepted {
            true => settle::session(after, &facts, body),
            false => after.leave_untold(before),
        })?;
        if !is_accepted {
            return Ok(Vec::new());
        }
        let mut entry = Entry { marks: &mut self.marks, rows, registry, chain, leaf, body };
        entry.run(&facts, &mut memory)
    }

    /// Takes out what fell due at or before `now`, and returns the findings of it: by deadline, rule, flagged entry; at
    /// most `limit`. The rest stays for the next call. Once there is one, no more than [`FINDINGS_DUE_ROWS_MAX`]
    /// deadlines are looked at; before, up to [`FINDINGS_SEARCH_ROWS_MAX`], for where nothing else happens a call that
    /// returns nothing leaves nothing behind, and the next one begins where it did.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub fn due<R: Rows>(
        rows: &mut R,
        registry: &Registry,
        now: Micros,
        limit: usize,
    ) -> Result<Vec<Finding>, R::Error> {
        let mut findings = Vec::new();
        for looked in 0..FINDINGS_SEARCH_ROWS_MAX {
            let is_enough = looked >= FINDINGS_DUE_ROWS_MAX && !findings.is_empty();
            if findings.len() >= limit || is_enough {
                break;
            }
            let Some((key, row)) = rows.take_deadline(now)? else { break };
            match key.rest().split_first() {
                Some((0, swept)) => {
                    sweep::end(rows, swept, key.time())?;
                    if !row.is_empty() {
                        sweep::end(rows, &row, key.time())?;
                    }
                }
                _ => findings.extend(judge(rows, registry, now, &key, &row)?),
            }
        }
        Ok(findings)
    }

    /// What an agent usually does, and the bounds that its habits and its contract in force set.
    ///
    /// # Errors
    /// If the rows cannot be read.
    pub fn baseline<R: Rows>(
        rows: &mut R,
        contract: Option<&Contract>,
        agent: &str,
    ) -> Result<Baseline, R::Error> {
        let habits = Habits::known(rows, mark(agent))?;
        let bounded = RULES.iter().filter(|rule| rule.threshold.is_some());
        Ok(Baseline {
            actions: habits.total,
            usual: habits.usual,
            thresholds: bounded.map(|rule| (rule.name, view::bound(contract, rule))).collect(),
        })
    }
}

/// The contract that binds an agent as of now.
fn in_force<'r>(registry: &'r Registry, agent: &str) -> Option<&'r Contract> {
    let record = registry.contract(agent).filter(|record| record.is_in_force())?;
    Some(&record.contract)
}

struct Entry<'e, R> {
    marks: &'e mut Marks,
    rows: &'e mut R,
    registry: &'e Registry,
    chain: &'e ChainCheck,
    leaf: &'e Leaf,
    body: &'e Body<'e>,
}

impl<R: Rows> Entry<'_, R> {
    fn run(&mut self, facts: &Facts<'_>, memory: &mut Memory) -> Result<Vec<Finding>, R::Error> {
        let contract = facts.agent.and_then(|agent| in_force(self.registry, agent));
        let credential = facts.credential.and_then(|id| self.registry.credential(id));
        memory.load(self.rows, self.marks, self.registry, facts, credential, self.body)?;
        let is_judged = facts.action.is_some() && (memory.intents.is_empty() || memory.is_another);
        let mapped = facts.action.zip(contract).and_then(|(a, c)| c.allowed.known(a.name));
        // Whoever acts under another agent's name uses up none of its caps, and is not what it usually does.
        let forged = facts.by_agent && facts.agent != Some(facts.signer);
        memory.count_caps(self.rows, facts, contract.filter(|_| !forged))?;
        if is_judged && facts.is_known && !forged {
            let days_min = view::bound(contract, &odd_hour::RULE);
            let tool = self.marks.of(facts.tool);
            memory.take_habits(self.rows, facts, tool, mapped, days_min)?;
        }
        let mut view = View {
            registry: self.registry,
            chain: self.chain,
            leaf: self.leaf,
            body: self.body,
            facts,
            contract,
            credential: None,
            mapped,
            memory,
            is_judged,
            gates: contract.zip(facts.action).map_or(&[], |(c, a)| view::gates_of(c, a.name)),
            is_listed: contract.zip(facts.action).is_some_and(|(c, a)| view::asks(c, a.name)),
        };
        view.credential = credential.filter(|_| view.uses_credential());
        let findings = check(self.rows, &view)?;
        settle::settle(self.rows, &view)?;
        Ok(findings)
    }
}

/// Asks every rule that is about the entry.
fn check<R: Rows>(rows: &mut R, view: &View<'_>) -> Result<Vec<Finding>, R::Error> {
    let mut findings = Vec::new();
    let sorts = Sorts::of(view);
    #[cfg(test)]
    others_are_silent(view, sorts);
    for rule in about(sorts) {
        let flag = match rule.when {
            When::Entry(check) => check(view),
            When::Deadline { watch, .. } => {
                watch(view, &mut |wait| wait.put(rows, rule.name));
                None
            }
        };
        if let Some(flag) = flag {
            let cited = Cited::of(view.facts);
            let now = view.facts.at;
            findings.extend(flood::bounded(rows, view.registry, rule, &cited, flag, now)?);
        }
    }
    Ok(findings)
}

/// The rules that are about entries of these sorts.
fn about(sorts: Sorts) -> impl Iterator<Item = &'static Rule> {
    let asked = RULES.iter().zip(ABOUT).filter(move |(_, about)| about.meet(sorts));
    asked.map(|(rule, _)| *rule)
}

/// Holds that those which are not asked have nothing to say.
#[cfg(test)]
fn others_are_silent(view: &View<'_>, sorts: Sorts) {
    for rule in RULES.iter().filter(|rule| !rule.about.meet(sorts)) {
        match rule.when {
            When::Entry(check) => assert!(check(view).is_none(), "{}", rule.name),
            When::Deadline { watch, .. } => watch(view, &mut |_| unreachable!("{}", rule.name)),
        }
    }
}

fn judge<R: Rows>(
    rows: &mut R,
    registry: &Registry,
    now: Micros,
    key: &Deadline,
    row: &[u8],
) -> Result<Option<Finding>, R::Error> {
    let name = key.rest().split(|byte| *byte == 0).next().unwrap_or_default();
    let rule = std::str::from_utf8(name).ok().and_then(rule);
    let (Some(rule), Some(mut wait)) = (rule, Wait::unpack(key.time(), row)) else {
        return Ok(None);
    };
    if wait.tag == HELD {
        return flood::held(rows, registry, rule, &wait);
    }
    let When::Deadline { judge, .. } = rule.when else { return Ok(None) };
    let (session, intent, reference) = awaited(rows, &wait)?;
    let late = Late { registry, wait: &wait, now, session, intent, reference };
    match judge(&late) {
        Ruling::Clear => Ok(None),
        Ruling::Later(at) => {
            wait.at = at;
            wait.put(rows, rule.name);
            Ok(None)
        }
        Ruling::Flagged(mut flag) => {
            flag.also.extend(wait.also);
            flood::bounded(rows, registry, rule, &wait.cited, flag, now)
        }
    }
}

type Awaited = (Option<Session>, Option<Intent>, Option<Reference>);

/// The rows that a deadline asks for.
fn awaited<R: Rows>(rows: &mut R, wait: &Wait<'_>) -> Result<Awaited, R::Error> {
    let session = match wait.session {
        Some(key) => rows.get(&key)?.and_then(Session::unpack),
        None => None,
    };
    let intent = match wait.intent {
        Some(id) => join::intent(rows, id, None)?.map(|(_, intent)| intent),
        None => None,
    };
    let reference = match wait.reference {
        Some(at) => rows.get(&rows::key(b'R', &at))?.and_then(Reference::unpack),
        None => None,
    };
    Ok((session, intent, reference))
}
