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
mod api;
mod bundle;
mod checkpoints;
mod claims;
mod consistency;
mod count;
mod cursor;
mod edges;
mod entries;
mod error;
mod execute;
mod filter;
mod gaps;
mod graph;
mod gzip;
mod identity;
mod join;
mod lineage;
mod log;
mod node;
mod numbers;
mod params;
mod parts;
mod plan;
mod proof;
mod registry;
mod reports;
mod search;
mod sequence;
mod source;
mod stats;
mod steps;
mod text;
mod threads;
mod why;
mod window;
mod workflow;

pub use api::routes;
pub use registry::impact::impact;
pub use text::render_chain;
pub use why::render_why;
