//! Actions that have a cap, counted by the hour or the contract's local day.

use jiff::{Timestamp, tz::TimeZone};

use super::HOUR_US;
use super::pack::{Pack, Unpack};
use super::rows::{Rows, hash, key};
use crate::contract::{Cap, Contract, DESTINATION, same_name, stands_for};
use crate::id::Micros;

/// Which of the three accounts an entry adds to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Account {
    Intent,
    Outcome,
    Witness,
}

/// What a cap stands at with this entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) max: u64,
    /// The largest of the three accounts.
    pub(crate) reached: u64,
    /// It was less before this entry.
    pub(crate) is_raised: bool,
}

/// Counts an action towards each of its caps.
pub(crate) fn count<R: Rows>(
    rows: &mut R,
    contract: &Contract,
    action: &str,
    account: Account,
    at: Micros,
) -> Result<Vec<Count>, R::Error> {
    let mut counts: Vec<(&Cap, Count)> = Vec::new();
    for cap in contract.allowed.caps.iter().filter(|cap| stands_for(&cap.action, action)) {
        // Of two caps on the same, the first has counted it.
        let is_same =
            |(known, _): &&(&Cap, Count)| known.action == cap.action && known.daily == cap.daily;
        if let Some((_, known)) = counts.iter().find(is_same) {
            let count = Count { max: cap.max, ..*known };
            counts.push((cap, count));
            continue;
        }
        let row = key(b'A', &hash(&contract.agent, &cap.action)).with(&[u8::from(cap.daily)]);
        let window = window(contract, cap, at);
        let mut accounts = rows.get(&row)?.and_then(|row| unpack(row, window)).unwrap_or_default();
        let before = accounts.into_iter().max().unwrap_or_default();
        let [intents, outcomes, witnesses] = &mut accounts;
        let counted = match account {
            Account::Intent => intents,
            Account::Outcome => outcomes,
            Account::Witness => witnesses,
        };
        *counted = counted.saturating_add(1);
        let reached = accounts.into_iter().max().unwrap_or_default();
        counts.push((cap, Count { max: cap.max, reached, is_raised: reached > before }));
        let mut packed = Pack(rows.put(row));
        packed.room(32).u64(window);
        for account in accounts {
            packed.u64(account);
        }
    }
    Ok(counts.into_iter().map(|(_, count)| count).collect())
}

fn unpack(row: &[u8], window: u64) -> Option<[u64; 3]> {
    let mut row = Unpack(row);
    (row.u64()? == window).then_some(())?;
    Some([row.u64()?, row.u64()?, row.u64()?])
}

/// Number of the hour, or of the day where the contract's hours for the action are: UTC if they name no zone.
fn window(contract: &Contract, cap: &Cap, at: Micros) -> u64 {
    if !cap.daily {
        return at.0 / HOUR_US;
    }
    let hours = contract.allowed.hours.iter().find(|hours| same_name(&hours.action, &cap.action));
    let zone = hours.map(|hours| hours.zone.as_str()).filter(|zone| *zone != DESTINATION);
    let offset = zone.and_then(|zone| offset_s(zone, at)).unwrap_or_default();
    let local_s = i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX).saturating_add(offset);
    u64::try_from(local_s.div_euclid(86_400)).unwrap_or_default()
}

/// Seconds that a zone is ahead of UTC at a time. One that the tz data does not know any more counts as UTC.
pub(crate) fn offset_s(zone: &str, at: Micros) -> Option<i64> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_microsecond(i64::try_from(at.0).ok()?).ok()?;
    Some(i64::from(zone.to_offset(at).seconds()))
}
