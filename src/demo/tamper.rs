//! One byte flipped in a copy, and what verification says of it, beside an untouched copy.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::{Audit, AuditError, ColumnFamily, OpenError, Report, Tampered};
use schemas::checkpoint::Note;
use schemas::key::PublicKey;
use serde_json::Value as Json;

use crate::cli::out::Out;
use crate::client::{Client, ClientError};
use crate::dev::{self, DevError, Place};
use crate::keyfile::{KeyFile, KeyFileError};
use crate::sign::random;

/// What to copy.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Directory of the development ledger
    #[arg(long, value_name = "DIR", default_value = "./.sworn-dev")]
    data: PathBuf,
}

/// Why the demonstration shows nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TamperError {
    /// There is no development ledger.
    #[error("{dir} holds no development ledger; start one with: sworn dev --demo", dir = .0.display())]
    Absent(PathBuf),
    /// The directory.
    #[error(transparent)]
    Dev(#[from] DevError),
    /// The ledger's key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The address in the directory is another ledger's server.
    #[error("the server at {0} serves another ledger")]
    OtherServer(String),
    /// A file.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The copy.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Verification.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// There was nothing to flip.
    #[error("the ledger holds no bodies")]
    Empty,
    /// The untouched copy does not verify.
    #[error("the untouched copy does not verify: {0}")]
    Broken(ledger::Divergence),
    /// Verification did not notice, or named something else.
    #[error("verification did not name the flipped byte")]
    Unnoticed,
}

/// Flips one byte of a copy and verifies it, beside an untouched copy.
///
/// # Errors
/// [`TamperError`], above all if the tampering was not caught and named.
pub(crate) fn run(args: &Args, out: Out) -> Result<(), TamperError> {
    let dir = args.data.as_path();
    let config = dev::ledger_in(dir);
    if !config.store.exists() {
        return Err(TamperError::Absent(dir.to_owned()));
    }
    let key = KeyFile::load(&dev::ledger_key_in(dir))?.public();
    let scratch = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
    let (untouched, tampered) = (scratch.path().join("untouched"), scratch.path().join("tampered"));
    let served = dev::announced(dir).map(|url| from_server(&url, &key, &untouched));
    let note = match served {
        // An address that was left behind names a server that does not answer.
        None | Some(Err(TamperError::Client(ClientError::Unreachable { .. }))) => {
            from_directory(dir, &config, &untouched)?
        }
        Some(copied) => copied?,
    };
    copy(&untouched, &tampered)?;
    let [row, byte] = [(); 2].map(|()| usize::from(u16::from_be_bytes(random())));
    let flipped = ledger::tamper(&tampered, ColumnFamily::Bodies, row, byte)?;
    let flipped = flipped.ok_or(TamperError::Empty)?;
    let verify = |store: &Path| {
        let audit = Audit { store, trust: Some(key), mark: note.as_deref(), state: None };
        ledger::audit(&audit, &|_progress| {})
    };
    let (before, after) = (verify(&untouched)?, verify(&tampered)?);
    for line in table(&flipped, &before, &after) {
        // Who closes the output has seen enough.
        let _ = out.line(&line);
    }
    judge(&flipped, &before, &after)
}

fn judge(flipped: &Tampered, before: &Report, after: &Report) -> Result<(), TamperError> {
    if let Some(first) = before.divergences.first() {
        return Err(TamperError::Broken(first.clone()));
    }
    let named =
        |found: &ledger::Divergence| found.family == flipped.family && found.index == flipped.index;
    if after.divergences.first().is_some_and(named) { Ok(()) } else { Err(TamperError::Unnoticed) }
}

fn table(flipped: &Tampered, before: &Report, after: &Report) -> Vec<String> {
    let place = flipped.index.map_or_else(|| flipped.key.clone(), |index| index.to_string());
    let row = |name: &str, left: &str, right: &str| format!("  {name:<10}  {left:<34}  {right}");
    let found = |report: &Report| match report.divergences.first() {
        None => "ok".to_owned(),
        Some(first) => format!("FAILED: {first}"),
    };
    let checked = |report: &Report| match report.divergences.is_empty() {
        true => format!("{} verified", report.signatures),
        false => "-".to_owned(),
    };
    vec![
        format!(
            "Flipped one bit of byte {} of the body of entry {place}, in a copy.",
            flipped.offset
        ),
        "Every checksum of the storage engine still fits: only the ledger can notice.".to_owned(),
        row("", "untouched copy", "tampered copy"),
        row("entries", &before.size.to_string(), &after.size.to_string()),
        row("signatures", &checked(before), &checked(after)),
        row("verify", &found(before), &found(after)),
    ]
}

/// The copy of a running server, and its mark.
fn from_server(
    url: &str,
    key: &PublicKey,
    untouched: &Path,
) -> Result<Option<String>, TamperError> {
    let client = Client::new(url)?;
    let made = client.post("/api/v1/admin/copy")?;
    let other = || TamperError::OtherServer(url.to_owned());
    let text = |name: &str| made.get(name).and_then(Json::as_str);
    let note = text("note").ok_or_else(other)?.to_owned();
    let store = PathBuf::from(text("path").ok_or_else(other)?);
    let number = made.get("copy").and_then(Json::as_u64).ok_or_else(other)?;
    let copied = match signed(&note, key) {
        // Its files are linked to the server's own: ours must be others.
        true => copy(&store, untouched),
        false => Err(other()),
    };
    client.delete(&format!("/api/v1/admin/copy/{number}"))?;
    copied.map(|()| Some(note))
}

/// Whether this ledger's key signed the note.
fn signed(note: &str, key: &PublicKey) -> bool {
    let Ok(note) = Note::parse(note) else { return false };
    let Ok(checkpoint) = note.checkpoint() else { return false };
    let key =
        schemas::checkpoint::NoteKey { name: checkpoint.origin, public: *key.verifying_key() };
    note.verify(&key).is_ok()
}

/// A copy of the files of a ledger that nobody has open, and its mark.
fn from_directory(
    dir: &Path,
    config: &ledger::Config,
    untouched: &Path,
) -> Result<Option<String>, TamperError> {
    let _alone = Place::take(dir)?;
    copy(&config.store, untouched)?;
    Ok(ledger::read_mark(&config.mark)?)
}

/// Copies a directory of files, bytes and all.
fn copy(from: &Path, to: &Path) -> Result<(), TamperError> {
    fs::create_dir_all(to).map_err(at(to))?;
    for file in fs::read_dir(from).map_err(at(from))? {
        let file = file.map_err(at(from))?;
        let target = to.join(file.file_name());
        let kind = file.file_type().map_err(at(from))?;
        match kind.is_dir() {
            true => copy(&file.path(), &target)?,
            false => fs::copy(file.path(), &target).map(drop).map_err(at(&target))?,
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> TamperError {
    let path = path.to_owned();
    move |source| TamperError::File { path, source }
}
