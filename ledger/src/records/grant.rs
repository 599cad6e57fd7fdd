//! Rows of delegation grants.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::grant::Bound;
use schemas::id::Index;
use schemas::registry::GrantRecord;

use super::{index, number, time};

pub(super) fn encode(record: &GrantRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(6).bytes(&record.fields).text(&record.by);
    row.uint(record.granted.0).uint(record.granted_at.0);
    number(&mut row, record.revoked.map(|index| index.0));
    row.array(record.widens.len());
    for bound in &record.widens {
        row.text(bound.as_str());
    }
    row.finish()
}

pub(super) fn decode(fields: &[Item<'_>]) -> Option<GrantRecord> {
    let [fields, by, granted, granted_at, revoked, widens] =
        <&[Item<'_>; 6]>::try_from(fields).ok()?;
    let widens = widens.array()?.iter().map(|bound| Bound::parse(bound.text()?));
    let widens = widens.collect::<Option<_>>()?;
    let (granted, granted_at) = (Index(granted.uint()?), time(granted_at)?);
    GrantRecord::new(fields.bytes()?, by.text()?, granted, granted_at, index(revoked), widens)
}
