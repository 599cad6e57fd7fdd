//! Rows of legal holds.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::{EventId, Index};
use schemas::registry::HoldRecord;

use super::{index, number};

pub(super) fn encode(record: &HoldRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(3).bytes(&record.id.0).text(&record.query);
    number(&mut row, record.lifted.map(|index| index.0));
    row.finish()
}

pub(super) fn decode(placed: Index, fields: &[Item<'_>]) -> Option<HoldRecord> {
    let [id, query, lifted] = <&[Item<'_>; 3]>::try_from(fields).ok()?;
    let id = EventId::from_slice(id.bytes()?)?;
    HoldRecord::new(id, placed, index(lifted), query.text()?)
}
