//! The eras of a stored ledger.

use schemas::body::{Body, LEDGER_SIGNER};
use schemas::era::{Era, EraFault, Eras, KEY_ROTATED, NEW_EPOCH};
use schemas::id::{Index, TreeSize};
use schemas::leaf::Status;
use schemas::terms::Key;

use crate::error::ReadError;
use crate::keys;
use crate::postings::Postings;
use crate::read::{damaged, parse_leaf};
use crate::seal::Identity;
use crate::store::{ColumnFamily, Store};

/// Who the ledger of `size` entries was and is; with the first entry that claims a change and proves none.
pub(crate) fn eras(
    store: &Store,
    size: TreeSize,
) -> Result<(Eras, Option<(Index, EraFault)>), ReadError> {
    let genesis = store.row_at(ColumnFamily::Bodies, Index(0))?;
    let key = keys::index(Index(0));
    let parsed = Body::parse(&genesis).ok().and_then(|body| Eras::genesis(&body));
    let mut eras = parsed.ok_or_else(|| damaged(ColumnFamily::Bodies, &key))?;
    for index in changes(store, size)? {
        let leaf = parse_leaf(index, &store.row_at(ColumnFamily::Leaves, index)?)?;
        if leaf.status != Status::Accepted {
            continue;
        }
        let row = store.row_at(ColumnFamily::Bodies, index)?;
        let body = Body::parse(&row)
            .map_err(|_refused| damaged(ColumnFamily::Bodies, &keys::index(index)))?;
        if let Err(fault) = eras.take(index, &body) {
            return Ok((eras, Some((index, fault))));
        }
    }
    Ok((eras, None))
}

/// The ledger's own entries that may begin an era, in order. Others may carry the same codes, as often as
/// they like, so both postings are galloped through.
fn changes(store: &Store, size: TreeSize) -> Result<Vec<Index>, ReadError> {
    let mut found = Vec::new();
    for code in [KEY_ROTATED, NEW_EPOCH] {
        let mut coded = Postings::new(store, keys::term_hash(Key::Code, code), size);
        let mut own = Postings::new(store, keys::term_hash(Key::Signer, LEDGER_SIGNER), size);
        let mut from = 0;
        while let Some(index) = coded.at_or_after(from)? {
            let Some(next) = own.at_or_after(index.0)? else { break };
            if next == index {
                found.push(index);
            }
            from = next.0.max(index.0 + u64::from(next == index));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The ledger as it calls itself in an era.
pub(crate) fn identity_in(era: &Era, genesis: &Identity) -> Identity {
    Identity { origin: era.origin.clone(), key: era.key, ..genesis.clone() }
}
