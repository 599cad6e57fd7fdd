//! `annotate`: a note about an entry, for the case that it belongs to.

use schemas::id::Index;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::text;
use crate::cli::{operator, parse};
use crate::exit::Exit;

/// Arguments of `annotate`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The entry, as 900 or #900
    #[arg(value_name = "N", value_parser = parse::index)]
    index: Index,
    #[command(flatten)]
    by: operator::Args,
}

/// Records what was given as the reason beside the entry, which it changes nothing of.
///
/// # Errors
/// [`Failure`] of the server, or of key, broker and receipts.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let entry = context.client()?.json(&format!("/api/v1/entries/{}", args.index.0), &[])?;
    let id = text(&entry, "id").ok_or_else(|| Failure::Argument {
        name: "N",
        value: args.index.to_string(),
        expected: "an entry that has an id of its own",
    })?;
    operator::submit(context, &args.by, vec![json!({ "kind": "annotation", "causes": [id] })])
}
