//! Everything that can be wrong with a bundle, each with a sentence of its own.

use std::fmt;

use super::render::RENDERER;
use crate::checkpoint::NoteError;
use crate::claim::ClaimError;
use crate::era::EraFault;
use crate::id::{Index, Kid, SessionId, TreeSize};
use crate::query::QueryError;
use crate::reject::Reject;

/// What a fault speaks against.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Aspect {
    /// The bytes are those that the checkpoint's tree commits to.
    Integrity,
    /// Everything that was asked for is there.
    Completeness,
    /// Whoever is named signed it, and was allowed to.
    Attribution,
    /// What is not shown was erased as the log says.
    Redaction,
    /// What people read in it can be compared with the evidence.
    Report,
}

/// How serious a fault is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// Content does not have the hash that it must have.
    Hash,
    /// A signature does not verify, or not for this.
    Signature,
    /// Something is missing.
    Gap,
    /// Two signed statements contradict each other.
    Conflict,
    /// A key, proof or claim is not there: neither sound nor broken.
    Undecidable,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident : $type:ty),* })? $(($inner:ty))?
        => $aspect:ident $weight:ident;)*) => {
        /// Something that is wrong.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Fault {
            $($(#[$doc])* $name $({ $(#[doc = stringify!($field)] $field: $type),* })? $(($inner))?,)*
        }

        impl Fault {
            /// What it speaks against, and how serious it is.
            #[must_use]
            pub const fn judged(&self) -> (Aspect, Weight) {
                match self {
                    $(Self::$name { .. } => (Aspect::$aspect, Weight::$weight),)*
                }
            }
        }
    };
}

