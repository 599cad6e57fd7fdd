//! Rows of policies.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::{Digest, Index};
use schemas::registry::PolicyRecord;

use super::{owned, text};

pub(super) fn encode(record: &PolicyRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(2);
    text(&mut row, record.name.as_deref());
    row.uint(record.registered.0);
    row.finish()
}

pub(super) fn decode(digest: &[u8], fields: &[Item<'_>]) -> Option<PolicyRecord> {
    let [name, registered] = <&[Item<'_>; 2]>::try_from(fields).ok()?;
    Some(PolicyRecord {
        digest: Digest::from_slice(digest)?,
        name: owned(name),
        registered: Index(registered.uint()?),
    })
}
