//! Evidence bundles: one file that answers a query, and proves the answer to whoever trusts the ledger's key.
//!
//! A bundle holds leaves, statements, bodies, proofs under one checkpoint, the registry entries that make each
//! signature valid at its place, and the ledger's claims that nothing is left out. What people read in it (the
//! report, the summary, the custody record) is rendered from those, so that a verifier renders it again and compares; what
//! another [`RENDERER`] made stays undecided where it differs.
//! Drawn in `evidence.cddl`.
//!
//! [`open`] takes a file apart, [`verify`] judges it, [`pack`] makes one.

mod archive;
mod bundle;
mod completeness;
mod custody;
mod fault;
mod page;
mod render;
mod report;
mod scope;
mod verify;
mod view;

pub use archive::Members;
pub use bundle::{Bundle, Claimed, Manifest, Signed};
pub use fault::{Aspect, Fault, Weight};
pub use render::RENDERER;
pub use scope::{History, Scope};
pub use verify::{Completeness, Judgement, Step, Trust, Verdicts, verify};
pub use view::{Shown, Standing, View};

/// The bundle as one file, with everything that is rendered from it.
#[must_use]
pub fn pack(bundle: &Bundle) -> Vec<u8> {
    let mut members = bundle.members();
    members.extend(render::members(&View::of(bundle)));
    archive::pack(&members)
}

/// A file taken apart: the evidence, and what was rendered from it when it was made.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The evidence.
    pub bundle: Bundle,
    /// Rendered members by name, as the file has them.
    pub rendered: Members,
}

impl Opened {
    /// The file again: the evidence, and what was rendered when it was made.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut members = self.bundle.members();
        members.extend(self.rendered.clone());
        archive::pack(&members)
    }
}

/// Takes a file apart.
///
/// # Errors
/// [`Fault`] when it is no bundle: cut short, not in the one form that an archive may have, a member
/// missing, unknown or not what it must be.
pub fn open(file: &[u8]) -> Result<Opened, Fault> {
    let mut members = archive::unpack(file)?;
    let bundle = Bundle::take(&mut members)?;
    // Another renderer may have made others; which there are is then in the custody record alone.
    let is_own = bundle.manifest.renderer == RENDERER;
    match members.keys().find(|name| is_own && !render::NAMES.contains(&name.as_str())) {
        Some(unknown) => Err(Fault::UnknownMember(unknown.clone())),
        None => Ok(Opened { bundle, rendered: members }),
    }
}
