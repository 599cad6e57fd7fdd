//! The ledger's signature: notes over heads, roots of receipts, and the high-water mark.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use schemas::checkpoint::{Checkpoint, Note, NoteKey, sign_checkpoint};
use schemas::era::{Era, Eras};
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
    /// Whether the log never went on from an older state: a later epoch's origin has one part more.
    #[must_use]
    pub fn is_first_epoch(&self) -> bool {
        self.origin.split_once('/').is_some_and(|(_host, rest)| rest == self.tenant.as_str())
    }

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
    /// What this writer found or wrote: whoever changes it meanwhile is noticed at the next commit.
    last: Option<String>,
}

/// What the mark says, against the eras that the store knows.
pub(crate) enum Marked {
    /// There is none.
    Absent,
    /// A checkpoint of an era of the store.
    Known(Checkpoint),
    /// A checkpoint of an epoch that the store does not know: it is older.
    Later(Checkpoint),
    /// A checkpoint of an epoch that was given up for the store's.
    Superseded,
    /// Not signed by this ledger.
    Forged,
}

/// Whether one of the ledger's keys signed the note, under the origin that it names.
pub(crate) fn is_signed(note: &Note, origin: &str, eras: &Eras) -> bool {
    let key = |era: &Era| NoteKey { name: origin.to_owned(), public: *era.key.verifying_key() };
    eras.iter().any(|era| note.verify_checkpoint(&key(era)).is_ok())
}

impl Mark {
    pub(crate) fn new(path: &Path) -> Self {
        let path = path.to_owned();
        let last = fs::read_to_string(&path).ok();
        Self { path, last }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The note as it is in the file; `None` if there is no mark.
    pub(crate) fn text(&self) -> Result<Option<String>, OpenError> {
        crate::open::read_mark(&self.path)
    }

    pub(crate) fn read(&self, eras: &Eras) -> Result<Marked, OpenError> {
        let Some(text) = self.text()? else { return Ok(Marked::Absent) };
        let parsed = Note::parse(&text).and_then(|note| note.checkpoint().map(|at| (note, at)));
        let Ok((note, marked)) = parsed else { return Ok(Marked::Forged) };
        if note.verify_checkpoint(&eras.at(marked.size).note_key()).is_ok() {
            return Ok(Marked::Known(marked));
        }
        let public = *eras.current().key.verifying_key();
        let renamed = NoteKey { name: marked.origin.clone(), public };
        let current = note.verify_checkpoint(&renamed).is_ok();
        Ok(match eras.epoch_of(&marked.origin) {
            Some(epoch) if epoch > eras.epoch() && current => Marked::Later(marked),
            Some(epoch) if epoch < eras.epoch() && is_signed(&note, &marked.origin, eras) => {
                Marked::Superseded
            }
            _ => Marked::Forged,
        })
    }

    /// Replaces the mark: a new file, synced, renamed over the old one, its directory synced.
    pub(crate) fn raise(&mut self, note: &str) -> Result<(), AppendError> {
        let found = match fs::read_to_string(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(AppendError::Mark { path: self.path.clone(), source }),
        };
        if found != self.last {
            return Err(AppendError::MarkChanged(self.path.clone()));
        }
        self.replace(note)?;
        self.last = Some(note.to_owned());
        Ok(())
    }

    fn replace(&self, note: &str) -> Result<(), AppendError> {
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
