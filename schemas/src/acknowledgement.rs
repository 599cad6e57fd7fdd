//! A publisher's own check: does this receipt acknowledge the very bytes that were sent?

use crate::body::Body;
use crate::id::{BodyDigest, Digest, Index};
use crate::key::PublicKey;
use crate::leaf::{Leaf, Status};
use crate::receipt::{self, ReceiptError};
use crate::submission::Opened;

/// An item as it was sent, as far as a receipt must agree with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Digest of the statement over it.
    pub statement: Digest,
    /// Its place in the manifest, from 0.
    pub position: u64,
    /// Digest of its body.
    pub body: BodyDigest,
}

impl Sent {
    /// The items of a submission, in order.
    pub fn items(opened: &Opened<'_>) -> Vec<Self> {
        let statement = opened.statement().digest();
        let sent = |(position, item): (u64, &crate::submission::RawItem<'_>)| Self {
            statement,
            position,
            body: Body::digest(item.body),
        };
        (0..).zip(opened.items()).map(sent).collect()
    }
}

/// An entry that a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its place in the log.
    pub index: Index,
    /// Its leaf.
    pub leaf: Leaf,
}

/// Why a receipt acknowledges nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not prove the leaf under the ledger's key.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The leaf cannot be read.
    #[error("the leaf cannot be read")]
    Leaf,
    /// It proves another entry than it should.
    #[error("the leaf's {field} is another entry's")]
    OtherEntry {
        /// What differs.
        field: &'static str,
    },
}

/// Checks that the receipt proves the accepted entry with this leaf, at the place that the leaf names: a
/// receipt's own index is bound by nothing else.
///
/// # Errors
/// [`Fault`].
pub fn proved(receipt: &[u8], leaf: &[u8], ledger: &PublicKey) -> Result<Acknowledged, Fault> {
    let proved = receipt::verify(receipt, leaf, ledger.verifying_key())?;
    let leaf = Leaf::decode(leaf).ok_or(Fault::Leaf)?;
    let index = leaf.index;
    first_difference([
        ("index", index == proved.index),
        ("status", leaf.status == Status::Accepted),
    ])?;
    Ok(Acknowledged { index, leaf })
}

/// Checks that the receipt acknowledges what was sent: same body, same statement, same place in it.
///
/// # Errors
/// [`Fault`].
pub fn acknowledged(
    receipt: &[u8],
    leaf: &[u8],
    sent: &Sent,
    ledger: &PublicKey,
) -> Result<Acknowledged, Fault> {
    let found = repeated(receipt, leaf, sent, ledger)?;
    let Leaf { statement, position, .. } = &found.leaf;
    first_difference([
        ("statement", *statement == sent.statement),
        ("position", *position == sent.position),
    ])?;
    Ok(found)
}

/// As [`acknowledged`], for the answer to a repetition: its receipt is the original's, which another
/// statement may have carried.
///
/// # Errors
/// [`Fault`].
pub fn repeated(
    receipt: &[u8],
    leaf: &[u8],
    sent: &Sent,
    ledger: &PublicKey,
) -> Result<Acknowledged, Fault> {
    let found = proved(receipt, leaf, ledger)?;
    first_difference([("body", found.leaf.body == sent.body)])?;
    Ok(found)
}

fn first_difference<const N: usize>(same: [(&'static str, bool); N]) -> Result<(), Fault> {
    match same.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(Fault::OtherEntry { field }),
        None => Ok(()),
    }
}
