//! `contract`: what an owner lets its agent do, from YAML, and what bound an agent when.

mod file;

use std::path::PathBuf;

use schemas::id::SignerId;
use schemas::printable::printable;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::member::{number, text};
use crate::cli::out::{Format, note};
use crate::cli::{operator, parse};
use crate::client::{ClientError, segment};
use crate::exit::Exit;
use file::ContractFile;

/// Arguments of `contract`.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: Option<Show>,
}

/// Which contract to show.
#[derive(clap::Args, Debug)]
struct Show {
    /// Id of the agent
    agent: String,
    /// As of an entry or a time: 900, 2026-04-08T03:45Z, 2d
    #[arg(long, value_name = "POINT")]
    at: Option<String>,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Register a contract from its YAML; the agent's owner signs
    Register {
        /// The YAML
        file: PathBuf,
        /// Check it, print what would be signed, and send nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        owner: operator::Optional,
    },
    /// Record that its owner has looked at the contract in force again
    Review {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        #[command(flatten)]
        owner: operator::Args,
    },
    /// End the contract in force
    Withdraw {
        /// Id of the agent
        #[arg(value_parser = parse::signer)]
        agent: SignerId,
        #[command(flatten)]
        owner: operator::Args,
    },
    /// List each agent's newest contract
    Ls,
}

const COLUMNS: [Column; 6] = [
    ("AGENT", "agent"),
    ("OWNER", "owner"),
    ("DIGEST", "digest"),
    ("REGISTERED", "registered"),
    ("EXPIRY", "expiry"),
    ("REVIEW BY", "review_by"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the file, the server, or of key, broker and receipts.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    match (&args.command, &args.show) {
        (Some(Command::Register { file, dry_run, owner }), _) => {
            let file = ContractFile::read(file, context.now())?;
            if *dry_run {
                context.out().json(&file.event())?;
                note("nothing was signed or sent");
                return Ok(Exit::Ok);
            }
            operator::submit(context, &owner.needed()?, vec![file.event()])
        }
        (Some(Command::Review { agent, owner }), _) => {
            let event = about("contract.reviewed", agent, context)?;
            operator::submit(context, owner, vec![event])
        }
        (Some(Command::Withdraw { agent, owner }), _) => {
            let event = about("contract.withdrawn", agent, context)?;
            operator::submit(context, owner, vec![event])
        }
        (Some(Command::Ls), _) => listing::list(context, "/api/v1/contracts", &[], COLUMNS),
        (None, Some(show)) => show.run(context),
        (None, None) => Ok(Exit::Usage),
    }
}

/// A statement about the contract in force.
fn about(kind: &str, agent: &SignerId, context: &Context) -> Result<Json, Failure> {
    let path = format!("/api/v1/contracts/{}", segment(agent.as_str()));
    let contract = context.client()?.json(&path, &[])?;
    let digest = text(&contract, "digest");
    let expected = "a contract with its digest";
    let digest = digest.ok_or(ClientError::Answer { path, expected })?;
    Ok(json!({ "kind": kind, "agent": { "id": agent.as_str() }, "contract": digest }))
}

impl Show {
    fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let path = format!("/api/v1/contracts/{}", segment(&self.agent));
        let at: Vec<_> = self.at.iter().map(|at| ("at", at.as_str())).collect();
        let contract = context.client()?.json(&path, &at)?;
        let (out, yaml) = (context.out(), text(&contract, "yaml"));
        if out.format() != Format::Table {
            out.json(&contract)?;
            return self.compare(&contract, yaml);
        }
        let cell = |name: &str| text(&contract, name).map(printable).unwrap_or_default();
        let in_force = contract.get("in_force").and_then(Json::as_bool).unwrap_or_default();
        let registered = number(&contract, "registered");
        out.line(&format!("# digest {}", cell("digest")))?;
        out.line(&format!(
            "# entry #{registered}, {}",
            if in_force { "in force" } else { "not in force" }
        ))?;
        match yaml {
            Some(yaml) => yaml.lines().try_for_each(|line| out.line(&printable(line)))?,
            None => out.json(contract.get("contract").unwrap_or(&Json::Null))?,
        }
        self.compare(&contract, yaml)
    }

    /// The rules go by the fields and people read the text: they have to say the same.
    fn compare(&self, contract: &Json, yaml: Option<&str>) -> Result<Exit, Failure> {
        let Some(yaml) = yaml else {
            note("its text is not there any more; these are its fields");
            return Ok(Exit::Undecidable);
        };
        let fields = file::fields(yaml);
        if fields.is_ok_and(|fields| Some(&fields) == contract.get("contract")) {
            return Ok(Exit::Ok);
        }
        Err(Failure::Verdict {
            exit: Exit::HashMismatch,
            what: format!(
                "the contract of {} does not say in its text what its fields say",
                self.agent
            ),
            details: vec!["compare: sworn contract AGENT -o json".to_owned()],
        })
    }
}
