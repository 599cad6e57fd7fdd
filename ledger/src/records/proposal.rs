//! Rows of proposals.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::{EventId, Index, Micros};
use schemas::registry::ProposalRecord;

use super::{index, number, owned};

pub(super) fn encode(record: &ProposalRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(7).text(&record.by).uint(record.proposed.0).uint(record.proposed_at.0);
    row.uint(record.needed).bytes(&record.operation).array(record.approvals.len());
    for (operator, at) in &record.approvals {
        row.array(2).text(operator).uint(at.0);
    }
    number(&mut row, record.in_force.map(|index| index.0));
    row.finish()
}

pub(super) fn decode(id: &[u8], fields: &[Item<'_>]) -> Option<ProposalRecord> {
    let [by, proposed, proposed_at, needed, operation, approvals, in_force] =
        <&[Item<'_>; 7]>::try_from(fields).ok()?;
    let approval = |item: &Item<'_>| match item.array()? {
        [operator, at] => Some((owned(operator)?, Index(at.uint()?))),
        _ => None,
    };
    Some(ProposalRecord {
        id: EventId::from_slice(id)?,
        by: owned(by)?,
        proposed: Index(proposed.uint()?),
        proposed_at: Micros(proposed_at.uint()?),
        needed: needed.uint()?,
        operation: operation.bytes()?.to_vec(),
        approvals: approvals.array()?.iter().map(approval).collect::<Option<_>>()?,
        in_force: index(in_force),
    })
}
