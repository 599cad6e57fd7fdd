//! The ledger's signed word on how many entries carry some terms.

use schemas::claim::Claim;
use schemas::id::{Index, Micros, TreeSize};
use schemas::terms::Key;

use crate::error::ReadError;
use crate::postings::Postings;
use crate::read::Ledger;

impl Ledger {
    /// Claims how many of the first `size` entries carry all these terms, and signs it.
    ///
    /// # Errors
    /// [`ReadError::BeyondTree`] when the log is shorter; when the store fails.
    pub fn claim(
        &self,
        terms: &[(Key, String)],
        size: TreeSize,
        now: Micros,
    ) -> Result<Vec<u8>, ReadError> {
        let root = self.root(size)?;
        let mut postings: Vec<_> =
            terms.iter().map(|(key, value)| self.postings(*key, value)).collect();
        let (mut count, mut last) = (0_u64, None);
        let mut from = Index(0);
        while let Some(found) = next_in_all(&mut postings, from)?.filter(|at| at.0 < size.0) {
            count += 1;
            last = Some(found);
            from = Index(found.0 + 1);
        }
        let origin = self.identity().origin.clone();
        let terms = terms.to_vec();
        let claim = Claim { origin, size, root, terms, count, last, time: now };
        Ok(claim.sign(self.seal.key()))
    }
}

/// The first entry from `from` on that is in all of these: each is galloped through until they agree.
fn next_in_all(postings: &mut [Postings<'_>], from: Index) -> Result<Option<Index>, ReadError> {
    let mut at = from;
    loop {
        let mut candidate = at;
        for posting in &mut *postings {
            match posting.at_or_after(candidate.0)? {
                Some(found) => candidate = found,
                None => return Ok(None),
            }
        }
        if candidate == at {
            return Ok(Some(at));
        }
        at = candidate;
    }
}
