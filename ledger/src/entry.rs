//! An entry as it is read: the leaf, and what lies beside it.

use schemas::body::Body;
use schemas::id::ChainHash;
use schemas::json::Content;
use schemas::leaf::Leaf;
use schemas::refused;
use schemas::residue::Residue;
use schemas::terms::{self, Term};

use crate::fold;
use crate::refusal::Refusal;

/// An entry of the log. Reading it has checked the leaf's bytes against the chain link after it only
/// where a range was read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The leaf.
    pub leaf: Leaf,
    /// The leaf's bytes.
    pub bytes: Vec<u8>,
    /// The chain hash over them.
    pub chain: ChainHash,
    /// Body bytes, if the entry was accepted and they are not erased.
    pub body: Option<Vec<u8>>,
    /// What the ledger left in the body's place, if that was erased.
    pub left: Option<Vec<u8>>,
    /// Evidence, if it was refused.
    pub(crate) refusal: Option<Refusal>,
    /// Owner of the agent, where the body does not name one.
    pub(crate) owner: Option<String>,
}

impl Entry {
    /// The body, if it was accepted, is not erased and still fits its digest.
    #[must_use]
    pub fn body(&self) -> Option<Body<'_>> {
        let bytes = self.body.as_deref()?;
        (Body::digest(bytes) == self.leaf.body).then(|| Body::parse(bytes).ok())?
    }

    /// The fields that are left of an erased body.
    #[must_use]
    pub fn residue(&self) -> Option<Body<'_>> {
        Body::residue(Residue::parse(self.left.as_deref()?)?.fields)
    }

    /// What is known of its content.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        match &self.refusal {
            Some(refusal) => Content::Refused {
                cause: refusal.cause.clone(),
                signed: fold::signed_body(&self.leaf, refusal),
                claimed: match fold::signed_body(&self.leaf, refusal) {
                    Some(_) => Vec::new(),
                    None => fold::claimed(&self.leaf, refusal),
                },
            },
            None => match self.body() {
                Some(body) => Content::Signed(body),
                None => Content::Redacted(self.residue()),
            },
        }
    }

    /// What stands beside the leaf: the body or what is left of it, or what was kept of a refusal.
    #[must_use]
    pub fn kept(&self) -> Option<&[u8]> {
        match &self.refusal {
            Some(refusal) => refusal.bytes.as_deref(),
            None => self.body.as_deref().or(self.left.as_deref()),
        }
    }

    /// Whether something of a refused submission is kept that came with it.
    #[must_use]
    pub fn holds_evidence(&self) -> bool {
        let kept = self.refusal.as_ref().and_then(|refusal| refusal.bytes.as_deref());
        kept.is_some_and(|kept| !refused::is_erased(&self.leaf, kept))
    }

    /// The terms under which it is found.
    #[must_use]
    pub fn terms<R>(&self, read: impl FnOnce(&[Term<'_>]) -> R) -> R {
        match self.content() {
            Content::Signed(body) => {
                read(&terms::of_entry(&self.leaf, &body, self.owner.as_deref()))
            }
            Content::Refused { signed: Some(body), .. } => {
                read(&terms::of_entry(&self.leaf, &body, self.owner.as_deref()))
            }
            Content::Refused { claimed, .. } => read(&terms::of_refusal(&self.leaf, &claimed)),
            Content::Redacted(Some(left)) => {
                read(&terms::of_entry(&self.leaf, &left, self.owner.as_deref()))
            }
            Content::Redacted(None) => read(&[]),
        }
    }
}
