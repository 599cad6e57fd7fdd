//! The bound on findings: so many an hour of each rule for each agent, the rest counted and told as one. What others
//! sign in an agent's name has bounds of its own, one a signer: nobody mutes what is found of the agent itself. Names
//! that are not registered share one bound: whoever makes them up gets no more for each.

use super::flag::Flag;
use super::pack::{Pack, Unpack};
use super::rows::{Key, Rows, hash, key};
use super::sweep;
use super::wait::{Cited, HELD, Wait};
use super::{Finding, HOUR_US, Rule};
use crate::id::Micros;
use crate::limits::FINDINGS_PER_HOUR_MAX;
use crate::registry::Registry;

/// Findings of this hour.
#[derive(Default)]
struct Tally {
    hour: u64,
    told: u32,
    held: u64,
}

impl Tally {
    fn unpack(row: &[u8]) -> Option<Self> {
        let mut row = Unpack(row);
        row.u64()?;
        Some(Self { hour: row.u64()?, told: row.u32()?, held: row.u64()? })
    }

    fn put<R: Rows>(&self, rows: &mut R, row: Key) {
        let mut row = Pack(rows.put(row));
        row.room(28).u64(self.until().0).u64(self.hour).u32(self.told).u64(self.held);
    }

    /// When the hour is over.
    fn ends(&self) -> Micros {
        Micros(self.hour.saturating_add(1).saturating_mul(HOUR_US))
    }

    /// It is kept until what it held back was told.
    fn until(&self) -> Micros {
        Micros(self.ends().0.saturating_add(HOUR_US))
    }
}

/// Whose findings are counted together.
fn tally_of(registry: &Registry, rule: &Rule, cited: &Cited<'_>) -> [u8; 16] {
    let known = match registry.known(cited.who) {
        None => registry.principal(cited.who).map(|principal| principal.id.as_str()),
        Some(agent) => Some(agent.id.as_str()),
    };
    let known = known.unwrap_or_default();
    match cited.signer {
        None => hash(known, rule.name),
        Some(signer) => hash(known, &format!("{}\0{signer}", rule.name)),
    }
}

/// The finding, unless its rule has had its share of its agent's hour; then it is counted.
pub(crate) fn bounded<R: Rows>(
    rows: &mut R,
    registry: &Registry,
    rule: &'static Rule,
    cited: &Cited<'_>,
    flag: Flag,
    now: Micros,
) -> Result<Option<Finding>, R::Error> {
    let whose = tally_of(registry, rule, cited);
    let row = key(b'F', &whose);
    let hour = now.0 / HOUR_US;
    let before = rows.get(&row)?.and_then(Tally::unpack);
    if before.is_none() {
        sweep::plan(rows, &row, Tally { hour, ..Tally::default() }.until());
    }
    let mut tally = match before.unwrap_or_default() {
        before if before.hour == hour => before,
        // What the last hour held back stays until it is told.
        before => Tally { hour, told: 0, held: before.held },
    };
    if tally.told < FINDINGS_PER_HOUR_MAX {
        tally.told += 1;
        tally.put(rows, row);
        return Ok(Some(finding(registry, rule, cited, flag)));
    }
    if tally.held == 0 {
        let mut wait = Wait::new(tally.ends(), *cited);
        (wait.tag, wait.reference) = (HELD, Some(whose));
        wait.put(rows, rule.name);
    }
    tally.held += 1;
    tally.put(rows, row);
    Ok(None)
}

/// One finding for all that were held back, citing the first.
pub(crate) fn held<R: Rows>(
    rows: &mut R,
    registry: &Registry,
    rule: &'static Rule,
    wait: &Wait<'_>,
) -> Result<Option<Finding>, R::Error> {
    let row = key(b'F', &wait.reference.unwrap_or_default());
    let Some(mut tally) = rows.get(&row)?.and_then(Tally::unpack) else {
        return Ok(None);
    };
    let count = std::mem::take(&mut tally.held);
    tally.put(rows, row);
    let finding = finding(registry, rule, &wait.cited, Flag::plain());
    Ok((count > 0).then_some(Finding { count: Some(count), ..finding }))
}

fn finding(registry: &Registry, rule: &'static Rule, cited: &Cited<'_>, flag: Flag) -> Finding {
    let name = cited.agent().filter(|_| rule.by_contract);
    let agent = name.and_then(|name| registry.known(name));
    let contract = agent.and_then(|agent| super::in_force(registry, &agent.id));
    let mut causes = vec![cited.id];
    causes.extend(flag.also.into_iter().filter(|id| *id != cited.id));
    Finding {
        rule,
        causes,
        cited: cited.index,
        agent: cited.agent().map(str::to_owned),
        correlation: cited.correlation.map(str::to_owned),
        detail: flag.detail,
        contract: contract.map(|contract| contract.digest),
        count: None,
    }
}
