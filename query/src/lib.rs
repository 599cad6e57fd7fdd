//! Reading: filters over the log, entries with their proofs, workflows as graphs, lineage.
//!
//! [`routes`] is the API under `/api/v1` and the public tree under `/log`; every answer names the tree it speaks of (`as_of`), and what
//! cannot be answered is a problem (RFC 9457). [`render_chain`] prints a workflow for a terminal.
//!
//! ```
//! let chain = serde_json::json!({
//!     "steps": [{ "n": 1, "action": "mail in", "agent": "mail-boundary", "target": "inv@vendor.example",
//!                 "status": null, "witnessed": false, "joined": "cause", "verdicts": [] }],
//!     "counts": { "entries": 1, "counted": 0, "joined": 1, "rejected": 0 },
//!     "gaps": [], "findings": 0, "completeness": "open",
//!     "verified": { "checkpoint": 12, "ok": true },
//! });
//! assert_eq!(query::render_chain(&chain), "\
//! 1 mail in  mail-boundary  inv@vendor.example  joined by cause
//! 1 entry (0 counted, 1 joined), 0 gaps, 0 findings, open, verified at checkpoint 12
//! ");
//! ```
//!
//! It is *not* a writer and does not authenticate: whoever mounts the routes decides who may read.

mod accepted;
mod actions;
mod api;
mod bundle;
mod cached;
mod causal;
mod checkpoints;
mod claims;
mod consistency;
mod cores;
mod count;
mod cursor;
mod diagram;
mod edges;
mod entries;
mod error;
mod execute;
mod filter;
mod formats;
mod gaps;
mod graph;
mod gzip;
mod identity;
mod impact;
mod join;
mod lineage;
mod linked;
mod listing;
mod log;
mod members;
mod mentions;
mod models;
mod names;
mod negotiate;
mod node;
mod numbers;
mod params;
mod parts;
mod plan;
mod postmortem;
mod proof;
mod reader;
mod registry;
mod reports;
mod routes;
mod sample;
mod scope;
mod search;
mod sequence;
mod source;
mod stats;
mod steps;
mod terms;
mod text;
mod threads;
mod timing;
mod why;
mod window;
mod workflow;

pub use api::routes;
pub use diagram::{render_dot, render_mermaid};
pub use formats::{COLUMNS, entries_csv, json_cbor};
pub use negotiate::preferred;
pub use reader::{Overseer, Reader, Waiting};
pub use registry::findings::flagged;
pub use registry::impact::impact;
pub use routes::ROUTES;
pub use scope::Scope;
pub use text::render_chain;
pub use text::timing::render_timing;
pub use why::render_why;

#[cfg(test)]
mod tests;
