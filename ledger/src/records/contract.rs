//! Rows of contracts.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::Index;
use schemas::registry::ContractRecord;

use super::{index, number};

pub(super) fn encode(record: &ContractRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(4).bytes(&record.fields).uint(record.registered.0);
    number(&mut row, record.reviewed.map(|index| index.0));
    number(&mut row, record.withdrawn.map(|index| index.0));
    row.finish()
}

pub(super) fn decode(fields: &[Item<'_>]) -> Option<ContractRecord> {
    let [fields, registered, reviewed, withdrawn] = <&[Item<'_>; 4]>::try_from(fields).ok()?;
    let registered = Index(registered.uint()?);
    ContractRecord::new(fields.bytes()?, registered, index(reviewed), index(withdrawn))
}
