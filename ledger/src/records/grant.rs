//! Rows of delegation grants.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::grant::Bound;
use schemas::id::Index;
use schemas::registry::GrantRecord;

use super::{index, number};

pub(super) fn encode(record: &GrantRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(5).bytes(&record.fields).text(&record.by).uint(record.granted.0);
    number(&mut row, record.revoked.map(|index| index.0));
    row.array(record.widens.len());
    for bound in &record.widens {
        row.text(bound.as_str());
    }
    row.finish()
}

pub(super) fn decode(fields: &[Item<'_>]) -> Option<GrantRecord> {
    let [fields, by, granted, revoked, widens] = <&[Item<'_>; 5]>::try_from(fields).ok()?;
    let widens = widens.array()?.iter().map(|bound| Bound::parse(bound.text()?));
    let widens = widens.collect::<Option<_>>()?;
    let granted = Index(granted.uint()?);
    GrantRecord::new(fields.bytes()?, by.text()?, granted, index(revoked), widens)
}
