//! `access`: who may do what, by which entry; and what changed between two points.

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::point::Point;
use crate::exit::Exit;

/// Arguments of `access`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Of this agent only
    #[arg(long)]
    agent: Option<String>,
    #[command(flatten)]
    point: Point,
    /// What changed after this point: an entry or a time
    #[arg(long, value_name = "POINT", conflicts_with = "at")]
    from: Option<String>,
    /// Up to this one
    #[arg(long, value_name = "POINT", requires = "from")]
    to: Option<String>,
}

const COLUMNS: [Column; 7] = [
    ("PRINCIPAL", "principal"),
    ("AGENT", "agent"),
    ("BY", "by"),
    ("ENTRY", "index"),
    ("SCOPE", "scope"),
    ("TARGETS", "targets"),
    ("ENV", "environments"),
];

const CHANGES: [Column; 6] = [
    ("", "change"),
    ("ENTRY", "index"),
    ("TIME", "received_at"),
    ("WHAT", "what"),
    ("AGENT", "agent"),
    ("BY", "by"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let texts = [("agent", &args.agent), ("from", &args.from), ("to", &args.to)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
    let mut query: Vec<_> = texts.collect();
    query.extend(args.point.query());
    if args.from.is_some() {
        return listing::list(context, "/api/v1/access", &query, CHANGES);
    }
    listing::list(context, "/api/v1/access", &query, COLUMNS)
}
