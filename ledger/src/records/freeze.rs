//! Rows of freezes.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::Index;
use schemas::registry::FreezeRecord;

use super::{index, number};

pub(super) fn encode(record: &FreezeRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(2).text(&record.applies_to);
    number(&mut row, record.lifted.map(|index| index.0));
    row.finish()
}

pub(super) fn decode(frozen: Index, fields: &[Item<'_>]) -> Option<FreezeRecord> {
    let [applies_to, lifted] = <&[Item<'_>; 2]>::try_from(fields).ok()?;
    FreezeRecord::new(applies_to.text()?, frozen, index(lifted))
}
