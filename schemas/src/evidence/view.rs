//! A bundle as it reads: every entry with what lies beside it, in the order of the log, against the registry as
//! the bundle tells it. Nothing here is proved; what does not fit together is noted as a fault.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::{Bundle, Signed};
use super::fault::Fault;
use super::scope::Scope;
use crate::body::Body;
use crate::deterministic::Item;
use crate::era::Eras;
use crate::id::{Digest, Index, TreeHash, sha256};
use crate::json::Content;
use crate::key::PublicKey;
use crate::leaf::{Leaf, Status};
use crate::redaction::Redaction;
use crate::refused;
use crate::registry::{AgentRecord, Registry};
use crate::reject::{Cause, Reason};
use crate::residue::Residue;
use crate::statement::{Preimage, Statement};
use crate::submission::parse_manifest;
use crate::terms::{self, Term, Whose};

/// What the registry says of an entry's signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Signed by the signer's key, who was permitted to.
    Signed,
    /// Refused, and signed by nobody whom the registry knows.
    Unattributed,
    /// It does not hold.
    Faulty(Fault),
}

/// An entry of the bundle.
#[derive(Debug)]
pub struct Shown<'b> {
    /// The leaf.
    pub leaf: Leaf,
    /// Its bytes.
    pub bytes: &'b [u8],
    /// Its inclusion path.
    pub path: &'b [TreeHash],
    /// What is known of its content.
    pub content: Content<Body<'b>>,
    /// What the registry says of its signature.
    pub standing: Standing,
    /// Whether the query asks for it; else it only supports others.
    pub asked: bool,
    /// Its agent as the registry knew it at its place.
    agent: Option<AgentRecord>,
    /// Faults of what lies beside the leaf.
    faults: Vec<Fault>,
}

impl Shown<'_> {
    /// The body, as far as its signature is valid.
    #[must_use]
    pub fn body(&self) -> Option<&Body<'_>> {
        match &self.content {
            Content::Signed(body) => Some(body),
            Content::Refused { signed, .. } => signed.as_ref(),
            Content::Redacted(left) => left.as_ref(),
        }
    }

    /// Whether the ledger took it.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.leaf.status == Status::Accepted
    }

    /// Reads the terms under which it is found.
    pub fn terms<R>(&self, read: impl FnOnce(&[Term<'_>]) -> R) -> R {
        match (&self.content, self.body()) {
            (_, Some(body)) => {
                let whose = self.agent.as_ref().map(Whose::from);
                read(&terms::of_entry(&self.leaf, body, whose))
            }
            (Content::Refused { claimed, .. }, None) => {
                read(&terms::of_refusal(&self.leaf, claimed))
            }
            _ => read(&[]),
        }
    }
}

/// The whole bundle.
#[derive(Debug)]
pub struct View<'b> {
    /// What it was made of.
    pub bundle: &'b Bundle,
    /// What was asked for; `None` if the query cannot be read.
    pub scope: Option<Scope>,
    /// The entries, ascending.
    pub entries: Vec<Shown<'b>>,
    /// The ledger's names and keys over time; `None` without its genesis entry.
    pub eras: Option<Eras>,
    /// What does not fit together.
    pub faults: Vec<Fault>,
    redactions: Vec<(Index, Redaction)>,
}

impl<'b> View<'b> {
    /// The view of a bundle.
    #[must_use]
    pub fn of(bundle: &'b Bundle) -> Self {
        let manifest = &bundle.manifest;
        let mut view = Self {
            bundle,
            scope: None,
            entries: Vec::with_capacity(bundle.leaves.len()),
            eras: None,
            faults: Vec::new(),
            redactions: Vec::new(),
        };
        match Scope::parse(&manifest.query, manifest.since, manifest.until) {
            Ok(scope) => view.scope = Some(scope),
            Err(fault) => view.faults.push(Fault::Query(fault)),
        }
        let mut reader = Reader::new(bundle);
        let mut next = 0;
        for (place, (bytes, path)) in bundle.leaves.iter().zip(&bundle.paths).enumerate() {
            let Some(leaf) = Leaf::decode(bytes) else {
                view.faults.push(Fault::Leaf { place });
                continue;
            };
            if leaf.index.0 < next {
                view.faults.push(Fault::Order { index: leaf.index });
                continue;
            }
            next = leaf.index.0.saturating_add(1);
            let shown = reader.read(leaf, bytes, path, view.scope.as_ref());
            view.follow(&shown);
            view.faults.extend(shown.faults.iter().cloned());
            view.entries.push(shown);
        }
        if view.eras.is_none() {
            view.faults.push(Fault::NoGenesis);
        }
        view.faults.extend(reader.spare());
        view
    }

