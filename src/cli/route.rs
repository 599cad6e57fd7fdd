//! `route`: where findings go, and whether they arrive.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::listing::{self, Column};
use crate::cli::member::{cell, number};
use crate::cli::out::{Format, Tone};
use crate::client::{ClientError, segment};
use crate::exit::Exit;

/// Commands about routes.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// List the server's routes, and how they do since it started
    Ls,
    /// Send a signed test message to an owner's route; exit code 1 if it does not arrive
    Test {
        /// Whose route
        owner: String,
    },
}

const COLUMNS: [Column; 7] = [
    ("ROUTE", "name"),
    ("TO", "url"),
    ("RATE/MIN", "rate_per_minute"),
    ("WAITING", "waiting"),
    ("DELIVERED", "delivered"),
    ("FAILED", "failed"),
    ("ERROR", "error"),
];

/// Runs it.
///
/// # Errors
/// [`Failure`] of the server; [`Failure::Client`] with 404 where no route takes the owner's findings.
pub(crate) fn run(command: &Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls => listing::list(context, "/api/v1/routes", &[], COLUMNS),
        Command::Test { owner } => test(context, owner),
    }
}

fn test(context: &Context, owner: &str) -> Result<Exit, Failure> {
    let path = "/api/v1/admin/routes/test";
    let tested = context.client()?.post(&format!("{path}?owner={}", segment(owner)))?;
    let delivered = tested.get("delivered").and_then(Json::as_bool);
    let delivered = delivered
        .ok_or_else(|| ClientError::Answer { path: path.to_owned(), expected: "a test" })?;
    let exit = if delivered { Exit::Ok } else { Exit::Other };
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&tested)?;
        return Ok(exit);
    }
    let cell = |name: &str| cell(&tested, name);
    let number = |name: &str| number(&tested, name);
    let ended = match delivered {
        true => out.paint(Tone::Good, &format!("✓ delivered  {}", number("status"))),
        false => out.paint(Tone::Bad, &format!("✗ not delivered  {}", cell("error"))),
    };
    let latency = number("latency_ms");
    out.line(&format!("{ended}  route {} at {}, {latency} ms", cell("route"), cell("url")))?;
    out.line(&format!("  Sworn-Id: {}", cell("id")))?;
    out.line(&format!("  Sworn-Signature: {}", cell("signature")))?;
    out.line(
        "  v1 must be HMAC-SHA256(secret, t + \".\" + body) in hex, and t at most 5 minutes old",
    )?;
    Ok(exit)
}
