//! The bound on findings: so many an hour of each rule for each agent, the rest counted and told as one.

use super::flag::Flag;
use super::pack::{Pack, Unpack};
use super::rows::{Rows, hash, key};
use super::wait::{Cited, HELD, Wait};
use super::{Finding, Rule};
use crate::contract::Contract;
use crate::id::Micros;
use crate::limits::FINDINGS_PER_HOUR_MAX;

const HOUR_US: u64 = 3_600_000_000;

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
        Some(Self { hour: row.u64()?, told: row.u32()?, held: row.u64()? })
    }

    fn pack(&self) -> Vec<u8> {
        Pack::with_capacity(20).u64(self.hour).u32(self.told).u64(self.held).done()
    }
}

fn tally_key(rule: &Rule, who: &str) -> Vec<u8> {
    key(b'F', &hash(who, rule.name))
}

/// The finding, unless its rule has had its share of its agent's hour; then it is counted.
pub(crate) fn bounded<R: Rows>(
    rows: &mut R,
    rule: &'static Rule,
    cited: &Cited,
    flag: Flag,
    contract: Option<&Contract>,
    now: Micros,
) -> Result<Option<Finding>, R::Error> {
    let row = tally_key(rule, &cited.who);
    let hour = now.0 / HOUR_US;
    let before = rows.get(&row)?.and_then(|row| Tally::unpack(&row)).unwrap_or_default();
    let mut tally = match before.hour == hour {
        true => before,
        // What the last hour held back stays until it is told.
        false => Tally { hour, told: 0, held: before.held },
    };
    if tally.told < FINDINGS_PER_HOUR_MAX {
        tally.told += 1;
        rows.put(row, tally.pack());
        return Ok(Some(finding(rule, cited, flag, contract)));
    }
    if tally.held == 0 {
        let end = Micros((hour + 1).saturating_mul(HOUR_US));
        let mut wait = Wait::new(end, cited.clone());
        wait.tag = HELD;
        rows.put(wait.key(rule.name), wait.pack());
    }
    tally.held += 1;
    rows.put(row, tally.pack());
    Ok(None)
}

/// One finding for all that were held back, citing the first.
pub(crate) fn held<R: Rows>(
    rows: &mut R,
    rule: &'static Rule,
    cited: &Cited,
    contract: Option<&Contract>,
) -> Result<Option<Finding>, R::Error> {
    let row = tally_key(rule, &cited.who);
    let Some(mut tally) = rows.get(&row)?.and_then(|row| Tally::unpack(&row)) else {
        return Ok(None);
    };
    let count = std::mem::take(&mut tally.held);
    rows.put(row, tally.pack());
    let finding = finding(rule, cited, Flag::plain(), contract);
    Ok((count > 0).then_some(Finding { count: Some(count), ..finding }))
}

fn finding(rule: &'static Rule, cited: &Cited, flag: Flag, contract: Option<&Contract>) -> Finding {
    let contract = contract.filter(|_| rule.by_contract).map(|contract| contract.digest);
    let mut causes = vec![cited.id];
    causes.extend(flag.also.into_iter().filter(|id| *id != cited.id));
    Finding {
        rule,
        causes,
        cited: cited.index,
        agent: cited.agent().map(str::to_owned),
        correlation: cited.correlation.clone(),
        detail: flag.detail,
        contract,
        count: None,
    }
}
