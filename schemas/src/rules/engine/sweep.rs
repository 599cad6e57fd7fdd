//! The end of rows: each that ends begins with the time until which it is kept.

use super::pack::{Pack, Unpack};
use super::rows::{Deadline, Key, Rows};
use crate::id::Micros;

/// Plans to look at a row again at a time.
pub(crate) fn plan<R: Rows>(rows: &mut R, row: &Key, at: Micros) {
    rows.put_deadline(Deadline::at(at).with(&[0]).with(row.as_slice()));
}

/// The same for two rows at once.
pub(crate) fn plan_both<R: Rows>(rows: &mut R, row: &Key, other: &Key, at: Micros) {
    let value = rows.put_deadline(Deadline::at(at).with(&[0]).with(row.as_slice()));
    Pack(value).room(other.as_slice().len()).raw(other.as_slice());
}

/// Removes a row that has ended by the planned time, or looks again when it does: however late that is asked for, a row
/// outlives whatever falls due before its end.
pub(crate) fn end<R: Rows>(rows: &mut R, row: &[u8], planned: Micros) -> Result<(), R::Error> {
    let Some(row) = Key::from_slice(row) else { return Ok(()) };
    let Some(until) = rows.get(&row)?.map(|value| Unpack(value).u64()) else { return Ok(()) };
    match until {
        Some(until) if until > planned.0 => plan(rows, &row, Micros(until)),
        _ => rows.delete(&row),
    }
    Ok(())
}
