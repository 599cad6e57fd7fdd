//! What users can do with the registry, each promise under its own name: through the broker and the public interfaces.

mod access;
mod actions;
mod agents;
mod approvals;
mod chains;
mod contracts;
mod control;
mod findings;
mod keys;
mod operators;
mod refused;
pub(crate) mod stage;