    /// Takes in what the ledger's own entries say of its name and key, and what redactions say. Nothing follows
    /// from an entry that is not signed by who it says.
    fn follow(&mut self, shown: &Shown<'_>) {
        let holds = shown.accepted() && shown.standing == Standing::Signed;
        let Some(body) = shown.body().filter(|_| holds) else { return };
        let index = shown.leaf.index;
        self.redactions.extend(Redaction::of(body).map(|redaction| (index, redaction)));
        match self.eras.as_mut() {
            None if index == Index(0) => self.eras = Eras::genesis(body),
            None => {}
            Some(eras) => {
                if let Err(fault) = eras.take(index, body) {
                    self.faults.push(Fault::Era { index, fault });
                }
            }
        }
    }

    /// The entries that were asked for.
    pub fn asked(&self) -> impl Iterator<Item = &Shown<'b>> {
        self.entries.iter().filter(|shown| shown.asked)
    }

    /// The entry at `index`.
    #[must_use]
    pub fn at(&self, index: Index) -> Option<&Shown<'b>> {
        let place = self.entries.binary_search_by_key(&index, |shown| shown.leaf.index).ok()?;
        self.entries.get(place)
    }

    /// The redaction that erased the body of the entry at `index`, or its detail.
    #[must_use]
    pub fn redaction_of(&self, index: Index, body: bool) -> Option<Index> {
        let of = |(at, redaction): &&(Index, Redaction)| {
            *at > index && redaction.covers(index) && (redaction.body || !body)
        };
        self.redactions.iter().find(of).map(|(at, _)| *at)
    }

    /// Whose registry history the bundle rests on: who signed, and whom the answer is about.
    #[must_use]
    pub fn subjects(&self) -> BTreeSet<&str> {
        let mut subjects = BTreeSet::new();
        for shown in &self.entries {
            let Some(body) = shown.body() else { continue };
            subjects.insert(body.signer());
            if shown.asked {
                subjects.extend(body.agent());
                // Whom a name leads to is known from the history of its agent.
                subjects.extend(shown.agent.as_ref().map(|record| record.id.as_str()));
            }
        }
        subjects
    }
}

/// Reads entry after entry, and folds the registry on the way.
struct Reader<'b> {
    bundle: &'b Bundle,
    /// Whose log it is, as genesis says.
    tenant: Option<String>,
    registry: Registry,
    statements: BTreeMap<Digest, usize>,
    used: BTreeSet<usize>,
    bodies: BTreeSet<u64>,
    details: BTreeSet<u64>,
}

impl<'b> Reader<'b> {
    fn new(bundle: &'b Bundle) -> Self {
        let digest = |(place, signed): (usize, &Signed)| (Digest(sha256(&signed.statement)), place);
        Self {
            bundle,
            tenant: None,
            registry: Registry::default(),
            statements: bundle.statements.iter().enumerate().map(digest).collect(),
            used: BTreeSet::new(),
            bodies: bundle.bodies.keys().copied().collect(),
            details: bundle.details.keys().copied().collect(),
        }
    }

