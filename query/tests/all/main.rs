//! The API through its router, over a real ledger in a temporary directory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod billing;
mod bounds;
mod bundle;
mod custody;
mod described;
mod differential;
mod entries;
mod erased;
mod flows;
mod jobs;
mod parts;
mod registry;
mod renderer;
mod search;
mod sessions;
mod tamper;
mod tlog;
mod workflows;
mod world;
