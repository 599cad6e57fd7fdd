//! Rows of credentials.

use schemas::deterministic::Item;
use schemas::encode::Encoder;
use schemas::id::Index;
use schemas::mark::mark;
use schemas::registry::{CredentialRecord, Holder};

use super::{index, list, number, owned, text, texts, time};

pub(super) fn encode(record: &CredentialRecord) -> Vec<u8> {
    let mut row = Encoder::new();
    row.array(record.holders.len());
    for holder in &record.holders {
        row.array(7).text(&holder.agent);
        text(&mut row, holder.kind.as_deref());
        texts(&mut row, &holder.scopes);
        number(&mut row, holder.issued.map(|time| time.0));
        number(&mut row, holder.expires.map(|time| time.0));
        row.uint(holder.registered.0);
        number(&mut row, holder.revoked.map(|index| index.0));
    }
    row.finish()
}

pub(super) fn decode(id: &str, fields: &[Item<'_>]) -> Option<CredentialRecord> {
    let holders = fields.iter().map(holder).collect::<Option<_>>()?;
    Some(CredentialRecord { id: id.to_owned(), mark: mark(id), holders })
}

fn holder(item: &Item<'_>) -> Option<Holder> {
    let [agent, kind, scopes, issued, expires, registered, revoked] =
        <&[Item<'_>; 7]>::try_from(item.array()?).ok()?;
    Some(Holder {
        agent: owned(agent)?,
        kind: owned(kind),
        scopes: list(scopes)?,
        issued: time(issued),
        expires: time(expires),
        registered: Index(registered.uint()?),
        revoked: index(revoked),
    })
}
