//! `baseline`: what is usual for an agent, and where its rules draw the line.

use serde_json::Value as Json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::member::number;
use crate::cli::out::Format;
use crate::client::segment;
use crate::exit::Exit;

/// Arguments of `baseline`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Id of the agent
    agent: String,
}

/// Shows it.
///
/// # Errors
/// [`Failure`] of the server and the output.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let path = format!("/api/v1/agents/{}/baseline", segment(&args.agent));
    let baseline = context.client()?.json(&path, &[])?;
    let out = context.out();
    if out.format() != Format::Table {
        out.json(&baseline)?;
        return Ok(Exit::Ok);
    }
    out.line(&format!("{:<24} {}", "actions", number(&baseline, "actions")))?;
    out.line(&format!("{:<24} {}", "usual in an hour", number(&baseline, "usual")))?;
    for bound in baseline.get("thresholds").and_then(Json::as_array).into_iter().flatten() {
        let rule = bound.get("rule").and_then(Json::as_str).unwrap_or_default();
        out.line(&format!("{rule:<24} {}", number(bound, "bound")))?;
    }
    Ok(Exit::Ok)
}
