//! `proposal`: changes that several operators have to agree to.

use std::path::PathBuf;

use schemas::body;
use schemas::deterministic::{Bounds, decode};
use schemas::id::EventId;
use schemas::shape::open_json;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::{operator, parse};
use crate::exit::Exit;

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