    fn read(
        &mut self,
        leaf: Leaf,
        bytes: &'b [u8],
        path: &'b [TreeHash],
        scope: Option<&Scope>,
    ) -> Shown<'b> {
        let mut faults = Vec::new();
        self.bodies.remove(&leaf.index.0);
        let kept = self.bundle.bodies.get(&leaf.index.0).map(Vec::as_slice);
        let content = content(&leaf, kept, &mut faults);
        let signed = self.statement(&leaf, &mut faults);
        let body = match &content {
            Content::Signed(body) => Some(body),
            Content::Refused { signed, .. } => signed.as_ref(),
            Content::Redacted(left) => left.as_ref(),
        };
        if leaf.index == Index(0) {
            self.tenant = body.map(|body| body.tenant().to_owned());
        }
        let standing = match (signed, leaf.refused_whole()) {
            (Some(signed), _) => {
                standing(&self.registry, self.tenant.as_deref(), &leaf, signed, body)
            }
            (None, true) => Standing::Unattributed,
            (None, false) => Standing::Faulty(Fault::NoStatement { index: leaf.index }),
        };
        let agent = body.and_then(Body::agent).and_then(|name| self.registry.known(name)).cloned();
        if let Some(body) = body.filter(|_| leaf.status == Status::Accepted) {
            self.registry.apply(leaf.index, leaf.received_at, body);
            self.detail(&leaf, body, &mut faults);
        }
        let mut shown = Shown { leaf, bytes, path, content, standing, asked: false, agent, faults };
        let asked = |terms: &[Term<'_>]| scope.is_some_and(|s| s.holds(shown.leaf.index, terms));
        shown.asked = shown.terms(asked);
        shown
    }

    fn statement(&mut self, leaf: &Leaf, faults: &mut Vec<Fault>) -> Option<&'b Signed> {
        let place = self.statements.get(&leaf.statement).filter(|_| !leaf.refused_whole())?;
        self.used.insert(*place);
        let signed = self.bundle.statements.get(*place)?;
        if Statement::parse(&signed.statement).is_err() {
            faults.push(Fault::Signature { index: leaf.index });
        }
        Some(signed)
    }

    fn detail(&mut self, leaf: &Leaf, body: &Body<'_>, faults: &mut Vec<Fault>) {
        self.details.remove(&leaf.index.0);
        let index = leaf.index;
        match (self.bundle.details.get(&index.0), body.detail()) {
            (Some(detail), Some(digest)) if sha256(detail) != digest.0 => {
                faults.push(Fault::Detail { index });
            }
            (Some(_), None) => faults.push(Fault::SpareDetail { index }),
            _ => {}
        }
    }

    /// What belongs to no entry.
    fn spare(self) -> Vec<Fault> {
        let places = 0..self.bundle.statements.len();
        let unused = places.filter(|place| !self.used.contains(place));
        let statements = unused.map(|place| Fault::SpareStatement { place });
        let bodies = self.bodies.iter().map(|index| Fault::SpareBody { index: Index(*index) });
        let details = self.details.iter().map(|index| Fault::SpareDetail { index: Index(*index) });
        statements.chain(bodies).chain(details).collect()
    }
}

/// What the kept bytes say, if they are those that the leaf commits to.
fn content<'b>(leaf: &Leaf, kept: Option<&'b [u8]>, faults: &mut Vec<Fault>) -> Content<Body<'b>> {
    let index = leaf.index;
    if leaf.status == Status::Accepted && kept.is_some_and(Residue::is_one) {
        let left = kept.and_then(Residue::parse).and_then(|left| Body::residue(left.fields));
        if left.is_none() {
            faults.push(Fault::Residue { index });
        }
        return Content::Redacted(left);
    }
    let committed =
        if leaf.refused_whole() { leaf.statement.as_bytes() } else { leaf.body.as_bytes() };
    let fits = kept.filter(|kept| sha256(kept) == *committed);
    let fits = fits.or(kept.filter(|kept| refused::is_erased(leaf, kept)));
    if kept.is_some() && fits.is_none() {
        faults.push(Fault::Body { index });
    }
    if leaf.status != Status::Accepted {
        let signed = fits.and_then(|kept| refused::signed_body(leaf, kept));
        let claimed = match (&signed, fits) {
            (None, Some(kept)) => refused::claimed_names(leaf, kept),
            _ => Vec::new(),
        };
        return Content::Refused { cause: Cause::default(), signed, claimed };
    }
    match fits.map(Body::parse) {
        Some(Ok(body)) => return Content::Signed(body),
        Some(Err(_refused)) => faults.push(Fault::Body { index }),
        None if kept.is_none() => faults.push(Fault::NoBody { index }),
        None => {}
    }
    Content::Redacted(None)
}

