//! Witnessing (C2SP `tlog-witness`): being a witness, and asking witnesses.

mod ask;
mod serve;
mod store;

pub(crate) use ask::{ROUTES, Witnesses, routes};
pub(crate) use serve::{Witness, run};
pub(crate) use store::{Store, StoreError};
