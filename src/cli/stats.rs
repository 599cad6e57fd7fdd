//! `stats`: what fits a query, counted by one key.

use schemas::printable::printable;
use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::line::text;
use crate::cli::out::{Format, note};
use crate::cli::query_text;
use crate::exit::Exit;
use crate::table::Table;

/// Arguments of `stats`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Query, as in: agent:db-* class:destructive
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// The key to count by, as model, agent or action
    #[arg(long, value_name = "KEY")]
    by: String,
    /// From there on: 15m, 2026-04-08, #900
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to there, exclusive
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

/// Counts.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let q = query_text(&args.query);
    let mut query = vec![("q", q.as_str()), ("by", args.by.as_str())];
    query.extend(args.since.iter().map(|since| ("since", since.as_str())));
    query.extend(args.until.iter().map(|until| ("until", until.as_str())));
    let stats = context.client()?.json("/api/v1/stats", &query)?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&stats)?;
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(["VALUE", "ENTRIES", "REJECTED", "FINDINGS", "DENIED", "CONFIRMED", "FAILED"]);
    for row in stats.get("items").and_then(Json::as_array).into_iter().flatten() {
        let number = |pointer: &str| {
            row.pointer(pointer).and_then(Json::as_u64).unwrap_or_default().to_string()
        };
        let denied = match row.get("denied_percent").and_then(Json::as_u64) {
            Some(percent) => format!("{} ({percent} %)", number("/verdicts/deny")),
            None => String::new(),
        };
        let cells = [
            printable(text(row, "value").unwrap_or_default()),
            number("/entries"),
            number("/rejected"),
            number("/findings"),
            denied,
            number("/outcomes/confirmed"),
            number("/outcomes/failed"),
        ];
        table.row(cells.each_ref().map(String::as_str));
    }
    table.lines().try_for_each(|line| out.line(&line))?;
    if let Some(reached) = stats.pointer("/incomplete/scanned_to").and_then(Json::as_u64) {
        note(&format!(
            "entries from #{reached} on are not counted; narrow the query or its window"
        ));
        return Ok(Exit::Undecidable);
    }
    Ok(Exit::Ok)
}