/// What the registry as of the entry before says of the signature, in the log of `tenant`.
fn standing(
    registry: &Registry,
    tenant: Option<&str>,
    leaf: &Leaf,
    signed: &Signed,
    body: Option<&Body<'_>>,
) -> Standing {
    let index = leaf.index;
    let Ok(statement) = Statement::parse(&signed.statement) else {
        return Standing::Faulty(Fault::Signature { index });
    };
    if let Err(fault) = covers(&statement, signed, leaf) {
        return Standing::Faulty(fault);
    }
    let mut tenants = std::iter::once(statement.tenant.as_str()).chain(body.map(Body::tenant));
    if tenant.is_some_and(|tenant| tenants.any(|signed| signed != tenant)) {
        return Standing::Faulty(Fault::OtherTenant { index });
    }
    let rejected = match leaf.status {
        Status::Accepted => None,
        Status::Rejected(reason) => Some(reason),
    };
    let founder = body.filter(|_| index == Index(0)).and_then(founding_key);
    let record = registry.key(&statement.kid);
    let Some(key) = founder.or(record.map(|record| record.key)) else {
        return match rejected {
            Some(Reason::UnregisteredKey) => Standing::Unattributed,
            _ => Standing::Faulty(Fault::UnknownKey { index, kid: statement.kid }),
        };
    };
    if !statement.verifies(&key) {
        return Standing::Faulty(Fault::Signature { index });
    }
    let owner = record.map(|record| record.signer.as_str());
    let signer = body.map(Body::signer);
    let claimed = Some(statement.signer.as_str());
    if owner.is_some_and(|owner| claimed != Some(owner)) || (signer.is_some() && signer != claimed)
    {
        return match rejected {
            Some(_) => Standing::Unattributed,
            None => {
                let signer = statement.signer.as_str().to_owned();
                Standing::Faulty(Fault::OtherSigner { index, signer })
            }
        };
    }
    match body.filter(|_| rejected.is_none() && index > Index(0)) {
        Some(body) => match registry.signer_may(body, &statement.kid, leaf.received_at) {
            Ok(()) => Standing::Signed,
            Err(reject) => Standing::Faulty(Fault::NotPermitted { index, reject }),
        },
        None => Standing::Signed,
    }
}

/// The key that a genesis entry names as the ledger's.
fn founding_key(body: &Body<'_>) -> Option<PublicKey> {
    PublicKey::from_bytes(body.field("registry.ledger_key").and_then(Item::bytes)?).ok()
}

/// The statement must cover what the leaf says it covers; of a body that was not the signed one, only the place.
fn covers(statement: &Statement<'_>, signed: &Signed, leaf: &Leaf) -> Result<(), Fault> {
    let index = leaf.index;
    let mismatched = leaf.status == Status::Rejected(Reason::DigestMismatch);
    let covered = match (statement.preimage, &signed.manifest) {
        (Preimage::Event, None) => (leaf.position == 0).then(|| statement.payload().to_vec()),
        (Preimage::Manifest, Some(manifest)) => {
            if sha256(manifest) != *statement.payload() {
                return Err(Fault::SignedManifest { index });
            }
            let digests = parse_manifest(manifest).ok_or(Fault::SignedManifest { index })?;
            let place = usize::try_from(leaf.position).ok();
            place.and_then(|place| digests.get(place)).map(|digest| digest.as_bytes().to_vec())
        }
        _ => return Err(Fault::SignedManifest { index }),
    };
    match covered {
        Some(digest) if mismatched || digest == leaf.body.as_bytes() => Ok(()),
        _ => Err(Fault::NotCovered { index }),
    }
}

#[cfg(test)]
mod tests;
