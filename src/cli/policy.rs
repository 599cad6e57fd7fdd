//! `policy`: the texts that gates apply, known by their digests.

use std::path::PathBuf;

use schemas::id::{hex, sha256};
use schemas::printable::printable;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::member::text;
use crate::cli::operator;
use crate::cli::out::{Format, note};
use crate::client::segment;
use crate::exit::Exit;

/// Commands about policies.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Register a policy's text, so that its digest in verdicts leads to it
    Register {
        /// The text
        file: PathBuf,
        /// Its name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List policies
    Ls,
    /// Show a policy's text
    Show {
        /// SHA-256 of the text, in hex
        digest: String,
    },
}

const COLUMNS: [Column; 3] = [("DIGEST", "digest"), ("NAME", "name"), ("REGISTERED", "registered")];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the file, the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Register { file, name, operator } => {
            let text = std::fs::read_to_string(file)
                .map_err(|source| Failure::File { path: file.clone(), source })?;
            operator::submit(context, operator, vec![registration(&text, name.as_deref())])
        }
        Command::Ls => listing::list(context, "/api/v1/policies", &[], COLUMNS),
        Command::Show { digest } => show(context, digest),
    }
}

fn registration(text: &str, name: Option<&str>) -> Json {
    let mut registry = json!({ "digest": hex(&sha256(text.as_bytes())) });
    if let (Some(name), Json::Object(registry)) = (name, &mut registry) {
        registry.insert("name".to_owned(), name.into());
    }
    json!({ "kind": "policy.registered", "registry": registry, "detail": { "text": text } })
}

fn show(context: &Context, digest: &str) -> Result<Exit, Failure> {
    let path = format!("/api/v1/policies/{}", segment(digest));
    let policy = context.client()?.json(&path, &[])?;
    let (out, says) = (context.out(), text(&policy, "text"));
    // The server may show another text: the digest is what verdicts name.
    if says.is_some_and(|says| hex(&sha256(says.as_bytes())) != digest) {
        return Err(Failure::Verdict {
            exit: Exit::HashMismatch,
            what: "the text that the server shows does not have this digest".to_owned(),
            details: Vec::new(),
        });
    }
    if out.format() != Format::Table {
        out.json(&policy)?;
    }
    let Some(says) = says else {
        note("its text is not there any more");
        return Ok(Exit::Undecidable);
    };
    if out.format() == Format::Table {
        says.lines().try_for_each(|line| out.line(&printable(line)))?;
    }
    Ok(Exit::Ok)
}
