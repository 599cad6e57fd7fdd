//! `prove`: proofs fetched, checked here, and written for others to check.

use std::fs;
use std::path::{Path, PathBuf};

use schemas::acknowledgement::{Sent, acknowledged};
use schemas::checkpoint::{Checkpoint, NoteKey};
use schemas::id::{Index, TreeHash, TreeSize};
use schemas::leaf::Leaf;
use schemas::proof::{LogProof, LogProofError};
use schemas::tree::verify_consistency;
use schemas::{receipt, submission};
use serde_json::{Value as Json, json};

use crate::cli::complete::{self, Whole, whole};
use crate::cli::context::{Context, given};
use crate::cli::failure::Failure;
use crate::cli::out::{Format, Tone};
use crate::cli::parse;
use crate::cli::trust::{Trust, public};
use crate::cli::watch::parse_path;
use crate::client::{Client, ClientError};
use crate::exit::Exit;

/// Arguments of `prove`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "Prove an entry:          sworn prove 88121 --out 88121.tlog-proof\n\
Prove a workflow whole:  sworn prove --complete corr:workflow-1\n\
Prove that a log grew:   sworn prove --from 400 --to 900\n\
Check a receipt offline: sworn prove --check FILE.receipt --leaf FILE.leaf --submission FILE --trust TRUST")]
pub(crate) struct Args {
    /// The entry, as 900 or #900
    #[arg(value_name = "N", value_parser = parse::index, conflicts_with_all = ["from", "to", "check"])]
    entry: Option<Index>,
    /// Prove that nothing is left out of a workflow, session or agent: corr:ID, session:ID, agent:ID
    #[arg(long, value_name = "TERM", value_parser = whole, conflicts_with_all = ["entry", "from", "to", "check"])]
    complete: Option<Whole>,
    /// Size of the older checkpoint
    #[arg(long, value_name = "SIZE", requires = "to")]
    from: Option<u64>,
    /// Size of the newer checkpoint
    #[arg(long, value_name = "SIZE", requires = "from")]
    to: Option<u64>,
    /// Write the proof as text (c2sp.org/tlog-proof@v1)
    #[arg(long, value_name = "FILE", requires = "entry")]
    out: Option<PathBuf>,
    /// Write the receipt (COSE, RFC 9942), and the leaf that it proves beside it as FILE.leaf
    #[arg(long, value_name = "FILE", requires = "entry")]
    receipt: Option<PathBuf>,
    /// Check a receipt that is here already; no server is asked
    #[arg(long, value_name = "FILE", requires = "leaf", conflicts_with_all = ["from", "to"])]
    check: Option<PathBuf>,
    /// The leaf that the receipt is for
    #[arg(long, value_name = "FILE", requires = "check")]
    leaf: Option<PathBuf>,
    /// The submission as it was sent: the receipt must be for one of its items
    #[arg(long, value_name = "FILE", requires = "check")]
    submission: Option<PathBuf>,
    /// Ledger key to trust: verifier key, fingerprint or file [env: SWORN_TRUST]
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
}

/// Fetches, checks and prints a proof.
///
/// # Errors
/// [`Failure::Verdict`] when it does not hold; [`Failure`] of the server and of files.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if let Some(whole) = &args.complete {
        return complete::run(whole, args.trust.as_ref(), context);
    }
    match (args.entry, args.from.zip(args.to), &args.check) {
        (Some(index), None, None) => entry(args, context, index),
        (None, Some((from, to)), None) => growth(args, context, TreeSize(from), TreeSize(to)),
        (None, None, Some(receipt)) => check(args, context, receipt),
        _ => Err(Failure::Argument {
            name: "prove",
            value: String::new(),
            expected: "an entry, --complete, --from with --to, or --check with --leaf",
        }),
    }
}

fn broken(exit: Exit, what: String) -> Failure {
    Failure::Verdict { exit, what, details: Vec::new() }
}

