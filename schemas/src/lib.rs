//! The bytes of `sworn`, and everything needed to check them.
//!
//! This crate is what an auditor compiles: submissions, statements, bodies, details, leaves, the
//! blake3 chain, the SHA-256 tree, checkpoints and receipts. The structures are drawn in the `.cddl`
//! files beside it, `vectors/` holds examples with their bytes and verdicts.
//!
//! ```
//! use schemas::{key::PublicKey, submission};
//! # let message = [0u8; 3];
//! // Bytes that are no submission are a refusal with a reason and a place, never a panic.
//! let refused = submission::open(&message).unwrap_err();
//! assert_eq!(refused.reason.as_str(), "malformed");
//! # assert!(PublicKey::from_bytes(&[0; 32]).is_err());
//! ```
//!
//! It is *not* a client or a server: it does no I/O, reads no clock, draws no randomness and spawns
//! nothing.

pub mod access;
pub mod account;
pub mod acknowledgement;
pub mod body;
pub mod brief;
pub mod checkpoint;
pub mod claim;
pub mod contract;
mod cursor;
pub mod detail;
pub mod deterministic;
pub mod encode;
pub mod era;
pub mod evidence;
mod fields;
pub mod grant;
pub mod html;
pub mod id;
pub mod json;
pub mod key;
pub mod kind;
pub mod leaf;
pub mod limits;
pub mod map;
pub mod mark;
pub mod outline;
pub mod policy;
pub mod printable;
pub mod problem;
pub mod proof;
pub mod query;
pub mod receipt;
pub mod redaction;
pub mod refused;
pub mod registry;
pub mod reject;
pub mod reply;
pub mod residue;
pub mod rules;
pub mod secret;
pub mod sequence;
pub mod shape;
mod shown;
pub mod statement;
pub mod submission;
pub mod terms;
pub mod tree;
pub mod trigger;
pub mod walk;
pub mod witness;
