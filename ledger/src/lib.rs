//! The log: one [`Writer`] appends, any number of [`Ledger`] handles read.
//!
//! A commit is one synced batch over every column family, then the high-water mark outside the store,
//! then the head that readers watch. Whatever is not a leaf, a statement, a body, a detail or a commit
//! boundary is derived from those and can be dropped and rebuilt to identical bytes.
//!
//! It is *not* a transport and not a clock: it names neither NATS nor HTTP, and the time of receipt is
//! an argument.

mod admit;
mod answers;
mod append;
mod audit;
mod cached;
mod changed;
mod check;
mod claim;
mod cosignatures;
mod draft;
mod entry;
mod epoch;
mod eras;
mod erase;
mod error;
mod flood;
mod fold;
mod head;
mod ids;
mod journal;
mod keys;
mod memo;
mod meta;
mod names;
mod open;
mod own;
mod owner;
mod places;
mod postings;
mod proof;
mod read;
mod rebuild;
mod records;
mod refusal;
mod refusals;
mod registry;
mod remember;
mod replay;
mod retain;
mod seal;
mod sequence;
mod snapshots;
mod stage;
mod state;
mod store;
mod tamper;
mod term_row;
#[cfg(test)]
mod tests;
mod tiles;
mod vouch;

pub use append::{Committed, Submission, Via, Writer};
pub use audit::{
    Audit, AuditError, DIVERGENCES_MAX, Divergence, Fault, Progress, Report, State as AuditState,
    audit,
};
pub use check::{Checked, KeySet, check};
pub use entry::Entry;
pub use epoch::open_new_epoch;
pub use error::{AppendError, OpenError, ReadError};
pub use head::Head;
pub use ids::Ids;
pub use memo::Memo;
pub use meta::Cursor;
pub use names::Lead;
pub use open::{Config, Genesis, Inspected, create, inspect, open, read_mark};
pub use postings::Postings;
pub use proof::TileProof;
pub use read::{Ledger, StatementRow, TermRow};
pub use rebuild::rebuild;
pub use retain::Retention;
pub use schemas::registry::{AgentRecord, AgentState, HoldRecord, KeyRecord, PrincipalRecord};
pub use seal::Identity;
pub use store::{BLOCK_CACHE_BYTES, ColumnFamily, share_block_cache};
pub use tamper::{Tampered, plant, tamper};
pub use vouch::Vouched;
