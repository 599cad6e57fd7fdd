//! The end of rows: each that ends begins with the time until which it is kept.

use super::pack::{Pack, Unpack};
use super::rows::{DEADLINE, Rows};
use crate::id::Micros;

/// Plans to look at a row again at a time.
pub(crate) fn plan<R: Rows>(rows: &mut R, row: &[u8], at: Micros) {
    let mut key = Pack::with_capacity(10 + row.len());
    key.u8(DEADLINE).u64(at.0).u8(0).raw(row);
    rows.put(key.done(), Vec::new());
}

/// Removes a row that has ended by the planned time, or looks again when it does: however late that is asked for, a row
/// outlives whatever falls due before its end.
pub(crate) fn end<R: Rows>(rows: &mut R, row: &[u8], planned: Micros) -> Result<(), R::Error> {
    let Some(until) = rows.get(row)?.map(|value| Unpack(&value).u64()) else { return Ok(()) };
    match until {
        Some(until) if until > planned.0 => plan(rows, row, Micros(until)),
        _ => rows.delete(row.to_vec()),
    }
    Ok(())
}
