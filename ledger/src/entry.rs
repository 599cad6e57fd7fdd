//! An entry as it is read: the leaf, and what lies beside it.

use schemas::body::Body;
use schemas::id::ChainHash;
use schemas::json::{Content, EntryView};
use schemas::leaf::Leaf;
use schemas::outline::Outline;
use schemas::refused;
use schemas::registry::HoldRecord;
use schemas::residue::Residue;
use schemas::terms::{self, Term, Whose};

use crate::error::ReadError;
use crate::fold;
use crate::read::Ledger;
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
    /// Whether the body has the digest in the leaf.
    pub(crate) is_whole: bool,
    /// Evidence, if it was refused.
    pub(crate) refusal: Option<Refusal>,
}

impl Entry {
    /// The body, if it was accepted, is not erased and still fits its digest.
    #[must_use]
    pub fn body(&self) -> Option<Body<'_>> {
        Body::admitted(self.whole()?)
    }

    /// The same as its bytes.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        self.body.as_deref().filter(|_| self.is_whole)
    }

    /// Whether neither the body is kept that was admitted, nor what a redaction leaves of one.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.refusal.is_none() && !self.is_whole && self.residue().is_none()
    }

    /// The fields that are left of an erased body.
    #[must_use]
    pub fn residue(&self) -> Option<Body<'_>> {
        Body::residue(Residue::parse(self.left.as_deref()?)?.fields)
    }

    /// The same without a look into it.
    #[must_use]
    pub fn outline(&self) -> Option<Outline<'_>> {
        Outline::admitted(self.whole()?)
    }

    /// What is known of its content.
    #[must_use]
    pub fn content(&self) -> Content<Body<'_>> {
        self.content_as(Self::body)
    }

    /// The same as it is shown.
    #[must_use]
    pub fn shown(&self) -> Content<Outline<'_>> {
        self.content_as(Self::outline)
    }

    /// The entry in its JSON form, with what is [`shown`](Self::shown) of it.
    #[must_use]
    pub fn view<'e>(&'e self, shown: &'e Content<Outline<'e>>) -> EntryView<'e, Outline<'e>> {
        let Self { leaf, chain, .. } = self;
        EntryView { leaf, chain, content: shown, is_damaged: self.is_damaged() }
    }

    fn content_as<'e, B: From<Body<'e>>>(
        &'e self,
        admitted: impl FnOnce(&'e Self) -> Option<B>,
    ) -> Content<B> {
        let Some(refusal) = &self.refusal else {
            let redacted = || Content::Redacted(self.residue().map(B::from));
            return admitted(self).map_or_else(redacted, Content::Signed);
        };
        let signed = fold::signed_body(&self.leaf, refusal).map(B::from);
        let claimed = match &signed {
            Some(_) => Vec::new(),
            None => fold::claimed(&self.leaf, refusal),
        };
        Content::Refused { cause: refusal.cause.clone(), signed, claimed }
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

    /// The first of these holds that keeps it. Where none is in force its terms are not asked for.
    pub(crate) fn held<'h>(
        &self,
        ledger: &Ledger,
        holds: &'h [HoldRecord],
    ) -> Result<Option<&'h HoldRecord>, ReadError> {
        if holds.iter().all(|hold| hold.lifted.is_some()) {
            return Ok(None);
        }
        self.terms(ledger, |terms| holds.iter().find(|hold| hold.covers(terms)))
    }

    /// The terms under which it is found; the ledger knows which agent it names, and whose that was then.
    ///
    /// # Errors
    /// [`ReadError`] when the agent's record cannot be read.
    pub fn terms<R>(
        &self,
        ledger: &Ledger,
        read: impl FnOnce(&[Term<'_>]) -> R,
    ) -> Result<R, ReadError> {
        let body = match self.content() {
            Content::Signed(body) | Content::Refused { signed: Some(body), .. } => body,
            Content::Redacted(Some(left)) => left,
            Content::Refused { claimed, .. } => {
                return Ok(read(&terms::of_refusal(&self.leaf, &claimed)));
            }
            Content::Redacted(None) => return Ok(read(&[])),
        };
        let agent = match body.agent() {
            Some(name) => ledger.agent_at(name, self.leaf.index)?,
            None => None,
        };
        Ok(read(&terms::of_entry(&self.leaf, &body, agent.as_ref().map(Whose::from))))
    }
}
