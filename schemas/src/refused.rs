//! What a refused message still says: the body that its signer really signed, or names that nobody vouches for.

use crate::body::Body;
use crate::deterministic::{Bounds, Item, decode};
use crate::leaf::{Leaf, Status};
use crate::reject::Reason;
use crate::residue::Residue;
use crate::submission;

/// Whether what is kept of a refused item is only a residue: what came may look like one, but then it has the
/// digest in the leaf.
#[must_use]
pub fn is_erased(leaf: &Leaf, kept: &[u8]) -> bool {
    !leaf.refused_whole() && Residue::is_one(kept) && Body::digest(kept) != leaf.body
}

/// Whether the signature of a refused item says whose it is.
fn is_attributed(leaf: &Leaf) -> bool {
    let unattributed = [Reason::DigestMismatch, Reason::WrongSigner, Reason::WrongTenant];
    match leaf.status {
        Status::Accepted => false,
        Status::Rejected(reason) => !unattributed.contains(&reason) && !leaf.refused_whole(),
    }
}

/// The body of a refused item, if its signer really signed it and signed it as itself. `kept` is what the
/// ledger kept of it, or what an erasure left.
#[must_use]
pub fn signed_body<'k>(leaf: &Leaf, kept: &'k [u8]) -> Option<Body<'k>> {
    if !is_attributed(leaf) {
        return None;
    }
    if is_erased(leaf, kept) {
        return Body::residue(Residue::parse(kept)?.fields);
    }
    Body::parse(kept).ok()
}

/// What was signed as a refused item, as far as it is a map: any of its fields may be missing or wrong, for the
/// signature is over its digest and says no more.
#[must_use]
pub fn signed_map<'k>(leaf: &Leaf, kept: &'k [u8]) -> Option<Item<'k>> {
    let is_signed = is_attributed(leaf) && Body::digest(kept) == leaf.body;
    is_signed.then(|| decode(kept, Bounds::WIRE).ok()).flatten().filter(|item| item.map().is_some())
}

/// Names in what was kept of a refusal: claims, found under `claimed:` only. Sorted, each once.
#[must_use]
pub fn claimed_names(leaf: &Leaf, kept: &[u8]) -> Vec<String> {
    let mut names = if leaf.refused_whole() { in_message(kept) } else { in_body(kept) };
    names.sort_unstable();
    names.dedup();
    names
}

fn in_message(message: &[u8]) -> Vec<String> {
    let Ok(opened) = submission::open(message) else { return Vec::new() };
    let bodies = opened.items().iter().filter_map(|item| Body::parse(item.body).ok());
    let agents = bodies.filter_map(|body| body.agent().map(str::to_owned));
    std::iter::once(opened.statement().signer.as_str().to_owned()).chain(agents).collect()
}

fn in_body(bytes: &[u8]) -> Vec<String> {
    let Ok(body) = Body::parse(bytes) else { return Vec::new() };
    [Some(body.signer()), body.agent()].into_iter().flatten().map(str::to_owned).collect()
}