faults! {
    /// Not an archive in the one form that it may have.
    Archive => Integrity Hash;
    /// Beyond a limit.
    TooLarge => Integrity Undecidable;
    /// A member is not there.
    Member(&'static str) => Integrity Undecidable;
    /// A member that no bundle has.
    UnknownMember(String) => Integrity Hash;
    /// A member is not what it must be.
    Malformed(&'static str) => Integrity Hash;
    /// A later version of the format.
    Version => Integrity Undecidable;
    /// The query cannot be read.
    Query(QueryError) => Completeness Undecidable;
    /// The window ends beyond the checkpoint, or before it begins.
    Window { since: u64, until: u64 } => Completeness Hash;
    /// The checkpoint is not signed by the ledger.
    Note(NoteError) => Integrity Signature;
    /// There is no genesis entry: nothing says whose ledger this is.
    NoGenesis => Integrity Undecidable;
    /// A change of the ledger's name or key does not follow.
    Era { index: Index, fault: EraFault } => Integrity Signature;
    /// The ledger's key is not the trusted one.
    Untrusted { found: Kid } => Integrity Signature;
    /// No trusted key was given.
    NoTrust { found: Kid } => Integrity Undecidable;
    /// The checkpoint contradicts one that is known.
    Fork { size: TreeSize } => Integrity Conflict;
    /// Too few of the witnesses that a policy asks for have cosigned.
    Quorum => Integrity Undecidable;
    /// Bytes that are no leaf.
    Leaf { place: usize } => Integrity Hash;
    /// Leaves are not in the order of their indexes.
    Order { index: Index } => Integrity Hash;
    /// The leaf is not in the checkpoint's tree.
    Inclusion { index: Index } => Integrity Hash;
    /// The statement is not there.
    NoStatement { index: Index } => Integrity Undecidable;
    /// A statement that no entry rests on, or that is there twice.
    SpareStatement { place: usize } => Integrity Hash;
    /// The manifest is not the one that was signed.
    SignedManifest { index: Index } => Integrity Hash;
    /// The statement does not cover the body.
    NotCovered { index: Index } => Attribution Signature;
    /// The body is not there, and nothing says that it was erased.
    NoBody { index: Index } => Integrity Undecidable;
    /// The body does not have the digest in the leaf.
    Body { index: Index } => Integrity Hash;
    /// A body of no entry.
    SpareBody { index: Index } => Integrity Hash;
    /// The detail does not have the digest in the body.
    Detail { index: Index } => Integrity Hash;
    /// A detail that no body commits to.
    SpareDetail { index: Index } => Integrity Hash;
    /// The residue of an erased body is not what the ledger left.
    Residue { index: Index } => Redaction Signature;
    /// A body was erased, and no redaction says so.
    NotRedacted { index: Index } => Redaction Undecidable;
    /// A redaction says that it was erased, and here it is.
    Leftover { index: Index } => Redaction Hash;
    /// What people read is not what the evidence says.
    Rendered { member: String } => Integrity Hash;
    /// What people read was made by another renderer than this one, and differs from what this one makes.
    OtherRenderer { made: u64 } => Report Undecidable;
    /// The custody record names another digest of a file than it has.
    Custody { member: String } => Integrity Hash;
    /// What people read is not there.
    NotRendered { member: &'static str } => Integrity Undecidable;
    /// The statement's key is nowhere in the registry's entries.
    UnknownKey { index: Index, kid: Kid } => Attribution Undecidable;
    /// The statement's signature does not verify.
    Signature { index: Index } => Attribution Signature;
    /// The key is another signer's.
    OtherSigner { index: Index, signer: String } => Attribution Signature;
    /// It was signed for the log of another tenant.
    OtherTenant { index: Index } => Attribution Signature;
    /// The registry at its place did not permit it.
    NotPermitted { index: Index, reject: Reject } => Attribution Signature;
    /// No claim makes the registry's history of a signer complete.
    NoHistory { subject: String } => Attribution Undecidable;
    /// The registry's history of a signer is not complete.
    History { subject: String, shown: u64, claimed: u64 } => Attribution Gap;
    /// No claim makes complete what operators agreed to.
    NoAgreed => Attribution Undecidable;
    /// What operators agreed to is not all there.
    Agreed { shown: u64, claimed: u64 } => Attribution Gap;
    /// A claim is not the ledger's.
    Claim(ClaimError) => Completeness Signature;
    /// A claim of another log.
    ClaimOrigin { origin: String } => Completeness Signature;
    /// A claim about a tree that is not the checkpoint's.
    ClaimTree { size: TreeSize } => Completeness Conflict;
    /// Two claims that no log satisfies both.
    Contradiction { size: TreeSize } => Completeness Conflict;
    /// Fewer or more entries than the ledger claims.
    Count { shown: u64, claimed: u64 } => Completeness Gap;
    /// An ordinal that does not follow.
    Ordinal { index: Index, found: u64, expected: u64 } => Completeness Gap;
    /// An entry of the window is not there.
    Missing { index: Index } => Completeness Gap;
    /// Numbers of a signer that never arrived.
    Sequence { signer: String, session: SessionId, from: u64, to: u64 } => Completeness Gap;
    /// Nothing vouches for the end.
    Open => Completeness Undecidable;
}

impl fmt::Display for Fault {
    #[expect(clippy::too_many_lines, reason = "one sentence a fault, in one table")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive => f.write_str(
                "the file is cut short, damaged, or not in the one form that a bundle may have",
            ),
            Self::TooLarge => f.write_str("the bundle is larger than any that is made"),
            Self::Member(name) => write!(f, "{name} is missing"),
            Self::UnknownMember(name) => {
                write!(f, "{} is no part of a bundle", crate::printable::printable(name))
            }
            Self::Malformed(name) => write!(f, "{name} is not what it must be"),
            Self::Version => f.write_str("the bundle has a later version than this program knows"),
            Self::Query(fault) => write!(f, "its query cannot be read: {fault}"),
            Self::Window { since, until } => {
                write!(f, "its window, {since} to {until}, is not within the checkpoint")
            }
            Self::Note(fault) => write!(f, "the checkpoint: {fault}"),
            Self::NoGenesis => f.write_str("the genesis entry is missing: whose ledger is it?"),
            Self::Era { index, fault } => {
                write!(f, "entry {index} does not continue the ledger's name and key: {fault}")
            }
            Self::Untrusted { found } => {
                write!(f, "the ledger's key {found} is not the trusted one, nor linked to it")
            }
            Self::NoTrust { found } => {
                write!(f, "no trusted key was given to compare the ledger's key {found} with")
            }
            Self::Fork { size } => {
                write!(f, "another tree of {size} entries was signed before: the log was forked")
            }
            Self::Quorum => f.write_str("fewer witnesses cosigned than the policy asks for"),
            Self::Leaf { place } => write!(f, "leaf {place} of the bundle is no leaf"),
            Self::Order { index } => write!(f, "entry {index} is there twice or out of order"),
            Self::Inclusion { index } => {
                write!(
                    f,
                    "entry {index} is not in the checkpoint's tree, or its proof is another's"
                )
            }
            Self::NoStatement { index } => write!(f, "the statement over entry {index} is missing"),
            Self::SpareStatement { place } => {
                write!(f, "statement {place} of the bundle belongs to no entry in it")
            }
            Self::SignedManifest { index } => {
                write!(f, "the manifest over entry {index} is not the signed one")
            }
            Self::NotCovered { index } => {
                write!(f, "the statement over entry {index} does not cover its body")
            }
            Self::NoBody { index } => write!(f, "the body of entry {index} is missing"),
            Self::Body { index } => {
                write!(f, "the body of entry {index} does not have the digest in its leaf")
            }
            Self::SpareBody { index } => write!(f, "a body for {index}, which has none here"),
            Self::Detail { index } => {
                write!(f, "the detail of entry {index} does not have the digest in its body")
            }
            Self::SpareDetail { index } => {
                write!(f, "a detail for {index}, whose body commits to none")
            }
            Self::Residue { index } => {
                write!(f, "what is left of the erased body of entry {index} is not the ledger's")
            }
            Self::NotRedacted { index } => {
                write!(f, "the body of entry {index} was taken away, and no redaction says so")
            }
            Self::Leftover { index } => {
                write!(f, "entry {index} was redacted, and something of it is still here")
            }
            Self::Rendered { member } => write!(f, "{member} is not what the evidence says"),
            Self::OtherRenderer { made } => write!(
                f,
                "what people read in it is of renderer {made}, and this program has renderer {RENDERER}: whether it says what the evidence says was not compared"
            ),
            Self::Custody { member } => {
                write!(f, "{member} does not have the digest that custody.json names")
            }
            Self::NotRendered { member } => write!(f, "{member} is missing"),
            Self::UnknownKey { index, kid } => {
                write!(f, "entry {index} is signed by key {kid}, whose enrolment is not here")
            }
            Self::Signature { index } => {
                write!(f, "the signature over entry {index} does not verify")
            }
            Self::OtherSigner { index, signer } => {
                write!(f, "entry {index} names {signer}, whose key did not sign it")
            }
            Self::OtherTenant { index } => {
                write!(f, "entry {index} was signed for the log of another tenant")
            }
            Self::NotPermitted { index, reject } => {
                write!(f, "entry {index} was accepted although the registry forbade it: {reject}")
            }
            Self::NoHistory { subject } => {
                write!(f, "nothing vouches that the registry's history of {subject} is complete")
            }
            Self::History { subject, shown, claimed } => write!(
                f,
                "the registry's history of {subject} has {shown} entries here, the ledger claims {claimed}"
            ),
            Self::NoAgreed => {
                f.write_str("nothing vouches that all proposals of operators are here")
            }
            Self::Agreed { shown, claimed } => write!(
                f,
                "{shown} proposals and approvals of operators are here, the ledger claims {claimed}"
            ),
            Self::Claim(fault) => write!(f, "a claim: {fault}"),
            Self::ClaimOrigin { origin } => write!(f, "a claim of another log, {origin}"),
            Self::ClaimTree { size } => {
                write!(f, "a claim and the checkpoint name different trees of {size} entries")
            }
            Self::Contradiction { size } => {
                write!(f, "two claims about the tree of {size} entries contradict each other")
            }
            Self::Count { shown, claimed } => {
                write!(f, "{shown} entries are here, the ledger claims {claimed}")
            }
            Self::Ordinal { index, found, expected } => {
                write!(f, "entry {index} is number {found}, and number {expected} is not here")
            }
            Self::Missing { index } => write!(f, "entry {index} of the window is not here"),
            Self::Sequence { signer, session, from, to } => {
                write!(f, "{signer} counted {from} to {to} in session {session}, which never came")
            }
            Self::Open => f.write_str("nothing vouches that no entry is missing at the end"),
        }
    }
}
