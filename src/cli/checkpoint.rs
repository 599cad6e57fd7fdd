//! `checkpoint`: what the ledger signed over its whole log, and what was verified of it here.

use schemas::checkpoint::{Note, NoteKey};
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::out::{Format, Tone};
use crate::client::ClientError;
use crate::exit::Exit;
use crate::pin::Pinned;

/// Subcommands of `checkpoint`.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Show the pinned checkpoint and the newest published one
    Ls(Show),
    /// Show a published checkpoint with its signatures
    Show {
        /// Its size [default: the newest]
        size: Option<u64>,
        #[command(flatten)]
        show: Show,
    },
    /// Pin the server's checkpoint although it contradicts what is pinned, after the reason is known
    Pin {
        #[command(flatten)]
        show: Show,
        /// The root to pin, as the conflict showed it: so that nobody pins what he has not seen
        #[arg(long, value_name = "ROOT")]
        expect_root: String,
    },
}

/// What every subcommand takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Show {
    /// Ledger key to trust: verifier key, fingerprint or file [env: SWORN_TRUST]
    #[arg(long, value_name = "TRUST")]
    trust: Option<String>,
}

/// Runs a subcommand.
///
/// # Errors
/// [`Failure`] of the server; [`Failure::Verdict`] for a checkpoint that does not verify.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls(show) => list(show, context),
        Command::Show { size, show } => one(*size, show, context),
        Command::Pin { show, expect_root } => pin(show, expect_root, context),
    }
}

fn list(show: &Show, context: &Context) -> Result<Exit, Failure> {
    let key = context.trust(show.trust.as_ref())?;
    let pin = context.pin()?;
    let pinned = pin.read(&context.keys(key.clone())?)?;
    let newest = fetch(context, "/api/v1/checkpoints")?;
    let verified = verified(&newest, &key, context)?;
    let exit = if verified.is_some() { Exit::Ok } else { Exit::BadSignature };
    let out = context.out();
    let json = |pinned: &Option<Pinned>| {
        pinned.as_ref().map(|Pinned { checkpoint, note }| {
            json!({ "size": checkpoint.size.0, "root": checkpoint.root.to_string(), "note": note })
        })
    };
    if out.format() != Format::Table {
        out.json(&json!({
            "origin": key.name, "pinned": json(&pinned), "published": json(&verified),
            "pin": pin.path().display().to_string(),
        }))?;
        return Ok(exit);
    }
    let line = |name: &str, at: &Option<Pinned>| match at {
        Some(Pinned { checkpoint, .. }) => {
            format!("{name:<10} {:>10} entries  {}", checkpoint.size.0, checkpoint.root)
        }
        None => format!("{name:<10} none that verifies"),
    };
    out.line(&format!("{:<10} {}", "origin", key.name))?;
    out.line(&line("pinned", &pinned))?;
    out.line(&line("published", &verified))?;
    Ok(exit)
}

fn one(size: Option<u64>, show: &Show, context: &Context) -> Result<Exit, Failure> {
    let key = context.trust(show.trust.as_ref())?;
    let path = match size {
        Some(size) => format!("/api/v1/checkpoints/{size}"),
        None => "/api/v1/checkpoints".to_owned(),
    };
    let text = fetch(context, &path)?;
    let found = verified(&text, &key, context)?;
    let out = context.out();
    if out.format() != Format::Table {
        let signatures = Note::parse(&text).map(|note| note.signatures).unwrap_or_default();
        let names: Vec<_> = signatures.iter().map(|line| line.name.as_str()).collect();
        out.json(&json!({ "note": text, "verified": found.is_some(), "signatures": names }))?;
    } else {
        out.bytes(text.as_bytes())?;
        let (tone, mark) = match found {
            Some(_) => (Tone::Good, "✓ signed by the trusted key"),
            None => (Tone::Bad, "✗ NOT SIGNED by the trusted key"),
        };
        out.line(&format!("\n{}", out.paint(tone, mark)))?;
    }
    Ok(if found.is_some() { Exit::Ok } else { Exit::BadSignature })
}

/// What `client()` would refuse is looked at here by the only command that may.
fn pin(show: &Show, expected: &str, context: &Context) -> Result<Exit, Failure> {
    let key = context.trust(show.trust.as_ref())?;
    let pin = context.pin()?;
    // A busy log has grown since its conflict was shown; what was shown then may be pinned now, for the next
    // call proves the growth from there.
    let notes = [context.stated_note(), pin.kept_conflict()?];
    let mut found = Vec::new();
    for note in notes.iter().flatten() {
        found.extend(verified(note, &key, context)?);
    }
    if found.is_empty() {
        return Err(Failure::Verdict {
            exit: Exit::BadSignature,
            what: "the server's checkpoint is not signed by the trusted key".to_owned(),
            details: Vec::new(),
        });
    }
    let chosen = found.iter().find(|found| found.checkpoint.root.to_string() == expected);
    let chosen = chosen.ok_or_else(|| Failure::Argument {
        name: "--expect-root",
        value: expected.to_owned(),
        expected: "the root that the conflict showed, or that of the server's newest checkpoint",
    })?;
    pin.write(&chosen.note)?;
    let checkpoint = &chosen.checkpoint;
    let line = format!("pinned {} entries of {}", checkpoint.size.0, checkpoint.origin);
    context.out().line(&line)?;
    Ok(Exit::Ok)
}

/// The checkpoint of a note, under the key that the ledger had at its size.
fn verified(note: &str, key: &NoteKey, context: &Context) -> Result<Option<Pinned>, Failure> {
    let Ok(checkpoint) = Note::parse(note).and_then(|note| note.checkpoint()) else {
        return Ok(None);
    };
    let key = context.key_at(checkpoint.size, key)?;
    Ok(Pinned::verified(note, &key))
}

fn fetch(context: &Context, path: &str) -> Result<String, Failure> {
    let answer = context.unwatched()?.json(path, &[])?;
    let note = answer.get("note").and_then(Json::as_str).map(str::to_owned);
    let expected = "a checkpoint";
    Ok(note.ok_or_else(|| ClientError::Answer { path: path.to_owned(), expected })?)
}
