//! `proposal`: changes that several operators have to agree to.

use std::path::PathBuf;

use schemas::body;
use schemas::deterministic::{Bounds, decode};
use schemas::id::EventId;
use schemas::registry::EPOCH;
use schemas::shape::open_json;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::{operator, parse};
use crate::exit::Exit;
use crate::keyfile::KeyFile;
use crate::sign::EventSigner;

/// Commands about proposals.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Propose how many operators have to agree from then on to operators, their keys and redactions
    Quorum {
        /// So many
        quorum: u64,
        /// So many have to agree to this proposal
        #[arg(long, value_name = "M")]
        needs: u64,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Propose a statement in JSON: a redaction, or a change of a principal or a key
    Statement {
        /// The statement, as for publish
        file: PathBuf,
        /// So many have to agree to this proposal
        #[arg(long, value_name = "M")]
        needs: u64,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// Agree to a new epoch of a ledger that was rolled back, in a file for `serve --new-epoch`, which says what to
    /// agree to
    NewEpoch(NewEpoch),
    /// Agree to a proposal; it is in force from the last approval that it needs
    Approve {
        /// Id of the proposal
        #[arg(value_parser = parse::event_id)]
        proposal: EventId,
        #[command(flatten)]
        operator: operator::Args,
    },
    /// List proposals
    Ls {
        /// Those that wait for approvals
        #[arg(long)]
        open: bool,
    },
}

/// Arguments of `proposal new-epoch`.
#[derive(clap::Args, Debug)]
pub(crate) struct NewEpoch {
    /// The origin that it begins
    #[arg(long)]
    origin: String,
    /// Entries that there are
    #[arg(long)]
    size: u64,
    /// Digest of the mark that is lost
    #[arg(long, value_name = "SHA256")]
    lost: String,
    /// So many have to agree
    #[arg(long, value_name = "M")]
    needs: u64,
    /// Key file of the operator who agrees
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl NewEpoch {
    /// Signs and writes; nothing is sent, for there is no server.
    fn sign(&self, context: &Context) -> Result<Exit, Failure> {
        let Self { origin, size, lost, needs, key, out } = self;
        let operation = json!({ "kind": EPOCH, "origin": origin, "size": size, "lost": lost });
        let mut signer = EventSigner::new(KeyFile::load(key)?, context.tenant()?);
        let item = signer.item(proposal(*needs, &operation), context.now());
        let message = signer.submission(&[item.map_err(Failure::Rejected)?]);
        std::fs::write(out, message)
            .map_err(|source| Failure::File { path: out.clone(), source })?;
        context.out().line(&format!("sworn serve --new-epoch --agreed {}", out.display()))?;
        Ok(Exit::Ok)
    }
}

const COLUMNS: [Column; 6] = [
    ("PROPOSAL", "id"),
    ("BY", "by"),
    ("NEEDS", "needed"),
    ("APPROVALS", "approvals"),
    ("OPERATION", "operation"),
    ("IN FORCE", "in_force"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the file, the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Quorum { quorum, needs, operator } => {
            let event = proposal(*needs, &json!({ "kind": "quorum", "m": quorum }));
            operator::submit(context, operator, vec![event])
        }
        Command::Statement { file, needs, operator } => {
            let text = std::fs::read_to_string(file)
                .map_err(|source| Failure::File { path: file.clone(), source })?;
            let statement: Json = serde_json::from_str(&text)
                .map_err(|source| Failure::Input { number: 1, source })?;
            operator::submit(context, operator, vec![proposal(*needs, &open(&statement)?)])
        }
        Command::NewEpoch(epoch) => epoch.sign(context),
        Command::Approve { proposal, operator } => {
            let event = json!({ "kind": "proposal.approved", "causes": [proposal.to_string()] });
            operator::submit(context, operator, vec![event])
        }
        Command::Ls { open } => {
            let query: &[_] = if *open { &[("open", "true")] } else { &[] };
            listing::list(context, "/api/v1/proposals", query, COLUMNS)
        }
    }
}

fn proposal(needs: u64, operation: &Json) -> Json {
    json!({ "kind": "proposal", "registry": { "m": needs, "operation": operation } })
}

/// A statement's fields as they stand inside a map of no declared shape.
fn open(statement: &Json) -> Result<Json, Failure> {
    let bytes = body::from_json(statement).map_err(Failure::Rejected)?;
    match decode(&bytes, Bounds::WIRE) {
        Ok(item) => Ok(open_json(&item)),
        Err(fault) => Err(Failure::Serve(fault.into())),
    }
}
