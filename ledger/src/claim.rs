//! The ledger's signed word on how many entries carry some terms.

use schemas::claim::Claim;
use schemas::id::{Index, Micros, TreeSize};
use schemas::terms::Key;

use crate::error::ReadError;
use crate::postings::Postings;
use crate::read::Ledger;

impl Ledger {
    /// Claims how many of the first `size` entries fit these terms, and signs it: of the terms with one key
    /// an entry carries any, and so for each key.
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
        let mut fields: Vec<(Key, Vec<Postings<'_>>)> = Vec::new();
        for (key, value) in terms {
            let postings = self.postings(*key, value);
            match fields.iter_mut().find(|(other, _)| other == key) {
                Some((_, alternatives)) => alternatives.push(postings),
                None => fields.push((*key, vec![postings])),
            }
        }
        let mut fields: Vec<_> = fields.into_iter().map(|(_, postings)| postings).collect();
        let (mut count, mut last) = (0_u64, None);
        let mut from = Index(0);
        while let Some(found) = next_in_all(&mut fields, from)?.filter(|at| at.0 < size.0) {
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

/// The first entry from `from` on that is in each of these: they are galloped through until they agree.
fn next_in_all(fields: &mut [Vec<Postings<'_>>], from: Index) -> Result<Option<Index>, ReadError> {
    let mut at = from;
    loop {
        let mut candidate = at;
        for alternatives in &mut *fields {
            match next_in_any(alternatives, candidate)? {
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

fn next_in_any(alternatives: &mut [Postings<'_>], from: Index) -> Result<Option<Index>, ReadError> {
    let mut nearest = None;
    for postings in alternatives {
        let found = postings.at_or_after(from.0)?;
        nearest = [nearest, found].into_iter().flatten().min();
    }
    Ok(nearest)
}
