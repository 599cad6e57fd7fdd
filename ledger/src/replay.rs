//! Reading the log back, commit by commit, with what lies beside each leaf.

use std::collections::BTreeMap;
use std::ops::Range;

use rocksdb::Direction;
use schemas::id::{Index, TreeSize};
use schemas::leaf::Leaf;

use crate::error::ReadError;
use crate::keys;
use crate::read::{damaged, parse_leaf};
use crate::store::{ColumnFamily, Store};

/// Rows of one family, by index.
pub(crate) type Rows = BTreeMap<u64, Box<[u8]>>;

/// The rows of `family` whose index lies in `range`.
pub(crate) fn rows(
    store: &Store,
    family: ColumnFamily,
    range: Range<u64>,
) -> Result<Rows, ReadError> {
    let mut found = Rows::new();
    for row in store.scan(family, &keys::index(Index(range.start)), Direction::Forward) {
        let (key, value) = row?;
        let index = keys::parse_index(&key).ok_or_else(|| damaged(family, &key))?;
        if index.0 >= range.end {
            break;
        }
        found.insert(index.0, value);
    }
    Ok(found)
}

/// The first rows of [`rows`], up to about `bytes` of them; with where they end.
pub(crate) fn rows_within(
    store: &Store,
    family: ColumnFamily,
    range: Range<u64>,
    bytes: usize,
) -> Result<(Rows, u64), ReadError> {
    let mut found = Rows::new();
    let mut read = 0usize;
    for row in store.scan(family, &keys::index(Index(range.start)), Direction::Forward) {
        let (key, value) = row?;
        let index = keys::parse_index(&key).ok_or_else(|| damaged(family, &key))?;
        if index.0 >= range.end {
            break;
        }
        read = read.saturating_add(value.len());
        if read > bytes && !found.is_empty() {
            return Ok((found, index.0));
        }
        found.insert(index.0, value);
    }
    Ok((found, range.end))
}

/// The first row of `family` at or after `size`, where there should be none.
pub(crate) fn beyond(
    store: &Store,
    family: ColumnFamily,
    size: TreeSize,
) -> Result<Option<Index>, ReadError> {
    let mut rows = store.scan(family, &keys::index(Index(size.0)), Direction::Forward);
    match rows.next().transpose()? {
        None => Ok(None),
        Some((key, _)) => keys::parse_index(&key).map(Some).ok_or_else(|| damaged(family, &key)),
    }
}

/// A leaf with its bytes.
pub(crate) struct Read {
    pub(crate) leaf: Leaf,
    pub(crate) bytes: Box<[u8]>,
}

/// The leaves of `range`, every one of them.
pub(crate) fn leaves(store: &Store, range: Range<u64>) -> Result<Vec<Read>, ReadError> {
    let mut rows = rows(store, ColumnFamily::Leaves, range.clone())?;
    range
        .map(|at| {
            let index = Index(at);
            let bytes = rows
                .remove(&at)
                .ok_or(ReadError::Missing { family: ColumnFamily::Leaves, index })?;
            Ok(Read { leaf: parse_leaf(index, &bytes)?, bytes })
        })
        .collect()
}

/// Sizes of all commits with their rows' values, ascending.
pub(crate) fn boundaries(
    store: &Store,
) -> impl Iterator<Item = Result<(TreeSize, Box<[u8]>), ReadError>> + use<'_> {
    boundaries_beyond(store, TreeSize(0))
}

/// The same for commits that end beyond `size`.
pub(crate) fn boundaries_beyond(
    store: &Store,
    size: TreeSize,
) -> impl Iterator<Item = Result<(TreeSize, Box<[u8]>), ReadError>> + use<'_> {
    sizes(store, b'c', size)
}

/// The row of the commit that ends at `size`.
pub(crate) fn boundary(store: &Store, size: TreeSize) -> Result<Option<Vec<u8>>, ReadError> {
    store.get(ColumnFamily::Checkpoints, &keys::boundary(size))
}

/// Sizes beyond `size` of published notes with their text.
pub(crate) fn notes_beyond(
    store: &Store,
    size: TreeSize,
) -> impl Iterator<Item = Result<(TreeSize, Box<[u8]>), ReadError>> + use<'_> {
    sizes(store, b'n', size)
}

fn sizes(
    store: &Store,
    prefix: u8,
    beyond: TreeSize,
) -> impl Iterator<Item = Result<(TreeSize, Box<[u8]>), ReadError>> + use<'_> {
    let family = ColumnFamily::Checkpoints;
    let mut from = vec![prefix];
    if beyond.0 > 0 {
        from.extend(beyond.0.saturating_add(1).to_be_bytes());
    }
    store
        .scan(family, &from, Direction::Forward)
        .take_while(move |row| row.as_ref().map_or(true, |(key, _)| key.first() == Some(&prefix)))
        .map(move |row| {
            let (key, value) = row?;
            let size = keys::parse_size(&key).ok_or_else(|| damaged(family, &key))?;
            Ok((size, value))
        })
}
