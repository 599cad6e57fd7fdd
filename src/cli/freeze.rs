//! `freeze`: what may not be done for a while.

use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::operator;
use crate::exit::Exit;

/// Commands about freezes.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Freeze what fits a query
    On(Applies),
    /// Lift a freeze
    Off(Applies),
    /// List freezes in force
    Ls {
        /// With those that were lifted
        #[arg(long)]
        all: bool,
    },
}

/// What is frozen.
#[derive(clap::Args, Debug)]
pub(crate) struct Applies {
    /// A query, as "env:production class:write"; * for everything
    #[arg(default_value = "env:production")]
    applies_to: String,
    #[command(flatten)]
    operator: operator::Args,
}

const COLUMNS: [Column; 3] =
    [("APPLIES TO", "applies_to"), ("FROZEN", "frozen"), ("LIFTED", "lifted")];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::On(applies) => {
            operator::submit(context, &applies.operator, vec![applies.event("open", "frozen")])
        }
        Command::Off(applies) => {
            operator::submit(context, &applies.operator, vec![applies.event("frozen", "open")])
        }
        Command::Ls { all } => {
            let query: &[_] = if *all { &[("all", "true")] } else { &[] };
            listing::list(context, "/api/v1/freezes", query, COLUMNS)
        }
    }
}

impl Applies {
    fn event(&self, from: &str, to: &str) -> Json {
        let transition = json!({ "from": from, "to": to, "applies_to": self.applies_to });
        json!({ "kind": "authz.transition", "transition": transition })
    }
}