fn entry(args: &Args, context: &Context, index: Index) -> Result<Exit, Failure> {
    let client = context.client()?;
    let key = context.trust(args.trust.as_ref())?;
    let path = format!("/api/v1/entries/{}", index.0);
    let leaf = client.bytes(&format!("{path}/leaf"), &[], "application/cbor")?;
    if Leaf::decode(&leaf).is_none_or(|leaf| leaf.index != index) {
        return Err(broken(Exit::HashMismatch, format!("the leaf is not that of entry {index}")));
    }
    let text = client.bytes(&format!("{path}/proof"), &[], "text/plain")?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (proof, checkpoint) = logged(&text, index, &leaf, |size| context.key_at(size, &key))?;
    if let Some(file) = &args.out {
        write(file, text.as_bytes())?;
    }
    if let Some(file) = &args.receipt {
        let media = "application/scitt-receipt+cose";
        let bytes = client.bytes(&format!("{path}/receipt"), &[], media)?;
        let proved = receipt::verify(&bytes, &leaf, &key.public);
        let proved =
            proved.map_err(|fault| broken(Exit::BadSignature, format!("the receipt: {fault}")))?;
        if proved.index != index {
            return Err(broken(Exit::BadSignature, "the receipt is another entry's".to_owned()));
        }
        write(file, &bytes)?;
        write(&beside(file, "leaf"), &leaf)?;
    }
    show_entry(context, index, &leaf, &proof, &checkpoint)
}

/// The proof of logging in `text`, checked to be this entry's, and the checkpoint that it ends in.
///
/// # Errors
/// [`Failure::Verdict`] when it is not; those of `key_at`.
pub(crate) fn logged(
    text: &str,
    index: Index,
    leaf: &[u8],
    key_at: impl Fn(TreeSize) -> Result<NoteKey, Failure>,
) -> Result<(LogProof, Checkpoint), Failure> {
    let fails = |fault: LogProofError| broken(Exit::BadSignature, format!("the proof: {fault}"));
    let proof = LogProof::parse(text).map_err(fails)?;
    let stated = proof.note.checkpoint().map_err(|fault| fails(fault.into()))?;
    let checkpoint = proof.verify(leaf, &key_at(stated.size)?).map_err(fails)?;
    if proof.index == index {
        return Ok((proof, checkpoint));
    }
    let what = format!("the proof is of entry {}, not of {index}", proof.index);
    Err(broken(Exit::BadSignature, what))
}

fn show_entry(
    context: &Context,
    index: Index,
    leaf: &[u8],
    proof: &LogProof,
    checkpoint: &Checkpoint,
) -> Result<Exit, Failure> {
    let out = context.out();
    let hash = schemas::tree::leaf_hash(leaf);
    if out.format() != Format::Table {
        out.json(&json!({
            "index": index.0,
            "leaf": schemas::id::hex(leaf),
            "leaf_hash": hash.to_string(),
            "path": hashes(&proof.path),
            "checkpoint": told(checkpoint),
            "proof": proof.to_string(),
        }))?;
        return Ok(Exit::Ok);
    }
    out.line(&format!("leaf        {hash}"))?;
    for (number, hash) in (1..).zip(&proof.path) {
        out.line(&format!("path {number:<6} {hash}"))?;
    }
    out.line(&format!("root        {}", checkpoint.root))?;
    let text = format!(
        "entry {index} is among the {} entries of {}",
        checkpoint.size.0, checkpoint.origin
    );
    out.line(&format!("{}  {text}", out.paint(Tone::Good, "✓ verified")))?;
    Ok(Exit::Ok)
}

