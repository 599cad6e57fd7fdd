//! What is wrong, and where.

use std::fmt;

use schemas::id::{Index, Kid, TreeSize};

use crate::store::ColumnFamily;

/// In what way something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// There is no row.
    Missing,
    /// There is a row that nothing accounts for.
    Extra,
    /// The bytes cannot be what was written.
    Damaged,
    /// The bytes do not have the digest that was committed to.
    Digest,
    /// The leaf does not continue the chain, or time ran backwards.
    Chain,
    /// The tree does not have the root that was signed.
    Root,
    /// The statement's signature does not verify.
    Signature,
    /// The statement's key is not in the registry's rows.
    UnknownKey(Kid),
    /// A note is not signed by the trusted key.
    Note,
    /// The ordinals are not the ones that the log gives.
    Counts,
    /// It was accepted although it should have been refused, or the other way round.
    Admission(String),
    /// A new epoch was begun, and too few operators agreed to it in its commit.
    NotAgreed {
        /// So many had to agree.
        needed: u64,
        /// So many did.
        found: u64,
    },
    /// A derived row is not what the log gives.
    Derived,
    /// A body was taken away, and no redaction says so.
    NotRedacted,
    /// A redaction says that it was erased, and it is there.
    Leftover,
    /// The log is shorter than its mark.
    Short {
        /// Entries that were acknowledged.
        marked: TreeSize,
    },
    /// The ledger is not the one that is trusted.
    Untrusted,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Missing => "the row is missing",
            Self::Extra => "there is a row that nothing accounts for",
            Self::Damaged => "the row cannot be what was written",
            Self::Digest => "the bytes do not have the digest that was committed to",
            Self::Chain => "the leaf does not fit the chain",
            Self::Root => "the tree does not have the root that was signed",
            Self::Signature => "the signature does not verify",
            Self::UnknownKey(kid) => return write!(f, "its key {kid} is nowhere"),
            Self::Note => "the note is not signed by the trusted key",
            Self::Counts => "the ordinals are not the ones that the log gives",
            Self::Admission(why) => return write!(f, "the verdict does not follow: {why}"),
            Self::NotAgreed { needed, found } => {
                return write!(
                    f,
                    "it begins a new epoch, to which {needed} operators have to agree, and {found} did"
                );
            }
            Self::Derived => "the row is not what the log gives",
            Self::Short { marked } => {
                return write!(f, "the log ends before {marked}, which was acknowledged");
            }
            Self::NotRedacted => "the body was taken away, and no redaction says so",
            Self::Leftover => "it was redacted, and something of it is still there",
            Self::Untrusted => "the ledger's key is not the trusted one",
        };
        f.write_str(text)
    }
}

/// Something that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// In which part of the store.
    pub family: ColumnFamily,
    /// The entry, where the row is filed under one.
    pub index: Option<Index>,
    /// The row's key, in hex.
    pub key: String,
    /// In what way.
    pub fault: Fault,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index}, {}: {}", self.family, self.fault),
            None => write!(f, "{} row {}: {}", self.family, self.key, self.fault),
        }
    }
}
