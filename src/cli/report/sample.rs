//! `report sample`: entries that chance picks for an auditor, the same for the same seed and checkpoint.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::incomplete;
use crate::cli::line::line;
use crate::cli::member::{cell, items};
use crate::cli::out::{Format, note};
use crate::cli::query_text;
use crate::exit::Exit;

/// Arguments of `report sample`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Query that the entries fit, as in: class:destructive since:90d
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 25)]
    sample: u64,
    /// Any text; the same one picks the same entries
    #[arg(long)]
    seed: String,
    /// Of the published checkpoint of this size, to repeat a sample [default: the newest]
    #[arg(long, value_name = "ENTRIES")]
    size: Option<u64>,
}

/// Draws it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let (q, sample) = (query_text(&args.query), args.sample.to_string());
    let size = args.size.map(|size| size.to_string());
    let mut query = vec![("q", q.as_str()), ("sample", &sample), ("seed", &args.seed)];
    query.extend(size.iter().map(|size| ("size", size.as_str())));
    let report = context.client()?.json("/api/v1/reports/sample", &query)?;
    let out = context.out();
    if out.format() == Format::Table {
        items(&report, "items").iter().try_for_each(|entry| out.line(&line(entry, out)))?;
    } else {
        out.json(&report)?;
    }
    let number = |pointer: &str| report.pointer(pointer).and_then(Json::as_u64).unwrap_or_default();
    note(&format!(
        "{} of {} entries (population {}), of the checkpoint of size {}",
        items(&report, "items").len(),
        number("/population/count"),
        cell(&report, "population.digest"),
        number("/as_of/size"),
    ));
    let more =
        "the population is larger than a sample is drawn from; narrow the query or its window";
    Ok(incomplete::ending(&report, more))
}
