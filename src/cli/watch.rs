//! Each call that reaches a server proves that its newest checkpoint extends the last one verified here.

use schemas::checkpoint::{Checkpoint, Note, NoteKey};
use schemas::id::TreeHash;
use schemas::tree::verify_consistency;
use serde_json::Value as Json;

use crate::cli::context::STATUS;
use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::cli::out;
use crate::cli::trust::fingerprint;
use crate::client::{Client, ClientError, without_password};
use crate::exit::Exit;
use crate::pin::{Pin, PinError, Pinned};

/// How often the proof is made anew because another process raised the pin meanwhile.
const ROUNDS_MAX: usize = 8;
/// Host of ledgers that are nobody's in particular: those of `sworn dev`, and of a configuration without one.
const UNNAMED: &str = "localhost/";

/// Why the ledger's key is believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Basis {
    /// A context or a trusted key was chosen.
    Chosen,
    /// It is the key that this address showed first.
    Address(String),
}

/// A look at one server's log.
pub(crate) struct Watch<'a> {
    /// The server.
    pub(crate) client: &'a Client,
    /// The ledger's keys: the current one last, the earlier ones linked to it.
    pub(crate) keys: &'a [NoteKey],
    /// What was verified before.
    pub(crate) pin: &'a Pin,
    /// Why the keys are believed.
    pub(crate) basis: Basis,
}

impl Watch<'_> {
    /// Proves that the server's `note` extends what is pinned, and pins it.
    ///
    /// # Errors
    /// [`Failure::Verdict`]: badly signed, or another history; [`Failure::Pin`]; failures of the server.
    pub(crate) fn see(&self, note: &str) -> Result<(), Failure> {
        let mut found = self.verified(note)?;
        for _round in 0..ROUNDS_MAX {
            let before = self.pin.text()?;
            let pinned = self.pinned(&found)?;
            if let Some(pinned) = &pinned {
                if pinned.checkpoint.origin == found.checkpoint.origin
                    && pinned.checkpoint.size > found.checkpoint.size
                {
                    // A process beside this one may have pinned what the log has grown to since it was asked.
                    let status = self.client.json(STATUS, &[])?;
                    found = self.verified(text(&status, "note").unwrap_or_default())?;
                }
                self.prove(pinned, &found)?;
                if pinned.checkpoint == found.checkpoint {
                    return Ok(());
                }
            }
            match self.pin.swap(before.as_deref(), &found.note) {
                Ok(true) => {
                    self.introduce(before.is_none());
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => {
                    // What was proved holds all the same; only the next call will know less.
                    out::note(&format!("the verified checkpoint is not kept: {error}"));
                    return Ok(());
                }
            }
        }
        // As many others raised it, each with a proof of its own.
        Ok(())
    }

    fn verified(&self, note: &str) -> Result<Pinned, Failure> {
        let found = self.keys.last().and_then(|key| Pinned::verified(note, key));
        found.ok_or_else(|| {
            let what = "the server's checkpoint is not signed by the ledger's key".to_owned();
            Failure::Verdict { exit: Exit::BadSignature, what, details: Vec::new() }
        })
    }

    /// What is pinned; nothing, if it may be given up for another ledger.
    fn pinned(&self, found: &Pinned) -> Result<Option<Pinned>, Failure> {
        let unsigned = match self.pin.read(self.keys) {
            Err(unsigned @ PinError::Unsigned { .. }) => unsigned,
            read => return Ok(read?),
        };
        let note = self.pin.text()?.unwrap_or_default();
        let Ok(checkpoint) = Note::parse(&note).and_then(|note| note.checkpoint()) else {
            return Err(unsigned.into());
        };
        let pinned = Pinned { note, checkpoint };
        let unnamed = |at: &Pinned| at.checkpoint.origin.starts_with(UNNAMED);
        match &self.basis {
            Basis::Address(url) if unnamed(&pinned) && unnamed(found) => {
                let url = without_password(url);
                out::note(&format!("{url} is another {UNNAMED} ledger than before"));
                Ok(None)
            }
            _ => {
                let what = "the server's ledger does not have the key of the one verified before";
                Err(self.conflict(what.to_owned(), &pinned, found, &[]))
            }
        }
    }

    fn prove(&self, pinned: &Pinned, found: &Pinned) -> Result<(), Failure> {
        let (old, new) = (&pinned.checkpoint, &found.checkpoint);
        if old.origin != new.origin {
            let what = format!(
                "the ledger goes on in a new epoch, {}: its store was rolled back",
                new.origin
            );
            let next = [
                "lost    see: sworn query code:new_epoch, once the epoch is accepted".to_owned(),
                format!("accept  sworn checkpoint pin --expect-root {}", new.root),
            ];
            return Err(self.conflict(what, pinned, found, &next));
        }
        if self.extends(old, new)? {
            return Ok(());
        }
        let how = if new.size < old.size { "is shorter than" } else { "does not extend" };
        let what = format!("the server's log {how} the one that was verified here before");
        Err(self.conflict(what, pinned, found, &[]))
    }

    /// Whether the server proves that `new` continues `old`. An answer that is no proof is none.
    fn extends(&self, old: &Checkpoint, new: &Checkpoint) -> Result<bool, Failure> {
        if new.size <= old.size {
            return Ok(new == old);
        }
        let (from, to) = (old.size.to_string(), new.size.to_string());
        let proof = match self.client.json("/api/v1/consistency", &[("from", &from), ("to", &to)]) {
            Err(ClientError::Answer { .. } | ClientError::Problem { status: 400..=428, .. }) => {
                return Ok(false);
            }
            proof => proof?,
        };
        let Some(path) = parse_path(&proof) else { return Ok(false) };
        Ok(verify_consistency(old.size, &old.root, new.size, &new.root, &path).is_ok())
    }

    fn conflict(&self, what: String, pinned: &Pinned, found: &Pinned, next: &[String]) -> Failure {
        let told = |name: &str, Checkpoint { size, origin, root }: &Checkpoint| {
            format!("{name:<8}{} entries of {origin}, root {root}", size.0)
        };
        let mut details =
            vec![told("pinned", &pinned.checkpoint), told("server", &found.checkpoint)];
        match self.pin.keep_conflict(&pinned.note, &found.note) {
            Ok(path) => details.push(format!("kept    both, in {}", path.display())),
            Err(error) => details.push(format!("kept    nothing: {error}")),
        }
        details.extend_from_slice(next);
        Failure::Verdict { exit: Exit::Conflict, what, details }
    }

    /// Says once whose word is taken from now on.
    fn introduce(&self, first: bool) {
        let (Basis::Address(url), true, Some(key)) = (&self.basis, first, self.keys.last()) else {
            return;
        };
        let (url, key, origin) = (without_password(url), fingerprint(key), &key.name);
        out::note(&format!(
            "from now on {url} is {origin} with key {key}: compare it with the TRUST"
        ));
    }
}

/// The hashes of a consistency proof as the API shows it.
pub(crate) fn parse_path(proof: &Json) -> Option<Vec<TreeHash>> {
    let path = proof.get("path")?.as_array()?;
    path.iter().map(|hash| TreeHash::from_hex(hash.as_str()?)).collect()
}

#[cfg(test)]
mod tests;
