//! Breaking a copy on purpose, for demonstrations and tests: one byte of a stored value, written through
//! the store's own interface, so that every checksum below the ledger is right.

use std::path::Path;

use rocksdb::Direction;
use schemas::id::{Index, hex};

use crate::error::{OpenError, ReadError};
use crate::keys;
use crate::store::{ColumnFamily, Row, Store};

/// What was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tampered {
    /// Where.
    pub family: ColumnFamily,
    /// The row's key, in hex.
    pub key: String,
    /// The entry, where the row is filed under one.
    pub index: Option<Index>,
    /// Which byte of the value.
    pub offset: usize,
}

/// Changes byte `byte` (modulo its length) of the value of row `nth` (modulo their number) of `family`.
/// `None` if the family is empty.
///
/// # Errors
/// [`OpenError`] when the store is in use or fails.
pub fn tamper(
    store: &Path,
    family: ColumnFamily,
    nth: usize,
    byte: usize,
) -> Result<Option<Tampered>, OpenError> {
    let store = Store::open(store)?;
    let rows: Vec<_> = store.scan(family, &[], Direction::Forward).collect::<Result<_, _>>()?;
    let Some(place) = nth.checked_rem(rows.len()) else { return Ok(None) };
    // An empty value has no byte to change: the next row that has one is taken.
    let candidates = rows.iter().cycle().skip(place).take(rows.len());
    let Some((key, value)) = candidates.into_iter().find(|(_, value)| !value.is_empty()) else {
        return Ok(None);
    };
    let offset = byte % value.len();
    let mut changed = value.to_vec();
    if let Some(target) = changed.get_mut(offset) {
        *target ^= 0x01;
    }
    store.replace(&Row::new(family, key.as_ref(), changed)).map_err(ReadError::from)?;
    let by_index = [
        ColumnFamily::Leaves,
        ColumnFamily::Statements,
        ColumnFamily::Bodies,
        ColumnFamily::Details,
    ];
    let index = by_index.contains(&family).then(|| keys::parse_index(key)).flatten();
    Ok(Some(Tampered { family, key: hex(key), index, offset }))
}

/// Puts `value` in the place of a row of `family`, as whoever can write the disk could. What is filed under an entry has
/// its index as key, in eight bytes, the most significant first.
///
/// # Errors
/// [`OpenError`] when the store is in use or fails.
pub fn plant(
    store: &Path,
    family: ColumnFamily,
    key: &[u8],
    value: &[u8],
) -> Result<(), OpenError> {
    let store = Store::open(store)?;
    let row = Row::new(family, key, value);
    Ok(store.replace(&row).map_err(ReadError::from)?)
}