fn growth(args: &Args, context: &Context, from: TreeSize, to: TreeSize) -> Result<Exit, Failure> {
    let client = context.client()?;
    let key = context.trust(args.trust.as_ref())?;
    let published = |size| published(&client, size, &context.key_at(size, &key)?);
    let (old, new) = (published(from)?, published(to)?);
    let path = "/api/v1/consistency";
    let (from_text, to_text) = (from.0.to_string(), to.0.to_string());
    let answer = client.json(path, &[("from", &from_text), ("to", &to_text)])?;
    let proof = parse_path(&answer).ok_or_else(|| ClientError::Answer {
        path: path.to_owned(),
        expected: "a consistency proof",
    })?;
    let holds = match from == to {
        true => old == new,
        false => verify_consistency(from, &old.root, to, &new.root, &proof).is_ok(),
    };
    if !holds {
        let what = format!("the log of {} entries does not extend that of {}", to.0, from.0);
        return Err(broken(Exit::Conflict, what));
    }
    let out = context.out();
    if out.format() != Format::Table {
        let json = json!({ "from": told(&old), "to": told(&new), "path": hashes(&proof) });
        out.json(&json)?;
        return Ok(Exit::Ok);
    }
    for (number, hash) in (1..).zip(&proof) {
        out.line(&format!("path {number:<6} {hash}"))?;
    }
    let text = format!("{} entries of {} extend the first {}", to.0, new.origin, from.0);
    out.line(&format!("{}  {text}", out.paint(Tone::Good, "✓ verified")))?;
    Ok(Exit::Ok)
}

/// The published checkpoint of this size, verified.
fn published(client: &Client, size: TreeSize, key: &NoteKey) -> Result<Checkpoint, Failure> {
    let path = format!("/api/v1/checkpoints/{}", size.0);
    let answer = client.json(&path, &[])?;
    let note = answer.get("note").and_then(Json::as_str).unwrap_or_default();
    let checkpoint = schemas::checkpoint::Note::parse(note)
        .and_then(|note| note.verify_checkpoint(key))
        .map_err(|fault| broken(Exit::BadSignature, format!("checkpoint {}: {fault}", size.0)))?;
    if checkpoint.size == size {
        return Ok(checkpoint);
    }
    let what = format!("the server sent checkpoint {} for {}", checkpoint.size.0, size.0);
    Err(broken(Exit::Conflict, what))
}

/// Checks a receipt with nothing but files.
fn check(args: &Args, context: &Context, receipt: &Path) -> Result<Exit, Failure> {
    let trust = given(args.trust.as_ref(), "SWORN_TRUST");
    let needed =
        Failure::Needed { name: "the ledger's key", flag: "--trust", variable: "SWORN_TRUST" };
    let Trust::Key(key) = Trust::read(&trust.ok_or(needed)?)? else {
        return Err(Failure::Argument {
            name: "--trust",
            value: "a fingerprint".to_owned(),
            expected: "the verifier key itself (host/tenant+…), since no server is asked for it",
        });
    };
    let ledger = public(&key).ok_or(Failure::Argument {
        name: "--trust",
        value: key.vkey(),
        expected: "a key that is not weak",
    })?;
    let receipt = read(receipt)?;
    let leaf = read(args.leaf.as_deref().unwrap_or(Path::new("")))?;
    let sent = args.submission.as_deref().map(read).transpose()?;
    let sent = sent.as_deref().map(submission::open).transpose().map_err(Failure::Rejected)?;
    let sent: Vec<_> = sent.iter().flat_map(|sent| Sent::items(sent)).collect();
    let fault = |fault: schemas::acknowledgement::Fault| {
        broken(Exit::BadSignature, format!("the receipt proves nothing: {fault}"))
    };
    let proved = match sent.as_slice() {
        [] => schemas::acknowledgement::proved(&receipt, &leaf, &ledger).map_err(fault)?,
        items => items
            .iter()
            .map(|item| acknowledged(&receipt, &leaf, item, &ledger))
            .reduce(Result::or)
            .expect("there is an item")
            .map_err(fault)?,
    };
    let what = if sent.is_empty() { "the leaf" } else { "what was sent" };
    let text = format!("{what} is entry {} of {}", proved.index, key.name);
    let out = context.out();
    match out.format() {
        Format::Table => {
            out.line(&format!("{}  {text}", out.paint(Tone::Good, "✓ verified")))?;
        }
        _ => out.json(&json!({ "index": proved.index.0, "origin": key.name }))?,
    }
    Ok(Exit::Ok)
}

fn hashes(path: &[TreeHash]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}

fn told(checkpoint: &Checkpoint) -> Json {
    json!({
        "origin": checkpoint.origin,
        "size": checkpoint.size.0,
        "root": checkpoint.root.to_string(),
    })
}

/// `FILE.leaf` for `FILE`.
fn beside(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|source| Failure::File { path: path.to_owned(), source })
}
