//! Rows of principal chains held against the grants.

use schemas::deterministic::{Bounds, Item, decode};
use schemas::encode::Encoder;
use schemas::registry::{ChainCheck, ChainFault, HopCheck};

use super::{index, number, text};

/// The row of a check.
pub(crate) fn check_value(check: &ChainCheck) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(check.hops.len());
    for hop in &check.hops {
        row.array(2);
        number(&mut row, hop.grant.map(|index| index.0));
        row.array(hop.faults.len());
        for fault in &hop.faults {
            row.array(2).text(fault.rule());
            text(&mut row, fault.detail());
        }
    }
    row.finish()
}

/// The check in a row.
pub(crate) fn check(value: &[u8]) -> Option<ChainCheck> {
    let root = decode(value, Bounds::WIRE).ok()?;
    let hops = root.array()?.iter().map(hop).collect::<Option<_>>()?;
    Some(ChainCheck { hops })
}

fn hop(item: &Item<'_>) -> Option<HopCheck> {
    let [grant, faults] = <&[Item<'_>; 2]>::try_from(item.array()?).ok()?;
    let fault = |item: &Item<'_>| match item.array()? {
        [rule, detail] => ChainFault::parse(rule.text()?, detail.text()),
        _ => None,
    };
    let faults = faults.array()?.iter().map(fault).collect::<Option<_>>()?;
    Some(HopCheck { grant: index(grant), faults })
}
