//! An entry as it is read: the leaf, and what lies beside it.

use schemas::body::Body;
use schemas::id::ChainHash;
use schemas::json::Content;
use schemas::leaf::Leaf;
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
            None => self.body().map_or(Content::Redacted, Content::Signed),
        }
    }

    /// The bytes that the leaf commits to: of the body, or what was kept of a refusal.
    #[must_use]
    pub fn kept(&self) -> Option<&[u8]> {
        match &self.refusal {
            Some(refusal) => refusal.bytes.as_deref(),
            None => self.body.as_deref(),
        }
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
            Content::Redacted => read(&[]),
        }
    }
}
