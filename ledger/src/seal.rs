//! The ledger's signature: notes over heads, roots of receipts, and the high-water mark.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use schemas::checkpoint::{Checkpoint, Note, NoteKey, sign_checkpoint};
use schemas::id::{Index, Micros, Tenant, TreeHash, TreeSize};
use schemas::key::PublicKey;
use schemas::receipt::{ReceiptAlg, ReceiptSigner, SignedRoot};

use crate::error::{AppendError, OpenError};

/// Subject of every receipt (CWT claim 2): what the issuer vouches for.
const RECEIPT_SUBJECT: &str = "sworn";

/// Who this ledger is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Whose entries it holds.
    pub tenant: Tenant,
    /// `<host>/<tenant>`: name in notes, issuer of receipts.
    pub origin: String,
    /// The key that signs notes and receipts.
    pub key: PublicKey,
    /// Where the ledger's clock began, in a development ledger with a simulated one.
    pub clock_start: Option<Micros>,
}

impl Identity {
    /// The key under its name, as auditors pin it.
    #[must_use]
    pub fn note_key(&self) -> NoteKey {
        NoteKey { name: self.origin.clone(), public: *self.key.verifying_key() }
    }
}

pub(crate) struct Seal {
    identity: Identity,
    key: SigningKey,
    receipts: ReceiptSigner,
}

impl Seal {
    pub(crate) fn new(identity: Identity, key: SigningKey) -> Self {
        let receipts = ReceiptSigner {
            alg: ReceiptAlg::default(),
            kid: identity.key.kid(),
            iss: identity.origin.clone(),
            sub: RECEIPT_SUBJECT.to_owned(),
        };
        Self { identity, key, receipts }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The signed note over a tree.
    pub(crate) fn note(&self, size: TreeSize, root: TreeHash) -> String {
        let checkpoint = Checkpoint { origin: self.identity.origin.clone(), size, root };
        let note = sign_checkpoint(&checkpoint, &self.key)
            .expect("the origin was checked when the ledger was created");
        note.to_string()
    }

    /// One signature over a root, which serves all receipts of a commit.
    pub(crate) fn sign_root(&self, size: TreeSize, root: &TreeHash) -> SignedRoot {
        self.receipts.sign_root(size, root, &self.key)
    }

    pub(crate) fn receipt(
        &self,
        size: TreeSize,
        root: TreeHash,
        index: Index,
        path: &[TreeHash],
    ) -> Vec<u8> {
        receipt_of(&self.sign_root(size, &root), index, path)
    }
}

/// A receipt under a signed root. Only genesis, alone in its tree, has an empty path and so no receipt.
pub(crate) fn receipt_of(root: &SignedRoot, index: Index, path: &[TreeHash]) -> Vec<u8> {
    root.receipt(index, path).unwrap_or_default()
}

/// The newest signed note, kept outside the store: what a rollback cannot take back.
pub(crate) struct Mark {
    path: PathBuf,
}

impl Mark {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The marked checkpoint; `None` if there is no mark.
    pub(crate) fn read(&self, key: &NoteKey) -> Result<Option<Checkpoint>, OpenError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::File { path: self.path.clone(), source }),
        };
        let note = Note::parse(&text).and_then(|note| note.verify_checkpoint(key));
        note.map(Some).map_err(|_forged| OpenError::MarkForged(self.path.clone()))
    }

    /// Replaces the mark: a new file, synced, renamed over the old one, its directory synced.
    pub(crate) fn raise(&self, note: &str) -> Result<(), AppendError> {
        let write = || {
            let directory = self.path.parent().unwrap_or(Path::new("."));
            let fresh = self.path.with_extension("new");
            let mut file = File::create(&fresh)?;
            file.write_all(note.as_bytes())?;
            file.sync_data()?;
            fs::rename(&fresh, &self.path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|source| AppendError::Mark { path: self.path.clone(), source })
    }
}
