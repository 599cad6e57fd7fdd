//! Rows of signing keys.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::Index;
use schemas::key::PublicKey;
use schemas::registry::KeyRecord;

use super::{index, number, owned, time};

pub(super) fn encode(record: &KeyRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(6).bytes(record.key.as_bytes()).text(&record.signer).uint(record.enrolled.0);
    number(&mut row, record.revoked.map(|index| index.0));
    number(&mut row, record.not_before.map(|time| time.0));
    number(&mut row, record.not_after.map(|time| time.0));
    row.finish()
}

pub(super) fn decode(fields: &[Item<'_>]) -> Option<KeyRecord> {
    let [key, signer, enrolled, revoked, not_before, not_after] =
        <&[Item<'_>; 6]>::try_from(fields).ok()?;
    Some(KeyRecord {
        key: PublicKey::from_bytes(key.bytes()?).ok()?,
        signer: owned(signer)?,
        enrolled: Index(enrolled.uint()?),
        revoked: index(revoked),
        not_before: time(not_before),
        not_after: time(not_after),
    })
}
