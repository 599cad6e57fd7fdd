//! Looking for events by their ids.

use rocksdb::DBRawIterator;
use schemas::id::{BodyDigest, EventId, Index, TreeSize};

use crate::error::ReadError;
use crate::keys;
use crate::read::damaged;
use crate::store::{ColumnFamily, Store};

/// A cursor over event ids, below the head as it was when the cursor was made: looking for many of them costs less than
/// for each with a cursor of its own.
pub struct Ids<'l> {
    rows: DBRawIterator<'l>,
    size: TreeSize,
}

impl<'l> Ids<'l> {
    pub(crate) fn new(store: &'l Store, size: TreeSize) -> Self {
        Self { rows: store.event_cursor(), size }
    }

    /// The accepted entries with this event id, one for each signer that used it.
    ///
    /// # Errors
    /// [`ReadError`] when the store fails or a row is damaged.
    pub fn find(&mut self, id: EventId) -> Result<Vec<Index>, ReadError> {
        let prefix = keys::event_prefix(id);
        let mut found = Vec::new();
        self.rows.seek(&prefix);
        while let Some((key, value)) = self.rows.item() {
            let (index, _digest) =
                parse_id_row(value).ok_or_else(|| damaged(ColumnFamily::Ids, key))?;
            found.extend(Some(index).filter(|index| index.0 < self.size.0));
            self.rows.next();
        }
        self.rows.status()?;
        found.sort_unstable();
        Ok(found)
    }
}

pub(crate) fn parse_id_row(row: &[u8]) -> Option<(Index, BodyDigest)> {
    let (index, digest) = row.split_first_chunk::<8>()?;
    Some((Index(u64::from_be_bytes(*index)), BodyDigest::from_slice(digest)?))
}
